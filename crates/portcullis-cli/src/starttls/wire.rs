//! Reading and writing in plain text, with bounds.

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};

use super::Protocol;
use crate::failure::Failure;
use crate::text::printable;

/// The longest line; RFC 5321 §4.5.3.1.5 asks for 512 bytes, RFC 3501 servers list more.
const MAX_LINE: usize = 8 * 1024;
/// The most that is read in all.
const MAX_TOTAL: usize = 64 * 1024;
/// How much is read at once.
const CHUNK: usize = 4 * 1024;

pub(super) type Result<T> = std::result::Result<T, Failure>;

/// A transport that is asked for TLS.
pub(super) struct Wire<'a, IO> {
    io: &'a mut IO,
    protocol: Protocol,
    /// What was read and not yet looked at.
    unread: Vec<u8>,
    total: usize,
}

impl<'a, IO: AsyncRead + AsyncWrite + Unpin> Wire<'a, IO> {
    pub(super) fn new(io: &'a mut IO, protocol: Protocol) -> Self {
        Self {
            io,
            protocol,
            unread: Vec::new(),
            total: 0,
        }
    }

    /// A sentence about this conversation.
    pub(super) fn failure(&self, sentence: &str) -> Failure {
        Failure::starttls(format!("--starttls {}: {sentence}", self.protocol))
    }

    /// The server declines; in its own words.
    pub(super) fn declined(&self, expected: &str, said: &str) -> Failure {
        let said = printable(said);
        self.failure(&format!("expected {expected}, the server said \"{said}\""))
    }

    /// Sends something that needs an answer.
    pub(super) async fn send(&mut self, bytes: &[u8]) -> Result<()> {
        // Nobody answers before the question but someone who knows it: it would be taken for
        // the answer, and the true one for that of the next question.
        self.nothing_more()?;
        let written = self.io.write_all(bytes).await;
        written.map_err(|error| self.broken(&error))?;
        let flushed = self.io.flush().await;
        flushed.map_err(|error| self.broken(&error))
    }

    /// Refuses bytes that came and are not to be there.
    pub(super) fn nothing_more(&self) -> Result<()> {
        match self.unread.len() {
            0 => Ok(()),
            count => Err(self.failure(&format!(
                "the server sent {count} bytes more than its answer before TLS began: someone on \
                 the path may have put them there, so nothing of this connection is used"
            ))),
        }
    }

    /// Reads on. At least one byte more is there then.
    pub(super) async fn fill(&mut self) -> Result<()> {
        let mut chunk = [0; CHUNK];
        let room = MAX_TOTAL.saturating_sub(self.total).min(CHUNK);
        if room == 0 {
            return Err(self.failure(&format!(
                "the server sent more than {MAX_TOTAL} bytes and did not come to TLS"
            )));
        }
        let into = chunk.get_mut(..room).unwrap_or_default();
        let read = self.io.read(into).await;
        let count = read.map_err(|error| self.broken(&error))?;
        if count == 0 {
            return Err(self.failure("the server closed the connection before TLS began"));
        }
        self.total = self.total.saturating_add(count);
        self.unread.extend(into.iter().take(count));
        Ok(())
    }

    /// What was read and not yet taken.
    pub(super) fn unread(&self) -> &[u8] {
        &self.unread
    }

    /// Takes what was looked at.
    pub(super) fn take(&mut self, count: usize) -> Vec<u8> {
        let count = count.min(self.unread.len());
        self.unread.drain(..count).collect()
    }

    /// The next so many bytes.
    pub(super) async fn exact(&mut self, count: usize) -> Result<Vec<u8>> {
        while self.unread.len() < count {
            self.fill().await?;
        }
        Ok(self.take(count))
    }

    /// The next line, without its end.
    pub(super) async fn line(&mut self) -> Result<String> {
        let mut looked_at = 0;
        loop {
            let rest = self.unread.iter().skip(looked_at);
            if let Some(at) = rest.clone().position(|byte| *byte == b'\n') {
                let line = self.take(looked_at + at + 1);
                let text = String::from_utf8_lossy(&line);
                return Ok(text.trim_end_matches(['\r', '\n']).to_owned());
            }
            looked_at = self.unread.len();
            if looked_at >= MAX_LINE {
                return Err(self.failure(&format!(
                    "the server's line does not end within {MAX_LINE} bytes"
                )));
            }
            self.fill().await?;
        }
    }

    fn broken(&self, error: &std::io::Error) -> Failure {
        Failure::transport(&format!("--starttls {}", self.protocol), error)
    }
}
