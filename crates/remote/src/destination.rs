//! Where samples go.

use std::sync::Arc;

use crate::access::Access;

/// An engine elsewhere that samples are sent to.
#[derive(Clone, Debug)]
pub struct Destination {
    /// Name in metrics and the log.
    pub name: Arc<str>,
    /// Its receiver of remote write.
    pub access: Access,
}

impl Destination {
    /// The name of what waits for it, which follows from the URL alone.
    pub fn queue_name(&self) -> String {
        let url = self.access.url.to_string();
        let digest = ring::digest::digest(&ring::digest::SHA256, url.as_bytes());
        digest.as_ref()[..8].iter().map(|byte| format!("{byte:02x}")).collect()
    }
}
