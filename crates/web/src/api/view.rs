//! Lists that stay as they are while somebody scrolls through them: which connections there were, in which order, as
//! they were when the view was made. What a page tells of each is of now.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use http::Uri;
use http::header::{CONTENT_DISPOSITION, CONTENT_TYPE};
use model::filter::Filter;
use model::journal::EndedRange;
use model::live::LiveConnection;
use model::record::CloseRecord;
use model::{ConnectionId, WallTime, quoted};
use parking_lot::Mutex;
use serde::Serialize;

use super::connections::{Listed, Part, Set, Sort};
use super::journal;
use crate::Ports;
use crate::asker::Asker;
use crate::body::{ConnectionView, ViewPage};
use crate::error::ApiError;
use crate::query::Query;
use crate::router::Site;

/// Views kept at a time; the one that was asked for longest ago makes room.
const VIEWS: usize = 16;
/// A view that nobody asks for is kept for this long.
const KEPT: Duration = Duration::from_secs(30);
/// Rows of an export that are read at a time.
const EXPORT_ROWS: usize = 500;

/// The views that are kept.
#[derive(Default)]
pub(crate) struct Views(Mutex<Kept>);

#[derive(Default)]
struct Kept {
    made: u64,
    views: Vec<(Instant, Arc<View>)>,
}

impl Views {
    /// The view of this number, if it is one of the same question.
    fn find(&self, number: u64, question: &str, now: Instant) -> Option<Arc<View>> {
        let mut kept = self.0.lock();
        kept.views.retain(|(asked, _)| now.duration_since(*asked) < KEPT);
        let (asked, view) =
            kept.views.iter_mut().find(|(_, view)| view.number == number && view.question == question)?;
        *asked = now;
        Some(Arc::clone(view))
    }

    fn add(
        &self,
        question: String,
        as_of: WallTime,
        (rows, is_complete): (Rows, bool),
        now: Instant,
    ) -> Arc<View> {
        let mut kept = self.0.lock();
        kept.made += 1;
        let view = Arc::new(View { number: kept.made, question, as_of, is_complete, rows });
        if kept.views.len() >= VIEWS {
            let longest_ago = kept.views.iter().enumerate().min_by_key(|(_, (asked, _))| *asked);
            if let Some((at, _)) = longest_ago {
                kept.views.swap_remove(at);
            }
        }
        kept.views.push((now, Arc::clone(&view)));
        view
    }
}

struct View {
    number: u64,
    /// What it answers: set, filter and order, as they were asked for.
    question: String,
    as_of: WallTime,
    /// See [`ViewPage::is_complete`].
    is_complete: bool,
    rows: Rows,
}

/// Rows in order. Open connections are looked up when they are shown, closed ones do not change.
enum Rows {
    Live(Vec<ConnectionId>),
    Closed(Vec<Arc<CloseRecord>>),
}

impl Rows {
    fn len(&self) -> usize {
        match self {
            Rows::Live(ids) => ids.len(),
            Rows::Closed(records) => records.len(),
        }
    }

    /// What is known now of some rows; none of a connection whose record is no longer kept.
    fn show(&self, part: Part, ports: &Ports) -> Vec<Option<ConnectionView>> {
        match self {
            Rows::Live(ids) => open_or_closed(part.of(ids), ports),
            Rows::Closed(records) => {
                let closed = part.of(records).iter().map(Arc::clone);
                closed.map(|closed| Some(row(closed))).collect()
            }
        }
    }
}

/// A row of one that has ended; what explains the end is asked for one by one.
fn row(closed: Arc<CloseRecord>) -> ConnectionView {
    ConnectionView::Closed { closed, findings: Vec::new() }
}

