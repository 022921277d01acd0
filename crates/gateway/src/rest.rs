//! Whether a connection's sockets are looked at from time to time ([`crate::sampler`]). One on which nothing can have
//! changed at two looks in a row is at rest: it costs no look until the task that serves it counts another byte.
//!
//! The two looks are seconds apart, so the second one sees every byte that was counted before the first. A byte in between
//! is seen by the state alone, which both sides change in one step.

use std::sync::atomic::AtomicU8;
use std::sync::atomic::Ordering::{AcqRel, Relaxed};

const LOOKED_AT: u8 = 0;
const SETTLED: u8 = 1;
const AT_REST: u8 = 2;

/// See the module.
#[derive(Debug, Default)]
pub struct Rest(AtomicU8);

impl Rest {
    /// A look found nothing that can have changed; true when it is at rest from now on.
    pub fn settle(&self) -> bool {
        let step = |from, to| self.0.compare_exchange(from, to, AcqRel, Relaxed).is_ok();
        step(SETTLED, AT_REST) || {
            step(LOOKED_AT, SETTLED);
            false
        }
    }

    /// Bytes were counted; true when it was at rest, and is to be looked at again.
    pub fn stir(&self) -> bool {
        self.0.load(Relaxed) != LOOKED_AT && self.0.swap(LOOKED_AT, AcqRel) == AT_REST
    }

    /// Whether it is at rest.
    pub fn is_at_rest(&self) -> bool {
        self.0.load(Relaxed) == AT_REST
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_comes_to_rest_at_the_second_look() {
        let rest = Rest::default();
        assert_eq!([rest.settle(), rest.settle()], [false, true]);
        assert!(rest.is_at_rest());
    }

    #[test]
    fn a_byte_between_two_looks_keeps_it_from_rest() {
        let rest = Rest::default();
        assert_eq!([rest.settle(), rest.stir(), rest.settle()], [false; 3]);
        assert!(!rest.is_at_rest());
    }

    #[test]
    fn the_first_byte_of_many_ends_the_rest() {
        let rest = Rest::default();
        rest.settle();
        rest.settle();
        assert_eq!([rest.stir(), rest.stir()], [true, false]);
        assert!(!rest.is_at_rest());
    }
}
