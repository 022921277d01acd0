//! Rule groups to states of alerts, as Prometheus defines them: rule files are read and judged ([`rules`]), groups are
//! evaluated at their times over anything readable as series ([`engine`]), and rules are tested with made-up series
//! ([`unit_test`], the files of `promtool test rules`).
//!
//! Alerts to people, as Alertmanager does it: its file is read and judged ([`alertmanager`]), alerts are grouped, and
//! each channel is given what it has not been told ([`dispatch`]); who does not answer is followed by the next
//! ([`escalation`]).
//!
//! There is no clock, no thread and no file here: who runs the engine says what time it is, writes the samples that
//! it gives, and keeps its state.

pub mod alertmanager;
pub mod delivery;
pub mod dispatch;
pub mod duration;
pub mod engine;
pub mod escalation;
pub mod memory;
pub mod notice;
pub mod rules;
pub mod suspects;
pub mod template;
pub mod unit_test;
