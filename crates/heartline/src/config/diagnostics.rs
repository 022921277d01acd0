//! Errors of a configuration file as a person reads them: where, what stands there, what is wrong, what to do.

use std::fmt;
use std::io;

/// How alike a known key must be to be suggested (Jaro-Winkler, from 0 to 1).
const LIKENESS_MIN: f64 = 0.75;

/// What the parser says in its own terms, and what a person is told instead.
const WORDINGS: [(&str, &str); 6] = [
    ("expected sequence start", "a list is expected here, such as [a, b]"),
    ("expected mapping start", "keys with values are expected here, such as { key: value }"),
    ("invalid socket address syntax", "an address with a port is expected here, such as 127.0.0.1:8080"),
    ("expected a duration", "a duration is expected here, such as 30s, 5m or 1h"),
    ("invalid u", "a whole number is expected here"),
    ("invalid i", "a whole number is expected here"),
];

/// Ends of the keys whose values are never shown.
const SECRETS: [&str; 9] =
    ["token", "secret", "password", "credentials", "api_key", "routing_key", "service_key", "url", "headers"];

/// Lines behind such a key that may still be its value.
const SECRET_LINES: usize = 3;

/// All that is wrong with one file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigErrors(Vec<ConfigError>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct ConfigError {
    file: String,
    place: Option<Place>,
    message: String,
    hint: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Place {
    line: u64,
    column: u64,
    text: String,
}

impl ConfigErrors {
    /// The file cannot be read.
    pub fn unreadable(file: &str, error: &io::Error) -> ConfigErrors {
        let message = format!("it cannot be read: {error}");
        ConfigErrors(vec![ConfigError { file: file.to_owned(), place: None, message, hint: None }])
    }

    /// The text is no YAML, or not of the right shape.
    pub fn from_yaml(file: &str, text: &str, error: &serde_saphyr::Error) -> ConfigErrors {
        let place = error.location().map(|location| Place::new(text, location.line(), location.column()));
        let full = error.without_snippet().to_string();
        let message = worded(without_place(&full));
        let hint = suggestion(&message);
        ConfigErrors(vec![ConfigError { file: file.to_owned(), place, message, hint }])
    }

    /// What is wrong with a rule file or a file of tests.
    pub fn of_issues(file: &str, text: &str, issues: Vec<alert::rules::Issue>) -> ConfigErrors {
        let error = |issue: alert::rules::Issue| ConfigError {
            file: file.to_owned(),
            place: (issue.line > 0).then(|| Place::new(text, issue.line, issue.column)),
            message: worded(issue.message),
            hint: issue.hint,
        };
        ConfigErrors(issues.into_iter().map(error).collect())
    }

    /// Problems found after parsing, with their places.
    pub fn located(
        file: &str,
        text: &str,
        problems: impl Iterator<Item = (Option<(u64, u64)>, String)>,
    ) -> ConfigErrors {
        let error = |(place, message): (Option<(u64, u64)>, String)| ConfigError {
            file: file.to_owned(),
            place: place.map(|(line, column)| Place::new(text, line, column)),
            message,
            hint: None,
        };
        ConfigErrors(problems.map(error).collect())
    }
}

impl Place {
    fn new(text: &str, line: u64, column: u64) -> Place {
        let index = usize::try_from(line.saturating_sub(1)).unwrap_or(usize::MAX);
        let lines: Vec<&str> = text.lines().take(index.saturating_add(1)).collect();
        let shown = lines.get(index).copied().unwrap_or_default();
        let before = &lines[index.saturating_sub(SECRET_LINES).min(lines.len())..index.min(lines.len())];
        let is_value = |line: &&str| {
            secret_begins(line).is_some_and(|at| !shown.contains(':') || goes_on(line[at..].trim()))
        };
        let text = match secret_begins(shown) {
            _ if before.iter().any(is_value) => "…".to_owned(),
            Some(at) => format!("{} …", &shown[..at]),
            None => shown.to_owned(),
        };
        Place { line, column, text }
    }
}

impl fmt::Display for ConfigErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, error) in self.0.iter().enumerate() {
            if index > 0 {
                f.write_str("\n\n")?;
            }
            error.fmt(f)?;
        }
        Ok(())
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ConfigError { file, place, message, hint } = self;
        match place {
            None => write!(f, "{file}: {message}")?,
            Some(Place { line, column, text }) => {
                let indent = usize::try_from(column.saturating_sub(1)).unwrap_or(0);
                write!(f, "{file}:{line}:{column}: {message}\n  {line} | {text}\n")?;
                let margin = line.to_string().len();
                write!(f, "  {:margin$} | {:indent$}^", "", "")?;
            }
        }
        match hint {
            Some(hint) => write!(f, "\n  {hint}"),
            None => Ok(()),
        }
    }
}

/// Where the value of the first secret key begins, when the line has one.
fn secret_begins(line: &str) -> Option<usize> {
    let ends = SECRETS.iter().flat_map(|key| line.match_indices(key).map(|(at, key)| at + key.len()));
    let values = ends.filter_map(|end| {
        let rest = line[end..].trim_start_matches(['"', '\'', ' ']);
        rest.starts_with(':').then(|| line.len() - rest.len() + 1)
    });
    values.min()
}

/// Whether the next line still belongs to a value that begins so.
fn goes_on(value: &str) -> bool {
    value.is_empty()
        || value.starts_with(['|', '>'])
        || ['"', '\''].iter().any(|&quote| value.starts_with(quote) && !value[1..].contains(quote))
}

/// The message alone: the place is shown apart.
fn without_place(message: &str) -> String {
    let end = message.rfind(" at line ").or_else(|| message.rfind("\n")).unwrap_or(message.len());
    message[..end].trim().to_owned()
}

/// The nearest known key or value, when the message tells of an unknown one and names those that are known:
/// "unknown field `a`, expected one of b, c".
/// The message in terms of the file.
fn worded(message: String) -> String {
    if let Some((_, rest)) = message.split_once("duplicate mapping key: ") {
        return format!("duplicate key `{}`: say it once", rest.split(',').next().unwrap_or(rest));
    }
    let wording = WORDINGS.iter().find(|(theirs, _)| is_about(&message, theirs));
    wording.map_or(message, |(_, ours)| (*ours).to_owned())
}

/// `theirs` may begin the name of a number type: "invalid u" of "invalid u64".
fn is_about(message: &str, theirs: &str) -> bool {
    let Some((_, rest)) = message.split_once(theirs) else { return false };
    theirs.len() > "invalid u".len()
        || rest.starts_with(|c: char| c.is_ascii_digit())
        || rest.starts_with("size")
}

/// The nearest known key, when the message tells of an unknown one and names those that are known: "unknown field
/// `a`, expected one of b, c".
fn suggestion(message: &str) -> Option<String> {
    let unknown = |what: &str| message.split_once(&format!("unknown {what} `"));
    let (_, rest) = unknown("field").or_else(|| unknown("variant"))?;
    let (unknown, rest) = rest.split_once('`')?;
    let (_, known) = rest.split_once("expected ")?;
    let names = known.trim_start_matches("one of ").split(',').map(|name| name.trim().trim_matches('`'));
    let likeness = |name: &str| strsim::jaro_winkler(unknown, name);
    let nearest = names.max_by(|a, b| likeness(a).total_cmp(&likeness(b)))?;
    (likeness(nearest) >= LIKENESS_MIN).then(|| format!("did you mean `{nearest}`?"))
}
