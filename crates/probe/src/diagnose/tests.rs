//! Attempts at scripted peers.

use std::future::Future;

use bytes::Bytes;
use diagnose::attempt::{Sign, Woken};
use model::Http2Error;
use model::event::CloseCode;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use super::*;

const PING: Conduct = Conduct::Hold { seconds: 5.0, ping_seconds: Some(0.05), message_seconds: None };

fn silent(seconds: f64) -> Conduct {
    Conduct::Hold { seconds, ping_seconds: None, message_seconds: None }
}

fn settings(scheme: &str, port: u16) -> Settings {
    Settings {
        target: format!("{scheme}://127.0.0.1:{port}/a.B/C").parse().expect("a URL"),
        direct: None,
        fields: HeaderMap::new(),
        subprotocols: Vec::new(),
        message: "hello".to_owned(),
        resolved: Vec::new(),
        trust: Trust::System,
        stage_time: Duration::from_secs(20),
    }
}

fn experiment(conduct: Conduct) -> Experiment {
    let check = if matches!(conduct, Conduct::Hold { .. }) { Check::Idle } else { Check::Handshake };
    Experiment { check, via: Via::Url, vary: None, conduct }
}

/// What an attempt sees of a peer.
async fn seen<F>(scheme: &str, conduct: Conduct, serve: impl FnOnce(TcpStream) -> F) -> Attempt
where
    F: Future<Output = ()> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let settings = settings(scheme, listener.local_addr().expect("bound").port());
    let (_stop, stopped) = watch::channel(false);
    let attempt =
        tokio::spawn(async move { attempt(&settings, experiment(conduct), clock::now(), stopped).await });
    let (peer, _) = listener.accept().await.expect("it connects");
    serve(peer).await;
    attempt.await.expect("no panic").expect("it was not told to end")
}

async fn read_head(peer: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    while !bytes.ends_with(b"\r\n\r\n") && peer.read_buf(&mut bytes).await.expect("a request") > 0 {}
    String::from_utf8(bytes).expect("text")
}

/// Opens a WebSocket.
async fn joined(mut peer: TcpStream) -> TcpStream {
    use base64::Engine as _;
    use sha1::Digest as _;
    let head = read_head(&mut peer).await;
    let key = head.split("Sec-WebSocket-Key: ").nth(1).and_then(|rest| rest.lines().next()).expect("a key");
    let hash = sha1::Sha1::digest(format!("{key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11"));
    let accept = base64::engine::general_purpose::STANDARD.encode(hash);
    let answer = format!(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Accept: {accept}\r\n\r\n"
    );
    peer.write_all(answer.as_bytes()).await.expect("it reads");
    peer
}

/// Reads until the other side goes.
async fn read_on(mut peer: TcpStream) {
    let mut rest = Vec::new();
    let _ = peer.read_to_end(&mut rest).await;
}

fn end(attempt: &Attempt) -> &diagnose::attempt::End {
    attempt.stream.as_ref().and_then(|stream| stream.end.as_ref()).expect("it opened and ended")
}

#[tokio::test]
async fn a_close_frame_and_a_word_with_it() {
    let attempt = seen("ws", silent(9.0), |peer| async {
        let mut peer = joined(peer).await;
        peer.write_all(b"\x81\x02hi\x88\x05\x03\xf1big").await.expect("it reads");
        read_on(peer).await;
    })
    .await;
    assert_eq!(end(&attempt).sign, Sign::Close(Some(CloseCode(1009)), "big".to_owned()));
    assert!(!end(&attempt).is_ours);
    assert_eq!(attempt.stream.expect("open").messages_seen, 1);
    assert!(attempt.tcp.expect("the kernel knows").bytes_acked > 0);
}

