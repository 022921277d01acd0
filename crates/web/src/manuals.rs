//! The manual pages, in the language of the reader: of alerts at `/runbooks/<Alert>`, embedded at build time, and of
//! causes at `/findings/<id>`, from the catalogue of `diagnose`.
//!
//! They are Markdown without HTML: what looks like HTML in them is shown as text.

use axum::extract::Path;
use axum::response::{IntoResponse, Response};
use diagnose::causes;
use http::header::{CACHE_CONTROL, CONTENT_LANGUAGE, CONTENT_TYPE, VARY};
use http::{HeaderMap, StatusCode, Uri};
use model::language::{Text, text};
use model::{Language, Word as _, quoted};
use pulldown_cmark::{Event, Options, Parser, Tag, TagEnd, html};
use rust_embed::RustEmbed;

use crate::headers::language;

#[derive(RustEmbed)]
#[folder = "$CARGO_MANIFEST_DIR/../../docs/runbooks"]
struct Pages;

const STYLE: &str = include_str!("manuals.css");

/// One kind of manual pages.
struct Book {
    /// Where it lies.
    path: &'static str,
    title: Text,
    unknown: Text,
    /// All pages, each with its name and its line in the list.
    pages: fn(Language) -> Vec<(String, String)>,
    /// A page as Markdown.
    page: fn(&str, Language) -> Option<String>,
}

static ALERTS: Book = Book {
    path: "/runbooks/",
    title: text("Alerts", "告警手册"),
    unknown: text("There is no alert", "没有这个告警："),
    pages: |_| alerts().into_iter().map(|name| (name.clone(), name)).collect(),
    page: alert,
};

static CAUSES: Book = Book {
    path: "/findings/",
    title: text("Causes", "原因目录"),
    unknown: text("There is no cause", "没有这个原因："),
    pages: |language| {
        let line = |cause: &&diagnose::cause::Cause| {
            (
                cause.id.to_owned(),
                format!("{} {}: {}", cause.code(), cause.id, cause.manual.title.of(language)),
            )
        };
        causes::ALL.iter().map(line).collect()
    },
    page: |id, language| causes::by_id(id).map(|cause| diagnose::text::manual(cause, language)),
};

/// The manual page of an alert, as Markdown.
pub fn alert(name: &str, language: Language) -> Option<String> {
    let file = match language {
        Language::English => format!("{name}.md"),
        Language::Chinese => format!("{name}.zh-CN.md"),
    };
    let page = Pages::get(&file).filter(|_| is_alert(name))?;
    Some(String::from_utf8_lossy(&page.data).into_owned())
}

/// The alerts that have a page, in order.
pub fn alerts() -> Vec<String> {
    let mut names: Vec<String> =
        Pages::iter().filter_map(|file| file.strip_suffix(".md").map(str::to_owned)).collect();
    names.retain(|name| is_alert(name));
    names.sort();
    names
}

