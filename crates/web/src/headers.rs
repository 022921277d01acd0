//! What requests prefer: `Accept`, `Accept-Encoding` and `Accept-Language` (RFC 9110, section 12.5).

use http::header::{ACCEPT, ACCEPT_ENCODING, ACCEPT_LANGUAGE, HeaderName};
use http::{HeaderMap, Uri};
use model::Language;
use model::ports::MetricsFormat;

/// One member of a preference list.
struct Preference<'a> {
    value: &'a str,
    parameters: Vec<(&'a str, &'a str)>,
    /// 0 is "not acceptable".
    quality: f32,
}

fn preferences(headers: &HeaderMap, name: HeaderName) -> Vec<Preference<'_>> {
    let lines = headers.get_all(name).iter().filter_map(|value| value.to_str().ok());
    lines.flat_map(|line| line.split(',')).map(preference).collect()
}

fn preference(member: &str) -> Preference<'_> {
    let mut parts = member.split(';').map(str::trim);
    let value = parts.next().unwrap_or_default();
    let mut quality = 1.0;
    let mut parameters = Vec::new();
    for (name, value) in parts.filter_map(|part| part.split_once('=')) {
        match name.trim() {
            "q" => quality = value.trim().parse().unwrap_or(0.0),
            name => parameters.push((name, value.trim().trim_matches('"'))),
        }
    }
    Preference { value, parameters, quality }
}

/// The metrics format that a request prefers. OpenMetrics only for who names it, in its version 1.0.0.
pub(crate) fn metrics_format(headers: &HeaderMap) -> MetricsFormat {
    let preferences = preferences(headers, ACCEPT);
    let best = |media_type: &str, version: &str| {
        let fits = |preference: &&Preference<'_>| {
            let asked = preference.parameters.iter().find(|(name, _)| *name == "version");
            preference.value.eq_ignore_ascii_case(media_type)
                && asked.is_none_or(|(_, asked)| *asked == version)
        };
        preferences.iter().filter(fits).map(|preference| preference.quality).fold(0.0, f32::max)
    };
    let open_metrics = best("application/openmetrics-text", "1.0.0");
    if open_metrics > 0.0 && open_metrics >= best("text/plain", "0.0.4") {
        MetricsFormat::OpenMetrics
    } else {
        MetricsFormat::Text
    }
}

/// Form of a recording.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RecordingFormat {
    /// A list.
    Json,
    /// One event a line.
    JsonLines,
    /// HTTP Archive 1.2.
    Har,
}

/// The form of a recording that a request prefers: a list unless another one is named.
pub(crate) fn recording_format(headers: &HeaderMap) -> RecordingFormat {
    let preferences = preferences(headers, ACCEPT);
    let best = |names: &[&str]| {
        let fits = |preference: &&Preference<'_>| {
            names.iter().any(|name| preference.value.eq_ignore_ascii_case(name))
        };
        preferences.iter().filter(fits).map(|preference| preference.quality).fold(0.0, f32::max)
    };
    let json = best(&["application/json"]);
    let (lines, har) =
        (best(&["application/jsonl", "application/x-ndjson"]), best(&["application/har+json"]));
    match () {
        () if lines > json && lines >= har => RecordingFormat::JsonLines,
        () if har > json => RecordingFormat::Har,
        () => RecordingFormat::Json,
    }
}

/// The language of `?lang=`, or else the one that a request prefers, or else English.
pub(crate) fn language(uri: &Uri, headers: &HeaderMap) -> Language {
    let query = uri.query().unwrap_or_default().as_bytes();
    let asked = form_urlencoded::parse(query).find(|(name, _)| name == "lang");
    if let Some(language) = asked.and_then(|(_, tag)| Language::of_tag(&tag)) {
        return language;
    }
    let mut liked = preferences(headers, ACCEPT_LANGUAGE);
    liked.retain(|preference| preference.quality > 0.0);
    liked.sort_by(|a, b| b.quality.total_cmp(&a.quality));
    liked.iter().find_map(|preference| Language::of_tag(preference.value)).unwrap_or(Language::English)
}