#[tokio::test]
async fn resets_and_silent_ends() {
    let attempt = seen("ws", silent(9.0), |peer| async { drop(joined(peer).await) }).await;
    assert_eq!(end(&attempt).sign, Sign::Fin);
    let attempt = seen("ws", PING, |peer| async {
        let peer = joined(peer).await;
        // What was not read when it closes is answered with RST.
        peer.readable().await.expect("a Ping");
    })
    .await;
    assert_eq!(end(&attempt).sign, Sign::Rst);
}

#[tokio::test]
async fn a_silent_stream_is_asked_in_the_end_whether_it_is_there() {
    let attempt = seen("ws", silent(1.1), |peer| async { read_on(joined(peer).await).await }).await;
    let stream = attempt.stream.as_ref().expect("open");
    assert_eq!(stream.woken, Some(Woken::Unanswered));
    assert!(end(&attempt).is_ours);
    assert_eq!(end(&attempt).silence, end(&attempt).age);
    assert_eq!(attempt.tcp.map(|tcp| tcp.unacked_bytes), Some(0));
}

#[tokio::test]
async fn the_first_message_behind_a_silence_is_waited_for() {
    let echoes = async |is_lost: bool| {
        let attempt = seen("ws", silent(1.1), move |peer| async move {
            let mut peer = joined(peer).await;
            let mut frame = [0; 256];
            // A Ping, then a message: 2 bytes of head, 4 of mask.
            for (opcode, is_answered) in [(0x8a, true), (0x81, !is_lost)] {
                let length = peer.read(&mut frame).await.expect("a frame");
                let plain: Vec<u8> = (6..length).map(|at| frame[at] ^ frame[2 + (at - 6) % 4]).collect();
                if is_answered {
                    let head = [opcode, u8::try_from(plain.len()).expect("short")];
                    peer.write_all(&[&head, &plain[..]].concat()).await.expect("it reads");
                }
            }
            read_on(peer).await;
        });
        let stream = attempt.await.stream.expect("open");
        (stream.woken_echo, stream.sent.len(), stream.messages_seen, stream.end.map(|end| end.is_ours))
    };
    assert_eq!(echoes(false).await, (Some(true), 0, 0, Some(true)));
    assert_eq!(echoes(true).await, (Some(false), 0, 0, Some(true)));
}

#[tokio::test]
async fn events_that_are_misread_and_events_that_are_cut() {
    const HEAD: &str = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nContent-Length: ";
    let listen = Conduct::Listen { seconds: 9.0, messages: 9 };
    let brought = async |body: &'static [u8]| {
        let attempt = seen("http", listen, move |mut peer| async move {
            read_head(&mut peer).await;
            let head = format!("{HEAD}{}\r\n\r\n", body.len());
            peer.write_all(&[head.as_bytes(), body].concat()).await.expect("it reads");
        });
        let stream = attempt.await.stream.expect("open");
        let broken_at = stream.messages.iter().find_map(|message| message.broken_at);
        (stream.replaced, broken_at, stream.is_end_inside)
    };
    assert_eq!(brought("data: \u{e9}\n\n".as_bytes()).await, (0, None, false));
    assert_eq!(brought(b"data: \xe9\n\n").await, (0, Some(6), false));
    assert_eq!(brought("data: \u{fffd}\n\ndata: cut".as_bytes()).await, (1, None, true));
    let chunked = async |rest: &'static str| {
        let attempt = seen("http", listen, move |mut peer| async move {
            read_head(&mut peer).await;
            let head = HEAD.replace("Content-Length: ", "Transfer-Encoding: chunked\r\n\r\n");
            peer.write_all(format!("{head}9\r\ndata: a\n\n\r\n{rest}").as_bytes()).await.expect("it reads");
        });
        attempt.await.stream.expect("open").is_end_inside
    };
    assert!(chunked("9\r\n").await, "in a chunk");
    assert!(!chunked("").await, "between two");
    assert!(!chunked("6\r\ndata: b\n\n\r\n").await, "a wrong size");
}

