//! The files of one folder, and nothing outside it.
//!
//! Two walls: a path that has anything but plain names in it is refused before the system sees
//! it, and cap-std opens what is left below the folder's descriptor, so that no link leads out,
//! also none that is put there at this moment.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use cap_fs_ext::OpenOptionsSyncExt as _;
use cap_std::ambient_authority;
use cap_std::fs::{Dir, File, OpenOptions};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

use crate::failure::Failure;

const INDEX: &str = "index.html";
/// The one hidden name that is there to be seen (RFC 8615).
const WELL_KNOWN: &str = ".well-known";
/// What stands for itself in a path (RFC 3986 §2.3).
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// A folder whose files are given out.
#[derive(Clone, Debug)]
pub(super) struct Folder(Arc<Dir>);

/// What a path leads to.
pub(super) enum Found {
    File {
        file: tokio::fs::File,
        length: u64,
        kind: String,
    },
    /// It is found under this path.
    Folder { location: String },
    /// Or nothing that is given out; clients are not told which.
    Nothing,
}

impl Folder {
    pub(super) fn open(path: &Path) -> Result<Self, Failure> {
        Dir::open_ambient_dir(path, ambient_authority())
            .map(|folder| Self(Arc::new(folder)))
            .map_err(|error| Failure::usage(format!("--dir {}: {error}", path.display())))
    }

    /// Looks for what a client asks for.
    ///
    /// # Cancel safety
    /// Dropped, the file is closed.
    pub(super) async fn find(&self, path: &str) -> Found {
        let Some(names) = names(path) else {
            return Found::Nothing;
        };
        let folder = Arc::clone(&self.0);
        let relative: PathBuf = names.iter().collect();
        let is_folder = path.ends_with('/');
        let opened = tokio::task::spawn_blocking(move || open(&folder, &relative, is_folder)).await;
        match opened {
            Ok(Ok(Opened::File { file, length, kind })) => Found::File {
                file: tokio::fs::File::from_std(file.into_std()),
                length,
                kind,
            },
            Ok(Ok(Opened::Folder)) => Found::Folder {
                location: location(&names),
            },
            Ok(Err(_)) | Err(_) => Found::Nothing,
        }
    }
}

enum Opened {
    File {
        file: File,
        length: u64,
        kind: String,
    },
    /// A path without a slash at its end leads to it.
    Folder,
}

fn open(folder: &Dir, relative: &Path, is_folder: bool) -> io::Result<Opened> {
    let path = match is_folder {
        true => relative.join(INDEX),
        false => relative.to_owned(),
    };
    let mut options = OpenOptions::new();
    // A named pipe would make this wait for somebody who writes.
    options.read(true).nonblock(true);
    let file = folder.open_with(&path, &options)?;
    let metadata = file.metadata()?;
    if metadata.is_file() {
        let kind = mime_guess::from_path(&path).first_or_octet_stream();
        Ok(Opened::File {
            file,
            length: metadata.len(),
            kind: kind.to_string(),
        })
    } else if metadata.is_dir() && !is_folder {
        Ok(Opened::Folder)
    } else {
        Err(io::ErrorKind::NotFound.into())
    }
}

/// The names in a path, decoded; `None` if one is not plain: up, hidden, or with a separator.
fn names(path: &str) -> Option<Vec<String>> {
    let decoded = percent_decode_str(path).decode_utf8().ok()?;
    let names = decoded.split('/').filter(|name| !name.is_empty());
    names
        .map(|name| {
            let is_shown = !name.starts_with('.') || name == WELL_KNOWN;
            let is_plain = !name.contains(['\\', ':']) && !name.contains(char::is_control);
            (is_shown && is_plain).then(|| name.to_owned())
        })
        .collect()
}

/// The path of a folder. It begins with one slash: with two it would be that of another host.
fn location(names: &[String]) -> String {
    let names = names.iter();
    names
        .map(|name| format!("/{}", utf8_percent_encode(name, ENCODED)))
        .chain(["/".to_owned()])
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_plain() {
        let seen = |path| names(path).map(|names| names.join("|"));
        assert_eq!(seen("/"), Some(String::new()));
        assert_eq!(seen("/a/b%20c"), Some("a|b c".into()));
        assert_eq!(seen("//a//b/"), Some("a|b".into()));
        assert_eq!(seen("/.well-known/x"), Some(".well-known|x".into()));
        for path in [
            "/..",
            "/../a",
            "/a/../b",
            "/%2e%2e/a",
            "/.%2e/a",
            "/a%2f..%2fb",
            "/.",
            "/.git/config",
            "/..%5ca",
            "/a%00b",
            "/%ff",
            "/c:",
            "/a%0d%0ab",
        ] {
            assert_eq!(seen(path), None, "{path}");
        }
    }

    #[test]
    fn a_folder_is_found_on_this_host() {
        assert_eq!(location(&names("//evil.test").unwrap()), "/evil.test/");
        assert_eq!(location(&names("/a%20b").unwrap()), "/a%20b/");
    }
}
