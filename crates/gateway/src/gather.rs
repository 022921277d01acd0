//! A task that lets others go first, so that what they leave for it is done at once.
//!
//! The streams of an HTTP/2 connection hand their frames to the task of the connection, which writes them. tokio runs a
//! task that was just woken before all others; the connection would be written to after each stream's frame, with a
//! system call for each. When its task goes to the end of the queue instead, the frames of all streams that are ready
//! go out together.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use pin_project_lite::pin_project;

pin_project! {
    /// See the module.
    pub struct Gathering<F> {
        #[pin]
        inner: F,
        has_waited: bool,
    }
}

/// Runs `inner`, each time that it is woken, after those tasks that are ready then.
pub fn gathering<F: Future>(inner: F) -> Gathering<F> {
    Gathering { inner, has_waited: false }
}

impl<F: Future> Future for Gathering<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let this = self.project();
        if !*this.has_waited {
            *this.has_waited = true;
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        *this.has_waited = false;
        this.inner.poll(cx)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use parking_lot::Mutex;

    use super::*;

    /// One thread runs tasks in the order in which they were spawned.
    #[tokio::test]
    async fn what_is_ready_goes_first() {
        let order = Arc::new(Mutex::new(Vec::new()));
        let note = |name| {
            let order = Arc::clone(&order);
            async move { order.lock().push(name) }
        };
        let writer = tokio::spawn(gathering(note("writer")));
        let streams = ["one", "two"].map(|name| tokio::spawn(note(name)));
        writer.await.expect("it does not panic");
        for stream in streams {
            stream.await.expect("it does not panic");
        }
        assert_eq!(*order.lock(), ["one", "two", "writer"]);
    }
}
