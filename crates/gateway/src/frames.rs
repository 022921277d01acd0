//! The frames of one HTTP/2 connection other than DATA, as they go over its leg: what h2 keeps to itself.

use std::sync::Arc;

use meter::RouteMeter;
use model::event::{Http2Event, Http2Settings};
use model::record::{GoAway, Http2Facts};
use model::{Http2Error, Initiator, Leg, Moment};
use observe::h2::Scanner;

use crate::clock;
use crate::guarded::Guarded;

/// See the module.
#[derive(Debug)]
pub struct Frames {
    leg: Leg,
    inbound: Guarded<Scanner>,
    outbound: Guarded<Scanner>,
    /// What the peer has set.
    peer: Http2Settings,
    /// The one that tells most, and when it came.
    goaway: Option<(Moment, GoAway)>,
    route: Option<Arc<RouteMeter>>,
}

impl Frames {
    /// Nothing was seen yet on a connection of `leg`.
    pub fn new(leg: Leg) -> Frames {
        let inbound = leg.inbound();
        Frames {
            leg,
            inbound: Guarded::new(Scanner::new(inbound)),
            outbound: Guarded::new(Scanner::new(inbound.other())),
            peer: Http2Settings::default(),
            goaway: None,
            route: None,
        }
    }

    /// GOAWAY frames are counted on this route from now on; the first one stands.
    pub fn carry(&mut self, route: &Arc<RouteMeter>) {
        self.route.get_or_insert_with(|| Arc::clone(route));
    }

    /// Takes bytes that were read from the peer.
    pub fn read(&mut self, bytes: &[u8]) {
        let Frames { leg, inbound, outbound, peer, goaway, route } = self;
        inbound.look(bytes, |scanner, bytes| {
            scanner.scan(bytes, &mut |event| match event {
                Http2Event::Settings { ack: false, settings, .. } => {
                    merge(peer, settings);
                    allow_frame_size(outbound, settings);
                }
                Http2Event::GoAway { error, debug, .. } => {
                    note_goaway(goaway, route.as_deref(), GoAway { initiator: (*leg).into(), error, debug });
                }
                _ => {}
            });
        });
    }

    /// Takes bytes that were written to the peer.
    pub fn written(&mut self, bytes: &[u8]) {
        let Frames { inbound, outbound, goaway, route, .. } = self;
        outbound.look(bytes, |scanner, bytes| {
            scanner.scan(bytes, &mut |event| match event {
                Http2Event::Settings { ack: false, settings, .. } => {
                    allow_frame_size(inbound, settings);
                }
                Http2Event::GoAway { error, debug, .. } => {
                    note_goaway(
                        goaway,
                        route.as_deref(),
                        GoAway { initiator: Initiator::Proxy, error, debug },
                    );
                }
                _ => {}
            });
        });
    }

    /// Whether no new stream may be opened on it.
    pub fn is_going_away(&self) -> bool {
        self.goaway.is_some()
    }

    /// The GOAWAY by which the peer gave the connection up for an error, and when it came.
    pub fn peer_error(&self) -> Option<(Moment, Http2Error)> {
        let (at, goaway) = self.goaway.as_ref()?;
        let is_error = goaway.initiator == self.leg.into() && goaway.error != Http2Error::NoError;
        is_error.then_some((*at, goaway.error))
    }

    /// What they tell now, for the record of a stream.
    pub fn facts(&self) -> Http2Facts {
        Http2Facts {
            max_concurrent_streams: self.peer.max_concurrent_streams,
            initial_window_size: self.peer.initial_window_size,
            max_frame_size: self.peer.max_frame_size,
            goaway: self.goaway.as_ref().map(|(_, goaway)| goaway.clone()),
            ..Http2Facts::default()
        }
    }
}

fn allow_frame_size(scanner: &mut Guarded<Scanner>, settings: Http2Settings) {
    if let Some(scanner) = scanner.get_mut() {
        scanner.allow_frame_size(settings.max_frame_size.unwrap_or(0));
    }
}

fn merge(known: &mut Http2Settings, news: Http2Settings) {
    known.max_concurrent_streams = news.max_concurrent_streams.or(known.max_concurrent_streams);
    known.initial_window_size = news.initial_window_size.or(known.initial_window_size);
    known.max_frame_size = news.max_frame_size.or(known.max_frame_size);
}

/// A first word stands, unless it names no error and a later one does.
fn note_goaway(known: &mut Option<(Moment, GoAway)>, route: Option<&RouteMeter>, goaway: GoAway) {
    if let Some(route) = route {
        route.grpc.count_goaway(goaway.initiator, goaway.error);
    }
    let tells_more = known
        .as_ref()
        .is_none_or(|(_, known)| known.error == Http2Error::NoError && goaway.error != Http2Error::NoError);
    if tells_more {
        *known = Some((clock::now(), goaway));
    }
}
