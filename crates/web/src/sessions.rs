//! Who has signed in on the dashboard. Only hashes of the session ids are kept, in memory: a restart signs
//! everybody out.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use ring::rand::{SecureRandom, SystemRandom};

/// A session ends so long after its sign-in.
pub(crate) const LIFETIME: Duration = Duration::from_secs(12 * 3600);
/// Sessions at the same time; when full, the oldest gives way.
const SESSIONS: usize = 1000;

/// SHA-256 of a secret.
pub(crate) type Digest = [u8; 32];

/// SHA-256 of a secret.
pub(crate) fn digest(secret: &str) -> Digest {
    let digest = ring::digest::digest(&ring::digest::SHA256, secret.as_bytes());
    digest.as_ref().try_into().expect("SHA-256 has 32 bytes")
}

/// The open sessions and when each ends.
#[derive(Default)]
pub(crate) struct Sessions {
    ends: HashMap<Digest, Instant>,
}

impl Sessions {
    /// Opens a session and tells its id: 256 random bits in hexadecimal.
    ///
    /// # Errors
    /// The kernel gives no randomness.
    pub(crate) fn open(&mut self, now: Instant) -> Result<String, ring::error::Unspecified> {
        let mut random = [0u8; 32];
        SystemRandom::new().fill(&mut random)?;
        let id: String = random.iter().map(|byte| format!("{byte:02x}")).collect();
        self.make_room(now);
        self.ends.insert(digest(&id), now + LIFETIME);
        Ok(id)
    }

    /// Whether the session is open.
    pub(crate) fn is_open(&self, id: &str, now: Instant) -> bool {
        self.ends.get(&digest(id)).is_some_and(|&end| now < end)
    }

    /// Ends the session, if there is one.
    pub(crate) fn close(&mut self, id: &str) {
        self.ends.remove(&digest(id));
    }

    fn make_room(&mut self, now: Instant) {
        self.ends.retain(|_, end| now < *end);
        if self.ends.len() < SESSIONS {
            return;
        }
        let oldest = self.ends.iter().min_by_key(|(_, end)| **end);
        if let Some(id) = oldest.map(|(&id, _)| id) {
            self.ends.remove(&id);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_ends() {
        let (mut sessions, start) = (Sessions::default(), Instant::now());
        let id = sessions.open(start).expect("randomness");
        assert_eq!(id.len(), 64);
        assert!(sessions.is_open(&id, start + LIFETIME - Duration::from_secs(1)));
        assert!(!sessions.is_open(&id, start + LIFETIME));
        assert!(!sessions.is_open("", start));
        sessions.close(&id);
        assert!(!sessions.is_open(&id, start));
    }

    #[test]
    fn the_oldest_session_gives_way() {
        let (mut sessions, start) = (Sessions::default(), Instant::now());
        let ids: Vec<String> = (0..=SESSIONS as u64)
            .map(|second| sessions.open(start + Duration::from_secs(second)).expect("randomness"))
            .collect();
        assert_eq!(sessions.ends.len(), SESSIONS);
        assert!(!sessions.is_open(&ids[0], start));
        assert!(sessions.is_open(&ids[1], start) && sessions.is_open(&ids[SESSIONS], start));
    }
}
