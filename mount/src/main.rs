//! The `utracefs` command.

fn main() -> std::process::ExitCode {
    utracefs_mount::cli::main()
}
