//! What a connection to an upstream costs when there are many to one address: the gateway's connector alone, since
//! one process may not open as many files as a whole gateway would need.

use std::process::Command;

use super::place::PROXY_CORE;
use super::upstream::{Kind, Upstream};
use crate::{root, target};

/// Connections; beyond 14,000 ports of one address get rare. An upstream holds so many in one process.
const CONNECTIONS: u32 = 18_000;

/// So many of the first are compared with so many of the last.
const WINDOW: u32 = 2_000;

/// CPU of one of the last connections, as a ratio to one of the first.
pub fn last_to_first() -> Result<f64, String> {
    build()?;
    let upstream = Upstream::start(Kind::Accept)?;
    let output = Command::new("taskset")
        .args(["-c", PROXY_CORE])
        .arg(target().join("release/examples/connect"))
        .args([upstream.address.to_string(), CONNECTIONS.to_string(), WINDOW.to_string()])
        .output()
        .map_err(|error| format!("the connector: {error}"))?;
    let told = String::from_utf8_lossy(&output.stdout);
    ratio(&told).ok_or_else(|| format!("the connector: {told}{}", String::from_utf8_lossy(&output.stderr)))
}

fn build() -> Result<(), String> {
    let build = ["build", "--release", "--quiet", "--package", "gateway", "--example", "connect", "--locked"];
    let status = Command::new("cargo").args(build).current_dir(root()).status();
    match status {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(format!("the connector's build: {status}")),
        Err(error) => Err(format!("cargo: {error}")),
    }
}

/// Of a line with the first and the last.
fn ratio(told: &str) -> Option<f64> {
    let (first, last) = told.trim().split_once(' ')?;
    Some(last.parse::<f64>().ok()? / first.parse::<f64>().ok().filter(|first| *first > 0.0)?)
}

#[cfg(test)]
mod tests {
    use super::ratio;

    #[test]
    fn the_connector_is_read() {
        assert_eq!(ratio("20.00 30.00\n"), Some(1.5));
        assert_eq!(ratio("0.00 30.00\n"), None);
        assert_eq!(ratio(""), None);
    }
}
