//! Where clients are: the country of an address, from a database that whoever runs this brings.
//!
//! The database is one file in MaxMind's format (<https://maxmind.github.io/MaxMind-DB/>), held in memory as a whole; an
//! address is looked up once, when its connection is opened.

pub mod made_up;

use std::fs::File;
use std::io::{self, Read as _};
use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;

use arc_swap::ArcSwapOption;
use maxminddb::{PathElement, Reader};
use model::Country;

use crate::config::GeoConfig;

/// Largest database; those of countries have some 10 MB, those of cities some 100 MB.
const DATABASE_BYTES_MAX: u64 = 512 << 20;

/// Where records have the code of a country: MaxMind's, and flat ones (ip-location-db).
const PATHS: [&[PathElement<'_>]; 2] =
    [&[PathElement::Key("country"), PathElement::Key("iso_code")], &[PathElement::Key("country_code")]];

/// A database that was read.
pub struct Database(Reader<Vec<u8>>);

/// Why a database cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum DatabaseError {
    /// The file cannot be read.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// It is too large.
    #[error("it has more than {} MiB", DATABASE_BYTES_MAX >> 20)]
    TooLarge,
    /// It is no database of this format.
    #[error("it is no database in MaxMind's format (.mmdb): {0}")]
    Format(#[from] maxminddb::MaxMindDbError),
}

impl Database {
    /// Reads the file of the configuration, if there is one.
    ///
    /// # Errors
    /// See [`DatabaseError`].
    pub fn of(config: &GeoConfig) -> Result<Option<Database>, DatabaseError> {
        config.database.as_deref().map(Database::read).transpose()
    }

    fn read(path: &Path) -> Result<Database, DatabaseError> {
        let mut bytes = Vec::new();
        File::open(path)?.take(DATABASE_BYTES_MAX + 1).read_to_end(&mut bytes)?;
        if bytes.len() as u64 > DATABASE_BYTES_MAX {
            return Err(DatabaseError::TooLarge);
        }
        Ok(Database(Reader::from_source(bytes)?))
    }

    fn country(&self, ip: IpAddr) -> Option<Country> {
        // An address of a version that the database does not have, and a damaged record, are not known.
        let found = self.0.lookup(ip).ok()?;
        PATHS.iter().find_map(|path| found.decode_path::<&str>(path).ok()??.parse().ok())
    }
}

/// The database in force.
#[derive(Default)]
pub struct Geo(ArcSwapOption<Database>);

impl Geo {
    /// Takes over another database, or none; connections that are open keep their country.
    pub fn set(&self, database: Option<Database>) {
        self.0.store(database.map(Arc::new));
    }

    /// Whether there is a database.
    pub fn is_known(&self) -> bool {
        self.0.load().is_some()
    }

    /// The country of an address.
    pub fn country(&self, ip: IpAddr) -> Option<Country> {
        self.0.load().as_ref()?.country(ip)
    }
}

impl std::fmt::Debug for Geo {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Geo").field(&self.is_known()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn database() -> Database {
        let network = |address: &str, bits, country: &str| {
            (address.parse().expect("an address"), bits, country.parse().expect("a country"))
        };
        let bytes = made_up::database(&[
            network("192.0.2.0", 24, "DE"),
            network("198.51.100.0", 25, "CN"),
            network("198.51.100.128", 25, "JP"),
        ]);
        Database(Reader::from_source(bytes).expect("a database"))
    }

    #[test]
    fn addresses_have_countries() {
        let geo = Geo::default();
        let check = |address: &str, expected: Option<&str>| {
            let country = geo.country(address.parse().expect("an address"));
            assert_eq!(country.map(String::from).as_deref(), expected, "{address}");
        };
        check("192.0.2.7", None);
        geo.set(Some(database()));
        check("192.0.2.7", Some("DE"));
        check("198.51.100.127", Some("CN"));
        check("198.51.100.128", Some("JP"));
        check("203.0.113.1", None);
        check("2001:db8::1", None);
        geo.set(None);
        check("192.0.2.7", None);
    }

    #[test]
    fn what_is_no_database_is_told() {
        let check = |bytes: &[u8], part: &str| {
            let file = tempfile::NamedTempFile::new().expect("a file");
            std::fs::write(file.path(), bytes).expect("it is written");
            let config = GeoConfig { database: Some(file.path().to_owned()) };
            let error = Database::of(&config).err().expect("an error").to_string();
            assert!(error.contains(part), "{error}");
        };
        check(b"", "it is no database in MaxMind's format");
        check(b"country,iso", "it is no database in MaxMind's format");
        let config = GeoConfig { database: Some("/nowhere/geo.mmdb".into()) };
        assert!(matches!(Database::of(&config), Err(DatabaseError::Io(_))));
    }
}
