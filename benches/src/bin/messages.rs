//! What a message over DTLS costs through a socket: many in one call of the system (`send_many`, GSO and GRO) beside one call for
//! each.
//!
//! `cargo run --release -p portcullis-benches --features dtls --bin messages` prints a Markdown table.
//!
//! * `BYTES=n`: of a message (default 1,200)
//! * `MESSAGES=n`: in each round (default 64,000)
//! * `ROUNDS=n`: of how many the best is taken, and the median of the ratios in one (default 7); all have their turn before the
//!   next round
//!
//! Both ends are on one thread, over the loopback interface: 64 messages are sent, and then read. The processor time counts what
//! the system does for the calls; nothing is waited for.

use std::time::Duration;

use portcullis::pki_types::ServerName;
use portcullis::{ClientConfig, DtlsConnection, DtlsConnector, DtlsListener, TlsConnector};
use portcullis_benches::datagrams::{Failure, TOGETHER, acceptor, number, timed};
use portcullis_benches::pki::{Pki, SERVER_NAME};
use tokio::runtime::Builder;

/// Two ends that are connected.
struct Ends {
    client: DtlsConnection,
    server: DtlsConnection,
    /// It has the socket of the server.
    _listener: DtlsListener,
}

impl Ends {
    async fn connected(pki: &Pki) -> Result<Self, Failure> {
        let listener = DtlsListener::bind("127.0.0.1:0", acceptor(pki)?).await?;
        let config = ClientConfig::dangerous_builder_without_verification().build()?;
        let connector = DtlsConnector::new(TlsConnector::new(config));
        let (address, name) = (listener.local_addr()?, ServerName::try_from(SERVER_NAME)?);
        let accept = async { listener.accept().await?.handshake().await };
        let (client, server) = tokio::join!(connector.connect(address, name), accept);
        Ok(Self {
            client: client?,
            server: server?,
            _listener: listener,
        })
    }

    /// Sends so many messages, and reads them; what each side has spent.
    async fn round(
        &mut self,
        message: &[u8],
        many: bool,
        count: usize,
    ) -> Result<[Duration; 2], Failure> {
        let [mut sending, mut receiving] = [Duration::ZERO; 2];
        let messages = [message; TOGETHER];
        for _ in 0..count / TOGETHER {
            let client = &self.client;
            let send = async {
                if many {
                    return client.send_many(&messages).await;
                }
                for message in messages {
                    client.send(&[message]).await?;
                }
                Ok(())
            };
            timed(&mut sending, send).await?;
            let server = &mut self.server;
            let receive = async {
                for _ in 0..TOGETHER {
                    server.recv_timeout(Duration::from_secs(5)).await?;
                }
                Ok::<_, portcullis::Error>(())
            };
            timed(&mut receiving, receive).await?;
        }
        Ok([sending, receiving])
    }
}

fn main() -> Result<(), Failure> {
    let pki = Pki::generate()?;
    let (bytes, count) = (number("BYTES", 1_200), number("MESSAGES", 64_000));
    let message = vec![7; bytes];
    let runtime = Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let mut ends = Ends::connected(&pki).await?;
        let mut rounds = Vec::new();
        for _ in 0..number("ROUNDS", 7).max(1) {
            let one = ends.round(&message, false, count).await?;
            rounds.push([one, ends.round(&message, true, count).await?]);
        }
        println!("| {bytes} bytes | sender, us a message | receiver | times as many messages in the same time |\n|---|---|---|---|");
        for (way, name) in ["one call each", "many together"].iter().enumerate() {
            let best = |end: usize| {
                let best = rounds.iter().map(|round| round[way][end]).min();
                best.unwrap_or_default().as_secs_f64() * 1e6 / count as f64
            };
            let ratio = |end: usize| {
                let ratios = rounds.iter().map(|round| round[0][end].div_duration_f64(round[way][end]));
                let mut ratios: Vec<_> = ratios.collect();
                ratios.sort_by(f64::total_cmp);
                ratios[ratios.len() / 2]
            };
            let (sending, receiving) = (best(0), best(1));
            println!("| {name} | {sending:.2} | {receiving:.2} | {:.2} / {:.2} |", ratio(0), ratio(1));
        }
        Ok(())
    })
}
