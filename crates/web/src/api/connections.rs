//! Lists of connections, open or closed, and single ones.

use std::cmp::Ordering;
use std::sync::Arc;
use std::time::SystemTime;

use axum::Json;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, StatusCode, Uri};
use model::filter::{Condition, Filter, Pattern, Term, TextField};
use model::live::{LiveConnection, LiveState};
use model::quoted;
use model::record::CloseRecord;
use model::{ConnectionId, HandshakeResult, Initiator, PerDirection, Protocol, Reason, WallTime};

use super::journal;
use crate::body::{ConnectionView, List};
use crate::error::ApiError;
use crate::findings::explanations;
use crate::headers::language;
use crate::query::Query;
use crate::router::Site;

type Order<T> = fn(&T, &T) -> Ordering;

/// What is listed has an id, which decides between equals: pages of one list do not overlap.
trait Listed {
    fn id(&self) -> ConnectionId;
}

impl Listed for LiveConnection {
    fn id(&self) -> ConnectionId {
        self.id
    }
}

impl Listed for Arc<CloseRecord> {
    fn id(&self) -> ConnectionId {
        self.id
    }
}

const SETS: &[(&str, Set)] = &[("live", Set::Live), ("closed", Set::Closed)];

#[derive(Clone, Copy)]
enum Set {
    Live,
    Closed,
}

const STATES: &[(&str, LiveState)] =
    &[("open", LiveState::Open), ("slow", LiveState::Slow), ("closing", LiveState::Closing)];

const LIVE_ORDERS: &[(&str, Order<LiveConnection>)] = &[
    ("opened_at", |a, b| a.opened_at.cmp(&b.opened_at)),
    ("duration", |a, b| a.age_seconds.total_cmp(&b.age_seconds)),
    ("idle", |a, b| a.idle_seconds.total_cmp(&b.idle_seconds)),
    ("messages", |a, b| sum(a.messages).cmp(&sum(b.messages))),
    ("backlog", |a, b| backlog_bytes(a).cmp(&backlog_bytes(b))),
];

const CLOSED_ORDERS: &[(&str, Order<Arc<CloseRecord>>)] = &[
    ("closed_at", |a, b| a.closed_at.cmp(&b.closed_at)),
    ("opened_at", |a, b| a.opened_at.cmp(&b.opened_at)),
    ("duration", |a, b| a.duration_seconds.total_cmp(&b.duration_seconds)),
    ("idle", |a, b| a.idle_seconds.any.total_cmp(&b.idle_seconds.any)),
    ("messages", |a, b| sum(a.messages).cmp(&sum(b.messages))),
    ("backlog", |a, b| sum(a.unsent_bytes).cmp(&sum(b.unsent_bytes))),
];

/// `GET /api/v1/connections`: one page of the list that `set` names, filtered and sorted.
pub(crate) async fn connections(State(site): State<Arc<Site>>, uri: Uri) -> Result<Response, ApiError> {
    let mut query = Query::of(&uri)?;
    match query.choice("set", SETS)?.unwrap_or(Set::Live) {
        Set::Live => {
            let page = Page::read(&mut query, LIVE_ORDERS)?;
            let filter = LiveFilter::read(&mut query)?;
            query.finish()?;
            let list =
                site.asker.ask(move |ports| page.of(ports.connections.live(), |one| filter.takes(one)));
            Ok(Json(list.await?).into_response())
        }
        Set::Closed if query.has("from") || query.has("to") => journal::list(&site, query).await,
        Set::Closed => {
            let page = Page::read(&mut query, CLOSED_ORDERS)?;
            let filter = ClosedFilter::read(&mut query)?;
            query.finish()?;
            let list = site
                .asker
                .ask(move |ports| page.of(ports.connections.closed().into_iter(), |one| filter.takes(one)));
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

/// Which part of a list, in which order.
struct Page<T> {
    order: Order<T>,
    descending: bool,
    offset: usize,
    limit: usize,
}

impl<T: Listed> Page<T> {
    /// The first of `orders` is the default one; the greatest comes first unless asked otherwise.
    fn read(query: &mut Query, orders: &[(&'static str, Order<T>)]) -> Result<Page<T>, ApiError> {
        let order = query.choice("sort", orders)?;
        let descending = query.choice("dir", &[("desc", true), ("asc", false)])?;
        let limit = query.number("limit", 1..=500)?;
        let offset = query.number("offset", 0..=u64::from(u32::MAX))?;
        Ok(Page {
            order: order.unwrap_or(orders[0].1),
            descending: descending.unwrap_or(true),
            offset: offset.unwrap_or(0) as usize,
            limit: limit.unwrap_or(100) as usize,
        })
    }

    /// Keeps and sorts little more than the page and what stands before it.
    fn of(&self, all: impl Iterator<Item = T>, takes: impl Fn(&T) -> bool) -> List<T> {
        let as_of = WallTime::from(SystemTime::now());
        let end = self.offset.saturating_add(self.limit);
        let order = |a: &T, b: &T| {
            let rising = (self.order)(a, b).then_with(|| a.id().cmp(&b.id()));
            if self.descending { rising.reverse() } else { rising }
        };
        let (mut items, mut total) = (Vec::new(), 0);
        for item in all.filter(takes) {
            total += 1;
            items.push(item);
            if items.len() >= end.saturating_mul(2) {
                items.select_nth_unstable_by(end, order);
                items.truncate(end);
            }
        }
        items.sort_unstable_by(order);
        items.truncate(end);
        items.drain(..self.offset.min(items.len()));
        List { as_of, items, total }
    }
}

fn sum(both: PerDirection<u64>) -> u64 {
    both.client_to_server.saturating_add(both.server_to_client)
}

fn backlog_bytes(one: &LiveConnection) -> u64 {
    one.backlog.client_to_server.bytes.saturating_add(one.backlog.server_to_client.bytes)
}
