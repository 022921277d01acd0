//! The command line of the benchmarks of history.

use super::{Row, journal, range, relay, size};

/// Something that is measured.
pub struct Part {
    /// As it is named on the command line.
    pub name: &'static str,
    /// Measures it.
    pub measure: fn(&Options) -> Result<Vec<Row>, String>,
}

/// What to measure, and how much of it.
pub struct Options {
    /// Parts, in their order.
    pub parts: Vec<&'static Part>,
    /// Series that are kept.
    pub series: usize,
    /// Days of the range query.
    pub days: usize,
    /// Records of the journal.
    pub records: usize,
    /// Connections that end together.
    pub ending: usize,
    /// Pairs of runs with and without history.
    pub pairs: usize,
}

const PARTS: [Part; 4] = [
    Part { name: "range", measure: range::measure },
    Part { name: "journal", measure: journal::measure },
    Part { name: "size", measure: size::measure },
    Part { name: "relay", measure: relay::measure },
];

impl Options {
    /// Reads the command line.
    ///
    /// # Errors
    /// What is not understood.
    pub fn parse(arguments: &[String]) -> Result<Options, String> {
        let mut options = Options {
            parts: Vec::new(),
            series: 20_000,
            days: 7,
            records: 5_000_000,
            ending: 9_000,
            pairs: 5,
        };
        let mut names = Vec::new();
        let mut arguments = arguments.iter();
        while let Some(argument) = arguments.next() {
            let number = match argument.as_str() {
                "--series" => &mut options.series,
                "--days" => &mut options.days,
                "--records" => &mut options.records,
                "--ending" => &mut options.ending,
                "--pairs" => &mut options.pairs,
                name if PARTS.iter().any(|part| part.name == name) => {
                    names.push(name);
                    continue;
                }
                unknown => return Err(format!("there is no part `{unknown}`")),
            };
            let text = arguments.next().ok_or_else(|| format!("{argument}: how many?"))?;
            *number = text
                .parse()
                .ok()
                .filter(|number| *number > 0)
                .ok_or_else(|| format!("{argument}: `{text}` is no whole number above 0"))?;
        }
        // In this order: the relay's part leaves this process on the cores of the load.
        let is_wanted = |part: &&Part| names.is_empty() || names.contains(&part.name);
        options.parts = PARTS.iter().filter(is_wanted).collect();
        Ok(options)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Options, String> {
        Options::parse(&line.split_whitespace().map(str::to_owned).collect::<Vec<_>>())
    }

    #[test]
    fn parts_and_numbers() {
        let check = |line: &str, parts: &[&str], series| {
            let options = parse(line).expect("a valid line");
            assert_eq!(options.parts.iter().map(|part| part.name).collect::<Vec<_>>(), parts, "{line}");
            assert_eq!(options.series, series, "{line}");
        };
        check("", &["range", "journal", "size", "relay"], 20_000);
        check("relay --series 7 size", &["size", "relay"], 7);
    }

    #[test]
    fn mistakes_are_told() {
        let check = |line: &str, expected: &str| assert_eq!(parse(line).err().as_deref(), Some(expected));
        check("rnage", "there is no part `rnage`");
        check("--days", "--days: how many?");
        check("--days 0", "--days: `0` is no whole number above 0");
    }
}
