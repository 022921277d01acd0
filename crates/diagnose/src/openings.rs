//! What openings came to that differ in one thing: the comparison that tells whose fault a failed one is.

use std::collections::BTreeSet;

use model::Word as _;
use model::finding::Said;

use crate::attempt::{Answer, Attempt, Fault, Sign, Stage, StageName};
use crate::examination::Examination;
use crate::experiment::{Check, Conduct, Vary, Via};

/// What the same request came to straight at the service.
#[derive(Clone, Copy, Debug)]
pub enum Straight<'a> {
    /// It was not made.
    NotAsked,
    /// It opens.
    Opens(&'a Attempt),
    /// It fails in the same way.
    Alike(&'a Attempt),
    /// It fails in another way.
    Otherwise(&'a Attempt),
}

impl Straight<'_> {
    /// It opens.
    pub fn opens(self) -> bool {
        matches!(self, Straight::Opens(_))
    }

    /// It fails in the same way.
    pub fn is_alike(self) -> bool {
        matches!(self, Straight::Alike(_))
    }
}

/// The plain request, when an answer came to it that opens no stream, and it never opened.
pub fn refused(seen: &Examination) -> Option<(&Attempt, &Answer)> {
    let plain = seen.plain().filter(|_| !repeats(seen, Via::Url).any(Attempt::is_open))?;
    Some((plain, plain.answer.as_ref()?))
}

/// The plain request compared with itself straight at the service.
pub fn straight(seen: &Examination) -> Straight<'_> {
    match (seen.plain(), seen.direct()) {
        (_, None) => Straight::NotAsked,
        (_, Some(direct)) if direct.is_open() => Straight::Opens(direct),
        (Some(plain), Some(direct)) if is_alike(plain, direct) => Straight::Alike(direct),
        (_, Some(direct)) => Straight::Otherwise(direct),
    }
}

/// Two attempts that came to the same: both open, or both failed at the same stage with the same answer or fault.
pub fn is_alike(a: &Attempt, b: &Attempt) -> bool {
    match (&a.answer, &b.answer) {
        _ if a.is_open() || b.is_open() => a.is_open() && b.is_open(),
        (Some(a), Some(b)) => a.is_like(b),
        (None, None) => {
            let failed = |attempt: &Attempt| attempt.failed().map(|stage| (stage.name, stage.fault));
            failed(a) == failed(b)
        }
        _ => false,
    }
}

/// How the plain request failed before any answer came.
pub fn failed(attempt: &Attempt, stage: StageName) -> Option<Fault> {
    attempt.failed().filter(|failed| failed.name == stage)?.fault
}

/// Attempts at the URL that differ in another path than the one that was given.
pub fn other_paths(seen: &Examination) -> impl Iterator<Item = (&str, &Attempt)> {
    seen.attempts.iter().filter_map(|attempt| match &attempt.experiment.vary {
        Some(Vary::Path(path)) if attempt.experiment.via == Via::Url => Some((path.as_str(), attempt)),
        _ => None,
    })
}

/// Attempts at the URL that are the plain request, whatever was done once it was open; not those of a crowd.
pub fn repeats(seen: &Examination, via: Via) -> impl Iterator<Item = &Attempt> {
    seen.attempts.iter().filter(move |attempt| {
        let experiment = &attempt.experiment;
        experiment.via == via
            && experiment.vary.is_none()
            && !matches!(experiment.conduct, Conduct::Crowd { .. })
    })
}

/// The connections of the largest crowd there.
pub fn crowd(seen: &Examination, via: Via) -> Option<&[Attempt]> {
    let crowds = seen.of(Check::Concurrency, via).map(|attempt| attempt.crowd.as_slice());
    crowds.filter(|crowd| crowd.len() > 1).max_by_key(|crowd| crowd.len())
}

/// What was varied at the URL, by name, and did not change how the plain request failed.
pub fn unchanged(seen: &Examination) -> Vec<&'static str> {
    let Some(plain) = seen.plain() else { return Vec::new() };
    named(varied(seen).filter(|attempt| is_alike(plain, attempt)))
}

/// What was varied at the URL, by name, and made the stream open.
pub fn opening(seen: &Examination) -> Vec<&'static str> {
    named(varied(seen).filter(|attempt| attempt.is_open()))
}

