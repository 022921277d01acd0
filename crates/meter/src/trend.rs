//! An hour of history in memory, a row of cumulative totals each second: what the dashboard shows before any
//! store is asked.

use std::collections::VecDeque;
use std::time::Duration;

use model::live::Backlog;
use model::overview::{
    Ceiling, CountryNow, EndedCount, ErrorCount, HandshakeCount, LatencySeconds, Now, Overview, PerProtocol,
    RouteNow, Trend,
};
use model::{
    Direction, ErrorType, HandshakeResult, Initiator, Moment, PerDirection, Protocol, Reason, WallTime, Word,
};

use crate::cells::Observed;
use crate::families::LATENCY_BOUNDS;
use crate::grpc::GrpcTotals;
use crate::registry::Registry;
use crate::scrape::{Census, Scrape};

/// Rows kept: one hour.
pub const ROWS_MAX: usize = 3600;

/// Columns of a trend at most.
const STEPS_MAX: u64 = 180;

/// Rates "now" are taken over this.
const RATE_WINDOW: Duration = Duration::from_secs(10);

/// Endings that are no one's trouble.
const ORDERLY: [Reason; 7] = [
    Reason::Normal,
    Reason::GoingAway,
    Reason::NoStatus,
    Reason::App,
    Reason::Complete,
    Reason::ClientClosed,
    Reason::Shutdown,
];

/// Cumulative numbers over all routes since the start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Totals {
    connections: PerProtocol<u64>,
    messages: PerDirection<u64>,
    bytes: PerDirection<u64>,
    opened: u64,
    closed: PerProtocol<Box<[u32]>>,
    handshakes: PerProtocol<Box<[u32]>>,
    errors: PerProtocol<Box<[u32]>>,
    latency: Observed,
}

impl Default for Totals {
    fn default() -> Self {
        let zeros = |length: usize| PerProtocol::from_fn(|_| vec![0; length].into_boxed_slice());
        Totals {
            connections: PerProtocol::default(),
            messages: PerDirection::default(),
            bytes: PerDirection::default(),
            opened: 0,
            closed: zeros(Initiator::ALL.len() * Reason::ALL.len()),
            handshakes: zeros(HandshakeResult::ALL.len()),
            errors: zeros(ErrorType::ALL.len()),
            latency: Observed { cells: vec![0; LATENCY_BOUNDS.len() + 1], sum_nanos: 0 },
        }
    }
}

fn pair_index(initiator: Initiator, reason: Reason) -> usize {
    initiator.index() * Reason::ALL.len() + reason.index()
}

impl Totals {
    /// The totals of a scrape; bytes are those of messages and events.
    pub fn of(registry: &Registry, scrape: &Scrape) -> Totals {
        let mut totals = Totals::default();
        for live in &scrape.routes {
            let meter = registry.route(&live.name);
            for &protocol in Protocol::ALL {
                totals.add_census(protocol, live.census(protocol));
            }
            for result in HandshakeResult::ALL.iter().filter(|&&result| result != HandshakeResult::Success) {
                let (ws, sse) = (&mut totals.handshakes.websocket, &mut totals.handshakes.sse);
                ws[result.index()] += meter.sum(|shard| shard.websocket.handshakes.get(*result)) as u32;
                sse[result.index()] += meter.sum(|shard| shard.sse.connections.get(*result)) as u32;
            }
            for &error in ErrorType::ALL {
                let (ws, sse) = (&mut totals.errors.websocket, &mut totals.errors.sse);
                ws[error.index()] += meter.sum(|shard| shard.websocket.errors.get(error)) as u32;
                sse[error.index()] += meter.sum(|shard| shard.sse.errors.get(error)) as u32;
            }
            for &direction in Direction::ALL {
                totals.messages[direction] += meter.sum(|shard| shard.websocket.messages[direction].get());
                totals.bytes[direction] += meter.sum(|shard| shard.websocket.message_bytes[direction].get());
                totals.add_latency(&meter.observed(|shard| &shard.websocket.latency_seconds[direction]));
            }
            totals.messages.server_to_client += meter.sum(|shard| shard.sse.events.get());
            totals.bytes.server_to_client += meter.sum(|shard| shard.sse.event_bytes.get());
            totals.add_latency(&meter.observed(|shard| &shard.sse.delay_seconds));
            totals.add_grpc(&meter.grpc.totals());
        }
        totals
    }

    fn add_census(&mut self, protocol: Protocol, census: &Census) {
        self.connections[protocol] += census.active;
        self.opened += census.opened;
        self.handshakes[protocol][HandshakeResult::Success.index()] += census.opened as u32;
        for &((initiator, reason), count) in &census.closed {
            self.closed[protocol][pair_index(initiator, reason)] += count as u32;
        }
    }

