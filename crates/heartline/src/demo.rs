//! `heartline demo`.

use crate::Failure;
use crate::cli::DemoOptions;

/// Runs it.
///
/// # Errors
/// See [`Failure`].
pub async fn run(_: DemoOptions) -> Result<(), Failure> {
    Err(Failure::Running(String::new()))
}
