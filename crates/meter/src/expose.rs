//! All families as they stand now, for whoever takes samples: the two text formats here, a store elsewhere.

mod countries;
mod host;
mod kept;
mod probes;
mod rules;

use std::fmt::Write as _;

use model::ports::MetricsFormat;
use model::{
    Direction, ErrorType, EventTimeError, GrpcCode, HandshakeResult, Http2Error, Initiator, Leg, Opcode,
    Protocol, Reason, Refused, RejectedCheck, Shed, TryoutRefused, Unqueued, Word,
};

use crate::cells::Observed;
use crate::families::{self as f, Family, Kind};
use crate::grpc::ServiceCells;
use crate::registry::{Registry, RouteMeter};
use crate::scrape::{Census, RouteLive, Scrape};

/// Takes the samples of a scrape, family by family.
pub trait Sink {
    /// The samples that follow are of this family.
    fn family(&mut self, family: &'static Family);

    /// One sample; `suffix` is `_bucket`, `_sum` or `_count` for histograms, and empty otherwise.
    fn sample(&mut self, suffix: &'static str, labels: &[(&str, &str)], value: f64);
}

struct RouteScrape<'a> {
    live: &'a RouteLive,
    meter: std::sync::Arc<RouteMeter>,
}

/// Gives `sink` every sample.
pub fn visit(registry: &Registry, scrape: &Scrape, sink: &mut dyn Sink) {
    let routes: Vec<RouteScrape<'_>> =
        scrape.routes.iter().map(|live| RouteScrape { live, meter: registry.route(&live.name) }).collect();
    for family in f::ALL {
        sink.family(family);
        for route in &routes {
            visit_route(family, registry, scrape, route, sink);
        }
        visit_process(family, registry, scrape, sink);
        kept::visit(family, &registry.queries, &scrape.store, sink);
        rules::visit(family, scrape, sink);
        kept::visit_remotes(family, &scrape.remotes, sink);
        kept::visit_shared_limits(family, scrape.shared_limits.as_ref(), sink);
        kept::visit_notifications(family, &scrape.notifications, sink);
        kept::visit_findings(family, &scrape.findings, sink);
        probes::visit(family, &scrape.probes, sink);
        kept::visit_alertmanagers(family, &scrape.alertmanagers, sink);
        if let Some(engine) = &scrape.query_engine {
            kept::visit_query_engine(family, engine, sink);
        }
        if let Some(countries) = &scrape.countries {
            countries::visit(family, countries, sink);
        }
        if let Some(facts) = &scrape.host {
            host::visit(family, facts, sink);
        }
    }
}

fn visit_route(
    family: &'static Family,
    registry: &Registry,
    scrape: &Scrape,
    route: &RouteScrape<'_>,
    sink: &mut dyn Sink,
) {
    let RouteScrape { live, meter } = route;
    let mut out = RouteSink { sink, route: &live.name };
    match *family {
        f::WEBSOCKET_ACTIVE => out.value(live.websocket.active as f64),
        f::WEBSOCKET_HANDSHAKES => {
            out.handshakes(Protocol::WebSocket, &live.websocket, |result| {
                meter.sum(|shard| shard.websocket.handshakes.get(result))
            });
        }
        f::WEBSOCKET_HANDSHAKE_SECONDS => {
            out.histogram(
                &[],
                f::HANDSHAKE_BOUNDS,
                &meter.observed(|shard| &shard.websocket.handshake_seconds),
            );
        }
        f::WEBSOCKET_CLOSED => out.closed(Protocol::WebSocket, &live.websocket),
        f::WEBSOCKET_DURATION_SECONDS => {
            out.histogram(
                &[],
                f::DURATION_BOUNDS,
                &meter.observed(|shard| &shard.websocket.duration_seconds),
            );
        }
        f::WEBSOCKET_OLDEST_START => {
            if let Some(start) = live.websocket_oldest_start {
                out.value(start.as_secs_f64());
            }
        }
        f::WEBSOCKET_MESSAGES => {
            out.directions(|direction| meter.sum(|shard| shard.websocket.messages[direction].get()) as f64);
        }
        f::WEBSOCKET_MESSAGE_BYTES => {
            out.directions(|direction| {
                meter.sum(|shard| shard.websocket.message_bytes[direction].get()) as f64
            });
        }
        f::WEBSOCKET_FRAMES => {
            for &direction in Direction::ALL {
                for &opcode in Opcode::ALL {
                    let count = meter.sum(|shard| shard.websocket.frames[direction].get(opcode));
                    let labels = [("direction", direction.as_str()), ("opcode", opcode.as_str())];
                    out.labelled(&labels, count as f64);
                }
            }
        }
        f::WEBSOCKET_LATENCY => {
            for &direction in Direction::ALL {
                let observed = meter.observed(|shard| &shard.websocket.latency_seconds[direction]);
                out.histogram(&[("direction", direction.as_str())], f::LATENCY_BOUNDS, &observed);
            }
        }
        f::WEBSOCKET_ACK => {
            for &direction in Direction::ALL {
                let observed = meter.observed(|shard| &shard.websocket.ack_seconds[direction]);
                out.histogram(&[("direction", direction.as_str())], f::LATENCY_BOUNDS, &observed);
            }
        }
        f::WEBSOCKET_LATENCY_MEAN => {
            for &direction in Direction::ALL {
                let waiting = live.backlog[direction];
                if let Some(mean) = registry.mean_latency(meter, direction, scrape.now, waiting) {
                    out.labelled(&[("direction", direction.as_str())], mean);
                }
            }
        }
        f::WEBSOCKET_BACKLOG_MESSAGES => {
            out.directions(|direction| live.backlog[direction].messages as f64);
        }
        f::WEBSOCKET_BACKLOG_BYTES => {
            out.directions(|direction| live.backlog[direction].bytes as f64);
        }
        f::WEBSOCKET_BACKLOG_AGE => {
            out.directions(|direction| live.backlog[direction].oldest_age_seconds);
        }
        f::WEBSOCKET_SLOW_CONSUMERS => out.value(live.slow_consumers as f64),
        f::WEBSOCKET_ERRORS => {
            out.words("type", |error: ErrorType| meter.sum(|shard| shard.websocket.errors.get(error)));
        }
        f::WEBSOCKET_CLOSE_IDLE => {
            let observed = meter.observed(|shard| &shard.websocket.close_idle_seconds);
            out.histogram(&[], f::CLOSE_IDLE_BOUNDS, &observed);
        }
        f::WEBSOCKET_RECONNECTS => {
            out.value(meter.observed(|shard| &shard.websocket.reconnect_seconds).count() as f64);
        }
        f::WEBSOCKET_RECONNECT_INTERVAL => {
            let observed = meter.observed(|shard| &shard.websocket.reconnect_seconds);
            out.histogram(&[], f::RECONNECT_BOUNDS, &observed);
        }
        f::WEBSOCKET_HEARTBEAT_RTT => {
            for &leg in Leg::ALL {
                let observed = meter.observed(|shard| &shard.websocket.heartbeat_rtt_seconds[leg]);
                out.histogram(&[("peer", leg.as_str())], f::LATENCY_BOUNDS, &observed);
            }
        }
        f::WEBSOCKET_HEARTBEATS_MISSED => {
            out.words("peer", |leg: Leg| meter.sum(|shard| shard.websocket.heartbeats_missed[leg].get()));
        }
        f::WEBSOCKET_HEARTBEATS_SENT => {
            out.words("peer", |leg: Leg| meter.sum(|shard| shard.websocket.heartbeats_sent[leg].get()));
        }
        f::WEBSOCKET_HEARTBEAT_INTERVAL => {
            for &leg in Leg::ALL {
                if let Some(seconds) = live.heartbeat_interval_seconds[leg] {
                    out.labelled(&[("peer", leg.as_str())], seconds);
                }
            }
        }
        f::SSE_ACTIVE => out.value(live.sse.active as f64),
        f::SSE_CONNECTIONS => {
            out.handshakes(Protocol::Sse, &live.sse, |result| {
                meter.sum(|shard| shard.sse.connections.get(result))
            });
        }
        f::SSE_EVENTS => out.value(meter.sum(|shard| shard.sse.events.get()) as f64),
        f::SSE_EVENT_BYTES => {
            out.value(meter.sum(|shard| shard.sse.event_bytes.get()) as f64);
        }
        f::SSE_COMMENTS => out.value(meter.sum(|shard| shard.sse.comments.get()) as f64),
        f::SSE_HEARTBEATS_SENT => out.value(meter.sum(|shard| shard.sse.heartbeats_sent.get()) as f64),
        f::SSE_DISCONNECTS => out.closed(Protocol::Sse, &live.sse),
        f::SSE_DELAY => {
            out.histogram(&[], f::LATENCY_BOUNDS, &meter.observed(|shard| &shard.sse.delay_seconds));
        }
        f::SSE_ACK => {
            out.histogram(&[], f::LATENCY_BOUNDS, &meter.observed(|shard| &shard.sse.ack_seconds));
        }
        f::SSE_GENERATION_DELAY => {
            let observed = meter.observed(|shard| &shard.sse.generation_delay_seconds);
            out.histogram(&[], f::LATENCY_BOUNDS, &observed);
        }
        f::SSE_GENERATION_DELAY_MIN => {
            meter.generation_delay_min(scrape.now).into_iter().for_each(|seconds| out.value(seconds));
        }
        f::SSE_CLOCK_AHEAD => {
            let ahead = meter.generation_delay_min(scrape.now).map(|seconds| (-seconds).max(0.0));
            ahead.into_iter().for_each(|seconds| out.value(seconds));
        }
        f::SSE_EVENTS_AHEAD => out.value(meter.sum(|shard| shard.sse.events_ahead.get()) as f64),
        f::SSE_EVENT_TIME_ERRORS => {
            out.words("type", |error: EventTimeError| {
                meter.sum(|shard| shard.sse.event_time_errors.get(error))
            });
        }
        f::SSE_DURATION_SECONDS => {
            out.histogram(&[], f::DURATION_BOUNDS, &meter.observed(|shard| &shard.sse.duration_seconds));
        }
        f::WEBSOCKET_SOCKET_UNSENT => out.directions(|direction| live.socket_unsent_bytes[direction] as f64),
        f::WEBSOCKET_SOCKET_UNREAD => out.directions(|direction| live.socket_unread_bytes[direction] as f64),
        f::WEBSOCKET_CLIENT_RTT => {
            out.histogram(&[], f::RTT_BOUNDS, &meter.observed(|shard| &shard.websocket.client_rtt_seconds));
        }
        f::WEBSOCKET_UPSTREAM_RTT => {
            out.histogram(&[], f::RTT_BOUNDS, &meter.observed(|shard| &shard.websocket.upstream_rtt_seconds));
        }
        f::WEBSOCKET_RETRANSMITS => {
            out.words("peer", |leg: Leg| meter.sum(|shard| shard.websocket.retransmits.get(leg)));
        }
        f::SSE_UNACKNOWLEDGED => out.value(live.sse_unacknowledged_clients as f64),
        f::SSE_BACKLOG_BYTES => out.value(live.sse_backlog.bytes as f64),
        f::SSE_ERRORS => {
            out.words("type", |error: ErrorType| meter.sum(|shard| shard.sse.errors.get(error)));
        }
        f::SSE_RECONNECTS => {
            let anew = meter.sum(|shard| shard.sse.reconnects_anew.get());
            let resumed = meter.sum(|shard| shard.sse.reconnects_resumed.get());
            out.labelled(&[("resumed", "false")], anew as f64);
            out.labelled(&[("resumed", "true")], resumed as f64);
        }
        f::GRPC_ACTIVE => out.value(live.grpc.active as f64),
        f::GRPC_OPENED => {
            out.value((live.grpc.opened + meter.grpc.never_opened.get()) as f64);
        }
        f::GRPC_CLOSED => meter.grpc.each_method(|service, method, closed| {
            for &code in GrpcCode::ALL {
                let labels =
                    [("grpc_service", service), ("grpc_method", method), ("grpc_code", code.as_str())];
                out.labelled(&labels, closed.get(code) as f64);
            }
        }),
        f::GRPC_MESSAGES => {
            out.services(meter, |cells, direction| cells.messages[direction].get());
        }
        f::GRPC_MESSAGE_BYTES => {
            out.services(meter, |cells, direction| cells.message_bytes[direction].get());
        }
        f::GRPC_DURATION_SECONDS => meter.grpc.each_service(|service, cells| {
            out.histogram(
                &[("grpc_service", service)],
                f::DURATION_BOUNDS,
                &cells.duration_seconds.observed(),
            );
        }),
        f::GRPC_FIRST_MESSAGE => meter.grpc.each_service(|service, cells| {
            let observed = cells.first_message_seconds.observed();
            out.histogram(&[("grpc_service", service)], f::LATENCY_BOUNDS, &observed);
        }),
        f::GRPC_LATENCY => meter.grpc.each_service(|service, cells| {
            for &direction in Direction::ALL {
                let labels = [("grpc_service", service), ("direction", direction.as_str())];
                out.histogram(&labels, f::LATENCY_BOUNDS, &cells.latency_seconds[direction].observed());
            }
        }),
        f::GRPC_RESETS => out.http2_errors(|initiator, error| meter.grpc.resets(initiator, error)),
        f::GRPC_HEARTBEATS_SENT => out.words("peer", |leg: Leg| meter.grpc.heartbeats_sent.get(leg)),
        f::GRPC_STALLED => out.directions(|direction| meter.grpc.stalled_seconds(direction)),
        f::GRPC_GOAWAYS => out.http2_errors(|initiator, error| meter.grpc.goaways(initiator, error)),
        f::QUEUE_DELIVERED => meter.queue.each_class(|class, cells| {
            out.labelled(&[("priority", class)], cells.delivered.get() as f64);
        }),
        f::QUEUE_DROPPED => meter.queue.each_class(|class, cells| {
            for &why in Shed::ALL {
                let labels = [("priority", class), ("policy", why.as_str())];
                out.labelled(&labels, cells.dropped.get(why) as f64);
            }
        }),
        f::QUEUE_DELIVERY_RATIO => {
            if let Some(ratio) = meter.queue.delivery_ratio() {
                out.value(ratio);
            }
        }
        f::QUEUE_WAITING_MESSAGES => out.value(live.queued_messages as f64),
        f::QUEUE_WAITING_BYTES => out.value(live.queued_bytes as f64),
        f::QUEUE_UNQUEUED => out.words("reason", |reason: Unqueued| meter.queue.unqueued.get(reason)),
        f::ADMISSIONS if live.admission.is_some() => meter.admissions.each(|decision, reason, count| {
            out.labelled(&[("decision", decision.as_str()), ("reason", reason.as_str())], count as f64);
        }),
        f::CONNECTION_LIMIT => out.known(live.admission.and_then(|facts| facts.connections)),
        f::HANDSHAKES_WAITING => out.known(live.admission.and_then(|facts| facts.waiting)),
        f::CLIENTS_LEFT_OUT => out.known(live.admission.and_then(|facts| facts.clients_left_out)),
        f::REJECTED_UPGRADES => {
            out.words("check", |check: RejectedCheck| meter.sum(|shard| shard.rejected.get(check)));
        }
        f::CUT_UNTOLD => out.value(meter.sum(|shard| shard.cut_untold.get()) as f64),
        f::PATH_IDLE_TIMEOUT => {
            if let Some(seconds) = live.idle_timeout_seconds {
                out.labelled(&[("hop", "gateway")], seconds);
            }
        }
        _ => {}
    }
}

fn visit_process(family: &'static Family, registry: &Registry, scrape: &Scrape, sink: &mut dyn Sink) {
    let process = &scrape.process;
    let mut known = |value: Option<f64>| {
        if let Some(value) = value {
            sink.sample("", &[], value);
        }
    };
    match *family {
        f::REFUSED => {
            for &reason in Refused::ALL {
                sink.sample("", &[("reason", reason.as_str())], registry.refused.get(reason) as f64);
            }
        }
        f::TRYOUTS_REFUSED => {
            for &reason in TryoutRefused::ALL {
                let count = registry.tryouts_refused.get(reason);
                sink.sample("", &[("reason", reason.as_str())], count as f64);
            }
        }
        f::SERIES_DROPPED => {
            sink.sample("", &[("metric", "route")], registry.routes_dropped.get() as f64);
            sink.sample("", &[("metric", "grpc_method")], registry.grpc_methods_dropped() as f64);
            if let Some(host) = &scrape.host {
                sink.sample("", &[("metric", "upstream")], host.upstreams_left_out as f64);
            }
        }
        f::RECORDER_MEMORY => known(Some(scrape.recorder_bytes as f64)),
        f::OBSERVERS_FAILED => known(Some(scrape.observers_failed as f64)),
        f::DIAGNOSE_REFUSED => known(Some(scrape.diagnose_refused as f64)),
        f::RECORDER_REFUSED => known(Some(scrape.recorder_refused as f64)),
        f::ACCESS_LOG_DROPPED => known(Some(scrape.access_log_dropped as f64)),
        f::RECONNECT_CLOSES_DROPPED => known(Some(scrape.reconnect_closes_dropped as f64)),
        f::BUILD_INFO => sink.sample("", &[("version", registry.build.version)], 1.0),
        f::CERTIFICATE_NOT_AFTER => {
            for certificate in &scrape.certificates {
                let labels = [("role", certificate.role), ("name", certificate.name.as_str())];
                sink.sample("", &labels, certificate.not_after);
            }
        }
        f::PROCESS_CPU => known(process.cpu_seconds),
        f::PROCESS_RESIDENT => known(process.resident_bytes.map(|bytes| bytes as f64)),
        f::PROCESS_VIRTUAL => known(process.virtual_bytes.map(|bytes| bytes as f64)),
        f::PROCESS_OPEN_FDS => known(process.open_fds.map(|count| count as f64)),
        f::PROCESS_MAX_FDS => known(process.max_fds.map(|count| count as f64)),
        f::PROCESS_START => known(process.start_time_seconds),
        _ => {}
    }
}

/// Adds the route to the labels.
struct RouteSink<'a> {
    sink: &'a mut dyn Sink,
    route: &'a str,
}

