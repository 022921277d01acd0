//! Open connections by country.

use model::overview::PerProtocol;
use model::{Protocol, Word as _};

use super::Sink;
use crate::families::{self as f, Family};
use crate::scrape::Countries;

/// Countries that are told apart; there are fewer.
const COUNTRIES_MAX: usize = 250;

/// Gives `sink` the samples of one family.
pub fn visit(family: &'static Family, countries: &Countries, sink: &mut dyn Sink) {
    if *family != f::CONNECTIONS_BY_COUNTRY {
        return;
    }
    let known = countries.iter().filter_map(|(country, count)| Some((country.as_ref()?, count)));
    for (country, count) in known.clone().take(COUNTRIES_MAX) {
        sample(country.as_str(), *count, sink);
    }
    let others =
        known.skip(COUNTRIES_MAX).fold(PerProtocol::default(), |sum: PerProtocol<u64>, (_, count)| {
            PerProtocol::from_fn(|protocol| sum[protocol] + count[protocol])
        });
    sample("other", others, sink);
    sample("unknown", countries.get(&None).copied().unwrap_or_default(), sink);
}

fn sample(country: &str, count: PerProtocol<u64>, sink: &mut dyn Sink) {
    for &protocol in Protocol::ALL {
        let labels = [("protocol", protocol.as_str()), ("country", country)];
        sink.sample("", &labels, count[protocol] as f64);
    }
}
