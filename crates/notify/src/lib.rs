//! Alerts to people: a [`Channel`] makes one request of a message and judges the answer by what the
//! vendor calls success; [`Deliveries`] gives each destination a queue and a worker of its own.
//!
//! Who gives notices waits for nothing, and a channel that hangs delays no other. What is told is decided elsewhere
//! (`alert`); here is how.

mod channel;
mod channels;
mod deliveries;
mod http;
mod outcome;
mod secret;
mod settings;
mod sign;
#[cfg(test)]
mod testing;
mod text;

pub use channel::{Channel, Context, Message, inherit, kinds};
pub use deliveries::{Deliveries, Destination, InMemory, Report, Told, WAITING_MAX, World, tried_at_ms};
pub use http::{Address, Answer, Reach};
pub use outcome::{Outcome, Reason};
pub use secret::Secret;
pub use text::{Language, Texts};
