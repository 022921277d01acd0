//! `heartline diagnose`: why a service cannot be reached, drops its connections or is slow, from where a user stands.

mod progress;

use std::io::IsTerminal as _;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use ::diagnose::examination::{self, Examination};
use ::diagnose::experiment::Check;
use ::diagnose::plan::Options;
use ::diagnose::report::{self, Style};
use ::diagnose::text::told;
use ::diagnose::verdict::{Outcome, Verdict, verdict};
use clap::{Args, ValueEnum};
use http::{HeaderMap, HeaderName, HeaderValue};
use model::{Language, Word};
use probe::diagnose::{Settings, Upstream};
use probe::target::Target;
use probe::tls::Trust;
use serde_json::{Value, json};

use crate::Failure;
use crate::explain::{language, preferred};
use crate::load::{duration, size};

/// Options of `diagnose`.
#[derive(Args, Clone, Debug)]
#[command(after_help = EXAMPLES)]
pub struct DiagnoseOptions {
    /// Service to examine: ws: or wss: for a WebSocket, http: or https: for an event stream, grpc: or grpcs: with
    /// /package.Service/Method for a gRPC stream.
    #[arg(value_name = "URL", value_parser = target)]
    target: Target,
    /// The service itself, behind whatever the URL leads to: what works there and not at the URL is broken in between.
    /// With a scheme (https://, http:// and the like) that is spoken; else TLS is tried where the URL has it. Its
    /// certificate is not verified.
    #[arg(long, value_name = "HOST:PORT", value_parser = upstream)]
    upstream: Option<Upstream>,
    /// Checks to make beside the handshake, by name [default: all].
    #[arg(long, value_name = "LIST", value_delimiter = ',', value_parser = check)]
    checks: Vec<Check>,
    /// Leave out what could find limits the hard way: large messages, many connections, frequent PINGs.
    #[arg(long)]
    safe: bool,
    /// Form of the report on standard output.
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    format: Format,
    /// Language: en or zh-CN [default: that of LC_ALL, LC_MESSAGES or LANG, else en].
    #[arg(long, value_name = "LANG", value_parser = language)]
    lang: Option<Language>,
    /// Field to send with each request, such as 'Authorization: Bearer …'; may be repeated.
    #[arg(short = 'H', long = "header", value_name = "NAME: VALUE", value_parser = field)]
    headers: Vec<(HeaderName, HeaderValue)>,
    /// Origin to send, as a page of that site would.
    #[arg(long, value_name = "ORIGIN")]
    origin: Option<HeaderValue>,
    /// WebSocket subprotocol to offer; may be repeated.
    #[arg(long, value_name = "NAME")]
    subprotocol: Vec<String>,
    /// Text to send to see what comes back.
    #[arg(long, value_name = "TEXT", default_value = "heartline probe")]
    message: String,
    /// Address to connect to in place of a name's, such as example.com:443:10.0.0.7; may be repeated.
    #[arg(long, value_name = "HOST:PORT:ADDRESS", value_parser = resolution)]
    resolve: Vec<(String, u16, SocketAddr)>,
    /// Authorities to trust, in a PEM file, in place of the system's.
    #[arg(long, value_name = "FILE")]
    ca_file: Option<PathBuf>,
    /// Trust any certificate; what it says is still told.
    #[arg(long, conflicts_with = "ca_file")]
    insecure: bool,
    /// Longest message that has to pass: it is tried, and a limit below it is a fault [default: up to 1MiB is tried, and
    /// a limit that the service tells of is its own business].
    #[arg(long, value_name = "BYTES", value_parser = size)]
    message_max: Option<usize>,
    /// Longest silence to wait for a cut.
    #[arg(long, value_name = "DURATION", default_value = "70s", value_parser = duration)]
    idle_max: Duration,
    /// When to stop and judge by what was seen until then.
    #[arg(long, value_name = "DURATION", default_value = "3m", value_parser = duration)]
    timeout: Duration,
    /// Leave out texts that the service sent, such as bodies of answers and reasons of Close frames; what they would
    /// have told is not used either.
    #[arg(long)]
    no_payload: bool,
    /// When to use colours.
    #[arg(long, value_name = "WHEN", default_value = "auto")]
    color: When,
    /// Draw with ASCII alone.
    #[arg(long)]
    ascii: bool,
    /// All findings with all evidence, and each attempt.
    #[arg(short, long)]
    verbose: bool,
}

