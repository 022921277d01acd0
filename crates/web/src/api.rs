//! Handlers of `/api/v1/`.

mod connections;
mod events;
mod explain;
mod facets;
mod har;
mod journal;
mod look;
mod session;
mod view;

pub(crate) use connections::{connection, connections};
pub(crate) use events::events;
pub(crate) use explain::explain;
pub(crate) use facets::facets;
pub(crate) use look::{config, geo, host, limits, overview, stream, system};
pub(crate) use session::{login, logout, status};
pub(crate) use view::{Views, export};
