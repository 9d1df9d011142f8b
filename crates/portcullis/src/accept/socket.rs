//! The sockets of a listener, and of what it has accepted.

#[cfg(unix)]
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};
#[cfg(windows)]
use std::os::windows::io::{AsRawSocket, AsSocket, BorrowedSocket, RawSocket};

use super::{Incoming, TlsListener};

macro_rules! sockets {
    ($($type:ty),*) => {$(
        #[cfg(unix)]
        impl AsFd for $type {
            fn as_fd(&self) -> BorrowedFd<'_> {
                self.get_ref().as_fd()
            }
        }

        #[cfg(unix)]
        impl AsRawFd for $type {
            fn as_raw_fd(&self) -> RawFd {
                self.get_ref().as_raw_fd()
            }
        }

        #[cfg(windows)]
        impl AsSocket for $type {
            fn as_socket(&self) -> BorrowedSocket<'_> {
                self.get_ref().as_socket()
            }
        }

        #[cfg(windows)]
        impl AsRawSocket for $type {
            fn as_raw_socket(&self) -> RawSocket {
                self.get_ref().as_raw_socket()
            }
        }
    )*};
}

sockets!(TlsListener, Incoming);
