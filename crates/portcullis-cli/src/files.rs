//! Writing files so that nothing that was there is damaged, and reading those that have secrets.

mod there;

#[cfg(unix)]
use std::fs;
use std::fs::File;
use std::io::{self, Read, Write as _};
use std::path::Path;

pub(crate) use there::There;

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
}

/// Makes a file that was not there; a symbolic link counts as there. Nobody finds a part of it under its name, whatever
/// happens meanwhile.
pub(crate) fn create(path: &Path, contents: &[u8], readers: Readers) -> io::Result<()> {
    let file = whole(path, contents, readers)?;
    file.persist_noclobber(path).map_err(|error| error.error)?;
    Ok(())
}

/// Puts a file in the place of one that may be there, whole, by rename, once it is on the disk: an old file keeps neither
/// its mode nor a reader that has it open, and a symbolic link is not followed. [`There`] keeps to whom it belongs.
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

/// What the system says, without the name of a file that nobody has asked for. `tempfile` puts it behind, and keeps the
/// error of the system to itself.
fn without_name(error: io::Error) -> io::Error {
    let text = error.to_string();
    match text.rsplit_once(" at path ") {
        Some((said, _)) if error.raw_os_error().is_none() => io::Error::new(error.kind(), said),
        _ => error,
    }
}

/// All of a file with secrets, of at most so many bytes. What is read does not grow: what had grown would
/// have left its beginning in memory.
pub(crate) fn secret(path: &Path, most: usize) -> io::Result<Zeroizing<Vec<u8>>> {
    secret_of(&mut File::open(path)?, most)
}

/// The longest password, in bytes.
const PASSWORD: usize = 4_096;

/// The first line of a file with a password.
pub(crate) fn first_line(path: &Path) -> io::Result<Zeroizing<Vec<u8>>> {
    let mut line = secret(path, PASSWORD)?;
    let end = line
        .iter()
        .position(|byte| matches!(byte, b'\n' | b'\r'))
        .unwrap_or(line.len());
    line.truncate(end);
    Ok(line)
}

fn secret_of(file: &mut impl Read, most: usize) -> io::Result<Zeroizing<Vec<u8>>> {
    let mut bytes = Zeroizing::new(vec![0; most.saturating_add(1)]);
    let mut length: usize = 0;
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
    fn nobody_reads_the_name_of_a_file_that_goes() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("nowhere").join("keys");
        let error = create(&path, b"one", Readers::Owner).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::NotFound);
        assert_eq!(
            error.to_string(),
            io::Error::from_raw_os_error(2).to_string()
        );
    }

    #[test]
    fn a_file_that_is_replaced_is_for_whom_it_is_written() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("keys");
        create(&path, b"one", Readers::Owner).unwrap();
        let group = fs::Permissions::from_mode(0o644);
        fs::set_permissions(&path, group).unwrap();
        let before = fs::metadata(&path).unwrap();
        replace(&path, b"two", Readers::Owner).unwrap();
        let after = fs::metadata(&path).unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"two");
        assert_ne!(after.ino(), before.ino());
        assert_eq!(after.mode() & 0o777, 0o600);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}
