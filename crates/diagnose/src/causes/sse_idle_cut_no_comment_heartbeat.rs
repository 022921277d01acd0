//! A hop ends an event stream that is silent, and nothing keeps it from being silent.

use model::Protocol;
use model::finding::{Finding, Place, Said, Severity};

use crate::attempt::{Attempt, End, Sign};
use crate::cause::{Cause, Manual, Signs, phrase, text};
use crate::claim::Claim;
use crate::examination::Examination;
use crate::experiment::Via;
use crate::population::{Population, timed};

/// See the module.
pub const CAUSE: Cause = Cause {
    id: "sse-idle-cut-no-comment-heartbeat",
    number: 607,
    severity: Severity::Warning,
    manual: Manual {
        title: text(
            "a silent event stream is cut, and no comment keeps it alive",
            "静默的事件流被切断，且没有注释保活",
        ),
        symptoms: text(
            "Reconnections each 60 or 100 s in quiet times; `ERR_INCOMPLETE_CHUNKED_ENCODING`; 524 at \
             Cloudflare.",
            "空闲时每 60 或 100 秒重连一次；`ERR_INCOMPLETE_CHUNKED_ENCODING`；Cloudflare 的 524。",
        ),
        evidence: text(
            "Silent streams end after the same silence T each time, inside the body: the last chunk never \
             comes. Straight to the service they live on. No comment line comes in between.",
            "静默的流每次都在相同的静默时间 T 后于正文中途结束：最后一个分块没有到达。\
             直接连接服务时可以存活。期间没有注释行。",
        ),
        look_alikes: text(
            "`max-lifetime`: goes by age, busy streams end too. `http-server-timeout-applied-to-stream`: \
             straight to the service it is the same. A stream that the service ends: its body ends as \
             announced.",
            "`max-lifetime`：取决于存活时间，繁忙的流也会结束；`http-server-timeout-applied-to-stream`：\
             直接连接服务也一样；由服务结束的流：正文按约定结束。",
        ),
        fix: text(
            "In the service: a comment line (`:` and an empty line) each 15 to 25 s. In the hop that \
             cuts: raise its timeout for this path (nginx `proxy_read_timeout 60s` -> `1h`). Then run the \
             diagnosis with `--checks idle`: silent streams must outlive T.",
            "在服务中：每 15 至 25 秒发送一行注释（`:` 加空行）。在切断的一跳：为该路径提高超时（nginx \
             `proxy_read_timeout 60s` 改为 `1h`）。然后加上 `--checks idle` 重新诊断：静默的流应存活超过 T。",
        ),
        sources: &[
            "WHATWG HTML, section 9.2.7 (a comment line every 15 seconds or so)",
            "https://nginx.org/en/docs/http/ngx_http_proxy_module.html#proxy_read_timeout",
        ],
    },
    phrases: &[
        phrase(
            "idle_title",
            "an event stream is cut after {seconds} of silence",
            "事件流在静默{seconds}后被切断",
        ),
        phrase(
            "cut",
            "A stream was cut inside its body after {seconds} of silence",
            "流在静默{seconds}后于正文中途被切断",
        ),
        phrase(
            "repeated",
            "{count} streams ended after the same silence",
            "{count} 条流在相同的静默时间后结束",
        ),
        phrase(
            "straight_lives",
            "Straight to {upstream} a silent stream lived {seconds}",
            "直接连接 {upstream} 时静默的流存活了 {seconds}",
        ),
        phrase(
            "straight_too",
            "Straight to {upstream} it is cut after the same silence",
            "直接连接 {upstream} 也在相同的静默时间后被切断",
        ),
        phrase("age", "`max-lifetime`: it may go by age", "`max-lifetime`：可能取决于存活时间"),
        phrase("chance", "one end may be by chance", "单次结束可能是偶然"),
        phrase(
            "hold_again",
            "Hold several silent streams, and one straight at the service: `--upstream`, `--checks idle`",
            "保持多条静默的流，并直接在服务上保持一条：`--upstream`、`--checks idle`",
        ),
        phrase(
            "comment",
            "In the service: a comment line (`:`) at least each {period}",
            "在服务中：至少每 {period} 发送一行注释（`:`）",
        ),
        phrase(
            "raise",
            "In the hop that cuts: raise its timeout of {seconds} for this path",
            "在切断的一跳：为该路径提高 {seconds} 的超时",
        ),
        phrase("nginx", "proxy_read_timeout 1h;", "proxy_read_timeout 1h;"),
    ],
    signs: Signs::both(probe, population),
};

