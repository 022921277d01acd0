//! Streams end, and nothing that was measured tells why.

use model::finding::{Finding, Place, Said, Severity};

use crate::cause::{Cause, Manual, Signs, phrase, text};
use model::words::Http2Error;

use crate::claim::Claim;
use crate::examination::Examination;
use crate::experiment::Via;
use crate::holds::{EARLY_SECONDS, Manner, holds};

/// See the module.
pub const CAUSE: Cause = Cause {
    id: "ends-unexplained",
    number: 954,
    severity: Severity::Warning,
    manual: Manual {
        title: text(
            "streams end, and what was measured does not tell why",
            "连接会结束，而已有测量不能说明原因",
        ),
        symptoms: text("Streams drop now and then.", "连接时不时断开。"),
        evidence: text(
            "Held streams end without a word or by an error, at no common silence, age, moment, number of \
             messages or size.",
            "保持的连接无声结束或以错误结束，没有共同的静默、存活时长、时刻、消息数或大小。",
        ),
        look_alikes: text(
            "All causes of drops: more ends are needed to tell them apart.",
            "所有掉线原因：需要更多的结束样本才能区分。",
        ),
        fix: text(
            "Measure more: hold several streams at once for longer, straight at the service as well, or let \
             the gateway watch the real ones. Then a common silence, age or moment must show.",
            "继续测量：同时更久地保持多条连接，并直连服务对比，或让网关观察真实连接。之后应显现共同的静默、存活时长或时刻。",
        ),
        sources: &["RFC 6455, section 7.1.7"],
    },
    phrases: &[
        phrase(
            "ended",
            "{count} held streams ended by the peer, at ages from {least} to {most}",
            "{count} 条保持的连接被对端结束，存活时长从 {least}到 {most}",
        ),
        phrase(
            "how",
            "One of them: {how}, {silence} after the last byte",
            "其中之一：{how}，距最后一个字节 {silence}",
        ),
        phrase("any_cause", "a cause that more ends would tell", "更多样本才能确定的原因"),
        phrase(
            "longer",
            "Hold several streams at once for longer, and straight at the service as well: `--checks idle \
             --upstream HOST:PORT`",
            "同时更久地保持多条连接，并直连服务对比：`--checks idle --upstream 主机:端口`",
        ),
    ],
    signs: Signs::probe(probe),
};

fn probe(seen: &Examination) -> Option<Finding> {
    let ends = holds(seen, Via::Url).filter_map(|(attempt, _)| {
        let end = attempt.peer_end().filter(|end| end.age >= EARLY_SECONDS)?;
        let manner = Manner::of(attempt, end);
        (!manner.is_normal() && manner != Manner::Away(Http2Error::NoError)).then_some(end)
    });
    let ends: Vec<_> = ends.collect();
    let last = ends.last()?;
    let ages = ends.iter().map(|end| end.age);
    let (least, most) = (ages.clone().fold(f64::MAX, f64::min), ages.fold(0.0, f64::max));
    let said = Said::new("ended").with("count", ends.len()).seconds("least", least).seconds("most", most);
    let how = Said::new("how").with("how", format!("{:?}", last.sign)).seconds("silence", last.silence);
    let claim = Claim::of(&CAUSE, Place::Unknown, said).suspected().noted(how);
    Some(claim.unless(Said::new("any_cause")).next(Said::new("longer")).finding())
}

#[cfg(test)]
mod tests {
    use model::finding::Level;

    use super::*;
    use crate::attempt::Sign;
    use crate::scene::{SILENT, Scene, URL, close, cut_at, found, lives, none};

    #[test]
    fn ends_of_any_age_are_told_as_they_are() {
        let ends = [(0.0, 31.0), (2.0, 12.5)].map(|(began, age)| cut_at(URL, SILENT, began, age, Sign::Fin));
        found(probe, Scene::opened().attempts(ends), Level::Low);
        none(probe, Scene::opened().attempt(lives(URL, SILENT, 0.0, 60.0)));
        none(probe, Scene::opened().attempt(cut_at(URL, SILENT, 0.0, 9.0, close(1000, "done"))));
        none(probe, Scene::sse().attempt(cut_at(URL, SILENT, 0.0, 9.0, Sign::BodyEnd)));
    }
}
