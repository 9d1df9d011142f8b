//! What a server to measure does without TLS: it stands behind a proxy that terminates.

use std::io;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::serve::{PART, Service};

/// Serves one connection until the client ends it.
pub(super) async fn serve(service: Service, mut io: TcpStream) -> io::Result<()> {
    io.set_nodelay(true)?;
    match service {
        Service::Echo => echo(&mut io).await?,
        Service::Discard => discard(&mut io).await?,
        Service::Source => return source(io).await,
    }
    io.shutdown().await
}

async fn echo(io: &mut TcpStream) -> io::Result<()> {
    let mut part = vec![0; PART];
    loop {
        let count = io.read(&mut part).await?;
        let Some(data) = part.get(..count).filter(|data| !data.is_empty()) else {
            return Ok(());
        };
        io.write_all(data).await?;
    }
}

async fn discard(io: &mut TcpStream) -> io::Result<()> {
    let mut part = vec![0; PART];
    while io.read(&mut part).await? > 0 {}
    Ok(())
}

/// Ends when the client does.
async fn source(io: TcpStream) -> io::Result<()> {
    let (mut reading, mut writing) = io.into_split();
    let (data, mut part) = (vec![b'x'; PART], vec![0; PART]);
    let send = async {
        // A client that has enough goes, which is no failure.
        while writing.write_all(&data).await.is_ok() {}
    };
    let until_closed = async { while matches!(reading.read(&mut part).await, Ok(1..)) {} };
    tokio::select! {
        () = send => Ok(()),
        () = until_closed => writing.shutdown().await,
    }
}
