//! The command line.

use std::io::IsTerminal as _;
use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use gateway::config::UpstreamUrl;
use tracing_subscriber::EnvFilter;

use crate::channel::ChannelCommand;
use crate::diagnose::DiagnoseOptions;
use crate::escalate::{AckOptions, EscalateCommand};
use crate::explain::ExplainOptions;
use crate::grafana::GrafanaCommand;
use crate::load::LoadCommand;
use crate::look::{AlertsOptions, ConnectionsOptions, FindingsOptions, ShowOptions};
use crate::routes::RoutesCommand;
use crate::rules::{PromqlOptions, RulesCommand};

/// Monitoring and troubleshooting for WebSocket, server-sent events and gRPC streams.
///
/// Heartline stands in front of an unmodified service, sees every connection and message, and says what happened
/// in exact numbers.
#[derive(Debug, Parser)]
#[command(name = "heartline", version, propagate_version = true, after_help = EXAMPLES)]
pub struct Cli {
    /// How it logs.
    #[command(flatten)]
    pub log: LogOptions,
    /// What it does.
    #[command(subcommand)]
    pub command: Command,
}

const EXAMPLES: &str = "Examples:
  heartline demo                                       see it at work, with a sample service and traffic
  heartline run --upstream http://127.0.0.1:3000       stand in front of a service
  heartline run -c heartline.yaml                      the same, by a configuration file
  heartline check heartline.yaml                       find mistakes before they are run
  heartline rules test rules_test.yml                  run tests in promtool's format
  heartline ack 7 --by Ann                             nobody else is called for incident 7
  heartline connections --closed reason:abnormal       list what has broken off
  heartline show 4ynf0xjv3c8mz                         what happened on one connection
  heartline findings                                   why connections end, fail or are slow
  heartline diagnose wss://example.com/chat            why does it not work?
  heartline explain HL-101                             what a finding means, and what to do
  heartline load ws ws://127.0.0.1:8000/chat -c 500    what many users would see";

/// The sub-commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Serve: gateway, metrics and dashboard.
    Run(RunOptions),
    /// Serve a sample service with simulated clients and a few faults to look at. Touches only loopback and
    /// keeps nothing.
    Demo(DemoOptions),
    /// Check configuration files and rule files: errors with line, column and a suggestion; exit code 2 if there are
    /// any.
    Check {
        /// Files to check; one with `groups` is a Prometheus rule file, one with `route` and `receivers` an
        /// alertmanager.yml.
        #[arg(required = true)]
        files: Vec<PathBuf>,
        /// How expressions of rules are understood.
        #[command(flatten)]
        promql: PromqlOptions,
    },
    /// Test and print Prometheus rule files.
    #[command(subcommand)]
    Rules(RulesCommand),
    /// Find out who is told of an alert.
    #[command(subcommand)]
    Routes(RoutesCommand),
    /// Find out who is told next when nobody acknowledges.
    #[command(subcommand)]
    Escalate(EscalateCommand),
    /// Tell a running gateway that somebody cares about an incident: nobody else is called, and whoever was told is told
    /// so. Exit code 3 when the gateway cannot be reached.
    Ack(AckOptions),
    /// List the connections of a running gateway; exit code 3 when it cannot be reached.
    Connections(ConnectionsOptions),
    /// Say why the connections of a running gateway end, fail or are slow: its findings, with evidence and what helps;
    /// exit code 3 when it cannot be reached.
    Findings(FindingsOptions),
    /// List the alerts of a running gateway that fire, or explain one; exit code 3 when it cannot be reached.
    Alerts(AlertsOptions),
    /// Find out whether people can be reached.
    #[command(subcommand)]
    Channel(ChannelCommand),
    /// Show what happened on one connection of a running gateway, open or closed; exit code 3 when it cannot be
    /// reached.
    Show(ShowOptions),
    /// Find out why a service cannot be reached, drops its connections or is slow: attempts that differ in one thing
    /// each, and what explains them.
    Diagnose(Box<DiagnoseOptions>),
    /// Print the manual page of a cause that a diagnosis names, or of an alert.
    Explain(ExplainOptions),
    /// Dashboards for Grafana.
    #[command(subcommand)]
    Grafana(GrafanaCommand),
    /// Load a service with many connections, and measure what they see.
    #[command(subcommand)]
    ///
    /// Connections are opened first, at the ramp's rate. Once each has been tried, messages are sent for the duration,
    /// and the last answers are waited for. The exit code is 1 when a --fail-if holds or no connection could be
    /// opened.
    Load(Box<LoadCommand>),
}

