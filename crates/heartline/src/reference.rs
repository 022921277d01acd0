//! The configuration reference, written from the types that the configuration is read into.

use std::fmt::Write as _;

use serde_json::Value;

use crate::config::Config;

/// The reference as Markdown.
pub fn markdown() -> String {
    let schema = schemars::schema_for!(Config).to_value();
    let mut out = String::from(
        "# Configuration\n\nOne YAML file, given with `heartline run -c FILE` and read again on SIGHUP or `POST \
         /-/reload`. An unknown key is an error. `heartline check FILE` finds mistakes before they are run. \
         Durations are written `30s`, `5m`, `1h`.\n",
    );
    let defaults = serde_json::to_value(Config::default()).unwrap_or_default();
    section(&mut out, &schema, &schema, "", &defaults);
    out
}

fn section(out: &mut String, root: &Value, schema: &Value, path: &str, defaults: &Value) {
    let Some(properties) = schema.get("properties").and_then(Value::as_object) else { return };
    let title = if path.is_empty() { "Top level" } else { path };
    let _ = write!(out, "\n## {title}\n\n| key | meaning | default |\n|---|---|---|\n");
    let required = schema.get("required").and_then(Value::as_array).cloned().unwrap_or_default();
    for (name, property) in properties {
        let is_required = required.iter().any(|key| key == name);
        let default = property.get("default").or_else(|| defaults.get(name));
        let shown = if is_required { "required".to_owned() } else { shown_default(default) };
        let meaning =
            one_line(property.get("description").or_else(|| target(root, property)?.get("description")));
        let _ = writeln!(out, "| `{name}` | {meaning} | {shown} |");
    }
    for (name, property) in properties {
        let (child, suffix) = child_of(root, property);
        let Some(child) = child else { continue };
        let below =
            if path.is_empty() { format!("{name}{suffix}") } else { format!("{path}.{name}{suffix}") };
        let nested = defaults.get(name).or_else(|| property.get("default")).cloned().unwrap_or_default();
        choices(out, child, &below);
        section(out, root, child, &below, &nested);
    }
}

fn choices(out: &mut String, schema: &Value, path: &str) {
    let Some(values) = schema.get("oneOf").and_then(Value::as_array) else { return };
    let _ = write!(out, "\n## {path}\n\n| value | meaning |\n|---|---|\n");
    for value in values {
        let _ = writeln!(out, "| `{}` | {} |", choice(value), one_line(value.get("description")));
    }
}

/// How a choice is written: a word, or a word with a value.
fn choice(value: &Value) -> String {
    let word = value.get("const").and_then(Value::as_str).unwrap_or_default();
    let keys = value.get("properties").and_then(Value::as_object);
    match keys.and_then(|keys| keys.keys().next()) {
        Some(key) => format!("{{ {key}: NAME }}"),
        None => word.to_owned(),
    }
}

/// The object that a property holds, or holds a list or a map of, and how that is written.
fn child_of<'a>(root: &'a Value, property: &'a Value) -> (Option<&'a Value>, &'static str) {
    let below = |key: &str| target(root, property.get(key)?);
    match (below("items"), below("additionalProperties")) {
        (Some(items), _) => (Some(items), "[]"),
        (None, Some(values)) => (Some(values), ".NAME"),
        (None, None) => (target(root, property), ""),
    }
}

fn target<'a>(root: &'a Value, property: &'a Value) -> Option<&'a Value> {
    let direct = property.get("$ref");
    let of_any = || property.get("anyOf")?.as_array()?.iter().find_map(|choice| choice.get("$ref"));
    let of_all = || property.get("allOf")?.as_array()?.iter().find_map(|choice| choice.get("$ref"));
    let reference = direct.or_else(of_any).or_else(of_all)?.as_str()?;
    root.pointer(reference.trim_start_matches('#'))
}

fn shown_default(default: Option<&Value>) -> String {
    match default {
        None | Some(Value::Null) => "none".to_owned(),
        Some(Value::Object(object)) => {
            if object.values().all(Value::is_null) {
                "none".to_owned()
            } else {
                "see below".to_owned()
            }
        }
        Some(Value::Array(items)) if items.is_empty() => "empty".to_owned(),
        Some(Value::String(text)) => format!("`{text}`"),
        Some(other) => format!("`{other}`"),
    }
}

fn one_line(description: Option<&Value>) -> String {
    let text = description.and_then(Value::as_str).unwrap_or_default();
    text.split_whitespace().collect::<Vec<_>>().join(" ").replace('|', "\\|")
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    /// `UPDATE=1 cargo test -p heartline reference` writes it again.
    #[test]
    fn the_reference_is_up_to_date() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/configuration.md");
        let fresh = markdown();
        if std::env::var_os("UPDATE").is_some() {
            std::fs::write(&path, &fresh).expect("docs can be written");
        }
        let written = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(written == fresh, "run UPDATE=1 cargo test -p heartline reference");
        for key in ["trusted_peers", "fail_timeout", "response_head", "mean_window", "{ cookie: NAME }"] {
            assert!(fresh.contains(&format!("| `{key}` |")), "{key}");
        }
    }
}
