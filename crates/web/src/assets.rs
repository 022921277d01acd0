//! The dashboard's files, embedded at build time. They are looked up by exact name among what is embedded, so
//! no path leads anywhere else.

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use http::header::{self, HeaderMap, HeaderValue};
use http::{Method, StatusCode, Uri};
use model::quoted;
use rust_embed::{EmbeddedFile, RustEmbed};

use crate::error::ApiError;
use crate::headers::{Encoding, encodings};

#[derive(RustEmbed)]
#[folder = "$OUT_DIR/dist"]
struct Dashboard;

/// Whatever no other handler takes: a file of the dashboard, or nothing.
pub(crate) async fn serve(method: Method, uri: Uri, headers: HeaderMap) -> Response {
    if !matches!(method, Method::GET | Method::HEAD) {
        let allow = [(header::ALLOW, "GET, HEAD")];
        return (allow, crate::router::method_not_allowed().await).into_response();
    }
    answer::<Dashboard>(uri.path(), &headers).unwrap_or_else(|| {
        ApiError::not_found(format!("there is nothing at {}", quoted(uri.path())))
            .hint("the dashboard is at /, the API under /api/v1/, the metrics page at /metrics, manual pages under /runbooks/ and /findings/, licences at /licences")
            .into_response()
    })
}

fn answer<Files: RustEmbed>(path: &str, headers: &HeaderMap) -> Option<Response> {
    let name = match path.strip_prefix('/')? {
        "" => "index.html",
        name => name,
    };
    if Encoding::ALL.iter().any(|encoding| name.ends_with(encoding.suffix())) {
        return None;
    }
    let plain = Files::get(name)?;
    let packed = encodings(headers).find_map(|encoding| {
        let file = Files::get(&format!("{name}{}", encoding.suffix()))?;
        Some((encoding, file))
    });
    let (encoding, file) = match packed {
        Some((encoding, file)) => (Some(encoding), file),
        None => (None, plain),
    };

    let tag = entity_tag(&file);
    let mut response = if is_held(&tag, headers) {
        StatusCode::NOT_MODIFIED.into_response()
    } else {
        let mut response = Body::from(file.data).into_response();
        response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type(name)));
        if let Some(encoding) = encoding {
            let token = HeaderValue::from_static(encoding.token());
            response.headers_mut().insert(header::CONTENT_ENCODING, token);
        }
        response
    };
    let headers = response.headers_mut();
    headers.insert(header::ETAG, tag);
    headers.insert(header::VARY, HeaderValue::from_static("accept-encoding"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static(lifetime(name)));
    Some(response)
}

/// Names under `assets/` carry a hash of their content.
fn lifetime(name: &str) -> &'static str {
    if name.starts_with("assets/") { "public, max-age=31536000, immutable" } else { "no-cache" }
}

/// Strong: each form of a file, compressed or not, has its own.
fn entity_tag(file: &EmbeddedFile) -> HeaderValue {
    let hash: String = file.metadata.sha256_hash()[..16].iter().map(|byte| format!("{byte:02x}")).collect();
    HeaderValue::from_str(&format!("\"{hash}\"")).expect("hexadecimal digits are a header value")
}

fn is_held(tag: &HeaderValue, headers: &HeaderMap) -> bool {
    let lines = headers.get_all(header::IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok());
    lines
        .flat_map(|line| line.split(','))
        .map(|held| held.trim().trim_start_matches("W/"))
        .any(|held| held == "*" || tag == held)
}

fn content_type(name: &str) -> &'static str {
    match name.rsplit_once('.').map_or("", |(_, extension)| extension) {
        "html" => "text/html; charset=utf-8",
        "js" | "mjs" => "text/javascript; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "svg" => "image/svg+xml",
        "png" => "image/png",
        "ico" => "image/x-icon",
        "woff2" => "font/woff2",
        "json" | "map" => "application/json",
        "webmanifest" => "application/manifest+json",
        "txt" => "text/plain; charset=utf-8",
        _ => "application/octet-stream",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(RustEmbed)]
    #[folder = "tests/dist"]
    struct Sample;

    fn get(path: &str, lines: &[(header::HeaderName, &str)]) -> Option<Response> {
        let pairs = lines.iter().map(|(name, value)| (name.clone(), value.parse().expect("a header value")));
        answer::<Sample>(path, &pairs.collect())
    }

    #[track_caller]
    fn check(path: &str, accept_encoding: &str, expected: &[(header::HeaderName, &str)]) {
        let response = get(path, &[(header::ACCEPT_ENCODING, accept_encoding)]).expect("a file");
        assert_eq!(response.status(), StatusCode::OK);
        for (name, value) in expected {
            let got = response.headers().get(name).map_or("", |value| value.to_str().expect("text"));
            assert_eq!(got, *value, "{name}");
        }
    }

    #[test]
    fn files_are_negotiated() {
        use header::{CACHE_CONTROL, CONTENT_ENCODING, CONTENT_TYPE};
        let html = (CONTENT_TYPE, "text/html; charset=utf-8");
        let script = (CONTENT_TYPE, "text/javascript; charset=utf-8");
        let immutable = (CACHE_CONTROL, "public, max-age=31536000, immutable");
        check("/", "", &[html.clone(), (CACHE_CONTROL, "no-cache"), (CONTENT_ENCODING, "")]);
        check("/index.html", "br", &[html, (CONTENT_ENCODING, "")]);
        let app = "/assets/app-1a2b3c.js";
        check(app, "gzip, br", &[script.clone(), immutable.clone(), (CONTENT_ENCODING, "br")]);
        check(app, "gzip", &[script.clone(), (CONTENT_ENCODING, "gzip")]);
        check(app, "br;q=0", &[script, immutable, (CONTENT_ENCODING, "")]);
    }

    #[test]
    fn each_form_has_its_own_tag() {
        let app = "/assets/app-1a2b3c.js";
        let tag = |encoding: &str| {
            let response = get(app, &[(header::ACCEPT_ENCODING, encoding)]).expect("a file");
            response.headers()[header::ETAG].to_str().expect("text").to_owned()
        };
        let (plain, brotli) = (tag(""), tag("br"));
        assert_ne!(plain, brotli);
        let status = |held: &str| get(app, &[(header::IF_NONE_MATCH, held)]).expect("a file").status();
        assert_eq!(status(&plain), StatusCode::NOT_MODIFIED);
        assert_eq!(status(&format!("\"x\", W/{plain}")), StatusCode::NOT_MODIFIED);
        assert_eq!(status("*"), StatusCode::NOT_MODIFIED);
        assert_eq!(status(&brotli), StatusCode::OK);
        let held = get(app, &[(header::IF_NONE_MATCH, &plain)]).expect("a file");
        assert_eq!(held.headers()[header::ETAG], plain);
        assert!(!held.headers().contains_key(header::CONTENT_TYPE));
    }

    #[test]
    fn no_path_leads_elsewhere() {
        for path in [
            "/../Cargo.toml",
            "/../../../../etc/passwd",
            "/assets/../index.html",
            "//index.html",
            "/%2e%2e/Cargo.toml",
            "/..%2fCargo.toml",
            "/..\\Cargo.toml",
            "/assets",
            "/assets/",
            "/assets/app-1a2b3c.js.br",
            "/index.html%00.js",
        ] {
            assert!(get(path, &[]).is_none(), "{path}");
        }
    }
}
