//! What is measured: the one table of metric families, counters cheap enough for the hot path, the text
//! exposition, and an hour of history for the dashboard.
//!
//! Counting is a relaxed addition on a shard of the counting thread's own; nothing is locked or allocated for a
//! message. What only others know at the moment of a scrape (connections that are open, what waits, what the
//! operating system says of the process) is handed in. The machines here have no clock: time comes in.
//!
//! Nothing is exposed that [`families::ALL`] does not name, and every combination of closed enumerations is
//! there from the start with 0.

pub mod admissions;
pub mod cells;
pub mod expose;
pub mod families;
pub mod grpc;
pub mod mean;
pub mod queries;
pub mod queue;
pub mod reconnects;
pub mod registry;
pub mod scrape;
pub mod smallest;
pub mod trend;

pub use cells::{Counter, Counts, Histogram, Shard};
pub use registry::{Build, Registry, RouteMeter};
