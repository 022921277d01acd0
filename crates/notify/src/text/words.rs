//! The words of the default message, in each language.

use std::collections::BTreeSet;

use alert::notice::Notice;
use serde::Deserialize;

/// Language of the default message.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
pub enum Language {
    /// English.
    #[default]
    #[serde(rename = "en")]
    English,
    /// Chinese.
    #[serde(rename = "zh-CN", alias = "zh")]
    Chinese,
}

/// Words that take nothing in.
pub(crate) struct Words {
    pub(crate) alert: &'static str,
    pub(crate) firing_since: &'static str,
    pub(crate) resolved_at: &'static str,
    pub(crate) lasted: &'static str,
    pub(crate) cause: &'static str,
    pub(crate) fix: &'static str,
    pub(crate) finding: &'static str,
    pub(crate) runbook: &'static str,
    pub(crate) acknowledge: &'static str,
    pub(crate) source: &'static str,
    pub(crate) dashboard: &'static str,
}

const ENGLISH: Words = Words {
    alert: "Alert",
    firing_since: "firing since",
    resolved_at: "resolved at",
    lasted: "after",
    cause: "Cause: ",
    fix: "Fix: ",
    finding: "Finding",
    runbook: "Runbook",
    acknowledge: "Acknowledge",
    source: "Source",
    dashboard: "Dashboard",
};

const CHINESE: Words = Words {
    alert: "告警",
    firing_since: "触发于",
    resolved_at: "恢复于",
    lasted: "持续",
    cause: "原因：",
    fix: "处理：",
    finding: "诊断",
    runbook: "处理手册",
    acknowledge: "确认",
    source: "来源",
    dashboard: "仪表盘",
};

impl Language {
    pub(crate) fn words(self) -> &'static Words {
        match self {
            Language::English => &ENGLISH,
            Language::Chinese => &CHINESE,
        }
    }

    /// How many fire and how many have ended.
    pub(crate) fn counts(self, (firing, resolved): (usize, usize)) -> String {
        match (self, firing, resolved) {
            (Language::English, _, 0) => format!("[FIRING:{firing}]"),
            (Language::English, 0, _) => format!("[RESOLVED:{resolved}]"),
            (Language::English, ..) => format!("[FIRING:{firing}, RESOLVED:{resolved}]"),
            (Language::Chinese, _, 0) => format!("【告警 {firing}】"),
            (Language::Chinese, 0, _) => format!("【恢复 {resolved}】"),
            (Language::Chinese, ..) => format!("【告警 {firing}，恢复 {resolved}】"),
        }
    }

    /// So many groups of alerts.
    pub(crate) fn groups(self, count: usize) -> String {
        match self {
            Language::English => format!("{count} groups"),
            Language::Chinese => format!("{count} 组告警"),
        }
    }

    /// So many alerts of different names.
    pub(crate) fn alerts(self, count: usize) -> String {
        match (self, count) {
            (Language::English, 1) => "1 alert".to_owned(),
            (Language::English, _) => format!("{count} alerts"),
            (Language::Chinese, _) => format!("{count} 条告警"),
        }
    }

    /// So many that are not shown.
    pub(crate) fn more(self, count: usize) -> String {
        match self {
            Language::English => format!("… +{count} more"),
            Language::Chinese => format!("… 另有 {count} 条"),
        }
    }

    /// A length of time with its two largest units.
    pub(crate) fn duration(self, ms: i64) -> String {
        let units = match self {
            Language::English => [" d", " h", " min", " s"],
            Language::Chinese => [" 天", " 小时", " 分钟", " 秒"],
        };
        let seconds = ms.max(0) / 1000;
        let parts = [seconds / 86_400, seconds / 3600 % 24, seconds / 60 % 60, seconds % 60];
        let first = parts.iter().position(|part| *part > 0).unwrap_or(3);
        let shown = parts.iter().zip(units).skip(first).take(2).filter(|(part, _)| **part > 0);
        let texts: Vec<String> = shown.map(|(part, unit)| format!("{part}{unit}")).collect();
        if texts.is_empty() { format!("0{}", units[3]) } else { texts.join(" ") }
    }
}

