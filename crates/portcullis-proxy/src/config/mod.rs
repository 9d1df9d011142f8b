//! The configuration: read, checked and built. It is either whole or refused.
//!
//! `section.rs` reads tables key by key, `model.rs` says which there are, `build.rs` makes of them what the proxy runs
//! with: names are resolved to what they name, keys and roots are read. Whatever is wrong is written down in the `Report`
//! and reading goes on, so that all that is wrong with a file is told at once.

mod build;
mod model;
mod plan;
mod report;
mod section;
mod simple;

use std::path::{Path, PathBuf};

use toml::de::DeTable;

use crate::watch::Seen;

pub(crate) use model::{Health, Limits, Timeouts};
pub(crate) use plan::{Access, Admin, Listener, Plan, days_left};
use report::Report;
pub use report::{Problem, Problems};
pub use simple::{Mode, Originate, Simple};

/// The longest file that is read.
const LONGEST: u64 = 4 << 20;

/// A configuration that was checked and built, with the keys and roots that it names.
#[derive(Debug)]
pub struct Config {
    pub(crate) plan: Plan,
    pub(crate) seen: Seen,
    warnings: Vec<Problem>,
}

impl Config {
    /// Reads a file, and the certificates, keys and roots that it names; relative paths are from the folder that the
    /// program runs in.
    ///
    /// # Errors
    /// All that is wrong with it, in the order of the file.
    pub fn load(path: impl AsRef<Path>) -> Result<Self, Problems> {
        let path = path.as_ref();
        let shown = path.display().to_string();
        let read = std::fs::metadata(path).and_then(|found| match found.len() {
            ..=LONGEST => std::fs::read_to_string(path),
            _ => Err(std::io::Error::other("it is longer than 4 MiB")),
        });
        match read {
            Ok(text) => Self::of(&shown, Some(path), &text),
            Err(error) => Err(Problems(vec![Problem {
                file: shown,
                line: 1,
                column: 1,
                text: format!("cannot be read: {error}"),
            }])),
        }
    }

    /// The same of a text; `name` is the file's in what is said of it.
    ///
    /// # Errors
    /// All that is wrong with it, in the order of the file.
    pub fn parse(name: &str, text: &str) -> Result<Self, Problems> {
        Self::of(name, None, text)
    }

    fn of(name: &str, path: Option<&Path>, text: &str) -> Result<Self, Problems> {
        let report = Report::new(name, text);
        let Some(file) = read(&report, text) else {
            return Err(report.conclude().err().unwrap_or(Problems(Vec::new())));
        };
        // Before they are read: what changes meanwhile has changed since.
        let seen = Seen::now(text.as_bytes(), file.files());
        let plan = build::build(&report, path, &file);
        match (report.conclude(), plan) {
            (Ok(warnings), Some(plan)) => Ok(Self {
                plan,
                seen,
                warnings,
            }),
            (Err(problems), _) => Err(problems),
            (Ok(_), None) => Err(Problems(Vec::new())),
        }
    }

    /// What is wrong with a text by itself, as an editor may want to know it: names are not looked up, and no file is read.
    ///
    /// # Errors
    /// All that is wrong with it, in the order of the text.
    pub fn check_text(name: &str, text: &str) -> Result<(), Problems> {
        let report = Report::new(name, text);
        read(&report, text);
        report.conclude().map(drop)
    }

    /// What to know of it that does not keep it from running.
    pub fn warnings(&self) -> &[Problem] {
        &self.warnings
    }

    /// `2 listeners, 3 routes, 3 backends, 1 identity (api: 61 days left)`.
    pub fn summary(&self) -> String {
        self.plan.summary()
    }
}

/// The files that a text names, whatever else is wrong with it.
pub(crate) fn named(text: &[u8]) -> Vec<PathBuf> {
    let Ok(text) = std::str::from_utf8(text) else {
        return Vec::new();
    };
    let file = read(&Report::new("", text), text);
    file.map_or_else(Vec::new, |file| file.files())
}

/// `None` if it is no TOML, which stands in the report.
fn read(report: &Report<'_>, text: &str) -> Option<model::File> {
    let (table, errors) = DeTable::parse_recoverable(text);
    for error in &errors {
        let span = error.span().unwrap_or(0..0);
        report.wrong(&span, format!("this is not TOML: {}", error.message()));
    }
    errors.is_empty().then(|| model::File::read(report, &table))
}

/// Where the access log goes.
fn access(text: &str) -> Access {
    match text {
        "off" => Access::Off,
        "stdout" => Access::Stdout,
        "stderr" => Access::Stderr,
        path => Access::File(PathBuf::from(path)),
    }
}
