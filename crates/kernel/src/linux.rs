//! The system calls.

use std::io::{self, IoSlice};
use std::mem::{self, offset_of};
use std::os::fd::{AsRawFd, BorrowedFd, RawFd};
use std::time::Duration;

use libc::{c_int, c_void, socklen_t};
use nix::errno::Errno;
use nix::sys::socket::{ControlMessageOwned, MsgFlags, TimestampingFlag, recvmsg, setsockopt, sockopt};

use crate::{AcceptQueue, Account, AckStamp, STAMPS_PER_READ, TcpInfo, TcpState};

/// `SIOCOUTQNSD` of `include/uapi/linux/sockios.h`.
const SIOCOUTQNSD: libc::Ioctl = 0x894b;

/// `SCM_TSTAMP_ACK` of `include/uapi/linux/errqueue.h`.
const SCM_TSTAMP_ACK: u32 = 2;

pub fn tcp_info(fd: BorrowedFd<'_>) -> io::Result<TcpInfo> {
    info_of(fd.as_raw_fd())
}

/// All that a socket shows. Whatever `number` stands for, nothing but answers is written. A socket of which nothing
/// is in flight or unsent has nothing queued, and one of which all was read has nothing unread, so most are asked once
/// only.
#[inline]
pub fn account_of(number: RawFd, read_bytes: Option<u64>) -> io::Result<Account> {
    let info = info_of(number)?;
    let is_empty = info.unacked == 0 && info.notsent_bytes == Some(0);
    let queued_bytes = if is_empty { 0 } else { queue_depth(number, libc::TIOCOUTQ)? };
    let is_all_read = read_bytes.is_some() && read_bytes == info.bytes_received;
    let unread_bytes = if is_all_read { 0 } else { queue_depth(number, libc::FIONREAD)? };
    Ok(Account { info, unread_bytes, queued_bytes })
}

pub fn accept_queue(fd: BorrowedFd<'_>) -> io::Result<AcceptQueue> {
    let (raw, _) = raw_info(fd.as_raw_fd())?;
    if TcpState::of(raw.tcpi_state) != TcpState::Listen {
        return Err(Errno::EINVAL.into());
    }
    Ok(AcceptQueue { waiting: raw.tcpi_unacked, limit: raw.tcpi_sacked })
}

#[inline]
fn info_of(number: RawFd) -> io::Result<TcpInfo> {
    let (raw, length) = raw_info(number)?;
    Ok(read_info(&raw, length))
}

/// The kernel's account of a socket, and how many of its bytes this kernel has filled in.
fn raw_info(number: RawFd) -> io::Result<(libc::tcp_info, usize)> {
    // SAFETY: `tcp_info` is made of integers only, of which zero is a value.
    let mut raw: libc::tcp_info = unsafe { mem::zeroed() };
    let mut length = size_of_val(&raw) as socklen_t;
    // SAFETY: `raw` is exclusively borrowed and has room for the `length` bytes that the kernel may write.
    let result = unsafe {
        libc::getsockopt(
            number,
            libc::IPPROTO_TCP,
            libc::TCP_INFO,
            (&raw mut raw).cast::<c_void>(),
            &raw mut length,
        )
    };
    Errno::result(result)?;
    Ok((raw, length as usize))
}

