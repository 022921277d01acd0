//! `heartline rules`: rule files of Prometheus, tested and printed; and the rules that come with this program.

mod configured;
pub(crate) mod files;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use alert::rules::{GroupSpec, Issue, RuleFile, export};
use alert::unit_test;
use clap::{Args, Subcommand, ValueEnum};
use promql::{Compat, Features, Options};

use crate::Failure;
use crate::config::ConfigErrors;
pub(crate) use configured::{Groups, configured};

/// The rules that come with this program.
pub const DEFAULT_RULES: &str = include_str!("../../../deploy/rules/heartline.yml");

/// Sub-commands of `rules`.
#[derive(Debug, Subcommand)]
pub enum RulesCommand {
    /// Run tests of rules, in the format of `promtool test rules`; exit code 1 if one fails.
    Test(TestOptions),
    /// Print rules as one Prometheus rule file: those of files, or those that come with this program.
    Export {
        /// Rule files [default: the rules that come with this program].
        files: Vec<PathBuf>,
        /// How expressions are understood.
        #[command(flatten)]
        promql: PromqlOptions,
    },
}

/// Options of `rules test`.
#[derive(Args, Clone, Debug)]
pub struct TestOptions {
    /// Files with tests; the rule files that they name are found beside them.
    #[arg(required = true)]
    files: Vec<PathBuf>,
    /// How expressions are understood.
    #[command(flatten)]
    promql: PromqlOptions,
}

/// How expressions are understood.
#[derive(Args, Clone, Copy, Debug, Default)]
pub struct PromqlOptions {
    /// Prometheus whose rule files and PromQL are meant, where versions differ: 2 or 3.
    #[arg(long, value_name = "VERSION", default_value = "3")]
    promql_compat: Version,
    /// Experimental features of PromQL to evaluate, by the names that Prometheus' --enable-feature has for them,
    /// separated by commas.
    #[arg(long, value_name = "NAMES", value_parser = |names: &str| Features::named(names.split(',')))]
    promql_features: Option<Features>,
}

/// A major version of Prometheus.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum Version {
    /// 2.x.
    #[value(name = "2")]
    V2,
    /// 3.x.
    #[default]
    #[value(name = "3")]
    V3,
}

impl PromqlOptions {
    /// The same for the evaluator.
    pub fn options(self) -> Options {
        let compat = match self.promql_compat {
            Version::V2 => Compat::V2,
            Version::V3 => Compat::V3,
        };
        Options { compat, features: self.promql_features.unwrap_or_default(), ..Options::default() }
    }
}

/// Runs a sub-command of `rules`.
///
/// # Errors
/// See [`Failure`]; a test failed, or a file is wrong.
pub fn run(command: RulesCommand) -> Result<(), Failure> {
    match command {
        RulesCommand::Test(TestOptions { files, promql }) => test(&files, &promql.options()),
        RulesCommand::Export { files, promql } => {
            let text = if files.is_empty() {
                DEFAULT_RULES.to_owned()
            } else {
                let mut groups = Vec::new();
                for file in &files {
                    let file = load(file, &promql.options())
                        .map_err(|errors| Failure::Running(errors.to_string()))?;
                    groups.extend(file.groups);
                }
                export(&groups)
            };
            crate::look::print(text.as_bytes())
        }
    }
}

/// Whether a text is that of a rule file and not of a configuration.
pub fn is_rule_file(text: &str) -> bool {
    text.lines().any(|line| {
        line.trim_start_matches(['{', '"', '\'', ' ']).starts_with("groups") && !line.starts_with("  ")
    })
}

/// Reads and judges a rule file.
///
/// # Errors
/// All that is wrong with it, each with its place.
pub fn load(path: &Path, options: &Options) -> Result<RuleFile, ConfigErrors> {
    let name = path.display().to_string();
    let text = std::fs::read_to_string(path).map_err(|error| ConfigErrors::unreadable(&name, &error))?;
    alert::rules::parse(&text, options).map_err(|issues| ConfigErrors::of_issues(&name, &text, issues))
}

/// Judges a rule file; says how many rules it has.
///
/// # Errors
/// See [`load`].
pub fn check(path: &Path, options: &Options) -> Result<(), ConfigErrors> {
    let file = load(path, options)?;
    warn(path, &file.warnings);
    let rules = file.groups.iter().flat_map(|group| &group.rules);
    let (alerts, records): (Vec<_>, Vec<_>) = rules.partition(|rule| rule.is_alert());
    println!(
        "ok {}: {} groups, {} alerts, {} recordings",
        path.display(),
        file.groups.len(),
        alerts.len(),
        records.len()
    );
    Ok(())
}

/// Says what is odd about a file.
pub(crate) fn warn(path: &Path, warnings: &[Issue]) {
    let name = path.display();
    for warning in warnings {
        let place =
            if warning.line > 0 { format!(":{}:{}", warning.line, warning.column) } else { String::new() };
        eprintln!("warning: {name}{place}: {}", warning.message);
    }
}

fn test(files: &[PathBuf], options: &Options) -> Result<(), Failure> {
    let mut wrong = Vec::new();
    for file in files {
        match test_file(file, options) {
            Ok(count) => println!("ok {}: {count} tests", file.display()),
            Err(text) => wrong.push(text),
        }
    }
    if wrong.is_empty() { Ok(()) } else { Err(Failure::Running(wrong.join("\n\n"))) }
}

/// Number of tests of a file, if all hold.
fn test_file(path: &Path, options: &Options) -> Result<usize, String> {
    let name = path.display().to_string();
    let text =
        std::fs::read_to_string(path).map_err(|error| format!("{name}: it cannot be read: {error}"))?;
    let file = unit_test::parse(&text)
        .map_err(|issues| ConfigErrors::of_issues(&name, &text, issues).to_string())?;
    let groups = rules_of(path, &file, options)?;
    let failures: Vec<String> =
        unit_test::run(&file, &groups, options).iter().map(|failure| format!("{name}: {failure}")).collect();
    if failures.is_empty() { Ok(file.cases.len()) } else { Err(failures.join("\n")) }
}

/// Groups of the rule files that tests name.
fn rules_of(
    tests: &Path,
    file: &unit_test::TestFile,
    options: &Options,
) -> Result<Vec<(String, GroupSpec)>, String> {
    let beside = tests.parent().unwrap_or(Path::new(""));
    let mut groups = BTreeMap::new();
    for pattern in &file.rule_files {
        let found = files::matching(&beside.join(pattern));
        if found.is_empty() {
            eprintln!("warning: {}: no file matches {pattern}", tests.display());
        }
        for path in found {
            let rules = load(&path, options).map_err(|errors| errors.to_string())?;
            groups.insert(path.display().to_string(), rules.groups);
        }
    }
    let named =
        |(file, groups): (String, Vec<GroupSpec>)| groups.into_iter().map(move |group| (file.clone(), group));
    Ok(groups.into_iter().flat_map(named).collect())
}

#[cfg(test)]
mod tests;