/// What a failed opening may depend on and no attempt at the URL has varied, by name.
pub fn untried(seen: &Examination) -> Vec<&'static str> {
    let tried = named(varied(seen));
    let is_there = |field: &&str| seen.target.is_tls || *field != "SNI";
    FIELDS.into_iter().filter(is_there).filter(|field| !tried.contains(field)).collect()
}

/// What was varied at the URL, by name, and was refused in another way.
pub fn otherwise(seen: &Examination) -> Vec<&'static str> {
    let Some(plain) = seen.plain() else { return Vec::new() };
    named(varied(seen).filter(|attempt| !attempt.is_open() && !is_alike(plain, attempt)))
}

fn varied(seen: &Examination) -> impl Iterator<Item = &Attempt> {
    seen.attempts.iter().filter(|attempt| {
        attempt.experiment.via == Via::Url && matches!(attempt.experiment.conduct, Conduct::Greet)
    })
}

fn named<'a>(attempts: impl Iterator<Item = &'a Attempt>) -> Vec<&'static str> {
    let names: BTreeSet<_> =
        attempts.filter_map(|attempt| attempt.experiment.vary.as_ref()?.field()).collect();
    names.into_iter().collect()
}

/// The same request opens straight at the service, as a sentence.
pub fn opens_straight(seen: &Examination) -> Option<Said> {
    let direct = seen.direct().filter(|direct| direct.is_open())?;
    let upstream = seen.target.direct.as_deref().unwrap_or_default();
    Some(
        Said::new("direct_opens")
            .with("upstream", upstream)
            .with("status", direct.status().unwrap_or_default()),
    )
}

/// The same request fails in the same way straight at the service, as a sentence.
pub fn fails_straight_too(seen: &Examination) -> Option<Said> {
    let upstream = seen.target.direct.as_deref().unwrap_or_default();
    straight(seen).is_alike().then(|| Said::new("direct_fails_too").with("upstream", upstream))
}

/// What would compare with the service itself, when that was not done.
pub fn ask_straight(seen: &Examination) -> Option<Said> {
    seen.direct().is_none().then(|| Said::new("pass_upstream"))
}

/// How an attempt failed, or its stream was ended, in a word or two.
pub fn how(attempt: &Attempt) -> String {
    if let Some(end) = attempt.peer_end() {
        return match &end.sign {
            Sign::Close(code, reason) => {
                format!("Close {} {reason}", code.as_ref().map_or(1005, |code| code.0))
            }
            other => format!("{other:?}"),
        };
    }
    match (attempt.status(), attempt.failed()) {
        (Some(status), _) => status.to_string(),
        (None, Some(Stage { name, fault: Some(fault), .. })) => {
            format!("{} {}", name.as_str(), fault.as_str())
        }
        _ => "-".to_owned(),
    }
}

/// The answer in one sentence.
pub fn answered(answer: &Answer) -> Said {
    Said::new("answered").with("status", answer.status).seconds("seconds", answer.seconds)
}

/// The product that the answer names, in one sentence.
pub fn product(answer: &Answer) -> Option<Said> {
    answer.proxy().map(|product| Said::new("server_field").with("product", product))
}

/// The product of a hop in between: the answer at the URL names it, and the one straight at the service does not.
pub fn hop(seen: &Examination) -> Option<&str> {
    let product = seen.plain()?.answer.as_ref()?.proxy()?;
    let direct = seen.direct().and_then(|direct| direct.answer.as_ref())?;
    (direct.proxy() != Some(product)).then_some(product)
}

/// What the body says, in one sentence; none for a page.
pub fn body(answer: &Answer) -> Option<Said> {
    const SHOWN: usize = 120;
    let line = answer.body.split_whitespace().collect::<Vec<_>>().join(" ");
    let is_told = !line.is_empty() && !answer.is_page();
    is_told.then(|| Said::new("body_says").with("body", line.chars().take(SHOWN).collect::<String>()))
}

impl Vary {
    /// The part of a request that differs, as it is called in HTTP and TLS; none for what is not about the opening.
    pub fn field(&self) -> Option<&'static str> {
        Some(match self {
            Vary::NoOrigin | Vary::Origin(_) => "Origin",
            Vary::NoCredentials => "Authorization/Cookie",
            Vary::Host(_) => "Host",
            Vary::NoServerName => "SNI",
            Vary::Path(_) => "path",
            Vary::Alpn(_) => "ALPN",
            Vary::ExtendedConnect => "HTTP/2",
            Vary::LowerCaseFields => "field-name case",
            Vary::Compression(_) => "compression",
            Vary::Subprotocol(_) => "Sec-WebSocket-Protocol",
            Vary::NoUpgrade => "Upgrade",
            Vary::OtherScheme | Vary::DeadlineMs(_) | Vary::LastEventId(_) | Vary::RequestEnded => {
                return None;
            }
        })
    }
}

