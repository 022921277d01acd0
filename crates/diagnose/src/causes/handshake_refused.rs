//! The handshake is refused, and no known cause explains it.

use model::Word as _;
use model::finding::{Finding, Place, Said, Severity};

use crate::attempt::{Attempt, Fault, StageName};
use crate::cause::{Cause, Manual, Signs, phrase, text};
use crate::claim::Claim;
use crate::examination::Examination;
use crate::experiment::Via;
use crate::openings::{self, Straight};

/// See the module.
pub const CAUSE: Cause = Cause {
    id: "handshake-refused",
    number: 901,
    severity: Severity::Critical,
    manual: Manual {
        title: text("the handshake is refused", "握手被拒绝"),
        symptoms: text(
            "A status in place of the stream, or an end of the connection in place of an answer.",
            "得到的是状态码而不是数据流，或连接直接结束而没有应答。",
        ),
        evidence: text(
            "The answer, and what does not change it: origin, host, credentials, path, version of HTTP. \
             What changes it, when one thing does. Whether the service itself answers the same.",
            "应答内容，以及哪些因素不影响它：来源、主机、凭据、路径、HTTP 版本；若有某一因素能改变它，\
             则指出该因素；以及服务自身的应答是否相同。",
        ),
        look_alikes: text(
            "Each named cause of a refusal; this one speaks only when none of them does.",
            "所有已命名的拒绝原因；只有它们都不成立时才给出本条。",
        ),
        fix: text(
            "Look for the request in the log of the hop that answers. Where straight to the service it \
             opens, compare what arrives there with what was sent. Then run the diagnosis again.",
            "在应答的一跳的日志中查找该请求。若直接连接服务可以打开，则对比到达服务的请求与所发送的请求。\
             然后重新诊断。",
        ),
        sources: &["RFC 9110, section 15", "RFC 6455, section 4.2.2"],
    },
    phrases: &[
        phrase("depends_title", "the answer depends on {field}", "应答取决于 {field}"),
        phrase("ended_title", "the connection ends without an answer", "连接在没有应答的情况下结束"),
        phrase("before_title", "the handshake is refused before the service", "握手在到达服务之前被拒绝"),
        phrase("service_title", "the service refuses the handshake", "服务拒绝了握手"),
        phrase(
            "ended",
            "The connection ended after {seconds} without an answer ({fault})",
            "连接在{seconds}后结束，没有应答（{fault}）",
        ),
        phrase("changes", "With another {field} it opens", "改变 {field} 后可以打开"),
        phrase(
            "stable",
            "{count} times the same request was refused alike",
            "同样的请求 {count} 次均以相同方式被拒绝",
        ),
        phrase("unchanged", "Varying {fields} changed nothing", "改变 {fields} 均无影响"),
        phrase(
            "otherwise",
            "Varying {fields} is refused in another way",
            "改变 {fields} 后以另一种方式被拒绝",
        ),
        phrase(
            "straight_otherwise",
            "Straight to {upstream} it fails too, in another way: {how}",
            "直接连接 {upstream} 也失败，但方式不同：{how}",
        ),
        phrase("chance", "it may be by chance", "可能是偶然"),
        phrase(
            "not_tried",
            "it may depend on what was not varied: {fields}",
            "可能取决于尚未改变的因素：{fields}",
        ),
        phrase(
            "another_rule",
            "a rule about something that no experiment varies",
            "可能是某条规则，涉及没有实验改变的内容",
        ),
        phrase(
            "read_log",
            "Read the log of the hop that answers for this request",
            "查看应答的一跳中该请求的日志",
        ),
        phrase(
            "compare_arrival",
            "Record what arrives at {upstream}, and compare it with the request",
            "记录到达 {upstream} 的内容，并与请求对比",
        ),
        phrase("repeat", "Repeat both requests some times", "将两种请求各重复几次"),
        phrase(
            "fix_field",
            "In the hop that answers: the rule about {field}; or in the client: send what opens",
            "在应答的一跳中：检查有关 {field} 的规则；或在客户端发送可以打开的值",
        ),
        phrase(
            "fix_hop",
            "In the hop before the service: the rule that refuses this path (filter, access list, \
             forwarded fields)",
            "在服务之前的一跳中：检查拒绝该路径的规则（过滤器、访问列表、转发字段）",
        ),
        phrase(
            "fix_service",
            "In the service: the route and the checks of this path; its log says why",
            "在服务中：检查该路径的路由与校验；其日志会说明原因",
        ),
    ],
    signs: Signs::probe(probe),
};

fn probe(seen: &Examination) -> Option<Finding> {
    let plain = seen.plain().filter(|plain| !plain.is_open() && plain.status() != Some(101))?;
    if openings::repeats(seen, Via::Url).any(Attempt::is_open) {
        return None;
    }
    let decisive = match &plain.answer {
        Some(answer) => openings::answered(answer),
        None => {
            let stage = plain.failed().filter(|stage| stage.name == StageName::Http)?;
            let fault = stage.fault.filter(|fault| matches!(fault, Fault::Ended | Fault::Reset))?;
            Said::new("ended").seconds("seconds", stage.seconds).with("fault", fault.as_str())
        }
    };
    let claim = match openings::opening(seen).first() {
        Some(field) => depends(seen, plain, decisive, field),
        None => whatever(seen, plain, decisive),
    };
    let answer = plain.answer.as_ref();
    Some(claim.noted(answer.and_then(openings::body)).noted(answer.and_then(openings::product)).finding())
}

