//! `heartline findings`: what a running gateway says why.

use ::diagnose::report;
use ::diagnose::text::Told;
use clap::{Args, ValueEnum};
use model::Language;
use serde::Deserialize;

use super::{ListFormat, print};
use crate::Failure;
use crate::ask::{AdminOptions, escaped};
use crate::diagnose::style;
use crate::explain::{language, preferred};

/// Options of `findings`.
#[derive(Args, Clone, Debug)]
#[command(after_help = EXAMPLES)]
pub struct FindingsOptions {
    /// A cause by its name or number, such as idle-timeout-l7-proxy or HL-201: all that is kept of it, with all
    /// evidence. Without it: a list.
    #[arg(value_name = "ID")]
    id: Option<String>,
    /// Which ones: those that go on, those that are over, or both.
    #[arg(long, value_name = "STATE", default_value = "active", conflicts_with = "id")]
    state: State,
    /// Those of one route.
    #[arg(long, value_name = "NAME", conflicts_with = "id")]
    route: Option<String>,
    /// All evidence and all fixes.
    #[arg(short, long)]
    verbose: bool,
    /// Language: en or zh-CN [default: that of LC_ALL, LC_MESSAGES or LANG, else en].
    #[arg(long, value_name = "LANG", value_parser = language)]
    lang: Option<Language>,
    /// Form of the output.
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    format: ListFormat,
    /// Where to ask.
    #[command(flatten)]
    admin: AdminOptions,
}

const EXAMPLES: &str = "Examples:
  heartline findings                               what explains the ends of the last ten minutes
  heartline findings --route chat --state all      also what is over
  heartline findings HL-201                        one cause, with all evidence
  heartline explain HL-201                         its manual page

Each finding says how sure it is, by what evidence, what helps, and the command that lists its connections.
Exit code: 0, whatever is found; 2 wrong usage, 3 the gateway cannot be reached.";

/// Which findings.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum State {
    /// Those that go on.
    Active,
    /// Those that are over.
    Resolved,
    /// Both.
    All,
}

/// What the API tells.
#[derive(Deserialize)]
struct Found {
    items: Vec<Told>,
}

/// `heartline findings`.
///
/// # Errors
/// The API cannot be reached, or there is no such cause.
pub async fn findings(options: FindingsOptions) -> Result<(), Failure> {
    let FindingsOptions { id, state, route, verbose, lang, format, admin } = options;
    let language = lang.unwrap_or_else(preferred);
    let mut path = match &id {
        Some(id) => format!("/api/v1/findings/{}?lang={language}", escaped(id)),
        None => format!("/api/v1/findings?lang={language}&state={}", state.word()),
    };
    if let Some(route) = route {
        path += &format!("&route={}", escaped(&route));
    }
    match format {
        ListFormat::Json => print(&admin.get(&path).await?),
        ListFormat::Text => {
            let found: Found = admin.get_json(&path).await?;
            let report = report::findings(&found.items, language, style(verbose || id.is_some()));
            print(report.as_bytes())
        }
    }
}

impl State {
    fn word(self) -> &'static str {
        match self {
            State::Active => "active",
            State::Resolved => "resolved",
            State::All => "all",
        }
    }
}
