//! Many small writes, flushed after the last one; a byte back says that all of them are there.

use std::io;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::run::{self, Ends};
use crate::job::{Cost, Transport};
use crate::stack::{Io, Stack};

const THOUSANDS: u32 = 20;

struct SmallWrites {
    write: usize,
}

impl Ends for SmallWrites {
    async fn client<IO: Io>(&self, mut stream: IO) -> io::Result<IO> {
        let data = vec![7; self.write];
        for _ in 0..THOUSANDS * 1_000 {
            stream.write_all(&data).await?;
        }
        stream.flush().await?;
        stream.read_u8().await?;
        Ok(stream)
    }

    async fn server<IO: Io>(&self, mut stream: IO) -> io::Result<IO> {
        let mut buffer = vec![0; 64 * 1024];
        let mut received = 0;
        while received < THOUSANDS as usize * 1_000 * self.write {
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
    run::measure(stack, transport, &SmallWrites { write }, THOUSANDS)
}
