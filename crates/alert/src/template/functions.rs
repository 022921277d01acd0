//! The functions that Prometheus' templates have beside Go's.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use gotmpl::{FuncMap, TemplateError, Value};
use regex::Regex;

use super::{Context, compile, numbers, tree};
use crate::duration;

type Answer = Result<Value, TemplateError>;

/// How deep `tmpl` may call itself.
const DEPTH_MAX: usize = 8;

/// All of them, for one expansion.
pub(super) fn all(context: &Arc<Context>) -> FuncMap {
    let mut functions = FuncMap::new();
    let mut add = |name: &str, count: usize, body: fn(&Arc<Context>, &[Value]) -> Answer| {
        let (context, owned) = (context.clone(), name.to_owned());
        functions.insert(
            name.to_owned(),
            Arc::new(move |given: &[Value]| match given.len() == count || count == ANY {
                true => body(&context, given),
                false => {
                    Err(TemplateError::ArgCount { name: owned.clone(), expected: count, got: given.len() })
                }
            }),
        );
    };
    add("query", 1, query);
    add("first", 1, |_, given| {
        let none = || failed("first() called on vector with no elements");
        list(&given[0])?.first().cloned().ok_or_else(none)
    });
    add("label", 2, |_, given| string(label(&given[1], &text(&given[0]))?));
    add("value", 1, |_, given| field(&given[0], "Value"));
    add("strvalue", 1, |_, given| string(label(&given[0], "__value__")?));
    add("sortByLabel", 2, sort_by_label);
    add("humanize", 1, |_, given| string(numbers::humanize(number(&given[0])?)));
    add("humanize1024", 1, |_, given| string(numbers::humanize_1024(number(&given[0])?)));
    add("humanizeDuration", 1, |_, given| string(numbers::humanize_duration(number(&given[0])?)));
    add("humanizePercentage", 1, |_, given| string(numbers::humanize_percentage(number(&given[0])?)));
    add("humanizeTimestamp", 1, |_, given| string(numbers::timestamp(number(&given[0])?)));
    add("toTime", 1, |_, given| string(numbers::timestamp(number(&given[0])?)));
    add("toDuration", 1, |_, given| string(numbers::go_duration(number(&given[0])?)));
    add("now", 0, |context, _| Ok(Value::Float(context.at_ms as f64 / 1000.0)));
    add("parseDuration", 1, |_, given| {
        duration::parse(&text(&given[0])).map(|ms| Value::Float(ms as f64 / 1000.0)).map_err(failed)
    });
    add("title", 1, |_, given| string(title(&text(&given[0]))));
    add("toUpper", 1, |_, given| string(text(&given[0]).to_uppercase()));
    add("toLower", 1, |_, given| string(text(&given[0]).to_lowercase()));
    add("match", 2, |_, given| Ok(Value::Bool(pattern(&given[0])?.is_match(&text(&given[1])))));
    add("reReplaceAll", 3, |_, given| {
        string(pattern(&given[0])?.replace_all(&text(&given[2]), &*text(&given[1])))
    });
    add("graphLink", 1, |_, given| string(graph_link(&text(&given[0]), 0)));
    add("tableLink", 1, |_, given| string(graph_link(&text(&given[0]), 1)));
    add("stripPort", 1, |_, given| {
        let address = text(&given[0]);
        string(host_and_port(&address).map_or(&*address, |(host, _)| host))
    });
    add("stripDomain", 1, |_, given| string(strip_domain(&text(&given[0]))));
    add("urlQueryEscape", 1, |_, given| string(gotmpl::url_encode(&text(&given[0]))));
    add("safeHtml", 1, |_, given| string(text(&given[0])));
    add("externalURL", 0, |context, _| string(&*context.external_url));
    add("pathPrefix", 0, |context, _| string(path_of(&context.external_url)));
    add("args", ANY, |_, given| {
        let named =
            given.iter().enumerate().map(|(index, value)| (format!("arg{index}").into(), value.clone()));
        Ok(Value::Map(Arc::new(named.collect::<BTreeMap<_, _>>())))
    });
    add("tmpl", 2, tmpl);
    add(tree::SHOW, 1, |_, given| Ok(numbers::shown(&given[0])));
    add("print", ANY, |_, given| {
        let is_text = |value: Option<&Value>| matches!(value, Some(Value::String(_)));
        let mut text = String::new();
        for (index, value) in given.iter().enumerate() {
            let is_apart = index > 0 && !is_text(given.get(index - 1)) && !is_text(Some(value));
            text += &format!("{}{}", if is_apart { " " } else { "" }, numbers::shown(value));
        }
        string(text)
    });
    add("printf", ANY, printf);
    add("println", ANY, |_, given| {
        let texts: Vec<String> = given.iter().map(|value| numbers::shown(value).to_string()).collect();
        string(texts.join(" ") + "\n")
    });
    functions
}

/// The number of arguments of a function that takes any.
const ANY: usize = usize::MAX;

fn failed(message: impl Into<String>) -> TemplateError {
    TemplateError::Exec(message.into())
}

fn string(text: impl AsRef<str>) -> Answer {
    Ok(Value::String(text.as_ref().into()))
}

/// A label that is not there is the empty text.
fn text(value: &Value) -> String {
    if matches!(value, Value::Nil) { String::new() } else { value.to_string() }
}

fn number(value: &Value) -> Result<f64, TemplateError> {
    let wrong = || failed(format!("`{value}` is not a number"));
    match value {
        Value::Float(value) => Ok(*value),
        Value::Int(value) => Ok(*value as f64),
        Value::Uint(value) => Ok(*value as f64),
        Value::String(text) => text.trim_start_matches('+').parse().map_err(|_| wrong()),
        _ => Err(wrong()),
    }
}

