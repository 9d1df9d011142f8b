//! Writing files so that nothing that was there is damaged, and reading those that have secrets.

#[cfg(unix)]
use std::fs;
use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::path::Path;

use tempfile::NamedTempFile;
use zeroize::Zeroizing;

/// Who may read a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Readers {
    /// Everybody that may enter the folder: certificates are public, and servers that run as another
    /// user have to read them.
    Everyone,
    /// For keys.
    Owner,
    /// For keys that a server of another user may have to read: owner and group, and what both may, are those of the file
    /// that is replaced. Others may nothing.
    Same,
}

/// Makes a file that was not there; a symbolic link counts as there. Nobody finds a part of it under its name, whatever
/// happens meanwhile.
pub(crate) fn create(path: &Path, contents: &[u8], readers: Readers) -> io::Result<()> {
    let file = whole(path, contents, readers)?;
    file.persist_noclobber(path).map_err(|error| error.error)?;
    Ok(())
}

/// Puts a file in the place of one that may be there, whole, by rename, once it is on the disk: an old file keeps neither
/// its mode, but for [`Readers::Same`], nor a reader that has it open, and a symbolic link is not followed.
pub(crate) fn replace(path: &Path, contents: &[u8], readers: Readers) -> io::Result<()> {
    let file = whole(path, contents, readers)?;
    file.persist(path).map_err(|error| error.error)?;
    #[cfg(unix)]
    if let Ok(folder) = File::open(folder_of(path)) {
        // It is in its place by now; not every file system can sync a folder.
        let _ = folder.sync_all();
    }
    Ok(())
}

fn folder_of(path: &Path) -> &Path {
    let folder = path.parent();
    folder
        .filter(|folder| !folder.as_os_str().is_empty())
        .unwrap_or(Path::new("."))
}

/// A file beside that of this path, written whole and on the disk. It goes when it is dropped.
fn whole(path: &Path, contents: &[u8], readers: Readers) -> io::Result<NamedTempFile> {
    // For its owner alone.
    let made = NamedTempFile::with_prefix_in(".portcullis-", folder_of(path));
    let mut file = made.map_err(without_name)?;
    file.write_all(contents).map_err(without_name)?;
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let mode = match readers {
            // Whatever the umask: a certificate that the other user cannot read is of no use.
            Readers::Everyone => Some(0o644),
            Readers::Owner => None,
            Readers::Same => Some(belongs_as(file.as_file(), &fs::metadata(path)?)?),
        };
        if let Some(mode) = mode {
            let mode = fs::Permissions::from_mode(mode);
            file.as_file().set_permissions(mode)?;
        }
    }
    #[cfg(not(unix))]
    let _ = readers;
    // What is renamed before it is written may be empty after a crash.
    file.as_file().sync_all()?;
    Ok(file)
}

/// What the system says, without the name of a file that nobody has asked for.
fn without_name(error: io::Error) -> io::Error {
    let inner = error.get_ref().and_then(|inner| inner.source());
    let of_system = inner.and_then(|inner| inner.downcast_ref::<io::Error>());
    match of_system.and_then(io::Error::raw_os_error) {
        Some(code) => io::Error::from_raw_os_error(code),
        None => error,
    }
}

/// Gives a file to whom another one belongs; its mode is to be this then.
#[cfg(unix)]
fn belongs_as(file: &File, before: &fs::Metadata) -> io::Result<u32> {
    use std::os::unix::fs::{MetadataExt as _, fchown};

    let own = file.metadata()?;
    let (user, group) = (before.uid(), before.gid());
    if (own.uid(), own.gid()) != (user, group) {
        fchown(file, Some(user), Some(group)).map_err(|error| {
            let text = format!(
                "it belongs to user {user} and group {group}, who could read it no more: {error}; do this as that user, or \
                 as root"
            );
            io::Error::new(error.kind(), text)
        })?;
    }
    Ok(before.mode() & 0o660)
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

#[cfg(all(test, unix))]
mod tests {
    use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};

    use super::*;

    #[test]
    fn a_file_that_is_replaced_belongs_to_whom_it_did() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("keys");
        create(&path, b"one", Readers::Owner).unwrap();
        let group = fs::Permissions::from_mode(0o644);
        fs::set_permissions(&path, group).unwrap();
        // Root alone gives files away.
        let owner = std::os::unix::fs::chown(&path, Some(1), Some(1));
        let before = fs::metadata(&path).unwrap();
        assert_eq!(owner.is_ok(), (before.uid(), before.gid()) == (1, 1));
        // What another process of the same number has left behind is in nobody's way.
        let mut left = path.as_os_str().to_owned();
        left.push(format!(".{}", std::process::id()));
        fs::write(&left, "").unwrap();
        replace(&path, b"two", Readers::Same).unwrap();
        let after = fs::metadata(&path).unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"two");
        assert_ne!(after.ino(), before.ino());
        assert_eq!((after.uid(), after.gid()), (before.uid(), before.gid()));
        assert_eq!(after.mode() & 0o777, 0o640, "others may nothing");
        replace(&path, b"three", Readers::Owner).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
        // Nothing else is there.
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2);
        replace(&folder.path().join("none"), b"", Readers::Same).unwrap_err();
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2);
    }
}
