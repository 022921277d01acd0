//! Go templates with Prometheus' functions (`template/template.go`), in labels and annotations of alerts.
//!
//! Functions of templates cannot borrow, so a `query` that was not evaluated yet ends the expansion; it is evaluated
//! outside, and the expansion begins anew.

mod functions;
mod numbers;
mod tree;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use gotmpl::{MissingKey, TemplateError, Value};
use model::series::Labels;
use promql::VectorSample;

pub use numbers::{go_duration, humanize_duration};

use crate::rules::Pairs;

/// What Prometheus puts before each template.
const PRELUDE: &str = "{{$labels := .Labels}}{{$externalLabels := .ExternalLabels}}\
     {{$externalURL := .ExternalURL}}{{$value := .Value}}";

/// Name of the text itself among the templates that it defines; nobody else defines it.
const ROOT: &str = "the text itself";

/// Names of what a template is given.
const DATA: [&str; 4] = ["Labels", "ExternalLabels", "ExternalURL", "Value"];

/// Most different queries that one template may ask.
const QUERIES_MAX: usize = 64;

/// Most rounds of one template's loops.
const ROUNDS_MAX: u64 = 100_000;

/// What a template knows, beside the answers to its queries.
#[derive(Clone, Copy, Debug)]
pub struct Data<'a> {
    /// Labels of the result's element, the metric's name included.
    pub labels: &'a Labels,
    /// Its value.
    pub value: f64,
    /// Labels that this server gives to all alerts.
    pub external_labels: &'a Pairs,
    /// Where this server is reached.
    pub external_url: &'a str,
    /// Time of the evaluation, milliseconds since the Unix epoch.
    pub at_ms: i64,
}

/// What answers the queries of templates.
pub type Ask<'a> = &'a dyn Fn(&str) -> Result<Vec<VectorSample>, String>;

/// Whether a text can be read as a template.
///
/// # Errors
/// What is wrong with it.
pub fn check(text: &str) -> Result<(), String> {
    if !text.contains("{{") {
        return Ok(());
    }
    compile("template", text, &Arc::default()).map(|_| ()).map_err(|error| error.to_string())
}

/// The text of a template; if it fails, a text that says so, as Prometheus does.
pub fn expand(name: &str, text: &str, data: &Data<'_>, ask: Ask<'_>) -> String {
    if !text.contains("{{") {
        return text.to_owned();
    }
    try_expand(name, text, data, ask).unwrap_or_else(|error| format!("<error expanding template: {error}>"))
}

/// What one expansion shares with its functions.
#[derive(Default)]
struct Context {
    at_ms: i64,
    external_url: String,
    text: String,
    asked: Mutex<Asked>,
}

#[derive(Default)]
struct Asked {
    answers: BTreeMap<String, Result<Value, String>>,
    wanted: Option<String>,
    depth: usize,
}

impl Context {
    fn asked(&self) -> std::sync::MutexGuard<'_, Asked> {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn try_expand(name: &str, text: &str, data: &Data<'_>, ask: Ask<'_>) -> Result<String, String> {
    let context = Arc::new(Context {
        at_ms: data.at_ms,
        external_url: data.external_url.to_owned(),
        text: text.to_owned(),
        asked: Mutex::default(),
    });
    let name = format!("__alert_{name}");
    let failed = |error: &dyn fmt::Display| format!("error executing template {name}: {error}");
    let Compiled { template, names } =
        compile(&name, text, &context).map_err(|error| format!("error parsing template {name}: {error}"))?;
    let external = data.external_labels.iter().map(|(name, value)| (&**name, &**value));
    let fields = Value::Map(Arc::new(BTreeMap::from([
        ("Labels".into(), labels_value(pairs(data.labels), &names)),
        ("ExternalLabels".into(), labels_value(external, &names)),
        ("ExternalURL".into(), Value::String(data.external_url.into())),
        ("Value".into(), Value::Float(data.value)),
    ])));
    loop {
        let expanded = template.execute_to_string(&fields);
        let Some(query) = context.asked().wanted.take() else {
            return expanded.map_err(|error| failed(&error));
        };
        if context.asked().answers.len() >= QUERIES_MAX {
            return Err(failed(&format!("it asks more than {QUERIES_MAX} queries")));
        }
        let answer = ask(&query).map(|samples| samples_value(&samples, &names));
        context.asked().answers.insert(query, answer);
    }
}

/// A template, and names of labels that are there as empty texts if they are not there, as Go's zero values are.
struct Compiled {
    template: gotmpl::Template,
    names: Vec<String>,
}

fn compile(name: &str, text: &str, context: &Arc<Context>) -> Result<Compiled, TemplateError> {
    let functions = functions::all(context);
    let text = format!("{PRELUDE}{text}");
    gotmpl::Template::new(name).funcs(functions.clone()).parse(&text)?;
    let tree = tree::read(&text, &functions)?;
    let mut template = gotmpl::Template::new(name)
        .missing_key(MissingKey::ZeroValue)
        .max_range_iters(ROUNDS_MAX)
        .funcs(functions)
        .parse(&format!("{{{{template {ROOT:?} .}}}}"))?
        .add_parse_tree(ROOT, tree.root);
    for define in tree.defines {
        template = template.add_parse_tree(&define.name, define.body);
    }
    // A loop over labels would see those that are not there.
    let names = if tree.has_loop {
        Vec::new()
    } else {
        tree.fields.into_iter().filter(|name| !DATA.contains(&&**name)).collect()
    };
    Ok(Compiled { template, names })
}

fn pairs(labels: &Labels) -> impl Iterator<Item = (&str, &str)> {
    labels.iter().map(|(name, value)| (&**name, &**value))
}

fn labels_value<'a>(labels: impl Iterator<Item = (&'a str, &'a str)>, names: &'a [String]) -> Value {
    let missing = names.iter().map(|name| (&**name, ""));
    let all = missing.chain(labels).map(|(name, value)| (name.into(), Value::String(value.into())));
    Value::Map(Arc::new(all.collect()))
}

fn samples_value(samples: &[VectorSample], names: &[String]) -> Value {
    let one = |sample: &VectorSample| {
        Value::Map(Arc::new(BTreeMap::from([
            ("Labels".into(), labels_value(pairs(&sample.labels), names)),
            ("Value".into(), Value::Float(sample.sample.value)),
        ])))
    };
    Value::List(samples.iter().map(one).collect())
}

#[cfg(test)]
mod tests;
