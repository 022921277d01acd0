//! Columns of a chunk as bytes. Rows of as many bytes lie in planes: the first byte of each row, then the second of
//! each, and so on; a plane whose bytes are all the same is written as one. The high bytes of numbers are. Texts are
//! numbers of a list in front.

use std::collections::HashMap;

use crate::varint;

/// Before a plane whose bytes are all the same: the one follows.
const SAME: u8 = 0;

/// Before a plane of one byte for each row.
const EACH: u8 = 1;

/// Appends rows in planes.
pub(super) fn write_planes<const W: usize>(rows: &[[u8; W]], bytes: &mut Vec<u8>) {
    for plane in 0..W {
        let first = rows.first().map_or(0, |row| row[plane]);
        if rows.iter().all(|row| row[plane] == first) {
            bytes.extend_from_slice(&[SAME, first]);
        } else {
            bytes.push(EACH);
            bytes.extend(rows.iter().map(|row| row[plane]));
        }
    }
}

/// The rows that lie in planes; none when there are not so many.
pub(super) fn read_planes<const W: usize>(mut bytes: &[u8], count: usize) -> Option<Vec<[u8; W]>> {
    let mut rows = vec![[0; W]; count];
    for plane in 0..W {
        match bytes {
            [SAME, byte, rest @ ..] => {
                rows.iter_mut().for_each(|row| row[plane] = *byte);
                bytes = rest;
            }
            [EACH, rest @ ..] => {
                let (each, rest) = rest.split_at_checked(count)?;
                rows.iter_mut().zip(each).for_each(|(row, byte)| row[plane] = *byte);
                bytes = rest;
            }
            _ => return None,
        }
    }
    bytes.is_empty().then_some(rows)
}

/// Texts that one is compared with before it is looked up: most columns have few.
const COMPARED: usize = 12;

/// A column of texts while it grows.
#[derive(Clone, Debug, Default)]
pub(super) struct Texts {
    /// Each text once; 0 means none, so that the first is 1.
    list: Vec<Box<str>>,
    /// The numbers of those behind the first few.
    numbers: HashMap<Box<str>, u16>,
    rows: Vec<u16>,
}

impl Texts {
    /// Adds a row.
    pub(super) fn push(&mut self, text: Option<&str>) {
        let number = text.map_or(0, |text| self.number(text));
        self.rows.push(number);
    }

    fn number(&mut self, text: &str) -> u16 {
        if let Some(last @ 1..) = self.rows.last().copied()
            && *self.list[usize::from(last) - 1] == *text
        {
            return last;
        }
        let number = self.list.iter().take(COMPARED).position(|one| **one == *text);
        if let Some(number) = number.map(|at| at as u16 + 1).or_else(|| self.numbers.get(text).copied()) {
            return number;
        }
        self.list.push(text.into());
        let number = u16::try_from(self.list.len()).expect("a chunk is short");
        if self.list.len() > COMPARED {
            self.numbers.insert(text.into(), number);
        }
        number
    }

    /// Adds some rows of another column.
    pub(super) fn extend(&mut self, other: &Texts, rows: impl Iterator<Item = usize>) {
        let mut numbers = vec![None; other.list.len() + 1];
        numbers[0] = Some(0);
        for row in rows {
            let number = usize::from(other.rows[row]);
            let number = *numbers[number].get_or_insert_with(|| self.number(&other.list[number - 1]));
            self.rows.push(number);
        }
    }

    /// The bytes of the column.
    pub(super) fn write(&self, bytes: &mut Vec<u8>) {
        varint::write(bytes, self.list.len() as u64);
        for text in &self.list {
            varint::write(bytes, text.len() as u64);
            bytes.extend_from_slice(text.as_bytes());
        }
        let rows: Vec<[u8; 2]> = self.rows.iter().map(|row| row.to_be_bytes()).collect();
        write_planes(&rows, bytes);
    }
}

/// A column of texts that was read.
#[derive(Debug)]
pub(super) struct TextRows {
    /// Each text once.
    pub(super) list: Vec<String>,
    rows: Vec<[u8; 2]>,
}

impl TextRows {
    /// From the bytes of a column; none when they are not those of so many rows.
    pub(super) fn read(mut bytes: &[u8], count: usize) -> Option<TextRows> {
        let texts = usize::try_from(varint::read(&mut bytes)?).ok().filter(|texts| *texts <= count)?;
        let mut list = Vec::with_capacity(texts);
        for _ in 0..texts {
            let length = usize::try_from(varint::read(&mut bytes)?).ok()?;
            let (text, rest) = bytes.split_at_checked(length)?;
            list.push(std::str::from_utf8(text).ok()?.to_owned());
            bytes = rest;
        }
        Some(TextRows { list, rows: read_planes(bytes, count)? })
    }

    /// Of so many rows without a text.
    pub(super) fn none(count: usize) -> TextRows {
        TextRows { list: Vec::new(), rows: vec![[0; 2]; count] }
    }

    /// Of so many rows that all have the same text.
    pub(super) fn all(text: &str, count: usize) -> TextRows {
        TextRows { list: vec![text.to_owned()], rows: vec![1_u16.to_be_bytes(); count] }
    }

    /// The number of each row's text in the list, from 1; 0 where there is none.
    pub(super) fn numbers(&self) -> impl Iterator<Item = usize> {
        self.rows.iter().map(|row| usize::from(u16::from_be_bytes(*row)))
    }
}
