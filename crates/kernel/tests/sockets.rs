//! The kernel's account of real connections over loopback.
#![cfg(target_os = "linux")]

use std::fmt::Debug;
use std::fs::File;
use std::io::{self, ErrorKind, IoSlice, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream, ToSocketAddrs, UdpSocket};
use std::os::fd::{AsFd, BorrowedFd};
use std::thread;
use std::time::{Duration, Instant};

use kernel::{
    AcceptQueue, Account, AckStamp, STAMPS_PER_READ, Shown, TcpInfo, TcpState, accept_queue, enable_stamps,
    queued_bytes, read_stamps, realtime_now, send_stamped, tcp_info, unread_bytes, unsent_bytes,
};
use socket2::{SockFilter, SockRef};

const V4: &str = "127.0.0.1:0";
const V6: &str = "[::1]:0";

/// IPv4 through an IPv6 socket, as a listener of both has it.
const MAPPED: &str = "[::ffff:127.0.0.1]:0";

/// A socket filter that drops every segment that comes: `BPF_RET` of 0 bytes to keep.
const DROP: SockFilter = SockFilter::new(6, 0, 0, 0);

/// A connection: the end that connected, non-blocking, and the end that accepted.
fn connection(address: impl ToSocketAddrs) -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind(address).expect("listens on loopback");
    let client = TcpStream::connect(listener.local_addr().expect("is bound")).expect("connects");
    client.set_nonblocking(true).expect("is a socket");
    client.set_nodelay(true).expect("is a socket");
    let (server, _) = listener.accept().expect("accepts");
    (client, server)
}

/// Looks until there is something to see.
#[track_caller]
fn until<T>(mut look: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + Duration::from_secs(10);
    loop {
        if let Some(seen) = look() {
            return seen;
        }
        assert!(Instant::now() < deadline, "not seen in 10 s");
        thread::yield_now();
    }
}

fn info(socket: &TcpStream) -> TcpInfo {
    tcp_info(socket.as_fd()).expect("is a TCP socket")
}

fn acked(socket: &TcpStream) -> Option<u64> {
    info(socket).bytes_acked
}

/// Unread by the receiver, queued and unsent at the sender.
fn depths(sender: &TcpStream, receiver: &TcpStream) -> (u32, u32, u32) {
    (
        unread_bytes(receiver.as_fd()).expect("is a TCP socket"),
        queued_bytes(sender.as_fd()).expect("is a TCP socket"),
        unsent_bytes(sender.as_fd()).expect("is a TCP socket"),
    )
}

/// Writes until neither end's buffer takes more and nothing is on its way; returns how much it was.
fn fill(mut sender: &TcpStream, receiver: &TcpStream) -> u32 {
    let (before, _, _) = depths(sender, receiver);
    let mut written = 0;
    until(|| match sender.write(&[0; 64 * 1024]) {
        Ok(count) => {
            written += u32::try_from(count).expect("fits");
            None
        }
        Err(error) => {
            assert_eq!(error.kind(), ErrorKind::WouldBlock);
            let (unread, queued, unsent) = depths(sender, receiver);
            (queued == unsent && unread + queued == before + written).then_some(written)
        }
    })
}

/// Reads all that was written, and lets the sender see that it was.
fn drain(sender: &TcpStream, mut receiver: &TcpStream, mut left: u32) {
    let mut buffer = vec![0; 1 << 20];
    while left > 0 {
        left -= u32::try_from(receiver.read(&mut buffer).expect("reads")).expect("fits");
    }
    until(|| (depths(sender, receiver) == (0, 0, 0)).then_some(()));
}

/// The stamps that wait. What [`acked`] tells of has its stamps already: the kernel adds both under the
/// socket's lock.
fn stamps(socket: &TcpStream) -> Vec<AckStamp> {
    let mut stamps = Vec::new();
    read_stamps(socket.as_fd(), &mut stamps).expect("is a TCP socket");
    stamps
}

fn offsets(stamps: &[AckStamp]) -> Vec<u32> {
    stamps.iter().map(|stamp| stamp.offset).collect()
}

fn send(socket: BorrowedFd<'_>, bytes: &[u8]) -> io::Result<usize> {
    send_stamped(socket, &[IoSlice::new(bytes)])
}

fn stamped(socket: &TcpStream, length: usize) {
    assert_eq!(send(socket.as_fd(), &vec![0; length]).expect("sends"), length);
}

