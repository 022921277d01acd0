//! The k best of many values. Of equal ones those stay that a binary heap keeps, as Prometheus does it, so that
//! both choose the same series.

use std::cmp::Ordering;

use crate::options::Compat;

/// A heap with the worst value on top.
pub(super) struct Best {
    k: usize,
    /// In 2.x the worst value is taken off before a better one is put in, in 3.x it is overwritten.
    compat: Compat,
    /// The order of values, the better one first.
    order: fn(&f64, &f64) -> Ordering,
    heap: Vec<(usize, f64)>,
}

impl Best {
    /// Keeps the k largest values.
    pub fn largest(k: usize, compat: Compat) -> Best {
        Best { k, compat, order: |a, b| b.partial_cmp(a).unwrap_or(Ordering::Equal), heap: Vec::new() }
    }

    /// Keeps the k smallest values.
    pub fn smallest(k: usize, compat: Compat) -> Best {
        Best { k, compat, order: |a, b| a.partial_cmp(b).unwrap_or(Ordering::Equal), heap: Vec::new() }
    }

    /// Takes a value if there is room, or if it is better than the worst one. NaN is worse than any other.
    pub fn offer(&mut self, place: usize, value: f64) {
        if self.heap.len() < self.k {
            return self.push(place, value);
        }
        let is_better =
            self.heap.first().is_some_and(|(_, worst)| self.ranked(value, *worst) == Ordering::Less);
        match self.compat {
            _ if !is_better => {}
            Compat::V2 => {
                self.heap.swap_remove(0);
                self.sink();
                self.push(place, value);
            }
            Compat::V3 => {
                self.heap[0] = (place, value);
                self.sink();
            }
        }
    }

    fn push(&mut self, place: usize, value: f64) {
        self.heap.push((place, value));
        self.rise(self.heap.len() - 1);
    }

    /// What was kept, best first.
    pub fn into_places(mut self) -> Vec<usize> {
        let mut kept = std::mem::take(&mut self.heap);
        kept.sort_by(|(_, a), (_, b)| self.ranked(*a, *b));
        kept.into_iter().map(|(place, _)| place).collect()
    }

    fn ranked(&self, a: f64, b: f64) -> Ordering {
        a.is_nan().cmp(&b.is_nan()).then_with(|| (self.order)(&a, &b))
    }

    /// Whether one place of the heap belongs above another one. A NaN does so even above a NaN.
    fn belongs_above(&self, a: usize, b: usize) -> bool {
        let (a, b) = (self.heap[a].1, self.heap[b].1);
        a.is_nan() || self.ranked(b, a) == Ordering::Less
    }

    fn rise(&mut self, mut at: usize) {
        while at > 0 && self.belongs_above(at, (at - 1) / 2) {
            self.heap.swap(at, (at - 1) / 2);
            at = (at - 1) / 2;
        }
    }

    fn sink(&mut self) {
        let mut at = 0;
        loop {
            let (left, right) = (2 * at + 1, 2 * at + 2);
            if left >= self.heap.len() {
                return;
            }
            let is_right = right < self.heap.len() && self.belongs_above(right, left);
            let below = if is_right { right } else { left };
            if !self.belongs_above(below, at) {
                return;
            }
            self.heap.swap(at, below);
            at = below;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(mut best: Best, values: &[f64], expected: &[usize]) {
        values.iter().enumerate().for_each(|(place, value)| best.offer(place, *value));
        assert_eq!(best.into_places(), expected);
    }

    #[test]
    fn the_best_values_stay_in_their_order() {
        check(Best::largest(2, Compat::V3), &[1.0, 3.0, 2.0, 3.5], &[3, 1]);
        check(Best::smallest(2, Compat::V3), &[1.0, 3.0, 2.0, 0.5], &[3, 0]);
        check(Best::largest(3, Compat::V3), &[f64::NAN, 1.0, f64::NEG_INFINITY, f64::NAN], &[1, 2, 0]);
        check(Best::smallest(1, Compat::V3), &[f64::NAN, f64::INFINITY], &[1]);
        check(Best::largest(9, Compat::V3), &[1.0, 2.0], &[1, 0]);
        check(Best::largest(0, Compat::V3), &[1.0], &[]);
    }

    #[test]
    fn of_equal_values_the_first_ones_stay_while_nothing_better_comes() {
        check(Best::largest(2, Compat::V3), &[1.0, 1.0, 1.0], &[0, 1]);
        check(Best::largest(2, Compat::V3), &[1.0, 1.0, 2.0], &[2, 1]);
        check(Best::largest(3, Compat::V3), &[1.0, 3.0, 2.0, 2.0, 3.0], &[1, 4, 2]);
        check(Best::largest(3, Compat::V2), &[1.0, 3.0, 2.0, 2.0, 3.0], &[1, 4, 3]);
    }
}
