//! Writing files so that nothing that was there is damaged.

use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

/// Who may read a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Readers {
    /// Whoever may enter the folder: certificates are public, and servers that run as another
    /// user have to read them.
    Everyone,
    /// For keys.
    Owner,
}

/// Makes a file that was not there; a symbolic link counts as there.
pub(crate) fn create(path: &Path, contents: &[u8], readers: Readers) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt as _;
        options.mode(0o600);
    }
    let mut file = options.open(path)?;
    file.write_all(contents)?;
    #[cfg(unix)]
    if readers == Readers::Everyone {
        use std::os::unix::fs::PermissionsExt as _;
        // Whatever the umask: a certificate that the other user cannot read is of no use.
        file.set_permissions(fs::Permissions::from_mode(0o644))?;
    }
    #[cfg(not(unix))]
    let _ = readers;
    Ok(())
}

/// Puts a file in the place of one that may be there, whole, by rename: an old file keeps neither
/// its mode nor a reader that has it open, and a symbolic link is not followed.
pub(crate) fn replace(path: &Path, contents: &[u8], readers: Readers) -> io::Result<()> {
    let mut fresh = path.as_os_str().to_owned();
    fresh.push(format!(".{}", std::process::id()));
    let fresh = PathBuf::from(fresh);
    create(&fresh, contents, readers)?;
    fs::rename(&fresh, path).inspect_err(|_| {
        // The failure to rename is what is told.
        let _ = fs::remove_file(&fresh);
    })
}
