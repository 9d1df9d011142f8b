//! The socket under a half: for options of it, or to watch it.

#[cfg(unix)]
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};
#[cfg(windows)]
use std::os::windows::io::{AsRawSocket, AsSocket, BorrowedSocket, RawSocket};

use crate::split::{ReadHalf, SplitIo, WriteHalf};

/// Both halves have the one socket, where the transport's halves say which.
macro_rules! sockets {
    ($half:ident, $of:ident) => {
        #[cfg(unix)]
        impl<IO: SplitIo<$of: AsRef<IO>> + AsFd> AsFd for $half<IO> {
            fn as_fd(&self) -> BorrowedFd<'_> {
                self.get_ref().as_ref().as_fd()
            }
        }

        #[cfg(unix)]
        impl<IO: SplitIo<$of: AsRef<IO>> + AsRawFd> AsRawFd for $half<IO> {
            fn as_raw_fd(&self) -> RawFd {
                self.get_ref().as_ref().as_raw_fd()
            }
        }

        #[cfg(windows)]
        impl<IO: SplitIo<$of: AsRef<IO>> + AsSocket> AsSocket for $half<IO> {
            fn as_socket(&self) -> BorrowedSocket<'_> {
                self.get_ref().as_ref().as_socket()
            }
        }

        #[cfg(windows)]
        impl<IO: SplitIo<$of: AsRef<IO>> + AsRawSocket> AsRawSocket for $half<IO> {
            fn as_raw_socket(&self) -> RawSocket {
                self.get_ref().as_ref().as_raw_socket()
            }
        }
    };
}

sockets!(ReadHalf, Read);
sockets!(WriteHalf, Write);
