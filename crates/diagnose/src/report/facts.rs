//! What was measured, in one line for each kind.

use model::finding::Param;
use model::language::{Language, text as t};
use model::{Protocol, Word as _};

use super::paint::Marks;
use crate::attempt::{Attempt, Sign, StageName};
use crate::examination::Examination;
use crate::experiment::{Conduct, Vary, Via};
use crate::plan::FOREIGN_ORIGIN;
use crate::text::shown;

/// Cells of the longest bar.
const BAR: f64 = 50.0;

/// The stages of the plain attempt, and what the other checks came to.
pub(super) fn lines(seen: &Examination, language: Language, is_verbose: bool) -> Vec<String> {
    let mut lines = Vec::new();
    let Some(plain) = seen.plain() else { return lines };
    let mut stages: Vec<String> = plain
        .stages
        .iter()
        .map(|stage| {
            let word = stage.fault.map(|fault| format!(" {}", fault.as_str())).unwrap_or_default();
            let extra = if stage.name == StageName::Tls { tls(plain) } else { String::new() };
            format!("{} {}{extra}{word}", stage.name.as_str(), duration(stage.seconds, language))
        })
        .collect();
    if let Some(answer) = &plain.answer {
        stages.push(format!("-> {}", answer.status));
    }
    lines.push(stages.join("   "));
    if let Some(stage) = plain.failed().filter(|stage| !stage.detail.is_empty()) {
        lines.push(format!("{}: {}", stage.name.as_str(), stage.detail));
    }
    if let Some(answer) = plain.answer.as_ref().filter(|_| !plain.is_open()) {
        lines.extend(answer.field("server").map(|server| format!("< server: {server}")));
        lines.extend(answer.field("location").map(|location| format!("< location: {location}")));
        lines.extend((!answer.body.is_empty()).then(|| format!("< {}", first_line(&answer.body))));
    }
    lines.extend(passed(seen, language));
    lines.extend(seen.is_cut.then(|| cut(seen, language)));
    if is_verbose {
        lines.extend(seen.attempts.iter().map(|attempt| one(attempt, language)));
    }
    lines
}

/// What was not measured, and how it would be.
fn cut(seen: &Examination, language: Language) -> String {
    let undone = seen.undone.iter().map(|check| check.as_str()).collect::<Vec<_>>().join(", ");
    match language {
        Language::English => {
            format!("the time was over before all of this was measured: {undone}; see --timeout")
        }
        Language::Chinese => format!("时间已到，以下测量未全部完成：{undone}；见 --timeout"),
    }
}

fn tls(plain: &Attempt) -> String {
    let Some(tls) = &plain.tls else { return String::new() };
    let parts: Vec<&str> = [tls.version.as_deref(), tls.alpn.as_deref()].into_iter().flatten().collect();
    if parts.is_empty() { String::new() } else { format!(" ({})", parts.join(", ")) }
}

/// What was tried and held.
fn passed(seen: &Examination, language: Language) -> Option<String> {
    let mut parts = Vec::new();
    let held = seen
        .silent(Via::Url)
        .filter(|hold| hold.peer_end().is_none())
        .map(Attempt::lived)
        .fold(0.0, f64::max);
    if held > 1.0 && seen.silent(Via::Url).all(|hold| hold.peer_end().is_none()) {
        parts.push(format!(
            "{} >= {}",
            t("idle survives", "空闲存活").of(language),
            duration(held, language)
        ));
    }
    let largest = seen.attempts.iter().filter_map(|attempt| match attempt.experiment.conduct {
        Conduct::Send { bytes, .. } if attempt.experiment.via == Via::Url && is_echoed(attempt) => {
            Some(bytes)
        }
        _ => None,
    });
    if let Some(bytes) = largest.max() {
        let size = shown(&Param::Bytes(bytes), language);
        parts.push(match language {
            Language::English => format!("messages up to {size} pass"),
            Language::Chinese => format!("{size} 以内的消息可通过"),
        });
    }
    parts.extend(foreign(seen, language));
    let certificate = seen.plain().and_then(|plain| plain.tls.as_ref()?.certificate.as_ref());
    if let Some(certificate) = certificate.filter(|certificate| certificate.ends_in_seconds > 0.0) {
        let days = (certificate.ends_in_seconds / 86_400.0).floor();
        parts.push(match language {
            Language::English => format!("certificate {days} d left"),
            Language::Chinese => format!("证书剩余 {days} 天"),
        });
    }
    (!parts.is_empty()).then(|| parts.join("   "))
}

/// Whether pages of any site may use it: a WebSocket when it opens for them, an event stream when they may also read it
/// (WHATWG Fetch, section 3.3).
fn foreign(seen: &Examination, language: Language) -> Option<String> {
    let origin = Vary::Origin(FOREIGN_ORIGIN.to_owned());
    let made =
        seen.with(&origin).filter(|made| made.is_over() && seen.plain().is_some_and(Attempt::is_open))?;
    let allowed = made.answer.as_ref().and_then(|answer| answer.field("access-control-allow-origin"));
    let is_readable = seen.target.protocol != Protocol::Sse
        || allowed.is_some_and(|allowed| matches!(allowed, "*" | FOREIGN_ORIGIN));
    let said = if made.is_open() && is_readable {
        t("pages of any origin may use it", "任何来源的页面都可使用")
    } else {
        t("pages of other origins may not use it", "其他来源的页面不可使用")
    };
    Some(said.of(language).to_owned())
}

