//! The order of names in which runs of digits count as numbers: `a2` before `a10`.

use std::cmp::Ordering;

/// Compares two texts.
pub(crate) fn compare(a: &str, b: &str) -> Ordering {
    let (mut a, mut b) = (a, b);
    while !a.is_empty() && !b.is_empty() {
        let (part_a, rest_a) = part(a);
        let (part_b, rest_b) = part(b);
        let are_numbers = starts_with_digit(part_a) && starts_with_digit(part_b);
        let order = if are_numbers { numbers(part_a, part_b) } else { part_a.cmp(part_b) };
        if order != Ordering::Equal {
            return order;
        }
        (a, b) = (rest_a, rest_b);
    }
    a.cmp(b)
}

fn starts_with_digit(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_digit())
}

/// The first run of digits, or of other characters, and what is behind it.
fn part(text: &str) -> (&str, &str) {
    let digits = starts_with_digit(text);
    text.split_at(text.find(|c: char| c.is_ascii_digit() != digits).unwrap_or(text.len()))
}

fn numbers(a: &str, b: &str) -> Ordering {
    let (a, b) = (a.trim_start_matches('0'), b.trim_start_matches('0'));
    a.len().cmp(&b.len()).then_with(|| a.cmp(b))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_count_as_numbers() {
        let mut names = ["a10", "a2", "b", "a", "a02b", "10", "9"];
        names.sort_by(|a, b| compare(a, b));
        assert_eq!(names, ["9", "10", "a", "a2", "a02b", "a10", "b"]);
    }
}