/// A compressed form in which the dashboard's files are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Encoding {
    Brotli,
    Gzip,
}

impl Encoding {
    /// All of them, smallest result first.
    pub(crate) const ALL: [Encoding; 2] = [Encoding::Brotli, Encoding::Gzip];

    /// Content coding as HTTP names it.
    pub(crate) fn token(self) -> &'static str {
        match self {
            Encoding::Brotli => "br",
            Encoding::Gzip => "gzip",
        }
    }

    /// What the file's name ends with.
    pub(crate) fn suffix(self) -> &'static str {
        match self {
            Encoding::Brotli => ".br",
            Encoding::Gzip => ".gz",
        }
    }
}

/// The encodings that a request takes, smallest result first.
pub(crate) fn encodings(headers: &HeaderMap) -> impl Iterator<Item = Encoding> {
    let preferences = preferences(headers, ACCEPT_ENCODING);
    Encoding::ALL.into_iter().filter(move |encoding| {
        let named =
            preferences.iter().find(|preference| preference.value.eq_ignore_ascii_case(encoding.token()));
        named.is_some_and(|preference| preference.quality > 0.0)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(name: HeaderName, value: &str) -> HeaderMap {
        HeaderMap::from_iter([(name, value.parse().expect("a header value"))])
    }

    #[test]
    fn metrics_formats() {
        let check = |accept: &str, expected| {
            assert_eq!(metrics_format(&one(ACCEPT, accept)), expected, "{accept}");
        };
        use MetricsFormat::{OpenMetrics, Text};
        check("*/*", Text);
        check("", Text);
        check("text/html,application/xhtml+xml;q=0.9,*/*;q=0.8", Text);
        check("application/openmetrics-text", OpenMetrics);
        check("application/openmetrics-text; version=1.0.0; charset=utf-8", OpenMetrics);
        check("application/openmetrics-text;version=\"1.0.0\"", OpenMetrics);
        check("application/openmetrics-text;version=0.0.1", Text);
        check("application/openmetrics-text;version=1.0.0;q=0", Text);
        check("application/openmetrics-text;version=1.0.0;q=0.2,text/plain;version=0.0.4;q=0.5", Text);
        check(
            "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.5,\
             application/openmetrics-text;version=0.0.1;q=0.4,text/plain;version=1.0.0;q=0.3,\
             text/plain;version=0.0.4;q=0.2,*/*;q=0.1",
            OpenMetrics,
        );
        assert_eq!(metrics_format(&HeaderMap::new()), Text);
    }

    #[test]
    fn languages() {
        use Language::{Chinese, English};
        let check = |query: &str, accept: &str, expected| {
            let uri = format!("/{query}").parse().expect("a URI");
            assert_eq!(language(&uri, &one(ACCEPT_LANGUAGE, accept)), expected, "{query} {accept}");
        };
        check("", "", English);
        check("", "zh-CN,zh;q=0.9,en;q=0.8", Chinese);
        check("", "de, en;q=0.5, zh;q=0.7", Chinese);
        check("", "zh;q=0, fr", English);
        check("?lang=zh", "en", Chinese);
        check("?a=b&lang=en-GB", "zh", English);
        check("?lang=xx", "zh", Chinese);
    }

    #[test]
    fn content_codings() {
        let check = |accept: &str, expected: &[Encoding]| {
            assert_eq!(encodings(&one(ACCEPT_ENCODING, accept)).collect::<Vec<_>>(), expected, "{accept}");
        };
        check("gzip, deflate, br, zstd", &[Encoding::Brotli, Encoding::Gzip]);
        check("br;q=0, GZIP;q=0.1", &[Encoding::Gzip]);
        check("identity", &[]);
        check("*", &[]);
        check("brx", &[]);
        check("gzip;q=high", &[]);
    }
}
