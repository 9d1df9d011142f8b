//! Sockets that listen already: systemd's, or those of the proxy before, which gives them to the one that takes its place.
//!
//! Whoever waits in a socket's queue stays there, and nobody is refused in between. The one before sends all of its sockets in
//! one message (`SCM_RIGHTS`), and goes on until the other has said that it accepts.

use std::fmt;
use std::fs::Metadata;
use std::io::{self, IoSlice, IoSliceMut, Read as _, Write as _};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
#[cfg(not(target_os = "linux"))]
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::time::Duration;

use listenfd::ListenFd;
use rustix::io::Errno;
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, recvmsg, sendmsg,
};
use socket2::{Domain, SockAddr, Socket, Type};
use tokio::io::AsyncReadExt as _;
use tokio::net::{UnixListener, UnixStream as UnixConnection};
use tokio::time::{Instant, sleep_until};

use crate::account::Account;
use crate::address::ListenAddress;
use crate::config::Config;

/// So many sockets fit into one message (`SCM_MAX_FD` of Linux).
pub(crate) const MOST: usize = 253;
/// How long the one before waits for the other to be ready, and goes on without it.
const READY_WITHIN: Duration = Duration::from_secs(30);
/// How much longer when somebody else asks, who does not wait for longer than [`GIVEN_WITHIN`].
const OTHERS_WAIT: Duration = Duration::from_secs(5);
/// How long the one before may take for its sockets.
const GIVEN_WITHIN: Duration = Duration::from_secs(10);
const READY: &[u8] = b"ready\n";
/// What comes with the sockets.
const GREETING: &[u8] = b"portcullis proxy 1\n";

/// Sockets that listen already, for [`Proxy::start_with`](crate::Proxy::start_with). Each has to be one that the
/// configuration names.
#[derive(Default)]
pub struct Inherited {
    sockets: Vec<Socket>,
    before: Option<Before>,
}

/// The proxy before, which waits for this one.
struct Before {
    io: UnixStream,
    /// Where it was found, and which file that is.
    path: PathBuf,
    file: FileId,
}

/// Device and inode.
type FileId = (u64, u64);

/// Which file it is.
///
/// # Errors
/// When it is no socket.
fn socket_of(file: &Metadata) -> io::Result<FileId> {
    match file.file_type().is_socket() {
        true => Ok((file.dev(), file.ino())),
        false => {
            let why = "there is something that is no socket; name another path";
            Err(io::Error::new(io::ErrorKind::AlreadyExists, why))
        }
    }
}

/// Whether it is this process's user, or root; root itself takes sockets also from the account that it becomes. Whose the
/// path is says nothing: somebody else's folder may be named, or one that everybody may write to.
fn is_trusted(user: u32, own: u32, account: Option<u32>) -> bool {
    user == own || user == 0 || (own == 0 && Some(user) == account)
}

/// Who listens there.
#[cfg(any(target_os = "android", target_os = "linux"))]
fn user_of(io: &UnixStream, _: u32) -> io::Result<u32> {
    Ok(rustix::net::sockopt::socket_peercred(io)?.uid.as_raw())
}

/// Who listens there, or at least may.
#[cfg(not(any(target_os = "android", target_os = "linux")))]
fn user_of(_: &UnixStream, owner: u32) -> io::Result<u32> {
    Ok(owner)
}

impl fmt::Debug for Inherited {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Inherited")
            .field("sockets", &self.sockets.len())
            .field("take_over", &self.before.is_some())
            .finish()
    }
}

impl Inherited {
    /// None: every address is bound.
    pub fn none() -> Self {
        Self::default()
    }

    /// Those that systemd has bound (`LISTEN_FDS`, sd_listen_fds(3)), if it has. They are given once in the life of a process,
    /// and it has no other thread yet that looks at its environment.
    ///
    /// # Errors
    /// When one of them is neither a TCP socket nor a Unix socket of streams.
    pub fn from_systemd() -> io::Result<Self> {
        // Without it, it is not known whose they are.
        if std::env::var_os("LISTEN_PID").is_none() {
            return Ok(Self::none());
        }
        let mut given = ListenFd::from_env();
        let mut sockets = Vec::new();
        for at in 0..given.len() {
            // Which of both it is.
            let socket = match given.take_tcp_listener(at) {
                Ok(socket) => socket.map(Socket::from),
                Err(_) => given.take_unix_listener(at)?.map(Socket::from),
            };
            sockets.extend(socket);
        }
        Ok(Self {
            sockets,
            before: None,
        })
    }

