//! Functions of single values.

/// The smaller one, NaN if one is.
pub(super) fn lower(a: f64, b: f64) -> f64 {
    if a.is_nan() || b.is_nan() { f64::NAN } else { a.min(b) }
}

/// The larger one, NaN if one is.
pub(super) fn upper(a: f64, b: f64) -> f64 {
    if a.is_nan() || b.is_nan() { f64::NAN } else { a.max(b) }
}

pub(super) fn clamp(value: f64, bounds: &[f64]) -> Option<f64> {
    let (min, max) = (bounds[0], bounds[1]);
    let is_empty = max < min;
    (!is_empty).then(|| upper(min, lower(max, value)))
}

pub(super) fn clamp_max(value: f64, bounds: &[f64]) -> Option<f64> {
    Some(lower(bounds[0], value))
}

pub(super) fn clamp_min(value: f64, bounds: &[f64]) -> Option<f64> {
    Some(upper(bounds[0], value))
}

/// To the nearest multiple, ties upwards. The inverse of it loses fewer digits.
pub(super) fn round(value: f64, nearest: &[f64]) -> Option<f64> {
    let inverse = 1.0 / nearest.first().copied().unwrap_or(1.0);
    Some((value * inverse + 0.5).floor() / inverse)
}

pub(super) fn sign(value: f64) -> f64 {
    if value < 0.0 {
        -1.0
    } else if value > 0.0 {
        1.0
    } else {
        value
    }
}