fn is_echoed(attempt: &Attempt) -> bool {
    attempt.stream.as_ref().is_some_and(|stream| stream.echoes.iter().any(Option::is_some))
}

/// The connections that were held, as bars; none when none was cut.
pub(super) fn holds(seen: &Examination, language: Language, marks: Marks) -> Vec<String> {
    let holds = || {
        let is_hold = |attempt: &&Attempt| matches!(attempt.experiment.conduct, Conduct::Hold { .. });
        seen.attempts.iter().filter(is_hold).filter(|attempt| attempt.is_open())
    };
    if holds().all(|hold| hold.peer_end().is_none()) {
        return Vec::new();
    }
    let longest = holds().map(Attempt::lived).fold(0.0, f64::max).max(0.001);
    let bar = |hold: &Attempt| {
        let cells = (hold.lived() / longest * BAR).round();
        let open: String = std::iter::repeat_n(marks.open, cells as usize).collect();
        let end = if hold.peer_end().is_some() { marks.cut } else { marks.on };
        format!("|{open}{end}")
    };
    let label = |hold: &Attempt| {
        let how = match hold.experiment.conduct {
            Conduct::Hold { message_seconds: Some(each), .. } => {
                format!(
                    "{} {}",
                    t("message each", "每隔一段时间发消息").of(language),
                    duration(each, language)
                )
            }
            Conduct::Hold { ping_seconds: Some(each), .. } => {
                format!("ping {} {}", t("each", "间隔").of(language), duration(each, language))
            }
            _ => t("silent", "静默").of(language).to_owned(),
        };
        let way =
            if hold.experiment.via == Via::Direct { t(", straight", "，直连").of(language) } else { "" };
        format!("{how}{way}")
    };
    let said = |hold: &Attempt| match hold.peer_end() {
        Some(end) => format!("{}  {}", duration(end.age, language), sign(&end.sign)),
        None => format!("{} {}", t("survived", "存活").of(language), duration(hold.lived(), language)),
    };
    holds().map(|hold| format!("{}  {}  {}", bar(hold), said(hold), label(hold))).collect()
}

/// How a stream ended, in words of the wire.
pub(super) fn sign(sign: &Sign) -> String {
    match sign {
        Sign::Close(code, reason) => {
            let code = code.map_or_else(String::new, |code| format!(" {}", code.0));
            let reason = if reason.is_empty() { String::new() } else { format!(" \"{reason}\"") };
            format!("Close{code}{reason}")
        }
        Sign::Fin => "FIN".to_owned(),
        Sign::Rst => "RST".to_owned(),
        Sign::TcpTimeout => "ETIMEDOUT".to_owned(),
        Sign::BodyEnd => "end of body".to_owned(),
        Sign::BodyCut => "body cut".to_owned(),
        Sign::RstStream(error) => format!("RST_STREAM {}", error.as_str()),
        Sign::GoAway(error, debug) => format!("GOAWAY {} {debug}", error.as_str()).trim_end().to_owned(),
        Sign::Tls(what) => format!("TLS: {what}"),
        Sign::Broken(what) => format!("HTTP/2: {what}"),
    }
}

/// One attempt, for `-v`.
fn one(attempt: &Attempt, language: Language) -> String {
    let experiment = &attempt.experiment;
    let way = if experiment.via == Via::Direct { " direct" } else { "" };
    let vary = experiment.vary.as_ref().map(|vary| format!(" {vary:?}")).unwrap_or_default();
    let came = match (attempt.failed(), attempt.status(), attempt.peer_end()) {
        (_, _, Some(end)) => format!("{} {}", sign(&end.sign), duration(end.age, language)),
        (Some(stage), status, _) => {
            let status = status.map_or_else(String::new, |status| format!(" {status}"));
            format!("{}: {}{status}", stage.name.as_str(), stage.fault.map_or("", |fault| fault.as_str()))
        }
        (None, Some(status), None) => status.to_string(),
        (None, None, None) => "ok".to_owned(),
    };
    format!("{:11} {:?}{vary}{way}  {came}", experiment.check.as_str(), experiment.conduct)
}

fn duration(seconds: f64, language: Language) -> String {
    shown(&Param::Seconds(seconds), language)
}

fn first_line(text: &str) -> String {
    text.lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or_default().chars().take(80).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::experiment::Check;
    use crate::scene::{Scene, answer, event_stream};

    #[test]
    fn pages_of_other_origins() {
        let foreign = |scene: Scene, answer| {
            let scene = scene.with(Check::Origin, Vary::Origin(FOREIGN_ORIGIN.to_owned()), answer);
            foreign(&scene.seen(), Language::English).map(|said| said.contains("any origin"))
        };
        let socket = || Scene::websocket().plain(answer(101));
        assert_eq!(foreign(socket(), answer(101)), Some(true));
        assert_eq!(foreign(socket(), answer(403)), Some(false));
        assert_eq!(foreign(Scene::websocket().plain(answer(404)), answer(404)), None);
        let events = || Scene::sse().plain(event_stream());
        let allowed = |origin| event_stream().and("access-control-allow-origin", origin);
        assert_eq!(foreign(events(), event_stream()), Some(false), "it opens and is not to be read");
        assert_eq!(foreign(events(), allowed("*")), Some(true));
        assert_eq!(foreign(events(), allowed(FOREIGN_ORIGIN)), Some(true));
    }
}