    /// Those of a proxy that runs, whose configuration has this path as `process.take_over`. It drains as soon as the one
    /// that is [started](crate::Proxy::start_with) with them accepts; when that does not come about within 30 seconds it goes
    /// on. It blocks the thread.
    ///
    /// # Errors
    /// When nobody listens there, it is neither this user's nor root's (root takes them also from the `process.user` of this
    /// configuration), or it does not give its sockets within 10 seconds.
    pub fn take_over(path: impl AsRef<Path>, config: &Config) -> io::Result<Self> {
        let path = path.as_ref();
        let is_late = |error: io::Error| match error.kind() {
            io::ErrorKind::WouldBlock => {
                let why = "another one is taking over, or the proxy there does not answer";
                io::Error::new(io::ErrorKind::TimedOut, why)
            }
            _ => error,
        };
        let file = std::fs::metadata(path)?;
        let (file, owner) = (socket_of(&file)?, file.uid());
        let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
        // Whose queue is full is not waited for.
        socket.set_nonblocking(true)?;
        socket.connect(&SockAddr::unix(path)?).map_err(is_late)?;
        socket.set_nonblocking(false)?;
        let before = UnixStream::from(OwnedFd::from(socket));
        let user = user_of(&before, owner)?;
        let account = config.plan.account.as_ref().map(|it| it.owner().0);
        if !is_trusted(user, rustix::process::geteuid().as_raw(), account) {
            let text = format!(
                "who listens there runs as user {user}, whose sockets are not taken; only those of this process's user, root's, \
                 and where root starts it those of process.user"
            );
            return Err(io::Error::new(io::ErrorKind::PermissionDenied, text));
        }
        before.set_read_timeout(Some(GIVEN_WITHIN))?;
        before.set_write_timeout(Some(GIVEN_WITHIN))?;
        let mut greeting = [0; GREETING.len()];
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MOST))];
        let mut ancillary = RecvAncillaryBuffer::new(&mut space);
        let flags = RecvFlags::CMSG_CLOEXEC;
        let mut room = [IoSliceMut::new(&mut greeting)];
        let got = recvmsg(&before, &mut room, &mut ancillary, flags);
        let got = got.map_err(|error| is_late(error.into()))?;
        if got.bytes == 0 {
            let why = "the proxy that runs has refused: it runs as another user, or ends";
            return Err(io::Error::new(io::ErrorKind::PermissionDenied, why));
        }
        let mut sockets = Vec::new();
        for message in ancillary.drain() {
            if let RecvAncillaryMessage::ScmRights(descriptors) = message {
                sockets.extend(descriptors.map(Socket::from));
            }
        }
        if greeting != GREETING || sockets.is_empty() {
            let why = "who listens there is no proxy that gives its sockets";
            return Err(io::Error::new(io::ErrorKind::InvalidData, why));
        }
        Ok(Self {
            sockets,
            before: Some(Before {
                io: before,
                path: path.to_owned(),
                file,
            }),
        })
    }

    /// The one that listens there.
    pub(crate) fn take(&mut self, wanted: &ListenAddress) -> io::Result<Option<Socket>> {
        let found = self.sockets.iter().position(|it| is_at(it, wanted));
        let Some(socket) = found.map(|at| self.sockets.swap_remove(at)) else {
            return Ok(None);
        };
        socket.set_nonblocking(true)?;
        Ok(Some(socket))
    }

    /// All that were given have to be used: a client that waits at one that is not is never served.
    pub(crate) fn check_used(&self) -> io::Result<()> {
        let Some(left) = self.sockets.first() else {
            return Ok(());
        };
        let address = left.local_addr();
        let shown = address.ok().and_then(|it| shown(&it));
        let shown = shown.unwrap_or_else(|| "an address of another kind".to_owned());
        let text = format!(
            "a socket was passed that listens on {shown}, and no [[listen]] has that address; name it, or pass it not"
        );
        Err(io::Error::new(io::ErrorKind::InvalidInput, text))
    }

    /// Whether the one before still waits. It may also have ended, and this one is all the more wanted.
    ///
    /// # Errors
    /// When it goes on by itself.
    pub(crate) fn check_waits(&self) -> io::Result<()> {
        let Some(before) = &self.before else {
            return Ok(());
        };
        let flags = RecvFlags::PEEK | RecvFlags::DONTWAIT;
        let still = rustix::net::recv(&before.io, &mut [0], flags);
        if matches!(still, Err(Errno::AGAIN)) || !answers(&before.path) {
            return Ok(());
        }
        let why = "the proxy that runs has waited for this one no longer, and goes on";
        Err(io::Error::new(io::ErrorKind::TimedOut, why))
    }

    /// Tells the one before that connections are accepted here.
    pub(crate) fn ready(self) {
        let Some(Before { mut io, .. }) = self.before else {
            return;
        };
        if let Err(error) = io.write_all(READY) {
            tracing::warn!(%error, "the proxy that the sockets are from has ended by itself");
            return;
        }
        // Until it has heard that: whoever waits for this one to be ready may then end the other.
        let _ = io.read(&mut [0]);
    }
}

