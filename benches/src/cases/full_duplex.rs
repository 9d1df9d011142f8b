//! Both directions of one connection at once, over TCP. Each of two threads sends with one end
//! and receives what that is with the other, so a stack whose halves share a lock waits for it.

use std::io;
use std::sync::Barrier;
use std::thread;
use std::time::{Duration, Instant};

use cpu_time::ThreadTime;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};

use super::run;
use crate::job::Cost;
use crate::stack::Stack;

const MIB: usize = 1024 * 1024;
const TOTAL_MIB: u32 = 64;

pub(super) fn measure<S: Stack>(stack: &S, write: usize) -> io::Result<Cost> {
    // The sockets belong to one runtime; both threads poll their halves under it.
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()?;
    let (client, server) = runtime.block_on(async {
        let (client, server) = run::sockets().await?;
        run::connected(stack, client, server).await
    })?;
    let (client_reads, client_writes) = S::split(client);
    let (server_reads, server_writes) = S::split(server);
    let ready = Barrier::new(2);
    let start = Instant::now();
    let (up, down) = thread::scope(|scope| {
        let up = scope.spawn(|| {
            ready.wait();
            runtime.block_on(one_way(client_writes, server_reads, write))
        });
        ready.wait();
        let down = runtime.block_on(one_way(server_writes, client_reads, write));
        (up.join().expect("the thread does not panic"), down)
    });
    Ok(run::cost(up?, down?, start.elapsed(), TOTAL_MIB))
}

/// The processor time of this thread.
async fn one_way(
    mut to: impl AsyncWrite + Unpin,
    mut from: impl AsyncRead + Unpin,
    write: usize,
) -> io::Result<Duration> {
    let total = TOTAL_MIB as usize * MIB / write * write;
    let start = ThreadTime::now();
    let send = async {
        let data = vec![7; write];
        for _ in 0..total / write {
            to.write_all(&data).await?;
        }
        to.flush().await
    };
    let receive = async {
        let mut buffer = vec![0; 256 * 1024];
        let mut received = 0;
        while received < total {
            match from.read(&mut buffer).await? {
                0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                count => received += count,
            }
        }
        Ok(())
    };
    tokio::try_join!(send, receive)?;
    Ok(start.elapsed())
}