/// What a failed opening may depend on, by name.
const FIELDS: [&str; 6] = ["Authorization/Cookie", "Host", "Origin", "SNI", "Upgrade", "path"];

impl Answer {
    /// The same code gave both, for the same reason: status, media type, and nearly all words of the body. Numbers, such
    /// as times and identifiers, do not count.
    pub fn is_like(&self, other: &Answer) -> bool {
        let (own, others) = (words(&self.body), words(&other.body));
        let common = own.intersection(&others).count();
        let all = own.union(&others).count();
        self.status == other.status && self.media_type() == other.media_type() && common * 5 >= all * 4
    }

    /// Versions of the WebSocket protocol that the server speaks, when it says so and 13 is not among them (RFC 6455,
    /// section 4.4).
    pub fn lists_other_versions(&self) -> Option<&str> {
        let versions = self.field("sec-websocket-version").filter(|_| self.status != 101)?;
        (!versions.split(',').any(|version| version.trim() == "13")).then_some(versions)
    }

    /// A page for people: HTML by its type or its beginning.
    pub fn is_page(&self) -> bool {
        let body = self.body.trim_start().to_ascii_lowercase();
        self.media_type() == "text/html" || body.starts_with("<!doctype html") || body.starts_with("<html")
    }

    /// The body contains one of these, in lower case.
    pub fn says(&self, any: &[&str]) -> bool {
        let body = self.body.to_ascii_lowercase();
        any.iter().any(|word| body.contains(word))
    }

    /// A page or an address where people log in.
    pub fn is_login(&self) -> bool {
        const ADDRESS: [&str; 9] =
            ["login", "signin", "sign-in", "sign_in", "/sso", "saml", "oauth", "openid", "/auth"];
        let location = self.field("location").unwrap_or_default().to_ascii_lowercase();
        let leads_there = ADDRESS.iter().any(|word| location.contains(word));
        match self.status {
            300..=399 => leads_there,
            200..=299 => {
                self.is_page() && self.says(&["type=\"password\"", "type='password'", "type=password"])
            }
            _ => false,
        }
    }
}

/// The words of a text that have no digit.
fn words(text: &str) -> BTreeSet<&str> {
    let all = text.split(|c: char| !c.is_alphanumeric());
    all.filter(|word| !word.is_empty() && !word.contains(|c: char| c.is_ascii_digit())).collect()
}

#[cfg(test)]
mod tests {
    use crate::scene::answer;

    #[test]
    fn answers_of_the_same_code_are_alike() {
        let json =
            |id: &str| answer(400).body(&format!(r#"{{"error":"no such room","request":"{id}","at":17}}"#));
        assert!(json("9f2a").is_like(&json("1c77")));
        assert!(!json("9f2a").is_like(&answer(400).body("Bad Request")));
        assert!(!answer(400).is_like(&answer(404)));
        assert!(answer(400).is_like(&answer(400)));
        assert!(!answer(400).is_like(&answer(400).and("content-type", "text/html")));
    }

    #[test]
    fn pages_are_told_by_type_or_beginning() {
        assert!(answer(200).and("content-type", "text/html; charset=utf-8").is_page());
        assert!(answer(200).body(" <!DOCTYPE html><title>x").is_page());
        assert!(answer(200).body("<html lang=en>").is_page());
        assert!(!answer(200).and("content-type", "text/plain").body("<b>no page</b>").is_page());
    }

    #[test]
    fn a_login_is_told_by_its_address_or_its_password_field() {
        assert!(answer(302).and("location", "https://idp.example.com/oauth2/authorize?x=1").is_login());
        assert!(!answer(302).and("location", "https://example.com/chat/").is_login());
        let page = answer(200).and("content-type", "text/html");
        assert!(page.clone().body("<form><input type=\"password\">").is_login());
        assert!(!page.body("<h1>Hello</h1>").is_login());
    }
}
