//! What is kept, where and for how long.

use std::path::PathBuf;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use store::{JournalOptions, Options, SeriesOptions};

use super::Problem;

/// What is kept, where and for how long.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct DataConfig {
    /// Directory of series and the journal of connections, made when it is not there. One process has it at a time.
    /// `null` keeps series in memory and no journal; all is gone when the process ends.
    pub dir: Option<PathBuf>,
    /// How long samples are kept, counted from the newest one; from 1 h.
    #[serde(with = "humantime_serde")]
    #[schemars(with = "String")]
    pub retention: Duration,
    /// How long the records of closed connections are kept, in whole days; from 1 day.
    #[serde(with = "humantime_serde")]
    #[schemars(with = "String")]
    pub journal_retention: Duration,
    /// How often this process' own metrics are kept; from 1 s to 5 min.
    #[serde(with = "humantime_serde")]
    #[schemars(with = "String")]
    pub scrape_interval: Duration,
    /// Label `instance` of what is kept; by default the first listener's address.
    pub instance: Option<String>,
}

impl Default for DataConfig {
    fn default() -> Self {
        let Options { series, journal } = Options::default();
        DataConfig {
            dir: Some(PathBuf::from("./heartline-data")),
            retention: series.retention,
            journal_retention: journal.retention,
            scrape_interval: Duration::from_secs(5),
            instance: None,
        }
    }
}

impl DataConfig {
    /// The store's part.
    pub(crate) fn options(&self) -> Options {
        Options {
            series: SeriesOptions { retention: self.retention, ..SeriesOptions::default() },
            journal: JournalOptions { retention: self.journal_retention, ..JournalOptions::default() },
        }
    }

    pub(super) fn problems(&self) -> Vec<Problem> {
        let hours = |count: u64| Duration::from_secs(count * 3600);
        let rules = [
            ("retention", self.retention >= hours(1), "the retention must be at least 1h"),
            ("journal_retention", self.journal_retention >= hours(24), "the retention must be at least 1d"),
            (
                "scrape_interval",
                (1..=300).contains(&self.scrape_interval.as_secs()),
                "the interval must be from 1s to 5m",
            ),
            (
                "instance",
                self.instance.as_ref().is_none_or(|instance| !instance.is_empty()),
                "the instance must not be empty",
            ),
        ];
        let broken = rules.into_iter().filter(|(_, holds, _)| !holds);
        broken
            .map(|(key, _, message)| Problem {
                path: vec!["data".to_owned(), key.to_owned()],
                message: message.to_owned(),
            })
            .collect()
    }
}
