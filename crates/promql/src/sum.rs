//! Sums that keep what rounding loses (Neumaier), and means of sums that would overflow.

/// A sum with its lost digits.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Sum {
    sum: f64,
    lost: f64,
}

impl Sum {
    /// A sum of one value so far.
    pub fn of(value: f64) -> Sum {
        Sum { sum: value, lost: 0.0 }
    }

    pub fn add(&mut self, value: f64) {
        let total = self.sum + value;
        if total.is_infinite() {
            self.lost = 0.0;
        } else if self.sum.abs() >= value.abs() {
            self.lost += (self.sum - total) + value;
        } else {
            self.lost += (value - total) + self.sum;
        }
        self.sum = total;
    }

    pub fn value(self) -> f64 {
        if self.sum.is_infinite() { self.sum } else { self.sum + self.lost }
    }

    fn scaled(self, factor: f64) -> Sum {
        Sum { sum: self.sum * factor, lost: self.lost * factor }
    }

    fn divided(self, by: f64) -> Sum {
        Sum { sum: self.sum / by, lost: self.lost / by }
    }
}

/// The sum of values.
pub(crate) fn sum(values: impl IntoIterator<Item = f64>) -> f64 {
    let mut sum = Sum::default();
    values.into_iter().for_each(|value| sum.add(value));
    sum.value()
}

/// The mean of values; none of no values. From where the sum would overflow on, the mean is carried instead.
pub(crate) fn mean(values: impl IntoIterator<Item = f64>) -> Option<f64> {
    let mut values = values.into_iter();
    let mut count = 1.0;
    let mut sum = Sum::of(values.next()?);
    let mut values = values.peekable();
    while let Some(value) = values.peek() {
        let mut more = sum;
        more.add(*value);
        if more.sum.is_infinite() {
            break;
        }
        sum = more;
        count += 1.0;
        values.next();
    }
    let mut mean = sum.divided(count);
    for value in values {
        count += 1.0;
        mean = mean.scaled((count - 1.0) / count);
        mean.add(value / count);
    }
    Some(mean.sum + mean.lost)
}

/// The variance of values; none of no values.
pub(crate) fn variance(values: impl IntoIterator<Item = f64>) -> Option<f64> {
    let (mut count, mut mean, mut squares) = (0.0, Sum::default(), Sum::default());
    for value in values {
        count += 1.0;
        let delta = value - (mean.sum + mean.lost);
        mean.add(delta / count);
        squares.add(delta * (value - (mean.sum + mean.lost)));
    }
    (count > 0.0).then(|| (squares.sum + squares.lost) / count)
}

/// The value that a share `q` of the values does not exceed, interpolated; NaN of no values. Sorts the values.
pub(crate) fn quantile(q: f64, values: &mut [f64]) -> f64 {
    if values.is_empty() || q.is_nan() {
        return f64::NAN;
    }
    if q < 0.0 {
        return f64::NEG_INFINITY;
    }
    if q > 1.0 {
        return f64::INFINITY;
    }
    values.sort_by(nan_first);
    let rank = q * (values.len() - 1) as f64;
    let lower = rank.floor().max(0.0) as usize;
    let upper = (lower + 1).min(values.len() - 1);
    let weight = rank - rank.floor();
    values[lower] * (1.0 - weight) + values[upper] * weight
}

/// The order of values, NaN before all.
pub(crate) fn nan_first(a: &f64, b: &f64) -> std::cmp::Ordering {
    a.partial_cmp(b).unwrap_or_else(|| b.is_nan().cmp(&a.is_nan()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_keep_what_rounding_loses() {
        assert_eq!(sum([1e100, 1.0, -1e100]), 1.0);
        assert_eq!(sum([0.1; 10]), 1.0);
        assert_eq!(sum([f64::INFINITY, 1.0]), f64::INFINITY);
        assert!(sum([f64::INFINITY, f64::NEG_INFINITY]).is_nan());
        assert_eq!(sum([]), 0.0);
    }

    #[test]
    fn means_do_not_overflow() {
        assert_eq!(mean([f64::MAX, f64::MAX]), Some(f64::MAX));
        assert_eq!(mean([f64::MAX, f64::MIN, 3.0]), Some(1.0));
        assert_eq!(mean([f64::INFINITY, 1.0]), Some(f64::INFINITY));
        assert_eq!(mean([]), None);
    }

    #[test]
    fn quantiles_interpolate() {
        assert_eq!(quantile(0.5, &mut [3.0, 1.0]), 2.0);
        assert_eq!(quantile(1.1, &mut [3.0]), f64::INFINITY);
        assert_eq!(quantile(-0.1, &mut [3.0]), f64::NEG_INFINITY);
        assert!(quantile(0.0, &mut [1.0, f64::NAN]).is_nan());
        assert!(quantile(0.5, &mut []).is_nan());
    }

    #[test]
    fn variances_are_those_of_populations() {
        assert_eq!(variance([1.0, 3.0]), Some(1.0));
        assert_eq!(variance([]), None);
    }
}
