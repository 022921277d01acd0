//! The close record: exactly one for each connection or attempt, whatever happened.

use std::net::IpAddr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::admission::AdmissionReason;
use crate::country::Country;
use crate::event::{CloseCode, FrameViolation};
use crate::heartbeat::Heartbeat;
use crate::id::ConnectionId;
use crate::queue::QueueFacts;
use crate::tcp::TcpLegs;
use crate::time::WallTime;
use crate::words::{
    GrpcCode, HandshakeResult, Http2Error, Initiator, Layer, Leg, PerDirection, PerLeg, Protocol, Reason,
};

/// All that is kept of a connection after its end. Serialized as in the admin API and the access log; seconds
/// are floats, times RFC 3339 with nanoseconds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
pub struct CloseRecord {
    /// Name of the connection.
    pub id: ConnectionId,
    /// Its protocol.
    pub protocol: Protocol,
    /// Configured name of the route.
    pub route: Arc<str>,
    /// Where the client is, as far as trusted peers tell.
    pub client: ClientAddress,
    /// What the client's program calls itself (`User-Agent`: RFC 9110, section 10.1.5), cut to 200 bytes.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    #[cfg_attr(feature = "ts", ts(optional))]
    pub user_agent: Option<Arc<str>>,
    /// URL of the upstream that was reached; none when none was.
    pub upstream: Option<Arc<str>>,
    /// The request's head was complete.
    pub opened_at: WallTime,
    /// Both sides were closed, or the attempt had failed.
    pub closed_at: WallTime,
    /// From established to closed; 0 when it never was established.
    pub duration_seconds: f64,
    /// How the opening went.
    pub handshake: Handshake,
    /// Who ended it; none when it never was established.
    pub initiator: Option<Initiator>,
    /// Layer of the first cause.
    pub layer: Option<Layer>,
    /// Why it ended; none when it never was established.
    pub reason: Option<Reason>,
    /// All that was seen of the end, in order of time; the first decides.
    pub causes: Vec<Cause>,
    /// Codes of the Close frames.
    pub codes: CloseCodes,
    /// The first breach of RFC 6455 in what was read from each side.
    #[serde(default)]
    pub violations: PerDirection<Option<FrameViolation>>,
    /// Silence before the end.
    pub idle_seconds: IdleSeconds,
    /// Complete messages (WebSocket data messages, SSE events).
    pub messages: PerDirection<u64>,
    /// Bytes after the head, frame headers included.
    pub bytes: PerDirection<u64>,
    /// Bytes that were read from the sender and never accepted by the receiver's kernel socket. When the
    /// receiver's TCP connection had ended before the gateway closed it (reset, given up) or the gateway reset
    /// it, also those that were accepted and never sent (in TLS, of records); else the kernel goes on sending
    /// them. What a shared TCP connection (HTTP/2) had not sent is left out.
    pub unsent_bytes: PerDirection<u64>,
    /// Bytes that were sent to the receiver and not acknowledged by its kernel when the record was made; after
    /// an orderly end the last ones often are still on their way. None where it is not known: not on Linux,
    /// never established, or the TCP connection is shared (HTTP/2).
    #[serde(default)]
    pub unacked_bytes: PerDirection<Option<u64>>,
    /// What the kernel told of the two TCP connections.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    #[cfg_attr(feature = "ts", ts(optional))]
    pub tcp: Option<Box<TcpLegs>>,
    /// It was opened as a reconnect; none when it was not.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    #[cfg_attr(feature = "ts", ts(optional))]
    pub reconnect: Option<Reconnect>,
    /// SSE: how its events came; none without events.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    #[cfg_attr(feature = "ts", ts(optional))]
    pub events_per_read: Option<EventsPerRead>,
    /// What an event stream has beside.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    #[cfg_attr(feature = "ts", ts(optional))]
    pub event_stream: Option<Box<EventStreamFacts>>,
    /// The last round trip from a relayed Ping accepted by our kernel to the peer's Pong read.
    #[serde(default)]
    pub ping_rtt_seconds: PerLeg<Option<f64>>,
    /// The Pings towards each peer; none where there was no Ping.
    #[serde(default)]
    pub heartbeat: PerLeg<Option<Heartbeat>>,
    /// What the queue towards the client has done; none without one.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    #[cfg_attr(feature = "ts", ts(optional))]
    pub queue: Option<Box<QueueFacts>>,
    /// What a gRPC stream has beside.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    #[cfg_attr(feature = "ts", ts(optional))]
    pub grpc: Option<Box<GrpcFacts>>,
}

