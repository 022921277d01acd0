//! The Pings of one WebSocket connection, towards both peers. Written by the task that serves the connection,
//! for each Ping and Pong; looked at by everyone else. Nothing is kept before the first Ping.

use meter::cells::WebSocketCells;
use model::heartbeat::Heartbeat;
use model::{Leg, Moment, PerLeg, Word};
use observe::ping::Pings;
use parking_lot::Mutex;

/// See the module.
#[derive(Debug, Default)]
pub struct Heartbeats(Mutex<Option<Box<PerLeg<Pings>>>>);

/// What is known of them now.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Shown {
    /// The last round trip to each peer, seconds.
    pub rtt_seconds: PerLeg<Option<f64>>,
    /// The Pings towards each peer; none where there was no Ping.
    pub heartbeats: PerLeg<Option<Heartbeat>>,
}

impl Heartbeats {
    /// A Ping towards the peer on `leg` was read; it ends at offset `end` of the stream towards it.
    pub fn ping(&self, leg: Leg, tag: u64, end: u64, at: Moment) {
        self.0.lock().get_or_insert_default()[leg].sent(tag, end, at);
    }

    /// Our kernel has accepted the stream towards the peer on `leg` up to offset `reached`; true when Pings wait
    /// behind it.
    pub fn accepted(&self, leg: Leg, reached: u64, at: Moment) -> bool {
        self.0.lock().as_mut().is_some_and(|pings| pings[leg].accepted(reached, at))
    }

    /// A Pong was read from the peer on `leg`; tells its round trip in seconds when it answers a Ping.
    pub fn pong(&self, leg: Leg, tag: u64, at: Moment, cells: &WebSocketCells) -> Option<f64> {
        let answer = self.0.lock().as_mut()?[leg].pong(tag, at)?;
        cells.heartbeats_missed[leg].add(answer.missed.into());
        let seconds = answer.rtt?.as_secs_f64();
        cells.heartbeat_rtt_seconds[leg].observe(seconds);
        Some(seconds)
    }

    /// The connection has ended.
    pub fn end(&self, cells: &WebSocketCells) {
        if let Some(pings) = self.0.lock().as_mut() {
            for &leg in Leg::ALL {
                cells.heartbeats_missed[leg].add(pings[leg].end().into());
            }
        }
    }

    /// The interval of the Pings towards the peer on `leg`, seconds.
    pub fn interval_seconds(&self, leg: Leg) -> Option<f64> {
        self.0.lock().as_ref()?[leg].interval().map(|interval| interval.as_secs_f64())
    }

    /// What is known of them now.
    pub fn show(&self) -> Shown {
        let pings = self.0.lock();
        let Some(pings) = pings.as_deref() else { return Shown::default() };
        Shown {
            rtt_seconds: PerLeg::from_fn(|leg| pings[leg].rtt().map(|rtt| rtt.as_secs_f64())),
            heartbeats: PerLeg::from_fn(|leg| pings[leg].has_begun().then(|| show(&pings[leg]))),
        }
    }
}

fn show(pings: &Pings) -> Heartbeat {
    Heartbeat {
        interval_seconds: pings.interval().map(|interval| interval.as_secs_f64()),
        missed: pings.missed(),
        slowest_rtt_seconds: pings.slowest_rtt().map(|rtt| rtt.as_secs_f64()),
    }
}
