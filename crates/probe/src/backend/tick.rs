//! Messages at a rate, each with the time at which it was made.

use std::io;
use std::ops::Range;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::{Interval, MissedTickBehavior};

use crate::clock;
use crate::load::schedule::Rate;

/// What every message begins with, before the nanoseconds since the Unix epoch.
const KEY: &str = "ts=";

/// Digits of these nanoseconds, until the year 2286.
const DIGITS: usize = 19;

const HEAD: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nCache-Control: no-store\r\n\
                      Transfer-Encoding: chunked\r\n\r\n";

/// How often, and how much.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Ticks {
    /// Messages a second.
    pub rate: Rate,
    /// Bytes of a message, at least those of its time.
    pub size: usize,
}

impl Ticks {
    /// As `rate` and `size` of a query say. What makes no sense there is left out.
    pub(super) fn changed_by(mut self, query: &str) -> Ticks {
        for pair in query.split('&') {
            match pair.split_once('=') {
                Some(("rate", value)) => self.rate = value.parse().unwrap_or(self.rate),
                Some(("size", value)) => self.size = value.parse().unwrap_or(self.size),
                _ => {}
            }
        }
        self.size = self.size.min(1 << 24);
        self
    }

    pub(super) fn interval(&self) -> Interval {
        let period = Duration::try_from_secs_f64(1.0 / self.rate.as_f64()).unwrap_or(Duration::MAX / 4);
        let mut interval = tokio::time::interval(period.max(Duration::from_nanos(1)));
        interval.set_missed_tick_behavior(MissedTickBehavior::Skip);
        interval
    }

    /// A message of this size, `lead` and `tail` included.
    pub(super) fn message(&self, lead: &[u8], tail: &[u8]) -> Stamped {
        let text_bytes = self.size.saturating_sub(lead.len() + tail.len()).max(KEY.len() + DIGITS);
        let mut bytes = [lead, KEY.as_bytes()].concat();
        let digits = bytes.len()..bytes.len() + DIGITS;
        bytes.resize(lead.len() + text_bytes, b' ');
        bytes.extend_from_slice(tail);
        Stamped { bytes, digits }
    }
}

/// Bytes with a time in them.
pub(super) struct Stamped {
    bytes: Vec<u8>,
    digits: Range<usize>,
}

impl Stamped {
    /// The same within others.
    pub(super) fn within(self, lead: &[u8], tail: &[u8]) -> Stamped {
        let Range { start, end } = self.digits;
        let bytes = [lead, &self.bytes, tail].concat();
        Stamped { bytes, digits: start + lead.len()..end + lead.len() }
    }

    pub(super) fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Made now.
    pub(super) fn now(&mut self) -> &[u8] {
        let digits = format!("{:0DIGITS$}", clock::wall().0);
        self.bytes[self.digits.clone()].copy_from_slice(digits.as_bytes());
        &self.bytes
    }
}

/// An event stream.
pub(super) async fn events(mut socket: TcpStream, ticks: Ticks) -> io::Result<()> {
    let event = ticks.message(b"data: ", b"\n\n");
    let chunk = format!("{:x}\r\n", event.len());
    socket.write_all(HEAD).await?;
    send(socket, ticks, event.within(chunk.as_bytes(), b"\r\n")).await
}

/// WebSocket frames.
pub(super) async fn frames(socket: TcpStream, ticks: Ticks) -> io::Result<()> {
    let message = ticks.message(b"", b"");
    let header = match message.len() {
        short @ 0..126 => vec![0x81, short as u8],
        middle @ 126..0x1_0000 => [&[0x81, 126][..], &(middle as u16).to_be_bytes()].concat(),
        long => [&[0x81, 127][..], &(long as u64).to_be_bytes()].concat(),
    };
    send(socket, ticks, message.within(&header, b"")).await
}

/// Sends until the peer says goodbye: the end of its bytes, or a Close frame, which is answered.
async fn send(mut socket: TcpStream, ticks: Ticks, mut message: Stamped) -> io::Result<()> {
    let (mut incoming, mut outgoing) = socket.split();
    let sending = async {
        let mut interval = ticks.interval();
        loop {
            interval.tick().await;
            outgoing.write_all(message.now()).await?;
        }
    };
    tokio::select! {
        sent = sending => sent,
        heard = hear_goodbye(&mut incoming) => match heard? {
            Some(goodbye) => socket.write_all(goodbye).await,
            None => Ok(()),
        },
    }
}

/// What to answer to the peer's goodbye.
async fn hear_goodbye(incoming: &mut (impl AsyncRead + Unpin)) -> io::Result<Option<&'static [u8]>> {
    /// A final frame with opcode 8, and one with code 1000.
    const CLOSE: u8 = 0x88;
    const GOODBYE: &[u8] = &[CLOSE, 2, 3, 232];
    let mut heard = [0; 128];
    loop {
        match incoming.read(&mut heard).await? {
            0 => return Ok(None),
            _ if heard[0] == CLOSE => return Ok(Some(GOODBYE)),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stamp;

    #[test]
    fn messages_have_their_size_and_their_time() {
        let check = |size, lead: &str, tail: &str, expected: usize| {
            let ticks = Ticks { rate: "1".parse().expect("a rate"), size };
            let mut message = ticks.message(lead.as_bytes(), tail.as_bytes()).within(b"<", b">");
            let before = clock::wall();
            let bytes = message.now();
            assert_eq!(bytes.len(), expected + 2, "{size}");
            assert!(stamp::find(bytes).expect("a time") >= before);
            assert!(bytes.starts_with(format!("<{lead}ts=").as_bytes()));
            assert!(bytes.ends_with(format!("{tail}>").as_bytes()));
        };
        check(256, "data: ", "\n\n", 256);
        check(30, "data: ", "\n\n", 30);
        check(0, "data: ", "\n\n", 30);
        check(22, "", "", 22);
    }

    #[test]
    fn queries() {
        let ticks = Ticks { rate: "1".parse().expect("a rate"), size: 7 };
        let check = |query: &str, rate: f64, size| {
            let changed = ticks.changed_by(query);
            assert_eq!((changed.rate.as_f64(), changed.size), (rate, size), "{query}");
        };
        check("", 1.0, 7);
        check("rate=20&size=256", 20.0, 256);
        check("rate=30/m&x=y", 0.5, 7);
        check("rate=0&size=-1", 1.0, 7);
    }
}