fn plain(mut socket: &TcpStream, length: usize) {
    socket.write_all(&vec![0; length]).expect("sends");
}

#[test]
fn traffic_is_accounted() {
    for address in [V4, V6] {
        let (client, server) = connection(address);
        assert_eq!(acked(&client), Some(1), "the SYN");
        plain(&client, 1000);
        until(|| (acked(&client) == Some(1001)).then_some(()));
        plain(&client, 500);
        until(|| (acked(&client) == Some(1501)).then_some(()));

        let sent = info(&client);
        assert_eq!(sent.state, TcpState::Established);
        assert!(sent.rtt > Duration::ZERO && sent.rttvar > Duration::ZERO);
        assert!(sent.min_rtt > Some(Duration::ZERO));
        assert_eq!(sent.bytes_sent.zip(sent.bytes_retrans).map(|(all, again)| all - again), Some(1500));
        assert_eq!((sent.unacked, sent.lost, sent.notsent_bytes), (0, 0, Some(0)));
        assert!(sent.snd_wnd > Some(0) && sent.snd_cwnd > 0 && sent.snd_mss > 0 && sent.pmtu > sent.snd_mss);
        assert_eq!(info(&server).bytes_received, Some(1500));
    }
}

#[test]
fn each_end_knows_its_state() {
    let listener = TcpListener::bind(V4).expect("listens on loopback");
    let address = listener.local_addr().expect("is bound");
    let client = TcpStream::connect(address).expect("connects");
    let waiting = until(|| tcp_info(listener.as_fd()).ok().filter(|info| info.unacked > 0));
    assert_eq!((waiting.state, waiting.unacked), (TcpState::Listen, 1));

    let (server, _) = listener.accept().expect("accepts");
    client.shutdown(Shutdown::Write).expect("is connected");
    until(|| (info(&client).state == TcpState::FinWait2).then_some(()));
    assert_eq!(info(&server).state, TcpState::CloseWait);
}

#[test]
fn what_is_not_read_is_counted() {
    for address in [V4, V6] {
        let (client, mut server) = connection(address);
        plain(&client, 1000);
        until(|| (depths(&client, &server) == (1000, 0, 0)).then_some(()));
        server.read_exact(&mut [0; 400]).expect("reads");
        assert_eq!(depths(&client, &server), (600, 0, 0));

        let written = fill(&client, &server);
        let (unread, queued, unsent) = depths(&client, &server);
        assert_eq!(unread + queued, 600 + written);
        assert_eq!(info(&client).notsent_bytes, Some(unsent));
        drain(&client, &server, 600 + written);
    }
}

#[test]
fn a_reader_that_stops_limits_the_sender() {
    let (client, server) = connection(V4);
    assert_eq!(info(&client).rwnd_limited, Some(Duration::ZERO));
    fill(&client, &server);
    let first = until(|| info(&client).rwnd_limited.filter(|limited| *limited > Duration::ZERO));
    let later = until(|| Some(info(&client)).filter(|info| info.rwnd_limited > Some(first)));
    assert!(later.busy_time >= later.rwnd_limited);
    assert!(later.delivery_rate > Some(0));
    assert!(later.snd_wnd < Some(later.snd_mss), "no room for a segment: {later:?}");

    client.set_nonblocking(false).expect("is a socket");
    let full = until(|| send(client.as_fd(), &[0]).err());
    assert_eq!(full.kind(), ErrorKind::WouldBlock);
}

#[test]
fn what_is_lost_is_sent_again_and_stamped_once() {
    let (client, server) = connection(V4);
    enable_stamps(client.as_fd()).expect("is connected");
    let server = SockRef::from(&server);
    server.attach_filter(&[DROP]).expect("is a socket");
    stamped(&client, 1000);
    let lost = until(|| Some(info(&client)).filter(|info| info.lost > 0 && info.bytes_retrans > Some(0)));
    assert_eq!((lost.unacked, lost.lost, lost.notsent_bytes), (1, 1, Some(0)));
    assert!(lost.retransmits > 0);
    assert_eq!(queued_bytes(client.as_fd()).expect("is a TCP socket"), 1000);
    assert_eq!(unsent_bytes(client.as_fd()).expect("is a TCP socket"), 0);
    assert_eq!(stamps(&client), []);

    server.detach_filter().expect("has a filter");
    until(|| (acked(&client) == Some(1001)).then_some(()));
    assert_eq!(offsets(&stamps(&client)), [999]);
}

