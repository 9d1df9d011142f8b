//! Writing files so that nothing that was there is damaged, and reading those that have secrets.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

/// Who may read a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Readers {
    /// Everybody that may enter the folder: certificates are public, and servers that run as another
    /// user have to read them.
    Everyone,
    /// For keys.
    Owner,
}

/// Makes a file that was not there; a symbolic link counts as there. One that cannot be written whole does not stay.
pub(crate) fn create(path: &Path, contents: &[u8], readers: Readers) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt as _;
        options.mode(0o600);
    }
    let mut file = options.open(path)?;
    let mut write = || {
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
    };
    write().inspect_err(|_| {
        // The failure to write is what is told.
        let _ = fs::remove_file(path);
    })
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

/// All of a file with secrets, of at most so many bytes. What is read does not grow: what had grown would
/// have left its beginning in memory.
pub(crate) fn secret(path: &Path, most: usize) -> io::Result<Zeroizing<Vec<u8>>> {
    let mut bytes = Zeroizing::new(vec![0; most.saturating_add(1)]);
    let mut length: usize = 0;
    let mut file = File::open(path)?;
    while let Some(room) = bytes.get_mut(length..)
        && !room.is_empty()
    {
        match file.read(room)? {
            0 => break,
            count => length = length.saturating_add(count),
        }
    }
    if length > most {
        let sentence = format!("longer than {most} bytes");
        return Err(io::Error::new(io::ErrorKind::InvalidData, sentence));
    }
    bytes.truncate(length);
    Ok(bytes)
}
