//! Countries, by their codes.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A country or territory by its code of two letters (ISO 3166-1 alpha-2), such as `DE`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
#[cfg_attr(feature = "ts", ts(type = "string"))]
#[serde(try_from = "String", into = "String")]
pub struct Country([u8; 2]);

/// A text is no code of two letters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoCountry;

impl Country {
    /// Its code.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).expect("two letters of ASCII")
    }
}

impl FromStr for Country {
    type Err = NoCountry;

    fn from_str(text: &str) -> Result<Country, NoCountry> {
        let code: [u8; 2] = text.as_bytes().try_into().map_err(|_| NoCountry)?;
        let is_code = code.iter().all(u8::is_ascii_alphabetic);
        if is_code { Ok(Country(code.map(|letter| letter.to_ascii_uppercase()))) } else { Err(NoCountry) }
    }
}

impl TryFrom<String> for Country {
    type Error = NoCountry;

    fn try_from(text: String) -> Result<Country, NoCountry> {
        text.parse()
    }
}

impl From<Country> for String {
    fn from(country: Country) -> String {
        country.as_str().to_owned()
    }
}

impl fmt::Display for Country {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl fmt::Debug for Country {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Display for NoCountry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a country is a code of two letters, such as DE")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_have_two_letters() {
        let check = |text: &str, expected: Option<&str>| {
            let parsed = text.parse::<Country>().ok();
            assert_eq!(parsed.as_ref().map(Country::as_str), expected, "{text}");
        };
        check("CN", Some("CN"));
        check("de", Some("DE"));
        check("D", None);
        check("DEU", None);
        check("D1", None);
        check("é", None);
    }
}
