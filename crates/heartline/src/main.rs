//! The `heartline` command.

use std::process::ExitCode;

use clap::Parser as _;

fn main() -> ExitCode {
    let cli = heartline::cli::Cli::parse();
    match heartline::run(cli) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            if !matches!(failure, heartline::Failure::Told(_)) {
                eprintln!("{failure}");
            }
            failure.exit_code()
        }
    }
}
