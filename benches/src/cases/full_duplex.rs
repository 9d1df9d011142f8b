//! Both directions of one connection at once. Each of two threads sends with one end and receives
//! what that is with the other, so a stack whose halves share a lock waits for it.
//!
//! Over a pipe in memory the transport's directions share nothing, and only the stack's halves
//! meet. Over TCP most of the time is the kernel's. On one thread nothing waits for a lock.

use std::io;
use std::sync::Barrier;
use std::thread;
use std::time::{Duration, Instant};

use cpu_time::ThreadTime;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::runtime::Runtime;
use tokio::sync::mpsc;

use super::run;
use crate::cores::Side;
use crate::job::{Cost, Transport};
use crate::pipe::pipe;
use crate::stack::{Stack, TwoWay};
use crate::timed::{Clock, Timed};

const MIB: usize = 1024 * 1024;
const TOTAL_MIB: u32 = 64;

/// The client of the cost is the thread of what the client sends, the server the other.
pub(super) fn measure<S: Stack>(stack: &S, transport: Transport, write: usize) -> io::Result<Cost> {
    if transport == Transport::TcpOneThread {
        return run::runtime()?.block_on(on_one_thread(stack, write));
    }
    // Each thread drives a runtime of its own; of two sockets, each belongs to one of them.
    let (up, down) = (run::runtime()?, run::runtime()?);
    match transport {
        Transport::Duplex => {
            let (client, server) = pipe(run::PIPE);
            both_ways(stack, &up, &down, client, server, write)
        }
        Transport::Tcp | Transport::TcpOneThread => {
            let (client, server) = up.block_on(async {
                let (client, server) = run::sockets().await?;
                io::Result::Ok((client, server.into_std()?))
            })?;
            let server = {
                let _guard = down.enter();
                TcpStream::from_std(server)?
            };
            both_ways(stack, &up, &down, client, server, write)
        }
    }
}

async fn on_one_thread<S: Stack>(stack: &S, write: usize) -> io::Result<Cost> {
    let (client, server) = run::sockets().await?;
    let (client, server) = run::connected(stack, client, server).await?;
    let (client_reads, client_writes) = S::split(client);
    let (server_reads, server_writes) = S::split(server);
    let (mut up, mut down) = (Duration::ZERO, Duration::ZERO);
    let start = ThreadTime::now();
    let going_up = one_way(client_writes, server_reads, write);
    let going_down = one_way(server_writes, client_reads, write);
    tokio::try_join!(
        Timed::new(Clock::Processor, &mut up, going_up),
        Timed::new(Clock::Processor, &mut down, going_down),
    )?;
    Ok(run::cost(up, down, start.elapsed(), TOTAL_MIB))
}

fn both_ways<S: Stack, IO: TwoWay>(
    stack: &S,
    up: &Runtime,
    down: &Runtime,
    client: IO,
    server: IO,
    write: usize,
) -> io::Result<Cost> {
    let (client, server) = thread::scope(|scope| {
        let accepted = scope.spawn(|| {
            Side::Server.settle();
            down.block_on(stack.accept(server))
        });
        let client = up.block_on(stack.connect(client));
        let server = accepted.join().expect("the thread does not panic");
        io::Result::Ok((client?, server?))
    })?;
    let (client_reads, client_writes) = S::split(client);
    let (server_reads, server_writes) = S::split(server);
    let (tell_down, mut from_up) = mpsc::channel(1);
    let (tell_up, mut from_down) = mpsc::channel(1);
    let ready = Barrier::new(2);
    let (client, server, wall) = thread::scope(|scope| {
        let going_up = scope.spawn(|| {
            Side::Server.settle();
            let work = one_way(client_writes, server_reads, write);
            up.block_on(with_the_other(&ready, work, tell_down, &mut from_down))
        });
        let work = one_way(server_writes, client_reads, write);
        let server = down.block_on(with_the_other(&ready, work, tell_up, &mut from_up));
        let client = going_up.join().expect("the thread does not panic");
        let ((client, one), (server, other)) = (client?, server?);
        io::Result::Ok((client, server, one.max(other)))
    })?;
    Ok(run::cost(client, server, wall, TOTAL_MIB))
}

/// Starts with the other thread, and drives this thread's runtime until the other is done as well:
/// the processor time of the work, and the time on the clock of both.
async fn with_the_other(
    ready: &Barrier,
    work: impl Future<Output = io::Result<Duration>>,
    tell: mpsc::Sender<()>,
    other: &mut mpsc::Receiver<()>,
) -> io::Result<(Duration, Duration)> {
    ready.wait();
    let start = Instant::now();
    let spent = tokio::select! {
        biased;
        spent = work => spent?,
        None = other.recv() => return Err(io::Error::other("the other direction has failed")),
    };
    // Nobody listens any more when the other is done.
    let _ = tell.send(()).await;
    let _ = other.recv().await;
    Ok((spent, start.elapsed()))
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