/// One thing that was varied makes it open.
fn depends(seen: &Examination, plain: &Attempt, decisive: Said, field: &'static str) -> Claim {
    let refused = openings::repeats(seen, Via::Url).filter(|again| openings::is_alike(again, plain)).count();
    let stable = (refused > 1).then(|| Said::new("stable").with("count", refused));
    let place = match openings::straight(seen) {
        Straight::Opens(_) => Place::UpstreamLeg,
        Straight::Alike(_) => Place::Upstream,
        _ => Place::Unknown,
    };
    Claim::of(&CAUSE, place, decisive)
        .titled(Said::new("depends_title").with("field", field))
        .noted(Said::new("changes").with("field", field))
        .unless(stable.is_none().then(|| Said::new("chance")))
        .corroborated(stable)
        .next(Said::new("repeat"))
        .fix(Said::new("fix_field").with("field", field))
}

/// Nothing that was varied changes it.
fn whatever(seen: &Examination, plain: &Attempt, decisive: Said) -> Claim {
    let listed = |code: &'static str, fields: Vec<&str>| {
        (!fields.is_empty()).then(|| Said::new(code).with("fields", fields.join(", ")))
    };
    let upstream = seen.target.direct.as_deref().unwrap_or_default();
    let log = || Said::new("read_log");
    let (place, title, next) = match openings::straight(seen) {
        Straight::Opens(_) => (
            Place::UpstreamLeg,
            Some("before_title"),
            Said::new("compare_arrival").with("upstream", upstream),
        ),
        Straight::Alike(_) => (Place::Upstream, Some("service_title"), log()),
        Straight::Otherwise(_) => (Place::Unknown, None, log()),
        Straight::NotAsked => (Place::Unknown, None, Said::new("pass_upstream")),
    };
    let otherwise = seen
        .direct()
        .filter(|direct| !direct.is_open() && !openings::is_alike(direct, plain))
        .map(|direct| {
            Said::new("straight_otherwise").with("upstream", upstream).with("how", openings::how(direct))
        });
    let claim = Claim::of(&CAUSE, place, decisive);
    let claim = match title {
        _ if plain.answer.is_none() => claim.titled(Said::new("ended_title")),
        Some(title) => claim.titled(Said::new(title)),
        None => claim,
    };
    let claim = if title.is_some() { claim } else { claim.suspected() };
    let claim = claim
        .corroborated(openings::opens_straight(seen))
        .corroborated(openings::fails_straight_too(seen))
        .noted(otherwise)
        .noted(listed("unchanged", openings::unchanged(seen)))
        .noted(listed("otherwise", openings::otherwise(seen)))
        .unless(listed("not_tried", openings::untried(seen)).unwrap_or(Said::new("another_rule")))
        .next(next);
    match place {
        Place::Upstream => claim.fix(Said::new("fix_service")),
        Place::UpstreamLeg => claim.fix(Said::new("fix_hop")),
        _ => claim.fix(Said::new("fix_hop")).fix(Said::new("fix_service")),
    }
}

#[cfg(test)]
mod tests {
    use model::finding::Level;

    use super::*;
    use crate::experiment::{Check, Vary};
    use crate::scene::{Scene, answer, found, none};

    fn refused() -> Scene {
        Scene::websocket().direct("10.0.3.7:80").plain(answer(418).body("teapot"))
    }

    fn title(scene: Scene, level: Level) -> String {
        found(probe, scene, level).title.code.to_string()
    }

    #[test]
    fn whose_refusal_it_is() {
        assert_eq!(title(refused().direct_opens(), Level::Medium), "before_title");
        assert_eq!(
            title(refused().direct_answers(answer(418).body("teapot")), Level::Medium),
            "service_title"
        );
        assert_eq!(title(refused().direct_answers(answer(500)), Level::Low), "title");
        assert_eq!(title(refused(), Level::Low), "title");
        let ended = Scene::websocket().plain_fails(StageName::Http, Fault::Ended, 0.01);
        assert_eq!(title(ended, Level::Low), "ended_title");
    }

    #[test]
    fn what_was_varied_is_told() {
        let same = |scene: Scene, check, vary| scene.with(check, vary, answer(418).body("teapot"));
        let scene = same(refused(), Check::Origin, Vary::NoOrigin);
        let scene = same(scene, Check::Http, Vary::LowerCaseFields);
        let finding = found(probe, scene.with(Check::Http, Vary::NoUpgrade, answer(400)), Level::Low);
        let told = crate::text::told(&finding, model::language::Language::English);
        assert!(
            told.evidence.iter().any(|said| said.text == "Varying Origin, field-name case changed nothing"),
            "{told:?}"
        );
        assert!(
            told.evidence.iter().any(|said| said.text == "Varying Upgrade is refused in another way"),
            "{told:?}"
        );
        assert!(told.not_excluded[0].text.ends_with("Authorization/Cookie, Host, path"), "{told:?}");
    }

    #[test]
    fn one_thing_decides() {
        let scene = || refused().with(Check::Http, Vary::LowerCaseFields, answer(101));
        assert_eq!(title(scene(), Level::Medium), "depends_title");
        assert_eq!(title(scene().plain(answer(418).body("teapot")), Level::High), "depends_title");
    }

    #[test]
    fn what_opens_now_and_then_is_another_matter() {
        none(probe, refused().plain(answer(101)));
        none(probe, Scene::websocket().plain(answer(101)));
        none(probe, Scene::websocket().plain_fails(StageName::Tcp, Fault::Refused, 0.01));
    }
}
