//! Handlers of `/api/v1/`.

mod connections;
mod events;
mod har;
mod journal;
mod look;
mod session;

pub(crate) use connections::{connection, connections};
pub(crate) use events::events;
pub(crate) use look::{geo, host, overview, stream};
pub(crate) use session::{login, logout, status};
