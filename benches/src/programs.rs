//! Finding the programs of the stacks.

use std::ffi::OsStr;
use std::io;
use std::path::{Path, PathBuf};

use crate::floor;

/// All programs called `worker-NAME`, with their names, beside this program and in the folders of
/// `WORKERS`, by name.
///
/// # Errors
/// When a folder cannot be read.
pub fn workers() -> io::Result<Vec<(String, PathBuf)>> {
    let this = std::env::current_exe()?;
    let mut folders: Vec<PathBuf> = this.parent().map(Path::to_owned).into_iter().collect();
    if let Some(more) = std::env::var_os("WORKERS") {
        folders.extend(std::env::split_paths(&more));
    }
    let mut found = Vec::new();
    for folder in folders {
        for entry in std::fs::read_dir(&folder)? {
            let path = entry?.path();
            let name = path.file_name().and_then(OsStr::to_str);
            let name = name.and_then(|name| name.strip_prefix("worker-"));
            if let Some(name) = name.filter(|name| !name.contains('.')) {
                found.push((name.to_owned(), path.clone()));
            }
        }
    }
    found.sort();
    Ok(found)
}

/// Those of them that are stacks.
///
/// # Errors
/// As [`workers`].
pub fn stacks() -> io::Result<Vec<(String, PathBuf)>> {
    let mut stacks = workers()?;
    stacks.retain(|(name, _)| name != floor::NAME);
    Ok(stacks)
}
