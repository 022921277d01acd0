//! Entries on their way into a chunk: what filters ask for in columns, and the packed records.

use model::filter::{Filtered as _, NumberField, TextField};
use model::journal::{JournalEntry, LostConnection, address_bytes};
use model::record::{ClientAddress, CloseRecord};
use model::{ConnectionId, Country, Word};
use serde::{Deserialize, Serialize};
use std::net::IpAddr;
use std::sync::Arc;

use super::chunk::{Stored, Trouble};
use super::column::{Texts, write_planes};
use super::names::Names;
use super::pack::pack;
use super::sealed;

/// Records that are read together.
pub(super) const PART_ENTRIES: usize = 64;

/// The columns of texts, in the order of their values. Those of ids and addresses have their own form.
pub(super) const TEXTS: [TextField; 13] = [
    TextField::State,
    TextField::Protocol,
    TextField::Route,
    TextField::Upstream,
    TextField::Result,
    TextField::Initiator,
    TextField::Layer,
    TextField::Reason,
    TextField::Service,
    TextField::Method,
    TextField::GrpcCode,
    TextField::Country,
    TextField::Tryout,
];

/// What the column of tryouts says of all others.
pub(super) const NO_TRYOUT: &str = "false";

/// The columns of numbers, in their order: name, field, and which of the field's numbers.
pub(super) const NUMBERS: [(&str, NumberField, usize); 9] = [
    ("status", NumberField::Status, 0),
    ("code_client", NumberField::Code, 0),
    ("code_upstream", NumberField::Code, 1),
    ("port", NumberField::Port, 0),
    ("duration", NumberField::Duration, 0),
    ("idle", NumberField::Idle, 0),
    ("messages", NumberField::Messages, 0),
    ("bytes", NumberField::Bytes, 0),
    ("unsent", NumberField::Unsent, 0),
];

/// An address: 4 or 6, and its 16 bytes.
pub(super) type AddressBytes = [u8; 17];

/// An address as it lies in its column.
pub(super) fn address_row(address: IpAddr) -> AddressBytes {
    let mut row = [if address.is_ipv4() { 4 } else { 6 }; 17];
    row[1..].copy_from_slice(&address_bytes(address));
    row
}

/// An entry as it is packed.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Packed {
    /// It was closed.
    Closed(Arc<CloseRecord>),
    /// It was lost.
    Lost(LostConnection),
}

/// Entries, row by row.
#[derive(Clone, Debug, Default)]
pub(super) struct Columns {
    keys: Vec<i64>,
    ids: Vec<u64>,
    clients: Vec<AddressBytes>,
    texts: [Texts; TEXTS.len()],
    numbers: [Vec<f64>; NUMBERS.len()],
    records: Vec<u8>,
    /// Where each record ends in `records`.
    ends: Vec<usize>,
}

/// A chunk's bytes.
pub(super) struct Encoded {
    /// Of the columns in the order of the table: texts, numbers, keys, ids, addresses.
    pub(super) columns: Vec<Vec<u8>>,
    /// Of the records, some together.
    pub(super) parts: Vec<Vec<u8>>,
}

impl Columns {
    /// The entries, in this order.
    pub(super) fn of(entries: &[&JournalEntry], names: &mut Names) -> Columns {
        let mut columns = Columns::default();
        for entry in entries {
            columns.push(entry, names);
        }
        columns
    }

    /// Some rows of others.
    pub(super) fn of_rows(other: &Columns, rows: &[usize]) -> Columns {
        let mut columns = Columns::default();
        columns.extend(other, rows.iter().copied());
        columns
    }

    /// The entries of a chunk.
    ///
    /// # Errors
    /// It is damaged, or SQLite failed.
    pub(super) fn read(chunk: &Stored<'_>) -> Result<Columns, Trouble> {
        let mut columns = Columns {
            keys: chunk.keys()?,
            ids: chunk.ids()?,
            clients: chunk.clients()?,
            ..Columns::default()
        };
        for (column, field) in columns.texts.iter_mut().zip(TEXTS) {
            let texts = chunk.texts(field)?;
            for number in texts.numbers() {
                column.push(
                    number.checked_sub(1).and_then(|number| texts.list.get(number)).map(String::as_str),
                );
            }
        }
        for (column, (name, ..)) in columns.numbers.iter_mut().zip(NUMBERS) {
            *column = chunk.numbers(name)?;
        }
        for row in (0..columns.len()).step_by(PART_ENTRIES) {
            let part = chunk.part(row / PART_ENTRIES)?;
            for place in 0..PART_ENTRIES.min(columns.len() - row) {
                columns.records.extend_from_slice(part.bytes(place).ok_or(Trouble::Damaged)?);
                columns.ends.push(columns.records.len());
            }
        }
        Ok(columns)
    }

    fn push(&mut self, entry: &JournalEntry, names: &mut Names) {
        self.keys.push(entry.ended_at().0.min(i64::MAX as u64).cast_signed());
        match entry {
            JournalEntry::Closed { closed } => {
                self.push_closed(closed);
                pack(&PackedRef::Closed(closed), names, &mut self.records)
            }
            JournalEntry::Lost { lost } => {
                self.push_lost(lost);
                pack(&PackedRef::Lost(lost), names, &mut self.records)
            }
        }
        .expect("records are structures of words, texts and numbers");
        self.ends.push(self.records.len());
    }

