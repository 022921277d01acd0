//! The default message: what it says, and that it fits.

use alert::notice::Notice;
use model::series::Labels;
use proptest::prelude::*;

use super::*;
use crate::testing::{alert, notice};

/// 2026-11-26 03:04:05 UTC.
const NOW_MS: i64 = 1_795_662_245_000;

fn notices(alerts: usize) -> Vec<Notice> {
    let alerts = (0..alerts).map(|index| alert(&format!("A{index}"), NOW_MS - 90_061_000, None));
    vec![notice("g", alerts.collect())]
}

#[test]
fn a_message_says_what_since_when_and_where() {
    let check = |language: Language, title: &str, body: &str| {
        let document = Document::new(&notices(1), language, NOW_MS);
        assert_eq!((&*document.title, &*document.body(Format::Plain, Limit::bytes(1000))), (title, body));
    };
    check(
        Language::English,
        "[FIRING:1] A0 route=chat",
        "A0 firing since 2026-11-25 02:03:04 UTC (1 d 1 h)\nA0 is slow\nseverity=critical\n\n\
         Dashboard: https://heartline.example.com",
    );
    check(
        Language::Chinese,
        "【告警 1】 A0 route=chat",
        "A0 触发于 2026-11-25 02:03:04 UTC (1 天 1 小时)\nA0 is slow\nseverity=critical\n\n\
         仪表盘: https://heartline.example.com",
    );
}

#[test]
fn the_link_leads_to_the_route() {
    let link = |routes: &[&str]| {
        let mut notices = notices(routes.len());
        for (alert, route) in notices[0].alerts.iter_mut().zip(routes) {
            alert.labels = Labels::new([("alertname", "A"), ("route", *route)]);
        }
        Document::new(&notices, Language::English, NOW_MS).dashboard
    };
    let at = |filter: &str| format!("https://heartline.example.com/#/connections?set=closed&q={filter}");
    assert_eq!(link(&["chat", "chat"]), at("route%3Achat"));
    assert_eq!(link(&["a b&c"]), at("route%3A%22a+b%26c%22"));
    assert_eq!(link(&["chat", "feed"]), "https://heartline.example.com");
    assert_eq!(link(&[""]), "https://heartline.example.com");
}

#[test]
fn a_finding_is_told_once_in_a_message() {
    let explained = |language: Language, texts: &[(&str, &str)]| {
        let mut notices = notices(2);
        for alert in &mut notices[0].alerts {
            let texts = texts.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned()));
            alert.annotations.extend(texts);
        }
        let body = Document::new(&notices, language, NOW_MS).body(Format::Slack, Limit::bytes(2000));
        let is_about =
            |line: &&str| ["Cause", "Fix", "原因", "处理："].iter().any(|word| line.starts_with(word));
        body.lines().filter(is_about).map(str::to_owned).collect::<Vec<_>>()
    };
    let texts = [
        ("finding", "silent ones are cut\n(sure, 98 %)"),
        ("finding_fix", "beat"),
        ("finding_url", "https://gw/findings/x"),
        ("finding_2", "<b>"),
    ];
    let english = [
        "Cause: silent ones are cut (sure, 98 %) · <https://gw/findings/x|Finding>",
        "Fix: beat",
        "Cause: &lt;b&gt;",
    ];
    assert_eq!(explained(Language::English, &texts), english);
    let chinese = ["原因：静默（确定，98 %）", "处理：心跳"];
    let texts = [("finding", "静默（确定，98 %）"), ("finding_fix", "心跳")];
    assert_eq!(explained(Language::Chinese, &texts), chinese);
    assert!(explained(Language::English, &[]).is_empty());
}

#[test]
fn a_digest_counts_its_groups() {
    let mut both = notices(2);
    both.push(notice("h", vec![alert("B", NOW_MS - 1000, Some(NOW_MS))]));
    let document = Document::new(&both, Language::English, NOW_MS);
    assert_eq!(document.title, "[FIRING:2, RESOLVED:1] 2 groups");
    assert!(document.body(Format::Plain, Limit::bytes(9000)).contains("B resolved at"));
}

#[test]
fn what_has_no_room_is_counted() {
    let document = Document::new(&notices(10), Language::English, NOW_MS);
    let body = document.body(Format::Plain, Limit::bytes(250));
    let shown = body.matches(" firing since ").count();
    assert!(shown > 0);
    let more = format!("\n\n… +{} more: https://heartline.example.com", 10 - shown);
    assert!(body.ends_with(&more), "{body}");
}

proptest! {
    /// Whatever labels say and however short a message must be: it fits, and no markup is open.
    #[test]
    fn a_message_fits(
        names in prop::collection::vec("[a-zA-Z<>&*`\\[\\]|_延迟😀 ]{0,30}", 1..6),
        summary in ".{0,80}",
        max in 60usize..600,
        unit in 0usize..3,
    ) {
        let limit = [Limit::bytes(max), Limit::chars(max), Limit::utf16(max)][unit];
        let alerts = names.iter().map(|name| {
            let mut alert = alert(name, NOW_MS, None);
            alert.annotations[0].1.clone_from(&summary);
            alert.generator_url = "https://heartline.example.com/graph".to_owned();
            alert
        });
        let notices = [notice("g", alerts.collect())];
        let document = Document::new(&notices, Language::English, NOW_MS);
        for format in [Format::Plain, Format::Slack, Format::Markdown, Format::Lark, Format::CommonMark, Format::Html, Format::Telegram] {
            let body = document.body(format, limit);
            prop_assert!(limit.holds(&body), "{format:?} {}: {body}", limit.length(&body));
            if matches!(format, Format::Html | Format::Telegram) {
                prop_assert_eq!(body.matches("<b>").count(), body.matches("</b>").count());
                prop_assert_eq!(body.matches("<a href=").count(), body.matches("</a>").count());
                prop_assert_eq!(body.matches('"').count() % 2, 0);
            }
            if format == Format::Slack {
                prop_assert_eq!(body.matches('<').count(), body.matches('>').count());
            }
        }
    }

    /// A body is as long as it may be at most, whatever its serializer does to the text.
    #[test]
    fn a_body_fits(text in "[\\x00-\\x7f]{0,3000}", max in 200usize..2000) {
        let make = |room: usize| serde_json::to_vec(&Limit::bytes(room).cut(&text)).expect("text");
        prop_assert!(body_within(max, make).len() <= max);
    }
}
