//! Which entries of a chunk a filter takes: the same as [`Filter::takes`] says of each.

use std::net::IpAddr;

use model::ConnectionId;
use model::filter::{CONTAINED, Condition, Filter, Pattern, Term, TextField, network};
use serde::Deserialize;

use super::chunk::{Stored, Trouble};
use super::columns::{AddressBytes, NUMBERS, PART_ENTRIES, address_row};
use super::{names, unpack};

/// The rows that a filter takes, in order.
///
/// # Errors
/// A column that is needed is damaged, or SQLite failed.
pub(super) fn rows(chunk: &Stored<'_>, filter: &Filter) -> Result<Vec<usize>, Trouble> {
    let mut kept: Vec<usize> = (0..chunk.head.entries).collect();
    let mut terms: Vec<&Term> = filter.terms.iter().collect();
    terms.sort_by_key(|term| cost(&term.condition));
    for term in terms {
        if kept.is_empty() {
            break;
        }
        if let Condition::Text { field: TextField::UserAgent, pattern } = &term.condition {
            kept = by_user_agent(chunk, &kept, |agent| {
                agent.is_some_and(|text| pattern.takes(text)) != term.is_negated
            })?;
            continue;
        }
        let holds = holds(chunk, &term.condition)?;
        kept.retain(|row| holds.of(*row) != term.is_negated);
    }
    Ok(kept)
}

/// Which columns are read first: those that are short and tell most.
fn cost(condition: &Condition) -> u8 {
    match condition {
        Condition::Text { field: TextField::UserAgent, .. } => 4,
        Condition::Text { field: TextField::Id | TextField::Client, .. } | Condition::Network { .. } => 2,
        Condition::Text { .. } => 0,
        Condition::Number { .. } => 1,
        Condition::Contains(_) => 3,
    }
}

/// Of an entry that is packed, its client's program alone.
#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum Agent {
    Closed(OfRecord),
    Lost(serde::de::IgnoredAny),
}

#[derive(Deserialize)]
struct OfRecord {
    #[serde(default)]
    user_agent: Option<String>,
}

/// Those of some rows, in order, whose user agent is taken: it stands in the records, not in a column.
fn by_user_agent(
    chunk: &Stored<'_>,
    rows: &[usize],
    takes: impl Fn(Option<&str>) -> bool,
) -> Result<Vec<usize>, Trouble> {
    let names = names::read(chunk.connection)?;
    let mut taken = Vec::new();
    for rows in rows.chunk_by(|a, b| a / PART_ENTRIES == b / PART_ENTRIES) {
        let part = chunk.part(rows[0] / PART_ENTRIES)?;
        for row in rows {
            let bytes = part.bytes(row % PART_ENTRIES).and_then(|bytes| unpack::with_names(bytes, &names));
            let agent = bytes.and_then(|bytes| rmp_serde::from_slice(&bytes).ok()).ok_or(Trouble::Damaged)?;
            let agent = match &agent {
                Agent::Closed(record) => record.user_agent.as_deref(),
                Agent::Lost(_) => None,
            };
            if takes(agent) {
                taken.push(*row);
            }
        }
    }
    Ok(taken)
}

/// For which rows a condition holds.
enum Holds {
    All(bool),
    Each(Vec<bool>),
}

impl Holds {
    fn of(&self, row: usize) -> bool {
        match self {
            Holds::All(holds) => *holds,
            Holds::Each(rows) => rows[row],
        }
    }

    fn or(self, other: Holds) -> Holds {
        match (self, other) {
            (Holds::All(true), _) | (_, Holds::All(true)) => Holds::All(true),
            (Holds::All(false), holds) | (holds, Holds::All(false)) => holds,
            (Holds::Each(mut rows), Holds::Each(others)) => {
                rows.iter_mut().zip(others).for_each(|(row, other)| *row |= other);
                Holds::Each(rows)
            }
        }
    }
}

