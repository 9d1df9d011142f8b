//! A file that is there, and what takes its place for the same readers.
//!
//! Whoever does this may be root, and the folder somebody else's: it is held open, and so is the file, so that a link that is
//! put there leads nowhere else.

use std::ffi::{OsStr, OsString};
use std::io::{self, Write as _};
use std::path::Path;

use cap_fs_ext::{FollowSymlinks, OpenOptionsFollowExt as _};
use cap_std::ambient_authority;
use cap_std::fs::{Dir, File, OpenOptions};
use zeroize::Zeroizing;

use super::{folder_of, secret_of};

/// How many bytes of chance are in a name.
const CHANCE: usize = 8;

/// A file with secrets, which another user may have to read.
#[derive(Debug)]
pub(crate) struct There {
    folder: Dir,
    name: OsString,
    file: File,
}

impl There {
    /// # Errors
    /// Also when it is a symbolic link, or no file.
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        let wrong = |what: &str| io::Error::new(io::ErrorKind::InvalidInput, what);
        let name = path
            .file_name()
            .ok_or_else(|| wrong("this names no file"))?;
        let folder = Dir::open_ambient_dir(folder_of(path), ambient_authority())?;
        let mut options = OpenOptions::new();
        options.read(true).follow(FollowSymlinks::No);
        #[cfg(unix)]
        {
            use cap_std::fs::OpenOptionsExt as _;

            // A pipe would be waited for.
            options.custom_flags(rustix::fs::OFlags::NONBLOCK.bits().cast_signed());
        }
        let file = folder.open_with(name, &options).map_err(|error| {
            let is_link = folder
                .symlink_metadata(name)
                .is_ok_and(|it| it.is_symlink());
            match is_link {
                true => wrong("it is a symbolic link; name the file that it leads to"),
                false => error,
            }
        })?;
        if !file.metadata()?.is_file() {
            return Err(wrong("it is no file"));
        }
        Ok(Self {
            name: name.to_owned(),
            folder,
            file,
        })
    }

    /// As [`secret`](super::secret).
    pub(crate) fn secret(&mut self, most: usize) -> io::Result<Zeroizing<Vec<u8>>> {
        secret_of(&mut self.file, most)
    }

    /// Puts another one in its place, whole, once it is on the disk. Owner and group, and what both and those on its access
    /// list may, stay as they were. Others may nothing.
    pub(crate) fn replace(self, contents: &[u8]) -> io::Result<()> {
        let mut chance = [0; CHANCE];
        aws_lc_rs::rand::fill(&mut chance).map_err(|_| io::Error::other("no random bytes"))?;
        let name = format!(".portcullis-{}", crate::text::hex(&chance, ""));
        let mut options = OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        {
            use cap_std::fs::OpenOptionsExt as _;

            options.mode(0o600);
        }
        let mut file = self.folder.open_with(&name, &options)?;
        let temporary = Temporary(&self.folder, OsStr::new(&name));
        file.write_all(contents)?;
        #[cfg(unix)]
        belongs_as(&file, &self.file)?;
        // What is renamed before it is written may be empty after a crash.
        file.sync_all()?;
        self.folder.rename(&name, &self.folder, &self.name)?;
        std::mem::forget(temporary);
        #[cfg(unix)]
        if let Ok(folder) = self.folder.try_clone() {
            // It is in its place by now; not every file system can sync a folder.
            let _ = folder.into_std_file().sync_all();
        }
        Ok(())
    }
}

/// A file that goes when it is dropped.
struct Temporary<'a>(&'a Dir, &'a OsStr);

impl Drop for Temporary<'_> {
    fn drop(&mut self) {
        let _ = self.0.remove_file(self.1);
    }
}

/// Gives a file to whom another one belongs.
#[cfg(unix)]
fn belongs_as(file: &File, before: &File) -> io::Result<()> {
    use cap_std::fs::{MetadataExt as _, Permissions, PermissionsExt as _};
    use rustix::fs::{Gid, Uid, fchown};

    let (own, before_it) = (file.metadata()?, before.metadata()?);
    let (user, group) = (before_it.uid(), before_it.gid());
    if (own.uid(), own.gid()) != (user, group) {
        let given = fchown(file, Some(Uid::from_raw(user)), Some(Gid::from_raw(group)));
        given.map_err(|error| {
            let text = format!(
                "it belongs to user {user} and group {group}, who could read it no more: {error}; do this as that user, or \
                 as root"
            );
            io::Error::new(io::Error::from(error).kind(), text)
        })?;
    }
    #[cfg(target_os = "linux")]
    same_access_list(file, before)?;
    // With a list, what the group's bits say is what all on it may at most.
    file.set_permissions(Permissions::from_mode(before_it.mode() & 0o660))
}

