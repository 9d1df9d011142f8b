//! One line of JSON for each connection, at its end.
//!
//! A thread of its own writes: a slow disk holds up no connection. What does not fit into its queue is dropped, and counted.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::time::Duration;

use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};
use rustix::io::Errno;
use tokio::sync::oneshot;

use crate::config::Access;

/// Lines that wait to be written.
const QUEUE: usize = 8_192;
/// The longest text of a peer's, in characters.
const LONGEST: usize = 256;

#[derive(Clone, Debug)]
pub(crate) struct AccessLog {
    lines: Option<SyncSender<Entry>>,
    dropped: Arc<AtomicU64>,
}

impl AccessLog {
    /// Begins with what [`writer`] has opened.
    ///
    /// # Errors
    /// When there is no thread for it.
    pub(crate) fn begin(access: &Access, writer: Option<Writer>) -> io::Result<Self> {
        let Some(writer) = writer else {
            return Ok(Self::none());
        };
        let (lines, queue) = sync_channel(QUEUE);
        let log = Self {
            lines: Some(lines),
            dropped: Arc::default(),
        };
        let dropped = Arc::clone(&log.dropped);
        std::thread::Builder::new()
            .name("access-log".to_owned())
            .spawn({
                let access = access.clone();
                move || write(&queue, &access, writer, &dropped)
            })?;
        Ok(log)
    }

    fn none() -> Self {
        Self {
            lines: None,
            dropped: Arc::default(),
        }
    }

    pub(crate) const fn is_on(&self) -> bool {
        self.lines.is_some()
    }