const EXAMPLES: &str = "Examples:
  heartline diagnose wss://example.com/chat
  heartline diagnose wss://example.com/chat --upstream 10.0.0.7:3000     compare with the service itself
  heartline diagnose https://example.com/events --checks idle --idle-max 5m
  heartline diagnose grpcs://example.com/chat.Room/Join --format json

Exit code: 0 healthy, 1 a problem was found or something is wrong that nothing explains, 2 wrong usage, 3 it could not be
tested.";

/// Form of a report.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    /// For people.
    Text,
    /// For programs.
    Json,
    /// To paste into an issue.
    Markdown,
    /// For build servers.
    Junit,
}

/// When to use colours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum When {
    /// On a terminal, unless NO_COLOR is set.
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// Examines and reports.
///
/// # Errors
/// What was given cannot be used, or the verdict is not `healthy`.
pub async fn run(options: DiagnoseOptions) -> Result<(), Failure> {
    let settings = options.settings();
    let plan = options.plan();
    let seen = Examination::new(examination::Target {
        message_max: options.message_max.map(|bytes| bytes as u64),
        ..settings.examined()
    });
    let mut progress = progress::Progress::new();
    let mut seen = probe::diagnose::examine(settings, seen, plan, options.timeout, &mut progress).await;
    progress.end();
    if options.no_payload {
        seen.leave_out_texts();
    }
    let verdict = verdict(&seen);
    let report = match options.format {
        Format::Text => report::text(&seen, &verdict, options.language(), options.style()),
        Format::Markdown => report::markdown(&seen, &verdict, options.language()),
        Format::Junit => report::junit(&seen, &verdict, options.language()),
        Format::Json => options.json(&seen, &verdict),
    };
    println!("{}", report.trim_end());
    match verdict.outcome {
        Outcome::Healthy => Ok(()),
        Outcome::Problem | Outcome::Inconclusive => Err(Failure::Told(1)),
        Outcome::CouldNotTest => Err(Failure::Told(3)),
    }
}

/// How a report looks unless it is said: as wide as COLUMNS, with colours on a terminal, unless NO_COLOR is set.
pub(crate) fn style(is_verbose: bool) -> Style {
    let is_colorless = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    let columns = std::env::var("COLUMNS").ok().and_then(|columns| columns.parse().ok());
    let usual = Style::default();
    Style {
        has_color: std::io::stdout().is_terminal() && !is_colorless,
        columns: columns.unwrap_or(usual.columns),
        is_verbose,
        ..usual
    }
}

impl DiagnoseOptions {
    fn language(&self) -> Language {
        self.lang.unwrap_or_else(preferred)
    }

    fn style(&self) -> Style {
        let usual = style(self.verbose);
        Style {
            has_color: match self.color {
                When::Auto => usual.has_color,
                When::Always => true,
                When::Never => false,
            },
            is_ascii: self.ascii,
            ..usual
        }
    }

    fn plan(&self) -> Options {
        let checks = if self.checks.is_empty() { Check::ALL.to_vec() } else { self.checks.clone() };
        // What is held must have ended before the time is over.
        let longest = self.timeout.saturating_sub(Duration::from_secs(5));
        Options { checks, is_safe: self.safe, idle_max: self.idle_max.min(longest).as_secs_f64() }
    }

    fn settings(&self) -> Settings {
        let mut fields: HeaderMap = self.headers.iter().cloned().collect();
        if let Some(origin) = &self.origin {
            fields.insert(http::header::ORIGIN, origin.clone());
        }
        let trust = match &self.ca_file {
            Some(file) => Trust::File(file.clone()),
            None if self.insecure => Trust::Anyone,
            None => Trust::System,
        };
        Settings {
            target: self.target.clone(),
            direct: self.upstream.clone(),
            fields,
            subprotocols: self.subprotocol.clone(),
            message: self.message.clone(),
            resolved: self.resolve.clone(),
            trust,
            stage_time: Duration::from_secs(10).min(self.timeout / 2),
        }
    }