fn is_at(socket: &Socket, wanted: &ListenAddress) -> bool {
    let Ok(address) = socket.local_addr() else {
        return false;
    };
    match wanted {
        ListenAddress::Tcp(wanted) => address.as_socket() == Some(*wanted),
        // Sockets that listen are given, and none of datagrams.
        ListenAddress::Udp(_) => false,
        ListenAddress::Unix(path) => address.as_pathname() == Some(path),
    }
}

fn shown(address: &SockAddr) -> Option<String> {
    let path = || Some(format!("unix:{}", address.as_pathname()?.display()));
    address.as_socket().map(|it| it.to_string()).or_else(path)
}

/// Whether somebody listens there, or may: all but what is not there, or dead.
fn answers(path: &Path) -> bool {
    path.exists() && !crate::listener::is_dead(path)
}

/// Where another proxy may ask for the sockets of this one. Only its own user may connect, who is the account that it becomes. It has another name until it is
/// [put in its place](Self::put): a start that fails takes nothing away.
pub(crate) struct Asked<'a> {
    listener: UnixListener,
    path: &'a Path,
    temporary: Temporary,
}

/// A path that is removed, if it is still there.
struct Temporary(PathBuf);

impl Drop for Temporary {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

/// Gives what is at the path to whom it is for; where a link was put there meanwhile, the link, and not what it leads to.
fn give_to(path: &Path, (user, group): (u32, u32)) -> io::Result<()> {
    std::os::unix::fs::lchown(path, Some(user), Some(group))
}

impl<'a> Asked<'a> {
    /// # Errors
    /// When the address cannot be had.
    pub(crate) fn bind(path: &'a Path, account: Option<&Account>) -> io::Result<Self> {
        let mut name = path.as_os_str().to_owned();
        name.push(format!(".{}", std::process::id()));
        let temporary = PathBuf::from(name);
        // Of one with the same number that was killed.
        if crate::listener::is_dead(&temporary) {
            std::fs::remove_file(&temporary)?;
        }
        let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
        socket.set_nonblocking(true)?;
        // Before it has a name, by which somebody could put something else there: Linux makes its file with this mode.
        #[cfg(target_os = "linux")]
        rustix::fs::fchmod(&socket, rustix::fs::Mode::from_raw_mode(0o600))?;
        socket.bind(&SockAddr::unix(&temporary)?)?;
        let temporary = Temporary(temporary);
        // Before anybody can connect. Elsewhere nobody becomes another user.
        #[cfg(not(target_os = "linux"))]
        std::fs::set_permissions(&temporary.0, std::fs::Permissions::from_mode(0o600))?;
        if let Some(owner) = account.map(Account::owner) {
            give_to(&temporary.0, owner)?;
        }
        socket.listen(1)?;
        let socket = std::os::unix::net::UnixListener::from(OwnedFd::from(socket));
        Ok(Self {
            listener: UnixListener::from_std(socket)?,
            path,
            temporary,
        })
    }