/// Events that were complete with one piece of the body as it was read (at most one chunk of HTTP/1.1), over the
/// pieces that completed any: more than one means that the upstream, or something before it, sends them in batches.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
pub struct EventsPerRead {
    /// Mean.
    pub mean: f64,
    /// Maximum.
    pub max: u64,
}

/// What is known of the body of an event stream, as it was read from the upstream.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
pub struct EventStreamFacts {
    /// How it is coded (`Content-Encoding`: RFC 9110, section 8.4), cut to 32 bytes; none when it is not, and so was
    /// looked into.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    #[cfg_attr(feature = "ts", ts(optional))]
    pub coding: Option<Box<str>>,
    /// Reads that brought something of it.
    pub reads: u64,
    /// Of a body that is coded, reads that ended with the mark of a compressor that was flushed: an empty block of
    /// deflate, `00 00 ff ff` (RFC 1951, section 3.2.4; as zlib's Z_SYNC_FLUSH writes it).
    pub flushed_reads: u64,
    /// Longest time between two reads, or from established to the first; not the time behind the last.
    pub longest_silence_seconds: f64,
    /// Comments.
    pub comments: u64,
    /// Events with an `id`.
    pub ids: u64,
    /// Events between the one that the client's `Last-Event-ID` named and the first that came, by the numbers that ids
    /// are and their mean step: 0 when it goes on where it was cut off, less when events came again. None without
    /// `Last-Event-ID`, of fewer than three events, and where ids are not numbers that go up.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    #[cfg_attr(feature = "ts", ts(optional))]
    pub skipped_events: Option<f64>,
}

/// The opening of a connection within 60 s after the end of one of the same protocol, route and client key.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
pub struct Reconnect {
    /// From the first sign of the end (Close frame, FIN, RST, a decision of this gateway) to established.
    pub interval_seconds: f64,
    /// The request had `Last-Event-ID` (WHATWG HTML, section 9.2.4): the client goes on where it was cut off.
    pub resumed: bool,
}

/// What is known of a gRPC call.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
pub struct GrpcFacts {
    /// Full name of the service, as in the path.
    pub service: Arc<str>,
    /// Name of the method.
    pub method: Arc<str>,
    /// Status that the client was given, or that it makes of the end that it saw.
    pub code: GrpcCode,
    /// The service's message beside it, cut to 256 bytes.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    #[cfg_attr(feature = "ts", ts(optional))]
    pub message: Option<Box<str>>,
    /// HTTP status of an answer that is no gRPC: without `grpc-status`, and another status than 200 or another type
    /// than `application/grpc`.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    #[cfg_attr(feature = "ts", ts(optional))]
    pub not_grpc: Option<u16>,
    /// How long the client said that it waits (`grpc-timeout`).
    #[serde(skip_serializing_if = "Option::is_none", default)]
    #[cfg_attr(feature = "ts", ts(optional))]
    pub deadline_seconds: Option<f64>,
    /// From the request's head complete to the last byte of the service's first message read.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    #[cfg_attr(feature = "ts", ts(optional))]
    pub first_message_seconds: Option<f64>,
    /// Time during which data waited for the receiver's windows (RFC 9113, section 5.2).
    pub stalled_seconds: PerDirection<f64>,
    /// The client's connection.
    pub client: Http2Facts,
    /// The connection to the upstream.
    pub upstream: Http2Facts,
}

/// What is known of the HTTP/2 connection that carried a stream, at the stream's end.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
pub struct Http2Facts {
    /// Identifier of the stream (RFC 9113, section 5.1.1).
    pub stream: u32,
    /// The peer's SETTINGS_MAX_CONCURRENT_STREAMS; none as long as it has set no limit.
    pub max_concurrent_streams: Option<u32>,
    /// The peer's SETTINGS_INITIAL_WINDOW_SIZE, bytes.
    pub initial_window_size: Option<u32>,
    /// The peer's SETTINGS_MAX_FRAME_SIZE, bytes.
    pub max_frame_size: Option<u32>,
    /// Bytes that the peer's window still let the gateway send on the whole connection; below 1 it was shut.
    pub connection_window: i64,
    /// The last GOAWAY frame that was seen on the connection.
    pub goaway: Option<GoAway>,
}

/// A GOAWAY frame (RFC 9113, section 6.8).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
pub struct GoAway {
    /// The gateway's own, or the peer's.
    pub initiator: Initiator,
    /// Why.
    pub error: Http2Error,
    /// The beginning of its debug data, such as `too_many_pings`.
    pub debug: Box<str>,
}

