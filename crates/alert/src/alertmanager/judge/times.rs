//! Time intervals of an `alertmanager.yml`.

use std::collections::BTreeMap;

use serde_saphyr::Spanned;

use super::super::interval::{self, Span, TimeInterval};
use super::super::raw::{self, Texts};
use super::Judge;
use crate::rules::{place, text};

type Named = Vec<Spanned<raw::NamedIntervals>>;

impl Judge {
    /// Both kinds; their names are of one space.
    pub(super) fn intervals(
        &mut self,
        mute: Option<Spanned<Named>>,
        others: Option<Named>,
    ) -> BTreeMap<String, Vec<TimeInterval>> {
        if let Some(mute) = &mute {
            self.warn(place(mute), "`mute_time_intervals` is deprecated: call it `time_intervals`");
        }
        let mut known = BTreeMap::new();
        let all = mute.into_iter().flat_map(|mute| mute.value).chain(others.unwrap_or_default());
        for named in all {
            let at = named.value.name.as_ref().map_or(place(&named), place);
            let name = named.value.name.as_ref().map(text).unwrap_or_default().to_owned();
            let intervals = named.value.time_intervals.unwrap_or_default();
            let intervals = intervals.into_iter().map(|raw| self.time_interval(raw)).collect();
            if name.is_empty() {
                self.report(at, "a time interval needs a `name`");
            } else if known.insert(name.clone(), intervals).is_some() {
                self.report(at, format!("the time interval `{name}` is repeated"));
            }
        }
        known
    }

    fn time_interval(&mut self, raw: raw::Interval) -> TimeInterval {
        let times = raw.times.map(|times| {
            let spans = times.iter().filter_map(|spelled| {
                let of = |time: &Option<_>| time.as_ref().map(text).unwrap_or_default().to_owned();
                let (start, end) = (of(&spelled.value.start_time), of(&spelled.value.end_time));
                self.take(place(spelled), interval::times(&start, &end))
            });
            spans.collect()
        });
        let location = raw.location.and_then(|spelled| {
            let found = self.take(place(&spelled), interval::location(text(&spelled)))?;
            if found.is_none() {
                self.warn(place(&spelled), "`Local` is taken for UTC here: name the zone");
            }
            found
        });
        TimeInterval {
            times,
            weekdays: self.spans(raw.weekdays, interval::weekdays),
            days_of_month: self.spans(raw.days_of_month, interval::days_of_month),
            months: self.spans(raw.months, interval::months),
            years: self.spans(raw.years, interval::years),
            location,
        }
    }

    fn spans(&mut self, spelled: Texts, parse: fn(&str) -> Result<Span, String>) -> Option<Vec<Span>> {
        let spans =
            spelled?.into_iter().filter_map(|spelled| self.take(place(&spelled), parse(text(&spelled))));
        Some(spans.collect())
    }
}
