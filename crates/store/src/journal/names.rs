//! Names of fields and words, which records use again and again, each written once for a file of a day and meant by its number
//! from then on.

use std::collections::HashMap;

use rusqlite::{Connection, params};

/// Places of the cache of numbers: some times as many as a record has names.
const CACHE_BITS: u32 = 10;

/// Places of it where one number is looked for.
const PLACES_TRIED: usize = 8;

/// The names of a file, in the order of their numbers; none in the place of a damaged one.
pub(super) type NameList = Vec<Option<String>>;

/// Reads the names of a file.
///
/// # Errors
/// What SQLite said.
pub(super) fn read(connection: &Connection) -> rusqlite::Result<NameList> {
    let mut select = connection.prepare("SELECT number, name, sum FROM names ORDER BY number")?;
    let mut rows = select.query([])?;
    let mut names = NameList::new();
    while let Some(row) = rows.next()? {
        let (number, name, sum): (i64, String, i64) = (row.get(0)?, row.get(1)?, row.get(2)?);
        let is_whole = sum == sum_of(&name);
        names.resize(usize::try_from(number).map_or(0, |number| number.min(usize::from(u16::MAX))), None);
        names.push(is_whole.then_some(name));
    }
    Ok(names)
}

fn sum_of(name: &str) -> i64 {
    i64::from(crc32fast::hash(name.as_bytes()))
}

/// The names of a file that is written.
#[derive(Debug)]
pub(super) struct Names {
    list: NameList,
    numbers: HashMap<String, u16>,
    /// The numbers of texts of the program by where those lie, so that few are looked up.
    cache: Vec<Cached>,
    /// How many of them are in the file.
    stored: usize,
}

/// A number and the names that it is for, which are the same when they lie in the same place of the program.
#[derive(Clone, Debug, Default)]
struct Cached {
    names: Vec<&'static str>,
    number: u16,
}

impl Names {
    /// Those that a file has.
    pub(super) fn new(list: NameList) -> Names {
        let known = (0_u16..).zip(&list).filter_map(|(number, name)| Some((name.clone()?, number)));
        let numbers = known.collect();
        Names { stored: list.len(), list, numbers, cache: vec![Cached::default(); 1 << CACHE_BITS] }
    }

    /// All of them.
    #[cfg(test)]
    pub(super) fn list(&self) -> &NameList {
        &self.list
    }

    /// The number of a name; a new one's is the next. Names are the program's own: they are few.
    pub(super) fn number(&mut self, name: &'static str) -> u16 {
        self.number_of_fields(&[name])
    }

    /// The number of names together.
    pub(super) fn number_of_fields(&mut self, names: &[&'static str]) -> u16 {
        let (Some(first), Some(last)) = (names.first(), names.last()) else { return self.look_up("") };
        let mixed = (first.as_ptr() as u64).rotate_left(32) ^ last.as_ptr() as u64 ^ names.len() as u64;
        let first_place = (mixed.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> (u64::BITS - CACHE_BITS)) as usize;
        let is_same = |(one, other): (&&'static str, &&'static str)| std::ptr::eq(*one, *other);
        let mut place = first_place;
        for tried in 0..PLACES_TRIED {
            place = (first_place + tried) % self.cache.len();
            let cached = &self.cache[place];
            if cached.names.len() == names.len() && cached.names.iter().zip(names).all(is_same) {
                return cached.number;
            }
            if cached.names.is_empty() {
                break;
            }
        }
        let number = self.look_up(&names.join(","));
        self.cache[place] = Cached { names: names.to_vec(), number };
        number
    }

    fn look_up(&mut self, name: &str) -> u16 {
        if let Some(number) = self.numbers.get(name) {
            return *number;
        }
        let number = u16::try_from(self.list.len()).expect("a program has few names");
        self.list.push(Some(name.to_owned()));
        self.numbers.insert(name.to_owned(), number);
        number
    }

    /// Writes those that are new.
    ///
    /// # Errors
    /// What SQLite said.
    pub(super) fn store(&mut self, connection: &Connection) -> rusqlite::Result<()> {
        for (number, name) in self.list.iter().enumerate().skip(self.stored) {
            let Some(name) = name else { continue };
            let mut insert = connection.prepare_cached("INSERT INTO names VALUES (?1, ?2, ?3)")?;
            insert.execute(params![number as i64, name, sum_of(name)])?;
        }
        self.stored = self.list.len();
        Ok(())
    }
}
