//! What is sent through a connection.

use std::fmt::Write;

/// A line, or many that begin with it and are numbered, so that none can be missing, doubled or in
/// another's place without it being seen.
#[derive(Clone, Copy, Debug)]
pub struct Message<'a> {
    /// The line, without line feed.
    pub line: &'a str,
    /// How many.
    pub count: usize,
}

impl Message<'_> {
    /// All lines, each with its line feed.
    pub fn data(&self) -> String {
        if self.count == 1 {
            return format!("{}\n", self.line);
        }
        let mut data = String::with_capacity(self.count * (self.line.len() + 9));
        for number in 0..self.count {
            // Writing to a String cannot fail.
            let _ = writeln!(data, "{} {number:07}", self.line);
        }
        data
    }

    /// All lines, the characters of each in reverse order.
    pub fn reversed(&self) -> String {
        let reverse = |line: &str| line.chars().rev().chain(['\n']).collect::<String>();
        self.data().lines().map(reverse).collect()
    }
}
