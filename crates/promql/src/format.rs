//! Numbers as Go writes them: the fewest digits that tell a value from its neighbours.

/// As in `count_values` and templates: never with an exponent (`strconv.FormatFloat(v, 'f', -1, 64)`).
pub fn float(value: f64) -> String {
    if value.is_nan() {
        "NaN".to_owned()
    } else if value.is_infinite() {
        if value > 0.0 { "+Inf".to_owned() } else { "-Inf".to_owned() }
    } else {
        format!("{value}")
    }
}

/// As in answers of Prometheus' HTTP API: with an exponent below 1e-6 and from 1e21 on.
pub fn api_float(value: f64) -> String {
    let size = value.abs();
    if size == 0.0 || !size.is_finite() || (1e-6..1e21).contains(&size) {
        return float(value);
    }
    let text = format!("{value:e}");
    let (digits, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    let (sign, exponent) = exponent.strip_prefix('-').map_or(('+', exponent), |exponent| ('-', exponent));
    format!("{digits}e{sign}{exponent:0>2}")
}

/// As labels of histograms and summaries: a whole number has a point (OpenMetrics, `1.0`).
pub fn label_float(value: f64) -> String {
    let text = api_float(value);
    let is_whole = value.is_finite() && !text.contains(['.', 'e']);
    if is_whole { text + ".0" } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(value: f64, plain: &str, api: &str, label: &str) {
        assert_eq!((&*float(value), &*api_float(value), &*label_float(value)), (plain, api, label));
    }

    #[test]
    fn floats_are_written_as_in_go() {
        check(0.0, "0", "0", "0.0");
        check(-0.0, "-0", "-0", "-0.0");
        check(1.0, "1", "1", "1.0");
        check(0.1, "0.1", "0.1", "0.1");
        check(1e20, "100000000000000000000", "100000000000000000000", "100000000000000000000.0");
        check(1.5e21, "1500000000000000000000", "1.5e+21", "1.5e+21");
        check(1e-7, "0.0000001", "1e-07", "1e-07");
        check(-2.5e-300, &format!("{}", -2.5e-300), "-2.5e-300", "-2.5e-300");
        check(f64::NAN, "NaN", "NaN", "NaN");
        check(f64::INFINITY, "+Inf", "+Inf", "+Inf");
        check(f64::NEG_INFINITY, "-Inf", "-Inf", "-Inf");
    }
}