impl RouteSink<'_> {
    fn emit(&mut self, suffix: &'static str, labels: &[(&str, &str)], value: f64) {
        let mut all = [("route", self.route); 4];
        all[1..=labels.len()].copy_from_slice(labels);
        self.sink.sample(suffix, &all[..=labels.len()], value);
    }

    fn value(&mut self, value: f64) {
        self.emit("", &[], value);
    }

    fn known(&mut self, value: Option<u64>) {
        value.into_iter().for_each(|value| self.value(value as f64));
    }

    fn labelled(&mut self, labels: &[(&str, &str)], value: f64) {
        self.emit("", labels, value);
    }

    fn directions(&mut self, value: impl Fn(Direction) -> f64) {
        for &direction in Direction::ALL {
            self.labelled(&[("direction", direction.as_str())], value(direction));
        }
    }

    fn services(&mut self, meter: &RouteMeter, count: impl Fn(&ServiceCells, Direction) -> u64) {
        meter.grpc.each_service(|service, cells| {
            for &direction in Direction::ALL {
                let labels = [("grpc_service", service), ("direction", direction.as_str())];
                self.labelled(&labels, count(cells, direction) as f64);
            }
        });
    }

    fn http2_errors(&mut self, count: impl Fn(Initiator, Http2Error) -> u64) {
        for &error in Http2Error::ALL {
            for &initiator in Initiator::ALL {
                let labels = [("http2_error", error.as_str()), ("initiator", initiator.as_str())];
                self.labelled(&labels, count(initiator, error) as f64);
            }
        }
    }

    fn words<W: Word>(&mut self, label: &'static str, count: impl Fn(W) -> u64) {
        for &word in W::ALL {
            self.labelled(&[(label, word.as_str())], count(word) as f64);
        }
    }

    fn handshakes(&mut self, protocol: Protocol, census: &Census, failed: impl Fn(HandshakeResult) -> u64) {
        for result in HandshakeResult::of(protocol) {
            let count = if result == HandshakeResult::Success { census.opened } else { failed(result) };
            self.labelled(&[("result", result.as_str())], count as f64);
        }
    }

    fn closed(&mut self, protocol: Protocol, census: &Census) {
        for (initiator, reason) in Reason::pairs(protocol) {
            let labels = [("initiator", initiator.as_str()), ("reason", reason.as_str())];
            self.labelled(&labels, census.closed_by((initiator, reason)) as f64);
        }
    }

    fn histogram(&mut self, labels: &[(&str, &str)], bounds: &[f64], observed: &Observed) {
        histogram(labels, bounds, observed, |suffix, labels, value| self.emit(suffix, labels, value));
    }
}

