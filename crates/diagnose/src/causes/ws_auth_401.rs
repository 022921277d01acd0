//! The handshake carries no credentials, or some that are not accepted.

use model::finding::{Finding, Place, Said, Severity};

use crate::attempt::{Attempt, Sign};
use crate::cause::{Cause, Manual, Signs, phrase, text};
use crate::claim::Claim;
use crate::examination::Examination;
use crate::experiment::Vary;
use crate::openings::{self, Straight};
use crate::population::{Population, codes, refusals};

/// See the module.
pub const CAUSE: Cause = Cause {
    id: "ws-auth-401",
    number: 106,
    severity: Severity::Critical,
    manual: Manual {
        title: text("credentials are missing or not accepted", "凭据缺失或未被接受"),
        symptoms: text(
            "401 or 403 in the handshake, or a close right after it with 1008, 3000, 4401 or the like; a \
             loop of reconnections some minutes after login; a reload of the page helps.",
            "握手得到 401 或 403，或建立后立即以 1008、3000、4401 等关闭；登录若干分钟后不断重连；\
             刷新页面后恢复。",
        ),
        evidence: text(
            "Status 401, `WWW-Authenticate`, a redirection to a login, gRPC UNAUTHENTICATED, or a close \
             of that meaning within a second; with other credentials the same request is answered \
             otherwise.",
            "状态 401、`WWW-Authenticate`、重定向到登录页、gRPC UNAUTHENTICATED，\
             或一秒内出现同样含义的关闭；更换凭据后同一请求的应答不同。",
        ),
        look_alikes: text(
            "`ws-origin-403`: depends on `Origin`. `edge-rate-limit-or-ban`: goes by address and rate. \
             `token-expiry-close`: closes after minutes.",
            "`ws-origin-403`：取决于 `Origin`；`edge-rate-limit-or-ban`：取决于来源地址与速率；\
             `token-expiry-close`：数分钟后才关闭。",
        ),
        fix: text(
            "In the client: put a fresh token into each attempt, and never reuse the URL of the first \
             one; for a cookie of another site `SameSite=None; Secure`. In the proxy: pass \
             `Authorization` and `Cookie`. Then run the diagnosis with the same credentials (`-H`): it \
             must open.",
            "在客户端：每次连接都使用新的令牌，不要重复使用首次连接的 URL；跨站 Cookie 设为 \
             `SameSite=None; Secure`。在代理：转发 `Authorization` 与 `Cookie`。然后带上同样的凭据（`-H`）\
             重新诊断：应能打开。",
        ),
        sources: &[
            "RFC 9110, sections 11.6.1, 15.5.2 and 15.5.4",
            "IANA WebSocket Close Code Number Registry (3000 Unauthorized, 3003 Forbidden)",
            "https://grpc.io/docs/guides/status-codes/ (16 UNAUTHENTICATED, 7 PERMISSION_DENIED)",
        ],
    },
    phrases: &[
        phrase("missing", "credentials are missing", "缺少凭据"),
        phrase("not_accepted", "the credentials are not accepted", "凭据未被接受"),
        phrase("status", "The answer is {status}", "应答为 {status}"),
        phrase("login", "The answer ({status}) leads to a login", "应答（{status}）指向登录页"),
        phrase(
            "challenge",
            "It asks for credentials: `WWW-Authenticate: {scheme}`",
            "它要求凭据：`WWW-Authenticate: {scheme}`",
        ),
        phrase(
            "closed",
            "It opens, and is closed with {code} after {seconds}",
            "连接建立后，{seconds}即以 {code} 关闭",
        ),
        phrase("reason", "The reason says: {reason}", "关闭原因：{reason}"),
        phrase("grpc", "The call ends with status {code} ({name})", "调用以状态 {code}（{name}）结束"),
        phrase("none_sent", "The request carried no credentials", "请求未携带凭据"),
        phrase("sent", "The request carried {fields}", "请求携带了 {fields}"),
        phrase(
            "same_without",
            "Without them the answer is the same: they count for nothing",
            "去掉凭据后应答相同：凭据没有起作用",
        ),
        phrase(
            "other_without",
            "Without them the answer is another one ({status}): they were read",
            "去掉凭据后应答不同（{status}）：凭据已被读取",
        ),
        phrase("opens_without", "Without them it opens", "去掉凭据后可以打开"),
        phrase(
            "other_reason",
            "the code or status may mean another refusal: the origin, an address, a rule",
            "该状态或关闭码也可能表示其他拒绝：来源、地址或规则",
        ),
        phrase(
            "pass_credentials",
            "Pass fresh credentials: `-H 'Authorization: …'` or `-H 'Cookie: …'`",
            "传入有效的凭据：`-H 'Authorization: …'` 或 `-H 'Cookie: …'`",
        ),
        phrase(
            "client",
            "In the client: send fresh credentials with each handshake",
            "在客户端：每次握手都携带有效的凭据",
        ),
        phrase(
            "renew",
            "In the client: renew the token before each attempt, and look whether it is meant for this \
             service",
            "在客户端：每次连接前更新令牌，并确认它适用于该服务",
        ),
        phrase("drop", "In the client: do not send these credentials here", "在客户端：不要在此发送这些凭据"),
        phrase(
            "proxy",
            "In the proxy: pass `Authorization` and `Cookie` to the service",
            "在代理中：向服务转发 `Authorization` 与 `Cookie`",
        ),
        phrase(
            "nginx",
            "proxy_set_header Authorization $http_authorization;",
            "proxy_set_header Authorization $http_authorization;",
        ),
    ],
    signs: Signs::both(probe, population),
};

