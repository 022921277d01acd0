//! What sets the connections of a window apart from those of the time before.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use axum::Json;
use axum::extract::State;
use diagnose::contrast::{Tally, differences};
use diagnose::text::told;
use http::{HeaderMap, Uri};
use model::filter::Filter;
use model::finding::Finding;
use model::journal::EndedRange;
use model::record::CloseRecord;
use model::{Language, WallTime};

use super::journal;
use crate::Ports;
use crate::body::{Contrast, Explained};
use crate::error::ApiError;
use crate::headers::language;
use crate::query::Query;
use crate::router::Site;

/// Connections of the window that are read, and as many of the time before and of the time after.
const READ_MAX: usize = 50_000;
/// The longest window and the longest time before it.
const SPAN_MAX: Duration = Duration::from_secs(7 * 24 * 3600);
/// What is explained when no window is asked for.
const SPAN: Duration = Duration::from_secs(900);
/// The shortest time that a window is compared with, unless asked otherwise.
const BEFORE_MIN: Duration = Duration::from_secs(300);
/// The longest.
const BEFORE_MAX: Duration = Duration::from_secs(24 * 3600);
/// So many times as long as the window is the time before: what is usual is then known better than what is not.
const BEFORE_TIMES: u32 = 4;

/// `GET /api/v1/explain?from=INSTANT&to=INSTANT&baseline=auto|SECONDS&q=FILTER`
pub(crate) async fn explain(
    State(site): State<Arc<Site>>,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Json<Explained>, ApiError> {
    let mut query = Query::of(&uri)?;
    let times = Times::read(&mut query, SystemTime::now().into())?;
    let filter = query.filter()?;
    query.text("lang");
    query.finish()?;
    let language = language(&uri, &headers);
    site.archivist.ask(move |ports| explained(ports, times, &filter, language)).await?.map(Json)
}

/// The instants that a question is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Times {
    baseline_from: WallTime,
    from: WallTime,
    to: WallTime,
}

impl Times {
    fn read(query: &mut Query, now: WallTime) -> Result<Times, ApiError> {
        let to = query.instant("to")?.unwrap_or(now);
        let from = query.instant("from")?.unwrap_or_else(|| earlier(to, SPAN));
        if from >= to || since(from, to) > SPAN_MAX {
            return Err(ApiError::bad_query("`from` and `to` are no window")
                .hint("`from` is earlier than `to`, by seven days at most"));
        }
        let usual = (since(from, to) * BEFORE_TIMES).clamp(BEFORE_MIN, BEFORE_MAX);
        let before = match query.text("baseline").as_deref() {
            None | Some("auto") => usual,
            Some(seconds) => {
                let seconds = seconds.parse().ok().map(Duration::from_secs);
                seconds.filter(|time| !time.is_zero() && *time <= SPAN_MAX).ok_or_else(|| {
                    ApiError::bad_query("`baseline` is no time before the window")
                        .hint("it is `auto`, or seconds before `from`, such as 3600; seven days at most")
                })?
            }
        };
        Ok(Times { baseline_from: earlier(from, before), from, to })
    }

    /// The window; what ended at `to` belongs to the time after.
    fn window(self) -> EndedRange {
        EndedRange { from: self.from, to: WallTime(self.to.0.saturating_sub(1)) }
    }

    fn before(self) -> EndedRange {
        EndedRange { from: self.baseline_from, to: WallTime(self.from.0.saturating_sub(1)) }
    }

    fn after(self) -> EndedRange {
        EndedRange { from: self.to, ..EndedRange::ALWAYS }
    }
}