    fn add_grpc(&mut self, grpc: &GrpcTotals) {
        for &direction in Direction::ALL {
            self.messages[direction] += grpc.messages[direction];
            self.bytes[direction] += grpc.bytes[direction];
        }
        self.add_latency(&grpc.latency);
    }

    fn add_latency(&mut self, observed: &Observed) {
        for (sum, cell) in self.latency.cells.iter_mut().zip(&observed.cells) {
            *sum += cell;
        }
        self.latency.sum_nanos += observed.sum_nanos;
    }

    fn closed_count(&self) -> u64 {
        Protocol::ALL.iter().flat_map(|&p| &self.closed[p]).map(|&n| u64::from(n)).sum()
    }

    fn error_count(&self) -> u64 {
        Protocol::ALL.iter().flat_map(|&p| &self.errors[p]).map(|&n| u64::from(n)).sum()
    }
}

/// See the module.
#[derive(Debug)]
pub struct History {
    started: (Moment, WallTime),
    zero: Totals,
    rows: VecDeque<Row>,
}

#[derive(Debug)]
struct Row {
    at: Moment,
    second: u64,
    totals: Totals,
}

/// What an overview shows beside history.
#[derive(Clone, Debug, Default)]
pub struct Present {
    /// What waits.
    pub backlog: Backlog,
    /// Connections whose receiver has left a backlog for long.
    pub slow_consumers: u64,
    /// Open connections by route.
    pub routes: Vec<RouteNow>,
    /// Open connections by country; none without a database of countries.
    pub countries: Option<Vec<CountryNow>>,
    /// What the process can hold.
    pub ceiling: Ceiling,
}

impl History {
    /// Empty, at the start of the gateway.
    pub fn new(now: Moment, wall: WallTime) -> History {
        History { started: (now, wall), zero: Totals::default(), rows: VecDeque::new() }
    }

    /// Takes the totals at `now`; called about once a second. The oldest row makes room.
    pub fn push(&mut self, now: Moment, wall: WallTime, totals: Totals) {
        if self.rows.len() >= ROWS_MAX
            && let Some(oldest) = self.rows.pop_front()
        {
            self.zero = oldest.totals;
        }
        self.rows.push_back(Row { at: now, second: wall.0 / 1_000_000_000, totals });
    }

    /// One look at `now`, over the last `window`.
    pub fn overview(&self, now: Moment, wall: WallTime, window: Duration, present: Present) -> Overview {
        let age = now.since(self.started.0);
        let window = window.min(age).max(Duration::from_secs(1));
        let newest = self.rows.back().map_or(&self.zero, |row| &row.totals);
        let base = self.totals_before(now, window);
        let ended = ended(base, newest);
        Overview {
            as_of: wall,
            started_at: self.started.1,
            window_seconds: window.as_secs_f64(),
            now: self.now_values(now, age, &ended, base, newest, &present),
            trend: self.trend(now, window),
            ended,
            handshakes: handshakes(base, newest),
            errors: errors(base, newest),
            routes: present.routes,
            countries: present.countries,
            ceiling: present.ceiling,
        }
    }

    /// The totals as they stood `ago` before `now`.
    fn totals_before(&self, now: Moment, ago: Duration) -> &Totals {
        let is_old = |row: &&Row| now.since(row.at) >= ago;
        self.rows.iter().rev().find(is_old).map_or(&self.zero, |row| &row.totals)
    }

    fn now_values(
        &self,
        now: Moment,
        age: Duration,
        ended: &[EndedCount],
        base: &Totals,
        newest: &Totals,
        present: &Present,
    ) -> Now {
        let rate_window = RATE_WINDOW.min(age).max(Duration::from_secs(1));
        let before = self.totals_before(now, rate_window);
        let per_second = |then: u64, now: u64| now.saturating_sub(then) as f64 / rate_window.as_secs_f64();
        let all: u64 = ended.iter().map(|ended| ended.count).sum();
        let orderly: u64 =
            ended.iter().filter(|ended| ORDERLY.contains(&ended.reason)).map(|ended| ended.count).sum();
        Now {
            connections: newest.connections,
            messages_per_second: PerDirection::from_fn(|d| {
                per_second(before.messages[d], newest.messages[d])
            }),
            bytes_per_second: PerDirection::from_fn(|d| per_second(before.bytes[d], newest.bytes[d])),
            opened_per_second: per_second(before.opened, newest.opened),
            closed_per_second: per_second(before.closed_count(), newest.closed_count()),
            abnormal_ratio: (all > 0).then(|| (all - orderly) as f64 / all as f64),
            handshake_success_ratio: success_ratio(base, newest),
            latency_seconds: latency(&difference(&base.latency, &newest.latency)),
            backlog: present.backlog,
            slow_consumers: present.slow_consumers,
        }
    }

