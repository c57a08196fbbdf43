//! The binary `trefoil`; everything it does is in [`agent::cli`].

fn main() -> std::process::ExitCode {
    agent::cli::main()
}
