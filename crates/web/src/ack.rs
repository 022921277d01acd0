//! The page behind the link of a message by which somebody says that they care. Programs that preview links open them:
//! opening shows, and only the button acknowledges.

use std::sync::Arc;

use alert::escalation::{AckError, IncidentView, State as IncidentState};
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use http::header::{CONTENT_LANGUAGE, CONTENT_TYPE, REFERRER_POLICY, VARY};
use http::{HeaderMap, StatusCode, Uri};
use model::{Language, Word as _};

use crate::headers::language;
use crate::incidents::name;
use crate::manuals::escaped;
use crate::router::Site;

/// Who acknowledges by a link without a name.
const SOMEBODY: &str = "link";

struct Words {
    incident: &'static str,
    button: &'static str,
    your_name: &'static str,
    acked: &'static str,
    open: &'static str,
    over: &'static str,
    wrong: &'static str,
    unknown: &'static str,
}

const ENGLISH: Words = Words {
    incident: "Incident",
    button: "Acknowledge",
    your_name: "Your name",
    acked: "Acknowledged by",
    open: "Nobody has acknowledged it yet.",
    over: "It is over.",
    wrong: "This link is not valid, or too old. Acknowledge with `heartline ack`.",
    unknown: "There is no such incident any more.",
};

const CHINESE: Words = Words {
    incident: "事件",
    button: "确认",
    your_name: "您的名字",
    acked: "已确认:",
    open: "还没有人确认。",
    over: "已恢复。",
    wrong: "链接无效或已过期。请用 `heartline ack` 确认。",
    unknown: "没有这个事件,或已结束。",
};

fn words(language: Language) -> Words {
    match language {
        Language::English => ENGLISH,
        Language::Chinese => CHINESE,
    }
}

/// `GET /ack/{id}`
pub(crate) async fn page(
    State(site): State<Arc<Site>>,
    Path(id): Path<String>,
    uri: Uri,
    headers: HeaderMap,
) -> Response {
    let language = language(&uri, &headers);
    let Some(number) = checked(&site, &id, &uri).await else {
        return shown(StatusCode::FORBIDDEN, language, None, words(language).wrong);
    };
    let incident = site.asker.ask(move |ports| ports.incidents.incident(number)).await;
    match incident {
        Ok(Some(incident)) => state(StatusCode::OK, language, &incident),
        Ok(None) => shown(StatusCode::NOT_FOUND, language, None, words(language).unknown),
        Err(error) => error.into_response(),
    }
}

/// `POST /ack/{id}`; the form may have a name (`by`).
pub(crate) async fn post(
    State(site): State<Arc<Site>>,
    Path(id): Path<String>,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let language = language(&uri, &headers);
    let Some(number) = checked(&site, &id, &uri).await else {
        return shown(StatusCode::FORBIDDEN, language, None, words(language).wrong);
    };
    let by = form_urlencoded::parse(&body).find(|(key, _)| key == "by");
    let by = by.and_then(|(_, by)| name(&by).ok()).unwrap_or_else(|| SOMEBODY.to_owned());
    let acked = site.asker.ask(move |ports| {
        let acked = ports.incidents.ack(number, &by, "link");
        (acked.err(), ports.incidents.incident(number))
    });
    match acked.await {
        Ok((None, Some(incident))) => state(StatusCode::OK, language, &incident),
        Ok((Some(AckError::Acked(_) | AckError::Closed), Some(incident))) => {
            state(StatusCode::CONFLICT, language, &incident)
        }
        Ok(_) => shown(StatusCode::NOT_FOUND, language, None, words(language).unknown),
        Err(error) => error.into_response(),
    }
}

/// The number of the incident, if the link is good.
async fn checked(site: &Site, id: &str, uri: &Uri) -> Option<u64> {
    let number: u64 = id.parse().ok()?;
    let query = uri.query().unwrap_or_default().as_bytes();
    let value = |name: &str| form_urlencoded::parse(query).find(|(key, _)| key == name);
    let expires: i64 = value("expires")?.1.parse().ok()?;
    let signature = value("signature")?.1.into_owned();
    let is_link = site.asker.ask(move |ports| ports.incidents.is_link(number, expires, &signature));
    is_link.await.ok()?.then_some(number)
}

fn state(status: StatusCode, language: Language, incident: &IncidentView) -> Response {
    let words = words(language);
    match incident.state {
        IncidentState::Closed => shown(status, language, Some(incident), words.over),
        IncidentState::Acked => {
            let by = incident.acked_by.as_deref().unwrap_or_default();
            shown(status, language, Some(incident), &format!("{} {by}", words.acked))
        }
        IncidentState::Open => shown(status, language, Some(incident), words.open),
    }
}

fn shown(status: StatusCode, language: Language, incident: Option<&IncidentView>, text: &str) -> Response {
    let (words, tag) = (words(language), language.as_str());
    let heading = incident.map(|incident| {
        let key = escaped(&incident.group_key);
        format!("<h1>{} {}</h1>\n<p><code>{key}</code></p>\n", words.incident, incident.number)
    });
    // The form goes to this very address, the signature with it.
    let form = incident.filter(|incident| incident.state == IncidentState::Open).map(|_| {
        format!(
            "<form method=\"post\">\n<label>{} <input name=\"by\" maxlength=\"100\"></label>\n\
             <button>{}</button>\n</form>\n",
            words.your_name, words.button
        )
    });
    let text = format!(
        "<!doctype html>\n<html lang=\"{tag}\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"robots\" content=\"noindex\">\n<title>Heartline</title>\n\
         <link rel=\"stylesheet\" href=\"/runbooks/style.css\">\n</head>\n<body>\n<main>\n{}<p>{}</p>\n{}</main>\n\
         </body>\n</html>\n",
        heading.unwrap_or_default(),
        escaped(text),
        form.unwrap_or_default(),
    );
    let headers = [
        (CONTENT_TYPE, "text/html; charset=utf-8"),
        (CONTENT_LANGUAGE, tag),
        (VARY, "accept-language"),
        // Without a referrer browsers would not say which site the form is of.
        (REFERRER_POLICY, "same-origin"),
    ];
    (status, headers, text).into_response()
}
