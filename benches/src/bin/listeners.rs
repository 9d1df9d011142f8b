//! What a message costs a server that has several sockets at one address (`DtlsListener::bind_many`), and how the system divides
//! clients between them: each socket has a task of its own, which opens what comes, so the busiest one is the bound.
//!
//! `cargo run --release -p portcullis-benches --features dtls --bin listeners` prints a Markdown table.
//!
//! * `BYTES=n`: of a message (default 1,200)
//! * `CLIENTS=n`: that are connected (default 64)
//! * `ROUNDS=n`: of how many the best is taken (default 7); all have their turn before the next round
//!
//! All is on one thread, over the loopback interface: in a round each client sends 64 messages twenty times, which are read
//! before it sends more. The processor time counts what the system does for the calls; nothing is waited for.

use std::time::Duration;

use portcullis::pki_types::ServerName;
use portcullis::{ClientConfig, DtlsConnection, DtlsConnector, DtlsListener, TlsConnector};
use portcullis_benches::datagrams::{Failure, TOGETHER, acceptor, number, timed};
use portcullis_benches::pki::{Pki, SERVER_NAME};
use tokio::runtime::Builder;
use tokio::sync::mpsc;

/// How often, in a round.
const TIMES: usize = 20;
const SOCKETS: [usize; 3] = [1, 2, 4];

/// A server with so many sockets, and its clients.
struct Server {
    pairs: Vec<[DtlsConnection; 2]>,
    /// How many clients each socket has.
    clients: Vec<usize>,
}

impl Server {
    async fn with(pki: &Pki, sockets: usize, clients: usize) -> Result<Self, Failure> {
        let acceptor = acceptor(pki)?;
        let listeners = DtlsListener::bind_many("127.0.0.1:0", acceptor, sockets).await?;
        let address = listeners.first().ok_or("no listener")?.local_addr()?;
        let (sender, mut accepted) = mpsc::channel(1);
        for (number, listener) in listeners.into_iter().enumerate() {
            let sender = sender.clone();
            tokio::spawn(async move {
                while let Ok(incoming) = listener.accept().await {
                    let server = incoming.handshake().await;
                    if sender.send((number, server)).await.is_err() {
                        break;
                    }
                }
            });
        }
        let config = ClientConfig::dangerous_builder_without_verification().build()?;
        let connector = DtlsConnector::new(TlsConnector::new(config));
        let mut this = Self {
            pairs: Vec::new(),
            clients: vec![0; sockets],
        };
        for _ in 0..clients {
            let name = ServerName::try_from(SERVER_NAME)?;
            let (client, server) = tokio::join!(connector.connect(address, name), accepted.recv());
            let (number, server) = server.ok_or("nobody listens")?;
            this.clients[number] += 1;
            this.pairs.push([client?, server?]);
        }
        Ok(this)
    }

    /// What its sockets spend on a message.
    async fn round(&mut self, message: &[u8]) -> Result<Duration, Failure> {
        let [mut sending, mut receiving] = [Duration::ZERO; 2];
        let messages = [message; TOGETHER];
        for _ in 0..TIMES {
            for [client, server] in &mut self.pairs {
                timed(&mut sending, client.send_many(&messages)).await?;
                let receive = async {
                    for _ in 0..TOGETHER {
                        server.recv_timeout(Duration::from_secs(5)).await?;
                    }
                    Ok::<_, portcullis::Error>(())
                };
                timed(&mut receiving, receive).await?;
            }
        }
        Ok(receiving / u32::try_from(TIMES * TOGETHER * self.pairs.len())?)
    }
}

fn main() -> Result<(), Failure> {
    let pki = Pki::generate()?;
    let message = vec![7; number("BYTES", 1_200)];
    let clients = number("CLIENTS", 64);
    let runtime = Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let mut servers = Vec::new();
        for sockets in SOCKETS {
            servers.push(Server::with(&pki, sockets, clients).await?);
        }
        let mut spent = vec![Vec::new(); servers.len()];
        for _ in 0..number("ROUNDS", 7).max(1) {
            for (server, spent) in servers.iter_mut().zip(&mut spent) {
                spent.push(server.round(&message).await?.as_secs_f64());
            }
        }
        println!("| sockets | us a message, best | of one socket's, in the same round | clients of each | what all can do at once, of one |\n|---|---|---|---|---|");
        for ((sockets, server), each) in SOCKETS.iter().zip(&servers).zip(&spent) {
            let mut ratios: Vec<_> = each.iter().zip(&spent[0]).map(|(this, one)| this / one).collect();
            ratios.sort_by(f64::total_cmp);
            let ratio = ratios[ratios.len() / 2];
            let best = each.iter().copied().fold(f64::INFINITY, f64::min);
            let most = server.clients.iter().copied().max().unwrap_or_default().max(1);
            println!(
                "| {sockets} | {:.2} | {ratio:.2} | {:?} | {:.2} |",
                best * 1e6,
                server.clients,
                clients as f64 / most as f64 / ratio,
            );
        }
        Ok(())
    })
}