fn explained(
    ports: &Ports,
    times: Times,
    filter: &Filter,
    language: Language,
) -> Result<Explained, ApiError> {
    let mut ends = Sides::default();
    let mut openings = Sides::default();
    let mut read = |range, side: fn(&mut Sides) -> Option<&mut Tally>| {
        journal::ended(ports, filter, range, READ_MAX, |record: Arc<CloseRecord>| {
            if let Some(tally) = side(&mut ends) {
                tally.end(&record);
            }
            if let Some(tally) = openings.at(record.opened_at, times) {
                tally.opening(&record);
            }
        })
    };
    let is_complete = read(times.window(), |sides| Some(&mut sides.window))?;
    let baseline_is_complete = read(times.before(), |sides| Some(&mut sides.before))?;
    let rest_is_complete = read(times.after(), |_| None)?;
    for one in ports.connections.live().filter(|one| filter.takes(one)) {
        if let Some(tally) = openings.at(one.opened_at, times) {
            tally.open(&one);
        }
    }
    let all = [ports.findings.active(), ports.findings.over()].concat();
    let findings = all.iter().filter(|finding| overlaps(finding, times));
    Ok(Explained {
        from: times.from,
        to: times.to,
        baseline_from: times.baseline_from,
        is_kept: ports.journal.is_some(),
        ends: ends.contrast(is_complete, baseline_is_complete),
        openings: openings
            .contrast(is_complete && rest_is_complete, baseline_is_complete && rest_is_complete),
        findings: findings.map(|finding| told(finding, language)).collect(),
    })
}

/// What was counted in the window and before.
#[derive(Default)]
struct Sides {
    window: Tally,
    before: Tally,
}

impl Sides {
    /// Where something of an instant counts; none when it is in neither.
    fn at(&mut self, at: WallTime, times: Times) -> Option<&mut Tally> {
        if (times.from..times.to).contains(&at) {
            Some(&mut self.window)
        } else if (times.baseline_from..times.from).contains(&at) {
            Some(&mut self.before)
        } else {
            None
        }
    }

    fn contrast(&self, is_complete: bool, baseline_is_complete: bool) -> Contrast {
        let Sides { window, before } = self;
        Contrast {
            count: window.connections(),
            count_before: before.connections(),
            is_complete,
            baseline_is_complete,
            unlisted: window.unlisted() + before.unlisted(),
            differences: differences(window, before),
        }
    }
}

fn overlaps(finding: &Finding, times: Times) -> bool {
    finding.since.is_none_or(|since| since < times.to)
        && finding.until.is_none_or(|until| until >= times.from)
}

fn since(from: WallTime, to: WallTime) -> Duration {
    Duration::from_nanos(to.0.saturating_sub(from.0))
}

fn earlier(at: WallTime, by: Duration) -> WallTime {
    WallTime(at.0.saturating_sub(u64::try_from(by.as_nanos()).unwrap_or(u64::MAX)))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: WallTime = WallTime(1_800_000_000_000_000_000);

    fn read(query: &str) -> Result<Times, ApiError> {
        let uri = format!("/?{query}").parse().expect("a URI");
        Times::read(&mut Query::of(&uri)?, NOW)
    }

    #[track_caller]
    fn check(query: &str, [baseline_from, from, to]: [u64; 3]) {
        let at = |seconds| WallTime(seconds * 1_000_000_000);
        let expected = Times { baseline_from: at(baseline_from), from: at(from), to: at(to) };
        assert_eq!(read(query).expect(query), expected, "{query}");
    }

    #[test]
    fn the_time_before_follows_from_the_window() {
        check("", [1_799_995_500, 1_799_999_100, 1_800_000_000]);
        check("from=1000000&to=1000010", [999_700, 1_000_000, 1_000_010]);
        check("from=1000000&to=1000100&baseline=auto", [999_600, 1_000_000, 1_000_100]);
        check("from=1000000&to=1100000", [913_600, 1_000_000, 1_100_000]);
        check("from=1000000&to=1000100&baseline=50", [999_950, 1_000_000, 1_000_100]);
    }

    #[test]
    fn what_is_no_window_is_an_error() {
        for query in
            ["from=10&to=10", "from=11&to=10", "from=0&to=604801", "baseline=0", "baseline=yesterday"]
        {
            assert!(read(query).is_err(), "{query}");
        }
    }

    #[test]
    fn an_instant_is_in_the_window_or_before_it() {
        let times = read("from=1000&to=1100&baseline=100").expect("times");
        let mut sides = Sides::default();
        let mut counts = |seconds: u64| {
            let window: *const Tally = &raw const sides.window;
            sides.at(WallTime(seconds * 1_000_000_000), times).map(|tally| std::ptr::eq(tally, window))
        };
        let found = [899, 900, 999, 1000, 1099, 1100].map(&mut counts);
        assert_eq!(found, [None, Some(false), Some(false), Some(true), Some(true), None]);
    }
}