/// The samples of a histogram, with up to two labels beside `le`.
fn histogram(
    labels: &[(&str, &str)],
    bounds: &[f64],
    observed: &Observed,
    mut emit: impl FnMut(&'static str, &[(&str, &str)], f64),
) {
    let mut with_le = [("le", "+Inf"); 3];
    with_le[..labels.len()].copy_from_slice(labels);
    let mut text = String::new();
    let mut cumulative = 0;
    for (index, cell) in observed.cells.iter().enumerate() {
        cumulative += cell;
        text.clear();
        match bounds.get(index) {
            Some(bound) => write!(text, "{bound:?}").expect("a String takes all"),
            None => text.push_str("+Inf"),
        }
        let mut all = with_le;
        all[labels.len()] = ("le", &text);
        emit("_bucket", &all[..=labels.len()], cumulative as f64);
    }
    emit("_sum", labels, observed.sum_seconds());
    emit("_count", labels, cumulative as f64);
}

/// All families as text.
pub fn to_text(registry: &Registry, scrape: &Scrape, format: MetricsFormat) -> String {
    let mut text = Text { out: String::with_capacity(64 * 1024), format, family: &f::BUILD_INFO };
    visit(registry, scrape, &mut text);
    if format == MetricsFormat::OpenMetrics {
        text.out.push_str("# EOF\n");
    }
    text.out
}

/// Prometheus text format 0.0.4, or OpenMetrics 1.0.0.
struct Text {
    out: String,
    format: MetricsFormat,
    family: &'static Family,
}

impl Sink for Text {
    fn family(&mut self, family: &'static Family) {
        self.family = family;
        let is_open = self.format == MetricsFormat::OpenMetrics;
        let name =
            if is_open { family.name.strip_suffix("_total").unwrap_or(family.name) } else { family.name };
        let kind = match family.kind {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
            Kind::Histogram => "histogram",
        };
        write!(self.out, "# HELP {name} {}\n# TYPE {name} {kind}\n", family.help)
            .expect("a String takes all");
        if is_open && let Some(unit) = family.unit() {
            writeln!(self.out, "# UNIT {name} {unit}").expect("a String takes all");
        }
    }

    fn sample(&mut self, suffix: &'static str, labels: &[(&str, &str)], value: f64) {
        self.out.push_str(self.family.name);
        self.out.push_str(suffix);
        for (index, (name, text)) in labels.iter().enumerate() {
            self.out.push(if index == 0 { '{' } else { ',' });
            self.out.push_str(name);
            self.out.push_str("=\"");
            push_escaped(&mut self.out, text);
            self.out.push('"');
        }
        if !labels.is_empty() {
            self.out.push('}');
        }
        self.out.push(' ');
        push_number(&mut self.out, value);
        self.out.push('\n');
    }
}

/// Most values are whole, and those are cheap to write.
fn push_number(out: &mut String, value: f64) {
    let whole = value as i64;
    if whole as f64 == value {
        out.push_str(itoa::Buffer::new().format(whole));
    } else {
        write!(out, "{value}").expect("a String takes all");
    }
}

fn push_escaped(out: &mut String, text: &str) {
    let mut rest = text;
    while let Some(at) = rest.bytes().position(|byte| matches!(byte, b'\\' | b'"' | b'\n')) {
        let (plain, special) = rest.split_at(at);
        out.push_str(plain);
        out.push_str(match special.as_bytes()[0] {
            b'\n' => "\\n",
            b'"' => "\\\"",
            _ => "\\\\",
        });
        rest = &special[1..];
    }
    out.push_str(rest);
}

#[cfg(test)]
mod tests;
