//! Configuration, wiring and the sub-commands.
//!
//! [`app::App`] joins the rooms into one running system; the sub-commands are thin around it.

mod alerting;
pub mod app;
pub mod ask;
pub mod channel;
pub mod cli;
pub mod config;
pub mod demo;
pub mod diagnose;
pub mod escalate;
mod examinations;
pub mod explain;
mod findings;
pub mod grafana;
mod history;
mod host;
pub mod load;
pub mod look;
mod probes;
pub mod reference;
pub mod routes;
pub mod rules;
mod system;
mod telling;

use std::fmt;
use std::process::ExitCode;

use crate::cli::{Cli, Command};

/// Why a command did not do what it was asked for.
#[derive(Debug)]
pub enum Failure {
    /// The command line or a configuration cannot be used.
    Usage(String),
    /// It failed while doing it.
    Running(String),
    /// The gateway that it asks is not reachable.
    Unreachable(String),
    /// It did what it should, and its report says what is wrong; the process ends with this code.
    Told(u8),
}

impl Failure {
    /// 2 for bad usage or configuration, 3 when nobody is reachable, what was told, 1 for any other failure.
    pub fn exit_code(&self) -> ExitCode {
        match self {
            Failure::Usage(_) => ExitCode::from(2),
            Failure::Running(_) => ExitCode::from(1),
            Failure::Unreachable(_) => ExitCode::from(3),
            Failure::Told(code) => ExitCode::from(*code),
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Failure::Usage(text) | Failure::Running(text) | Failure::Unreachable(text) => {
                write!(f, "error: {text}")
            }
            Failure::Told(_) => Ok(()),
        }
    }
}

/// Runs a sub-command to its end.
///
/// # Errors
/// See [`Failure`].
pub fn run(cli: Cli) -> Result<(), Failure> {
    cli.log.init();
    match cli.command {
        Command::Run(options) => {
            let source = config::Source::new(options)?;
            block_on(app::run(source))
        }
        Command::Demo(options) => block_on(demo::run(options)),
        Command::Check { files, promql } => check(&files, &promql.options()),
        Command::Rules(command) => rules::run(command),
        Command::Routes(command) => routes::run(command),
        Command::Escalate(command) => escalate::run(command),
        Command::Ack(options) => block_on(escalate::ack(options)),
        Command::Connections(options) => block_on(look::connections(options)),
        Command::Show(options) => block_on(look::show(options)),
        Command::Findings(options) => block_on(look::findings(options)),
        Command::Alerts(options) => block_on(look::alerts(options)),
        Command::Channel(command) => block_on(channel::run(command)),
        Command::Diagnose(options) => block_on(diagnose::run(*options)),
        Command::Explain(options) => explain::run(&options),
        Command::Grafana(command) => grafana::run(&command),
        Command::Load(command) => load::run(*command),
    }
}

fn check(files: &[std::path::PathBuf], options: &promql::Options) -> Result<(), Failure> {
    let mut wrong = Vec::new();
    for file in files {
        let text = std::fs::read_to_string(file).unwrap_or_default();
        if rules::is_rule_file(&text) {
            wrong.extend(rules::check(file, options).err().map(|errors| errors.to_string()));
            continue;
        }
        if alert::alertmanager::is_config(&text) {
            wrong.extend(routes::check(file).err());
            continue;
        }
        let read = config::load(file).map_err(|errors| errors.to_string());
        let judged = read.and_then(|config| {
            let groups = rules::configured(&config.rules, &config.evaluation.promql())?.len();
            let plan = telling::Plan::read(&config.alerting, &config.evaluation)?;
            let warnings = config.warnings();
            plan.warnings.iter().chain(&warnings).for_each(|warning| eprintln!("warning: {warning}"));
            Ok((config, groups, plan.names().len()))
        });
        match judged {
            Ok((config, groups, channels)) => println!(
                "ok {}: {} listeners, {} routes, {groups} groups of rules, {channels} channels",
                file.display(),
                config.listeners.len(),
                config.routes.len()
            ),
            Err(errors) => wrong.push(errors),
        }
    }
    if wrong.is_empty() { Ok(()) } else { Err(Failure::Usage(wrong.join("\n\n"))) }
}

fn block_on(future: impl Future<Output = Result<(), Failure>>) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::Running(format!("no threads to run on: {error}")))?;
    let outcome = runtime.block_on(future);
    runtime.shutdown_timeout(std::time::Duration::from_millis(100));
    outcome
}
