//! The kernel's account of one TCP connection: `TCP_INFO`.

use std::io;
use std::os::fd::BorrowedFd;
use std::time::Duration;

use crate::sys;

/// What `getsockopt(TCP_INFO)` tells of a connection, as seen by this end of it.
///
/// Described by tcp(7), `struct tcp_info` in the kernel's `include/uapi/linux/tcp.h`, and `tcp_get_info` in
/// `net/ipv4/tcp.c`, which fills it. A field is `None` where the running kernel is too old to know it; the
/// version that brought it is named. Counters cover the life of the connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TcpInfo {
    /// Where the connection is in its life.
    pub state: TcpState,
    /// Smoothed round-trip time (RFC 6298). Zero before the first measurement. Includes the time by which the
    /// peer delays its acknowledgements.
    pub rtt: Duration,
    /// Mean deviation of the round-trip time.
    pub rttvar: Duration,
    /// Least round-trip time of the last minutes (`net.ipv4.tcp_min_rtt_wlen`, 300 s unless changed): the
    /// path alone, as nearly as it can be seen. `None` also before the first measurement. Linux 4.6.
    pub min_rtt: Option<Duration>,
    /// Segments sent again (`tcpi_total_retrans`).
    pub retransmits: u32,
    /// Retransmission timeouts in a row, with no acknowledgement of new data since (`tcpi_retransmits`). Each
    /// is twice as long as the one before.
    pub timeouts: u8,
    /// Probes of a closed window, or of a silent peer (keep-alive), that went unanswered in a row.
    pub probes: u8,
    /// Segments in flight that are now held to be lost.
    pub lost: u32,
    /// Segments sent and not acknowledged. Of a listening socket: connections that wait to be accepted.
    pub unacked: u32,
    /// Bytes written that were not sent even once. Linux 4.6.
    pub notsent_bytes: Option<u32>,
    /// Bytes that the peer acknowledged. A SYN and a FIN count as one byte each, the SYN only at the end that
    /// connected. Linux 4.1.
    pub bytes_acked: Option<u64>,
    /// Payload bytes sent, those sent again included. Linux 4.19.
    pub bytes_sent: Option<u64>,
    /// Payload bytes received in order. A FIN counts as one byte. Linux 4.1.
    pub bytes_received: Option<u64>,
    /// Payload bytes sent again. Linux 4.19.
    pub bytes_retrans: Option<u64>,
    /// Latest rate at which the peer received, in bytes a second. When the application had too little to
    /// send, only a lower bound of what the path carries. Zero before the first measurement. Linux 4.9.
    pub delivery_rate: Option<u64>,
    /// Time with something to send or in flight. This and the two times within it advance by timer ticks (1
    /// to 10 ms). Linux 4.10.
    pub busy_time: Option<Duration>,
    /// Busy time in which the peer's receive window held sending back: the peer reads too slowly. Linux 4.10.
    pub rwnd_limited: Option<Duration>,
    /// Busy time in which this end's send buffer was too small for the path. Linux 4.10.
    pub sndbuf_limited: Option<Duration>,
    /// Bytes that the peer's window admits beyond those it acknowledged. Below one segment it takes no more
    /// for now: small rests are not sent (RFC 9293 section 3.8.6.2.1). Linux 5.4.
    pub snd_wnd: Option<u32>,
    /// Since payload was last sent, or the connection was opened. In milliseconds, by timer ticks, as the
    /// next two.
    pub last_data_sent: Duration,
    /// Since an acknowledgement last came.
    pub last_ack_recv: Duration,
    /// Since payload last came, or the connection was opened.
    pub last_data_recv: Duration,
    /// Largest payload of a segment sent, in bytes.
    pub snd_mss: u32,
    /// Congestion window, in segments.
    pub snd_cwnd: u32,
    /// Path MTU, in bytes.
    pub pmtu: u32,
}

/// State of a TCP connection (RFC 9293 section 3.3.2; `include/net/tcp_states.h`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TcpState {
    /// Open in both directions.
    Established,
    /// This end has asked for a connection.
    SynSent,
    /// The peer has asked for a connection and was answered.
    SynReceived,
    /// This end has closed and its FIN is not acknowledged.
    FinWait1,
    /// This end has closed; the peer has not.
    FinWait2,
    /// Both have closed; late segments are waited for.
    TimeWait,
    /// No connection: not yet, reset, timed out or ended.
    Close,
    /// The peer has closed; this end has not.
    CloseWait,
    /// Both have closed and this end's FIN is not acknowledged.
    LastAck,
    /// Waits for connections.
    Listen,
    /// Both have closed at once.
    Closing,
    /// A number that this crate does not know.
    Unknown(u8),
}

impl TcpState {
    /// The state of the kernel's number for it.
    #[cfg(target_os = "linux")]
    pub(crate) fn of(number: u8) -> Self {
        match number {
            1 => Self::Established,
            2 => Self::SynSent,
            3 => Self::SynReceived,
            4 => Self::FinWait1,
            5 => Self::FinWait2,
            6 => Self::TimeWait,
            7 => Self::Close,
            8 => Self::CloseWait,
            9 => Self::LastAck,
            10 => Self::Listen,
            11 => Self::Closing,
            other => Self::Unknown(other),
        }
    }
}

/// Asks the kernel for its account of a TCP socket.
///
/// # Errors
/// `ENOTSOCK` for what is no socket, `EOPNOTSUPP` or `ENOPROTOOPT` for a socket of another protocol.
pub fn tcp_info(fd: BorrowedFd<'_>) -> io::Result<TcpInfo> {
    sys::tcp_info(fd)
}
