//! Who the proxy is once it has its sockets: another user than the one that has started it.
//!
//! On Linux alone: whether that user can read what is read again later is tried by one thread, which has become it before
//! the process does.

use std::fmt;
use std::io;

/// A user of the system, with its groups.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Account {
    /// As the file calls it.
    name: String,
    user: u32,
    group: u32,
    /// All that the user is in.
    groups: Vec<u32>,
}

impl fmt::Display for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{}\"", self.name)
    }
}

impl Account {
    /// Whether the process is that already, as after it has become it, or where systemd has seen to it. It may have more than
    /// the account all the same, see [`take`](Self::take).
    pub(crate) fn is_this(&self) -> bool {
        use rustix::process::{getegid, geteuid, getgid, getuid};

        [getuid(), geteuid()].map(|it| it.as_raw()) == [self.user; 2]
            && [getgid(), getegid()].map(|it| it.as_raw()) == [self.group; 2]
    }

    /// Groups of root's among these that the account is not in.
    fn of_root(&self, groups: &[u32], of_root: &[u32]) -> Vec<u32> {
        let groups = groups.iter().copied();
        let own = |it: &u32| *it == self.group || self.groups.contains(it);
        groups
            .filter(|it| of_root.contains(it) && !own(it))
            .collect()
    }

    /// Whose files of this account are.
    pub(crate) const fn owner(&self) -> (u32, u32) {
        (self.user, self.group)
    }
}

#[cfg(any(target_os = "android", target_os = "linux"))]
impl Account {
    /// Looks a user up, whose group is its own one, or this.
    ///
    /// # Errors
    /// What to do.
    pub(crate) fn find(name: &str, group: Option<&str>) -> Result<Self, String> {
        use nix::unistd::{Group, User, getgrouplist};

        let unknown = |what: &str, name: &str| {
            format!("there is no {what} \"{name}\" on this system; name one, not its number")
        };
        let user = User::from_name(name).map_err(|error| format!("{name}: {error}"))?;
        let user = user.ok_or_else(|| unknown("user", name))?;
        if user.uid.is_root() {
            let text = format!("\"{name}\" may do everything; name another user, or none");
            return Err(text);
        }
        let group = match group {
            None => user.gid,
            Some(name) => match Group::from_name(name) {
                Ok(Some(group)) => group.gid,
                Ok(None) => return Err(unknown("group", name)),
                Err(error) => return Err(format!("{name}: {error}")),
            },
        };
        let groups = std::ffi::CString::new(name)
            .ok()
            .and_then(|name| getgrouplist(&name, group).ok())
            .ok_or_else(|| format!("the groups of \"{name}\" are not to be had"))?;
        Ok(Self {
            name: name.to_owned(),
            user: user.uid.as_raw(),
            group: group.as_raw(),
            groups: groups.into_iter().map(nix::unistd::Gid::as_raw).collect(),
        })
    }

    /// Does something as this account in a thread that ends with it; the rest of the process stays who it is.
    ///
    /// # Errors
    /// When this process may not become it.
    pub(crate) fn tried<T: Send>(&self, work: impl FnOnce() -> T + Send) -> io::Result<T> {
        if self.is_this() {
            return Ok(work());
        }
        std::thread::scope(|scope| {
            let thread = scope.spawn(|| {
                self.take_for_this_thread()?;
                Ok(work())
            });
            // The thread itself has ended then, so none is left that is somebody else.
            let ended = thread.join();
            ended.unwrap_or_else(|_| Err(io::Error::other("the thread has failed")))
        })
    }

    fn take_for_this_thread(&self) -> io::Result<()> {
        use rustix::process::{Gid, Uid};
        use rustix::thread::{set_thread_groups, set_thread_res_gid, set_thread_res_uid};

        let groups: Vec<_> = self.groups.iter().copied().map(Gid::from_raw).collect();
        let (user, group) = (Uid::from_raw(self.user), Gid::from_raw(self.group));
        set_thread_groups(&groups)?;
        set_thread_res_gid(group, group, group)?;
        Ok(set_thread_res_uid(user, user, user)?)
    }

    /// The process becomes it, with all of its threads, and there is no way back. Who is it already gives away what
    /// is left of whoever has started it: saved identities, and groups of root's. Others that it was given are its own, as
    /// systemd's `SupplementaryGroups`.
    ///
    /// # Errors
    /// When it may not, or there were one.
    pub(crate) fn take(&self) -> io::Result<()> {
        use nix::unistd::{
            Gid, Uid, getresgid, getresuid, setgroups, setresgid, setresuid, setuid,
        };

        let groups: Vec<_> = self.groups.iter().copied().map(Gid::from_raw).collect();
        let (user, group) = (Uid::from_raw(self.user), Gid::from_raw(self.group));
        // In this order: a process that is no longer root may change no groups. Libc changes all threads.
        if !self.is_this() {
            setgroups(&groups)?;
        } else {
            let more = self.of_root(&groups_of_process()?, &groups_of_root());
            let is_all = getresuid()?.saved == user && getresgid()?.saved == group;
            // There may be a filter for what changes identities.
            if more.is_empty() && is_all {
                return Ok(());
            }
            if !more.is_empty() && setgroups(&groups).is_err() {
                let text = format!(
                    "the process is that user, and has groups of root all the same ({more:?}), which it may not leave (setpriv \
                     --init-groups starts it without)"
                );
                return Err(io::Error::new(io::ErrorKind::PermissionDenied, text));
            }
        }
        // Saved ones, too.
        setresgid(group, group, group)?;
        setresuid(user, user, user)?;
        match setuid(Uid::from_raw(0)) {
            Ok(()) => Err(io::Error::other("the system lets it become root again")),
            Err(_) => Ok(()),
        }
    }
}

#[cfg(any(target_os = "android", target_os = "linux"))]
fn groups_of_process() -> io::Result<Vec<u32>> {
    let groups = rustix::process::getgroups()?;
    Ok(groups.into_iter().map(|it| it.as_raw()).collect())
}

/// All that root is in; its own is 0.
#[cfg(any(target_os = "android", target_os = "linux"))]
fn groups_of_root() -> Vec<u32> {
    use nix::unistd::{Gid, getgrouplist};

    let groups = getgrouplist(c"root", Gid::from_raw(0)).unwrap_or_default();
    let groups = groups.into_iter().map(Gid::as_raw);
    groups.chain([0]).collect()
}

#[cfg(not(any(target_os = "android", target_os = "linux")))]
impl Account {
    pub(crate) fn find(_: &str, _: Option<&str>) -> Result<Self, String> {
        let text = "a user to become is there on Linux alone; start the proxy as that user";
        Err(text.to_owned())
    }

    pub(crate) fn tried<T: Send>(&self, _: impl FnOnce() -> T + Send) -> io::Result<T> {
        Err(io::ErrorKind::Unsupported.into())
    }

    pub(crate) fn take(&self) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_that_are_left_of_root_are_told_from_others() {
        let account = Account {
            name: "web".to_owned(),
            user: 1_000,
            group: 1_000,
            groups: vec![1_000, 27],
        };
        let of_root = [0, 4, 27];
        for (groups, more) in [
            (&[][..], &[][..]),
            // Its own, also if root is in it; and one that systemd has given it.
            (&[1_000, 27, 115], &[]),
            (&[1_000, 0], &[0]),
            (&[4, 0, 115], &[4, 0]),
        ] {
            assert_eq!(account.of_root(groups, &of_root), more, "{groups:?}");
        }
    }
}