fn probe(seen: &Examination) -> Option<Finding> {
    let cuts: Vec<&End> =
        seen.silent(Via::Url).filter(|_| seen.target.protocol == Protocol::Sse).filter_map(cut).collect();
    let end = cuts.first()?;
    let seconds = end.silence;
    if cuts.iter().any(|other| !is_same(seconds, other.silence)) {
        return None;
    }
    let is_busier = cuts.iter().any(|end| end.age > 1.2 * end.silence);
    let outlived = seen.of_open(Via::Url).any(|attempt| attempt.lived() > 1.3 * end.age);
    let straight = seen.silent(Via::Direct);
    let straight: Vec<&Attempt> = straight.collect();
    let lives = straight
        .iter()
        .filter(|attempt| attempt.peer_end().is_none())
        .map(|attempt| attempt.lived())
        .fold(0.0, f64::max);
    let is_cut_straight =
        straight.iter().filter_map(|attempt| cut(attempt)).any(|other| is_same(seconds, other.silence));
    let upstream = seen.target.direct.as_deref().unwrap_or_default();
    let about = |code: &'static str| Said::new(code).with("upstream", upstream);
    let lives = (lives > 1.3 * seconds).then(|| about("straight_lives").seconds("seconds", lives));
    let place = match (&lives, is_cut_straight) {
        (_, true) => Place::Upstream,
        (Some(_), _) => Place::UpstreamLeg,
        _ => Place::Unknown,
    };
    let is_alone = cuts.len() == 1 && lives.is_none() && !is_cut_straight;
    let claim = Claim::of(&CAUSE, place, Said::new("cut").seconds("seconds", seconds))
        .titled(Said::new("idle_title").seconds("seconds", seconds))
        .corroborated((cuts.len() > 1).then(|| Said::new("repeated").with("count", cuts.len())))
        .corroborated(lives)
        .corroborated(is_cut_straight.then(|| about("straight_too")))
        .unless((!is_busier && !outlived).then(|| Said::new("age")))
        .unless(is_alone.then(|| Said::new("chance")))
        .next(Said::new("hold_again"))
        .fix(Said::new("comment").seconds("period", (seconds / 3.0).clamp(0.1, 25.0)));
    Some(claim.fix_by(Said::new("raise").seconds("seconds", seconds), Said::new("nginx")).finding())
}

/// The peer ended a stream in its silence and inside its body.
fn cut(attempt: &Attempt) -> Option<&End> {
    const SILENCE_MIN: f64 = 1.0;
    let end = attempt.peer_end().filter(|end| end.silence >= SILENCE_MIN)?;
    matches!(end.sign, Sign::BodyCut | Sign::Fin | Sign::Rst).then_some(end)
}

/// The same silence, within what timers and their polling differ by.
fn is_same(a: f64, b: f64) -> bool {
    (a - b).abs() <= (0.05 * a).max(0.2)
}

fn population(seen: &Population<'_>) -> Vec<Finding> {
    timed::findings(&CAUSE, seen)
}

#[cfg(test)]
mod tests {
    use model::finding::Level;

    use super::*;
    use crate::attempt::Stream;
    use crate::experiment::{Check, Conduct, Experiment};
    use crate::scene::{Scene, event_stream, found, none};

    fn held(via: Via, silence: f64, age: f64, sign: Option<Sign>) -> Attempt {
        let mut seen = Scene::of(Protocol::Sse).plain(event_stream()).seen();
        let conduct = Conduct::Hold { seconds: 70.0, ping_seconds: None, message_seconds: None };
        let experiment = Experiment { check: Check::Idle, via, vary: None, conduct };
        let is_ours = sign.is_none();
        let end = End { at: age, age, silence, is_ours, sign: sign.unwrap_or(Sign::Fin) };
        Attempt { experiment, ..seen.attempts.remove(0) }
            .streamed(Stream { end: Some(end), ..Stream::default() })
    }

    fn scene() -> Scene {
        Scene::of(Protocol::Sse).direct("10.0.3.7:80")
    }

    fn twice() -> Scene {
        scene().attempt(held(Via::Url, 3.0, 3.0, Some(Sign::BodyCut))).attempt(held(
            Via::Url,
            3.02,
            5.0,
            Some(Sign::BodyCut),
        ))
    }

    #[test]
    fn the_same_silence_each_time() {
        assert_eq!(found(probe, twice(), Level::High).place, Place::Unknown);
        assert_eq!(
            found(probe, twice().attempt(held(Via::Direct, 30.0, 30.0, None)), Level::High).place,
            Place::UpstreamLeg
        );
        let own = twice().attempt(held(Via::Direct, 3.0, 3.0, Some(Sign::BodyCut)));
        assert_eq!(found(probe, own, Level::High).place, Place::Upstream);
    }

    #[test]
    fn silence_is_told_from_age_by_a_stream_that_was_busy() {
        let once = held(Via::Url, 60.0, 60.0, Some(Sign::BodyCut));
        assert_eq!(found(probe, scene().attempt(once.clone()), Level::Medium).not_excluded.len(), 2);
        let straight = scene().attempt(once).attempt(held(Via::Direct, 90.0, 90.0, None));
        assert_eq!(found(probe, straight, Level::Medium).not_excluded[0].code, "age");
    }

    #[test]
    fn look_alikes_are_another_matter() {
        none(probe, scene().attempt(held(Via::Url, 3.0, 3.0, Some(Sign::BodyEnd))));
        none(probe, scene().attempt(held(Via::Url, 0.1, 30.0, Some(Sign::BodyCut))));
        none(probe, scene().attempt(held(Via::Url, 70.0, 70.0, None)));
        let unlike = scene().attempt(held(Via::Url, 3.0, 3.0, Some(Sign::BodyCut)));
        none(probe, unlike.attempt(held(Via::Url, 9.0, 9.0, Some(Sign::BodyCut))));
    }
}
