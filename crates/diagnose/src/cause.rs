//! A cause as the catalogue has it: its manual page, its sentences, and the functions that recognise it.

use model::WallTime;
use model::finding::{Finding, Severity};
pub use model::language::{Text, text};
use model::record::CloseRecord;

use crate::examination::Examination;
use crate::population::{Own, Population};

/// One entry of the catalogue; one file of `causes/`.
#[derive(Debug)]
pub struct Cause {
    /// Its name, used in commands, labels and addresses; never changed.
    pub id: &'static str,
    /// Its number, shown as `HL-101`; never used again for another.
    pub number: u16,
    /// How much it hurts.
    pub severity: Severity,
    /// Its page.
    pub manual: Manual,
    /// Sentences of its findings. Titles have the code `title`.
    pub phrases: &'static [Phrase],
    /// How it is recognised.
    pub signs: Signs,
}

/// How a cause is recognised.
#[derive(Debug)]
pub enum Signs {
    /// By these functions; a vantage without one does not see it.
    Seen {
        /// By a probe's attempts.
        probe: Option<fn(&Examination) -> Option<Finding>>,
        /// By one connection that has ended: facts of protocol alone, which need no second.
        connection: Option<fn(&CloseRecord) -> Option<Finding>>,
        /// By many connections of a gateway.
        population: Option<fn(&Population<'_>) -> Vec<Finding>>,
    },
    /// By what a gateway knows of itself, without any connection.
    Gateway(fn(&Own, WallTime) -> Option<Finding>),
    /// Not from a probe and not from a gateway; why not, and what would show it.
    Hidden(Text),
}

impl Signs {
    /// Seen by a probe alone.
    pub const fn probe(probe: fn(&Examination) -> Option<Finding>) -> Signs {
        Signs::Seen { probe: Some(probe), connection: None, population: None }
    }

    /// Seen in many connections of a gateway alone.
    pub const fn population(population: fn(&Population<'_>) -> Vec<Finding>) -> Signs {
        Signs::Seen { probe: None, connection: None, population: Some(population) }
    }

    /// Seen by a probe, and in many connections of a gateway.
    pub const fn both(
        probe: fn(&Examination) -> Option<Finding>,
        population: fn(&Population<'_>) -> Vec<Finding>,
    ) -> Signs {
        Signs::Seen { probe: Some(probe), connection: None, population: Some(population) }
    }
}

/// A sentence with gaps such as `{status}`, found by its code.
#[derive(Clone, Copy, Debug)]
pub struct Phrase {
    /// Its code, unique within its cause.
    pub code: &'static str,
    /// The sentence.
    pub text: Text,
}

/// A sentence by its code.
pub const fn phrase(code: &'static str, en: &'static str, zh: &'static str) -> Phrase {
    Phrase { code, text: text(en, zh) }
}

/// The manual page of a cause. Markdown, without headings.
#[derive(Debug)]
pub struct Manual {
    /// One line: the cause, not the symptom.
    pub title: Text,
    /// What people see and say.
    pub symptoms: Text,
    /// What tells it, measured on the wire.
    pub evidence: Text,
    /// What looks like it, and how the two are told apart.
    pub look_alikes: Text,
    /// What to change, where, and the check that proves it.
    pub fix: Text,
    /// Standards and documentation behind it.
    pub sources: &'static [&'static str],
}

impl Cause {
    /// Its number as it is shown.
    pub fn code(&self) -> String {
        format!("HL-{}", self.number)
    }
}