/// What is known of connections that were open.
fn open_or_closed(ids: &[ConnectionId], ports: &Ports) -> Vec<Option<ConnectionView>> {
    let live = |&id| ports.connections.live_one(id).map(|live| ConnectionView::Live { live: Box::new(live) });
    let mut shown: Vec<_> = ids.iter().map(live).collect();
    let ended = ids.iter().enumerate().filter(|&(at, _)| shown[at].is_none());
    let ended: BTreeMap<ConnectionId, usize> = ended.map(|(at, &id)| (id, at)).collect();
    if !ended.is_empty() {
        for closed in ports.connections.closed() {
            if let Some(&at) = ended.get(&closed.id) {
                shown[at] = Some(row(closed));
            }
        }
    }
    shown
}

/// Which rows, in which order.
enum Question {
    Live(Filter, Sort<LiveConnection>),
    Closed(Filter, Sort<Arc<CloseRecord>>),
    Ended(Filter, Sort<Arc<CloseRecord>>, EndedRange),
}

impl Question {
    fn read(set: Set, query: &mut Query) -> Result<Question, ApiError> {
        Ok(match set {
            Set::Live => Question::Live(query.filter()?, Sort::read(query)?),
            Set::Closed => {
                let (filter, sort) = (query.filter()?, Sort::read(query)?);
                match journal::range(query)? {
                    None => Question::Closed(filter, sort),
                    Some(range) => Question::Ended(filter, sort, range),
                }
            }
        })
    }

    /// Who answers: the journal may wait for a disk.
    fn asker<'a>(&self, site: &'a Site) -> &'a Asker {
        match self {
            Question::Live(..) | Question::Closed(..) => &site.asker,
            Question::Ended(..) => &site.archivist,
        }
    }

    /// The rows, and whether these are all.
    fn rows(&self, ports: &Ports) -> Result<(Rows, bool), ApiError> {
        Ok(match self {
            Question::Live(filter, sort) => {
                (Rows::Live(sorted(taken(filter, ports), sort, |one: LiveConnection| one.id)), true)
            }
            Question::Closed(filter, sort) => {
                (Rows::Closed(sorted(taken(filter, ports), sort, |one| one)), true)
            }
            Question::Ended(filter, sort, range) => {
                let (records, is_complete) = journal::newest(ports, filter, *range)?;
                (Rows::Closed(sorted(records.into_iter(), sort, |one| one)), is_complete)
            }
        })
    }
}

fn taken<'a, T: Listed>(filter: &'a Filter, ports: &'a Ports) -> impl Iterator<Item = T> + 'a {
    T::all(ports).filter(|one| filter.takes(one))
}

/// Rows in order, with no more kept of each than is needed.
fn sorted<T: Listed, R>(taken: impl Iterator<Item = T>, sort: &Sort<T>, keep: fn(T) -> R) -> Vec<R> {
    let mut rows: Vec<_> = taken.map(|one| (sort.key(&one), keep(one))).collect();
    rows.sort_unstable_by_key(|(key, _)| *key);
    rows.into_iter().map(|(_, row)| row).collect()
}

/// One page of a view. A view that is not kept any more, or answers another question, is made anew: the answer tells
/// which one it is of.
pub(super) async fn page(site: Arc<Site>, set: Set, mut query: Query) -> Result<Json<ViewPage>, ApiError> {
    let number = number(&mut query)?;
    let key = query.key_of(&["q", "sort", "dir", "from", "to"]);
    let question = Question::read(set, &mut query)?;
    let part = Part::read(&mut query)?;
    query.finish()?;
    let key = format!("{set:?}&{key}");
    let views = Arc::clone(&site.views);
    let known = number.and_then(|number| views.find(number, &key, Instant::now()));
    let asker = if known.is_some() { &site.asker } else { question.asker(&site) };
    let page = asker.ask(move |ports| {
        let view = match known {
            Some(view) => view,
            None => {
                let as_of = WallTime::from(SystemTime::now());
                views.add(key, as_of, question.rows(ports)?, Instant::now())
            }
        };
        let items = view.rows.show(part, ports);
        let (view, is_complete) = (&*view, view.is_complete);
        Ok(ViewPage {
            view: view.number.to_string(),
            as_of: view.as_of,
            total: view.rows.len(),
            is_complete,
            items,
        })
    });
    page.await?.map(Json)
}

