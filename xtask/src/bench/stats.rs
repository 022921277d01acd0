//! Medians and quartiles of small samples.

/// The middle of a sample and what lies a quarter from its ends.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Quartiles {
    /// A quarter of the sample is below.
    pub low: f64,
    /// Half of the sample is below.
    pub median: f64,
    /// A quarter of the sample is above.
    pub high: f64,
}

/// Quartiles by linear interpolation between neighbours; none of nothing.
pub fn quartiles(sample: &[f64]) -> Option<Quartiles> {
    let mut sorted = sample.to_vec();
    sorted.sort_by(f64::total_cmp);
    let at = |part: f64| {
        let place = (sorted.len() - 1) as f64 * part;
        let (below, above) = (sorted[place.floor() as usize], sorted[place.ceil() as usize]);
        below + (above - below) * place.fract()
    };
    (!sorted.is_empty()).then(|| Quartiles { low: at(0.25), median: at(0.5), high: at(0.75) })
}

/// Ratios of two figures within each round that has both.
pub fn paired(figures: &[Option<f64>], to: &[Option<f64>]) -> Vec<f64> {
    let both = figures.iter().zip(to);
    both.filter_map(|(figure, to)| Some((*figure)? / (*to).filter(|to| *to > 0.0)?)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quartiles_of_small_samples() {
        let check = |sample: &[f64], expected: Option<[f64; 3]>| {
            let found = quartiles(sample).map(|Quartiles { low, median, high }| [low, median, high]);
            assert_eq!(found, expected, "{sample:?}");
        };
        check(&[], None);
        check(&[7.0], Some([7.0, 7.0, 7.0]));
        check(&[3.0, 1.0], Some([1.5, 2.0, 2.5]));
        check(&[5.0, 1.0, 3.0, 2.0, 4.0], Some([2.0, 3.0, 4.0]));
    }

    #[test]
    fn ratios_are_those_of_one_round() {
        let figures = [Some(2.0), None, Some(9.0), Some(1.0)];
        assert_eq!(paired(&figures, &[Some(1.0), Some(1.0), Some(3.0), Some(0.0)]), [2.0, 3.0]);
    }
}
