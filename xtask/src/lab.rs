//! `cargo xtask lab`: the fault laboratory of `tests/lab`, with all that it needs.

use std::process::{Command, ExitCode};

use crate::bench::envoy;
use crate::{install, root, steps, target};

/// Runs it with these arguments, as `python -m lab` takes them.
pub fn run(arguments: &[String]) -> ExitCode {
    match lab(arguments) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn lab(arguments: &[String]) -> Result<ExitCode, String> {
    let tests = root().join("tests");
    install::lab()?;
    let bin = install::python()?;
    install::node(&tests.join("e2e/peers"))?;
    steps::cargo(&["build", "--package", "heartline", "--locked", "--quiet"])?;
    let mut python = Command::new(bin.join("python"));
    python.args(["-m", "lab"]).args(arguments).current_dir(tests);
    python.env("HEARTLINE_BIN", target().join("debug/heartline")).env("LAB_ENVOY", envoy::binary());
    let status = python.status().map_err(|error| format!("python: {error}"))?;
    let code = status.code().and_then(|code| u8::try_from(code).ok());
    Ok(code.map_or(ExitCode::FAILURE, ExitCode::from))
}