    fn json(&self, seen: &Examination, verdict: &Verdict) -> String {
        let stages = seen.plain().map_or(&[][..], |plain| &plain.stages);
        let stages: Vec<Value> = stages
            .iter()
            .map(|stage| {
                let fault = stage.fault.map(Word::as_str);
                json!({
                    "name": stage.name, "ok": stage.fault.is_none(), "seconds": stage.seconds,
                    "detail": stage.detail, "fault": fault,
                })
            })
            .collect();
        let findings: Vec<_> =
            verdict.findings.iter().map(|finding| told(finding, self.language())).collect();
        let mut report = json!({
            "target": seen.target.url, "outcome": verdict.outcome, "cut_short": seen.is_cut,
            "undone": seen.undone, "checks": seen.checks(), "stages": stages, "findings": findings,
        });
        if self.verbose {
            report["attempts"] = json!(seen.attempts);
        }
        serde_json::to_string_pretty(&report).unwrap_or_default()
    }
}

fn target(text: &str) -> Result<Target, String> {
    text.parse()
}

fn check(name: &str) -> Result<Check, String> {
    name.trim().parse()
}

pub(crate) fn upstream(text: &str) -> Result<Upstream, String> {
    let wrong = || "it is HOST:PORT or a URL, such as 10.0.0.7:3000 or https://10.0.0.7:8443".to_owned();
    let (is_tls, rest) = match text.split_once("://") {
        Some(("https" | "wss" | "grpcs", rest)) => (Some(true), rest),
        Some(("http" | "ws" | "grpc", rest)) => (Some(false), rest),
        Some(_) => return Err(wrong()),
        None => (None, text),
    };
    let authority = rest.split('/').next().unwrap_or_default();
    let (host, port) = match authority.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, port.parse().map_err(|_| wrong())?),
        _ => (authority, if is_tls.ok_or_else(wrong)? { 443 } else { 80 }),
    };
    let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
    if host.is_empty() { Err(wrong()) } else { Ok(Upstream { host, port, is_tls }) }
}

fn resolution(text: &str) -> Result<(String, u16, SocketAddr), String> {
    let wrong = || "it is HOST:PORT:ADDRESS, such as example.com:443:10.0.0.7".to_owned();
    let mut parts = text.splitn(3, ':');
    let (Some(host), Some(port), Some(address)) = (parts.next(), parts.next(), parts.next()) else {
        return Err(wrong());
    };
    let port: u16 = port.parse().map_err(|_| wrong())?;
    let address: IpAddr = address.trim_matches(['[', ']']).parse().map_err(|_| wrong())?;
    Ok((host.to_owned(), port, SocketAddr::new(address, port)))
}

fn field(text: &str) -> Result<(HeaderName, HeaderValue), String> {
    let (name, value) = text.split_once(':').ok_or("it is NAME: VALUE")?;
    let name = HeaderName::from_bytes(name.trim().as_bytes()).map_err(|error| error.to_string())?;
    let value = HeaderValue::from_str(value.trim()).map_err(|error| error.to_string())?;
    Ok((name, value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn upstreams() {
        let check = |text: &str, expected: Option<(&str, u16, Option<bool>)>| {
            let parsed = upstream(text).ok();
            let parsed = parsed.as_ref().map(|it| (it.host.as_str(), it.port, it.is_tls));
            assert_eq!(parsed, expected, "{text}");
        };
        check("10.0.0.7:3000", Some(("10.0.0.7", 3000, None)));
        check("[::1]:3000", Some(("::1", 3000, None)));
        check("https://chat.internal", Some(("chat.internal", 443, Some(true))));
        check("wss://[::1]", Some(("::1", 443, Some(true))));
        check("ws://chat.internal:81/path", Some(("chat.internal", 81, Some(false))));
        check("grpcs://10.0.0.7:8443", Some(("10.0.0.7", 8443, Some(true))));
        check("10.0.0.7", None);
        check("ftp://10.0.0.7:21", None);
        check("10.0.0.7:http", None);
        check(":80", None);
    }
}