fn list(value: &Value) -> Result<&[Value], TemplateError> {
    match value {
        Value::List(items) => Ok(items),
        other => Err(failed(format!(
            "wrong type for value; expected the result of a query, got {}",
            other.type_name()
        ))),
    }
}

fn field(sample: &Value, name: &str) -> Answer {
    let wrong = || failed(format!("wrong type for value; expected a sample, got {}", sample.type_name()));
    sample.field(name).cloned().ok_or_else(wrong)
}

fn label(sample: &Value, name: &str) -> Result<String, TemplateError> {
    Ok(field(sample, "Labels")?.field(name).map(text).unwrap_or_default())
}

fn query(context: &Arc<Context>, given: &[Value]) -> Answer {
    let query = text(&given[0]);
    let mut asked = context.asked();
    match asked.answers.get(&query) {
        Some(answer) => answer.clone().map_err(failed),
        None => {
            asked.wanted = Some(query);
            Err(failed("the query is not answered yet"))
        }
    }
}

fn sort_by_label(_: &Arc<Context>, given: &[Value]) -> Answer {
    let name = text(&given[0]);
    let mut samples = list(&given[1])?.to_vec();
    samples.sort_by_key(|sample| label(sample, &name).unwrap_or_default());
    Ok(Value::List(samples.into()))
}

/// The template of that name, defined in the same text.
fn tmpl(context: &Arc<Context>, given: &[Value]) -> Answer {
    context.asked().depth += 1;
    if context.asked().depth > DEPTH_MAX {
        return Err(failed("`tmpl` calls itself too deep"));
    }
    let expanded = compile("tmpl", &context.text, context)
        .and_then(|compiled| compiled.template.execute_template_to_string(&text(&given[0]), &given[1]));
    context.asked().depth -= 1;
    string(expanded?)
}

/// Go's `printf`. The engine's own writes floats as Rust does under `%v`, and infinities under all verbs.
fn printf(_: &Arc<Context>, given: &[Value]) -> Answer {
    let Some((format, arguments)) = given.split_first() else {
        return Err(TemplateError::ArgCount { name: "printf".to_owned(), expected: 1, got: 0 });
    };
    let mut format = text(format);
    let mut arguments = arguments.to_vec();
    let mut from = 0;
    for argument in &mut arguments {
        let Some(verb_at) = next_verb(&format, from) else { break };
        if let Value::Float(value) = argument {
            let is_finite = value.is_finite();
            match &format[verb_at..=verb_at] {
                "v" => *argument = numbers::shown(argument),
                "e" | "E" | "f" | "F" | "g" | "G" if !is_finite => {
                    *argument = numbers::shown(argument);
                    format.replace_range(verb_at..=verb_at, "v");
                }
                _ => {}
            }
        }
        from = verb_at + 1;
    }
    let names: String = (0..arguments.len()).map(|index| format!(" .a{index}")).collect();
    let named = arguments.into_iter().enumerate().map(|(index, value)| (format!("a{index}").into(), value));
    let fields = named.chain([("format".into(), Value::String(format.into()))]).collect();
    let template = gotmpl::Template::new("printf").parse(&format!("{{{{printf .format{names}}}}}"))?;
    string(template.execute_to_string(&Value::Map(Arc::new(fields)))?)
}

/// Where the next verb of a format is that takes one argument.
fn next_verb(format: &str, from: usize) -> Option<usize> {
    let mut at = from;
    loop {
        at += format[at..].find('%')? + 1;
        let rest = &format[at..];
        let length =
            rest.find(|c: char| !(c.is_ascii_digit() || matches!(c, '+' | '-' | '#' | ' ' | '.')))?;
        at += length;
        match format[at..].chars().next()? {
            '%' => at += 1,
            verb if verb.is_ascii_alphabetic() => return Some(at),
            _ => return None,
        }
    }
}

fn pattern(value: &Value) -> Result<Regex, TemplateError> {
    Regex::new(&text(value)).map_err(|error| failed(error.to_string()))
}

/// The first letter of each word as a capital.
fn title(text: &str) -> String {
    let mut before = ' ';
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        let begins_word = !(before.is_alphanumeric() || matches!(before, '_' | '\''));
        if begins_word {
            out.extend(c.to_uppercase());
        } else {
            out.push(c);
        }
        before = c;
    }
    out
}

fn graph_link(expression: &str, tab: u8) -> String {
    format!("/graph?g0.expr={}&g0.tab={tab}", gotmpl::url_encode(expression))
}

/// `host:port` or `[host]:port`.
fn host_and_port(address: &str) -> Option<(&str, &str)> {
    let (host, port) = address.rsplit_once(':')?;
    match host.strip_prefix('[') {
        Some(host) => Some((host.strip_suffix(']')?, port)),
        None => (!host.contains([':', ']'])).then_some((host, port)),
    }
}

fn strip_domain(address: &str) -> String {
    let (host, port) = host_and_port(address).unwrap_or((address, ""));
    if host.parse::<IpAddr>().is_ok() {
        return address.to_owned();
    }
    let name = host.split('.').next().unwrap_or(host);
    if port.is_empty() { name.to_owned() } else { format!("{name}:{port}") }
}

fn path_of(url: &str) -> &str {
    let behind = url.split_once("://").map_or(url, |(_, rest)| rest);
    let path = behind.find('/').map_or("", |at| &behind[at..]);
    path.split(['?', '#']).next().unwrap_or(path).trim_end_matches('/')
}
