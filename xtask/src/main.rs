//! The project's own commands: `cargo xtask test` runs every check, `cargo xtask tidy` the project's own rules.

mod bench;
mod install;
mod lab;
mod licences;
mod soak;
mod steps;
mod tidy;

use std::path::PathBuf;
use std::process::ExitCode;

const HELP: &str = "cargo xtask COMMAND

  test [STEP...]   every check, or those named; installs what is missing
  tidy             the project's own rules: arrows between rooms, file headers, forbidden words
  licences         writes the licences of what is in the binary anew
  bench [...]      what Heartline costs beside other proxies: `cargo xtask bench --help`
  soak [...]       whether anything stays behind after many connections: `cargo xtask soak --help`
  lab [...]        faults made for real, and whether Heartline finds them: `cargo xtask lab --help`
  stop [N]         whether each of N connections, 5,000 if not given, is told of a stop, over its window
  kill [...]       whether what is killed loses nothing, store and alerts, 50 times: `cargo xtask kill --help`

Steps: fmt clippy deny tidy unit ui docs e2e bench";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let is_help = arguments.iter().any(|argument| argument == "--help" || argument == "-h");
    match arguments.split_first() {
        Some((command, more)) if command == "lab" => lab::run(more),
        Some((command, more)) if is_help => help(command, more),
        Some((command, names)) if command == "test" => steps::run(names),
        Some((command, [])) if command == "tidy" => tidy::run(),
        Some((command, [])) if command == "licences" => licences::run(),
        Some((command, names)) if command == "bench" => bench::run(names),
        Some((command, names)) if command == "soak" => soak::run(names),
        Some((command, names)) if command == "stop" => steps::stop(names),
        Some((command, names)) if command == "kill" => steps::kill(names),
        _ => {
            eprintln!("{HELP}");
            ExitCode::from(2)
        }
    }
}

/// Tells how a command is used.
fn help(command: &str, more: &[String]) -> ExitCode {
    match command {
        "bench" if more.iter().any(|part| part == "history") => println!("{}", bench::history::HELP),
        "bench" if more.iter().any(|part| part == "findings") => println!("{}", bench::findings::HELP),
        "bench" => println!("{}", bench::help()),
        "soak" => println!("{}", soak::HELP),
        "kill" => println!("{}", steps::KILL),
        _ => println!("{HELP}"),
    }
    ExitCode::SUCCESS
}

/// The root of the repository.
fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).parent().expect("xtask lies in the repository").to_owned()
}

/// Where installed tools and builds are kept, outside the repository.
fn cache() -> PathBuf {
    let from = |name: &str| std::env::var_os(name).map(PathBuf::from);
    from("HEARTLINE_CACHE")
        .or_else(|| from("XDG_CACHE_HOME").map(|dir| dir.join("heartline")))
        .or_else(|| from("HOME").map(|dir| dir.join(".cache/heartline")))
        .unwrap_or_else(|| std::env::temp_dir().join("heartline-cache"))
}

/// Where cargo builds.
fn target() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), PathBuf::from)
}
