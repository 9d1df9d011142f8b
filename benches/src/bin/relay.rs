//! What passing bytes on costs: `portcullis::relay` beside `tokio::io::copy_bidirectional`, with TLS on one side and a plain
//! socket on the other, as in a proxy that terminates.
//!
//! `cargo run --release -p portcullis-benches --bin relay` prints a Markdown table.
//!
//! * `MIB=n`: how much goes through (default 512)
//! * `ROUNDS=n`: of how many the median is taken (default 5); all have their turn before the next round
//!
//! Client, server and what stands between them have a thread each; the processor time is that of the one between, so
//! it counts what the system does for its calls. Calls are reads and writes of sockets that moved something.

use std::io::{self, IoSlice};
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::thread;

use cpu_time::ThreadTime;
use portcullis::{RelayEnd, RelayOptions, TlsStream, relay};
use portcullis_benches::job::Choice;
use portcullis_benches::pki::Pki;
use portcullis_benches::report::median;
use portcullis_benches::stack::Stack as _;
use portcullis_benches::stacks::Portcullis;
use tokio::io::{
    AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, ReadBuf, copy_bidirectional,
    copy_bidirectional_with_sizes,
};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::{Builder, Runtime};

/// How much is written at a time.
const WRITE: usize = 64 * 1024;
const MIB: usize = 1024 * 1024;

#[derive(Clone, Copy, Debug)]
enum Way {
    /// From the client, which speaks TLS.
    Up,
    Down,
}

#[derive(Clone, Copy, Debug)]
enum Mover {
    Relay,
    /// With its two buffers of 8 KiB.
    Copy,
    /// With two of 64 KiB.
    LargeCopy,
}

/// A socket that counts.
#[derive(Debug)]
struct Counting {
    io: TcpStream,
    calls: Arc<AtomicU64>,
}

impl Counting {
    fn count<T>(&self, done: Poll<T>) -> Poll<T> {
        if done.is_ready() {
            self.calls.fetch_add(1, Ordering::Relaxed);
        }
        done
    }
}

impl AsyncRead for Counting {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let done = Pin::new(&mut self.io).poll_read(cx, buf);
        self.count(done)
    }
}

impl AsyncWrite for Counting {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let done = Pin::new(&mut self.io).poll_write(cx, bytes);
        self.count(done)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let done = Pin::new(&mut self.io).poll_write_vectored(cx, slices);
        self.count(done)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}

impl RelayEnd for Counting {
    fn reset(&mut self) {
        self.io.reset();
    }
}

/// What a GiB costs.
struct Cost {
    milliseconds: f64,
    calls: f64,
}

fn runtime() -> io::Result<Runtime> {
    Builder::new_current_thread().enable_all().build()
}

async fn send(io: &mut (impl AsyncWrite + Unpin), bytes: usize) -> io::Result<()> {
    let data = vec![7; WRITE];
    for _ in 0..bytes / WRITE {
        io.write_all(&data).await?;
    }
    io.shutdown().await
}

async fn receive(io: &mut (impl AsyncRead + Unpin), bytes: usize) -> io::Result<()> {
    let (mut all, mut part) = (0, vec![0; WRITE]);
    loop {
        match io.read(&mut part).await? {
            0 if all == bytes => return Ok(()),
            0 => return Err(io::Error::other(format!("{all} of {bytes} bytes came"))),
            count => all += count,
        }
    }
}

/// One end does this, and ends.
async fn play(
    mut io: impl AsyncRead + AsyncWrite + Unpin,
    sends: bool,
    bytes: usize,
) -> io::Result<()> {
    match sends {
        true => {
            send(&mut io, bytes).await?;
            receive(&mut io, 0).await
        }
        false => {
            receive(&mut io, bytes).await?;
            io.shutdown().await
        }
    }
}