#[test]
fn each_stamped_send_gives_one_stamp() {
    for address in [V4, V6, MAPPED] {
        let (client, _server) = connection(address);
        enable_stamps(client.as_fd()).expect("is connected");
        let before = realtime_now();
        for (send, length) in
            [(stamped as fn(&_, _), 100), (plain, 50), (stamped, 30), (plain, 7), (stamped, 1), (plain, 9)]
        {
            send(&client, length);
        }
        until(|| (acked(&client) == Some(1 + 197)).then_some(()));

        let stamps = stamps(&client);
        assert_eq!(offsets(&stamps), [99, 179, 187]);
        assert!(stamps.is_sorted_by_key(|stamp| stamp.at), "{stamps:?}");
        assert!(stamps.iter().all(|stamp| (before..=realtime_now()).contains(&stamp.at)), "{stamps:?}");
    }
}

#[test]
fn offsets_count_from_the_first_enabling() {
    let (client, _server) = connection(V4);
    plain(&client, 500);
    until(|| (acked(&client) == Some(501)).then_some(()));
    for expected in [9, 19] {
        enable_stamps(client.as_fd()).expect("is connected");
        stamped(&client, 10);
        until(|| (acked(&client) == Some(502 + u64::from(expected))).then_some(()));
        assert_eq!(offsets(&stamps(&client)), [expected]);
    }
}

#[test]
fn stamped_sends_that_wait_together_keep_their_stamps() {
    let (client, mut server) = connection(V4);
    enable_stamps(client.as_fd()).expect("is connected");
    let written = fill(&client, &server);
    let mut read = 0;
    let mut buffer = vec![0; 64 * 1024];
    while send(client.as_fd(), &[0; 10]).is_err() {
        read += u32::try_from(server.read(&mut buffer).expect("reads")).expect("fits");
    }
    stamped(&client, 10);
    stamped(&client, 10);
    drain(&client, &server, written + 30 - read);
    until(|| (acked(&client) == Some(u64::from(1 + written + 30))).then_some(()));
    assert_eq!(offsets(&stamps(&client)), [written + 9, written + 19, written + 29]);
}

#[test]
fn parts_are_sent_in_order_and_stamped_once() {
    let (client, server) = connection(V4);
    enable_stamps(client.as_fd()).expect("is connected");
    let parts = [IoSlice::new(b"one"), IoSlice::new(b""), IoSlice::new(b"two")];
    assert_eq!(send_stamped(client.as_fd(), &parts).expect("sends"), 6);
    let mut read = [0; 6];
    (&server).read_exact(&mut read).expect("arrives");
    assert_eq!(&read, b"onetwo");
    let shown = Shown::new(client.as_fd());
    let take = || shown.take_stamp().expect("is shown").expect("is a TCP socket");
    assert_eq!(until(take).offset, 5);
    assert_eq!(take(), None);
    shown.hide();
    assert!(shown.take_stamp().is_none());
}

#[test]
fn one_read_takes_a_bounded_number() {
    let (client, _server) = connection(V4);
    enable_stamps(client.as_fd()).expect("is connected");
    for _ in 0..STAMPS_PER_READ + 6 {
        stamped(&client, 1);
    }
    until(|| (acked(&client) == Some(1 + 64 + 6)).then_some(()));
    let mut stamps = Vec::new();
    for expected in [STAMPS_PER_READ, 6, 0] {
        assert_eq!(read_stamps(client.as_fd(), &mut stamps).expect("is a TCP socket"), expected);
    }
    assert_eq!(offsets(&stamps), (0..70).collect::<Vec<_>>());
}

#[test]
fn a_reset_connection_takes_no_bytes() {
    let (client, server) = connection(V4);
    enable_stamps(client.as_fd()).expect("is connected");
    plain(&client, 1);
    until(|| (unread_bytes(server.as_fd()).expect("is a TCP socket") == 1).then_some(()));
    drop(server);
    until(|| (info(&client).state == TcpState::Close).then_some(()));
    for expected in [ErrorKind::ConnectionReset, ErrorKind::BrokenPipe] {
        assert_eq!(send(client.as_fd(), &[0]).expect_err("is reset").kind(), expected);
    }
    assert_eq!(stamps(&client), []);
}

fn account(shown: &Shown) -> Account {
    shown.account(None).expect("is shown").expect("is a TCP socket")
}

