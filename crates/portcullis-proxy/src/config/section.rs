//! One table of the file, read key by key: what is not known, or of another type, is told with its place.

use std::ops::Range;
use std::time::Duration;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::report::Report;

/// The longest time that may be configured: what is longer is a slip.
const LONGEST: Duration = Duration::from_secs(366 * 24 * 3600);

/// A table whose keys are known.
pub(super) struct Section<'t> {
    report: &'t Report<'t>,
    /// As it is called in texts: `[[route]]`, `timeouts`.
    title: &'t str,
    table: &'t DeTable<'t>,
    span: Range<usize>,
}

/// What something is like, as a candidate of a slip.
pub(super) fn did_you_mean<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    let near = known
        .into_iter()
        .map(|name| (strsim::damerau_levenshtein(word, name), name))
        .filter(|(distance, name)| *distance <= 1 + name.len() / 4)
        .min();
    near.map_or_else(String::new, |(_, name)| {
        format!("; did you mean \"{name}\"?")
    })
}

impl<'t> Section<'t> {
    /// Every key that is not one of `keys` is told.
    pub(super) fn new(
        report: &'t Report<'t>,
        title: &'t str,
        table: &'t DeTable<'t>,
        span: Range<usize>,
        keys: &[&str],
    ) -> Self {
        for key in table.keys() {
            let name: &str = key.get_ref();
            if !keys.contains(&name) {
                let meant = did_you_mean(name, keys.iter().copied()).replace('"', "`");
                let end = if meant.is_empty() { "." } else { "" };
                report.wrong(
                    &key.span(),
                    format!(
                        "unknown key `{}` in {title}{meant}{end} Keys here: {}",
                        name.escape_debug(),
                        keys.join(", "),
                    ),
                );
            }
        }
        Self {
            report,
            title,
            table,
            span,
        }
    }

    pub(super) fn span(&self) -> Range<usize> {
        self.span.clone()
    }

    fn value(&self, key: &str) -> Option<&'t Spanned<DeValue<'t>>> {
        self.table.get(key)
    }

    /// Where a key's value is, or else the table.
    pub(super) fn span_of(&self, key: &str) -> Range<usize> {
        self.value(key).map_or(self.span(), Spanned::span)
    }

    pub(super) fn has(&self, key: &str) -> bool {
        self.value(key).is_some()
    }

    fn unlike(&self, key: &str, value: &Spanned<DeValue<'_>>, expected: &str) {
        let shown = match value.get_ref() {
            DeValue::Integer(number) => number.as_str().to_owned(),
            DeValue::Float(number) => number.as_str().to_owned(),
            DeValue::Boolean(on) => on.to_string(),
            DeValue::String(text) => format!("\"{}\"", text.escape_debug()),
            other => format!("({})", other.type_str()),
        };
        self.report
            .wrong(&value.span(), format!("{key} = {shown}: {expected}"));
    }

    /// To know of a value that may be.
    pub(super) fn warn(&self, key: &str, text: String) {
        self.report.warn(&self.span_of(key), text);
    }

    /// Something that has to be there.
    pub(super) fn missing(&self, key: &str, expected: &str) {
        self.report.wrong(
            &self.span,
            format!("{} has no `{key}`: {expected}", self.title),
        );
    }

    pub(super) fn text(&self, key: &str) -> Option<Spanned<String>> {
        let value = self.value(key)?;
        match value.get_ref() {
            DeValue::String(text) => Some(Spanned::new(value.span(), text.to_string())),
            _ => {
                self.unlike(key, value, "this is text in quotation marks");
                None
            }
        }
    }

    /// A list of texts; one alone need not be in brackets.
    pub(super) fn texts(&self, key: &str) -> Vec<Spanned<String>> {
        let Some(value) = self.value(key) else {
            return Vec::new();
        };
        let list = match value.get_ref() {
            DeValue::String(_) => return self.text(key).into_iter().collect(),
            DeValue::Array(list) => list,
            _ => {
                self.unlike(
                    key,
                    value,
                    "this is a list of texts, e.g. [\"one\", \"two\"]",
                );
                return Vec::new();
            }
        };
        if list.is_empty() {
            self.unlike(key, value, "the list is empty; leave the key out");
        }
        let texts = list.iter().filter_map(|value| match value.get_ref() {
            DeValue::String(text) => Some(Spanned::new(value.span(), text.to_string())),
            _ => {
                self.unlike(key, value, "this is text in quotation marks");
                None
            }
        });
        texts.collect()
    }

