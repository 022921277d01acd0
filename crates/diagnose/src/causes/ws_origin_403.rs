//! The service, or a hop before it, refuses the `Origin` of the page.

use model::finding::{Finding, Place, Said, Severity};

use crate::attempt::Attempt;
use crate::cause::{Cause, Manual, Signs, phrase, text};
use crate::claim::Claim;
use crate::examination::{Examination, Target};
use crate::experiment::{Check, Vary, Via};
use crate::openings::{self, Straight};

/// See the module.
pub const CAUSE: Cause = Cause {
    id: "ws-origin-403",
    number: 105,
    severity: Severity::Critical,
    manual: Manual {
        title: text("the `Origin` of the page is refused", "页面的 `Origin` 被拒绝"),
        symptoms: text(
            "403 from browsers only; command-line clients connect. Often after a change of domain or a \
             new proxy.",
            "只有浏览器得到 403，命令行客户端可以连接；常出现在更换域名或新增代理之后。",
        ),
        evidence: text(
            "The same request opens or is refused with `Origin` alone: the page's origin is refused, none \
             or another one opens.",
            "同一请求只改变 `Origin`，结果就不同：页面的来源被拒绝，去掉或换成另一个则可以打开。",
        ),
        look_alikes: text(
            "`ws-auth-401`: depends on credentials, whatever the origin. A filter of the edge: refuses \
             each origin alike.",
            "`ws-auth-401`：取决于凭据而非来源；边缘过滤规则：对任何来源一律拒绝。",
        ),
        fix: text(
            "Add the page's origin to the allow-list of what answers (gorilla `CheckOrigin`, Phoenix \
             `check_origin`, Action Cable `allowed_request_origins`, Django Channels \
             `AllowedHostsOriginValidator`). Where the rule is that `Origin` equals `Host`, let the proxy \
             pass `Host`. Then run the diagnosis with `-H 'Origin: …'` of the page: it must open.",
            "把页面的来源加入应答方的允许列表（gorilla `CheckOrigin`、Phoenix `check_origin`、Action \
             Cable `allowed_request_origins`、Django Channels `AllowedHostsOriginValidator`）。若规则是 \
             `Origin` 等于 `Host`，让代理转发 `Host`。然后带上页面的 `-H 'Origin: …'` 重新诊断：应能打开。",
        ),
        sources: &[
            "RFC 6455, sections 4.2.2 and 10.2",
            "https://pkg.go.dev/github.com/gorilla/websocket#hdr-Origin_Considerations",
            "https://hexdocs.pm/phoenix/Phoenix.Endpoint.html#socket/3",
        ],
    },
    phrases: &[
        phrase("wants_title", "a request without `Origin` is refused", "不带 `Origin` 的请求被拒绝"),
        phrase(
            "refused",
            "With `Origin: {origin}` the answer is {status}",
            "带 `Origin: {origin}` 时应答为 {status}",
        ),
        phrase(
            "refused_without",
            "Without `Origin` the answer is {status}",
            "不带 `Origin` 时应答为 {status}",
        ),
        phrase("opens", "With `Origin: {origin}` it opens", "带 `Origin: {origin}` 时可以打开"),
        phrase("opens_without", "Without `Origin` it opens", "不带 `Origin` 时可以打开"),
        phrase("mentions", "The answer itself speaks of the origin", "应答本身提到了来源（origin）"),
        phrase(
            "straight",
            "Straight to {upstream} the same `Origin` opens: the rule compares it with what the proxy \
             changes, such as `Host`",
            "直接连接 {upstream} 时同样的 `Origin` 可以打开：该规则将其与被代理改动的内容（如 `Host`）比较",
        ),
        phrase(
            "other_site",
            "the pages may stand on another site, which is allowed",
            "页面可能位于另一个已被允许的站点",
        ),
        phrase(
            "pass_origin",
            "Pass the page's origin: `-H 'Origin: https://…'`",
            "传入页面的来源：`-H 'Origin: https://…'`",
        ),
        phrase(
            "third_origin",
            "Try a third origin: `--checks origin`",
            "再尝试第三个来源：`--checks origin`",
        ),
        phrase("allow", "In the service: allow the origin {origin}", "在服务中：允许来源 {origin}"),
        phrase(
            "send_origin",
            "In clients that are no browsers: send `Origin: {origin}`",
            "在非浏览器客户端中：发送 `Origin: {origin}`",
        ),
        phrase(
            "host",
            "In the proxy: pass the `Host` that the client sent",
            "在代理中：转发客户端发送的 `Host`",
        ),
        phrase("nginx", "proxy_set_header Host $host;", "proxy_set_header Host $host;"),
    ],
    signs: Signs::probe(probe),
};

