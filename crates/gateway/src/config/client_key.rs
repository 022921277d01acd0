//! By what a client is known when it comes back.

use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// By what a client is known when it comes back. A request without the cookie, header or parameter is nobody's: it
/// is never counted as a reconnect.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ClientKeySource {
    /// Its address and its `User-Agent` header. Clients that share both, such as those of one office, share a key.
    #[default]
    IpAndUserAgent,
    /// Value of the cookie of this name, such as a session's.
    Cookie(#[schemars(with = "String")] KeyName),
    /// Value of the request header of this name, in any case of letters.
    Header(#[schemars(with = "String")] KeyName),
    /// Value of the query parameter of this name, as it is written in the request.
    Query(#[schemars(with = "String")] KeyName),
}

typed_text! {
    /// Name of a cookie, header or query parameter.
    KeyName
}

impl FromStr for KeyName {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let fits = (1..=64).contains(&text.len());
        if fits && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"_-.".contains(&b)) {
            return Ok(KeyName(text.to_owned()));
        }
        Err(format!(
            "`{text}` must be the name of a cookie, header or query parameter: 1 to 64 letters, digits, `_`, \
             `-` or `.`"
        ))
    }
}
