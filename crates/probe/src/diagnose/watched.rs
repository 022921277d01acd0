//! A stream whose socket the kernel is asked about.

use std::io;
use std::os::fd::AsFd as _;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use kernel::{Account, Shown, TcpState};
use model::Moment;
use model::tcp::TcpSample;
use parking_lot::Mutex;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::clock;
use crate::stream::Stream;

/// See the module. A last look is taken before the socket is closed.
#[derive(Debug)]
pub(crate) struct Watched {
    stream: Stream,
    watch: Arc<Watch>,
}

/// What the kernel tells of a socket, also after its end.
#[derive(Debug)]
pub(crate) struct Watch {
    shown: Shown,
    since: Moment,
    last: Mutex<Option<TcpSample>>,
}

impl Watched {
    pub(crate) fn new(stream: Stream) -> Watched {
        let shown = Shown::new(stream.socket().as_fd());
        Watched { stream, watch: Arc::new(Watch { shown, since: clock::now(), last: Mutex::default() }) }
    }

    /// What goes on watching.
    pub(crate) fn watch(&self) -> Arc<Watch> {
        Arc::clone(&self.watch)
    }
}

impl Watch {
    /// The newest numbers; none where the kernel tells nothing.
    pub(crate) fn sample(&self) -> Option<TcpSample> {
        let Some(account) = self.shown.account(None) else { return *self.last.lock() };
        let account: Account = account.ok()?;
        let is_shut = !matches!(account.info.state, TcpState::Established | TcpState::CloseWait);
        let at_seconds = clock::now().since(self.since).as_secs_f32();
        Some(TcpSample { at_seconds, ..account.sample(is_shut) })
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        let last = self.watch.sample();
        *self.watch.last.lock() = last;
        self.watch.shown.hide();
    }
}

impl AsyncRead for Watched {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_read(cx, buf)
    }
}

impl AsyncWrite for Watched {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().stream).poll_write(cx, buf)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(cx)
    }
}