#[tokio::test]
async fn bodies_that_end_and_bodies_that_are_cut() {
    const HEAD: &str = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n";
    let listen = Conduct::Listen { seconds: 9.0, messages: 9 };
    let answered = async |rest: &'static str| {
        let attempt = seen("http", listen, |mut peer| async move {
            read_head(&mut peer).await;
            peer.write_all(format!("{HEAD}{rest}").as_bytes()).await.expect("it reads");
        });
        let attempt = attempt.await;
        let messages = attempt.stream.as_ref().map(|stream| stream.messages_seen);
        (end(&attempt).sign.clone(), messages)
    };
    let chunked = "Transfer-Encoding: chunked\r\n\r\n9\r\ndata: a\n\n\r\n0\r\n\r\n";
    assert_eq!(answered(chunked).await, (Sign::BodyEnd, Some(1)));
    assert_eq!(answered(&chunked[..chunked.len() - 5]).await, (Sign::BodyCut, Some(1)));
    assert_eq!(answered("\r\ndata: a\n\n").await, (Sign::Fin, Some(1)));
    assert_eq!(answered("Content-Length: 20\r\n\r\ndata: a\n\n").await, (Sign::BodyCut, Some(1)));
}

/// What a call sees of a service of HTTP/2 that answers 200 and then does this.
async fn called(then: impl FnOnce(h2::SendStream<Bytes>) + Send + 'static, is_away: bool) -> Attempt {
    seen("grpc", silent(9.0), |peer| async move {
        let mut connection = h2::server::handshake(peer).await.expect("HTTP/2");
        let (_, mut answer) = connection.accept().await.expect("a request").expect("valid");
        let head = http::Response::builder().header("content-type", "application/grpc");
        let stream = answer.send_response(head.body(()).expect("valid"), false).expect("it is open");
        let mut pings = connection.ping_pong().expect("not yet taken");
        tokio::select! {
            // Its answer has arrived when that of a PING comes.
            _ = pings.ping(h2::Ping::opaque()) => {}
            _ = connection.accept() => panic!("one call was to be made"),
        }
        then(stream);
        if is_away {
            connection.abrupt_shutdown(h2::Reason::ENHANCE_YOUR_CALM);
        }
        while connection.accept().await.is_some() {}
    })
    .await
}

#[tokio::test]
async fn ends_of_calls() {
    let attempt = called(|mut stream| stream.send_reset(h2::Reason::REFUSED_STREAM), false).await;
    assert_eq!(end(&attempt).sign, Sign::RstStream(Http2Error::RefusedStream));
    let attempt = called(drop, true).await;
    assert!(matches!(end(&attempt).sign, Sign::GoAway(Http2Error::EnhanceYourCalm, _)), "{attempt:?}");
    let cut = |mut stream: h2::SendStream<Bytes>| {
        // Flag 1 of a coding that was not told, and three of nine bytes.
        stream.send_data(Bytes::from_static(b"\x01\0\0\0\x02ab\0\0\0\0\x09abc"), true).expect("it is open");
    };
    let stream = called(cut, false).await.stream.expect("open");
    assert_eq!((stream.unreadable, stream.is_end_inside), (1, true));
    let trailers = |mut stream: h2::SendStream<Bytes>| {
        let mut fields = HeaderMap::new();
        fields.insert("grpc-status", HeaderValue::from_static("14"));
        fields.insert("grpc-message", HeaderValue::from_static("not%20now"));
        stream.send_trailers(fields).expect("it is open");
    };
    let attempt = called(trailers, false).await;
    assert_eq!(end(&attempt).sign, Sign::BodyEnd);
    let status = attempt.stream.and_then(|stream| stream.grpc).expect("a status");
    assert_eq!((status.code, status.message.as_str()), (Some(14), "not now"));
}

