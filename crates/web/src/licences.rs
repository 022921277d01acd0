//! `GET /licences`: the licences of what is in this program, as a text for people.

use axum::response::IntoResponse;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};

/// Written by `cargo xtask licences`, which `cargo xtask tidy` compares with what is built in.
const TEXT: &str = include_str!("../licences.txt");

/// `GET /licences`
pub(crate) async fn licences() -> impl IntoResponse {
    ([(CONTENT_TYPE, "text/plain; charset=utf-8"), (CACHE_CONTROL, "no-cache")], TEXT)
}
