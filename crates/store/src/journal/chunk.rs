//! A chunk of entries in the file of a day: its columns are read one by one, as they are needed.

use model::Word as _;
use model::filter::TextField;
use rusqlite::{Connection, OptionalExtension, Row};

use super::block::Block;
use super::column::{TextRows, read_planes};
use super::columns::{AddressBytes, NO_TRYOUT, PART_ENTRIES};
use super::sealed;

/// Entries of a full chunk.
pub(super) const CHUNK_ENTRIES: usize = 4096;

/// Parts of a full chunk.
pub(super) const CHUNK_PARTS: i64 = (CHUNK_ENTRIES / PART_ENTRIES) as i64;

/// What is known of a chunk before it is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Head {
    /// Its number.
    pub(super) chunk: i64,
    /// Its first key.
    pub(super) first: i64,
    /// Its last key.
    pub(super) last: i64,
    /// How many entries it has.
    pub(super) entries: usize,
}

/// Why a chunk is not read.
#[derive(Debug)]
pub(super) enum Trouble {
    /// It is damaged.
    Damaged,
    /// SQLite failed.
    Database(rusqlite::Error),
}

impl From<rusqlite::Error> for Trouble {
    fn from(error: rusqlite::Error) -> Trouble {
        Trouble::Database(error)
    }
}

/// The chunks that have keys from `first` to `last`, those with the greatest keys first.
///
/// # Errors
/// What SQLite said.
pub(super) fn heads(connection: &Connection, first: i64, last: i64) -> rusqlite::Result<Vec<Head>> {
    let select = "SELECT chunk, first, last, entries FROM chunks INDEXED BY by_time
        WHERE last >= ?1 AND first <= ?2 ORDER BY last DESC";
    let head = |row: &Row<'_>| {
        let entries = usize::try_from(row.get::<_, i64>(3)?).unwrap_or(0).min(CHUNK_ENTRIES);
        Ok(Head { chunk: row.get(0)?, first: row.get(1)?, last: row.get(2)?, entries })
    };
    connection.prepare_cached(select)?.query_map([first, last], head)?.collect()
}

/// A chunk to read from.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stored<'a> {
    /// The file.
    pub(super) connection: &'a Connection,
    /// Which chunk.
    pub(super) head: Head,
}

impl Stored<'_> {
    /// Reads a column; none of `read` means that it is damaged.
    fn column<T>(&self, name: &str, read: impl FnOnce(&[u8]) -> Option<T>) -> Result<T, Trouble> {
        let select = format!("SELECT {name} FROM chunks WHERE chunk = ?1");
        let mut select = self.connection.prepare_cached(&select)?;
        let column = select.query_row([self.head.chunk], |row| {
            Ok(row.get_ref(0)?.as_blob().ok().and_then(sealed::open).and_then(|bytes| read(&bytes)))
        });
        column.optional()?.flatten().ok_or(Trouble::Damaged)
    }

    fn planes<const W: usize>(&self, name: &str) -> Result<Vec<[u8; W]>, Trouble> {
        self.column(name, |bytes| read_planes(bytes, self.head.entries))
    }

    /// A column of texts. Countries have one since version 4: chunks of earlier versions know none. Tryouts have one since
    /// version 5: there were none before.
    pub(super) fn texts(&self, field: TextField) -> Result<TextRows, Trouble> {
        match field {
            TextField::Country if !self.has(field)? => Ok(TextRows::none(self.head.entries)),
            TextField::Tryout if !self.has(field)? => Ok(TextRows::all(NO_TRYOUT, self.head.entries)),
            _ => self.column(field.as_str(), |bytes| TextRows::read(bytes, self.head.entries)),
        }
    }

    fn has(&self, field: TextField) -> Result<bool, Trouble> {
        let column = "SELECT count(*) FROM pragma_table_info('chunks') WHERE name = ?1";
        let mut column = self.connection.prepare_cached(column)?;
        if !column.query_row([field.as_str()], |row| row.get::<_, bool>(0))? {
            return Ok(false);
        }
        let known = format!("SELECT {field} IS NOT NULL FROM chunks WHERE chunk = ?1");
        let known = self.connection.prepare_cached(&known)?.query_row([self.head.chunk], |row| row.get(0));
        Ok(known.optional()?.unwrap_or(false))
    }

    /// A column of numbers; NaN where there is none.
    pub(super) fn numbers(&self, name: &str) -> Result<Vec<f64>, Trouble> {
        Ok(self.planes(name)?.into_iter().map(f64::from_be_bytes).collect())
    }

    /// The ids.
    pub(super) fn ids(&self) -> Result<Vec<u64>, Trouble> {
        Ok(self.planes("id")?.into_iter().map(u64::from_be_bytes).collect())
    }

    /// The clients' addresses.
    pub(super) fn clients(&self) -> Result<Vec<AddressBytes>, Trouble> {
        self.planes("client")
    }

    /// The keys, in order.
    pub(super) fn keys(&self) -> Result<Vec<i64>, Trouble> {
        let mut key = self.head.first;
        let steps = self.planes("key")?;
        let keys = steps.into_iter().map(|step| {
            key = key.wrapping_add_unsigned(u64::from_be_bytes(step));
            key
        });
        Ok(keys.collect())
    }

    /// The records of one part.
    pub(super) fn part(&self, part: usize) -> Result<Block, Trouble> {
        let mut select = self.connection.prepare_cached("SELECT bytes FROM records WHERE part = ?1")?;
        let number = self.head.chunk * CHUNK_PARTS + part as i64;
        let block =
            select.query_row([number], |row| Ok(row.get_ref(0)?.as_blob().ok().and_then(Block::read)));
        block.optional()?.flatten().ok_or(Trouble::Damaged)
    }
}
