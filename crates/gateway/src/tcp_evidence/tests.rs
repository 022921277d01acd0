//! The evidence of real sockets: a client and an upstream, joined by nobody.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::os::fd::AsFd as _;
use std::thread;
use std::time::{Duration, Instant};

use socket2::{SockFilter, SockRef};
use tokio::io::AsyncReadExt as _;

use super::*;
use crate::socket::{Owner, Socket};

/// A socket filter that drops every segment that comes.
const DROP: SockFilter = SockFilter::new(6, 0, 0, 0);

/// One leg: the gateway's socket as its owner shows it, and the peer's.
struct Side {
    owner: Owner,
    ours: TcpStream,
    peer: TcpStream,
}

impl Side {
    fn connect() -> Side {
        let listener = TcpListener::bind("127.0.0.1:0").expect("listens on loopback");
        let peer = TcpStream::connect(listener.local_addr().expect("is bound")).expect("connects");
        let (ours, _) = listener.accept().expect("accepts");
        ours.set_nonblocking(true).expect("is a socket");
        ours.set_nodelay(true).expect("is a socket");
        Side { owner: Owner::show(ours.as_fd()), ours, peer }
    }

    /// Writes until no buffer takes more; returns how much it was.
    fn fill(&mut self) -> u64 {
        let mut written = 0;
        let deadline = deadline();
        loop {
            match self.ours.write(&[0; 64 * 1024]) {
                Ok(count) => written += count as u64,
                Err(error) => {
                    assert_eq!(error.kind(), ErrorKind::WouldBlock);
                    let reading = self.owner.handle().read().expect("is a TCP socket").sample;
                    if reading.unacked_bytes == 0
                        && self.unread() + u64::from(reading.notsent_bytes) == written
                    {
                        return written;
                    }
                }
            }
            assert!(Instant::now() < deadline, "it fills up in time");
        }
    }

    /// What waits unread at the peer.
    fn unread(&self) -> u64 {
        kernel::unread_bytes(self.peer.as_fd()).expect("is a TCP socket").into()
    }

    /// From now on the peer's kernel gets nothing.
    fn vanish(&self) {
        SockRef::from(&self.peer).attach_filter(&[DROP]).expect("is a socket");
    }
}

fn deadline() -> Instant {
    Instant::now() + Duration::from_secs(10)
}

fn until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let deadline = deadline();
    loop {
        if let Some(seen) = look() {
            return seen;
        }
        assert!(Instant::now() < deadline, "not seen in 10 s: {what}");
        thread::yield_now();
    }
}

fn begin(client: &Side, upstream: &Side, is_client_shared: bool) -> TcpEvidence {
    let evidence = TcpEvidence::default();
    let socket = |side: &Side| Some(Arc::clone(side.owner.handle()));
    let is_shared = PerLeg { client: is_client_shared, upstream: false };
    let sockets = Sockets { client: socket(client), upstream: socket(upstream), is_shared };
    let mut legs = Vec::new();
    assert!(evidence.begin(sockets, clock::now(), |news| legs.push(news.leg)));
    assert_eq!(legs, [Leg::Client, Leg::Upstream]);
    evidence
}

fn sampled(evidence: &TcpEvidence, direction: Direction) -> SocketBacklog {
    evidence.sample(|_| {});
    evidence.backlog(direction, clock::now()).expect("both legs are known")
}

fn close(evidence: &TcpEvidence) -> Closing {
    evidence.close(|_| {})
}

fn rwnd_limited(evidence: &TcpEvidence) -> f32 {
    evidence.look_at(Leg::Client, |sample| sample.rwnd_limited_seconds).expect("is known")
}

const DOWN: Direction = Direction::ServerToClient;

#[test]
fn a_client_that_stops_reading_is_told_from_a_slow_path() {
    let (mut client, mut upstream) = (Side::connect(), Side::connect());
    let evidence = begin(&client, &upstream, false);
    let empty = sampled(&evidence, DOWN);
    assert_eq!(empty, SocketBacklog { age_seconds: empty.age_seconds, ..SocketBacklog::default() });

    let written = client.fill();
    upstream.peer.write_all(&[0; 1000]).expect("writes");
    let backlog = until("all is where it stays", || {
        Some(sampled(&evidence, DOWN)).filter(|backlog| backlog.unread_bytes == 1000)
    });
    assert!(backlog.zero_window && backlog.notsent_bytes > 0, "{backlog:?}");
    assert_eq!(backlog.unacked_bytes, 0);
    assert_eq!(u64::from(backlog.notsent_bytes), written - client.unread());

    let first = rwnd_limited(&evidence);
    until("the client holds sending back", || {
        sampled(&evidence, DOWN);
        (rwnd_limited(&evidence) > first).then_some(())
    });
    let other_way = sampled(&evidence, Direction::ClientToServer);
    assert_eq!((other_way.unread_bytes, other_way.notsent_bytes, other_way.zero_window), (0, 0, false));

    let mut read = vec![0; 1 << 20];
    let mut left = written;
    while left > 0 {
        left -= client.peer.read(&mut read).expect("reads") as u64;
    }
    until("the client has all", || {
        let backlog = sampled(&evidence, DOWN);
        (backlog.notsent_bytes == 0 && backlog.unacked_bytes == 0 && !backlog.zero_window).then_some(())
    });
    assert_eq!(close(&evidence).unacked_bytes[DOWN], Some(0));
}