/// Options of `run`.
#[derive(Args, Clone, Debug, Default)]
pub struct RunOptions {
    /// Configuration file; without it and without --upstream, ./heartline.yaml. Read again on SIGHUP.
    #[arg(short, long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Service to stand in front of, such as http://127.0.0.1:3000: one route for everything, instead of those
    /// of a file.
    #[arg(long, value_name = "URL", conflicts_with = "config")]
    pub upstream: Option<UpstreamUrl>,
    /// Address to serve clients on, instead of the file's only listener [default: 0.0.0.0:8000].
    #[arg(long, value_name = "ADDR")]
    pub listen: Option<SocketAddr>,
    /// Address of dashboard, API and metrics, instead of the file's [default: 127.0.0.1:8080].
    #[arg(long, value_name = "ADDR")]
    pub admin: Option<SocketAddr>,
    /// Directory of history, instead of the file's [default: ./heartline-data].
    #[arg(long, value_name = "DIR")]
    pub data_dir: Option<PathBuf>,
}

/// Options of `demo`.
#[derive(Args, Clone, Debug)]
pub struct DemoOptions {
    /// Address to serve clients on; port 0 takes a free one.
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8000")]
    pub listen: SocketAddr,
    /// Address of dashboard, API and metrics; port 0 takes a free one.
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8080")]
    pub admin: SocketAddr,
    /// Simulated clients, beside the faulty ones.
    #[arg(long, value_name = "N", default_value_t = 60, value_parser = clap::value_parser!(u16).range(1..=5000))]
    pub connections: u16,
}

/// How it logs.
#[derive(Args, Clone, Debug)]
pub struct LogOptions {
    /// Form of log lines on standard error [default: human on a terminal, json elsewhere].
    #[arg(long, global = true, value_name = "FORMAT")]
    pub log_format: Option<LogFormat>,
    /// Least important lines to log: error, warn, info, debug or trace; or a filter such as gateway=debug.
    #[arg(long, global = true, value_name = "LEVEL", default_value = "info", value_parser = log_level)]
    pub log_level: String,
}

/// Form of log lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// For people.
    Human,
    /// One JSON object a line.
    Json,
}

/// A level, or a filter such as `gateway=debug`.
fn log_level(text: &str) -> Result<String, String> {
    let is_level = ["off", "error", "warn", "info", "debug", "trace"].contains(&text);
    let is_filter = text.contains('=') && EnvFilter::try_new(text).is_ok();
    if is_level || is_filter {
        Ok(text.to_owned())
    } else {
        Err("say error, warn, info, debug or trace, or a filter such as gateway=debug".to_owned())
    }
}

/// What a level stands for. Libraries warn of each odd frame of a peer, so that it could fill the log, and tell what
/// it has sent, a query's secrets included: their lines are for those who name them in a filter.
fn filter_of(level: &str) -> String {
    let is_filter = level.contains('=') || level == "off";
    if is_filter { level.to_owned() } else { format!("{level},h2=error,rustls=error") }
}

impl LogOptions {
    /// Starts logging to standard error.
    pub fn init(&self) {
        let is_terminal = std::io::stderr().is_terminal();
        let by_default = if is_terminal { LogFormat::Human } else { LogFormat::Json };
        let has_colour = is_terminal && std::env::var_os("NO_COLOR").is_none();
        let filter = EnvFilter::new(filter_of(&self.log_level));
        let lines = tracing_subscriber::fmt().with_writer(std::io::stderr).with_env_filter(filter);
        let started = match self.log_format.unwrap_or(by_default) {
            LogFormat::Human => lines.with_ansi(has_colour).with_target(false).try_init(),
            LogFormat::Json => lines.json().flatten_event(true).try_init(),
        };
        if let Err(error) = started {
            eprintln!("warning: logging was started before: {error}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn libraries_tell_nothing_of_peers() {
        let check = |level: &str, filter: &str| {
            assert_eq!(filter_of(level), filter);
            assert_eq!(EnvFilter::new(filter_of(level)).to_string().contains("h2="), filter.contains("h2="));
        };
        check("info", "info,h2=error,rustls=error");
        check("warn", "warn,h2=error,rustls=error");
        check("debug", "debug,h2=error,rustls=error");
        check("off", "off");
        check("h2=trace", "h2=trace");
    }
}
