//! Rules as the text of a Prometheus rule file.

use super::{GroupSpec, Pairs, RuleKind, RuleSpec};
use crate::duration;

/// The text of a rule file with these groups.
pub fn export<'a>(groups: impl IntoIterator<Item = &'a GroupSpec>) -> String {
    let mut text = "groups:\n".to_owned();
    for group in groups {
        write_group(group, &mut text);
    }
    text
}

fn write_group(group: &GroupSpec, text: &mut String) {
    *text += &format!("  - name: {}\n", quoted(&group.name));
    let mut line = |key: &str, value: String| *text += &format!("    {key}: {value}\n");
    if let Some(interval) = group.interval_ms {
        line("interval", duration::format(interval));
    }
    if let Some(offset) = group.query_offset_ms {
        line("query_offset", duration::format(offset));
    }
    if group.limit > 0 {
        line("limit", group.limit.to_string());
    }
    write_pairs("labels", &group.labels, 4, text);
    *text += "    rules:\n";
    group.rules.iter().for_each(|rule| write_rule(rule, text));
}

fn write_rule(rule: &RuleSpec, text: &mut String) {
    let kind = if rule.is_alert() { "alert" } else { "record" };
    *text += &format!("      - {kind}: {}\n", quoted(rule.name()));
    *text += &format!("        expr: {}\n", block(rule.query.text()));
    if let RuleKind::Alert { for_ms, keep_firing_for_ms, .. } = rule.kind {
        let durations = [("for", for_ms), ("keep_firing_for", keep_firing_for_ms)];
        for (key, ms) in durations.into_iter().filter(|(_, ms)| *ms > 0) {
            *text += &format!("        {key}: {}\n", duration::format(ms));
        }
    }
    write_pairs("labels", &rule.labels, 8, text);
    if let RuleKind::Alert { annotations, .. } = &rule.kind {
        write_pairs("annotations", annotations, 8, text);
    }
}

fn write_pairs(key: &str, pairs: &Pairs, indent: usize, text: &mut String) {
    if pairs.is_empty() {
        return;
    }
    *text += &format!("{:indent$}{key}:\n", "");
    for (name, value) in pairs {
        *text += &format!("{:indent$}  {}: {}\n", "", quoted(name), quoted(value));
    }
}

/// A text of several lines as a block, any other quoted.
fn block(value: &str) -> String {
    let is_plain = value.chars().all(|c| c == '\n' || !c.is_control());
    let body = value.strip_suffix('\n').unwrap_or(value);
    if !body.contains('\n')
        || !is_plain
        || body.ends_with('\n')
        || body.lines().any(|line| line.trim().is_empty())
    {
        return quoted(value);
    }
    let keep = if value.ends_with('\n') { "" } else { "-" };
    let lines: String = body.split('\n').map(|line| format!("\n          {line}")).collect();
    format!("|2{keep}{lines}")
}

/// As JSON, which is YAML.
fn quoted(value: &str) -> String {
    serde_json::Value::from(value).to_string()
}
