//! One connection as a readable timeline.

use std::fmt::Write as _;

use ::diagnose::text::certainty;
use model::record::CloseRecord;
use model::recording::{Happening, Recorded};
use model::tcp::TcpSample;
use model::{Direction, Language, Leg, Opcode, Word as _};
use serde::Serialize;
use web::body::{ConnectionView, Explanation};

use super::text::{address, duration, size, visible};

/// Who and how, then what happened, each thing with its time since the connection was established.
pub(super) fn render(view: &ConnectionView, events: &[Recorded]) -> String {
    let mut out = head(view);
    out.push('\n');
    let mut next = 0;
    let mut samples = samples(view).into_iter().peekable();
    for event in events {
        while let Some(sample) =
            samples.next_if(|sample| f64::from(sample.1.at_seconds) < event.after_seconds)
        {
            write_sample(&mut out, sample);
        }
        if event.number > next {
            let _ = writeln!(out, "{:>14}  {} events that are not kept", "…", event.number - next);
        }
        next = event.number + 1;
        let _ = writeln!(out, "{:>+14.6}  {}", event.after_seconds, line(&event.what));
    }
    samples.for_each(|sample| write_sample(&mut out, sample));
    out
}

/// What the kernel told of both legs, in order of time.
fn samples(view: &ConnectionView) -> Vec<(Leg, TcpSample)> {
    let tcp = match view {
        ConnectionView::Live { live } => live.tcp.as_deref(),
        ConnectionView::Closed { closed, .. } => closed.tcp.as_deref(),
    };
    let facts = Leg::ALL.iter().filter_map(|&leg| Some((leg, tcp?.leg(leg)?)));
    let mut samples: Vec<_> = facts
        .flat_map(|(leg, facts)| {
            [Some(facts.open), facts.last, facts.close].into_iter().flatten().map(move |sample| (leg, sample))
        })
        .collect();
    samples.sort_by(|(_, a), (_, b)| a.at_seconds.total_cmp(&b.at_seconds));
    samples
}

fn write_sample(out: &mut String, (leg, sample): (Leg, TcpSample)) {
    let _ = writeln!(out, "{:>+14.6}  {}", sample.at_seconds, sample_line(leg, &sample));
}

fn sample_line(leg: Leg, sample: &TcpSample) -> String {
    let rtt = sample.rtt_seconds.map_or_else(|| "?".to_owned(), |seconds| duration(seconds.into()));
    let mut line = format!("{}: TCP round trip {rtt}", leg_name(leg));
    for (count, what) in [
        (sample.retransmits, "sent again"),
        (sample.unread_bytes, "B unread"),
        (sample.notsent_bytes, "B unsent"),
        (sample.unacked_bytes, "B unacknowledged"),
    ] {
        if count > 0 {
            let _ = write!(line, ", {count} {what}");
        }
    }
    if sample.zero_window {
        line.push_str(", window shut");
    }
    line
}

fn head(view: &ConnectionView) -> String {
    match view {
        ConnectionView::Live { live } => format!(
            "{} {} on route {}, open for {}, silent for {}\n{} → {}\nestablished {}\n",
            live.id,
            live.protocol,
            visible(&live.route),
            duration(live.age_seconds),
            duration(live.idle_seconds),
            address(&live.client),
            visible(&live.upstream),
            live.opened_at,
        ),
        ConnectionView::Closed { closed, findings } => format!(
            "{} {} on route {}, {}\n{} → {}\nopened {}, closed {}\n{}",
            closed.id,
            closed.protocol,
            visible(&closed.route),
            end(closed),
            address(&closed.client),
            closed.upstream.as_deref().map_or_else(|| "no upstream reached".to_owned(), visible),
            closed.opened_at,
            closed.closed_at,
            findings.iter().map(explanation).collect::<String>(),
        ),
    }
}

fn explanation(finding: &Explanation) -> String {
    let sure = certainty(finding.level, Language::English);
    let Explanation { code, title, .. } = finding;
    format!("explained by {code}: {} ({sure}); heartline findings {code}\n", visible(title))
}

