//! One direction at full speed: large writes, or many small ones without a flush between them.

use std::io;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::run::{self, Ends};
use crate::job::{Cost, Transport};
use crate::stack::{Io, Stack};

const MIB: usize = 1024 * 1024;
const TOTAL_MIB: u32 = 64;
const THOUSANDS: u32 = 20;

struct OneWay {
    /// Bytes in a write.
    write: usize,
    writes: usize,
    /// The receiver's buffer.
    read: usize,
}

impl Ends for OneWay {
    async fn client<IO: Io>(&self, mut stream: IO) -> io::Result<IO> {
        let data = vec![7; self.write];
        for _ in 0..self.writes {
            stream.write_all(&data).await?;
        }
        stream.flush().await?;
        // Until all of it is there: what waits in a socket's buffers has not arrived.
        stream.read_u8().await?;
        Ok(stream)
    }

    async fn server<IO: Io>(&self, mut stream: IO) -> io::Result<IO> {
        let mut buffer = vec![0; self.read];
        let mut received = 0;
        while received < self.writes * self.write {
            match stream.read(&mut buffer).await? {
                0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                count => received += count,
            }
        }
        stream.write_u8(7).await?;
        stream.flush().await?;
        Ok(stream)
    }
}

/// The cost of a MiB.
pub(super) fn bulk<S: Stack>(stack: &S, transport: Transport, write: usize) -> io::Result<Cost> {
    let ends = OneWay {
        write,
        writes: TOTAL_MIB as usize * MIB / write,
        read: 256 * 1024,
    };
    run::measure(stack, transport, &ends, TOTAL_MIB)
}

/// The cost of 1,000 writes.
pub(super) fn small_writes<S: Stack>(
    stack: &S,
    transport: Transport,
    write: usize,
) -> io::Result<Cost> {
    let ends = OneWay {
        write,
        writes: THOUSANDS as usize * 1_000,
        read: 64 * 1024,
    };
    run::measure(stack, transport, &ends, THOUSANDS)
}
