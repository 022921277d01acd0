//! What people said of findings that outlives the process: one text with all doubts.

use std::sync::Arc;

use diagnose::population::Doubted;

use crate::history::Kept;

/// Name of the text.
const NAME: &str = "findings/doubts";

/// Version of its form.
const VERSION: u32 = 1;

/// Where doubts are kept.
pub(super) struct KeptDoubts {
    kept: Arc<Kept>,
    trouble: Option<String>,
}

impl KeptDoubts {
    pub(super) fn new(kept: Arc<Kept>) -> KeptDoubts {
        KeptDoubts { kept, trouble: None }
    }

    /// What an earlier process kept; nothing when it cannot be read.
    pub(super) fn load(&self) -> Vec<Doubted> {
        let read = || match self.kept.state().load(NAME).map_err(|error| error.to_string())? {
            Some(text) if text.version == VERSION => {
                serde_json::from_str(&text.text).map_err(|error| error.to_string())
            }
            Some(_) => Err("a later version wrote it".to_owned()),
            None => Ok(Vec::new()),
        };
        read().unwrap_or_else(|error| {
            tracing::warn!(error, "what people said of findings could not be read");
            Vec::new()
        })
    }

    /// Keeps these in place of those before. Failures are logged once, until it works again.
    pub(super) fn save(&mut self, doubts: &[Doubted]) {
        let text = serde_json::to_string(doubts).map_err(|error| error.to_string());
        let kept = self.kept.state();
        let saved = text.and_then(|text| kept.save(NAME, VERSION, &text).map_err(|error| error.to_string()));
        let known = self.trouble.take();
        if let Err(error) = saved {
            if known.as_ref() != Some(&error) {
                tracing::warn!(error, "what people said of findings could not be kept");
            }
            self.trouble = Some(error);
        }
    }
}
