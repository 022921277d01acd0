//! What is kept of the past: the store behind the ports of the other rooms, and what fills it.

mod own;

use std::sync::Arc;
use std::time::Duration;

use gateway::clock;
use meter::scrape::{RemoteFacts, StoreFacts, StorePart};
use model::filter::Filter;
use model::id::ConnectionId;
use model::journal::{
    EndedRange, Journal, JournalCount, JournalEntry, JournalError, JournalPage, JournalQuery, JournalSink,
    Opening,
};
use model::ports::{History, Received};
use model::record::CloseRecord;
use model::series::{Labels, Matcher, ReadError, Sample, Series, SeriesSource, TimeRange};
use parking_lot::RwLock;
use remote::Remotes;
use store::series::{Appended, DropReason};
use store::{State, Store};

use crate::Failure;
use crate::config::{DataConfig, RemoteWriteConfig};
pub(crate) use own::{OwnMetrics, Target};

/// The store, seen by the other rooms.
#[derive(Debug)]
pub(crate) struct Kept {
    store: Store,
    is_on_disk: bool,
    /// Where samples go beside the store; none when there is nowhere to, and after the end.
    remotes: RwLock<Option<Remotes>>,
}

impl Kept {
    /// # Errors
    /// The directory is another process', a later version's or another program's; or samples cannot be sent on.
    pub(crate) fn open(config: &DataConfig, remotes: &[RemoteWriteConfig]) -> Result<Arc<Kept>, Failure> {
        let opened = match &config.dir {
            Some(dir) => Store::open(dir, config.options()),
            None => Store::in_memory(config.options()),
        };
        let unusable = |error| {
            Failure::Running(format!("{error}. Give another directory with `--data-dir DIR` or `data.dir`"))
        };
        let store = opened.map_err(unusable)?;
        let mut destinations = Vec::new();
        for remote in remotes {
            let Some(destination) = remote.destination() else { continue };
            let parcels = store.parcels(&destination.queue_name(), remote.queue_bytes).map_err(unusable)?;
            destinations.push((destination, Arc::new(parcels) as _));
        }
        let started = if destinations.is_empty() { Ok(None) } else { Remotes::start(destinations).map(Some) };
        let remotes = RwLock::new(started.map_err(Failure::Running)?);
        Ok(Arc::new(Kept { store, is_on_disk: config.dir.is_some(), remotes }))
    }

    /// Whether there is a journal.
    pub(crate) fn has_journal(&self) -> bool {
        self.is_on_disk
    }

    /// Whether what is kept outlives the process.
    pub(crate) fn is_on_disk(&self) -> bool {
        self.is_on_disk
    }

    /// Small state.
    pub(crate) fn state(&self) -> &State {
        &self.store.state
    }

    /// Takes samples, and sends on those that were taken; others are counted. Does not wait for the disk.
    pub(crate) fn write(&self, samples: &[(Labels, Sample)]) -> Appended {
        let mut sent = Vec::new();
        let sends_on = self.sends_on();
        let appended = self.store.series.append_and_visit(samples, |sample| {
            if sends_on {
                sent.push(sample.clone());
            }
        });
        self.send_on(sent);
        appended
    }

    /// # Errors
    /// Why something does not come to the disk just now.
    pub(crate) fn status(&self) -> Result<(), String> {
        self.store.status()
    }

    /// Waits until all is written, or could not be.
    pub(crate) fn sync(&self) {
        self.store.journal.sync();
        self.store.series.sync();
    }

    /// Sends on what can be sent shortly, and waits until all is written, or could not be.
    pub(crate) fn end(&self) {
        let remotes = self.remotes.write().take();
        drop(remotes);
        self.sync();
    }

    /// Sends samples on; waits for nothing.
    fn send_on(&self, samples: remote::Samples) {
        if let Some(remotes) = self.remotes.read().as_ref().filter(|_| !samples.is_empty()) {
            remotes.give(samples);
        }
    }

