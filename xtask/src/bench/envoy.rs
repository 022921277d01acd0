//! Envoy, whose configuration is longer than that of all others.

use super::peers::{Site, argv, write};

/// Writes its configuration and tells how it is started.
pub fn command(site: &Site) -> Result<Vec<String>, String> {
    let file = write(site, "envoy.json", "{}")?;
    Ok(argv(&["envoy", "-c", &file]))
}