    /// Lines that nobody will see.
    pub(crate) fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }

    /// One line, without its end.
    pub(crate) fn line(&self, mut line: String) {
        let Some(lines) = &self.lines else { return };
        line.push('\n');
        if lines.try_send(Entry::Line(line)).is_err() {
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Waits until what was said so far has been written, and not for longer than that: a pipe may have no reader.
    ///
    /// # Cancel safety
    /// Nothing is lost.
    pub(crate) async fn flush(&self, within: Duration) {
        let (told, hears) = oneshot::channel();
        let flushed = self.ask(Entry::Written(told), hears);
        let _ = tokio::time::timeout(within, flushed).await;
    }

    /// Opens the file anew: it may have been moved away. What was said before goes to the one that was there.
    ///
    /// # Errors
    /// When it cannot be opened, or not in time; the one that was there goes on.
    ///
    /// # Cancel safety
    /// Dropped, it may be opened all the same.
    pub(crate) async fn reopen(&self, within: Duration) -> io::Result<()> {
        if self.lines.is_none() {
            return Ok(());
        }
        let (told, hears) = oneshot::channel();
        let opened = self.ask(Entry::Reopen(told), hears);
        match tokio::time::timeout(within, opened).await {
            Ok(Some(opened)) => opened,
            _ => Err(io::ErrorKind::TimedOut.into()),
        }
    }

    /// Asks the thread for something, and waits for its answer.
    async fn ask<T>(&self, mut entry: Entry, hears: oneshot::Receiver<T>) -> Option<T> {
        let lines = self.lines.as_ref()?;
        while let Err(TrySendError::Full(back)) = lines.try_send(entry) {
            entry = back;
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        hears.await.ok()
    }
}

/// What is sent to the thread that writes.
enum Entry {
    Line(String),
    /// Who is told that all before this was written.
    Written(oneshot::Sender<()>),
    /// Who is told that what comes now goes into a new file.
    Reopen(oneshot::Sender<io::Result<()>>),
}

/// Where lines go.
pub(crate) type Writer = Box<dyn Write + Send>;

/// Opens it; `None` where nothing is written.
///
/// # Errors
/// When the file cannot be opened.
pub(crate) fn writer(access: &Access) -> io::Result<Option<Writer>> {
    Ok(Some(match access {
        Access::Off => return Ok(None),
        Access::Stdout => Box::new(io::stdout()),
        Access::Stderr => Box::new(io::stderr()),
        Access::File(path) => {
            let file = append(path).map_err(|error| {
                io::Error::new(error.kind(), format!("{}: {error}", path.display()))
            });
            Box::new(file?)
        }
    }))
}

/// It waits for nobody who reads a pipe; the lines then do, in the thread that writes.
fn append(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.append(true).create(true);
    options.custom_flags(OFlags::NONBLOCK.bits().cast_signed());
    let file = options.open(path).map_err(|error| {
        match error.raw_os_error() == Some(Errno::NXIO.raw_os_error()) {
            true => io::Error::new(error.kind(), "it is a pipe that nobody reads"),
            false => error,
        }
    })?;
    let flags = fcntl_getfl(&file)?;
    fcntl_setfl(&file, flags - OFlags::NONBLOCK)?;
    Ok(file)
}

fn write(queue: &Receiver<Entry>, access: &Access, mut writer: Writer, dropped: &AtomicU64) {
    while let Ok(first) = queue.recv() {
        let mut waiting = Vec::new();
        for entry in std::iter::once(first).chain(queue.try_iter()) {
            match entry {
                // A pipe whose reader has gone, a full disk: the next line may fit again.
                Entry::Line(line) => {
                    if writer.write_all(line.as_bytes()).is_err() {
                        dropped.fetch_add(1, Ordering::Relaxed);
                    }
                }
                Entry::Written(told) => waiting.push(told),
                Entry::Reopen(told) => {
                    let opened = self::writer(access).map(|opened| {
                        let _ = writer.flush();
                        writer = opened.unwrap_or_else(|| Box::new(io::sink()));
                    });
                    let _ = told.send(opened);
                }
            }
        }
        let _ = writer.flush();
        for told in waiting {
            let _ = told.send(());
        }
    }
}

/// Text of a peer's, cut. JSON escapes what is below U+0020; the rest of what would steer a terminal is escaped here.
pub(crate) fn cut(text: &str) -> String {
    let mut shown = String::new();
    for (at, character) in text.chars().enumerate() {
        if at == LONGEST {
            shown.push('…');
            break;
        }
        match character {
            '\u{7f}'..='\u{9f}'
            | '\u{200e}'
            | '\u{200f}'
            | '\u{202a}'..='\u{202e}'
            | '\u{2066}'..='\u{2069}' => shown.extend(character.escape_unicode()),
            _ => shown.push(character),
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use serde_json::{Map, Value};

    use super::*;

    fn opened(access: &Access) -> io::Result<AccessLog> {
        AccessLog::begin(access, writer(access)?)
    }

    #[test]
    fn lines_are_whole_and_text_of_peers_is_cut() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("access.log");
        let log = opened(&Access::File(path.clone())).unwrap();
        for at in 0..100 {
            let mut entry = Map::new();
            entry.insert("at".to_owned(), at.into());
            entry.insert(
                "name".to_owned(),
                cut(&"\u{1b}[2J\n\u{202e}".repeat(100)).into(),
            );
            log.line(Value::Object(entry).to_string());
        }
        drop(log);
        let mut text = String::new();
        for _ in 0..500 {
            text = std::fs::read_to_string(&path).unwrap();
            if text.lines().count() == 100 {
                break;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        assert_eq!(text.lines().count(), 100);
        for (at, line) in text.lines().enumerate() {
            assert!(line.bytes().all(|byte| byte >= b' '), "{line}");
            assert!(!line.contains('\u{202e}'));
            let value: Value = serde_json::from_str(line).unwrap();
            assert_eq!(value["at"], at);
            assert!(value["name"].as_str().unwrap().len() < 4 * LONGEST);
        }
    }

    #[test]
    fn a_pipe_that_nobody_reads_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("pipe");
        let mkfifo = std::process::Command::new("mkfifo").arg(&path).status();
        assert!(mkfifo.unwrap().success());
        let (told, hears) = std::sync::mpsc::channel();
        let access = Access::File(path.clone());
        std::thread::spawn(move || told.send(opened(&access).map(drop)));
        let opened = hears.recv_timeout(Duration::from_secs(10));
        let error = opened.expect("it does not hang").unwrap_err().to_string();
        assert!(error.ends_with("it is a pipe that nobody reads"), "{error}");
        // With a reader its lines wait for room.
        let mut options = OpenOptions::new();
        let _reader = options.read(true).write(true).open(&path).unwrap();
        let file = append(&path).unwrap();
        assert!(!fcntl_getfl(&file).unwrap().contains(OFlags::NONBLOCK));
    }

    #[test]
    fn what_does_not_fit_is_counted() {
        let (lines, _queue) = sync_channel(1);
        let log = AccessLog {
            lines: Some(lines),
            dropped: Arc::default(),
        };
        for _ in 0..3 {
            log.line(String::new());
        }
        assert_eq!(log.dropped(), 2);
    }
}
