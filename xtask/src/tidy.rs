//! The project's own rules, held by a program.

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use crate::{licences, root};

/// The arrows of the design: which room may use which. Pure rooms come first.
const ARROWS: &[(&str, &[&str])] = &[
    ("model", &[]),
    ("observe", &["model"]),
    ("meter", &["model"]),
    ("promql", &["model"]),
    ("alert", &["model", "promql"]),
    ("diagnose", &["model"]),
    ("guard", &["model"]),
    ("kernel", &["model"]),
    ("store", &["model", "meter"]),
    ("gateway", &["guard", "kernel", "model", "observe", "meter"]),
    ("probe", &["kernel", "model", "observe", "diagnose"]),
    ("remote", &["guard", "model", "meter"]),
    ("notify", &["model", "alert", "meter"]),
    ("web", &["model", "meter", "promql", "alert", "diagnose", "web"]),
    (
        "heartline",
        &[
            "model", "observe", "meter", "diagnose", "guard", "gateway", "web", "probe", "store", "promql",
            "alert", "remote", "notify",
        ],
    ),
];

/// Rooms without sockets, files, clock and randomness.
const PURE: &[&str] = &["model", "observe", "meter", "promql", "alert", "diagnose", "guard"];

/// What a pure room may not name, in its dependencies and in its code.
const IMPURE_CRATES: [&str; 6] = ["tokio", "hyper", "socket2", "rand", "rustix", "reqwest"];
const IMPURE_WORDS: [&str; 5] =
    ["Instant::now", "SystemTime::now", "std::fs", "std::net::Tcp", "std::net::Udp"];

/// Longest source file.
const LINES_MAX: usize = 700;

/// Checks all rules and tells of every place that breaks one.
pub fn run() -> ExitCode {
    let mut found = Vec::new();
    for &(room, may_use) in ARROWS {
        arrows(room, may_use, &mut found);
    }
    for path in tracked() {
        let Ok(text) = std::fs::read_to_string(root().join(&path)) else { continue };
        file(&path, &text, &mut found);
    }
    languages(&mut found);
    found.extend(licences::problems());
    for problem in &found {
        println!("{problem}");
    }
    if found.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn arrows(room: &str, may_use: &[&str], found: &mut Vec<String>) {
    let path = root().join("crates").join(room).join("Cargo.toml");
    let manifest = std::fs::read_to_string(&path).unwrap_or_default();
    let section = manifest.split("[dependencies]").nth(1).unwrap_or_default();
    let section = section.split("\n[").next().unwrap_or_default();
    for name in section.lines().filter_map(|line| line.split(['.', ' ', '=']).next()) {
        let is_room = ARROWS.iter().any(|(known, _)| *known == name);
        if is_room && !may_use.contains(&name) {
            found.push(format!("crates/{room}: no arrow leads to `{name}`, see ARCHITECTURE.md"));
        }
        if PURE.contains(&room) && IMPURE_CRATES.contains(&name) {
            found.push(format!("crates/{room}: a pure room may not use `{name}`"));
        }
    }
}

fn file(path: &Path, text: &str, found: &mut Vec<String>) {
    let name = path.display().to_string();
    let is_rust = path.extension().is_some_and(|extension| extension == "rs");
    let is_own = name.starts_with("xtask/");
    if is_rust && !text.starts_with("//!") && !text.starts_with("#![no_main]") {
        found.push(format!("{name}: a file begins with what it is for: `//!`"));
    }
    if is_rust && text.lines().count() > LINES_MAX {
        found.push(format!("{name}: longer than {LINES_MAX} lines"));
    }
    let is_pure = PURE.iter().any(|room| name.starts_with(&format!("crates/{room}/src/")));
    for (index, line) in text.lines().enumerate().filter(|_| !is_own) {
        let mut report = |what: &str| found.push(format!("{name}:{}: {what}", index + 1));
        if is_rust && ["TODO", "FIXME", "XXX", "#[ignore"].iter().any(|word| line.contains(word)) {
            report("unfinished");
        }
        if is_rust && line.contains("unbounded_channel") {
            report("every queue has a bound");
        }
        if is_pure && is_rust && IMPURE_WORDS.iter().any(|word| line.contains(word)) {
            report("a pure room has no clock, files and sockets");
        }
        if !name.ends_with(".lock")
            && ["\"/work/", " /work/", "/root/"].iter().any(|word| line.contains(word))
        {
            report("a path of one machine");
        }
    }
}

/// Both READMEs have the same sections, and both dashboards speak of the same things.
fn languages(found: &mut Vec<String>) {
    let levels = |name: &str| -> Vec<usize> {
        let text = std::fs::read_to_string(root().join(name)).unwrap_or_default();
        let mut in_code = false;
        text.lines()
            .filter(|line| {
                in_code ^= line.starts_with("```");
                !in_code && line.starts_with('#')
            })
            .map(|line| line.chars().take_while(|c| *c == '#').count())
            .collect()
    };
    if levels("README.md") != levels("README.zh-CN.md") {
        found.push("README.zh-CN.md: its sections are not those of README.md".to_owned());
    }
    let keys = |name: &str| {
        let path = root().join("crates/web/ui/src/locales").join(name);
        let text = std::fs::read_to_string(path).unwrap_or_default();
        let mut keys = Vec::new();
        collect_keys(&serde_json::from_str(&text).unwrap_or_default(), "", &mut keys);
        keys.sort();
        keys
    };
    if keys("en.json").is_empty() || keys("en.json") != keys("zh-CN.json") {
        found.push("crates/web/ui/src/locales: the languages have different keys".to_owned());
    }
}

fn collect_keys(value: &serde_json::Value, path: &str, keys: &mut Vec<String>) {
    match value.as_object() {
        Some(object) => {
            for (name, child) in object {
                collect_keys(child, &format!("{path}.{name}"), keys);
            }
        }
        None => keys.push(path.to_owned()),
    }
}

fn tracked() -> Vec<PathBuf> {
    let listed = Command::new("git").args(["ls-files", "-z"]).current_dir(root()).output();
    let names = listed.map(|output| output.stdout).unwrap_or_default();
    String::from_utf8_lossy(&names).split('\0').filter(|name| !name.is_empty()).map(PathBuf::from).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(path: &str, text: &str, expected: &[&str]) {
        let mut found = Vec::new();
        file(Path::new(path), text, &mut found);
        assert_eq!(found, expected);
    }

    #[test]
    fn files_are_judged() {
        check("crates/web/src/a.rs", "//! A.\n", &[]);
        check(
            "crates/web/src/a.rs",
            "fn a() {}\n",
            &["crates/web/src/a.rs: a file begins with what it is for: `//!`"],
        );
        check("crates/web/src/a.rs", "//! A.\n// TODO\n", &["crates/web/src/a.rs:2: unfinished"]);
        let clock = "//! A.\nlet now = Instant::now();\n";
        check(
            "crates/meter/src/a.rs",
            clock,
            &["crates/meter/src/a.rs:2: a pure room has no clock, files and sockets"],
        );
        check("crates/gateway/src/a.rs", clock, &[]);
        check("docs/a.md", "see /root/x\n", &["docs/a.md:1: a path of one machine"]);
    }
}