    fn push_closed(&mut self, one: &CloseRecord) {
        let grpc = one.grpc.as_deref();
        self.push_head(one.id, &one.client);
        self.push_texts([
            Some("closed"),
            Some(one.protocol.as_str()),
            Some(&one.route),
            one.upstream.as_deref(),
            Some(one.handshake.result.as_str()),
            one.initiator.map(Word::as_str),
            one.layer.map(Word::as_str),
            one.reason.map(Word::as_str),
            grpc.map(|grpc| &*grpc.service),
            grpc.map(|grpc| &*grpc.method),
            grpc.map(|grpc| grpc.code.as_str()),
            one.client.country.as_ref().map(Country::as_str),
            Some(tryout(&one.client)),
        ]);
        for (column, (_, field, which)) in self.numbers.iter_mut().zip(NUMBERS) {
            column.push(one.numbers(field)[which].unwrap_or(f64::NAN));
        }
    }

    fn push_lost(&mut self, lost: &LostConnection) {
        let one = &lost.opening;
        self.push_head(one.id, &one.client);
        let mut texts = [None; TEXTS.len()];
        texts[..4].copy_from_slice(&[
            Some("lost"),
            Some(one.protocol.as_str()),
            Some(&one.route),
            Some(&one.upstream),
        ]);
        let of_client = [one.client.country.as_ref().map(Country::as_str), Some(tryout(&one.client))];
        texts[TEXTS.len() - 2..].copy_from_slice(&of_client);
        self.push_texts(texts);
        for (column, (_, field, _)) in self.numbers.iter_mut().zip(NUMBERS) {
            column.push(if field == NumberField::Port { f64::from(one.client.port) } else { f64::NAN });
        }
    }

    fn push_head(&mut self, id: ConnectionId, client: &ClientAddress) {
        self.ids.push(id.0);
        self.clients.push(address_row(client.ip));
    }

    fn push_texts(&mut self, texts: [Option<&str>; TEXTS.len()]) {
        for (column, text) in self.texts.iter_mut().zip(texts) {
            column.push(text);
        }
    }

    /// Adds rows of others.
    pub(super) fn extend(&mut self, other: &Columns, rows: impl Iterator<Item = usize> + Clone) {
        self.keys.extend(rows.clone().map(|row| other.keys[row]));
        self.ids.extend(rows.clone().map(|row| other.ids[row]));
        self.clients.extend(rows.clone().map(|row| other.clients[row]));
        for (column, other) in self.texts.iter_mut().zip(&other.texts) {
            column.extend(other, rows.clone());
        }
        for (column, other) in self.numbers.iter_mut().zip(&other.numbers) {
            column.extend(rows.clone().map(|row| other[row]));
        }
        for row in rows {
            self.records.extend_from_slice(other.record(row));
            self.ends.push(self.records.len());
        }
    }

    fn record(&self, row: usize) -> &[u8] {
        let start = if row == 0 { 0 } else { self.ends[row - 1] };
        &self.records[start..self.ends[row]]
    }

    /// How many entries there are.
    pub(super) fn len(&self) -> usize {
        self.keys.len()
    }

    /// The keys, in the order of the rows.
    pub(super) fn keys(&self) -> &[i64] {
        &self.keys
    }

    /// Another key for a row.
    pub(super) fn set_key(&mut self, row: usize, key: i64) {
        self.keys[row] = key;
    }

    /// The rows in the order of keys; of the same key, as they came.
    pub(super) fn order(&self) -> Vec<usize> {
        let mut rows: Vec<usize> = (0..self.len()).collect();
        rows.sort_by_key(|row| self.keys[*row]);
        rows
    }

    /// The bytes of a chunk of them. They must be in the order of keys.
    pub(super) fn encode(&self) -> Encoded {
        let mut columns = Vec::with_capacity(TEXTS.len() + NUMBERS.len() + 3);
        let mut add = |write: &dyn Fn(&mut Vec<u8>)| {
            let mut bytes = sealed::begun();
            write(&mut bytes);
            columns.push(sealed::checked(bytes));
        };
        for column in &self.texts {
            add(&|bytes| column.write(bytes));
        }
        for column in &self.numbers {
            add(&|bytes| write_numbers(column.iter().map(|number| number.to_bits()), bytes));
        }
        let before = std::iter::once(&self.keys[0]).chain(&self.keys);
        let steps = self.keys.iter().zip(before).map(|(key, before)| key.abs_diff(*before));
        add(&|bytes| write_numbers(steps.clone(), bytes));
        add(&|bytes| write_numbers(self.ids.iter().copied(), bytes));
        add(&|bytes| write_planes(&self.clients, bytes));
        let parts = (0..self.len()).step_by(PART_ENTRIES).map(|first| {
            let mut plain = sealed::begun();
            for row in first..self.len().min(first + PART_ENTRIES) {
                let record = self.record(row);
                let length = u32::try_from(record.len()).expect("a record is short");
                plain.extend_from_slice(&length.to_be_bytes());
                plain.extend_from_slice(record);
            }
            sealed::checked(plain)
        });
        let parts = parts.collect();
        Encoded { columns, parts }
    }
}

/// The value of the column `tryout`.
fn tryout(client: &ClientAddress) -> &'static str {
    if client.is_tryout { "true" } else { NO_TRYOUT }
}

fn write_numbers(numbers: impl Iterator<Item = u64>, bytes: &mut Vec<u8>) {
    let rows: Vec<[u8; 8]> = numbers.map(u64::to_be_bytes).collect();
    write_planes(&rows, bytes);
}

#[derive(Serialize)]
#[serde(rename_all = "lowercase")]
enum PackedRef<'a> {
    Closed(&'a CloseRecord),
    Lost(&'a LostConnection),
}
