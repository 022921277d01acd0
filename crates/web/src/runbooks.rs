//! The manual pages of alerts, embedded at build time: `/runbooks/<Alert>`, in the language of the reader.
//!
//! They are Markdown without HTML: what looks like HTML in them is shown as text.

use axum::extract::Path;
use axum::response::{IntoResponse, Response};
use http::header::{CACHE_CONTROL, CONTENT_LANGUAGE, CONTENT_TYPE, VARY};
use http::{HeaderMap, StatusCode, Uri};
use model::quoted;
use pulldown_cmark::{Event, Options, Parser, Tag, TagEnd, html};
use rust_embed::RustEmbed;

use crate::headers::{Language, language};

#[derive(RustEmbed)]
#[folder = "$CARGO_MANIFEST_DIR/../../docs/runbooks"]
struct Pages;

const STYLE: &str = include_str!("runbooks.css");

/// What the pages say around the manual's text.
struct Words {
    list: &'static str,
    unknown: &'static str,
    other: &'static str,
}

impl Language {
    fn words(self) -> Words {
        match self {
            Language::English => {
                Words { list: "Alerts", unknown: "There is no alert", other: "简体中文" }
            }
            Language::Chinese => {
                Words { list: "告警手册", unknown: "没有这个告警：", other: "English" }
            }
        }
    }

    fn other(self) -> Language {
        match self {
            Language::English => Language::Chinese,
            Language::Chinese => Language::English,
        }
    }

    /// Name of the page of an alert.
    fn file(self, alert: &str) -> String {
        match self {
            Language::English => format!("{alert}.md"),
            Language::Chinese => format!("{alert}.zh-CN.md"),
        }
    }
}

/// `GET /runbooks/`
pub(crate) async fn list(uri: Uri, headers: HeaderMap) -> Response {
    let language = language(&uri, &headers);
    page_of(StatusCode::OK, language, language.words().list, &names(language))
}

/// `GET /runbooks/style.css`
pub(crate) async fn style() -> impl IntoResponse {
    ([(CONTENT_TYPE, "text/css; charset=utf-8"), (CACHE_CONTROL, "no-cache")], STYLE)
}

/// `GET /runbooks/<Alert>`
pub(crate) async fn page(Path(alert): Path<String>, uri: Uri, headers: HeaderMap) -> Response {
    let language = language(&uri, &headers);
    match Pages::get(&language.file(&alert)).filter(|_| is_name(&alert)) {
        Some(page) => {
            let body = rendered(&String::from_utf8_lossy(&page.data));
            page_of(StatusCode::OK, language, &alert, &body)
        }
        None => {
            let heading = format!("{} {}", language.words().unknown, quoted(&alert));
            page_of(StatusCode::NOT_FOUND, language, &heading, &names(language))
        }
    }
}

fn is_name(alert: &str) -> bool {
    alert.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

/// A list of all alerts that have a page.
fn names(language: Language) -> String {
    let mut names: Vec<String> =
        Pages::iter().filter_map(|file| file.strip_suffix(".md").map(str::to_owned)).collect();
    names.retain(|name| is_name(name));
    names.sort();
    let tag = language.tag();
    let item = |name: &String| format!("<li><a href=\"/runbooks/{name}?lang={tag}\">{name}</a></li>\n");
    let items: String = names.iter().map(item).collect();
    format!("<h1>{}</h1>\n<ul>\n{items}</ul>\n", language.words().list)
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

fn page_of(status: StatusCode, language: Language, title: &str, body: &str) -> Response {
    let (words, tag) = (language.words(), language.tag());
    let (title, list, other) = (escaped(title), words.list, words.other);
    let lead = if status == StatusCode::NOT_FOUND { format!("<p>{title}</p>\n") } else { String::new() };
    let text = format!(
        "<!doctype html>\n<html lang=\"{tag}\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <title>{title} · Heartline</title>\n<link rel=\"stylesheet\" href=\"/runbooks/style.css\">\n</head>\n<body>\n\
         <nav><a href=\"/\">Heartline</a> · <a href=\"/runbooks/?lang={tag}\">{list}</a> · \
         <a href=\"?lang={}\">{other}</a></nav>\n<main>\n{lead}{body}</main>\n</body>\n</html>\n",
        language.other().tag(),
    );
    let headers = [
        (CONTENT_TYPE, "text/html; charset=utf-8"),
        (CONTENT_LANGUAGE, tag),
        (VARY, "accept-language"),
        (CACHE_CONTROL, "no-cache"),
    ];
    (status, headers, text).into_response()
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
        let english: Vec<String> =
            Pages::iter().filter_map(|file| file.strip_suffix(".md").map(str::to_owned)).collect();
        assert!(english.iter().any(|name| name == "Watchdog"));
        for name in english.iter().filter(|name| is_name(name)) {
            assert!(Pages::get(&Language::Chinese.file(name)).is_some(), "{name}");
        }
    }
}