fn holds(chunk: &Stored<'_>, condition: &Condition) -> Result<Holds, Trouble> {
    match condition {
        Condition::Text { field, pattern } => text(chunk, *field, pattern),
        Condition::Number { field, compare, value } => {
            let mut holds = Holds::All(false);
            for (name, ..) in NUMBERS.iter().filter(|(_, of, _)| of == field) {
                let numbers = chunk.numbers(name)?;
                let rows = numbers.into_iter().map(|number| compare.holds(number, *value));
                holds = holds.or(Holds::Each(rows.collect()));
            }
            Ok(holds)
        }
        Condition::Network { address, prefix_bits } => {
            let (first, last) = network(*address, *prefix_bits);
            let clients = chunk.clients()?;
            Ok(Holds::Each(clients.iter().map(|row| first[..] <= row[1..] && row[1..] <= last[..]).collect()))
        }
        Condition::Contains(text) => {
            let text = text.to_ascii_lowercase();
            let mut holds = Holds::All(false);
            for field in CONTAINED {
                holds = holds.or(contained(chunk, field, &text)?);
            }
            Ok(holds)
        }
    }
}

fn text(chunk: &Stored<'_>, field: TextField, pattern: &Pattern) -> Result<Holds, Trouble> {
    match (field, pattern) {
        (TextField::Id, Pattern::Is(text)) => {
            let Some(id) = text.parse().ok().filter(|id: &ConnectionId| id.to_string() == *text) else {
                return Ok(Holds::All(false));
            };
            Ok(Holds::Each(chunk.ids()?.into_iter().map(|other| other == id.0).collect()))
        }
        (TextField::Client, Pattern::Is(text)) => {
            let Some(address) = text.parse().ok().filter(|address: &IpAddr| address.to_string() == *text)
            else {
                return Ok(Holds::All(false));
            };
            let row = address_row(address);
            Ok(Holds::Each(chunk.clients()?.into_iter().map(|other| other == row).collect()))
        }
        (field, pattern) => each_text(chunk, field, |text| pattern.takes(text)),
    }
}

/// Free text in one field.
fn contained(chunk: &Stored<'_>, field: TextField, text: &str) -> Result<Holds, Trouble> {
    let is_possible = match field {
        TextField::Id => text.len() <= 13 && text.bytes().all(|byte| byte.is_ascii_alphanumeric()),
        TextField::Client => text.bytes().all(|byte| byte.is_ascii_hexdigit() || b".:".contains(&byte)),
        _ => true,
    };
    match is_possible {
        true => each_text(chunk, field, |value| value.to_ascii_lowercase().contains(text)),
        false => Ok(Holds::All(false)),
    }
}

fn each_text(chunk: &Stored<'_>, field: TextField, takes: impl Fn(&str) -> bool) -> Result<Holds, Trouble> {
    match field {
        TextField::Id => {
            let ids = chunk.ids()?;
            Ok(Holds::Each(ids.into_iter().map(|id| takes(&ConnectionId(id).to_string())).collect()))
        }
        TextField::Client => {
            let clients = chunk.clients()?;
            Ok(Holds::Each(clients.iter().map(|row| takes(&address(row).to_string())).collect()))
        }
        field => {
            let texts = chunk.texts(field)?;
            let takes: Vec<bool> =
                std::iter::once(false).chain(texts.list.iter().map(|text| takes(text))).collect();
            if !takes.contains(&true) {
                return Ok(Holds::All(false));
            }
            Ok(Holds::Each(texts.numbers().map(|number| takes.get(number) == Some(&true)).collect()))
        }
    }
}

fn address(row: &AddressBytes) -> IpAddr {
    let [version, bytes @ ..] = *row;
    match bytes {
        [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, last @ ..] if version == 4 => IpAddr::from(last),
        bytes => IpAddr::from(bytes),
    }
}

#[cfg(test)]
mod tests {
    use model::journal::address_bytes;

    use super::*;

    #[test]
    fn addresses_come_back() {
        for text in ["10.0.0.1", "::ffff:10.0.0.1", "2001:db8::1", "::"] {
            let expected: IpAddr = text.parse().expect("an address");
            assert_eq!(address(&address_row(expected)), expected);
            assert_eq!(address_row(expected)[1..], address_bytes(expected));
        }
    }
}
