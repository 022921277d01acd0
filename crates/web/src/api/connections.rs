//! Lists of connections, open or closed, and single ones.

use std::sync::Arc;
use std::time::SystemTime;

use axum::Json;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, StatusCode, Uri};
use model::filter::{Condition, Filter, Filtered, Pattern, Term, TextField};
use model::live::{LiveConnection, LiveState};
use model::quoted;
use model::record::CloseRecord;
use model::{ConnectionId, HandshakeResult, Initiator, PerDirection, Protocol, Reason, WallTime};

use super::{journal, view};
use crate::Ports;
use crate::body::{ConnectionView, List};
use crate::error::ApiError;
use crate::findings::explanations;
use crate::headers::language;
use crate::query::Query;
use crate::router::Site;

/// What is greater comes first, unless asked otherwise.
type Order<T> = fn(&T) -> u64;

/// What lists hold: open connections, or closed ones.
pub(super) trait Listed: Filtered + Send + Sized + 'static {
    /// What it can be sorted by; the first is the default.
    const ORDERS: &'static [(&'static str, Order<Self>)];
    /// What is counted of it.
    const FACETS: &'static [TextField];

    /// All of them.
    fn all(ports: &Ports) -> Box<dyn Iterator<Item = Self> + '_>;
    /// Its id, which decides between equals: pages of one list do not overlap.
    fn id(&self) -> ConnectionId;
    /// Since when it is one of them.
    fn since(&self) -> WallTime;
}

impl Listed for LiveConnection {
    const ORDERS: &'static [(&'static str, Order<Self>)] = &[
        ("opened_at", |one| one.opened_at.0),
        ("duration", |one| by_seconds(one.age_seconds)),
        ("idle", |one| by_seconds(one.idle_seconds)),
        ("messages", |one| sum(one.messages)),
        ("bytes", |one| sum(one.bytes)),
        ("backlog", |one| sum(PerDirection::from_fn(|direction| one.backlog[direction].bytes))),
    ];
    const FACETS: &'static [TextField] =
        &[TextField::State, TextField::Protocol, TextField::Route, TextField::Upstream, TextField::Tryout];

    fn all(ports: &Ports) -> Box<dyn Iterator<Item = Self> + '_> {
        ports.connections.live()
    }

    fn id(&self) -> ConnectionId {
        self.id
    }

    fn since(&self) -> WallTime {
        self.opened_at
    }
}

impl Listed for Arc<CloseRecord> {
    const ORDERS: &'static [(&'static str, Order<Self>)] = &[
        ("closed_at", |one| one.closed_at.0),
        ("opened_at", |one| one.opened_at.0),
        ("duration", |one| by_seconds(one.duration_seconds)),
        ("idle", |one| by_seconds(one.idle_seconds.any)),
        ("messages", |one| sum(one.messages)),
        ("bytes", |one| sum(one.bytes)),
        ("backlog", |one| sum(one.unsent_bytes)),
    ];
    const FACETS: &'static [TextField] = &[
        TextField::Reason,
        TextField::Initiator,
        TextField::Result,
        TextField::Protocol,
        TextField::Route,
        TextField::Upstream,
        TextField::Tryout,
    ];

    fn all(ports: &Ports) -> Box<dyn Iterator<Item = Self> + '_> {
        Box::new(ports.connections.closed().into_iter())
    }

    fn id(&self) -> ConnectionId {
        self.id
    }

    fn since(&self) -> WallTime {
        self.closed_at
    }
}

const SETS: &[(&str, Set)] = &[("live", Set::Live), ("closed", Set::Closed)];

/// Which connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Set {
    Live,
    Closed,
}

impl Set {
    /// The key `set`.
    pub(super) fn read(query: &mut Query) -> Result<Set, ApiError> {
        Ok(query.choice("set", SETS)?.unwrap_or(Set::Live))
    }
}

const STATES: &[(&str, LiveState)] =
    &[("open", LiveState::Open), ("slow", LiveState::Slow), ("closing", LiveState::Closing)];

