//! Expected texts are promtool's own (2.42), and those that Prometheus publishes (`template/template_test.go`).

use model::series::{Labels, Sample};
use promql::VectorSample;

use super::*;

fn sample(labels: &[(&str, &str)], value: f64) -> VectorSample {
    VectorSample { labels: Labels::new(labels.iter().copied()), sample: Sample { timestamp_ms: 0, value } }
}

fn answer(query: &str) -> Result<Vec<VectorSample>, String> {
    match query {
        "two" => Ok(vec![
            sample(&[("instance", "b"), ("__value__", "bee")], 22.0),
            sample(&[("instance", "a")], 11.0),
        ]),
        "min(x{route=\"chat\"})" => Ok(vec![sample(&[], 60.0)]),
        "none" => Ok(Vec::new()),
        _ => Err("this query fails".to_owned()),
    }
}

fn expanded(text: &str, value: f64) -> String {
    let labels = Labels::new([("__name__", "up"), ("route", "chat"), ("job", "heartline")]);
    let data = Data {
        labels: &labels,
        value,
        external_labels: &vec![("region".to_owned(), "eu".to_owned())],
        external_url: "http://example.com:9090/path",
        at_ms: 1_500,
    };
    assert_eq!(check(text), Ok(()), "{text}");
    expand("A", text, &data, &answer)
}

#[track_caller]
fn check_numbers(value: f64, plain: &str, si: &str, binary: &str, duration: &str, percentage: &str) {
    let printed = "{{ print $value }}|{{ printf \"%v\" $value }}";
    assert_eq!(expanded(printed, value), [plain, plain].join("|"));
    let text = "{{ $value }}|{{ humanize $value }}|{{ humanize1024 .Value }}|{{ $value | humanizeDuration }}\
                |{{ $value | humanizePercentage }}";
    assert_eq!(expanded(text, value), [plain, si, binary, duration, percentage].join("|"));
}

#[test]
fn numbers_are_those_of_promtool() {
    check_numbers(0.0, "0", "0", "0", "0s", "0%");
    check_numbers(0.1, "0.1", "100m", "0.1", "100ms", "10%");
    check_numbers(0.1 + 0.2, "0.30000000000000004", "300m", "0.3", "300ms", "30%");
    check_numbers(0.0001, "0.0001", "100u", "0.0001", "100us", "0.01%");
    check_numbers(0.00001, "1e-05", "10u", "1e-05", "10us", "0.001%");
    check_numbers(59.9994, "59.9994", "60", "60", "60s", "6000%");
    check_numbers(999.9999, "999.9999", "1000", "1000", "16m 39s", "1e+05%");
    check_numbers(86400.0, "86400", "86.4k", "84.38ki", "1d 0h 0m 0s", "8.64e+06%");
    check_numbers(100000.0, "100000", "100k", "97.66ki", "1d 3h 46m 40s", "1e+07%");
    check_numbers(1e6, "1e+06", "1M", "976.6ki", "11d 13h 46m 40s", "1e+08%");
    check_numbers(1048576.0, "1.048576e+06", "1.049M", "1Mi", "12d 3h 16m 16s", "1.049e+08%");
    check_numbers(123456789.0, "1.23456789e+08", "123.5M", "117.7Mi", "1428d 21h 33m 9s", "1.235e+10%");
    check_numbers(-0.5, "-0.5", "-500m", "-0.5", "-500ms", "-50%");
    check_numbers(f64::NAN, "NaN", "NaN", "NaN", "NaN", "NaN%");
    check_numbers(f64::INFINITY, "+Inf", "+Inf", "+Inf", "+Inf", "+Inf%");
    check_numbers(f64::NEG_INFINITY, "-Inf", "-Inf", "-Inf", "-Inf", "-Inf%");
}

#[track_caller]
fn check_text(text: &str, expected: &str) {
    assert_eq!(expanded(text, 22.0), expected, "{text}");
}

#[test]
fn numbers_are_those_of_prometheus() {
    check_text("{{ humanize 1234567.0 }} {{ humanize .12 }}", "1.235M 120m");
    check_text("{{ humanize1024 1048576 }} {{ humanize1024 \"1024\" }}", "1Mi 1ki");
    check_text("{{ humanizeDuration 899.99 }} {{ humanizeDuration .12345 }}", "14m 59s 123.5ms");
    check_text("{{ humanizeDuration -183845 }}", "-2d 3h 4m 5s");
    check_text("{{ humanizePercentage .1234567 }}", "12.35%");
    check_text("{{ 1435065584.128 | humanizeTimestamp }}", "2015-06-23 13:19:44.128 +0000 UTC");
    check_text("{{ 1435065584 | toTime }}", "2015-06-23 13:19:44 +0000 UTC");
    check_text(
        "{{ 3600.0 | toDuration }} {{ 1.5 | toDuration }} {{ 0.002 | toDuration }}",
        "1h0m0s 1.5s 2ms",
    );
    check_text("{{ parseDuration \"1h2m10ms\" }} {{ now }}", "3720.01 1.5");
    check_text("{{ humanizeDuration 1e20 }}", "213503982334601d 7h 0m 15s");
}

