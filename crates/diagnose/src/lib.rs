//! From what was seen of connections to the causes that explain it: findings with their evidence, how sure they are,
//! what else it could be and what to do.
//!
//! Pure: attempts of a probe ([`examination`]) and closed connections of a gateway ([`population`]) come in, findings
//! go out; time comes in with them. [`causes`] holds the catalogue, one file for each cause.

pub mod attempt;
pub mod cause;
pub mod causes;
pub mod claim;
pub mod contrast;
pub mod examination;
pub mod expected;
pub mod experiment;
pub mod flows;
pub mod holds;
pub mod limits;
pub mod occupancy;
pub mod openings;
pub mod phrases;
pub mod plan;
pub mod population;
pub mod report;
pub mod roundtrips;
#[cfg(test)]
mod scene;
pub mod sizes;
pub mod stalls;
pub mod text;
pub mod verdict;
