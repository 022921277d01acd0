//! Pages of any site may open the stream in their visitors' name: cross-site WebSocket hijacking.

use model::finding::{Finding, Place, Said, Severity};

use crate::cause::{Cause, Manual, Signs, phrase, text};
use crate::claim::Claim;
use crate::examination::Examination;
use crate::experiment::Vary;
use crate::plan::FOREIGN_ORIGIN;

/// See the module.
pub const CAUSE: Cause = Cause {
    id: "origin-unchecked",
    number: 961,
    severity: Severity::Info,
    manual: Manual {
        title: text(
            "pages of other sites may open the stream with their visitors' cookies",
            "其他网站的页面可以带着访问者的 cookie 打开连接",
        ),
        symptoms: text("None: it is a hole, not a fault.", "没有症状：这是漏洞，而不是故障。"),
        evidence: text(
            "With the cookie that was given and the `Origin` of a site that nobody knows the stream opens, and \
             without the cookie it is refused.",
            "带上给出的 cookie 与未知站点的 `Origin` 时连接可以打开，而不带 cookie 时被拒绝。",
        ),
        look_alikes: text(
            "A public service lets everybody in, also without a cookie. Browsers leave cookies with \
             `SameSite=Lax` or `Strict` out of requests of other sites. A token that the page puts into its \
             first message guards as well.",
            "公开的服务允许任何人进入，不带 cookie 也可以；浏览器不会在其他站点的请求中携带 `SameSite=Lax` 或 `Strict` 的 cookie；由页面放入首条消息的令牌也能防护。",
        ),
        fix: text(
            "Compare `Origin` with a list in the handshake, and refuse others with 403; set the cookie with \
             `SameSite=Lax` or `Strict`. Then the same request of a foreign origin must be refused.",
            "握手时将 `Origin` 与名单比较，其余以 403 拒绝；将 cookie 设为 `SameSite=Lax` 或 `Strict`。之后外部来源的同样请求应被拒绝。",
        ),
        sources: &[
            "RFC 6455, section 10.2",
            "https://cheatsheetseries.owasp.org/cheatsheets/WebSocket_Security_Cheat_Sheet.html",
        ],
    },
    phrases: &[
        phrase(
            "foreign_opens",
            "With the cookie and `Origin: {origin}` the stream opens",
            "带上 cookie 与 `Origin: {origin}` 时连接可以打开",
        ),
        phrase("cookie_counts", "Without the cookie it is refused: {how}", "不带 cookie 时被拒绝：{how}"),
        phrase(
            "same_site",
            "the cookie is `SameSite=Lax` or `Strict`, or a first message is checked",
            "cookie 为 `SameSite=Lax` 或 `Strict`，或会检查首条消息",
        ),
        phrase(
            "look_at_cookie",
            "Look at `SameSite` of the cookie in the browser, and at what the service wants before it answers",
            "在浏览器中查看该 cookie 的 `SameSite`，以及服务在应答之前的要求",
        ),
        phrase(
            "check_origin",
            "In the service's handshake: refuse each `Origin` that is not on a list, with 403",
            "在服务的握手中：以 403 拒绝名单之外的 `Origin`",
        ),
    ],
    signs: Signs::probe(probe),
};

fn probe(seen: &Examination) -> Option<Finding> {
    seen.plain().filter(|plain| plain.is_open() && seen.target.has_cookie())?;
    seen.with(&Vary::Origin(FOREIGN_ORIGIN.to_owned())).filter(|foreign| foreign.is_open())?;
    let without =
        seen.with(&Vary::NoCredentials).filter(|without| !without.is_open() && without.is_over())?;
    let how = crate::openings::how(without);
    let claim = Claim::of(&CAUSE, Place::Upstream, Said::new("foreign_opens").with("origin", FOREIGN_ORIGIN))
        .corroborated(Said::new("cookie_counts").with("how", how))
        .unless(Said::new("same_site"))
        .next(Said::new("look_at_cookie"));
    Some(claim.fix(Said::new("check_origin")).finding())
}

#[cfg(test)]
mod tests {
    use model::finding::Level;

    use super::*;
    use crate::experiment::Check;
    use crate::scene::{Scene, answer, found, none};

    #[test]
    fn a_cookie_that_any_page_may_use() {
        let foreign = || Vary::Origin(FOREIGN_ORIGIN.to_owned());
        let scene = |foreigner, nobody| {
            let scene = Scene::opened().credentials("cookie");
            let scene = scene.with(Check::Origin, foreign(), answer(foreigner));
            scene.with(Check::Credentials, Vary::NoCredentials, answer(nobody))
        };
        found(probe, scene(101, 401), Level::Medium);
        none(probe, scene(403, 401));
        none(probe, scene(101, 101));
        none(probe, Scene::opened().with(Check::Origin, foreign(), answer(101)));
    }
}