#[test]
fn labels_are_texts() {
    check_text("no template {", "no template {");
    check_text("{{ $labels.route }} {{ .Labels.job }} {{ $externalLabels.region }}", "chat heartline eu");
    check_text("[{{ $labels.missing }}] [{{ $labels.missing | toUpper }}]", "[] []");
    check_text("{{ if eq $labels.missing \"\" }}empty{{ end }}", "empty");
    check_text("{{ with $labels.missing }}there{{ else }}absent{{ end }}", "absent");
    check_text(
        "{{ range $k, $v := $labels }}{{ $k }}={{ $v }};{{ end }}",
        "__name__=up;job=heartline;route=chat;",
    );
    check_text(
        "{{ printf \"%q %.2f %v %s\" $labels.route $value $value $labels.job }}",
        "\"chat\" 22.00 22 heartline",
    );
    check_text("a {{- \" b \" -}} c", "a b c");
    check_text("{{ $x := 1 }}{{ range $i, $e := query \"two\" }}{{ $x = $i }}{{ end }}{{ $x }}", "1");
    check_text("{{ $labels }}", "map[__name__:up job:heartline route:chat]");
}

#[test]
fn printf_is_that_of_go() {
    check_text("{{ printf \"%.1f%% of %v %s %d\" $value 1e6 \"a\" 3 }}", "22.0% of 1e+06 a 3");
    check_text("{{ printf \"%.3g %e\" $value $value }} {{ 1e6 | printf \"%v\" }}", "22 2.200000e+01 1e+06");
    check_text("{{ printf \"no verb\" }} {{ printf \"%v %v\" $labels.route true }}", "no verb chat true");
}

#[test]
fn queries_are_answered() {
    check_text("{{ query \"two\" | first | value }}", "22");
    check_text(
        "{{ range query \"two\" | sortByLabel \"instance\" }}{{ .Labels.instance }}:{{ .Value }} {{ end }}",
        "a:11 b:22 ",
    );
    check_text(
        "{{ with query \"two\" }}{{ . | first | label \"instance\" }}{{ . | first | strvalue }}{{ end }}",
        "bbee",
    );
    check_text("{{ with query \"none\" }}some{{ else }}none{{ end }}{{ len (query \"two\") }}", "none2");
    let nested = "{{ with printf `min(x{route=%q})` $labels.route | query }}{{ . | first | value | humanizeDuration }}{{ end }}";
    check_text(nested, "1m 0s");
    check_text(
        "{{ query \"two\" }}",
        "[map[Labels:map[__value__:bee instance:b] Value:22] map[Labels:map[instance:a] Value:11]]",
    );
}

#[test]
fn texts_are_changed() {
    check_text(
        "{{ title \"hello wORLD\" }} {{ toUpper \"a\" }} {{ toLower \"B\" }}",
        "Hello WORLD a b".replace("a b", "A b").as_str(),
    );
    check_text("{{ match \"[a-z]+\" \"abc\" }} {{ match \"^c\" \"abc\" }}", "true false");
    check_text("{{ reReplaceAll \"(a)b\" \"x$1\" \"ab\" }}", "xa");
    check_text("{{ graphLink \"up > 1\" }}", "/graph?g0.expr=up+%3E+1&g0.tab=0");
    check_text("{{ tableLink \"up\" }}", "/graph?g0.expr=up&g0.tab=1");
    check_text(
        "{{ stripPort \"localhost:99999\" }} {{ stripPort \"[::1]:80\" }} {{ stripPort \"a\" }}",
        "localhost ::1 a",
    );
    check_text(
        "{{ stripDomain \"foo.bar.org:80\" }} {{ stripDomain \"10.0.0.1:80\" }}",
        "foo:80 10.0.0.1:80",
    );
    check_text("{{ urlQueryEscape \"a b&c\" }} {{ safeHtml \"<b>\" }}", "a+b%26c <b>");
    check_text(
        "{{ externalURL }} {{ pathPrefix }} {{ $externalURL }}",
        "http://example.com:9090/path /path http://example.com:9090/path",
    );
    check_text(
        "{{ define \"x\" }}{{ .arg0 }}-{{ .arg1 }}{{ end }}{{ template \"x\" (args 1 \"b\") }}",
        "1-b",
    );
    check_text("{{ define \"x\" }}[{{ . }}]{{ end }}{{ tmpl \"x\" 5 }}", "[5]");
}

#[track_caller]
fn check_failure(text: &str, part: &str) {
    let text = expanded(text, 1.0);
    assert!(text.starts_with("<error expanding template: ") && text.contains(part), "{text}");
}

#[test]
fn failures_are_told_in_the_text() {
    check_failure("{{ query \"none\" | first | value }}", "first() called on vector with no elements");
    check_failure("{{ query \"broken\" }}", "this query fails");
    check_failure("{{ humanize \"x\" }}", "`x` is not a number");
    check_failure("{{ \"x\" | first }}", "error executing template __alert_A");
    check_failure("{{ define \"x\" }}{{ tmpl \"x\" . }}{{ end }}{{ tmpl \"x\" 1 }}", "too deep");
    check_failure("{{ template \"absent\" }}", "absent");
}

#[test]
fn a_template_that_cannot_be_read_is_found_at_load() {
    for text in [
        "{{ $labels.a",
        "{{ nosuch 1 }}",
        "{{ if }}",
        "{{ end }}",
        "{{ if true }}a{{ end }}b{{ end }}",
        "{{ else }}",
        "{{ break }}",
        "{{ $undefined }}",
        "{{ range }}",
    ] {
        assert!(check(text).is_err(), "{text}");
    }
}