    /// Steps end at multiples of their length in Unix time, so that they stay where they are between looks.
    fn trend(&self, now: Moment, window: Duration) -> Trend {
        let step = window.as_secs().div_ceil(STEPS_MAX).max(1);
        let mut trend =
            Trend { step_seconds: step as f64, latency_bounds: LATENCY_BOUNDS.to_vec(), ..Trend::default() };
        let mut previous: Option<(&Totals, Moment)> = None;
        let rows = self.rows.iter().enumerate().filter(|(_, row)| now.since(row.at) <= window);
        for (index, row) in rows {
            let is_last_of_step =
                self.rows.get(index + 1).is_none_or(|next| next.second / step != row.second / step);
            let base = previous.get_or_insert_with(|| self.row_before(index));
            if is_last_of_step {
                push_step(&mut trend, row, base);
                previous = Some((&row.totals, row.at));
            }
        }
        trend
    }

    fn row_before(&self, index: usize) -> (&Totals, Moment) {
        index.checked_sub(1).map_or((&self.zero, self.started.0), |before| {
            let row = &self.rows[before];
            (&row.totals, row.at)
        })
    }
}

fn push_step(trend: &mut Trend, row: &Row, base: &(&Totals, Moment)) {
    let (then, totals) = (base.0, &row.totals);
    let seconds = row.at.since(base.1).as_secs_f64().max(f64::EPSILON);
    let per_second = |then: u64, now: u64| now.saturating_sub(then) as f64 / seconds;
    trend.t.push(row.second as f64);
    for &protocol in Protocol::ALL {
        trend.connections[protocol].push(totals.connections[protocol]);
    }
    for &direction in Direction::ALL {
        let rate = per_second(then.messages[direction], totals.messages[direction]);
        trend.messages_per_second[direction].push(rate);
        trend.bytes_per_second[direction].push(per_second(then.bytes[direction], totals.bytes[direction]));
    }
    trend.opened_per_second.push(per_second(then.opened, totals.opened));
    trend.closed_per_second.push(per_second(then.closed_count(), totals.closed_count()));
    trend.errors_per_second.push(per_second(then.error_count(), totals.error_count()));
    let observed = difference(&then.latency, &totals.latency);
    let LatencySeconds { p50, p99, .. } = latency(&observed);
    trend.latency_p50.push(p50);
    trend.latency_p99.push(p99);
    trend.latency_cells.push(observed.cells);
}

fn difference(then: &Observed, now: &Observed) -> Observed {
    let cells = now.cells.iter().zip(&then.cells).map(|(now, then)| now.saturating_sub(*then)).collect();
    Observed { cells, sum_nanos: now.sum_nanos.saturating_sub(then.sum_nanos) }
}

fn latency(observed: &Observed) -> LatencySeconds {
    let count = observed.count();
    LatencySeconds {
        p50: quantile(0.5, &observed.cells),
        p99: quantile(0.99, &observed.cells),
        mean: (count > 0).then(|| observed.sum_seconds() / count as f64),
    }
}

/// As PromQL's `histogram_quantile`: linear within the bucket, from 0 in the first one; the highest finite bound
/// when it falls beyond all bounds.
fn quantile(q: f64, cells: &[u64]) -> Option<f64> {
    let count: u64 = cells.iter().sum();
    let rank = q * count as f64;
    let mut below = 0.0;
    for (index, &cell) in cells.iter().enumerate() {
        let within = below + cell as f64;
        if cell > 0 && within >= rank {
            let lower = index.checked_sub(1).map_or(0.0, |before| LATENCY_BOUNDS[before]);
            let Some(upper) = LATENCY_BOUNDS.get(index) else { return Some(lower) };
            return Some(lower + (upper - lower) * (rank - below) / cell as f64);
        }
        below = within;
    }
    None
}

fn success_ratio(base: &Totals, newest: &Totals) -> Option<f64> {
    let counts = handshakes(base, newest);
    let service = counts.iter().filter(|count| count.result.is_service_outcome());
    let all: u64 = service.clone().map(|count| count.count).sum();
    let succeeded: u64 =
        service.filter(|count| count.result == HandshakeResult::Success).map(|count| count.count).sum();
    (all > 0).then(|| succeeded as f64 / all as f64)
}

fn ended(base: &Totals, newest: &Totals) -> Vec<EndedCount> {
    let mut all: Vec<EndedCount> = Protocol::ALL
        .iter()
        .flat_map(|&protocol| {
            Reason::pairs(protocol).map(move |(initiator, reason)| (protocol, initiator, reason))
        })
        .map(|(protocol, initiator, reason)| {
            let index = pair_index(initiator, reason);
            let count = u64::from(newest.closed[protocol][index].wrapping_sub(base.closed[protocol][index]));
            EndedCount { protocol, initiator, reason, count }
        })
        .filter(|ended| ended.count > 0)
        .collect();
    all.sort_by_key(|ended| std::cmp::Reverse(ended.count));
    all
}

