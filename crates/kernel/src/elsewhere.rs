//! Stands in for `linux.rs` on other systems: every question is answered with an error.

use std::io::{self, IoSlice};
use std::os::fd::{BorrowedFd, RawFd};

use crate::{AcceptQueue, Account, AckStamp, TcpInfo};

fn unavailable<T>() -> io::Result<T> {
    Err(io::Error::new(io::ErrorKind::Unsupported, "not available on this system: needs Linux"))
}

pub fn tcp_info(_: BorrowedFd<'_>) -> io::Result<TcpInfo> {
    unavailable()
}

pub fn accept_queue(_: BorrowedFd<'_>) -> io::Result<AcceptQueue> {
    unavailable()
}

pub fn account_of(_: RawFd, _: Option<u64>) -> io::Result<Account> {
    unavailable()
}

pub fn unread_bytes(_: BorrowedFd<'_>) -> io::Result<u32> {
    unavailable()
}

pub fn queued_bytes(_: BorrowedFd<'_>) -> io::Result<u32> {
    unavailable()
}

pub fn unsent_bytes(_: BorrowedFd<'_>) -> io::Result<u32> {
    unavailable()
}

pub fn enable_stamps(_: BorrowedFd<'_>) -> io::Result<()> {
    unavailable()
}

pub fn send_stamped(_: BorrowedFd<'_>, _: &[IoSlice<'_>]) -> io::Result<usize> {
    unavailable()
}

pub fn read_stamps(_: BorrowedFd<'_>, _: &mut Vec<AckStamp>) -> io::Result<usize> {
    unavailable()
}

pub fn stamp_of(_: RawFd) -> io::Result<Option<AckStamp>> {
    unavailable()
}