fn is_alert(name: &str) -> bool {
    name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

/// `GET /runbooks/`
pub(crate) async fn runbooks(uri: Uri, headers: HeaderMap) -> Response {
    ALERTS.list(language(&uri, &headers))
}

/// `GET /runbooks/style.css`
pub(crate) async fn style() -> impl IntoResponse {
    ([(CONTENT_TYPE, "text/css; charset=utf-8"), (CACHE_CONTROL, "no-cache")], STYLE)
}

/// `GET /runbooks/<Alert>`
pub(crate) async fn runbook(Path(name): Path<String>, uri: Uri, headers: HeaderMap) -> Response {
    ALERTS.show(&name, language(&uri, &headers))
}

/// `GET /findings/`
pub(crate) async fn findings(uri: Uri, headers: HeaderMap) -> Response {
    CAUSES.list(language(&uri, &headers))
}

/// `GET /findings/<id>`
pub(crate) async fn finding(Path(id): Path<String>, uri: Uri, headers: HeaderMap) -> Response {
    CAUSES.show(&id, language(&uri, &headers))
}

impl Book {
    fn list(&self, language: Language) -> Response {
        self.page_of(StatusCode::OK, language, self.title.of(language), &self.names(language))
    }

    fn show(&self, name: &str, language: Language) -> Response {
        match (self.page)(name, language) {
            Some(page) => self.page_of(StatusCode::OK, language, name, &rendered(&page)),
            None => {
                let heading = format!("{} {}", self.unknown.of(language), quoted(name));
                self.page_of(StatusCode::NOT_FOUND, language, &heading, &self.names(language))
            }
        }
    }

    /// A list of all that has a page.
    fn names(&self, language: Language) -> String {
        let item = |(name, line): &(String, String)| {
            format!("<li><a href=\"{}{name}?lang={language}\">{}</a></li>\n", self.path, escaped(line))
        };
        let items: String = (self.pages)(language).iter().map(item).collect();
        format!("<h1>{}</h1>\n<ul>\n{items}</ul>\n", self.title.of(language))
    }

    fn page_of(&self, status: StatusCode, language: Language, title: &str, body: &str) -> Response {
        let (title, list, path) = (escaped(title), self.title.of(language), self.path);
        let (other, other_name) = match language {
            Language::English => (Language::Chinese, "简体中文"),
            Language::Chinese => (Language::English, "English"),
        };
        let lead = if status == StatusCode::NOT_FOUND { format!("<p>{title}</p>\n") } else { String::new() };
        let text = format!(
            "<!doctype html>\n<html lang=\"{language}\">\n<head>\n<meta charset=\"utf-8\">\n\
             <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
             <title>{title} · Heartline</title>\n<link rel=\"stylesheet\" href=\"/runbooks/style.css\">\n</head>\n\
             <body>\n<nav><a href=\"/\">Heartline</a> · <a href=\"{path}?lang={language}\">{list}</a> · \
             <a href=\"?lang={other}\">{other_name}</a></nav>\n<main>\n{lead}{body}</main>\n</body>\n</html>\n",
        );
        let headers = [
            (CONTENT_TYPE, "text/html; charset=utf-8"),
            (CONTENT_LANGUAGE, language.as_str()),
            (VARY, "accept-language"),
            (CACHE_CONTROL, "no-cache"),
        ];
        (status, headers, text).into_response()
    }
}

/// Markdown as HTML. HTML in it becomes text, an image its description, and links lead to the web or stay here.
fn rendered(markdown: &str) -> String {
    let events = Parser::new_ext(markdown, Options::ENABLE_TABLES).map(|event| match event {
        Event::Html(text) | Event::InlineHtml(text) => Event::Text(text),
        Event::Start(Tag::Image { .. }) => Event::Text("".into()),
        Event::End(TagEnd::Image) => Event::Text("".into()),
        Event::Start(Tag::Link { link_type, dest_url, title, id }) => {
            let dest_url = if is_harmless(&dest_url) { dest_url } else { "".into() };
            Event::Start(Tag::Link { link_type, dest_url, title, id })
        }
        other => other,
    });
    let mut text = String::new();
    html::push_html(&mut text, events);
    text
}

fn is_harmless(link: &str) -> bool {
    let is_here = !link.contains(':') && !link.starts_with("//");
    is_here || link.starts_with("https://") || link.starts_with("http://")
}

pub(crate) fn escaped(text: &str) -> String {
    let mut safe = String::new();
    html::push_html(&mut safe, std::iter::once(Event::Text(text.into())));
    safe
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn html_is_text_and_links_are_harmless() {
        let check = |markdown: &str, expected: &str| assert_eq!(rendered(markdown).trim_end(), expected);
        check("# A `b`", "<h1>A <code>b</code></h1>");
        check("a <script>alert(1)</script>", "<p>a &lt;script&gt;alert(1)&lt;/script&gt;</p>");
        check("<img src=x onerror=alert(1)>", "&lt;img src=x onerror=alert(1)&gt;");
        check("[a](javascript:alert(1))", "<p><a href=\"\">a</a></p>");
        check("[a](//evil.example)", "<p><a href=\"\">a</a></p>");
        check("[a](https://example.com/)", "<p><a href=\"https://example.com/\">a</a></p>");
        check("[a](HeartlineDown)", "<p><a href=\"HeartlineDown\">a</a></p>");
        check("![a](javascript:1)", "<p>a</p>");
    }

    #[test]
    fn every_page_is_there_in_both_languages() {
        let english = alerts();
        assert!(english.iter().any(|name| name == "Watchdog"));
        for name in &english {
            assert!(alert(name, Language::Chinese).is_some(), "{name}");
        }
    }
}
