//! A mailbox: one task has what all clients send, and answers them by their handles; another task takes a
//! client over, with what it has sent already.
//!
//! `cargo run --example mailbox`

use std::collections::HashMap;
use std::time::Duration;

use portcullis::packet::{Packet, Piece};
use portcullis::{
    Active, ClientConfig, Delivery, Handle, Inbox, Message, ServerConfig, TlsConnector, TlsListener,
};
use portcullis_examples::{Result, dev_identity};

const CLIENTS: usize = 3;
/// How all connections of this listener deliver.
fn delivery() -> Delivery {
    Delivery {
        active: Active::True,
        packet: Packet::Line.into(),
    }
}

#[tokio::main]
async fn main() -> Result {
    let (identity, roots) = dev_identity()?;
    let config = ServerConfig::builder().identity(identity).build()?;
    let listener = TlsListener::bind("127.0.0.1:0", config).await?;
    let address = listener.local_addr()?;
    let server = tokio::spawn(serve(listener));

    let connector = TlsConnector::new(ClientConfig::builder(roots).build()?);
    let mut clients = Vec::new();
    for number in 0..CLIENTS {
        let connector = connector.clone();
        clients.push(tokio::spawn(async move {
            let stream = connector.connect(address, "localhost").await?;
            let mut lines = stream.into_packets(Packet::Line);
            for text in ["hello", "more", "private", "secret"] {
                let line = format!("{number} {text}\n");
                lines.send(&[line.as_bytes()]).await?;
                let answer = lines.recv().await?;
                let by = if text == "secret" { "other" } else { "first" };
                assert_eq!(answer, Piece::Data(format!("{by}: {line}").into()));
            }
            Result::<_>::Ok(())
        }));
    }
    for client in clients {
        client.await??;
    }
    server.await?
}

async fn serve(listener: TlsListener) -> Result {
    let (mut inbox, owner) = Inbox::new(64);
    let (mut others, other_owner) = Inbox::new(64);
    let accepting = tokio::spawn(async move {
        let mut handles = HashMap::new();
        for _ in 0..CLIENTS {
            let stream = listener.accept().await?.handshake().await?;
            let handle = stream.into_mailbox(delivery(), &owner);
            handles.insert(handle.id(), handle);
        }
        Result::<_>::Ok(handles)
    });
    // Messages wait in the inbox meanwhile.
    let handles: HashMap<_, Handle> = accepting.await??;

    let by_id = handles.clone();
    let other = tokio::spawn(async move {
        let mut open = CLIENTS;
        while open > 0 {
            let Some((id, message)) = others.recv().await else {
                break;
            };
            match message {
                Message::Data(line) => {
                    let answer = [b"other: ", &line[..]].concat();
                    by_id[&id].send(answer).await?;
                }
                Message::Closed => {
                    open -= 1;
                    by_id[&id].close(Duration::from_secs(1)).await?;
                }
                other => return Err(format!("{other:?}").into()),
            }
        }
        Result::<_>::Ok(())
    });

    let mut left = CLIENTS;
    while left > 0 {
        let Some((id, message)) = inbox.recv().await else {
            break;
        };
        let Message::Data(line) = message else {
            return Err(format!("{message:?}").into());
        };
        let handle = &handles[&id];
        handle.send([b"first: ", &line[..]].concat()).await?;
        if line.ends_with(b"private\n") {
            // Nothing of it is lost on the way.
            inbox.hand_over(handle, &other_owner).await?;
            left -= 1;
        }
    }
    other.await?
}
