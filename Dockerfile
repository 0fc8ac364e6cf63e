# utracefs in a container:
#
#   docker build -t utracefs .
#   docker run --rm -it --device /dev/fuse --cap-add SYS_ADMIN utracefs
#
# leaves you in a shell in /sys/kernel/tracing. A command after the image's name runs beside it instead of the shell.
# Where AppArmor confines containers (Debian, Ubuntu), add --security-opt apparmor=unconfined. tests/docker tries all of it.
# Tools to have in the image: docker build --build-arg TOOLS="trace-cmd strace" -t utracefs .

FROM rust:1-bookworm AS build
WORKDIR /src
COPY . .
# without debugging information, which takes time to make and does not come along
RUN CARGO_PROFILE_RELEASE_DEBUG=0 CARGO_PROFILE_RELEASE_STRIP=true \
        cargo build --release --locked --package utracefs-mount --bin utracefs \
    && install -D target/release/utracefs /out/utracefs

FROM debian:bookworm-slim
ARG TOOLS=""
RUN if [ -n "$TOOLS" ]; then \
        apt-get update && apt-get install -y --no-install-recommends $TOOLS && rm -rf /var/lib/apt/lists/*; \
    fi
COPY --from=build /out/utracefs /usr/local/bin/utracefs
ENV SHELL=/bin/bash
# process 1: mounts, serves, collects orphans, passes signals on
ENTRYPOINT ["/usr/local/bin/utracefs", "container", "--"]
