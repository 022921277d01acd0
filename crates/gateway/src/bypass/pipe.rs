//! What h2 takes for its connection.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use model::Leg;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::Link;
use super::cut::{self, Cutter, Head, Piece, flag, kind};

/// See the module. No waker is kept: who drives the connection polls h2 when it can go on.
#[derive(Debug)]
pub struct Pipe {
    link: Arc<Link>,
    cutter: Cutter,
    /// What h2 has written and not flushed, which it does between header blocks alone.
    written: Vec<u8>,
    /// The highest stream that has begun.
    begun: u32,
    /// The header block that is written ends its stream.
    is_end: bool,
}

impl Pipe {
    pub(super) fn new(link: &Arc<Link>) -> Pipe {
        let cutter = match link.leg {
            Leg::Client => Cutter::new(),
            Leg::Upstream => Cutter::behind_preface(),
        };
        Pipe { link: Arc::clone(link), cutter, written: Vec::new(), begun: 0, is_end: false }
    }

    /// Hands what h2 has written to the one who writes.
    fn hand_over(&mut self) {
        if self.written.is_empty() {
            return;
        }
        let written = std::mem::take(&mut self.written);
        self.link.frames().written(&written);
        let mut cutter = std::mem::take(&mut self.cutter);
        let mut is_to_wake = false;
        // Nothing may stand between the frames of a header block (RFC 9113, section 4.3), and others write here too.
        let mut block = Vec::new();
        cutter.cut(&written, &mut |piece| {
            let goes_on = matches!(piece, Piece::Frame(head, _) if head.is_followed());
            if goes_on || !block.is_empty() {
                block.extend_from_slice(piece.bytes());
            }
            if !goes_on {
                let block = std::mem::take(&mut block);
                let whole = if block.is_empty() { piece.bytes() } else { &block };
                is_to_wake |= self.link.outbound.lock().append(whole);
            }
            if let Piece::Frame(head, frame) = piece {
                self.follow(head, frame);
            }
        });
        self.cutter = cutter;
        if is_to_wake {
            self.link.wake_task();
        }
    }

    /// What a frame of h2 means for the streams.
    fn follow(&mut self, head: Head, frame: &[u8]) {
        match head.kind {
            kind::HEADERS | kind::CONTINUATION => {
                if head.kind == kind::HEADERS {
                    self.begin(head.stream);
                    self.is_end = head.has(flag::END_STREAM);
                }
                match (head.has(flag::END_HEADERS), self.is_end) {
                    (true, true) => self.end(head.stream),
                    (true, false) => self.link.outbound.lock().open(head.stream),
                    (false, _) => {}
                }
            }
            kind::DATA if head.has(flag::END_STREAM) => self.end(head.stream),
            kind::RST_STREAM => self.link.forget(head.stream),
            kind::SETTINGS if head.has(flag::ACK) => {
                let initial = self.link.inbound.lock().acknowledge();
                if let Some(size) = initial {
                    self.link.outbound.lock().set_initial(size);
                }
            }
            kind::GOAWAY => {
                if let Some(last) = cut::number(frame) {
                    self.link.inbound.lock().allow(last);
                }
            }
            _ => {}
        }
    }

    /// A head of a stream; towards the upstream the first one is its beginning.
    fn begin(&mut self, stream: u32) {
        if self.link.leg == Leg::Upstream && stream > self.begun {
            self.begun = stream;
            self.link.inbound.lock().ask(stream);
            self.link.outbound.lock().begin(stream);
        }
    }

    fn end(&self, stream: u32) {
        let waiting = self.link.outbound.lock().remove(stream);
        super::lose(waiting);
    }
}

impl AsyncRead for Pipe {
    fn poll_read(self: Pin<&mut Self>, _: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        self.link.poll_read(buf)
    }
}

impl AsyncWrite for Pipe {
    fn poll_write(mut self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        if self.link.holds_up(false) {
            return Poll::Pending;
        }
        self.written.extend_from_slice(bytes);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.hand_over();
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.hand_over();
        if self.link.holds_up(true) { Poll::Pending } else { Poll::Ready(Ok(())) }
    }
}