/// Where a client is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
pub struct ClientAddress {
    /// From the socket, or from the PROXY protocol or `Forwarded` header of a trusted peer.
    pub ip: IpAddr,
    /// 0 when only a header told of the client.
    pub port: u16,
    /// Where the address is, as the configured database says; none without one, and where it does not know.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    #[cfg_attr(feature = "ts", ts(optional))]
    pub country: Option<Country>,
    /// It is a browser at the dashboard, by which an operator tries the route; the connection came by the admin address.
    #[serde(skip_serializing_if = "is_false", default)]
    #[cfg_attr(feature = "ts", ts(optional, as = "Option<bool>"))]
    pub is_tryout: bool,
}

fn is_false(value: &bool) -> bool {
    !value
}

/// How an opening went.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
pub struct Handshake {
    /// Its outcome.
    pub result: HandshakeResult,
    /// Status that the client was sent; none when it was sent none.
    pub status: Option<u16>,
    /// From the request's head complete to the outcome.
    pub seconds: f64,
    /// Of these, until a connection with the upstream stood, TLS included, and whatever waited or failed before that; none
    /// where none was reached, or it is not known (HTTP/2 from the client, gRPC).
    #[serde(skip_serializing_if = "Option::is_none", default)]
    #[cfg_attr(feature = "ts", ts(optional))]
    pub connect_seconds: Option<f64>,
    /// An event stream: the client accepts a body that is coded (`Accept-Encoding`: RFC 9110, section 12.5.3).
    #[serde(skip_serializing_if = "is_false", default)]
    #[cfg_attr(feature = "ts", ts(optional, as = "Option<bool>"))]
    pub accepts_coding: bool,
    /// What went wrong, in words for an operator; none on success.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    #[cfg_attr(feature = "ts", ts(optional))]
    pub detail: Option<String>,
    /// The limit of this gateway that refused it; none where none did.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    #[cfg_attr(feature = "ts", ts(optional))]
    pub refused_by: Option<AdmissionReason>,
}

/// One thing that was seen of the end of a connection.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
pub struct Cause {
    /// Where; none for a decision of this gateway.
    pub leg: Option<Leg>,
    /// Which layer.
    pub layer: Layer,
    /// What.
    pub what: What,
    /// Code of a Close frame, where it has one.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    #[cfg_attr(feature = "ts", ts(optional))]
    pub code: Option<CloseCode>,
    /// Code of an RST_STREAM frame.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    #[cfg_attr(feature = "ts", ts(optional))]
    pub error: Option<Http2Error>,
    /// When.
    pub at: WallTime,
}

/// What can be seen of the end of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
#[serde(rename_all = "snake_case")]
pub enum What {
    /// A Close frame was read from the peer on this leg.
    CloseFrame,
    /// The body ended as announced; for gRPC, with a status.
    BodyEnd,
    /// The connection ended inside the body.
    BodyTruncated,
    /// The peer on this leg ended its stream (TLS: close_notify, or FIN without it).
    Fin,
    /// The peer on this leg reset the connection (ECONNRESET, or EPIPE on a write).
    Rst,
    /// The peer on this leg reset the stream (RST_STREAM: RFC 9113, section 6.4).
    RstStream,
    /// The peer on this leg gave up the connection (GOAWAY with an error: RFC 9113, section 6.8).
    GoAway,
    /// The kernel gave up on the peer (ETIMEDOUT).
    TcpTimeout,
    /// TLS failed on this leg.
    TlsAlert,
    /// Nothing was read for as long as the route allows.
    IdleTimeout,
    /// One side had ended and the other did not follow in the time allowed.
    HalfCloseTimeout,
    /// The peer on this leg did not answer the gateway's heartbeat for as long as the route allows.
    HeartbeatTimeout,
    /// The receiver on this leg did not read for as long as the route allows.
    SlowConsumer,
    /// The client sent more than the route allows.
    RateLimit,
    /// The gateway is draining.
    Drain,
    /// An operator closed the connection.
    Operator,
    /// A fault of this gateway.
    Internal,
}

/// Codes of the Close frames that were read from each side.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
pub struct CloseCodes {
    /// The client's; 1005 when its Close frame had none.
    pub from_client: Option<CloseCode>,
    /// The upstream's; 1005 when its Close frame had none.
    pub from_upstream: Option<CloseCode>,
}

/// Silence before the end, in seconds; from established when nothing of the kind was ever seen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
pub struct IdleSeconds {
    /// Since the last byte in either direction.
    pub any: f64,
    /// Since the last complete message in either direction.
    pub data: f64,
    /// Since the last byte from the client.
    pub client_to_server: f64,
    /// Since the last byte from the upstream.
    pub server_to_client: f64,
}