/// What is said on the telephone: names and how many, nothing else.
pub(crate) fn spoken(notices: &[Notice], language: Language) -> String {
    let is_over = notices.iter().all(Notice::is_resolved);
    let told =
        || notices.iter().flat_map(|notice| &notice.alerts).filter(|alert| alert.is_resolved == is_over);
    let names: BTreeSet<&str> = told().map(|alert| alert.labels.get("alertname")).collect();
    let names: Vec<&str> = names.into_iter().filter(|name| !name.is_empty()).take(3).collect();
    let count = told().count();
    match language {
        Language::English if is_over => format!("Heartline. Alerts resolved: {count}. {}.", names.join(", ")),
        Language::Chinese if is_over => {
            format!("Heartline 告警恢复。已恢复 {count} 条：{}。", names.join("，"))
        }
        Language::English => format!("Heartline alarm. Alerts firing: {count}. {}.", names.join(", ")),
        Language::Chinese => format!("Heartline 告警。正在触发 {count} 条：{}。", names.join("，")),
    }
}

/// `2026-11-26 03:04:05 UTC`, of milliseconds since the Unix epoch.
pub(crate) fn time(ms: i64) -> String {
    let text = rfc3339(ms.div_euclid(1000) * 1000);
    format!("{} {} UTC", &text[..10], &text[11..19])
}

/// `2026-11-26T03:04:05.678Z`, of milliseconds since the Unix epoch; Go's zero time for 0.
pub(crate) fn rfc3339(ms: i64) -> String {
    if ms == 0 {
        return "0001-01-01T00:00:00Z".to_owned();
    }
    let (days, of_day) = (ms.div_euclid(86_400_000), ms.rem_euclid(86_400_000));
    let (year, month, day) = civil(days);
    let (hour, minute) = (of_day / 3_600_000, of_day / 60_000 % 60);
    let (second, milli) = (of_day / 1000 % 60, of_day % 1000);
    let fraction = if milli == 0 { String::new() } else { format!(".{milli:03}") };
    let fraction = fraction.trim_end_matches('0');
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}{fraction}Z")
}

/// Year, month and day of a day since the Unix epoch, in the Gregorian calendar: years begin in March here, so that
/// the leap day is their last.
pub(crate) fn civil(days: i64) -> (i64, i64, i64) {
    const DAYS_OF_400_YEARS: i64 = 146_097;
    let days = days + 719_468;
    let (era, of_era) = (days.div_euclid(DAYS_OF_400_YEARS), days.rem_euclid(DAYS_OF_400_YEARS));
    let year = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let from_march = (5 * of_year + 2) / 153;
    let day = of_year - (153 * from_march + 2) / 5 + 1;
    let month = if from_march < 10 { from_march + 3 } else { from_march - 9 };
    (year + era * 400 + i64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_spoken_says_whether_it_is_over() {
        use crate::testing::{alert, notice};
        let check = |ends: [Option<i64>; 2], expected: [&str; 2]| {
            let notices = [notice("g", vec![alert("A", 1, ends[0]), alert("B", 1, ends[1])])];
            assert_eq!(
                [Language::English, Language::Chinese].map(|language| spoken(&notices, language)),
                expected
            );
        };
        check(
            [None, Some(2)],
            ["Heartline alarm. Alerts firing: 1. A.", "Heartline 告警。正在触发 1 条：A。"],
        );
        let over = ["Heartline. Alerts resolved: 2. A, B.", "Heartline 告警恢复。已恢复 2 条：A，B。"];
        check([Some(2), Some(2)], over);
    }

    #[test]
    fn times_are_those_of_the_calendar() {
        // As `date -u -d @N` shows them.
        let check = |seconds: i64, expected: &str| assert_eq!(time(seconds * 1000), expected);
        check(1, "1970-01-01 00:00:01 UTC");
        check(951_782_400, "2000-02-29 00:00:00 UTC");
        check(1_582_163_555, "2020-02-20 01:52:35 UTC");
        check(4_107_542_399, "2100-02-28 23:59:59 UTC");
        check(4_107_542_400, "2100-03-01 00:00:00 UTC");
        assert_eq!(rfc3339(1_582_163_555_120), "2020-02-20T01:52:35.12Z");
        assert_eq!(rfc3339(0), "0001-01-01T00:00:00Z");
    }

    #[test]
    fn lengths_of_time_have_two_units() {
        let check = |seconds: i64, english: &str, chinese: &str| {
            let ms = seconds * 1000;
            assert_eq!(
                (Language::English.duration(ms), Language::Chinese.duration(ms)),
                (english.to_owned(), chinese.to_owned())
            );
        };
        check(-5, "0 s", "0 秒");
        check(59, "59 s", "59 秒");
        check(60, "1 min", "1 分钟");
        check(3661, "1 h 1 min", "1 小时 1 分钟");
        check(90_061, "1 d 1 h", "1 天 1 小时");
    }
}
