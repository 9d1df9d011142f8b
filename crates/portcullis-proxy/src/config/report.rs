//! What is wrong with a configuration: all of it at once, each with its place.

use std::cell::RefCell;
use std::fmt;
use std::ops::Range;

/// One thing that is wrong, or that is to be known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The file, as it was named.
    pub file: String,
    /// From 1.
    pub line: usize,
    /// From 1, in characters.
    pub column: usize,
    /// What was expected, what is there, what to do.
    pub text: String,
}

/// `proxy.toml:8:8: idle = 60: a duration is text with a unit, e.g. "60s", "5m", "1h"`.
impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            file,
            line,
            column,
            text,
        } = self;
        write!(f, "{file}:{line}:{column}: {text}")
    }
}

/// Why a configuration is refused: at least one thing, in the order of the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problems(pub Vec<Problem>);

/// One a line.
impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, problem) in self.0.iter().enumerate() {
            if at > 0 {
                f.write_str("\n")?;
            }
            problem.fmt(f)?;
        }
        Ok(())
    }
}

impl std::error::Error for Problems {}

/// A file, and what was found in it so far.
pub(super) struct Report<'t> {
    file: &'t str,
    text: &'t str,
    problems: RefCell<Vec<(usize, Problem)>>,
    warnings: RefCell<Vec<Problem>>,
}

impl<'t> Report<'t> {
    pub(super) fn new(file: &'t str, text: &'t str) -> Self {
        Self {
            file,
            text,
            problems: RefCell::default(),
            warnings: RefCell::default(),
        }
    }

    fn problem(&self, at: usize, text: String) -> Problem {
        let before = self.text.get(..at).unwrap_or(self.text);
        let line_start = before.rfind('\n').map_or(0, |end| end + 1);
        Problem {
            file: self.file.to_owned(),
            line: before.bytes().filter(|byte| *byte == b'\n').count() + 1,
            column: before[line_start..].chars().count() + 1,
            text,
        }
    }

    /// The line that a place is in.
    pub(super) fn line(&self, span: &Range<usize>) -> usize {
        self.problem(span.start, String::new()).line
    }

    /// Something is wrong there.
    pub(super) fn wrong(&self, span: &Range<usize>, text: impl Into<String>) {
        let problem = self.problem(span.start, text.into());
        self.problems.borrow_mut().push((span.start, problem));
    }

    /// Something there is to be known, and works.
    pub(super) fn warn(&self, span: &Range<usize>, text: impl Into<String>) {
        let problem = self.problem(span.start, text.into());
        self.warnings.borrow_mut().push(problem);
    }

    pub(super) fn is_clean(&self) -> bool {
        self.problems.borrow().is_empty()
    }

    /// The warnings, if nothing is wrong.
    pub(super) fn conclude(self) -> Result<Vec<Problem>, Problems> {
        let mut problems = self.problems.into_inner();
        if problems.is_empty() {
            return Ok(self.warnings.into_inner());
        }
        problems.sort_by_key(|(at, _)| *at);
        Err(Problems(problems.into_iter().map(|(_, it)| it).collect()))
    }
}
