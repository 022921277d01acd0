//! Samples in Prometheus' text format 0.0.4, as far as exporters use it; see `docs/decisions/host.md`.

use std::borrow::Cow;

/// One sample.
#[derive(Clone, Debug, PartialEq)]
pub struct Sample<'a> {
    /// Name of the metric.
    pub name: &'a str,
    /// Names and values of the labels.
    pub labels: Vec<(&'a str, Cow<'a, str>)>,
    /// Value; NaN and infinities are values too.
    pub value: f64,
}

impl Sample<'_> {
    /// Value of a label.
    pub fn label(&self, name: &str) -> Option<&str> {
        self.labels.iter().find(|(known, _)| *known == name).map(|(_, value)| &**value)
    }
}

/// The samples of a page whose names `wanted` takes; comments and what is no sample are passed over.
pub fn samples(page: &str, wanted: impl Fn(&str) -> bool) -> impl Iterator<Item = Sample<'_>> {
    page.lines().filter_map(move |line| {
        let (name, rest) = split_name(line.trim_start());
        if name.is_empty() || !wanted(name) {
            return None;
        }
        let (labels, rest) = match rest.trim_start().strip_prefix('{') {
            Some(inner) => labels(inner)?,
            None => (Vec::new(), rest),
        };
        let value = rest.split_whitespace().next()?.parse().ok()?;
        Some(Sample { name, labels, value })
    })
}

fn split_name(text: &str) -> (&str, &str) {
    let is_outside = |c: char| !(c.is_ascii_alphanumeric() || c == '_' || c == ':');
    text.split_at(text.find(is_outside).unwrap_or(text.len()))
}

type Labels<'a> = Vec<(&'a str, Cow<'a, str>)>;

/// Labels up to the closing brace, and what follows it.
fn labels(mut text: &str) -> Option<(Labels<'_>, &str)> {
    let mut labels = Vec::new();
    loop {
        text = text.trim_start();
        if let Some(rest) = text.strip_prefix('}') {
            return Some((labels, rest));
        }
        let (name, rest) = split_name(text);
        let quoted = rest.trim_start().strip_prefix('=')?.trim_start().strip_prefix('"')?;
        let end = end_of(quoted)?;
        labels.push((name, unescaped(&quoted[..end])));
        let rest = quoted[end + 1..].trim_start();
        text = rest.strip_prefix(',').unwrap_or(rest);
    }
}

/// Place of the quote that ends a value.
fn end_of(text: &str) -> Option<usize> {
    let mut is_escaped = false;
    text.bytes().position(|byte| {
        let ends = byte == b'"' && !is_escaped;
        is_escaped = byte == b'\\' && !is_escaped;
        ends
    })
}

fn unescaped(text: &str) -> Cow<'_, str> {
    if !text.contains('\\') {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len());
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        match (character, character == '\\') {
            (_, false) => out.push(character),
            (_, true) => match characters.next() {
                Some('n') => out.push('\n'),
                Some(other) => out.push(other),
                None => {}
            },
        }
    }
    Cow::Owned(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(line: &str, name: &str, labels: &[(&str, &str)], value: f64) {
        let labels = labels.iter().map(|(name, value)| (*name, Cow::Borrowed(*value))).collect();
        let found: Vec<Sample<'_>> = samples(line, |_| true).collect();
        assert_eq!(found, [Sample { name, labels, value }], "{line}");
    }

    #[test]
    fn lines() {
        check("a 1", "a", &[], 1.0);
        check("a_total 1.5e+06 1785480000000", "a_total", &[], 1_500_000.0);
        check("  a\t-1 ", "a", &[], -1.0);
        check("a +Inf", "a", &[], f64::INFINITY);
        check("a{} 1", "a", &[], 1.0);
        check("a{b=\"c\"} 1", "a", &[("b", "c")], 1.0);
        check("a{b=\"c\",d=\"e\",} 1", "a", &[("b", "c"), ("d", "e")], 1.0);
        check("a { b = \"c\" , d = \"\" } 1", "a", &[("b", "c"), ("d", "")], 1.0);
        check(r#"a{b="}, \"x\\\n="} 1"#, "a", &[("b", "}, \"x\\\n=")], 1.0);
        check(r#"a{b="\\"} 1"#, "a", &[("b", "\\")], 1.0);
        check("a{b=\"ü€\"} 1", "a", &[("b", "ü€")], 1.0);
    }

    #[test]
    fn no_samples() {
        for line in [
            "",
            "# HELP a 1",
            "# TYPE a gauge",
            "a",
            "a x",
            "a{b=\"c\" 1",
            "a{b} 1",
            "a{b=c} 1",
            "{} 1",
            "ü 1",
        ] {
            assert_eq!(samples(line, |_| true).count(), 0, "{line}");
        }
        assert!(samples("a 1\nb NaN", |name| name == "b").all(|sample| sample.value.is_nan()));
    }
}
