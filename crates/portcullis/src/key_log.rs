//! Secrets for debugging with a packet analyser, only when asked for (SSLKEYLOGFILE).

use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use portcullis_core::KeyLogLine;
use portcullis_core::x509::shown_path;

/// Where the secrets of a connection go. With them one can read the connection.
///
/// Lines come while the handshake goes on, so they are there for failed handshakes too.
pub trait KeyLog: Send + Sync + 'static {
    /// Takes one secret. Must not block for long.
    fn log(&self, line: &KeyLogLine);
}

impl<F: Fn(&KeyLogLine) + Send + Sync + 'static> KeyLog for F {
    fn log(&self, line: &KeyLogLine) {
        self(line);
    }
}

/// A file in the format of SSLKEYLOGFILE, to which lines are added.
#[derive(Debug)]
pub struct KeyLogFile {
    path: PathBuf,
    file: Mutex<File>,
}

impl KeyLogFile {
    /// Opens or makes the file; only its owner may read a file that is made (Unix).
    ///
    /// # Errors
    /// Those of opening a file, with its name.
    pub fn open(path: impl AsRef<Path>) -> io::Result<Self> {
        let path = path.as_ref();
        let mut options = OpenOptions::new();
        options.create(true).append(true);
        #[cfg(unix)]
        {
            use std::os::unix::fs::OpenOptionsExt as _;
            options.mode(0o600);
        }
        let named = |error: io::Error| {
            let sentence = format!("the key log {}: {error}", shown_path(path));
            io::Error::new(error.kind(), sentence)
        };
        Ok(Self {
            path: path.to_owned(),
            file: Mutex::new(options.open(path).map_err(named)?),
        })
    }

    /// Opens the file that the environment variable `SSLKEYLOGFILE` names; `None` if it is not
    /// set. Nothing in this crate does so by itself.
    ///
    /// ```
    /// use portcullis::KeyLogFile;
    ///
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/doctest/mod.rs"));
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let (mut connector, _) = dev_ends();
    /// if let Some(file) = KeyLogFile::from_env()? {
    ///     connector = connector.key_log(file);
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn from_env() -> io::Result<Option<Self>> {
        match std::env::var_os("SSLKEYLOGFILE") {
            Some(path) if !path.is_empty() => Self::open(path).map(Some),
            _ => Ok(None),
        }
    }
}

impl KeyLog for KeyLogFile {
    fn log(&self, line: &KeyLogLine) {
        let mut text = line.to_line();
        text.push('\n');
        let Ok(mut file) = self.file.lock() else {
            return;
        };
        // One write for a line, so that lines of several processes do not mix.
        if let Err(error) = file.write_all(text.as_bytes()) {
            let path = shown_path(&self.path);
            tracing::warn!(%error, path, "the key log could not be written");
        }
    }
}
