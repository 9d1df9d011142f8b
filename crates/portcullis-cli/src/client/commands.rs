//! `--commands`: lines of standard input that are for the connection and not for the peer.

use std::io;

use tokio::io::{AsyncBufRead, AsyncBufReadExt as _};

/// What a line asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Command {
    /// Another handshake, before TLS 1.3.
    Renegotiate,
    /// New keys for both directions, in TLS 1.3.
    UpdateKeys,
}

impl Command {
    pub(super) const NAMES: &str = ":renegotiate and :update-keys";

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Renegotiate => ":renegotiate",
            Self::UpdateKeys => ":update-keys",
        }
    }

    fn of(word: &str) -> Option<Self> {
        [Self::Renegotiate, Self::UpdateKeys]
            .into_iter()
            .find(|command| command.name() == word)
    }
}

/// A line, or so much of one as is looked at at once.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Line<'a> {
    /// For the peer, with its end.
    Data(&'a [u8]),
    Command(Command),
    /// It begins as a command does.
    Unknown(String),
}

/// The most of a line that is looked at at once: a command is shorter, and data need not be whole.
const LONGEST: usize = 16 * 1024;

/// Reads lines of any length.
pub(super) struct Lines<R> {
    input: R,
    line: Vec<u8>,
    /// Whether `line` has been given.
    is_given: bool,
    /// Whether what comes next is the rest of a line.
    goes_on: bool,
}

impl<R: AsyncBufRead + Unpin> Lines<R> {
    pub(super) fn new(input: R) -> Self {
        Self {
            input,
            line: Vec::new(),
            is_given: false,
            goes_on: false,
        }
    }

    /// The next line; `None` at the end. A line that begins with a colon is a command, with two it is
    /// one with a colon.
    ///
    /// Dropped, nothing is lost.
    pub(super) async fn next(&mut self) -> io::Result<Option<Line<'_>>> {
        if std::mem::take(&mut self.is_given) {
            self.line.clear();
        }
        while !self.line.ends_with(b"\n") && self.line.len() < LONGEST {
            let input = self.input.fill_buf().await?;
            if input.is_empty() {
                break;
            }
            let line = input.iter().position(|byte| *byte == b'\n');
            let count = line.map_or(input.len(), |end| end + 1);
            let count = count.min(LONGEST - self.line.len());
            self.line
                .extend_from_slice(input.get(..count).unwrap_or_default());
            self.input.consume(count);
        }
        self.is_given = true;
        let is_rest = std::mem::replace(&mut self.goes_on, !self.line.ends_with(b"\n"));
        Ok(match self.line.as_slice() {
            [] => None,
            [b':', b':', ..] if !is_rest => {
                Some(Line::Data(self.line.get(1..).unwrap_or_default()))
            }
            [b':', ..] if !is_rest => {
                let word = String::from_utf8_lossy(&self.line);
                let word = word.trim_end();
                Some(match Command::of(word) {
                    Some(command) => Line::Command(command),
                    None => Line::Unknown(crate::text::printable(word)),
                })
            }
            line => Some(Line::Data(line)),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn lines(input: &[u8]) -> Vec<String> {
        // In small pieces.
        let mut lines = Lines::new(tokio::io::BufReader::with_capacity(3, input));
        let mut all = Vec::new();
        while let Some(line) = lines.next().await.unwrap() {
            all.push(match line {
                Line::Data(data) => String::from_utf8_lossy(data).into_owned(),
                line => format!("{line:?}"),
            });
        }
        all
    }

    #[tokio::test]
    async fn a_colon_makes_a_command() {
        let input = b"one\n:renegotiate\r\n::two\n\n:update-keys\n:other\x1b\nthree:";
        let expected = [
            "one\n",
            "Command(Renegotiate)",
            ":two\n",
            "\n",
            "Command(UpdateKeys)",
        ];
        let lines = lines(input).await;
        assert_eq!(lines[..5], expected);
        assert!(lines[5].starts_with("Unknown(\":other"), "{}", lines[5]);
        assert!(!lines[5].contains('\x1b'));
        assert_eq!(lines[6..], ["three:"]);
    }

    /// Only its beginning is one.
    #[tokio::test]
    async fn a_long_line_comes_in_parts() {
        let long = [vec![b'a'; LONGEST], b":renegotiate\nend".to_vec()].concat();
        let lines = lines(&long).await;
        assert_eq!(lines.len(), 3);
        assert_eq!(lines[1..], [":renegotiate\n", "end"]);
    }
}
