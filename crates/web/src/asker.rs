//! Asking the ports without holding up the threads that serve sockets.

use std::sync::Arc;

use tokio::sync::Semaphore;

use crate::Ports;
use crate::error::ApiError;

/// Questions that may be answered at the same time; the others wait their turn.
const AT_A_TIME: usize = 2;

/// Asks the ports on blocking threads, a few questions at a time. A snapshot of every connection takes
/// milliseconds, which is too long for a thread that also relays traffic.
#[derive(Clone)]
pub(crate) struct Asker {
    ports: Arc<Ports>,
    turns: Arc<Semaphore>,
}

impl Asker {
    pub(crate) fn new(ports: Ports) -> Asker {
        Asker { ports: Arc::new(ports), turns: Arc::new(Semaphore::new(AT_A_TIME)) }
    }

    /// The same ports with turns of their own, for questions that may take seconds.
    pub(crate) fn apart(&self) -> Asker {
        Asker { ports: Arc::clone(&self.ports), turns: Arc::new(Semaphore::new(AT_A_TIME)) }
    }

    /// The ports, for questions that cost nothing.
    pub(crate) fn ports(&self) -> &Ports {
        &self.ports
    }

    /// Asks when it is this question's turn. A question that began runs to its end, though nobody may wait
    /// for the answer any more.
    ///
    /// # Errors
    /// The one who was asked panicked.
    pub(crate) async fn ask<T: Send + 'static>(
        &self,
        question: impl FnOnce(&Ports) -> T + Send + 'static,
    ) -> Result<T, ApiError> {
        let ports = Arc::clone(&self.ports);
        let turn = Arc::clone(&self.turns).acquire_owned().await;
        let answer = tokio::task::spawn_blocking(move || {
            let _turn = turn;
            question(&ports)
        });
        answer.await.map_err(|error| {
            tracing::error!(%error, "a question of the admin API could not be answered");
            ApiError::internal("the question could not be answered")
        })
    }
}