/// A request, and what came of it with this `Origin`, or none.
type Try<'a> = (Option<&'a str>, &'a Attempt);

fn probe(seen: &Examination) -> Option<Finding> {
    let plain: Try<'_> = (seen.target.origin.as_deref(), seen.plain()?);
    let others: Vec<Try<'_>> = tries(seen, Via::Url).collect();
    if plain.1.is_open() {
        return plain.0.is_none().then(|| own_origin_refused(seen, &others))?;
    }
    let (_, answer) = openings::refused(seen).filter(|(_, answer)| is_refusal(answer.status))?;
    let opening: Vec<_> = others.iter().filter(|(_, attempt)| attempt.is_open()).collect();
    let &&(other, _) = opening.first()?;
    let refusing =
        others.iter().find(|(origin, attempt)| *origin != plain.0 && openings::is_alike(attempt, plain.1));
    let straight = openings::straight(seen);
    let place = match (plain.0, straight) {
        (None, _) => Place::Client,
        (_, Straight::Opens(_)) => Place::UpstreamLeg,
        (_, Straight::Alike(_)) => Place::Upstream,
        _ => Place::Unknown,
    };
    let claim = Claim::of(&CAUSE, place, refused(plain.0, answer.status))
        .noted(opens(other))
        .corroborated(opening.get(1).map(|(origin, _)| opens(*origin)))
        .corroborated(
            refusing.map(|(origin, attempt)| refused(*origin, attempt.status().unwrap_or_default())),
        )
        .corroborated(answer.says(&["origin"]).then(|| Said::new("mentions")))
        .corroborated(straight_opens(seen, straight))
        .corroborated(openings::fails_straight_too(seen))
        .noted(openings::product(answer))
        .next(Said::new("third_origin"));
    let claim = match plain.0 {
        None => claim
            .titled(Said::new("wants_title"))
            .fix(Said::new("send_origin").with("origin", other.unwrap_or_default())),
        Some(origin) => claim.fix(Said::new("allow").with("origin", origin)),
    };
    let passes_host = plain.0.is_some() && !straight.is_alike();
    let claim = if passes_host { claim.fix_by(Said::new("host"), Said::new("nginx")) } else { claim };
    Some(claim.finding())
}

/// The plain request has no `Origin` and opens; one from the service's own site does not.
fn own_origin_refused(seen: &Examination, others: &[Try<'_>]) -> Option<Finding> {
    let is_refused = |attempt: &Attempt| !attempt.is_open() && attempt.status().is_some_and(is_refusal);
    let (origin, attempt) = others.iter().find_map(|(origin, attempt)| {
        Some((origin.filter(|origin| is_own(&seen.target, origin))?, attempt))
    })?;
    if !is_refused(attempt) {
        return None;
    }
    let direct = seen.direct_with(&Vary::Origin(origin.to_owned())).filter(|direct| direct.is_open());
    let upstream = seen.target.direct.as_deref().unwrap_or_default();
    let place = if direct.is_some() { Place::UpstreamLeg } else { Place::Unknown };
    let claim = Claim::of(&CAUSE, place, refused(Some(origin), attempt.status().unwrap_or_default()))
        .noted(Said::new("opens_without"))
        .corroborated(direct.map(|_| Said::new("straight").with("upstream", upstream)))
        .fix_by(Said::new("host"), Said::new("nginx"))
        .fix(Said::new("allow").with("origin", origin));
    let claim = match direct {
        Some(_) => claim,
        None => claim.suspected().unless(Said::new("other_site")).next(Said::new("pass_origin")),
    };
    Some(claim.finding())
}

fn straight_opens(seen: &Examination, straight: Straight<'_>) -> Option<Said> {
    let upstream = seen.target.direct.as_deref().unwrap_or_default();
    straight.opens().then(|| Said::new("straight").with("upstream", upstream))
}

fn tries(seen: &Examination, via: Via) -> impl Iterator<Item = Try<'_>> {
    seen.of(Check::Origin, via).filter_map(|attempt| match &attempt.experiment.vary {
        Some(Vary::NoOrigin) => Some((None, attempt)),
        Some(Vary::Origin(origin)) => Some((Some(origin.as_str()), attempt)),
        _ => None,
    })
}