/// `GET /api/v1/connections`: one page of the list that `set` names, filtered and sorted. With `view` it is a page
/// of a list that stays as it is, with `from` or `to` one of the journal.
pub(crate) async fn connections(State(site): State<Arc<Site>>, uri: Uri) -> Result<Response, ApiError> {
    let mut query = Query::of(&uri)?;
    let set = Set::read(&mut query)?;
    if query.has("view") {
        return view::page(site, set, query).await.map(IntoResponse::into_response);
    }
    match set {
        Set::Live => {
            let page = Page::read(&mut query)?;
            let filter = LiveFilter::read(&mut query)?;
            query.finish()?;
            let list = site.asker.ask(move |ports| page.of(ports, |one| filter.takes(one)));
            Ok(Json(list.await?).into_response())
        }
        Set::Closed if query.has("from") || query.has("to") => journal::list(&site, query).await,
        Set::Closed => {
            let page = Page::<Arc<CloseRecord>>::read(&mut query)?;
            let filter = ClosedFilter::read(&mut query)?;
            query.finish()?;
            let list = site.asker.ask(move |ports| page.of(ports, |one| filter.takes(one)));
            Ok(Json(list.await?).into_response())
        }
    }
}

/// `GET /api/v1/connections/{id}`
pub(crate) async fn connection(
    State(site): State<Arc<Site>>,
    Path(id): Path<String>,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Json<ConnectionView>, ApiError> {
    let id = parse_id(&id)?;
    let language = language(&uri, &headers);
    // In this order: a connection that closes in between is found among the closed ones.
    let view = site.asker.ask(move |ports| {
        let live = ports.connections.live_one(id).map(|live| ConnectionView::Live { live: Box::new(live) });
        live.or_else(|| {
            let closed = ports.connections.closed_one(id).or_else(|| journal::closed_one(ports, id))?;
            let findings = explanations(ports, &closed, language);
            Some(ConnectionView::Closed { closed, findings })
        })
    });
    view.await?.map(Json).ok_or_else(|| no_connection(id))
}

/// Reads the id in a path.
pub(super) fn parse_id(text: &str) -> Result<ConnectionId, ApiError> {
    text.parse().map_err(|_| {
        ApiError::new(StatusCode::BAD_REQUEST, "bad_id", format!("{} is no connection id", quoted(text)))
            .hint("an id has 13 letters and digits, such as those that /api/v1/connections lists")
    })
}

/// The connection is neither open nor kept.
pub(super) fn no_connection(id: ConnectionId) -> ApiError {
    ApiError::not_found(format!("there is no connection {id}"))
        .hint("it may have closed so long ago that its record is no longer kept")
}

struct LiveFilter {
    protocol: Option<Protocol>,
    route: Option<String>,
    state: Option<LiveState>,
    text: Filter,
}

impl LiveFilter {
    fn read(query: &mut Query) -> Result<LiveFilter, ApiError> {
        Ok(LiveFilter {
            protocol: query.word("protocol")?,
            route: query.text("route"),
            state: query.choice("state", STATES)?,
            text: query.filter()?,
        })
    }

    fn takes(&self, one: &LiveConnection) -> bool {
        self.protocol.is_none_or(|protocol| one.protocol == protocol)
            && self.route.as_deref().is_none_or(|route| &*one.route == route)
            && self.state.is_none_or(|state| one.state == state)
            && self.text.takes(one)
    }
}

pub(super) struct ClosedFilter {
    protocol: Option<Protocol>,
    route: Option<String>,
    reason: Option<Reason>,
    initiator: Option<Initiator>,
    result: Option<HandshakeResult>,
    text: Filter,
}

impl ClosedFilter {
    pub(super) fn read(query: &mut Query) -> Result<ClosedFilter, ApiError> {
        Ok(ClosedFilter {
            protocol: query.word("protocol")?,
            route: query.text("route"),
            reason: query.word("reason")?,
            initiator: query.word("initiator")?,
            result: query.word("result")?,
            text: query.filter()?,
        })
    }

    /// The same, as it is asked of the journal.
    pub(super) fn terms(self) -> Filter {
        let text = |field, value: Option<String>| {
            let condition = Condition::Text { field, pattern: Pattern::Is(value?) };
            Some(Term { is_negated: false, condition })
        };
        let terms = [
            text(TextField::Protocol, self.protocol.map(|word| word.to_string())),
            text(TextField::Route, self.route),
            text(TextField::Reason, self.reason.map(|word| word.to_string())),
            text(TextField::Initiator, self.initiator.map(|word| word.to_string())),
            text(TextField::Result, self.result.map(|word| word.to_string())),
        ];
        Filter { terms: terms.into_iter().flatten().chain(self.text.terms).collect() }
    }

    fn takes(&self, one: &CloseRecord) -> bool {
        self.protocol.is_none_or(|protocol| one.protocol == protocol)
            && self.route.as_deref().is_none_or(|route| &*one.route == route)
            && self.reason.is_none_or(|reason| one.reason == Some(reason))
            && self.initiator.is_none_or(|initiator| one.initiator == Some(initiator))
            && self.result.is_none_or(|result| one.handshake.result == result)
            && self.text.takes(one)
    }
}

/// In which order.
#[derive(Debug)]
pub(super) struct Sort<T> {
    order: Order<T>,
    pub(super) is_descending: bool,
}

impl<T: Listed> Sort<T> {
    /// The keys `sort` and `dir`.
    pub(super) fn read(query: &mut Query) -> Result<Sort<T>, ApiError> {
        let order = query.choice("sort", T::ORDERS)?.unwrap_or(T::ORDERS[0].1);
        let is_descending = query.choice("dir", &[("desc", true), ("asc", false)])?.unwrap_or(true);
        Ok(Sort { order, is_descending })
    }

    /// What stands first has the least of these.
    pub(super) fn key(&self, one: &T) -> (u64, u64) {
        let (key, id) = ((self.order)(one), one.id().0);
        if self.is_descending { (!key, !id) } else { (key, id) }
    }
}

/// Which part of a list.
#[derive(Clone, Copy, Debug)]
pub(super) struct Part {
    pub(super) offset: usize,
    pub(super) limit: usize,
}

impl Part {
    /// The keys `limit` and `offset`.
    pub(super) fn read(query: &mut Query) -> Result<Part, ApiError> {
        let limit = query.number("limit", 1..=500)?.unwrap_or(100) as usize;
        let offset = query.number("offset", 0..=u64::from(u32::MAX))?.unwrap_or(0) as usize;
        Ok(Part { offset, limit })
    }

    /// This part of a whole list.
    pub(super) fn of<T>(self, all: &[T]) -> &[T] {
        let rest = &all[self.offset.min(all.len())..];
        &rest[..self.limit.min(rest.len())]
    }
}

/// Which part of a list, in which order.
struct Page<T> {
    sort: Sort<T>,
    part: Part,
}

impl<T: Listed> Page<T> {
    fn read(query: &mut Query) -> Result<Page<T>, ApiError> {
        Ok(Page { sort: Sort::read(query)?, part: Part::read(query)? })
    }

    /// Keeps and sorts little more than the page and what stands before it.
    fn of(&self, ports: &Ports, takes: impl Fn(&T) -> bool) -> List<T> {
        let as_of = WallTime::from(SystemTime::now());
        let end = self.part.offset.saturating_add(self.part.limit);
        let key = |one: &T| self.sort.key(one);
        let (mut items, mut total) = (Vec::new(), 0);
        for item in T::all(ports).filter(takes) {
            total += 1;
            items.push(item);
            if items.len() >= end.saturating_mul(2) {
                items.select_nth_unstable_by_key(end, key);
                items.truncate(end);
            }
        }
        items.sort_unstable_by_key(key);
        items.truncate(end);
        items.drain(..self.part.offset.min(items.len()));
        List { as_of, items, total }
    }
}

/// Seconds as a whole number of the same order; none are negative.
fn by_seconds(seconds: f64) -> u64 {
    seconds.to_bits()
}

fn sum(both: PerDirection<u64>) -> u64 {
    both.client_to_server.saturating_add(both.server_to_client)
}