#[tokio::test]
async fn what_is_stopped_before_an_answer_tells_nothing() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let settings = settings("ws", listener.local_addr().expect("bound").port());
    let (stop, stopped) = watch::channel(false);
    let attempt =
        tokio::spawn(
            async move { attempt(&settings, experiment(Conduct::Greet), clock::now(), stopped).await },
        );
    let (mut peer, _) = listener.accept().await.expect("it connects");
    read_head(&mut peer).await;
    stop.send(true).expect("it runs");
    assert_eq!(attempt.await.expect("no panic"), None);
}

#[tokio::test]
async fn a_peer_that_takes_nothing_holds_nobody() {
    let conduct = Conduct::Send { bytes: 32 << 20, frames: 1 };
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let settings = settings("ws", listener.local_addr().expect("bound").port());
    let (stop, stopped) = watch::channel(false);
    let attempt =
        tokio::spawn(async move { attempt(&settings, experiment(conduct), clock::now(), stopped).await });
    let (peer, _) = listener.accept().await.expect("it connects");
    let peer = joined(peer).await;
    peer.readable().await.expect("a message begins");
    stop.send(true).expect("it runs");
    let attempt = attempt.await.expect("no panic").expect("it had opened");
    assert!(end(&attempt).is_ours);
    drop(peer);
}

#[tokio::test]
async fn messages_that_come_again_and_a_close_without_answer() {
    let attempt = seen("ws", Conduct::Send { bytes: 50, frames: 1 }, |peer| async {
        let mut peer = joined(peer).await;
        let mut frame = [0; 56];
        peer.read_exact(&mut frame).await.expect("a message");
        let unmasked = frame[6..].iter().zip(frame[2..6].iter().cycle()).map(|(byte, mask)| byte ^ mask);
        let echo: Vec<u8> = [0x81, 50].into_iter().chain(unmasked).collect();
        peer.write_all(&echo.repeat(2)).await.expect("it reads");
        read_on(peer).await;
    })
    .await;
    let stream = attempt.stream.expect("open");
    assert!(stream.echoes[0].is_some());
    assert_eq!((stream.repeated, stream.is_close_answered), (1, Some(false)));
}

#[tokio::test]
async fn flow_control_that_holds_a_message_back() {
    let attempt = seen("grpc", Conduct::Send { bytes: 100_000, frames: 1 }, |peer| async {
        let mut connection = h2::server::handshake(peer).await.expect("HTTP/2");
        let (_unread, mut answer) = connection.accept().await.expect("a request").expect("valid");
        let head = http::Response::builder().header("content-type", "application/grpc");
        let _open = answer.send_response(head.body(()).expect("valid"), false).expect("it is open");
        while connection.accept().await.is_some() {}
    })
    .await;
    let stream = attempt.stream.as_ref().expect("open");
    let window = 65_535;
    assert_eq!(stream.unsent, 100_005 - window);
    assert!(stream.stalled > 1.0 && stream.pings[0].is_some() && end(&attempt).is_ours, "{stream:?}");
    assert_eq!(attempt.tcp.map(|tcp| tcp.unacked_bytes), Some(0));
}

#[tokio::test]
async fn an_upstream_that_does_not_understand_tls_is_plain() {
    let found = async |scheme: &str, is_tls: Option<bool>| {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let port = listener.local_addr().expect("bound").port();
        let direct = Upstream { host: "127.0.0.1".to_owned(), port, is_tls };
        let mut settings = Settings { direct: Some(direct), ..settings(scheme, 1) };
        let serve = async {
            let (mut peer, _) = listener.accept().await.expect("it connects");
            let mut hello = [0; 5];
            peer.read_exact(&mut hello).await.expect("a record of TLS");
            peer.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await.expect("it is read");
        };
        tokio::select! {
            () = async { serve.await; std::future::pending().await } => {}
            () = find_scheme(&mut settings, clock::now()) => {}
        }
        settings.direct.expect("it is kept").is_tls
    };
    assert_eq!(found("wss", None).await, Some(false));
    assert_eq!(found("wss", Some(true)).await, Some(true));
    assert_eq!(found("ws", None).await, None);
}
