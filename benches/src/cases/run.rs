//! Two ends over a pipe or over TCP, and the time that each of them takes.

use std::io;
use std::net::Ipv4Addr;
use std::sync::Barrier;
use std::thread;
use std::time::{Duration, Instant};

use cpu_time::ThreadTime;
use tokio::io::DuplexStream;
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::{Builder, Runtime};

use crate::cores::Side;
use crate::job::{Cost, Transport};
use crate::stack::{Io, Stack};
use crate::timed::{Clock, Timed};

/// The size of a pipe.
pub(super) const PIPE: usize = 256 * 1024;

/// What the two ends do on an established connection.
pub(super) trait Ends: Sync {
    fn client<IO: Io>(&self, stream: IO) -> impl Future<Output = io::Result<IO>> + Send;
    fn server<IO: Io>(&self, stream: IO) -> impl Future<Output = io::Result<IO>> + Send;

    /// The clock for ends that share a pipe and a thread.
    const CLOCK: Clock = Clock::Processor;
}

pub(crate) fn runtime() -> io::Result<Runtime> {
    Builder::new_current_thread().enable_all().build()
}

/// The cost of one of `operations` that the ends do on one connection.
pub(super) fn measure<S: Stack, E: Ends>(
    stack: &S,
    transport: Transport,
    ends: &E,
    operations: u32,
) -> io::Result<Cost> {
    let (client, server, wall) = match transport {
        Transport::Duplex => on_one_thread(stack, ends, async { Ok(pipe()) }, E::CLOCK)?.0,
        Transport::TcpOneThread => {
            let ((client, server, _), thread) =
                on_one_thread(stack, ends, sockets(), Clock::Processor)?;
            (client, server, thread)
        }
        Transport::Tcp => on_two_threads(stack, ends)?,
    };
    Ok(cost(client, server, wall, operations))
}

pub(super) fn cost(client: Duration, server: Duration, wall: Duration, operations: u32) -> Cost {
    let each = |time: Duration| time.as_secs_f64() * 1e6 / f64::from(operations);
    Cost {
        client: each(client),
        server: each(server),
        wall: each(wall),
    }
}

pub(crate) async fn connected<S: Stack, IO: Io>(
    stack: &S,
    client: IO,
    server: IO,
) -> io::Result<(S::Stream<IO>, S::Stream<IO>)> {
    let (client, server) = tokio::join!(stack.connect(client), stack.accept(server));
    Ok((client?, server?))
}

pub(crate) fn pipe() -> (DuplexStream, DuplexStream) {
    tokio::io::duplex(PIPE)
}

/// Two connected sockets, blocking, to be registered with a runtime each.
pub(crate) async fn sockets() -> io::Result<(TcpStream, TcpStream)> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let connect = TcpStream::connect(listener.local_addr()?);
    let (client, accepted) = tokio::join!(connect, listener.accept());
    let (client, (server, _)) = (client?, accepted?);
    client.set_nodelay(true)?;
    server.set_nodelay(true)?;
    Ok((client, server))
}

type Times = (Duration, Duration, Duration);

/// The times, and the processor time of the thread with its runtime.
fn on_one_thread<S: Stack, E: Ends, IO: Io>(
    stack: &S,
    ends: &E,
    transports: impl Future<Output = io::Result<(IO, IO)>>,
    clock: Clock,
) -> io::Result<(Times, Duration)> {
    runtime()?.block_on(async {
        let (client, server) = transports.await?;
        let (client, server) = connected(stack, client, server).await?;
        let (mut on_client, mut on_server) = (Duration::ZERO, Duration::ZERO);
        let (start, thread) = (Instant::now(), ThreadTime::now());
        let (client, server) = tokio::join!(
            Timed::new(clock, &mut on_client, ends.client(client)),
            Timed::new(clock, &mut on_server, ends.server(server)),
        );
        let (wall, thread) = (start.elapsed(), thread.elapsed());
        drop((client?, server?));
        Ok(((on_client, on_server, wall), thread))
    })
}

fn on_two_threads<S: Stack, E: Ends>(stack: &S, ends: &E) -> io::Result<Times> {
    let (client, server) = runtime()?.block_on(async {
        let (client, server) = sockets().await?;
        io::Result::Ok((client.into_std()?, server.into_std()?))
    })?;
    let ready = Barrier::new(2);
    thread::scope(|scope| {
        let serving = scope.spawn(|| {
            Side::Server.settle();
            runtime()?.block_on(async {
                let server = stack.accept(TcpStream::from_std(server)?).await;
                ready.wait();
                let server = server?;
                let start = ThreadTime::now();
                drop(ends.server(server).await?);
                io::Result::Ok(start.elapsed())
            })
        });
        let (client, wall) = runtime()?.block_on(async {
            let client = stack.connect(TcpStream::from_std(client)?).await;
            ready.wait();
            let client = client?;
            let (start, clock) = (ThreadTime::now(), Instant::now());
            let client = ends.client(client).await?;
            let times = (start.elapsed(), clock.elapsed());
            drop(client);
            io::Result::Ok(times)
        })?;
        let server = serving
            .join()
            .expect("the server's thread does not panic")?;
        Ok((client, server, wall))
    })
}
