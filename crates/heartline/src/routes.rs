//! `heartline routes`: where alerts go, told from an `alertmanager.yml` alone.

mod rehearse;

use std::io::{BufRead as _, Read as _};
use std::path::{Path, PathBuf};

use alert::alertmanager::{Config, RETIRED, parse};
use clap::{Args, Subcommand};
use model::series::Labels;

use crate::Failure;
use crate::config::{AlertingConfig, ConfigErrors, EvaluationConfig};
use crate::telling::Plan;

/// Kinds of channels that Alertmanager does not have: they stand in the configuration of this program.
const OWN_KINDS: [&str; 5] = ["dingtalk", "feishu", "sms", "voice", "wecom"];

/// Sub-commands of `routes`.
#[derive(Debug, Subcommand)]
pub enum RoutesCommand {
    /// Print who is told of an alert with some labels, as `amtool config routes test` does.
    Test(TestOptions),
    /// Print what would be told when, for alerts that fire and end at given times; nobody is told.
    Rehearse(RehearseOptions),
}

/// Options of `routes rehearse`.
#[derive(Args, Clone, Debug)]
pub struct RehearseOptions {
    /// File with routes and receivers.
    #[arg(short, long, value_name = "FILE", default_value = "alertmanager.yml")]
    config: PathBuf,
    /// How long to go on after the last event.
    #[arg(long, value_name = "DURATION", default_value = "1h", value_parser = alert::duration::parse)]
    more: i64,
    /// File with an event a line, such as `90s fires alertname=A severity=critical` and `5m ends alertname=A
    /// severity=critical`; `-` reads standard input.
    events: PathBuf,
}

/// Options of `routes test`.
#[derive(Args, Clone, Debug)]
pub struct TestOptions {
    /// File with routes and receivers.
    #[arg(short, long, value_name = "FILE", default_value = "alertmanager.yml")]
    config: PathBuf,
    /// Labels of the alert, such as severity=critical; `-` reads one alert a line from standard input, its labels
    /// separated by tabs.
    #[arg(required = true, value_name = "NAME=VALUE")]
    labels: Vec<String>,
}

/// Runs a sub-command of `routes`.
///
/// # Errors
/// See [`Failure`]; the file or a label is wrong.
pub fn run(command: RoutesCommand) -> Result<(), Failure> {
    match command {
        RoutesCommand::Test(options) => test(&options),
        RoutesCommand::Rehearse(options) => {
            let config = load(&options.config).map_err(|errors| Failure::Usage(errors.to_string()))?;
            let events = text(&options.events)?;
            let told = rehearse::rehearse(config, &events, options.more).map_err(Failure::Usage)?;
            crate::look::print(told.as_bytes())
        }
    }
}

/// The text of a file, or of standard input for `-`.
fn text(path: &Path) -> Result<String, Failure> {
    let mut text = String::new();
    let read = if path == Path::new("-") {
        std::io::stdin().read_to_string(&mut text).map(|_| text)
    } else {
        std::fs::read_to_string(path)
    };
    read.map_err(|error| Failure::Running(format!("{}: {error}", path.display())))
}

fn test(TestOptions { config, labels }: &TestOptions) -> Result<(), Failure> {
    let config = load(config).map_err(|errors| Failure::Usage(errors.to_string()))?;
    let mut lines = String::new();
    if *labels == ["-"] {
        for line in std::io::stdin().lock().lines() {
            let line = line.map_err(|error| Failure::Running(format!("standard input: {error}")))?;
            lines += &receivers(&config, line.split('\t'))?;
        }
    } else {
        lines += &receivers(&config, labels.iter().map(String::as_str))?;
    }
    crate::look::print(lines.as_bytes())
}

/// A line with the receivers of an alert.
fn receivers<'a>(config: &Config, labels: impl Iterator<Item = &'a str>) -> Result<String, Failure> {
    let labels = labels.filter(|text| !text.is_empty()).map(label).collect::<Result<Vec<_>, _>>();
    let labels = labels.map_err(Failure::Usage)?;
    let routes = config.routes.matching(&Labels::new(labels)).into_iter();
    let names: Vec<&str> =
        routes.filter_map(|number| config.routes.get(number)).map(|route| &*route.receiver).collect();
    Ok(format!("{}\n", names.join(",")))
}

/// Name and value of a label.
pub(crate) fn label(text: &str) -> Result<(&str, &str), String> {
    let pair = text.split_once('=').filter(|(name, _)| !name.is_empty());
    pair.ok_or_else(|| format!("`{text}` is not a label, such as severity=critical"))
}

/// Kinds of channels that may stand in the configuration of this program: all but the retired.
pub(crate) fn own_kinds() -> impl Iterator<Item = &'static str> {
    notify::kinds().filter(|kind| *kind != RETIRED)
}

/// Kinds of channels that an `alertmanager.yml` may have.
pub(crate) fn kinds() -> Vec<&'static str> {
    notify::kinds().filter(|kind| !OWN_KINDS.contains(kind)).collect()
}

/// Reads and judges an `alertmanager.yml`.
///
/// # Errors
/// All that is wrong with it, each with its place.
pub fn load(path: &Path) -> Result<Config, ConfigErrors> {
    let name = path.display().to_string();
    let text = std::fs::read_to_string(path).map_err(|error| ConfigErrors::unreadable(&name, &error))?;
    parse(&text, &kinds()).map_err(|issues| ConfigErrors::of_issues(&name, &text, issues))
}

/// Judges an `alertmanager.yml` and the settings of its channels; says what it has.
///
/// # Errors
/// All that is wrong, each with its place.
pub fn check(path: &Path) -> Result<(), String> {
    let config = load(path).map_err(|errors| errors.to_string())?;
    let alerting = AlertingConfig { alertmanager_config: Some(path.to_owned()), ..AlertingConfig::default() };
    Plan::read(&alerting, &EvaluationConfig::default())?;
    crate::rules::warn(path, &config.warnings);
    println!(
        "ok {}: {} routes, {} receivers, {} rules of inhibition, {} time intervals",
        path.display(),
        config.routes.iter().count(),
        config.receivers.len(),
        config.inhibit_rules.len(),
        config.time_intervals.len()
    );
    Ok(())
}