/// A refusal for want of credentials.
struct Refusal {
    decisive: Said,
    /// It says so itself.
    confirmed: Option<Said>,
    /// It may mean something else.
    is_ambiguous: bool,
}

fn probe(seen: &Examination) -> Option<Finding> {
    let plain = seen.plain()?;
    let without = seen.with(&Vary::NoCredentials);
    let is_given = !seen.target.credentials.is_empty();
    // 403 is for credentials only where they change it.
    let depends =
        is_given && without.is_some_and(|without| without.is_open() || !openings::is_alike(without, plain));
    let refusal = by_answer(plain, depends).or_else(|| by_close(plain)).or_else(|| by_grpc(plain))?;
    let straight = openings::straight(seen);
    let opens_without = without.filter(|without| is_given && without.is_open());
    let place = match straight {
        Straight::Opens(_) => Place::UpstreamLeg,
        _ => Place::Client,
    };
    let carried = match is_given {
        true => Said::new("sent").with("fields", seen.target.credentials.join(", ")),
        false => Said::new("none_sent"),
    };
    let compared =
        without.filter(|_| is_given && opens_without.is_none()).map(|without| match without.status() {
            Some(status) if !openings::is_alike(without, plain) => {
                Said::new("other_without").with("status", status)
            }
            _ => Said::new("same_without"),
        });
    let claim = Claim::of(&CAUSE, place, refusal.decisive)
        .titled(Said::new(if is_given { "not_accepted" } else { "missing" }))
        .corroborated(refusal.confirmed)
        .corroborated((!is_given && !refusal.is_ambiguous).then(|| carried.clone()))
        .noted((is_given || refusal.is_ambiguous).then_some(carried))
        .corroborated(opens_without.map(|_| Said::new("opens_without")))
        .corroborated(compared)
        .corroborated(openings::opens_straight(seen).filter(|_| straight.opens()))
        .unless(refusal.is_ambiguous.then(|| Said::new("other_reason")))
        .next(Said::new("pass_credentials"));
    let claim = match () {
        () if straight.opens() => claim.fix_by(Said::new("proxy"), Said::new("nginx")),
        () if opens_without.is_some() => claim.fix(Said::new("drop")),
        () if is_given => claim.fix(Said::new("renew")),
        () => claim.fix(Said::new("client")),
    };
    Some(claim.finding())
}

fn by_answer(plain: &Attempt, depends: bool) -> Option<Refusal> {
    let answer = plain.answer.as_ref().filter(|_| !plain.is_open())?;
    let status = |code: &'static str| Said::new(code).with("status", answer.status);
    let challenge = answer.field("www-authenticate").map(|value| {
        Said::new("challenge").with("scheme", value.split([' ', ',']).next().unwrap_or_default())
    });
    match answer.status {
        // A page says more than why.
        403 if !depends
            && challenge.is_none()
            && !answer.is_page()
            && speaks_of_credentials(&answer.body) =>
        {
            Some(Refusal {
                decisive: status("status"),
                confirmed: openings::body(answer),
                is_ambiguous: true,
            })
        }
        401 | 407 => Some(Refusal { decisive: status("status"), confirmed: challenge, is_ambiguous: false }),
        403 if depends || challenge.is_some() => {
            Some(Refusal { decisive: status("status"), confirmed: challenge, is_ambiguous: false })
        }
        200..=399 if answer.is_login() => {
            Some(Refusal { decisive: status("login"), confirmed: None, is_ambiguous: false })
        }
        _ => None,
    }
}

fn by_close(plain: &Attempt) -> Option<Refusal> {
    const AT_ONCE_SECONDS: f64 = 1.0;
    let end = plain.peer_end().filter(|end| end.age < AT_ONCE_SECONDS)?;
    let Sign::Close(Some(code), reason) = &end.sign else { return None };
    let says = speaks_of_credentials(reason) || reason.to_ascii_lowercase().contains("forbidden");
    let means = matches!(code.0, 3000 | 3003 | 4401 | 4403);
    let is_concerned = means || (says && matches!(code.0, 1008 | 4000..=4999));
    is_concerned.then(|| Refusal {
        decisive: Said::new("closed").with("code", code.0).seconds("seconds", end.age),
        confirmed: says.then(|| Said::new("reason").with("reason", reason.as_str())),
        is_ambiguous: !(means || says),
    })
}

/// Words of those who ask for credentials.
fn speaks_of_credentials(text: &str) -> bool {
    const WORDS: [&str; 12] = [
        "auth",
        "token",
        "credential",
        "login",
        "log in",
        "logged in",
        "sign in",
        "jwt",
        "session",
        "cookie",
        "api key",
        "api-key",
    ];
    let lower = text.to_ascii_lowercase();
    WORDS.iter().any(|word| lower.contains(word))
}

