//! One direction at full speed; a byte back says that all of it is there.

use std::io;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::run::{self, Ends};
use crate::job::{Cost, Transport};
use crate::stack::{Io, Stack};

const MIB: usize = 1024 * 1024;
const TOTAL_MIB: u32 = 64;
/// The receiver's buffer.
const READ: usize = 256 * 1024;

struct Bulk {
    write: usize,
}

impl Ends for Bulk {
    async fn client<IO: Io>(&self, mut stream: IO) -> io::Result<IO> {
        let data = vec![7; self.write];
        for _ in 0..TOTAL_MIB as usize * MIB / self.write {
            stream.write_all(&data).await?;
        }
        stream.flush().await?;
        // Until all of it is there: what waits in a socket's buffers has not arrived.
        stream.read_u8().await?;
        Ok(stream)
    }

    async fn server<IO: Io>(&self, mut stream: IO) -> io::Result<IO> {
        let mut buffer = vec![0; READ];
        let mut received = 0;
        while received < TOTAL_MIB as usize * MIB / self.write * self.write {
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

pub(super) fn measure<S: Stack>(stack: &S, transport: Transport, write: usize) -> io::Result<Cost> {
    run::measure(stack, transport, &Bulk { write }, TOTAL_MIB)
}