async fn pass_on(
    mover: Mover,
    mut tls: TlsStream<Counting>,
    mut plain: Counting,
) -> io::Result<()> {
    match mover {
        Mover::Relay => {
            let outcome = relay(tls, plain, RelayOptions::new()).await;
            match outcome.is_clean() {
                true => Ok(()),
                false => Err(io::Error::other(format!("{outcome:?}"))),
            }
        }
        Mover::Copy => copy_bidirectional(&mut tls, &mut plain).await.map(drop),
        Mover::LargeCopy => {
            let copied = copy_bidirectional_with_sizes(&mut tls, &mut plain, WRITE, WRITE);
            copied.await.map(drop)
        }
    }
}

fn measure(stack: &Portcullis, mover: Mover, way: Way, bytes: usize) -> io::Result<Cost> {
    let sends = matches!(way, Way::Up);
    let middle = runtime()?;
    let (front, back) = middle.block_on(async {
        let [front, back] = [
            TcpListener::bind("127.0.0.1:0").await?,
            TcpListener::bind("127.0.0.1:0").await?,
        ];
        io::Result::Ok((front, back))
    })?;
    let (at, server_at): (SocketAddr, SocketAddr) = (front.local_addr()?, back.local_addr()?);
    thread::scope(|threads| {
        let client = threads.spawn(move || {
            runtime()?.block_on(async {
                let io = TcpStream::connect(at).await?;
                io.set_nodelay(true)?;
                play(stack.connect(io).await?, sends, bytes).await
            })
        });
        let server = threads.spawn(move || {
            runtime()?.block_on(async {
                let io = TcpStream::connect(server_at).await?;
                play(io, !sends, bytes).await
            })
        });
        let calls = Arc::new(AtomicU64::new(0));
        let counting = |io: TcpStream| -> io::Result<Counting> {
            io.set_nodelay(true)?;
            let calls = Arc::clone(&calls);
            Ok(Counting { io, calls })
        };
        let spent = middle.block_on(async {
            let plain = counting(back.accept().await?.0)?;
            let tls = stack.accept(counting(front.accept().await?.0)?).await?;
            calls.store(0, Ordering::Relaxed);
            let began = ThreadTime::now();
            pass_on(mover, tls, plain).await?;
            io::Result::Ok(began.elapsed())
        })?;
        for thread in [client, server] {
            thread
                .join()
                .map_err(|_| io::Error::other("a thread has failed"))??;
        }
        let gibibytes = bytes as f64 / (1_024 * MIB) as f64;
        Ok(Cost {
            milliseconds: spent.as_secs_f64() * 1e3 / gibibytes,
            calls: calls.load(Ordering::Relaxed) as f64 / gibibytes,
        })
    })
}

fn number(name: &str, default: usize) -> usize {
    let given = std::env::var(name).ok();
    given.map_or(default, |it| it.parse().expect("a number"))
}

fn main() -> io::Result<()> {
    let (bytes, rounds) = (number("MIB", 512) * MIB, number("ROUNDS", 5));
    let pki = Pki::generate().map_err(io::Error::other)?;
    let stack = Portcullis::new(&pki, Choice::default()).map_err(io::Error::other)?;
    println!(
        "| TLS to plain and back, a GiB | relay | copy_bidirectional, 8 KiB | the same, 64 KiB |"
    );
    println!("|---|---|---|---|");
    let movers = [Mover::Relay, Mover::Copy, Mover::LargeCopy];
    for (way, name) in [(Way::Up, "from TLS"), (Way::Down, "to TLS")] {
        let mut costs: [Vec<Cost>; 3] = Default::default();
        for _ in 0..rounds {
            for (mover, costs) in movers.iter().zip(&mut costs) {
                costs.push(measure(&stack, *mover, way, bytes)?);
            }
        }
        let row = |what: &str, of: fn(&Cost) -> f64| {
            let cells = costs
                .each_ref()
                .map(|costs| median(costs.iter().map(of).collect()));
            let [relay, copy, large] = cells;
            println!(
                "| {name}, {what} | {relay:.0} | {copy:.0} ({:.2}) | {large:.0} ({:.2}) |",
                copy / relay,
                large / relay
            );
        };
        row("ms of processor time", |cost| cost.milliseconds);
        row("calls", |cost| cost.calls);
    }
    Ok(())
}
