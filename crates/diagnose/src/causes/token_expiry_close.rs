//! The service ends streams whose credentials have expired.

use model::finding::{Finding, Place, Said, Severity};

use crate::attempt::{Attempt, End, Sign};
use crate::cause::{Cause, Manual, Signs, phrase, text};
use crate::claim::Claim;
use crate::examination::Examination;
use crate::experiment::Via;
use crate::holds::{Clock, clump, is_for_credentials, timer};
use crate::population::{Population, calls::aged, codes, timed};

/// See the module.
pub const CAUSE: Cause = Cause {
    id: "token-expiry-close",
    number: 212,
    severity: Severity::Warning,
    manual: Manual {
        title: text("streams end when their credentials expire", "凭据过期时连接被结束"),
        symptoms: text(
            "Every client drops 15, 30 or 60 min after its login, then gets 401 in a loop.",
            "每个客户端在登录 15、30 或 60 分钟后掉线，随后反复得到 401。",
        ),
        evidence: text(
            "Streams end with 1008, 3000, 4401 or the like (gRPC: UNAUTHENTICATED), at the same age or, \
             whatever their age, at the same moment; a heartbeat does not help; the same credentials are then \
             refused.",
            "连接以 1008、3000、4401 等（gRPC：UNAUTHENTICATED）结束，存活时长相同，或时长不同但时刻相同；心跳无济于事；之后同样的凭据被拒绝。",
        ),
        look_alikes: text(
            "`max-lifetime`: no code of the application. `ws-auth-401`: refused at the opening. A policy for \
             quiet clients: a heartbeat helps.",
            "`max-lifetime`：没有应用的代码；`ws-auth-401`：在打开时即被拒绝；针对安静客户端的策略：心跳有帮助。",
        ),
        fix: text(
            "Renew credentials inside the stream or before they expire; let clients take 4401 as: renew, then \
             come back. Then a stream must outlive the token's lifetime.",
            "在连接内或过期前续期凭据；客户端收到 4401 时先续期再重连。之后连接应存活超过令牌有效期。",
        ),
        sources: &[
            "RFC 6455, section 7.4",
            "https://www.iana.org/assignments/websocket/websocket.xhtml (3000 Unauthorized, 3003 Forbidden)",
            "https://grpc.io/docs/guides/status-codes/",
        ],
    },
    phrases: &[
        phrase(
            "same_moment",
            "{count} streams of different ages ended at one moment with a code for credentials",
            "{count} 条存活时长不同的连接在同一时刻以凭据相关的代码结束",
        ),
        phrase("reason_says", "The reason speaks of it: {reason}", "原因中提到：{reason}"),
        phrase(
            "refused_after",
            "A later attempt with the same credentials was refused ({status})",
            "之后使用同样凭据的尝试被拒绝（{status}）",
        ),
        phrase(
            "other_policy",
            "another policy of the application that has this code",
            "应用中使用该代码的其他策略",
        ),
        phrase(
            "compare_exp",
            "Compare the end with the expiry of the token (`exp`), or hold a stream with a fresh one",
            "将结束时刻与令牌的到期时间（`exp`）比较，或使用新令牌保持连接",
        ),
        phrase(
            "renew",
            "In the client: renew the credentials before they expire, and come back after 4401 with new ones",
            "在客户端：在凭据过期前续期，收到 4401 后用新凭据重连",
        ),
    ],
    signs: Signs::both(probe, population),
};

fn probe(seen: &Examination) -> Option<Finding> {
    let (said, end) = at_an_age(seen).or_else(|| at_a_moment(seen))?;
    let reason = match &end.sign {
        Sign::Close(_, reason) => reason.as_str(),
        _ => "",
    };
    let lower = reason.to_ascii_lowercase();
    let says = ["expire", "token", "auth", "session", "credential"].iter().any(|word| lower.contains(word));
    let after = seen.attempts.iter().find(|attempt| {
        attempt.experiment.via == Via::Url
            && attempt.experiment.vary.is_none()
            && matches!(attempt.status(), Some(401 | 403))
    });
    let status = after.and_then(Attempt::status);
    let claim = Claim::of(&CAUSE, Place::Upstream, said)
        .corroborated(says.then(|| Said::new("reason_says").with("reason", reason)))
        .corroborated(status.map(|status| Said::new("refused_after").with("status", status)));
    let claim = if says || status.is_some() {
        claim
    } else {
        claim.unless(Said::new("other_policy")).next(Said::new("compare_exp"))
    };
    Some(claim.fix(Said::new("renew")).finding())
}

/// Streams that end at the same age, or after the same time without anything that tells age from silence.
fn at_an_age(seen: &Examination) -> Option<(Said, &End)> {
    let timer = timer(seen, Via::Url).filter(|timer| is_for_credentials(timer.manner))?;
    let is_age = matches!(timer.clock, Clock::Age | Clock::NotPings);
    (is_age && timer.is_apart && timer.ends.len() > 1).then(|| (timer.told(), timer.ends[0].1))
}

fn at_a_moment(seen: &Examination) -> Option<(Said, &End)> {
    let clump = clump(seen).filter(|clump| clump.manner().is_some_and(is_for_credentials))?;
    let end = clump.at_url.first()?.1;
    Some((Said::new("same_moment").with("count", clump.at_url.len()), end))
}

fn population(seen: &Population<'_>) -> Vec<Finding> {
    [timed::findings(&CAUSE, seen), codes::findings(&CAUSE, seen), aged::findings(&CAUSE, seen)].concat()
}

#[cfg(test)]
mod tests {
    use model::finding::Level;

    use super::*;
    use crate::scene::{SILENT, Scene, URL, close, cut_at, found, lives, none, silent_end, talked};

    fn ends(reason: &str) -> Scene {
        let sign = close(4401, reason);
        Scene::opened().attempts(silent_end(URL, 20.0, &sign)).attempt(cut_at(
            URL,
            talked(1.0),
            1.0,
            20.1,
            sign,
        ))
    }

    #[test]
    fn streams_that_end_with_their_token() {
        found(probe, ends("token expired"), Level::High);
        found(probe, ends(""), Level::Medium);
        let sign = close(1008, "session expired");
        let moment = [cut_at(URL, SILENT, 0.0, 30.0, sign.clone()), cut_at(URL, SILENT, 9.0, 21.1, sign)];
        found(probe, Scene::opened().attempts(moment), Level::High);
    }

    #[test]
    fn look_alikes_are_others() {
        let quiet = Scene::opened().attempts(silent_end(URL, 20.0, &close(1008, "idle")));
        none(probe, quiet.attempt(lives(URL, talked(1.0), 0.0, 50.0)));
        none(probe, Scene::opened().attempts(silent_end(URL, 20.0, &close(1001, ""))));
    }
}
