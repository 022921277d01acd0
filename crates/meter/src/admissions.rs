//! What the guard has decided of one route.

use model::{AdmissionReason, Decision, Word as _};

use crate::cells::Counts;

/// One counter for each decision and reason.
#[derive(Debug)]
pub struct Admissions([Counts<AdmissionReason>; Decision::ALL.len()]);

impl Default for Admissions {
    fn default() -> Self {
        Admissions(std::array::from_fn(|_| Counts::default()))
    }
}

impl Admissions {
    /// Adds one.
    pub fn inc(&self, decision: Decision, reason: AdmissionReason) {
        self.0[decision.index()].inc(reason);
    }

    /// The sum so far.
    pub fn get(&self, decision: Decision, reason: AdmissionReason) -> u64 {
        self.0[decision.index()].get(reason)
    }

    /// All that can be decided, with how often it was.
    pub fn each(&self, mut see: impl FnMut(Decision, AdmissionReason, u64)) {
        for &reason in AdmissionReason::ALL {
            for &decision in reason.decisions() {
                see(decision, reason, self.get(decision, reason));
            }
        }
    }
}
