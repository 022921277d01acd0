//! The command line of the bench.

use super::figures::{FIGURES, Figure};
use super::peers::{PEERS, Peer};

/// What to measure.
pub struct Options {
    /// Figures, in their order.
    pub figures: Vec<&'static Figure>,
    /// Peers, in their order.
    pub peers: Vec<&'static Peer>,
    /// How often.
    pub rounds: usize,
    /// Whether limits are judged.
    pub is_quick: bool,
    /// Whether the report is written into the documentation.
    pub writes_report: bool,
}

/// Figures of the short form: none of them depends on the load of the machine.
const QUICK: [&str; 3] = ["instructions", "syscalls", "idle-websocket"];

/// Rounds when none are asked for.
const ROUNDS: usize = 5;

impl Options {
    /// Reads the command line.
    pub fn parse(arguments: &[String]) -> Result<Options, String> {
        let is_quick = arguments.iter().any(|argument| argument == "--quick");
        let mut names: Vec<String> = Vec::new();
        let mut peers = if is_quick { vec!["heartline".to_owned()] } else { Vec::new() };
        let (mut rounds, mut writes_report) = (if is_quick { 1 } else { ROUNDS }, false);
        let mut arguments = arguments.iter();
        while let Some(argument) = arguments.next() {
            let mut value = || arguments.next().ok_or_else(|| format!("{argument}: of what?"));
            match argument.as_str() {
                "--quick" => {}
                "--report" => writes_report = true,
                "--rounds" => rounds = value()?.parse().map_err(|error| format!("--rounds: {error}"))?,
                "--peers" => peers = value()?.split(',').map(str::to_owned).collect(),
                _ => names.push(argument.clone()),
            }
        }
        if is_quick && names.is_empty() {
            names = QUICK.map(str::to_owned).to_vec();
        }
        let figures = named(&FIGURES, &names, |figure| figure.name, "figure")?;
        let peers = named(&PEERS, &peers, |peer| peer.name, "peer")?;
        Ok(Options { figures, peers, rounds, is_quick, writes_report })
    }
}

/// Rows by name; all of them when none is named.
fn named<T>(
    rows: &'static [T],
    names: &[String],
    name_of: fn(&T) -> &'static str,
    kind: &str,
) -> Result<Vec<&'static T>, String> {
    if let Some(unknown) = names.iter().find(|name| rows.iter().all(|row| name_of(row) != name.as_str())) {
        return Err(format!("there is no {kind} `{unknown}`"));
    }
    let is_wanted = |row: &&T| names.is_empty() || names.iter().any(|name| name == name_of(row));
    Ok(rows.iter().filter(is_wanted).collect())
}

/// Names of all figures.
pub fn figures() -> String {
    FIGURES.map(|figure| figure.name).join(" ")
}

/// Names of all peers.
pub fn peers() -> String {
    PEERS.map(|peer| peer.name).join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Options, String> {
        Options::parse(&line.split_whitespace().map(str::to_owned).collect::<Vec<_>>())
    }

    #[test]
    fn the_short_form_is_of_heartline_alone() {
        let options = parse("--quick").expect("a valid line");
        assert_eq!(options.figures.iter().map(|figure| figure.name).collect::<Vec<_>>(), QUICK);
        assert_eq!(options.peers.iter().map(|peer| peer.name).collect::<Vec<_>>(), ["heartline"]);
        assert_eq!(options.rounds, 1);
    }

    #[test]
    fn mistakes_are_told() {
        let check = |line: &str, expected: &str| {
            assert_eq!(parse(line).err().as_deref(), Some(expected), "{line}");
        };
        check("echoo", "there is no figure `echoo`");
        check("echo --peers nginx,apache", "there is no peer `apache`");
        check("--rounds", "--rounds: of what?");
        check("--rounds many", "--rounds: invalid digit found in string");
    }
}