    /// One of some words.
    pub(super) fn word<T: Copy>(&self, key: &str, words: &[(&str, T)]) -> Option<T> {
        let text = self.text(key)?;
        let found = words.iter().find(|(word, _)| word == text.get_ref());
        if found.is_none() {
            let known: Vec<_> = words
                .iter()
                .map(|(word, _)| format!("\"{word}\""))
                .collect();
            self.report.wrong(
                &text.span(),
                format!(
                    "{key} = \"{}\": this is {}",
                    text.get_ref().escape_debug(),
                    known.join(" or ")
                ),
            );
        }
        found.map(|(_, value)| *value)
    }

    pub(super) fn flag(&self, key: &str) -> Option<bool> {
        let value = self.value(key)?;
        match value.get_ref() {
            DeValue::Boolean(on) => Some(*on),
            _ => {
                self.unlike(key, value, "this is true or false");
                None
            }
        }
    }

    /// A number of things within bounds.
    pub(super) fn count(&self, key: &str, bounds: Range<usize>) -> Option<usize> {
        let value = self.value(key)?;
        let number = match value.get_ref() {
            DeValue::Integer(number) => usize::from_str_radix(number.as_str(), number.radix()).ok(),
            _ => None,
        };
        let number = number.filter(|number| bounds.contains(number));
        if number.is_none() {
            let (least, most) = (bounds.start, bounds.end - 1);
            self.unlike(
                key,
                value,
                &format!("this is a number from {least} to {most}"),
            );
        }
        number
    }

    pub(super) fn duration(&self, key: &str) -> Option<Duration> {
        const EXPECTED: &str = "a duration is text with a unit, e.g. \"60s\", \"5m\", \"1h\"";
        let value = self.value(key)?;
        let DeValue::String(text) = value.get_ref() else {
            self.unlike(key, value, EXPECTED);
            return None;
        };
        match duration(text) {
            None => self.unlike(key, value, EXPECTED),
            Some(Duration::ZERO) => {
                self.unlike(key, value, "no time at all would end every connection");
            }
            Some(time) if time > LONGEST => self.unlike(key, value, "the longest is 366 days"),
            Some(time) => return Some(time),
        }
        None
    }

    /// The table under a key, with its own keys.
    pub(super) fn table(&self, key: &'t str, keys: &[&str]) -> Option<Self> {
        let value = self.value(key)?;
        match value.get_ref() {
            DeValue::Table(table) => Some(Self::new(self.report, key, table, value.span(), keys)),
            _ => {
                self.unlike(key, value, "this is a table, e.g. { key = \"value\" }");
                None
            }
        }
    }

    /// The tables under a key: `[[key]]`, or a list of `{ }`.
    pub(super) fn tables(&self, key: &str, title: &'t str, keys: &[&str]) -> Vec<Self> {
        let Some(value) = self.value(key) else {
            return Vec::new();
        };
        let DeValue::Array(list) = value.get_ref() else {
            self.unlike(key, value, &format!("this is a list of tables: {title}"));
            return Vec::new();
        };
        if list.is_empty() {
            self.unlike(key, value, "the list is empty; leave the key out");
        }
        let tables = list.iter().filter_map(|value| match value.get_ref() {
            DeValue::Table(table) => Some(Self::new(self.report, title, table, value.span(), keys)),
            _ => {
                self.unlike(key, value, "this is a table, e.g. { key = \"value\" }");
                None
            }
        });
        tables.collect()
    }

    /// Whether there is a table and no text under a key.
    pub(super) fn is_table(&self, key: &str) -> bool {
        self.value(key)
            .is_some_and(|value| value.get_ref().is_table())
    }
}

/// `500ms`, `60s`, `5m`, `1h`, `2d`.
fn duration(text: &str) -> Option<Duration> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    let number: u64 = number.parse().ok()?;
    let seconds = match unit {
        "ms" => return Some(Duration::from_millis(number)),
        "s" => 1,
        "m" => 60,
        "h" => 3600,
        "d" => 24 * 3600,
        _ => return None,
    };
    Some(Duration::from_secs(number.checked_mul(seconds)?))
}