/// Who else may read it (acl(5)). Without a list there is none, also if the folder has one for what is made in it.
#[cfg(target_os = "linux")]
fn same_access_list(file: &File, before: &File) -> io::Result<()> {
    use rustix::fs::{XattrFlags, fgetxattr, fremovexattr, fsetxattr};
    use rustix::io::Errno;

    const NAME: &str = "system.posix_acl_access";
    /// So many bytes: 8 for each on the list.
    const MOST: usize = 4_096;

    let mut list = vec![0; MOST];
    let done = match fgetxattr(before, NAME, &mut list[..]) {
        Ok(length) => {
            list.truncate(length);
            fsetxattr(file, NAME, &list, XattrFlags::empty())
        }
        Err(Errno::NODATA) => match fremovexattr(file, NAME) {
            Err(Errno::NODATA) => Ok(()),
            removed => removed,
        },
        // There are none here.
        Err(Errno::OPNOTSUPP) => Ok(()),
        Err(error) => Err(error),
    };
    done.map_err(|error| {
        let text = format!("its access list cannot be kept: {error}");
        io::Error::new(io::Error::from(error).kind(), text)
    })
}

#[cfg(all(test, unix))]
mod tests {
    use std::fs;
    use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};

    use super::*;

    fn replaced(path: &Path, contents: &[u8]) -> io::Result<()> {
        There::open(path)?.replace(contents)
    }

    #[test]
    fn a_file_that_is_replaced_belongs_to_whom_it_did() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("keys");
        fs::write(&path, b"one").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        // Root alone gives files away.
        let owner = std::os::unix::fs::chown(&path, Some(1), Some(1));
        let before = fs::metadata(&path).unwrap();
        assert_eq!(owner.is_ok(), (before.uid(), before.gid()) == (1, 1));
        let mut there = There::open(&path).unwrap();
        assert_eq!(*there.secret(10).unwrap(), b"one");
        there.replace(b"two").unwrap();
        let after = fs::metadata(&path).unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"two");
        assert_ne!(after.ino(), before.ino());
        assert_eq!((after.uid(), after.gid()), (before.uid(), before.gid()));
        assert_eq!(after.mode() & 0o777, 0o640, "others may nothing");
        replaced(&folder.path().join("none"), b"").unwrap_err();
        // Nothing else is there.
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_link_is_followed_nowhere_and_a_pipe_is_not_waited_for() {
        let folder = tempfile::tempdir().unwrap();
        let [file, link, pipe, moved] =
            ["file", "link", "pipe", "moved"].map(|it| folder.path().join(it));
        fs::write(&file, b"one").unwrap();
        // It leads to where it could be followed.
        symlink("file", &link).unwrap();
        let error = replaced(&link, b"two").unwrap_err().to_string();
        assert!(error.starts_with("it is a symbolic link; name "), "{error}");
        let mkfifo = std::process::Command::new("mkfifo").arg(&pipe).status();
        assert!(mkfifo.unwrap().success());
        for no_file in [&*pipe, folder.path()] {
            let error = replaced(no_file, b"two").unwrap_err().to_string();
            assert_eq!(error, "it is no file", "{}", no_file.display());
        }
        // Whoever may write to the folder puts another one in its place once it was opened, and a link in that of the file.
        let inner = folder.path().join("inner");
        fs::create_dir(&inner).unwrap();
        fs::write(inner.join("keys"), b"one").unwrap();
        let there = There::open(&inner.join("keys")).unwrap();
        fs::rename(&inner, &moved).unwrap();
        fs::create_dir(&inner).unwrap();
        fs::write(inner.join("keys"), b"other").unwrap();
        fs::remove_file(moved.join("keys")).unwrap();
        symlink(&file, moved.join("keys")).unwrap();
        there.replace(b"two").unwrap();
        assert_eq!(fs::read(inner.join("keys")).unwrap(), b"other");
        assert_eq!(fs::read(&file).unwrap(), b"one");
        assert!(fs::symlink_metadata(moved.join("keys")).unwrap().is_file());
        assert_eq!(fs::read(moved.join("keys")).unwrap(), b"two");
    }

    /// One user more may read it, and its group may not, though the bits of the group say so.
    #[cfg(target_os = "linux")]
    #[test]
    fn an_access_list_stays_as_it_was() {
        use rustix::fs::{XattrFlags, getxattr, setxattr};

        let entry = |tag: u16, may: u16, id: u32| {
            let parts = [
                &tag.to_le_bytes()[..],
                &may.to_le_bytes(),
                &id.to_le_bytes(),
            ];
            parts.concat()
        };
        // Owner rw, user 7 r, group nothing, mask r, others nothing.
        let nobody = u32::MAX;
        let list = [
            2_u32.to_le_bytes().to_vec(),
            entry(0x01, 6, nobody),
            entry(0x02, 4, 7),
            entry(0x04, 0, nobody),
            entry(0x10, 4, nobody),
            entry(0x20, 0, nobody),
        ]
        .concat();
        let (of_file, of_folder) = ("system.posix_acl_access", "system.posix_acl_default");
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("keys");
        fs::write(&path, b"one").unwrap();
        if let Err(error) = setxattr(&path, of_file, &list, XattrFlags::empty()) {
            eprintln!("SKIPPED: there are no access lists here: {error}");
            return;
        }
        replaced(&path, b"two").unwrap();
        let mut after = [0; 200];
        let length = getxattr(&path, of_file, &mut after[..]).unwrap();
        assert_eq!(after[..length], list);
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o640);
        // And a list for what is made in the folder gives nobody what they did not have.
        fs::remove_file(&path).unwrap();
        fs::write(&path, b"one").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        setxattr(folder.path(), of_folder, &list, XattrFlags::empty()).unwrap();
        replaced(&path, b"two").unwrap();
        assert!(getxattr(&path, of_file, &mut after[..]).is_err());
    }
}