/// A status that refuses a request for what it is.
fn is_refusal(status: u16) -> bool {
    matches!(status, 400 | 403 | 404 | 405 | 406 | 421)
}

/// The origin of pages that stand where the service stands.
fn is_own(target: &Target, origin: &str) -> bool {
    let authority = origin.split_once("://").map_or(origin, |(_, authority)| authority);
    let host = authority
        .rsplit_once(':')
        .filter(|(_, port)| port.parse::<u16>().is_ok())
        .map_or(authority, |(host, _)| host);
    host.trim_matches(['[', ']']).eq_ignore_ascii_case(&target.host)
}

fn refused(origin: Option<&str>, status: u16) -> Said {
    let said = match origin {
        Some(origin) => Said::new("refused").with("origin", origin),
        None => Said::new("refused_without"),
    };
    said.with("status", status)
}

fn opens(origin: Option<&str>) -> Said {
    match origin {
        Some(origin) => Said::new("opens").with("origin", origin),
        None => Said::new("opens_without"),
    }
}

#[cfg(test)]
mod tests {
    use model::finding::Level;

    use super::*;
    use crate::attempt::Answer;
    use crate::scene::{Scene, answer, found, none};

    const OWN: &str = "http://example.com";
    const PAGE: &str = "https://app.example.net";

    fn with(scene: Scene, origin: &str, answer: Answer) -> Scene {
        scene.with(Check::Origin, Vary::Origin(origin.to_owned()), answer)
    }

    fn page_refused() -> Scene {
        let scene = Scene::websocket().origin(PAGE).plain(answer(403).body("Forbidden"));
        scene.with(Check::Origin, Vary::NoOrigin, answer(101))
    }

    #[test]
    fn the_origin_alone_decides() {
        assert_eq!(found(probe, page_refused(), Level::Medium).place, Place::Unknown);
        found(probe, with(page_refused(), OWN, answer(101)), Level::High);
        found(
            probe,
            with(page_refused(), "https://heartline.invalid", answer(403).body("Forbidden")),
            Level::High,
        );
        let both = page_refused().direct("10.0.3.7:80").direct_answers(answer(403).body("Forbidden"));
        assert_eq!(found(probe, both, Level::High).place, Place::Upstream);
        let proxy = page_refused().direct("10.0.3.7:80").direct_opens();
        assert_eq!(found(probe, proxy, Level::High).place, Place::UpstreamLeg);
    }

    #[test]
    fn a_service_that_wants_an_origin() {
        let scene = with(Scene::websocket().plain(answer(403)), OWN, answer(101));
        let finding = found(probe, scene, Level::Medium);
        assert_eq!((finding.place, finding.title.code.as_ref()), (Place::Client, "wants_title"));
    }

    #[test]
    fn a_proxy_that_rewrites_the_host_makes_the_own_site_foreign() {
        let scene = with(Scene::websocket().plain(answer(101)), OWN, answer(403));
        found(probe, scene, Level::Low);
        let scene = with(Scene::websocket().direct("10.0.3.7:80").plain(answer(101)), OWN, answer(403));
        let scene = scene.direct_with(Check::Origin, Vary::Origin(OWN.into()), answer(101));
        assert_eq!(found(probe, scene, Level::High).place, Place::UpstreamLeg);
    }

    #[test]
    fn a_service_that_refuses_foreign_pages_is_healthy() {
        let scene = with(Scene::websocket().plain(answer(101)), OWN, answer(101));
        none(probe, with(scene, "https://heartline.invalid", answer(403)));
        none(probe, Scene::websocket().plain(answer(101)));
    }

    #[test]
    fn a_refusal_whatever_the_origin_is_another_matter() {
        let scene = Scene::websocket().origin(PAGE).plain(answer(403)).with(
            Check::Origin,
            Vary::NoOrigin,
            answer(403),
        );
        none(probe, with(scene, OWN, answer(403)));
        none(probe, Scene::websocket().plain(answer(403)));
        none(probe, Scene::websocket().plain(answer(502)).with(Check::Origin, Vary::NoOrigin, answer(101)));
    }
}
