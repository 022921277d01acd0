//! What messages and calls to telephones have in common: somebody who carries them, and an outcome for each number.

use std::fmt;
use std::sync::Arc;

use crate::channel::{Message, Vendor, Vendors};
use crate::http::{Answer, Call, one_line};
use crate::outcome::Outcome;
use crate::settings::{Pairs, Settings};
use crate::text::{Filler, Format, Language, Limit, Text, Texts};

/// Letters of a template's variable.
const VARIABLE_MAX: Limit = Limit::chars(35);

/// Who carries messages or calls to telephones.
pub(super) trait Carrier: Send + Sync + fmt::Debug {
    /// See [`Vendor::call`]; `to` is the number.
    ///
    /// # Errors
    /// A secret cannot be read.
    fn call(&self, to: &str, filler: &Filler<'_>) -> Result<Call, String>;

    /// See [`Vendor::judge`].
    fn judge(&self, answer: &Answer) -> Outcome;

    /// See [`Vendor::withdraw`].
    fn withdraw(&self, _id: &str) -> Option<Result<Call, String>> {
        None
    }
}

/// Carriers by the name that `provider` gives them, and how each reads its settings.
pub(super) type Carriers = [(&'static str, fn(&mut Settings<'_>) -> Result<Arc<dyn Carrier>, String>)];

#[derive(Debug)]
struct Phone {
    to: String,
    texts: Arc<Texts>,
    language: Language,
    carrier: Arc<dyn Carrier>,
}

/// A channel for each number.
pub(super) fn read(settings: &mut Settings<'_>, carriers: &Carriers) -> Result<Vendors, String> {
    let provider: String = settings.needed("provider")?;
    let Some((_, read)) = carriers.iter().find(|(name, _)| *name == provider) else {
        let names: Vec<&str> = carriers.iter().map(|(name, _)| *name).collect();
        return Err(format!("`provider` is one of {}, not {provider:?}", names.join(", ")));
    };
    let numbers: Vec<String> = settings.value("to")?;
    match numbers.iter().find(|number| !is_number(number)) {
        Some(number) => return Err(format!("`to`: {number:?} is no number of a telephone")),
        None if numbers.is_empty() => return Err("`to` is missing".to_owned()),
        None => {}
    }
    let language = settings.language()?;
    let carrier = read(settings)?;
    let texts = &settings.context.texts;
    let phone = |to| Phone { to, texts: texts.clone(), language, carrier: carrier.clone() };
    Ok(numbers.into_iter().map(|to| Box::new(phone(to)) as Box<dyn Vendor>).collect())
}

/// Digits, with `+` before them where the country is.
fn is_number(text: &str) -> bool {
    let digits = text.strip_prefix('+').unwrap_or(text);
    (3..=15).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit())
}

impl Vendor for Phone {
    fn call(&self, message: &Message<'_>) -> Result<Call, String> {
        let (texts, language) = (&*self.texts, self.language);
        self.carrier.call(&self.to, &Filler { texts, message, language, format: Format::Plain })
    }

    fn judge(&self, answer: &Answer) -> Outcome {
        self.carrier.judge(answer)
    }

    fn withdraw(&self, id: &str) -> Option<Result<Call, String>> {
        self.carrier.withdraw(id)
    }
}

/// Takes the variables of a vendor's template: a map, or a list where they are numbered.
///
/// # Errors
/// They cannot be read, or have what vendors refuse.
pub(super) fn variables(settings: &mut Settings<'_>, are_numbered: bool) -> Result<Pairs, String> {
    const KEY: &str = "template_params";
    let variables = if are_numbered { settings.list(KEY)? } else { settings.pairs(KEY)? };
    let has_url = |text: &Text| ["http://", "https://", "ExternalURL"].iter().any(|url| text.contains(url));
    match variables.iter().find(|(_, text)| has_url(text)) {
        Some((name, _)) => Err(format!("`{KEY}`: `{name}` has a URL, which the vendor refuses")),
        None => Ok(variables),
    }
}

/// What a variable says. What is empty is `-`: vendors refuse nothing.
pub(super) fn variable(text: &Text, filler: &Filler<'_>) -> String {
    let text = VARIABLE_MAX.cut(one_line(&filler.fill(text).unwrap_or_default()).trim());
    if text.is_empty() { "-".to_owned() } else { text }
}