/// Takes from `raw` what the kernel has filled in: its first `length` bytes.
#[inline]
fn read_info(raw: &libc::tcp_info, length: usize) -> TcpInfo {
    macro_rules! filled {
        ($field:ident) => {
            (offset_of!(libc::tcp_info, $field) + size_of_val(&raw.$field) <= length).then_some(raw.$field)
        };
    }
    let micros = |value: u32| Duration::from_micros(value.into());
    let millis = |value: u32| Duration::from_millis(value.into());
    TcpInfo {
        state: TcpState::of(raw.tcpi_state),
        rtt: micros(raw.tcpi_rtt),
        rttvar: micros(raw.tcpi_rttvar),
        min_rtt: filled!(tcpi_min_rtt).filter(|value| *value != u32::MAX).map(micros),
        retransmits: raw.tcpi_total_retrans,
        timeouts: raw.tcpi_retransmits,
        probes: raw.tcpi_probes,
        lost: raw.tcpi_lost,
        unacked: raw.tcpi_unacked,
        notsent_bytes: filled!(tcpi_notsent_bytes),
        bytes_acked: filled!(tcpi_bytes_acked),
        bytes_sent: filled!(tcpi_bytes_sent),
        bytes_received: filled!(tcpi_bytes_received),
        bytes_retrans: filled!(tcpi_bytes_retrans),
        delivery_rate: filled!(tcpi_delivery_rate),
        busy_time: filled!(tcpi_busy_time).map(Duration::from_micros),
        rwnd_limited: filled!(tcpi_rwnd_limited).map(Duration::from_micros),
        sndbuf_limited: filled!(tcpi_sndbuf_limited).map(Duration::from_micros),
        snd_wnd: filled!(tcpi_snd_wnd),
        last_data_sent: millis(raw.tcpi_last_data_sent),
        last_ack_recv: millis(raw.tcpi_last_ack_recv),
        last_data_recv: millis(raw.tcpi_last_data_recv),
        snd_mss: raw.tcpi_snd_mss,
        snd_cwnd: raw.tcpi_snd_cwnd,
        pmtu: raw.tcpi_pmtu,
    }
}

pub fn unread_bytes(fd: BorrowedFd<'_>) -> io::Result<u32> {
    queue_depth(fd.as_raw_fd(), libc::FIONREAD)
}

pub fn queued_bytes(fd: BorrowedFd<'_>) -> io::Result<u32> {
    queue_depth(fd.as_raw_fd(), libc::TIOCOUTQ)
}

pub fn unsent_bytes(fd: BorrowedFd<'_>) -> io::Result<u32> {
    queue_depth(fd.as_raw_fd(), SIOCOUTQNSD)
}

/// `request` is one of the three that write one `int`.
fn queue_depth(number: RawFd, request: libc::Ioctl) -> io::Result<u32> {
    let mut depth: c_int = 0;
    // SAFETY: the requests write one `int`, and `depth` is one, exclusively borrowed.
    let result = unsafe { libc::ioctl(number, request, &raw mut depth) };
    Errno::result(result)?;
    Ok(u32::try_from(depth).unwrap_or_default())
}

pub fn enable_stamps(fd: BorrowedFd<'_>) -> io::Result<()> {
    let flags =
        libc::SOF_TIMESTAMPING_SOFTWARE | libc::SOF_TIMESTAMPING_OPT_ID | libc::SOF_TIMESTAMPING_OPT_TSONLY;
    let set = |flags| setsockopt(&fd, sockopt::Timestamping, &TimestampingFlag::from_bits_retain(flags));
    match set(flags | libc::SOF_TIMESTAMPING_OPT_ID_TCP) {
        Err(Errno::EINVAL) if queued_bytes(fd)? > 0 => Err(Errno::EAGAIN.into()),
        Err(Errno::EINVAL) => Ok(set(flags)?),
        result => Ok(result?),
    }
}

/// A control message as the kernel reads it: `struct cmsghdr` and its payload (cmsg(3)).
#[repr(C)]
struct StampRequest {
    length: usize,
    level: c_int,
    kind: c_int,
    flags: u32,
}

const STAMP_REQUEST: StampRequest = StampRequest {
    length: offset_of!(StampRequest, flags) + size_of::<u32>(),
    level: libc::SOL_SOCKET,
    kind: libc::SO_TIMESTAMPING,
    flags: libc::SOF_TIMESTAMPING_TX_ACK,
};

/// `MSG_EOR` keeps the kernel from appending to these bytes before they are sent, by which a later request
/// would take the place of this one.
const SEND_FLAGS: c_int = libc::MSG_NOSIGNAL | libc::MSG_DONTWAIT | libc::MSG_EOR;

/// `IOV_MAX`: what sendmsg(2) takes at most.
const PARTS_MAX: usize = 1024;

pub fn send_stamped(fd: BorrowedFd<'_>, parts: &[IoSlice<'_>]) -> io::Result<usize> {
    let mut request = STAMP_REQUEST;
    // SAFETY: `msghdr` is made of integers and pointers only, of which zero is a value.
    let mut message: libc::msghdr = unsafe { mem::zeroed() };
    // `IoSlice` has the layout of `iovec`, by its documentation.
    message.msg_iov = parts.as_ptr().cast_mut().cast();
    message.msg_iovlen = parts.len().min(PARTS_MAX) as _;
    message.msg_control = (&raw mut request).cast();
    message.msg_controllen = request.length as _;
    // SAFETY: all that `message` points to outlives the call, and the kernel only reads it.
    let sent = unsafe { libc::sendmsg(fd.as_raw_fd(), &raw const message, SEND_FLAGS) };
    Ok(Errno::result(sent)?.cast_unsigned())
}

