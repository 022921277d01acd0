//! Templates as people write them for Alertmanager.

use alert::notice::Notice;

use super::*;
use crate::testing::{alert, notice};

/// 2026-11-26 03:04:05.678 UTC.
const NOW_MS: i64 = 1_795_662_245_678;

fn notices() -> Vec<Notice> {
    vec![notice("g", vec![alert("A<1>", NOW_MS - 90_000, None), alert("B", NOW_MS - 60_000, Some(NOW_MS))])]
}

fn expand(text: &str, format: Format) -> Result<String, String> {
    let file = ("own.tmpl".to_owned(), "{{ define \"own\" }}own {{ .Status }}{{ end }}".to_owned());
    let texts = Texts::new(Language::English, &[file])?;
    let text = Text::read("text", text, &texts)?;
    let notices = notices();
    let message = Message { id: "m", notices: &notices, at_ms: NOW_MS, nonce: 0 };
    Filler { texts: &texts, message: &message, language: Language::English, format }.try_to_fill(&text)
}

#[test]
fn templates_see_what_alertmanager_gives() {
    let check = |text: &str, expected: &str| {
        assert_eq!(expand(text, Format::Plain), Ok(expected.to_owned()), "{text}");
    };
    check("plain", "plain");
    check(
        "{{ .Receiver }} {{ .Status | toUpper }} {{ .ExternalURL }}",
        "ops FIRING https://heartline.example.com",
    );
    check("{{ .Alerts.Firing | len }}/{{ len .Alerts }} {{ .Alerts.Resolved | len }}", "1/2 1");
    check("{{ range .Alerts }}{{ .Labels.alertname }}={{ .Status }};{{ end }}", "A<1>=firing;B=resolved;");
    check("{{ range .GroupLabels.SortedPairs }}{{ .Name }}={{ .Value }} {{ end }}", "route=chat ");
    check("{{ .GroupLabels.Values | join \",\" }}{{ join \"-\" .CommonLabels.Names }}", "chatseverity");
    check("{{ (.CommonLabels.Remove .GroupLabels.Names).Values }}", "[critical]");
    check("{{ with .CommonLabels.Remove (stringSlice \"severity\") }}some{{ else }}none{{ end }}", "none");
    check("[{{ .CommonLabels.missing }}]", "[]");
    check("{{ if eq .CommonLabels.missing \"x\" }}x{{ else }}y{{ end }}", "y");
    check("{{ $first := index .Alerts 0 }}{{ $first.Annotations.summary }}", "A<1> is slow");
    check("{{ range .Alerts }}{{ $.Receiver }}{{ end }}", "opsops");
    check("{{ (index .Alerts 0).StartsAt }}", "2026-11-26 03:02:35.678 +0000 UTC");
    check("{{ (index .Alerts 0).EndsAt.IsZero }}", "true");
    check("{{ range .Alerts.Resolved }}{{ .EndsAt.Format \"15:04:05\" }}{{ end }}", "03:04:05");
    check("{{ (((index .Alerts 0).StartsAt).Add 28800e9).Format \"2006-01-02 15:04\" }}", "2026-11-26 11:02");
    check("{{ (index .Alerts 0).StartsAt | tz \"Asia/Shanghai\" | date \"15:04 -07:00\" }}", "11:02 +08:00");
    check("{{ since (index .Alerts 0).StartsAt | humanizeDuration }}", "1m 30s");
    check(
        "{{ .CommonLabels.severity | title }} {{ reReplaceAll \"c(.)\" \"${1}k\" \"critical\" }}",
        "Critical rkitiakl",
    );
    check("{{ if match \"^crit\" .CommonLabels.severity }}yes{{ end }}", "yes");
    check(
        "{{ template \"own\" . }} {{ define \"mine\" }}mine{{ end }}{{ template \"mine\" }}",
        "own firing mine",
    );
    check("{{ template \"slack.default.title\" . }}", "[FIRING:1, RESOLVED:1] 2 alerts route=chat");
    check("{{ toJson .GroupLabels }}", "{\"route\":\"chat\"}");
}

#[test]
fn labels_are_escaped_for_the_channel() {
    let text = "<b>{{ (index .Alerts 0).Labels.alertname }}</b>";
    assert_eq!(expand(text, Format::Html), Ok("<b>A&lt;1&gt;</b>".to_owned()));
}

#[test]
fn what_cannot_be_expanded_is_told() {
    let check = |text: &str, expected: &str| {
        let error = expand(text, Format::Plain).expect_err("wrong");
        assert!(error.contains(expected), "{text}: {error}");
    };
    check("{{ .Status ", "`text` is no template");
    check("{{ end }}", "belongs to nothing");
    check("{{ nonsense 1 }}", "function \"nonsense\" is not defined");
    check("{{ template \"other\" . }}", "the template `other`, which nobody defines");
    check("{{ .Nonsense }}", "there is no field Nonsense");
    check("{{ (index .Alerts 0).StartsAt.Foo }}", "a time has no Foo");
    check("{{ tz \"Europe/Berlin\" (index .Alerts 0).StartsAt }}", "is not known here");
}

#[test]
fn every_default_can_be_called() {
    let texts = Texts::new(Language::English, &[]).expect("templates");
    for name in texts.defines.iter().map(|define| define.name.to_string()) {
        let given = if name.starts_with("__text") || name.ends_with("instances") { ".Alerts" } else { "." };
        let expanded = expand(&format!("{{{{ template {name:?} {given} }}}}"), Format::Plain);
        assert!(expanded.is_ok(), "{name}: {expanded:?}");
    }
}