fn end(record: &CloseRecord) -> String {
    match (record.initiator, record.reason, &record.handshake.detail) {
        (Some(initiator), Some(reason), _) => {
            let lasted = duration(record.duration_seconds);
            format!("ended by {initiator} ({reason}) after {lasted}")
        }
        (_, _, Some(detail)) => format!("never open: {} ({})", record.handshake.result, visible(detail)),
        _ => format!("never open: {}", record.handshake.result),
    }
}

/// An arrow tells the direction: `>` to the server, `<` to the client.
fn line(what: &Happening) -> String {
    match *what {
        Happening::Handshake { result, status, seconds } => {
            let status = status.map_or_else(|| "no answer".to_owned(), |status| status.to_string());
            format!("handshake   {result}, {status}, took {}", duration(seconds))
        }
        Happening::Message { direction, opcode, bytes, frames, compressed } => {
            let kind = if opcode == Opcode::Text { "text" } else { "binary" };
            let frames = if frames > 1 { format!(" in {frames} frames") } else { String::new() };
            let compressed = if compressed { ", compressed" } else { "" };
            format!("{} {kind:<8} {}{frames}{compressed}", arrow(direction), size(bytes))
        }
        Happening::GrpcMessage { direction, bytes, compressed } => {
            let compressed = if compressed { ", compressed" } else { "" };
            format!("{} message  {}{compressed}", arrow(direction), size(bytes))
        }
        Happening::Event { bytes } => format!("< event    {}", size(bytes)),
        Happening::Comment => "< comment".to_owned(),
        Happening::Ping { direction, bytes, by_gateway } => {
            let whose = if by_gateway { " (the gateway's)" } else { "" };
            format!("{} ping     {bytes} B{whose}", arrow(direction))
        }
        Happening::Pong { direction, bytes, rtt_seconds, to_gateway: _ } => {
            let rtt =
                rtt_seconds.map_or_else(|| "unasked".to_owned(), |rtt| format!("after {}", duration(rtt)));
            format!("{} pong     {bytes} B, {rtt}", arrow(direction))
        }
        Happening::Close { direction, code } => {
            let code = code.map_or_else(|| "no code".to_owned(), |code| code.0.to_string());
            format!("{} close    {code}", arrow(direction))
        }
        Happening::WaitBegan { direction, bytes } => {
            format!("{} waits    {} for the {}", arrow(direction), size(bytes), direction.receiver())
        }
        Happening::WaitEnded { direction, seconds } => {
            format!("{} flows    after {}", arrow(direction), duration(seconds))
        }
        Happening::Shed { policy, messages, bytes } => {
            let more = if messages == u16::MAX { " or more" } else { "" };
            format!("< shed     {messages}{more} messages, {}: {}", size(bytes), words(policy))
        }
        Happening::Violation { direction, violation, offset } => {
            format!("{} breaks the protocol: {}, at byte {offset}", arrow(direction), words(violation))
        }
        Happening::Cause { leg, what } => format!("{}: {}", leg.map_or("gateway", leg_name), words(what)),
        Happening::End { initiator, reason } => format!("end         by {initiator}: {reason}"),
    }
}

fn arrow(direction: Direction) -> char {
    match direction {
        Direction::ClientToServer => '>',
        Direction::ServerToClient => '<',
    }
}

fn leg_name(leg: Leg) -> &'static str {
    match leg {
        Leg::Client => "client leg",
        Leg::Upstream => "upstream leg",
    }
}

