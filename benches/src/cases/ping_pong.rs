//! 64 bytes there and back.

use std::io;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::run::{self, Ends};
use crate::job::{Cost, Transport};
use crate::stack::{Io, Stack};
use crate::timed::Clock;

const ROUND_TRIPS: u32 = 5_000;

struct PingPong;

impl Ends for PingPong {
    const CLOCK: Clock = Clock::Wall;

    async fn client<IO: Io>(&self, mut stream: IO) -> io::Result<IO> {
        let mut ball = [7; 64];
        for _ in 0..ROUND_TRIPS {
            stream.write_all(&ball).await?;
            stream.flush().await?;
            stream.read_exact(&mut ball).await?;
        }
        Ok(stream)
    }

    async fn server<IO: Io>(&self, mut stream: IO) -> io::Result<IO> {
        let mut ball = [0; 64];
        for _ in 0..ROUND_TRIPS {
            stream.read_exact(&mut ball).await?;
            stream.write_all(&ball).await?;
            stream.flush().await?;
        }
        Ok(stream)
    }
}

pub(super) fn measure<S: Stack>(stack: &S, transport: Transport) -> io::Result<Cost> {
    run::measure(stack, transport, &PingPong, ROUND_TRIPS)
}
