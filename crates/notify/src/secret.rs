//! Texts that are never shown, and where they come from.

use std::fmt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize, Serializer};

/// Longest file of a secret, bytes.
const FILE_BYTES_MAX: u64 = 64 << 10;

/// What stands for a secret wherever something is shown.
pub(crate) const MASK: &str = "***";

/// Text that is never shown: not in logs, not in an error, not in the effective configuration.
#[derive(Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct Secret(String);

impl Secret {
    /// Takes the text.
    pub fn new(text: impl Into<String>) -> Secret {
        Secret(text.into())
    }

    /// The text itself, for the one place that needs it.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(MASK)
    }
}

impl Serialize for Secret {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(MASK)
    }
}

/// Where a secret comes from. A file is read for each message, so that a new secret needs no restart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    /// Written in the configuration.
    Text(Secret),
    /// In this file; white space around it does not count.
    File(PathBuf),
}

impl Source {
    /// From a key and its twin that names a file; relative names begin at `directory`.
    ///
    /// # Errors
    /// Both are given.
    pub(crate) fn optional(
        key: &str,
        text: Option<Secret>,
        file: Option<PathBuf>,
        directory: &Path,
    ) -> Result<Option<Source>, String> {
        match (text, file) {
            (Some(_), Some(_)) => Err(format!("give one of `{key}` and `{key}_file`")),
            (Some(text), None) if text.reveal().is_empty() => Err(format!("`{key}` is empty")),
            (Some(text), None) => Ok(Some(Source::Text(text))),
            (None, Some(file)) => Ok(Some(Source::File(directory.join(file)))),
            (None, None) => Ok(None),
        }
    }

    /// The secret as it is now.
    ///
    /// # Errors
    /// The file cannot be read, is empty or is too long.
    pub(crate) fn read(&self) -> Result<Secret, String> {
        let path = match self {
            Source::Text(secret) => return Ok(secret.clone()),
            Source::File(path) => path,
        };
        let failed = |why: &dyn fmt::Display| format!("{}: {why}", path.display());
        let length = std::fs::metadata(path).map_err(|error| failed(&error))?.len();
        if length > FILE_BYTES_MAX {
            return Err(failed(&format!("longer than {FILE_BYTES_MAX} bytes")));
        }
        let text = std::fs::read_to_string(path).map_err(|error| failed(&error))?;
        match text.trim() {
            "" => Err(failed(&"the file is empty")),
            text => Ok(Secret::new(text)),
        }
    }
}

/// A text without these secrets, in the forms in which an answer may repeat them.
pub(crate) fn redact(mut text: String, secrets: &[Secret]) -> String {
    let mut forms: Vec<String> = Vec::new();
    for secret in secrets.iter().map(Secret::reveal).filter(|secret| !secret.is_empty()) {
        let quoted = serde_json::Value::from(secret).to_string();
        let encoded: String = form_urlencoded::byte_serialize(secret.as_bytes()).collect();
        forms.extend([secret.to_owned(), quoted.trim_matches('"').to_owned(), encoded]);
    }
    forms.sort_by_key(|form| std::cmp::Reverse(form.len()));
    for form in forms {
        text = text.replace(&form, MASK);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_never_shown() {
        let secret = Secret::new("canary");
        assert_eq!(format!("{secret:?} {:?}", Source::Text(secret.clone())), "*** Text(***)");
        assert_eq!(serde_json::to_string(&secret).expect("text"), "\"***\"");
    }

    #[test]
    fn of_a_key_and_its_twin_one_is_given() {
        let of = |text: Option<&str>, file: Option<&str>| {
            Source::optional("url", text.map(Secret::new), file.map(PathBuf::from), Path::new("/etc"))
        };
        assert_eq!(of(None, None), Ok(None));
        assert_eq!(of(None, Some("secret")), Ok(Some(Source::File("/etc/secret".into()))));
        assert_eq!(of(Some("a"), Some("b")), Err("give one of `url` and `url_file`".to_owned()));
        assert_eq!(of(Some(""), None), Err("`url` is empty".to_owned()));
    }

    #[test]
    fn what_repeats_a_secret_is_shown_without_it() {
        let secrets = [Secret::new("a b\"c"), Secret::new("a b\"cd")];
        let shown = redact(r#"a b"c, a b\"c, a+b%22c, a b"cd."#.to_owned(), &secrets);
        assert_eq!(shown, "***, ***, ***, ***.");
    }
}
