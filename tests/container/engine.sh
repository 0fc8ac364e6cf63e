# shellcheck shell=bash
# The engine, the base images and the build of tests/docker.

remove_containers() {
    docker ps -aq --filter "name=$mark" | xargs -r docker rm -f >/dev/null
}
remove_images() {
    docker image rm -f "$image" "$image:build" "$image:tools" "${made[@]}"
}
stop_engine() {
    local pid=$engine
    [ -n "$pid" ] || return 0
    engine=
    kill "$pid" 2>/dev/null || true
    becomes 30 eval '! alive "$pid"' || kill -KILL "$pid" 2>/dev/null || true
    wait "$pid" 2>/dev/null || true
    # an engine leaves the namespace of --network=host bound there, for its next start
    quietly umount "$work/exec/netns/default" || true
}
finish() {
    trap '' INT TERM
    [ ! -x "$work/utracefs" ] || quietly "$work/utracefs" umount "$work/tracing" || true
    if quietly docker info; then
        quietly remove_containers || true
        [ -n "$keep" ] || quietly remove_images || true
    fi
    stop_engine
    # what is mounted there still was left by an engine that was killed; rm must not go through it
    mounts_below "$work" | sort -r | xargs -r umount -l
    rm -rf --one-file-system "$work"
}

# ----------------------------------------------------------------------------------------------------------------- an engine
# start_engine STORAGE: an engine that shares nothing with another and changes nothing of the network
start_engine() {
    local data=$work/data
    [ -z "$keep" ] || data=$(realpath -m "${CARGO_TARGET_DIR:-target}")/docker
    mkdir -p "$data" "$work/config"
    echo '{}' >"$work/daemon.json"
    export DOCKER_HOST=unix://$work/docker.sock DOCKER_CONFIG=$work/config
    dockerd --config-file "$work/daemon.json" --data-root "$data" --exec-root "$work/exec" --pidfile "$work/pid" \
        --host "$DOCKER_HOST" --containerd '' --cgroup-parent "/$mark" --storage-driver "$1" \
        --exec-opt native.cgroupdriver=cgroupfs --bridge=none --iptables=false --ip6tables=false --ip-forward=false --ip-masq=false \
        >"$work/dockerd.log" 2>&1 </dev/null &
    engine=$!
    becomes 60 eval 'quietly docker info || ! alive "$engine"' && quietly docker info
}
get_engine() {
    local storage
    ! quietly docker info || return 0
    [ "$(id -u)" = 0 ] || skip_all "no engine runs (or this user may not use it), and only root can start one"
    installed dockerd docker.io || skip_all "no engine runs, and docker.io cannot be installed"
    have docker || installed docker docker-cli || skip_all "there is no docker command"
    for storage in overlay2 vfs; do
        say ... "starting an engine with $storage"
        ! start_engine "$storage" || return 0
        stop_engine
    done
    skip_all "an engine does not start here: $(grep -E 'failed to start|level=(fatal|error)' "$work/dockerd.log" | tail -n 1)"
}

# ----------------------------------------------------------------------------------------------------------- the base images
# make_base IMAGE PACKAGES [SYSROOT]: a Debian under the name of that image, with a Rust toolchain in it
make_base() {
    local name=$1 packages=$2 sysroot=${3:-} dir=$work/rootfs path=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
    [ "$(id -u)" = 0 ] || skip_all "no image registry is reachable, and only root can make base images"
    installed debootstrap debootstrap || skip_all "no image registry is reachable, and debootstrap cannot be installed"
    say ... "making $name with debootstrap"
    mkdir -p "$dir" "$work/debs"
    debootstrap --variant=minbase --cache-dir="$work/debs" ${packages:+"--include=$packages"} bookworm "$dir" >"$work/debootstrap.log" 2>&1 ||
        skip_all "no image registry is reachable, nor are Debian's packages: $(tail -n 1 "$work/debootstrap.log")"
    rm -rf "$dir"/var/cache/apt/archives/*.deb "$dir"/usr/share/{doc,man,locale}
    if [ -n "$sysroot" ]; then
        mkdir "$dir/usr/local/rust"
        tar -C "$sysroot" --exclude=./share --exclude=./lib/rustlib/src -cf - . | tar -C "$dir/usr/local/rust" -xf -
        path=/usr/local/rust/bin:$path
    fi
    tar -C "$dir" -cf - . | docker import -c "ENV PATH=$path" -c 'CMD ["bash"]' - "$name" >/dev/null
    rm -rf --one-file-system "$dir"
}
get_bases() {
    local base bases
    mapfile -t bases < <(sed -n 's/^FROM \([^ ]*\).*/\1/p' Dockerfile)
    for base in "${bases[@]}"; do
        ! quietly docker image inspect "$base" || continue
        # images of the user's own engine are not ours to remove
        made+=("$base")
        ! quietly timeout 600 docker pull "$base" || continue
        case $base in
        rust:*)
            have rustc || skip_all "no image registry is reachable, and there is no Rust toolchain here to make $base of"
            make_base "$base" gcc,libc6-dev,binutils "$(rustc --print sysroot)"
            ;;
        *) make_base "$base" '' ;;
        esac
    done
}

# ----------------------------------------------------------------------------------------------------------------- the build
make_context() {
    mkdir -p "$work/context/.cargo"
    # what git knows or would add, as far as it is there
    git ls-files -z --cached --others --exclude-standard | while IFS= read -r -d '' f; do
        [ ! -e "$f" ] || printf '%s\0' "$f"
    done | tar --null -T - -cf - | tar -C "$work/context" -xf -
    (cd "$work/context" && cargo vendor --locked vendor >.cargo/config.toml 2>"$work/vendor.log") ||
        skip_all "the crates cannot be had: $(tail -n 1 "$work/vendor.log")"
}
build() {
    # the first stage by name too, so that it can be removed
    docker build --network=none --target build -t "$image:build" "$work/context"
    docker build --network=none -t "$image" "$work/context"
    echo "$(($(docker image inspect -f '{{.Size}}' "$image") / 1000000)) MB" >"$work/note"
}
image_is_small() {
    local tools
    tools=$(docker run --rm --network=none --entrypoint /bin/sh "$image" -c 'command -v cargo rustc gcc cc; ls -A /src /out 2>/dev/null; true')
    is "tools and sources in the image" "" "$tools"
    # it must end in a shell of a user's liking
    docker run --rm --network=none --entrypoint /bin/bash "$image" -c 'command -v bash sh'
}
