//! Full handshakes, one after the other.

use std::io;
use std::time::{Duration, Instant};

use super::run;
use crate::job::{Cost, Transport};
use crate::stack::{Io, Stack, exchange};
use crate::timed::{Clock, Timed};

const HANDSHAKES: u32 = 100;

pub(super) fn measure<S: Stack>(stack: &S, transport: Transport) -> io::Result<Cost> {
    run::runtime()?.block_on(async {
        let (mut on_client, mut on_server) = (Duration::ZERO, Duration::ZERO);
        let mut wall = Duration::ZERO;
        // One more than is counted: the first one finds the library without tables and entropy.
        for count in 0..=HANDSHAKES {
            if count == 1 {
                (on_client, on_server, wall) = Default::default();
            }
            wall += match transport {
                Transport::Duplex => {
                    let (client, server) = run::pipe();
                    one(stack, client, server, &mut on_client, &mut on_server).await?
                }
                Transport::Tcp | Transport::TcpOneThread => {
                    let (client, server) = run::sockets().await?;
                    one(stack, client, server, &mut on_client, &mut on_server).await?
                }
            };
        }
        Ok(run::cost(on_client, on_server, wall, HANDSHAKES))
    })
}

/// One handshake; a byte each way shows that it is over on both sides.
async fn one<S: Stack, IO: Io>(
    stack: &S,
    client: IO,
    server: IO,
    on_client: &mut Duration,
    on_server: &mut Duration,
) -> io::Result<Duration> {
    let start = Instant::now();
    let (client, server) = tokio::join!(
        Timed::new(Clock::Processor, on_client, stack.connect(client)),
        Timed::new(Clock::Processor, on_server, stack.accept(server)),
    );
    let wall = start.elapsed();
    let (mut client, mut server) = (client?, server?);
    exchange(&mut client, &mut server).await?;
    Ok(wall)
}