/// Room for the control messages of one stamp, aligned as `struct cmsghdr` must be.
#[repr(C, align(8))]
struct Control([u8; 256]);

pub fn read_stamps(fd: BorrowedFd<'_>, stamps: &mut Vec<AckStamp>) -> io::Result<usize> {
    let before = stamps.len();
    for _ in 0..STAMPS_PER_READ {
        match read_error_queue(fd.as_raw_fd()) {
            Ok(stamp) => stamps.extend(stamp),
            Err(Errno::EAGAIN) => break,
            Err(error) => return Err(error.into()),
        }
    }
    Ok(stamps.len() - before)
}

/// The oldest stamp that waits. Whatever `number` stands for, no payload is taken.
pub fn stamp_of(number: RawFd) -> io::Result<Option<AckStamp>> {
    for _ in 0..STAMPS_PER_READ {
        match read_error_queue(number) {
            Ok(None) => {}
            Ok(stamp) => return Ok(stamp),
            Err(Errno::EAGAIN) => break,
            Err(error) => return Err(error.into()),
        }
    }
    Ok(None)
}

/// Takes one message from the error queue; `None` if it is no acknowledgement.
fn read_error_queue(number: RawFd) -> nix::Result<Option<AckStamp>> {
    let mut control = Control([0; 256]);
    let flags = MsgFlags::MSG_ERRQUEUE | MsgFlags::MSG_DONTWAIT;
    let message = recvmsg::<()>(number, &mut [], Some(&mut control.0), flags)?;
    let (mut at, mut offset) = (None, None);
    for part in message.cmsgs()? {
        match part {
            ControlMessageOwned::ScmTimestampsns(times) => at = Some(times.system.into()),
            ControlMessageOwned::Ipv4RecvErr(error, _) | ControlMessageOwned::Ipv6RecvErr(error, _)
                if error.ee_origin == libc::SO_EE_ORIGIN_TIMESTAMPING && error.ee_info == SCM_TSTAMP_ACK =>
            {
                offset = Some(error.ee_data);
            }
            _ => {}
        }
    }
    Ok(at.zip(offset).map(|(at, offset)| AckStamp { offset, at }))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is known of the fields that came after `tcpi_total_retrans`, oldest first.
    #[track_caller]
    fn check(length: usize, known: [bool; 6]) {
        // SAFETY: `tcp_info` is made of integers only, of which zero is a value.
        let info = read_info(&unsafe { mem::zeroed() }, length);
        let seen = [
            info.bytes_acked.is_some() && info.bytes_received.is_some(),
            info.notsent_bytes.is_some() && info.min_rtt.is_some(),
            info.delivery_rate.is_some(),
            info.busy_time.is_some() && info.rwnd_limited.is_some() && info.sndbuf_limited.is_some(),
            info.bytes_sent.is_some() && info.bytes_retrans.is_some(),
            info.snd_wnd.is_some(),
        ];
        assert_eq!(seen, known, "{length} bytes");
    }

    #[test]
    fn what_an_older_kernel_left_out_is_unknown() {
        check(104, [false, false, false, false, false, false]);
        check(136, [true, false, false, false, false, false]);
        check(160, [true, true, false, false, false, false]);
        check(168, [true, true, true, false, false, false]);
        check(192, [true, true, true, true, false, false]);
        check(224, [true, true, true, true, true, false]);
        check(232, [true, true, true, true, true, true]);
        check(231, [true, true, true, true, true, false]);
    }

    #[test]
    fn an_unmeasured_least_round_trip_is_unknown() {
        // SAFETY: as above.
        let mut raw: libc::tcp_info = unsafe { mem::zeroed() };
        raw.tcpi_min_rtt = u32::MAX;
        assert_eq!(read_info(&raw, size_of_val(&raw)).min_rtt, None);
    }
}
