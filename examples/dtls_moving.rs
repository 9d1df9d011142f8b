//! A connection that survives a change of address: a router on the way forgets it, or a telephone leaves the house.
//!
//! The server gives each connection an id that stands on its records, so it knows them wherever they come from; it answers
//! there once it has seen that somebody reads there (RFC 9853). Without ids such a client is a stranger.
//!
//! * `cargo run --example dtls_moving`: a client with a router of its own, which changes its address.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use portcullis::{
    ClientConfig, DtlsAcceptor, DtlsConnection, DtlsConnector, DtlsListener, DtlsOptions, Error,
    ServerConfig,
};
use portcullis_examples::{Result, dev_identity};
use tokio::net::UdpSocket;
use tokio::task::JoinHandle;

#[tokio::main]
async fn main() -> Result {
    let (identity, roots) = dev_identity()?;
    let config = ServerConfig::builder().identity(identity).build()?;
    // Of 8 random bytes: nobody guesses one.
    let acceptor = DtlsAcceptor::new(config).options(DtlsOptions::new().connection_ids(Some(8)));
    let listener = DtlsListener::bind("127.0.0.1:0", acceptor).await?;
    let router = Router::new(listener.local_addr()?).await?;
    let server =
        tokio::spawn(async move { serve(listener.accept().await?.handshake().await?).await });

    // The client has one server, and needs no id to find it.
    let connector = DtlsConnector::new(ClientConfig::builder(roots).build()?)
        .options(DtlsOptions::new().connection_ids(Some(0)));
    let mut client = connector.connect(router.address, "localhost").await?;
    let (_, id) = client
        .connection_ids()
        .ok_or("the server knows of no ids")?;
    println!("the server knows this connection by {id}");
    ask(&mut client, b"where am I?").await?;
    // Another path is to look like another connection to everybody else.
    client.request_connection_ids(2)?;
    for _ in 0..2 {
        router.change_address().await?;
        client.use_next_connection_id();
        ask(&mut client, b"and now?").await?;
    }
    client.close(Duration::from_secs(1)).await?;
    assert_eq!(server.await??, 2);
    Ok(())
}

/// Says where the client is, and at the end how often it was followed.
async fn serve(mut connection: DtlsConnection) -> Result<u64, Error> {
    loop {
        match connection.recv().await {
            Ok(_) => {
                // As far as the server has seen by now: a client that has just moved is asked first.
                let place = connection.peer_addr().map(|place| place.to_string());
                let place = place.unwrap_or_default();
                connection.send(&[place.as_bytes()]).await?;
            }
            Err(error) if error.is_closed() => return Ok(connection.statistics().moved),
            Err(error) => return Err(error),
        }
    }
}

/// Asks again if nothing comes: what the server answers goes to the old address until it has seen the new one.
async fn ask(client: &mut DtlsConnection, question: &[u8]) -> Result {
    for _ in 0..10 {
        client.send(&[question]).await?;
        match client.recv_timeout(Duration::from_millis(200)).await {
            Ok(answer) => {
                println!("{}", String::from_utf8_lossy(&answer));
                return Ok(());
            }
            Err(error) if error.is_timeout() => {}
            Err(error) => return Err(error.into()),
        }
    }
    Err("no answer".into())
}

/// Translates addresses, as the one at home does: the server sees that of the router.
struct Router {
    address: SocketAddr,
    near: Arc<UdpSocket>,
    server: SocketAddr,
    client: Arc<Mutex<Option<SocketAddr>>>,
    outside: Arc<Mutex<Arc<UdpSocket>>>,
    inwards: Mutex<JoinHandle<()>>,
}

impl Router {
    async fn new(server: SocketAddr) -> Result<Self> {
        let near = Arc::new(UdpSocket::bind("127.0.0.1:0").await?);
        let (outside, client) = (outside(server).await?, Arc::<Mutex<_>>::default());
        let router = Self {
            address: near.local_addr()?,
            inwards: Mutex::new(inwards(&near, &outside, &client)),
            outside: Arc::new(Mutex::new(outside)),
            near,
            server,
            client,
        };
        let (near, client) = (Arc::clone(&router.near), Arc::clone(&router.client));
        let outside = Arc::clone(&router.outside);
        tokio::spawn(async move {
            let mut bytes = vec![0; 65_536];
            while let Ok((length, from)) = near.recv_from(&mut bytes).await {
                *client.lock().unwrap() = Some(from);
                let outside = Arc::clone(&outside.lock().unwrap());
                let _lost = outside.send(&bytes[..length]).await;
            }
        });
        Ok(router)
    }

    /// What is on its way to the old one is lost.
    async fn change_address(&self) -> Result {
        let outside = outside(self.server).await?;
        let task = inwards(&self.near, &outside, &self.client);
        std::mem::replace(&mut *self.inwards.lock().unwrap(), task).abort();
        println!("the router has {} by now", outside.local_addr()?);
        *self.outside.lock().unwrap() = outside;
        Ok(())
    }
}

async fn outside(server: SocketAddr) -> Result<Arc<UdpSocket>> {
    let socket = UdpSocket::bind("127.0.0.1:0").await?;
    socket.connect(server).await?;
    Ok(Arc::new(socket))
}

fn inwards(
    near: &Arc<UdpSocket>,
    outside: &Arc<UdpSocket>,
    client: &Arc<Mutex<Option<SocketAddr>>>,
) -> JoinHandle<()> {
    let (near, outside, client) = (Arc::clone(near), Arc::clone(outside), Arc::clone(client));
    tokio::spawn(async move {
        let mut bytes = vec![0; 65_536];
        while let Ok(length) = outside.recv(&mut bytes).await {
            let client = *client.lock().unwrap();
            if let Some(client) = client {
                let _lost = near.send_to(&bytes[..length], client).await;
            }
        }
    })
}