/// As in the API, in words.
fn words(word: impl Serialize) -> String {
    let word = serde_json::to_value(word).ok();
    word.and_then(|word| Some(word.as_str()?.replace('_', " "))).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use model::event::{CloseCode, FrameViolation};
    use model::record::What;
    use model::{HandshakeResult, Initiator, Reason, Shed, WallTime};

    use super::*;

    #[track_caller]
    fn check(what: Happening, expected: &str) {
        assert_eq!(line(&what), expected);
    }

    #[test]
    fn lines_of_samples() {
        let check = |leg, sample: TcpSample, expected| assert_eq!(sample_line(leg, &sample), expected);
        check(Leg::Client, TcpSample::default(), "client leg: TCP round trip ?");
        let slow = TcpSample {
            rtt_seconds: Some(0.05),
            retransmits: 3,
            unread_bytes: 1,
            notsent_bytes: 2,
            unacked_bytes: 4,
            zero_window: true,
            ..TcpSample::default()
        };
        let expected = "upstream leg: TCP round trip 50.0 ms, 3 sent again, 1 B unread, 2 B unsent, \
                        4 B unacknowledged, window shut";
        check(Leg::Upstream, slow, expected);
    }

    #[test]
    fn lines() {
        let (client, server) = (Direction::ClientToServer, Direction::ServerToClient);
        let result = HandshakeResult::Success;
        let opening = Happening::Handshake { result, status: Some(101), seconds: 0.012 };
        check(opening, "handshake   success, 101, took 12.0 ms");
        let text = |frames, compressed| Happening::Message {
            direction: client,
            opcode: Opcode::Text,
            bytes: 412,
            frames,
            compressed,
        };
        check(text(1, false), "> text     412 B");
        check(text(3, true), "> text     412 B in 3 frames, compressed");
        let message = |compressed| Happening::GrpcMessage { direction: server, bytes: 7, compressed };
        check(message(false), "< message  7 B");
        check(message(true), "< message  7 B, compressed");
        check(Happening::Event { bytes: 2048 }, "< event    2.0 KiB");
        let pong =
            |rtt_seconds| Happening::Pong { direction: client, bytes: 4, rtt_seconds, to_gateway: false };
        check(pong(Some(0.022)), "> pong     4 B, after 22.0 ms");
        check(pong(None), "> pong     4 B, unasked");
        check(Happening::Close { direction: server, code: Some(CloseCode(1001)) }, "< close    1001");
        check(
            Happening::WaitBegan { direction: server, bytes: 65_536 },
            "< waits    64.0 KiB for the client",
        );
        check(Happening::WaitEnded { direction: server, seconds: 2.5 }, "< flows    after 2.50 s");
        let shed = |messages| Happening::Shed { policy: Shed::DropLowest, messages, bytes: 2048 };
        check(shed(7), "< shed     7 messages, 2.0 KiB: drop lowest");
        check(shed(u16::MAX), "< shed     65535 or more messages, 2.0 KiB: drop lowest");
        let violation = FrameViolation::ReservedBit;
        let broken = Happening::Violation { direction: client, violation, offset: 7 };
        check(broken, "> breaks the protocol: reserved bit, at byte 7");
        check(Happening::Cause { leg: Some(Leg::Upstream), what: What::Fin }, "upstream leg: fin");
        check(Happening::Cause { leg: None, what: What::IdleTimeout }, "gateway: idle timeout");
        let (initiator, reason) = (Initiator::Client, Reason::Normal);
        check(Happening::End { initiator, reason }, "end         by client: normal");
    }

    #[test]
    fn a_gap_is_told() {
        let record = r#"{"state": "closed", "closed": {
            "id": "0000000000007", "protocol": "sse", "route": "r", "client": {"ip": "192.0.2.1", "port": 9},
            "upstream": null, "opened_at": "2026-01-28T09:30:45Z", "closed_at": "2026-01-28T09:30:46Z",
            "duration_seconds": 0, "handshake": {"result": "timeout", "status": 504, "seconds": 1, "detail": "a\u001b"},
            "initiator": null, "layer": null, "reason": null, "causes": [],
            "codes": {"from_client": null, "from_upstream": null},
            "idle_seconds": {"any": 0, "data": 0, "client_to_server": 0, "server_to_client": 0},
            "messages": {"client_to_server": 0, "server_to_client": 0},
            "bytes": {"client_to_server": 0, "server_to_client": 0},
            "unsent_bytes": {"client_to_server": 0, "server_to_client": 0}}}"#;
        let view = serde_json::from_str(record).expect("a record");
        let event = |number| Recorded {
            number,
            at: WallTime::default(),
            after_seconds: number as f64 / 4.0,
            what: Happening::Comment,
        };
        let expected = "\
0000000000007 sse on route r, never open: timeout (a\\u{1b})
192.0.2.1:9 → no upstream reached
opened 2026-01-28T09:30:45.000000000Z, closed 2026-01-28T09:30:46.000000000Z

     +0.000000  < comment
             …  8 events that are not kept
     +2.250000  < comment
";
        assert_eq!(render(&view, &[event(0), event(9)]), expected);
    }
}
