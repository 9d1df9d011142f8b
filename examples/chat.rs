//! A chat in active mode: each client is one task that waits for its messages and for those
//! of the others, and gives a talkative client credits for a few messages at a time.
//!
//! `cargo run --example chat` talks to itself. With an argument, `serve`, it prints its address and the certificate to
//! trust, and waits for two clients of any kind: `openssl s_client -quiet -connect ADDRESS -CAfile FILE`.

use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt as _;
use portcullis::{
    Active, ActiveStream, ClientConfig, Message, ServerConfig, TlsConnector, TlsListener, TlsStream,
};
use portcullis_examples::{Authority, Result};
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;
use tokio::sync::broadcast;
use tokio::time::{Instant, sleep_until};

/// So many messages, and then a rest: whoever floods the room is read no faster than this.
const CREDITS: i16 = 4;
const REST: Duration = Duration::from_millis(50);

#[tokio::main]
async fn main() -> Result {
    let authority = Authority::new()?;
    let identity = authority.identity("localhost")?;
    let config = ServerConfig::builder().identity(identity).build()?;
    let listener = TlsListener::bind("127.0.0.1:0", config).await?;
    let address = listener.local_addr()?;
    if std::env::args().nth(1).as_deref() == Some("serve") {
        println!("{address}\n{}", authority.root_pem());
        return serve(listener).await;
    }
    let server = tokio::spawn(serve(listener));

    let config = ClientConfig::builder(authority.roots()?).build()?;
    let connector = TlsConnector::new(config);
    let mut alice = connector.connect(address, "localhost").await?;
    let mut bob = connector.connect(address, "localhost").await?;
    // Both are in the room when they are greeted.
    for stream in [&mut alice, &mut bob] {
        assert_eq!(&stream.recv(8).await?[..], b"welcome\n");
    }

    let start = Instant::now();
    for number in 0..3 * CREDITS {
        // A record for each.
        alice
            .send(&[format!("message {number}\n").as_bytes()])
            .await?;
    }
    alice.shutdown().await?;
    for number in 0..3 * CREDITS {
        let expected = format!("message {number}\n");
        let heard = bob.recv(expected.len()).await?;
        print!("bob hears {}", String::from_utf8_lossy(&heard));
        assert_eq!(heard, expected);
    }
    // Two rests lie between twelve messages.
    assert!(start.elapsed() >= 2 * REST, "{:?}", start.elapsed());
    bob.shutdown().await?;
    server.await?
}

/// Two clients.
async fn serve(listener: TlsListener) -> Result {
    let (room, _) = broadcast::channel(64);
    let mut members = Vec::new();
    for number in 0..2 {
        let stream = listener.accept().await?.handshake().await?;
        // Whoever is in the room hears what is said from now on.
        let others = room.subscribe();
        members.push((number, stream, others));
    }
    let mut tasks = Vec::new();
    for (number, stream, others) in members {
        let room = room.clone();
        tasks.push(tokio::spawn(member(number, stream, room, others)));
    }
    for task in tasks {
        task.await??;
    }
    Ok(())
}

async fn member(
    number: u32,
    mut stream: TlsStream<TcpStream>,
    room: broadcast::Sender<(u32, Bytes)>,
    mut others: broadcast::Receiver<(u32, Bytes)>,
) -> Result {
    stream.send(&[b"welcome\n"]).await?;
    // adapter: server
    let mut messages: ActiveStream<_> = stream.into_active(Active::N(CREDITS));
    // adapter: end
    let mut rest_until = None;
    loop {
        tokio::select! {
            message = messages.next() => match message {
                Some(Message::Data(text)) => {
                    let _ = room.send((number, text));
                }
                Some(Message::Passive) => rest_until = Some(Instant::now() + REST),
                Some(Message::Error(error)) => return Err(error.into()),
                Some(Message::Closed) | None => break,
                Some(_) => {}
            },
            () = async { sleep_until(rest_until.unwrap_or_else(Instant::now)).await },
                if rest_until.is_some() =>
            {
                rest_until = None;
                messages.set_active(Active::N(CREDITS))?;
            }
            said = others.recv() => match said {
                Ok((who, text)) if who != number => {
                    messages.write_all(&text).await?;
                    messages.flush().await?;
                }
                _ => {}
            },
        }
    }
    // The other direction ends here, too.
    messages.shutdown().await?;
    Ok(())
}