    /// Takes the place of a socket that nobody has, or of the one that the sockets are from.
    ///
    /// # Errors
    /// When something else is there.
    pub(crate) fn put(self, inherited: &Inherited) -> io::Result<UnixListener> {
        let found = match std::fs::symlink_metadata(self.path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            file => Some(socket_of(&file?)?),
        };
        let is_before = found.is_some() && found == inherited.before.as_ref().map(|it| it.file);
        if found.is_some() && !is_before && !crate::listener::is_dead(self.path) {
            let why = "another program listens there; take its sockets over, or name another path";
            return Err(io::Error::new(io::ErrorKind::AddrInUse, why));
        }
        std::fs::rename(&self.temporary.0, self.path)?;
        Ok(self.listener)
    }
}

/// Gives the sockets to whoever asks, until one of them is ready: to one at a time, or two would be.
pub(crate) async fn give(listener: UnixListener, sockets: Vec<OwnedFd>) {
    let mut next = None;
    loop {
        let other = match next.take() {
            Some(other) => other,
            None => asked(&listener).await,
        };
        if let Err(error) = send(&other, &sockets) {
            tracing::warn!(%error, "the sockets could not be given");
            continue;
        }
        if is_ready(&listener, other, &mut next).await {
            return;
        }
        tracing::warn!("who has asked for the sockets was not ready, this proxy goes on");
    }
}

/// One that may have them.
async fn asked(listener: &UnixListener) -> UnixConnection {
    loop {
        let Ok((other, _)) = listener.accept().await else {
            tokio::time::sleep(Duration::from_secs(1)).await;
            continue;
        };
        let own = rustix::process::geteuid().as_raw();
        let is_own = other
            .peer_cred()
            .is_ok_and(|it| [own, 0].contains(&it.uid()));
        if is_own {
            return other;
        }
        tracing::warn!("another user has asked for the sockets, and is refused");
    }
}

/// Whether it says that it accepts; it has less time as soon as there is a next one.
async fn is_ready(
    listener: &UnixListener,
    mut other: UnixConnection,
    next: &mut Option<UnixConnection>,
) -> bool {
    let mut said = [0; READY.len()];
    let mut until = Instant::now() + READY_WITHIN;
    let mut reading = pin!(other.read_exact(&mut said));
    let read = loop {
        tokio::select! {
            read = &mut reading => break read.is_ok(),
            () = sleep_until(until) => break false,
            asked = asked(listener), if next.is_none() => {
                *next = Some(asked);
                until = until.min(Instant::now() + OTHERS_WAIT);
            }
        }
    };
    read && said == READY
}

fn send(other: &tokio::net::UnixStream, sockets: &[OwnedFd]) -> io::Result<()> {
    let descriptors: Vec<BorrowedFd<'_>> = sockets.iter().map(AsFd::as_fd).collect();
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MOST))];
    let mut ancillary = SendAncillaryBuffer::new(&mut space);
    if !ancillary.push(SendAncillaryMessage::ScmRights(&descriptors)) {
        return Err(io::Error::other("there are too many"));
    }
    // Nothing was sent yet, so there is room.
    let sent = sendmsg(
        other,
        &[IoSlice::new(GREETING)],
        &mut ancillary,
        SendFlags::empty(),
    )?;
    match sent == GREETING.len() {
        true => Ok(()),
        false => Err(io::ErrorKind::WriteZero.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whose_sockets_are_taken() {
        let (own, other) = (1000, 1001);
        for (user, own, account, expected) in [
            (own, own, None, true),
            (0, own, None, true),
            (other, own, None, false),
            // Whoever is not root becomes nobody else.
            (other, own, Some(other), false),
            (other, 0, Some(other), true),
            (other, 0, Some(own), false),
            (other, 0, None, false),
            (0, 0, Some(other), true),
        ] {
            assert_eq!(
                is_trusted(user, own, account),
                expected,
                "{user} {own} {account:?}"
            );
        }
        let (one, _other) = UnixStream::pair().unwrap();
        let own = rustix::process::geteuid().as_raw();
        assert_eq!(user_of(&one, own).unwrap(), own);
    }

    /// Whatever the umask: nobody else could connect in the time in which it has another mode.
    #[cfg(target_os = "linux")]
    #[tokio::test]
    async fn where_it_is_asked_is_for_its_user_alone() {
        use std::os::unix::fs::PermissionsExt as _;

        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("take.sock");
        let asked = Asked::bind(&path, None).unwrap();
        let listener = asked.put(&Inherited::none()).unwrap();
        let mode = std::fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        // That of the socket itself is what its file was made with.
        let of_socket = rustix::fs::fstat(&listener).unwrap().st_mode;
        assert_eq!(of_socket & 0o777, 0o600);
    }

    /// Somebody who may write to the folder has put a link in the place of the socket.
    #[test]
    fn a_link_does_not_have_a_file_of_root_given_away() {
        use std::os::unix::fs::lchown;

        let folder = tempfile::tempdir().unwrap();
        let [file, link] = ["file", "link"].map(|it| folder.path().join(it));
        std::fs::write(&file, "").unwrap();
        std::os::unix::fs::symlink(&file, &link).unwrap();
        let own = std::fs::metadata(&file).unwrap().uid();
        if lchown(&link, Some(own + 1), None).is_err() {
            eprintln!("SKIPPED: only root gives files to somebody else");
            return;
        }
        give_to(&link, (own + 2, own + 2)).unwrap();
        assert_eq!(std::fs::metadata(&file).unwrap().uid(), own);
        assert_eq!(std::fs::symlink_metadata(&link).unwrap().uid(), own + 2);
    }
}
