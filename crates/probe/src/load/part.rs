//! One load in several processes, where one may not open enough files.

use std::str::FromStr;

/// Which of the connections are opened here: each `of`th, from `index` on. All parts keep the numbers, the ramp and the
/// turns of the whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Part {
    index: usize,
    of: usize,
}

impl Part {
    /// All of it.
    pub const WHOLE: Part = Part { index: 0, of: 1 };

    /// The parts of a load whose processes hold at most so many connections each.
    pub fn of_all(connections: usize, connections_max: usize) -> Vec<Part> {
        let of = connections.div_ceil(connections_max.max(1));
        (0..of).map(|index| Part { index, of }).collect()
    }

    /// Numbers of its connections, among so many.
    pub fn numbers(self, connections: usize) -> impl ExactSizeIterator<Item = usize> {
        (self.index..connections).step_by(self.of)
    }

    /// Its share of so many messages.
    pub fn share(self, messages: u64) -> u64 {
        let (index, of) = (self.index as u64, self.of as u64);
        messages / of + u64::from(index < messages % of)
    }
}

impl std::fmt::Display for Part {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.index, self.of)
    }
}

impl FromStr for Part {
    type Err = String;

    fn from_str(text: &str) -> Result<Part, String> {
        let numbers =
            text.split_once('/').and_then(|(index, of)| Some((index.parse().ok()?, of.parse().ok()?)));
        let (index, of) = numbers.filter(|(index, of)| index < of).ok_or("say INDEX/OF, such as 0/2")?;
        Ok(Part { index, of })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_the_whole() {
        for (connections, connections_max, count) in [(10, 10, 1), (11, 10, 2), (100, 30, 4), (1, 0, 1)] {
            let parts = Part::of_all(connections, connections_max);
            assert_eq!(parts.len(), count);
            let mut numbers: Vec<_> = parts.iter().flat_map(|part| part.numbers(connections)).collect();
            numbers.sort_unstable();
            assert_eq!(numbers, (0..connections).collect::<Vec<_>>());
            assert!(parts.iter().all(|part| part.numbers(connections).len() <= connections_max.max(1)));
            assert_eq!(parts.iter().map(|part| part.share(1001)).sum::<u64>(), 1001);
        }
        assert_eq!(Part::WHOLE.share(u64::MAX), u64::MAX);
    }

    #[test]
    fn text() {
        for part in Part::of_all(3, 1) {
            assert_eq!(part.to_string().parse(), Ok(part));
        }
        for wrong in ["", "1", "2/2", "0/0", "-1/2"] {
            assert!(wrong.parse::<Part>().is_err(), "{wrong}");
        }
    }
}