fn handshakes(base: &Totals, newest: &Totals) -> Vec<HandshakeCount> {
    let count_of = |protocol: Protocol, result: HandshakeResult| {
        let (then, now) = (&base.handshakes[protocol], &newest.handshakes[protocol]);
        u64::from(now[result.index()].wrapping_sub(then[result.index()]))
    };
    let mut all: Vec<HandshakeCount> = Protocol::ALL
        .iter()
        .flat_map(|&protocol| HandshakeResult::of(protocol).map(move |result| (protocol, result)))
        .map(|(protocol, result)| HandshakeCount { protocol, result, count: count_of(protocol, result) })
        .filter(|handshake| handshake.count > 0)
        .collect();
    all.sort_by_key(|handshake| std::cmp::Reverse(handshake.count));
    all
}

fn errors(base: &Totals, newest: &Totals) -> Vec<ErrorCount> {
    let count_of = |protocol: Protocol, error: ErrorType| {
        let (then, now) = (&base.errors[protocol], &newest.errors[protocol]);
        u64::from(now[error.index()].wrapping_sub(then[error.index()]))
    };
    let mut all: Vec<ErrorCount> = Protocol::ALL
        .iter()
        .flat_map(|&protocol| ErrorType::ALL.iter().map(move |&error| (protocol, error)))
        .map(|(protocol, error)| ErrorCount { protocol, error, count: count_of(protocol, error) })
        .filter(|error| error.count > 0)
        .collect();
    all.sort_by_key(|error| std::cmp::Reverse(error.count));
    all
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn second(n: usize) -> (Moment, WallTime) {
        (Moment(n as u64 * 1_000_000_000), WallTime((1_800_000_000 + n as u64) * 1_000_000_000))
    }

    fn totals(messages: u64) -> Totals {
        let mut totals = Totals::default();
        totals.messages.server_to_client = messages;
        totals.latency.cells[3] = messages;
        totals.closed.websocket[pair_index(Initiator::Client, Reason::Reset)] = messages as u32;
        totals
    }

    proptest! {
        #[test]
        fn steps_add_up_to_the_window(counts in prop::collection::vec(0u64..100, 1..600), window in 5u64..900) {
            let (start, wall) = second(0);
            let mut history = History::new(start, wall);
            let mut sum = 0;
            for (index, count) in counts.iter().enumerate() {
                sum += count;
                let (now, wall) = second(index + 1);
                history.push(now, wall, totals(sum));
            }
            let (now, wall) = second(counts.len());
            let overview = history.overview(now, wall, Duration::from_secs(window), Present::default());
            let whole = (window as usize).min(counts.len());
            let truth: u64 = counts[counts.len() - whole..].iter().sum();
            let ended: u64 = overview.ended.iter().map(|ended| ended.count).sum();
            prop_assert_eq!(ended, truth);
            prop_assert!(overview.trend.t.len() <= STEPS_MAX as usize + 1);
            prop_assert_eq!(overview.trend.latency_cells.len(), overview.trend.t.len());
            let shown: u64 = overview.trend.latency_cells.iter().map(|cells| cells[3]).sum();
            let first_row = counts.len().saturating_sub(whole + 1);
            let with_edge: u64 = counts[first_row..].iter().sum();
            prop_assert!(shown == truth || shown == with_edge, "{} of {} or {}", shown, truth, with_edge);
        }
    }

    #[test]
    fn history_is_bounded_and_counts_stay_exact() {
        let (start, wall) = second(0);
        let mut history = History::new(start, wall);
        for index in 1..=ROWS_MAX + 500 {
            let (now, wall) = second(index);
            history.push(now, wall, totals(index as u64));
        }
        assert_eq!(history.rows.len(), ROWS_MAX);
        let (now, wall) = second(ROWS_MAX + 500);
        let overview = history.overview(now, wall, Duration::from_secs(3600), Present::default());
        assert_eq!(overview.ended[0].count, 3600);
        assert_eq!(overview.now.abnormal_ratio, Some(1.0));
        assert!((overview.now.messages_per_second.server_to_client - 1.0).abs() < 1e-9);
    }

    #[test]
    fn quantiles_are_as_in_promql() {
        let mut cells = vec![0; LATENCY_BOUNDS.len() + 1];
        assert_eq!(quantile(0.5, &cells), None);
        cells[0] = 10;
        assert_eq!(quantile(0.5, &cells), Some(0.00025));
        cells[16] = 90;
        assert_eq!(quantile(0.99, &cells), Some(60.0));
    }
}
