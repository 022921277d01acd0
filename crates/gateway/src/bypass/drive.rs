//! The task of a connection that speaks HTTP/2: reads, lets h2 do its part, and writes.

use std::cell::RefCell;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::task::{Context, Poll, Waker};

use model::record::What;
use tokio::io::{AsyncRead as _, AsyncWrite as _, ReadBuf};

use super::Link;
use super::outbound::Share;
use crate::clock;
use crate::leg::{Stream, Watch, end_of};

const SCRATCH_BYTES: usize = 64 * 1024;

/// Reads in one turn, so that a busy connection lets others run.
const READS_PER_TURN: usize = 8;

/// What a thread needs for one turn of any connection, so that none has it while it is idle.
struct Scratch {
    bytes: Box<[u8]>,
    /// Connections that have something to write of what was read.
    woken: Vec<Arc<Link>>,
    /// What the kernel has accepted.
    done: Vec<Share>,
}

thread_local! {
    static SCRATCH: RefCell<Scratch> = RefCell::new(Scratch {
        bytes: vec![0; SCRATCH_BYTES].into_boxed_slice(),
        woken: Vec::new(),
        done: Vec::new(),
    });
}

/// A connection and what h2 does with it.
struct Drive<F> {
    stream: Stream,
    watch: Arc<Watch>,
    link: Arc<Link>,
    h2: Pin<Box<F>>,
    /// Wakes h2 alone.
    waker: Waker,
    is_read_over: bool,
    /// Taken to be written, and how much of it is.
    writing: Vec<u8>,
    written: usize,
    /// Bytes that were ever accepted by the stream, and of these those that were flushed.
    accepted: u64,
    flushed: u64,
    /// As the kernel was told.
    unsent_max: u32,
}

/// Why reading has stopped for now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Turn {
    /// The socket has no more, or never will.
    Waits,
    /// It lets others run.
    Yields,
    /// h2 has not taken what it has.
    IsFull,
}

/// Serves a connection that speaks HTTP/2 as long as h2 does, whose connection is the pipe of `link`; `early` are bytes
/// that were read already.
pub fn drive<F: Future>(
    stream: Stream,
    early: &[u8],
    watch: &Arc<Watch>,
    link: &Arc<Link>,
    h2: F,
) -> impl Future<Output = ()> + use<F> {
    link.read(early, clock::now(), &mut Vec::new());
    Drive {
        stream,
        watch: Arc::clone(watch),
        link: Arc::clone(link),
        h2: Box::pin(h2),
        waker: Waker::from(Arc::clone(link)),
        is_read_over: false,
        writing: Vec::new(),
        written: 0,
        accepted: 0,
        flushed: 0,
        unsent_max: u32::MAX,
    }
}

impl<F: Future> Future for Drive<F> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let drive = self.get_mut();
        drive.link.listen(cx.waker());
        let turn = drive.read(cx);
        let is_over = drive.link.take_due()
            && drive.h2.as_mut().poll(&mut Context::from_waker(&drive.waker)).is_ready();
        drive.write(cx);
        if is_over {
            return Poll::Ready(());
        }
        let goes_on = match turn {
            Turn::Waits => false,
            Turn::Yields => true,
            Turn::IsFull => !drive.link.is_full(),
        };
        if goes_on {
            cx.waker().wake_by_ref();
        }
        Poll::Pending
    }
}

impl<F> Drive<F> {
    fn read(&mut self, cx: &mut Context<'_>) -> Turn {
        SCRATCH.with_borrow_mut(|Scratch { bytes, woken, .. }| {
            let turn = self.read_into(bytes, woken, cx);
            woken.drain(..).for_each(|link| link.wake_task());
            turn
        })
    }

    fn read_into(&mut self, scratch: &mut [u8], woken: &mut Vec<Arc<Link>>, cx: &mut Context<'_>) -> Turn {
        for _ in 0..READS_PER_TURN {
            if self.is_read_over {
                return Turn::Waits;
            }
            if self.link.is_full() {
                return Turn::IsFull;
            }
            let mut buffer = ReadBuf::new(scratch);
            match Pin::new(&mut self.stream).poll_read(cx, &mut buffer) {
                Poll::Pending => return Turn::Waits,
                Poll::Ready(Ok(())) if buffer.filled().is_empty() => {
                    self.watch.note_end(What::Fin, None);
                    self.end_read(Ok(()));
                }
                Poll::Ready(Ok(())) => self.link.read(buffer.filled(), clock::now(), woken),
                Poll::Ready(Err(error)) => {
                    self.watch.note_end(end_of(&error), None);
                    self.end_read(Err(error));
                }
            }
        }
        Turn::Yields
    }

    fn end_read(&mut self, end: io::Result<()>) {
        self.is_read_over = true;
        self.link.end_read(end);
    }

    /// Writes as much as the socket takes, and tells of it.
    fn write(&mut self, cx: &mut Context<'_>) {
        let unsent_max = self.link.unsent_max.load(Relaxed);
        if unsent_max != self.unsent_max {
            self.unsent_max = unsent_max;
            self.stream.limit_unsent(unsent_max);
        }
        let written = self.write_all(cx);
        self.link.is_blocked.store(!self.writing.is_empty(), Relaxed);
        let flushed = match written {
            Err(error) => Poll::Ready(Err(error)),
            Ok(()) if self.flushed == self.accepted => Poll::Ready(Ok(())),
            Ok(()) => Pin::new(&mut self.stream).poll_flush(cx),
        };
        match flushed {
            Poll::Pending => {}
            Poll::Ready(Err(error)) => self.break_off(error),
            Poll::Ready(Ok(())) => self.settle(cx),
        }
    }

    fn write_all(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        loop {
            if self.written == self.writing.len() {
                self.writing = self.link.outbound.lock().take();
                self.written = 0;
            }
            if self.writing.is_empty() {
                return Ok(());
            }
            match Pin::new(&mut self.stream).poll_write(cx, &self.writing[self.written..]) {
                Poll::Pending => return Ok(()),
                Poll::Ready(Ok(0)) => return Err(io::ErrorKind::WriteZero.into()),
                Poll::Ready(Ok(written)) => {
                    self.written += written;
                    self.accepted += written as u64;
                }
                Poll::Ready(Err(error)) => return Err(error),
            }
        }
    }

    /// What the stream has accepted is with the kernel.
    fn settle(&mut self, cx: &mut Context<'_>) {
        if self.flushed < self.accepted {
            self.flushed = self.accepted;
            SCRATCH.with_borrow_mut(|scratch| self.link.settle(self.flushed, &mut scratch.done));
        }
        if !self.writing.is_empty() {
            return;
        }
        self.watch.note_flush();
        if self.link.is_ending.load(Relaxed)
            && !self.link.is_shut.load(Relaxed)
            && Pin::new(&mut self.stream).poll_shutdown(cx).is_ready()
        {
            self.link.is_shut.store(true, Relaxed);
        }
        if self.link.is_held_up.swap(false, Relaxed) {
            self.link.make_due();
        }
    }

    /// Nothing can be written any more, so nothing is to be read.
    fn break_off(&mut self, error: io::Error) {
        self.watch.note_end(end_of(&error), None);
        self.writing = Vec::new();
        (self.written, self.flushed) = (0, self.accepted);
        self.link.close();
        self.end_read(Err(error));
        self.link.is_shut.store(true, Relaxed);
        self.link.make_due();
    }
}

impl<F> Drop for Drive<F> {
    fn drop(&mut self) {
        self.link.close();
    }
}
