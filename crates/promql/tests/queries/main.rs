//! Tests of queries: by scripts, by what is refused, by what holds for any data.

mod api;
mod cases;
mod errors;
mod properties;
mod scripts;
