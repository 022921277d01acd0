//! Where most of some values lie.

/// The first tenth of some values, their middle, and the last tenth; zeros of none.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Tenths {
    /// A tenth of the values is below.
    pub low: f64,
    /// Half of them is below.
    pub median: f64,
    /// A tenth of them is above, or it.
    pub high: f64,
}

impl Tenths {
    /// Those of these values.
    pub fn of(values: impl Iterator<Item = f64>) -> Tenths {
        let mut values: Vec<f64> = values.collect();
        values.sort_by(f64::total_cmp);
        let at = |tenths: usize| values.get(values.len() * tenths / 10).copied().unwrap_or_default();
        Tenths { low: at(1), median: at(5), high: at(9) }
    }

    /// How far most of them lie apart, as a part of the median.
    pub fn spread(&self) -> f64 {
        (self.high - self.low) / self.median.max(f64::MIN_POSITIVE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tenth_on_either_side_is_left_out() {
        let tenths = Tenths::of((0..=10).rev().map(f64::from));
        assert_eq!(tenths, Tenths { low: 1.0, median: 5.0, high: 9.0 });
        assert_eq!(tenths.spread(), 1.6);
        assert_eq!(Tenths::of(std::iter::empty()), Tenths { low: 0.0, median: 0.0, high: 0.0 });
    }
}
