//! What flight recorders may keep.

use model::ByteSize;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Least events that are worth a recorder.
const EVENTS_MIN: u32 = 64;

/// Most events of one recorder.
const EVENTS_MAX: u32 = 65_536;

/// What flight recorders keep of each connection, open or closed: kinds, sizes and times, never payload.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct RecorderConfig {
    /// Events kept of one connection: the first 32 and the last ones; 0 records nothing, else from 64 to 65536. An
    /// event takes 16 bytes, and nothing is taken for what does not happen.
    pub events: u32,
    /// Memory of all recorders, such as `64MiB`: half for open connections, half for closed ones. When the first
    /// half is taken, further connections are not recorded; when the second is, the oldest recordings go.
    #[schemars(with = "String")]
    pub total_memory: ByteSize,
}

impl Default for RecorderConfig {
    fn default() -> Self {
        RecorderConfig { events: 256, total_memory: ByteSize(64 << 20) }
    }
}

impl RecorderConfig {
    /// What is wrong with `events`.
    pub(super) fn problem(&self) -> Option<String> {
        let is_right = self.events == 0 || (EVENTS_MIN..=EVENTS_MAX).contains(&self.events);
        (!is_right).then(|| format!("the events must be 0 or from {EVENTS_MIN} to {EVENTS_MAX}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events() {
        let check = |events| RecorderConfig { events, ..RecorderConfig::default() }.problem().is_none();
        assert!(check(0) && check(64) && check(256) && check(65_536));
        assert!(!check(1) && !check(63) && !check(65_537));
    }
}
