//! One JSON line for each close record, written by a thread of its own.

use std::fs::OpenOptions;
use std::io::{self, BufWriter, Write};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;

use model::record::CloseRecord;

/// Records that wait for the disk; beyond it they are dropped and counted.
const WAITING_MAX: usize = 16_384;

/// See the module.
#[derive(Debug)]
pub struct AccessLog {
    waiting: Option<SyncSender<Arc<CloseRecord>>>,
    dropped: AtomicU64,
    writer: Option<JoinHandle<()>>,
}

impl AccessLog {
    /// Appends to the file at `path`; `-` is standard output.
    ///
    /// # Errors
    /// The file cannot be opened for appending.
    pub fn open(path: &Path) -> io::Result<AccessLog> {
        let sink: Box<dyn Write + Send> = if path == Path::new("-") {
            Box::new(io::stdout())
        } else {
            Box::new(OpenOptions::new().create(true).append(true).open(path)?)
        };
        let (waiting, records) = sync_channel(WAITING_MAX);
        let writer = std::thread::Builder::new()
            .name("access-log".to_owned())
            .spawn(move || write_all(&records, BufWriter::new(sink)))?;
        Ok(AccessLog { waiting: Some(waiting), dropped: AtomicU64::new(0), writer: Some(writer) })
    }

    /// Hands over a record; drops it when too many wait.
    pub fn write(&self, record: Arc<CloseRecord>) {
        let is_taken = self.waiting.as_ref().is_some_and(|waiting| waiting.try_send(record).is_ok());
        if !is_taken && self.dropped.fetch_add(1, Relaxed) == 0 {
            tracing::warn!("the access log cannot keep up: lines are dropped");
        }
    }

    /// Records dropped so far.
    pub fn dropped(&self) -> u64 {
        self.dropped.load(Relaxed)
    }
}

impl Drop for AccessLog {
    fn drop(&mut self) {
        self.waiting = None;
        if let Some(writer) = self.writer.take()
            && writer.join().is_err()
        {
            tracing::error!("the access log writer panicked");
        }
    }
}

fn write_all(records: &Receiver<Arc<CloseRecord>>, mut sink: BufWriter<Box<dyn Write + Send>>) {
    let mut has_failed = false;
    while let Ok(first) = records.recv() {
        let written = std::iter::once(first)
            .chain(records.try_iter())
            .try_for_each(|record| {
                serde_json::to_writer(&mut sink, &*record)?;
                sink.write_all(b"\n")
            })
            .and_then(|()| sink.flush());
        if let Err(error) = written
            && !std::mem::replace(&mut has_failed, true)
        {
            tracing::error!(%error, "the access log cannot be written: lines are lost");
        }
    }
}