fn by_grpc(plain: &Attempt) -> Option<Refusal> {
    let grpc = plain.stream.as_ref()?.grpc.as_ref()?;
    let name = match grpc.code? {
        16 => "UNAUTHENTICATED",
        7 => "PERMISSION_DENIED",
        _ => return None,
    };
    let code = u64::from(grpc.code?);
    Some(Refusal {
        decisive: Said::new("grpc").with("code", code).with("name", name),
        confirmed: None,
        is_ambiguous: code == 7,
    })
}

fn population(seen: &Population<'_>) -> Vec<Finding> {
    [refusals::findings(&CAUSE, seen), codes::findings(&CAUSE, seen)].concat()
}

#[cfg(test)]
mod tests {
    use model::Protocol;
    use model::event::CloseCode;
    use model::finding::Level;

    use super::*;
    use crate::attempt::{Answer, End, GrpcEnd, Stream};
    use crate::experiment::Check;
    use crate::scene::{Scene, answer, found, none};

    fn token() -> Scene {
        Scene::websocket().credentials("authorization")
    }

    fn closed(code: u16, reason: &str, age: f64) -> Stream {
        let sign = Sign::Close(Some(CloseCode(code)), reason.to_owned());
        Stream { end: Some(End { at: age, age, silence: 0.0, is_ours: false, sign }), ..Stream::default() }
    }

    fn opened(stream: Stream) -> Scene {
        let mut seen = Scene::websocket().plain(answer(101)).seen();
        Scene::websocket().attempt(seen.attempts.remove(0).streamed(stream))
    }

    fn title(scene: Scene, level: Level) -> String {
        found(probe, scene, level).title.code.to_string()
    }

    #[test]
    fn missing_and_not_accepted_are_told_apart() {
        assert_eq!(title(Scene::websocket().plain(answer(401)), Level::High), "missing");
        assert_eq!(title(token().plain(answer(401)), Level::Medium), "not_accepted");
        let compared = token().plain(answer(401)).with(Check::Credentials, Vary::NoCredentials, answer(401));
        let finding = found(probe, compared, Level::High);
        assert_eq!(finding.evidence.last().map(|said| said.code.as_ref()), Some("same_without"));
        let login = answer(302).and("location", "https://id.example.com/login?next=%2Fchat");
        assert_eq!(title(Scene::websocket().plain(login), Level::High), "missing");
    }

    #[test]
    fn a_proxy_that_drops_them() {
        let scene = token().direct("10.0.3.7:80").plain(answer(401)).direct_opens();
        assert_eq!(found(probe, scene, Level::High).place, Place::UpstreamLeg);
    }

    #[test]
    fn a_refusal_is_for_credentials_where_they_change_it() {
        let without = |answer| {
            token().plain(crate::scene::answer(403)).with(Check::Credentials, Vary::NoCredentials, answer)
        };
        let codes = |answer| -> Vec<String> {
            found(probe, without(answer), Level::High)
                .evidence
                .iter()
                .map(|said| said.code.to_string())
                .collect()
        };
        assert_eq!(codes(answer(401)), ["status", "sent", "other_without"]);
        assert_eq!(codes(answer(101)), ["status", "sent", "opens_without"]);
        none(probe, without(answer(403)));
        none(probe, Scene::websocket().plain(answer(403)));
        let says = |body: &str| Answer { body: body.to_owned(), ..answer(403) };
        found(probe, Scene::websocket().plain(says("please log in")), Level::Medium);
        found(probe, token().plain(says("{\"error\":\"unknown session\"}")), Level::Medium);
        none(probe, Scene::websocket().plain(says("your country is not served")));
        none(probe, Scene::websocket().plain(says("<!doctype html><a href=/login>log in</a>")));
    }

    #[test]
    fn a_close_of_that_meaning_right_after_the_opening() {
        found(probe, opened(closed(4401, "", 0.05)), Level::High);
        found(probe, opened(closed(1008, "invalid token", 0.05)), Level::High);
        none(probe, opened(closed(1008, "", 0.05)));
        none(probe, opened(closed(4401, "", 300.0)));
        none(probe, opened(closed(1000, "token", 0.05)));
    }

    #[test]
    fn calls_say_it_by_their_status() {
        let ended = |code| {
            let stream = Stream {
                grpc: Some(GrpcEnd { code: Some(code), message: String::new() }),
                ..Stream::default()
            };
            let answer = answer(200).and("content-type", "application/grpc");
            let mut seen = Scene::of(Protocol::Grpc).plain(answer).seen();
            Scene::of(Protocol::Grpc).attempt(seen.attempts.remove(0).streamed(stream))
        };
        found(probe, ended(16), Level::High);
        found(probe, ended(7), Level::Medium);
        none(probe, ended(0));
    }

    #[test]
    fn an_open_stream_is_healthy() {
        none(probe, Scene::websocket().plain(answer(101)));
        none(probe, token().plain(answer(101)).with(Check::Credentials, Vary::NoCredentials, answer(401)));
    }
}
