//! Sockets that listen already: systemd's, or those of the proxy before, which gives them to the one that takes its place.
//!
//! Whoever waits in a socket's queue stays there, and nobody is refused in between. The one before sends all of its sockets in
//! one message (`SCM_RIGHTS`), and goes on until the other has said that it accepts.

use std::fmt;
use std::io::{self, IoSlice, IoSliceMut, Read as _, Write as _};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use listenfd::ListenFd;
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, recvmsg, sendmsg,
};
use socket2::{Domain, SockAddr, Socket, Type};
use tokio::io::AsyncReadExt as _;
use tokio::net::UnixListener;
use tokio::time::timeout;

use crate::address::ListenAddress;

/// So many sockets fit into one message (`SCM_MAX_FD` of Linux).
pub(crate) const MOST: usize = 253;
/// How long the one before waits for the other to be ready, and goes on without it.
const READY_WITHIN: Duration = Duration::from_secs(30);
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
    /// The proxy before, which waits for this one.
    before: Option<UnixStream>,
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
    /// When nobody listens there, it is another user's, or it does not give its sockets within 10 seconds.
    pub fn take_over(path: &Path) -> io::Result<Self> {
        let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
        // Whose queue is full is not waited for.
        socket.set_nonblocking(true)?;
        socket.connect(&SockAddr::unix(path)?)?;
        socket.set_nonblocking(false)?;
        let before = UnixStream::from(OwnedFd::from(socket));
        before.set_read_timeout(Some(GIVEN_WITHIN))?;
        before.set_write_timeout(Some(GIVEN_WITHIN))?;
        let mut greeting = [0; GREETING.len()];
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MOST))];
        let mut ancillary = RecvAncillaryBuffer::new(&mut space);
        let flags = RecvFlags::CMSG_CLOEXEC;
        let mut room = [IoSliceMut::new(&mut greeting)];
        let got = recvmsg(&before, &mut room, &mut ancillary, flags)?;
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
            before: Some(before),
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

    /// All that were given have to be used: who waits at one that is not is never served.
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

    /// Whether the socket for taking over is one that somebody has, and gives up.
    pub(crate) const fn is_take_over(&self) -> bool {
        self.before.is_some()
    }

    /// Tells the one before that connections are accepted here.
    pub(crate) fn ready(self) -> io::Result<()> {
        match self.before {
            None => Ok(()),
            Some(mut before) => {
                before.write_all(READY)?;
                // Until it has heard that: whoever waits for this one to be ready may then end the other.
                let _ = before.read(&mut [0]);
                Ok(())
            }
        }
    }
}

fn is_at(socket: &Socket, wanted: &ListenAddress) -> bool {
    let Ok(address) = socket.local_addr() else {
        return false;
    };
    match wanted {
        ListenAddress::Tcp(wanted) => address.as_socket() == Some(*wanted),
        ListenAddress::Unix(path) => address.as_pathname() == Some(path),
    }
}

fn shown(address: &SockAddr) -> Option<String> {
    let path = || Some(format!("unix:{}", address.as_pathname()?.display()));
    address.as_socket().map(|it| it.to_string()).or_else(path)
}

/// Where another proxy may ask for the sockets of this one. Only its own user may connect.
///
/// # Errors
/// When the address cannot be had.
pub(crate) fn bind(path: &Path, is_ours: bool) -> io::Result<UnixListener> {
    if is_ours || crate::listener::is_dead(path) {
        match std::fs::remove_file(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    socket.set_nonblocking(true)?;
    socket.bind(&SockAddr::unix(path)?)?;
    // Before anybody can connect.
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600))?;
    socket.listen(1)?;
    UnixListener::from_std(std::os::unix::net::UnixListener::from(OwnedFd::from(
        socket,
    )))
}

/// Gives the sockets to whoever asks, until one of them is ready.
pub(crate) async fn give(listener: UnixListener, sockets: Vec<OwnedFd>) {
    loop {
        let Ok((mut other, _)) = listener.accept().await else {
            tokio::time::sleep(Duration::from_secs(1)).await;
            continue;
        };
        let own = rustix::process::geteuid().as_raw();
        let is_own = other
            .peer_cred()
            .is_ok_and(|it| [own, 0].contains(&it.uid()));
        if !is_own {
            tracing::warn!("another user has asked for the sockets, and is refused");
            continue;
        }
        if let Err(error) = send(&other, &sockets) {
            tracing::warn!(%error, "the sockets could not be given");
            continue;
        }
        let mut said = [0; READY.len()];
        match timeout(READY_WITHIN, other.read_exact(&mut said)).await {
            Ok(Ok(_)) if said == READY => return,
            _ => tracing::warn!("who has asked for the sockets was not ready, this proxy goes on"),
        }
    }
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
