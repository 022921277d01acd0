//! What a running gateway has, by its admin API: `heartline connections`, `heartline show`,
//! `heartline findings` and `heartline alerts`.

mod alerts;
mod findings;
mod list;
pub(crate) mod text;
mod timeline;

use std::io::{self, Write};

use clap::{Args, ValueEnum};
use model::filter::{Filter, FilterError};
use model::live::LiveConnection;
use model::record::CloseRecord;
use model::recording::Recorded;
use web::body::{ConnectionView, List};

pub use alerts::{AlertsOptions, alerts};
pub use findings::{FindingsOptions, findings};

use crate::Failure;
use crate::ask::{AdminOptions, escaped};

/// Options of `show`.
#[derive(Args, Clone, Debug)]
pub struct ShowOptions {
    /// Name of the connection, such as `connections` lists.
    id: String,
    /// Form of the output.
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    format: ShowFormat,
    /// Where to ask.
    #[command(flatten)]
    admin: AdminOptions,
}

/// Form of `show`'s output.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum ShowFormat {
    /// A timeline for people.
    Text,
    /// The API's answer.
    Json,
    /// One event a line.
    Jsonl,
    /// HTTP Archive 1.2, for the network panel of a browser.
    Har,
}

/// Options of `connections`.
#[derive(Args, Clone, Debug)]
pub struct ConnectionsOptions {
    /// List closed connections instead of open ones.
    #[arg(long)]
    closed: bool,
    /// Which ones and in which order, such as route:chat 'duration>5m' ip:10.0.0.0/8 sort:idle limit:20. Keys of
    /// connections are described in docs/filters.md; behind -- a term may begin with - and must not hold then. Order and
    /// part are sort:, dir:, limit:, offset:; of closed ones from: and to: reach back over days.
    #[arg(value_name = "QUERY", value_parser = Asked::of)]
    query: Vec<Asked>,
    /// Form of the output.
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    format: ListFormat,
    /// Where to ask.
    #[command(flatten)]
    admin: AdminOptions,
}

/// Form of `connections`' output.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum ListFormat {
    /// A table for people.
    Text,
    /// The API's answer.
    Json,
}

/// Keys of the list itself.
const OF_THE_LIST: [&str; 6] = ["sort", "dir", "limit", "offset", "from", "to"];

/// A part of a query.
#[derive(Clone, Debug)]
enum Asked {
    /// Which part of the list, in which order.
    List(String, String),
    /// Terms of a filter.
    Terms(String),
}

impl Asked {
    fn of(text: &str) -> Result<Asked, FilterError> {
        match text.split_once(':') {
            Some((key, value)) if OF_THE_LIST.contains(&key) => {
                Ok(Asked::List(key.to_owned(), value.to_owned()))
            }
            _ => text.parse::<Filter>().map(|_| Asked::Terms(text.to_owned())),
        }
    }
}

/// `heartline show`.
///
/// # Errors
/// The API cannot be reached, or there is no such connection.
pub async fn show(ShowOptions { id, format, admin }: ShowOptions) -> Result<(), Failure> {
    let path = format!("/api/v1/connections/{}", escaped(&id));
    let events = |format: &str| format!("{path}/events?format={format}");
    let output = match format {
        ShowFormat::Json => admin.get(&events("json")).await?,
        ShowFormat::Jsonl => admin.get(&events("jsonl")).await?,
        ShowFormat::Har => admin.get(&events("har")).await?,
        ShowFormat::Text => {
            let events: List<Recorded> = admin.get_json(&events("json")).await?;
            let view: ConnectionView = admin.get_json(&path).await?;
            timeline::render(&view, &events.items).into()
        }
    };
    print(&output)
}

/// `heartline connections`.
///
/// # Errors
/// The API cannot be reached, or does not understand the query.
pub async fn connections(options: ConnectionsOptions) -> Result<(), Failure> {
    let ConnectionsOptions { closed, query, format, admin } = options;
    let mut path = format!("/api/v1/connections?set={}", if closed { "closed" } else { "live" });
    let mut terms = Vec::new();
    for asked in query {
        match asked {
            Asked::List(key, value) => path += &format!("&{}={}", escaped(&key), escaped(&value)),
            Asked::Terms(text) => terms.push(text),
        }
    }
    if !terms.is_empty() {
        path += &format!("&q={}", escaped(&terms.join(" ")));
    }
    match (format, closed) {
        (ListFormat::Json, _) => print(&admin.get(&path).await?),
        (ListFormat::Text, false) => {
            let list: List<LiveConnection> = admin.get_json(&path).await?;
            print(list::live(&list).as_bytes())
        }
        (ListFormat::Text, true) => {
            let list: List<CloseRecord> = admin.get_json(&path).await?;
            print(list::closed(&list).as_bytes())
        }
    }
}

/// Writes to standard output and ends the last line; a reader that has gone away has seen enough.
pub(crate) fn print(bytes: &[u8]) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    let end: &[u8] = if bytes.ends_with(b"\n") || bytes.is_empty() { b"" } else { b"\n" };
    match out.write_all(bytes).and_then(|()| out.write_all(end)).and_then(|()| out.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(Failure::Running(format!("the output cannot be written: {error}")))
        }
        _ => Ok(()),
    }
}