    /// Whether samples are sent on.
    fn sends_on(&self) -> bool {
        self.remotes.read().is_some()
    }

    /// For the metrics page.
    pub(crate) fn remote_facts(&self) -> Vec<RemoteFacts> {
        self.remotes.read().as_ref().map(|remotes| remotes.facts(now_ms())).unwrap_or_default()
    }

    /// For the metrics page.
    pub(crate) fn facts(&self) -> StoreFacts {
        let (series, journal) = (self.store.series.stats(), self.store.journal.stats());
        let seconds = |ms: u64| ms as f64 / 1000.0;
        let mut facts = StoreFacts {
            series: series.series,
            samples: series.samples.taken,
            samples_dropped: DropReason::ALL
                .iter()
                .map(|&reason| (reason.as_str(), series.samples.dropped_for(reason)))
                .collect(),
            samples_lost: series.samples_lost,
            head_bytes: series.head_bytes,
            journal_dropped: journal.dropped,
            journal_written: journal.written,
            journal_lost: journal.lost,
            parts: Vec::new(),
        };
        if self.is_on_disk {
            let of_series = StorePart {
                is_kept: self.store.series.status().is_ok(),
                disk_bytes: series.disk_bytes,
                waiting: series.queue_batches,
                write_errors: series.write_errors,
                damaged: series.damaged,
                written_at: seconds(series.written_at_ms),
            };
            let of_journal = StorePart {
                is_kept: self.store.journal.status().is_ok(),
                disk_bytes: journal.disk_bytes,
                waiting: journal.queued,
                write_errors: journal.write_errors,
                damaged: journal.damaged,
                written_at: seconds(journal.written_at_ms),
            };
            facts.parts = vec![("series", of_series), ("journal", of_journal)];
        }
        facts
    }
}

fn now_ms() -> i64 {
    (clock::wall().as_secs_f64() * 1000.0) as i64
}

impl SeriesSource for Kept {
    fn select(
        &self,
        matchers: &[Matcher],
        range: TimeRange,
        samples_max: usize,
    ) -> Result<Vec<Series>, ReadError> {
        self.store.series.select(matchers, range, samples_max)
    }

    fn identities(
        &self,
        matchers: &[Matcher],
        range: TimeRange,
        limit: usize,
    ) -> Result<Vec<Labels>, ReadError> {
        self.store.series.identities(matchers, range, limit)
    }
}

impl History for Kept {
    fn receive(&self, samples: &[(Labels, Sample)]) -> Received {
        let Appended { taken, dropped } = self.write(samples);
        let dropped = |reason: DropReason| dropped[reason as usize];
        Received {
            taken,
            duplicate: dropped(DropReason::Duplicate),
            conflicting: dropped(DropReason::Conflict),
            out_of_order: dropped(DropReason::OutOfOrder),
            series_max: dropped(DropReason::SeriesMax) + dropped(DropReason::UnknownSeries),
            invalid: dropped(DropReason::Labels) + dropped(DropReason::Time),
        }
    }

    fn is_behind(&self) -> bool {
        self.store.series.is_behind() || self.remotes.read().as_ref().is_some_and(Remotes::is_behind)
    }
}

impl JournalSink for Kept {
    fn closed(&self, record: Arc<CloseRecord>) {
        self.store.journal.closed(record);
    }

    fn opened(&self, opening: Opening) {
        self.store.journal.opened(opening);
    }
}

impl Journal for Kept {
    fn page(&self, query: &JournalQuery) -> Result<JournalPage, JournalError> {
        self.store.journal.page(query)
    }

    fn count(
        &self,
        filter: &Filter,
        ended: EndedRange,
        count_max: u64,
        patience: Duration,
    ) -> Result<JournalCount, JournalError> {
        self.store.journal.count(filter, ended, count_max, patience)
    }

    fn one(&self, id: ConnectionId) -> Result<Option<JournalEntry>, JournalError> {
        self.store.journal.one(id)
    }
}