/// The key `view`: the number of a view, or none for `new`.
fn number(query: &mut Query) -> Result<Option<u64>, ApiError> {
    match query.text("view").as_deref() {
        None | Some("new") => Ok(None),
        Some(text) => text.parse().map(Some).map_err(|_| {
            ApiError::bad_query(format!("view={} is out of place", quoted(text)))
                .hint("give `new`, or `view` of an earlier answer")
        }),
    }
}

/// `GET /api/v1/connections/export?set=&q=&sort=&dir=&from=&to=`: all rows as JSON lines. An open connection that ends
/// meanwhile is left out.
pub(crate) async fn export(State(site): State<Arc<Site>>, uri: Uri) -> Result<Response, ApiError> {
    let mut query = Query::of(&uri)?;
    let set = Set::read(&mut query)?;
    let question = Question::read(set, &mut query)?;
    query.finish()?;
    let asker = question.asker(&site);
    let (rows, _) = asker.ask(move |ports| question.rows(ports)).await??;
    let rows = Arc::new(rows);
    let lines = stream::unfold(0, move |offset| {
        let (rows, site) = (Arc::clone(&rows), Arc::clone(&site));
        async move {
            if offset >= rows.len() {
                return None;
            }
            let part = Part { offset, limit: EXPORT_ROWS };
            let lines = site.asker.ask(move |ports| {
                let shown = rows.show(part, ports);
                shown.iter().flatten().filter_map(|view| line(view, set)).collect::<String>()
            });
            Some((lines.await.map_err(|_| "the question could not be answered"), offset + EXPORT_ROWS))
        }
    });
    let name = match set {
        Set::Live => "attachment; filename=\"connections-live.jsonl\"",
        Set::Closed => "attachment; filename=\"connections-closed.jsonl\"",
    };
    let headers = [(CONTENT_TYPE, "application/jsonl"), (CONTENT_DISPOSITION, name)];
    Ok((headers, Body::from_stream(lines)).into_response())
}

fn line(view: &ConnectionView, set: Set) -> Option<String> {
    fn json(value: &impl Serialize) -> Option<String> {
        serde_json::to_string(value).ok().map(|text| text + "\n")
    }
    match (view, set) {
        (ConnectionView::Live { live }, _) => json(live),
        (ConnectionView::Closed { closed, .. }, Set::Closed) => json(closed),
        (ConnectionView::Closed { .. }, Set::Live) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn add(views: &Views, question: &str, at: Instant) -> u64 {
        views.add(question.to_owned(), WallTime(0), (Rows::Live(Vec::new()), true), at).number
    }

    #[test]
    fn a_view_is_kept_while_it_is_asked_for() {
        let (views, start) = (Views::default(), Instant::now());
        let view = add(&views, "q=a", start);
        let seconds = |seconds| start + Duration::from_secs(seconds);
        assert!(views.find(view, "q=b", seconds(1)).is_none(), "it answers another question");
        assert!(views.find(view, "q=a", seconds(29)).is_some());
        assert!(views.find(view, "q=a", seconds(58)).is_some(), "asked for 29 s ago");
        assert!(views.find(view, "q=a", seconds(88)).is_none(), "asked for 30 s ago");
    }

    #[test]
    fn the_number_of_views_is_bounded() {
        let (views, start) = (Views::default(), Instant::now());
        let all: Vec<u64> =
            (0..VIEWS as u64).map(|n| add(&views, "", start + Duration::from_millis(n))).collect();
        let now = start + Duration::from_secs(1);
        assert!(views.find(all[0], "", now).is_some());
        add(&views, "", now);
        assert!(views.find(all[0], "", now).is_some(), "asked for lately");
        assert!(views.find(all[1], "", now).is_none(), "asked for longest ago");
        assert_eq!(views.0.lock().views.len(), VIEWS);
    }
}
