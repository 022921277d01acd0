//! What waits to be sent to another program: the port between who sends it and who keeps it meanwhile.

/// A request that is ready to be sent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Parcel {
    /// Samples in it.
    pub samples: u64,
    /// Time of its oldest sample, milliseconds since the Unix epoch.
    pub oldest_ms: i64,
    /// The request's body.
    pub body: Vec<u8>,
}

/// What waits now, and what could not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OutboxFacts {
    /// Samples that wait.
    pub samples: u64,
    /// Bytes that they take.
    pub bytes: u64,
    /// Time of the oldest sample that waits, milliseconds since the Unix epoch.
    pub oldest_ms: Option<i64>,
    /// Samples that had to leave for newer ones, since the start.
    pub overflowed: u64,
}

/// A bounded queue of parcels: when it is full, the oldest leave.
pub trait Outbox: Send + Sync {
    /// Adds a parcel as the newest. May wait for the disk.
    fn put(&self, parcel: Parcel);

    /// The oldest parcel and its number, under which it can be removed.
    fn oldest(&self) -> Option<(i64, Parcel)>;

    /// Removes the oldest parcel if it still has this number; the answer is whether it had.
    fn remove(&self, number: i64) -> bool;

    /// What waits.
    fn facts(&self) -> OutboxFacts;
}
