//! Writing files so that nothing that was there is damaged, and reading those that have secrets.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::path::Path;

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

/// Puts a file in the place of one that may be there, whole, by rename, once it is on the disk: an old file keeps neither
/// its mode, but for [`Readers::Same`], nor a reader that has it open, and a symbolic link is not followed.
pub(crate) fn replace(path: &Path, contents: &[u8], readers: Readers) -> io::Result<()> {
    let folder = path.parent().filter(|it| !it.as_os_str().is_empty());
    let folder = folder.unwrap_or(Path::new("."));
    let mut prefix = path.file_name().unwrap_or_default().to_owned();
    prefix.push(".");
    // Of nobody else's name, its owner's alone, and gone if it is not put in place.
    let mut fresh = tempfile::Builder::new()
        .prefix(&prefix)
        .tempfile_in(folder)?;
    fresh.write_all(contents)?;
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let mode = match readers {
            Readers::Everyone => 0o644,
            Readers::Owner => 0o600,
            Readers::Same => belongs_as(fresh.as_file(), &fs::metadata(path)?)?,
        };
        let mode = fs::Permissions::from_mode(mode);
        fresh.as_file().set_permissions(mode)?;
    }
    #[cfg(not(unix))]
    let _ = readers;
    // What is renamed before it is written may be empty after a crash.
    fresh.as_file().sync_all()?;
    fresh.persist(path).map_err(|failed| failed.error)?;
    #[cfg(unix)]
    if let Ok(folder) = File::open(folder) {
        // It is in its place by now; not every file system can sync a folder.
        let _ = folder.sync_all();
    }
    Ok(())
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