#[test]
fn a_client_that_vanishes_leaves_its_bytes_unacknowledged() {
    let (mut client, upstream) = (Side::connect(), Side::connect());
    let evidence = begin(&client, &upstream, false);
    client.vanish();
    client.ours.write_all(&[0; 1000]).expect("writes");
    client.ours.shutdown(Shutdown::Write).expect("is connected");
    client.owner.note_shut();
    let mut retransmits = 0;
    until("it was sent again after a timeout", || {
        evidence.sample(|news| retransmits += news.retransmits);
        evidence.look_at(Leg::Client, |sample| *sample).filter(|sample| sample.unanswered > 0)
    });
    assert!(!evidence.is_client_unacknowledged(), "it may only have missed one");

    let facts = evidence.facts().and_then(|legs| legs.client).expect("is known");
    assert_eq!((facts.open.retransmits, facts.close), (0, None));
    assert_eq!(facts.last.map(|last| last.retransmits), Some(retransmits));

    let Closing { legs, unacked_bytes, lost_bytes } = close(&evidence);
    assert_eq!(unacked_bytes[DOWN], Some(1000), "the FIN is no payload");
    assert_eq!(unacked_bytes[Direction::ClientToServer], Some(0));
    assert_eq!(lost_bytes, PerDirection::default(), "the kernel goes on trying");
    let end = legs.and_then(|legs| legs.client?.close).expect("is known");
    assert!(end.unanswered > 0 && end.retransmits >= retransmits && end.rtt_seconds.is_some(), "{end:?}");
}

#[test]
fn what_a_reset_has_cut_off_is_lost() {
    for we_reset in [false, true] {
        let (mut client, upstream) = (Side::connect(), Side::connect());
        let evidence = begin(&client, &upstream, false);
        let written = client.fill();
        let unread = client.unread();
        if we_reset {
            client.owner.note_reset();
        } else {
            drop(client.peer);
            until("it has reset", || client.owner.handle().read().filter(|reading| reading.is_lost));
        }
        let closing = close(&evidence);
        assert_eq!(closing.lost_bytes[DOWN], written - unread);
        assert_eq!(closing.unacked_bytes[DOWN], Some(0));
    }
}

#[test]
fn the_last_look_outlives_the_socket() {
    let (mut client, mut upstream) = (Side::connect(), Side::connect());
    let evidence = begin(&client, &upstream, false);
    let written = client.fill() - client.unread();
    let Side { owner, ours, peer } = upstream;
    drop((owner, ours));
    upstream = Side::connect();
    upstream.peer.write_all(&[0; 7]).expect("writes");
    until("there is something to mistake", || (kernel_unread(&upstream.ours) == 7).then_some(()));
    evidence.sample(|_| {});
    assert_eq!(evidence.look_at(Leg::Upstream, |sample| sample.unread_bytes), Some(0), "of the closed one");

    drop((client.owner, client.ours));
    let client_end = close(&evidence).legs.and_then(|legs| legs.client?.close);
    assert_eq!(client_end.map(|end| u64::from(end.notsent_bytes)), Some(written));
    drop(peer);
}

fn kernel_unread(socket: &TcpStream) -> u32 {
    kernel::unread_bytes(socket.as_fd()).expect("is a TCP socket")
}

#[tokio::test]
async fn what_the_owner_has_read_is_told_from_what_waits() {
    let Side { owner, ours, mut peer } = Side::connect();
    drop(owner);
    let mut socket = Socket::new(tokio::net::TcpStream::from_std(ours).expect("is registered"));
    let handle = Arc::clone(socket.handle());
    let unread = || handle.read().expect("is a TCP socket").sample.unread_bytes;
    let mut room = [0; 5];
    for waits in [3, 2, 5] {
        assert_eq!(unread(), 0);
        peer.write_all(&[0; 5][..waits]).expect("writes");
        until("it has come", || (unread() as usize == waits).then_some(()));
        assert_eq!(socket.read(&mut room).await.expect("reads"), waits);
    }
    peer.shutdown(Shutdown::Write).expect("is connected");
    assert_eq!(socket.read(&mut []).await.expect("reads nothing"), 0);
    assert_eq!(socket.read(&mut room).await.expect("reads the end"), 0);
    assert_eq!(unread(), 0);
}

#[test]
fn what_is_quiet_is_settled_until_something_passes() {
    let (mut client, upstream) = (Side::connect(), Side::connect());
    let evidence = begin(&client, &upstream, false);
    let opened = clock::now();
    assert!(!evidence.is_settled(opened), "the sample at the opening may have come too early");
    until("a sample is late enough", || {
        evidence.sample(|_| {});
        evidence.is_settled(opened).then_some(())
    });
    assert!(!evidence.is_settled(clock::now()), "a byte has come since");
    client.fill();
    evidence.sample(|_| {});
    assert!(!evidence.is_settled(opened), "something waits");

    let shared = begin(&Side::connect(), &upstream, true);
    shared.sample(|_| {});
    assert!(!shared.is_settled(Moment(0)), "others may use it");
    assert!(TcpEvidence::default().is_settled(opened), "nothing is known, nothing can change");
}

#[test]
fn a_shared_socket_tells_nothing_of_one_streams_bytes() {
    let (mut client, upstream) = (Side::connect(), Side::connect());
    let evidence = begin(&client, &upstream, true);
    client.fill();
    client.owner.note_reset();
    let closing = close(&evidence);
    assert_eq!((closing.unacked_bytes[DOWN], closing.lost_bytes[DOWN]), (None, 0));
    assert!(closing.legs.and_then(|legs| legs.client).is_some_and(|facts| facts.shared));
}

#[test]
fn without_sockets_nothing_is_known() {
    let evidence = TcpEvidence::default();
    let none = Sockets { client: None, upstream: None, is_shared: PerLeg::default() };
    assert!(!evidence.begin(none, clock::now(), |_| panic!("nothing is new")));
    evidence.sample(|_| panic!("nothing is new"));
    assert_eq!((evidence.facts(), evidence.backlog(DOWN, clock::now())), (None, None));
    assert_eq!(close(&evidence).legs, None);
}
