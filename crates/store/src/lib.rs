//! What is kept.
mod series;
