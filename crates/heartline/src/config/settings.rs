//! The configuration in force, one setting a line, without what is secret.

use model::system::{Setting, SettingSource};
use serde_json::Value;

use super::locate::Places;
use super::{Config, Source};

/// Stands for what is secret.
const MASK: &str = "***";

/// Parts of a key's name whose value is not shown, whatever it is.
const SECRET_WORDS: [&str; 7] =
    ["token", "secret", "password", "credential", "authorization", "api_key", "headers"];

/// All settings in force, in the order of their names. Lines are those of the file as it is now.
pub(crate) fn settings(config: &Config, source: Option<&Source>) -> Vec<Setting> {
    let value = serde_json::to_value(config).unwrap_or_default();
    let defaults = serde_json::to_value(Config::default()).unwrap_or_default();
    let file = source.and_then(|source| source.file.as_ref());
    let places = file.and_then(|file| std::fs::read_to_string(file).ok()).map(|text| Places::of(&text));
    let mut settings = Vec::new();
    flatten(&value, &mut Vec::new(), &mut |path, value| {
        let line = places.as_ref().and_then(|places| places.line(path));
        let is_given = source.is_some_and(|source| source.gives(path));
        let is_default = || defaults.pointer(&format!("/{}", path.join("/"))) == Some(value);
        let origin = match line {
            _ if is_given => SettingSource::CommandLine,
            Some(_) => SettingSource::File,
            None if places.is_some() || is_default() => SettingSource::Default,
            None => SettingSource::CommandLine,
        };
        let line = line.filter(|_| origin == SettingSource::File);
        settings.push(Setting { path: shown_path(path), value: shown(path, value), source: origin, line });
    });
    settings
}

fn flatten(value: &Value, path: &mut Vec<String>, take: &mut dyn FnMut(&[String], &Value)) {
    let children: Vec<(String, &Value)> = match value {
        Value::Object(entries) => entries.iter().map(|(key, value)| (key.clone(), value)).collect(),
        Value::Array(items) => {
            items.iter().enumerate().map(|(index, item)| (index.to_string(), item)).collect()
        }
        _ => Vec::new(),
    };
    if children.is_empty() {
        return take(path, value);
    }
    for (key, child) in children {
        path.push(key);
        flatten(child, path, take);
        path.pop();
    }
}

/// `routes[0].name`
fn shown_path(path: &[String]) -> String {
    let mut shown = String::new();
    for key in path {
        match key.parse::<usize>() {
            Ok(index) => shown.push_str(&format!("[{index}]")),
            Err(_) if shown.is_empty() => shown.push_str(key),
            Err(_) => shown.push_str(&format!(".{key}")),
        }
    }
    shown
}

fn shown(path: &[String], value: &Value) -> String {
    let is_secret = |key: &String| {
        let key = key.to_lowercase();
        !key.ends_with("_file") && SECRET_WORDS.iter().any(|word| key.contains(word))
    };
    match value {
        // Without children there is nothing in it to hide.
        Value::Null | Value::Object(_) | Value::Array(_) => value.to_string(),
        _ if path.iter().any(is_secret) => MASK.to_owned(),
        Value::String(text) => without_credentials(text),
        other => other.to_string(),
    }
}

/// A URL without its user and its query, either of which may be secret.
fn without_credentials(text: &str) -> String {
    let Some((scheme, rest)) = text.split_once("://") else { return text.to_owned() };
    let (rest, query) = rest.split_once('?').map_or((rest, ""), |(rest, _)| (rest, "?***"));
    let (authority, path) = rest.find('/').map_or((rest, ""), |at| rest.split_at(at));
    match authority.rsplit_once('@') {
        Some((_, host)) => format!("{scheme}://{MASK}@{host}{path}{query}"),
        None => format!("{scheme}://{authority}{path}{query}"),
    }
}

impl Source {
    /// Whether the command line says it.
    fn gives(&self, path: &[String]) -> bool {
        let keys: Vec<&str> = path.iter().map(String::as_str).collect();
        match keys[..] {
            ["admin", "listen"] => self.options.admin.is_some(),
            ["data", "dir"] => self.options.data_dir.is_some(),
            ["listeners", "0", "listen"] => self.options.listen.is_some(),
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::RunOptions;

    #[test]
    fn each_setting_says_where_it_comes_from_and_no_secret() {
        let text = "admin: { token: hunter2 }\nroutes:\n  - name: chat\n    upstreams: ['http://127.0.0.1:1']\n\
                    remote_write:\n  - url: https://example.com/write?key=hunter2\n\
                    \x20   bearer_token: hunter2\nlisteners: [{ listen: '127.0.0.1:0' }]\n";
        let directory = tempfile::tempdir().expect("a directory");
        let file = directory.path().join("heartline.yaml");
        std::fs::write(&file, text).expect("a file");
        let options = RunOptions {
            config: Some(file),
            admin: Some(([127, 0, 0, 1], 1).into()),
            ..RunOptions::default()
        };
        let source = Source::new(options).expect("a source");
        let all = settings(&source.read().expect("it is right"), Some(&source));
        let of = |path: &str| {
            let found = all.iter().find(|setting| setting.path == path);
            let Setting { value, source, line, .. } = found.unwrap_or_else(|| panic!("{path}: {all:?}"));
            (value.as_str(), *source, *line)
        };
        use SettingSource::{CommandLine, Default, File};
        assert_eq!(of("admin.listen"), ("127.0.0.1:1", CommandLine, None));
        assert_eq!(of("admin.token"), ("***", File, Some(1)));
        assert_eq!(of("routes[0].name"), ("chat", File, Some(3)));
        assert_eq!(of("data.retention").1, Default);
        assert_eq!(of("remote_write[0].url").0, "https://example.com/write?***");
        assert_eq!(without_credentials("http://me:hunter2@a/b"), "http://***@a/b");
        assert_eq!(of("remote_write[0].bearer_token").0, "***");
        let shown = format!("{all:?}");
        assert!(!shown.contains("hunter2"), "{shown}");
    }

    #[test]
    fn urls_are_shown_without_credentials() {
        assert_eq!(
            without_credentials("https://me:hunter2@example.com/x?y"),
            "https://***@example.com/x?***"
        );
        assert_eq!(without_credentials("http://example.com"), "http://example.com");
    }
}