#[test]
fn a_shown_socket_is_accounted_until_it_is_hidden() {
    let (client, server) = connection(V4);
    let (sender, receiver) = (Shown::new(client.as_fd()), Shown::new(server.as_fd()));
    fill(&client, &server);
    let (unread, queued, unsent) = depths(&client, &server);
    assert_eq!(account(&receiver).unread_bytes, unread);
    assert_eq!(account(&sender).queued_bytes, queued);
    assert_eq!(account(&sender).info.notsent_bytes, Some(unsent));

    receiver.hide();
    assert_eq!(receiver.account(None).map(|_| ()), None);
    drop(server);
    let ended = until(|| Some(account(&sender)).filter(|account| account.info.state == TcpState::Close));
    assert_eq!((ended.queued_bytes, ended.info.notsent_bytes), (queued, Some(unsent)), "as before the reset");
}

#[test]
fn nothing_unread_is_asked_of_an_owner_that_has_read_all() {
    let (client, server) = connection(V4);
    let receiver = Shown::new(server.as_fd());
    let unread = |read| receiver.account(read).expect("is shown").expect("is a TCP socket").unread_bytes;
    plain(&client, 5);
    until(|| (info(&server).bytes_received == Some(5)).then_some(()));
    assert_eq!([None, Some(0), Some(4)].map(unread), [5, 5, 5]);
    assert_eq!(unread(Some(5)), 0, "the owner is believed");
    client.shutdown(Shutdown::Write).expect("is connected");
    until(|| (info(&server).state == TcpState::CloseWait).then_some(()));
    assert_eq!((unread(Some(5)), unread(Some(6))), (5, 0), "its end counts as one byte");
}

#[test]
fn a_peer_that_answers_nothing_is_counted_by_timeouts() {
    let (client, server) = connection(V4);
    SockRef::from(&server).attach_filter(&[DROP]).expect("is a socket");
    assert_eq!(info(&client).timeouts, 0);
    plain(&client, 1000);
    until(|| (info(&client).timeouts >= 2).then_some(()));
    SockRef::from(&server).detach_filter().expect("has a filter");
    until(|| (acked(&client) == Some(1001)).then_some(()));
    assert_eq!(info(&client).timeouts, 0);
}

#[test]
fn only_connections_are_answered() {
    #[track_caller]
    fn check<T: Debug>(results: &[io::Result<T>], expected: i32) {
        for result in results {
            let error = result.as_ref().expect_err("is no connection");
            assert_eq!(error.raw_os_error(), Some(expected));
        }
    }
    let null = File::open("/dev/null").expect("exists");
    let listener = TcpListener::bind(V4).expect("listens on loopback");
    let datagrams = UdpSocket::bind(V4).expect("binds on loopback");
    let (null, listener, datagrams) = (null.as_fd(), listener.as_fd(), datagrams.as_fd());

    check(&[tcp_info(null)], libc::ENOTSOCK);
    check(&[tcp_info(datagrams)], libc::EOPNOTSUPP);
    check(&[unread_bytes(null), queued_bytes(null), unsent_bytes(null)], libc::ENOTTY);
    check(&[unread_bytes(listener), queued_bytes(listener), unsent_bytes(listener)], libc::EINVAL);
    check(&[enable_stamps(null)], libc::ENOTSOCK);
    check(&[enable_stamps(listener)], libc::EINVAL);
    check(&[send(null, &[0]), read_stamps(null, &mut Vec::new())], libc::ENOTSOCK);
    check(&[send(listener, &[0])], libc::EPIPE);
}

#[test]
fn a_listener_counts_who_waits() {
    let listener =
        socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).expect("a socket");
    listener.bind(&std::net::SocketAddr::from(([127, 0, 0, 1], 0)).into()).expect("a free port");
    listener.listen(3).expect("listens");
    let listener = TcpListener::from(listener);
    let queue =
        |waiting| (accept_queue(listener.as_fd()).ok()? == AcceptQueue { waiting, limit: 3 }).then_some(());
    let address = listener.local_addr().expect("bound");
    until(|| queue(0));
    let clients = [(); 2].map(|()| TcpStream::connect(address).expect("the queue has room"));
    until(|| queue(2));
    let (accepted, _) = listener.accept().expect("one waits");
    until(|| queue(1));
    for connection in [&clients[0], &accepted] {
        let error = accept_queue(connection.as_fd()).expect_err("it does not listen");
        assert_eq!(error.raw_os_error(), Some(22), "EINVAL");
    }
}
