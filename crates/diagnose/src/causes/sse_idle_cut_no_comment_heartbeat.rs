//! A hop ends an event stream that is silent, and nothing keeps it from being silent.

use model::Protocol;
use model::finding::{Finding, Place, Said, Severity};

use crate::cause::{Cause, Manual, Signs, phrase, text};
use crate::examination::Examination;
use crate::experiment::Via;
use crate::holds::{self, Clock, Manner, Owner};
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
            "own_end",
            "`http-server-timeout-applied-to-stream`: the service itself may end it",
            "`http-server-timeout-applied-to-stream`：可能由服务自身结束",
        ),
        phrase(
            "idle_title",
            "an event stream is cut after {seconds} of silence",
            "事件流在静默{seconds}后被切断",
        ),
        phrase("age", "`max-lifetime`: it may go by age", "`max-lifetime`：可能取决于存活时间"),
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
    let timer = holds::timer(seen, Via::Url).filter(|timer| {
        let is_idle = matches!(timer.clock, Clock::Silence | Clock::Unknown);
        seen.target.protocol == Protocol::Sse && timer.manner == Manner::Wordless && is_idle
    })?;
    let owner = holds::owner(seen, &timer);
    let place = match owner {
        Owner::Service => return None,
        Owner::Hop => Place::UpstreamLeg,
        Owner::Unknown => Place::Unknown,
    };
    let seconds = timer.seconds;
    Some(
        timer
            .claim(&CAUSE, place)
            .titled(Said::new("idle_title").seconds("seconds", seconds))
            .corroborated(holds::compared(seen, owner, seconds))
            .unless((timer.clock == Clock::Unknown).then(|| Said::new("age")))
            .unless((owner == Owner::Unknown).then(|| Said::new("own_end")))
            .next(Said::new("hold_again"))
            .fix(Said::new("comment").seconds("period", (seconds / 3.0).clamp(0.1, 25.0)))
            .fix_by(Said::new("raise").seconds("seconds", seconds), Said::new("nginx"))
            .finding(),
    )
}

fn population(seen: &Population<'_>) -> Vec<Finding> {
    timed::findings(&CAUSE, seen)
}

#[cfg(test)]
mod tests {
    use model::finding::Level;

    use super::*;
    use crate::attempt::Sign;
    use crate::scene::{DIRECT, SILENT, Scene, URL, cut_at, found, lives, message, none};

    fn scene() -> Scene {
        Scene::of(Protocol::Sse).direct("10.0.3.7:80")
    }

    /// Two silent streams that end 3 s after their last event, begun 2.3 s apart.
    fn twice(sign: &Sign) -> Scene {
        let end = |began: f64| cut_at(URL, SILENT, began, 3.0, sign.clone());
        scene().attempt(end(0.0)).attempt(end(2.3))
    }

    #[test]
    fn the_same_silence_each_time() {
        assert_eq!(found(probe, twice(&Sign::BodyCut), Level::Medium).place, Place::Unknown);
        let straight = twice(&Sign::Fin).attempt(lives(DIRECT, SILENT, 0.0, 30.0));
        let finding = found(probe, straight, Level::Medium);
        assert_eq!((finding.place, finding.not_excluded.len()), (Place::UpstreamLeg, 1));
    }

    #[test]
    fn a_silence_of_a_few_gaps_is_only_suspected() {
        let after = |gap: f64| {
            let flow = (0..10).map(|nth| message(gap * f64::from(nth), 1, 20));
            let stopped = |began: f64| {
                cut_at(URL, SILENT, began, 9.0 * gap + 1.2, Sign::BodyCut).stream_with(|stream| {
                    stream.messages = flow.clone().collect();
                    stream.end.as_mut().expect("cut").silence = 1.2;
                })
            };
            Scene::of(Protocol::Sse).attempts([stopped(0.0), stopped(3.0)])
        };
        found(probe, after(0.4), Level::Low);
        found(probe, after(0.02), Level::Medium);
    }

    #[test]
    fn look_alikes_are_another_matter() {
        none(probe, twice(&Sign::BodyEnd));
        none(probe, twice(&Sign::BodyCut).attempt(cut_at(DIRECT, SILENT, 0.0, 3.0, Sign::BodyCut)));
        none(probe, scene().attempt(lives(URL, SILENT, 0.0, 70.0)));
        none(probe, Scene::websocket().attempt(cut_at(URL, SILENT, 0.0, 3.0, Sign::Fin)));
    }
}
