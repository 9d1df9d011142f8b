//! DTLS 1.3 with dimpl over UDP, in both roles, and with a tenth of all datagrams lost.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use dimpl::{Config, Dtls, DtlsCertificate, Output};
use portcullis::{
    ClientAuthentication, ClientConfig, DatagramOptions, DtlsConnector, DtlsListener, DtlsOptions,
    Identity, ProtocolVersion, Retransmission, Roots, ServerConfig, TlsAcceptor, TlsConnector,
};
use portcullis_tests::pki::pki;
use tokio::net::UdpSocket;

const LIMIT: Duration = Duration::from_secs(60);

/// What dimpl shows is a leaf alone, so its issuer is the anchor.
fn roots() -> Roots {
    let mut roots = Roots::empty();
    roots.add_der(pki().intermediate.clone()).unwrap();
    roots
}

fn identity(of: &portcullis_tests::pki::Identity) -> Identity {
    Identity::from_der(of.chain.clone(), &of.key).unwrap()
}

fn dimpl(is_client: bool) -> Dtls {
    let config = Config::builder()
        .use_server_cookie(!is_client)
        .require_client_certificate(true)
        .build();
    let identity = match is_client {
        true => &pki().client,
        false => &pki().ecdsa_p256,
    };
    let certificate = DtlsCertificate {
        certificate: identity.chain[0].to_vec(),
        private_key: identity.key.secret_der().to_vec(),
    };
    let mut dtls = Dtls::new_13(Arc::new(config.unwrap()), certificate, Instant::now());
    dtls.set_active(is_client);
    dtls
}

fn options() -> DtlsOptions {
    let retransmission = Retransmission::default().initial(Duration::from_millis(100));
    DtlsOptions::new().datagrams(DatagramOptions::default().retransmission(retransmission))
}

/// What dimpl has heard.
#[derive(Default)]
struct Heard {
    messages: Vec<Vec<u8>>,
    closed: bool,
}

/// Loses so many of a thousand datagrams that dimpl sends or gets.
struct Losing(u64, u64);

impl Losing {
    fn next(&mut self) -> bool {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 20) % 1_000 < self.1
    }
}

/// Runs dimpl: as a client it says `question` until it is answered; as a server it gives back what comes. It ends
/// when the peer has closed, or when it has its answer.
async fn run(
    mut dtls: Dtls,
    socket: UdpSocket,
    question: Option<&[u8]>,
    mut losing: Losing,
) -> Heard {
    let (mut heard, mut buffer, mut came) = (Heard::default(), vec![0; 4_096], vec![0; 65_536]);
    let (mut peer, mut connected): (Option<SocketAddr>, bool) = (socket.peer_addr().ok(), false);
    let mut asked = Instant::now();
    loop {
        dtls.handle_timeout(Instant::now()).unwrap();
        let due = loop {
            match dtls.poll_output(&mut buffer) {
                Output::Packet(packet) => {
                    if let (Some(peer), false) = (peer, losing.next()) {
                        let _ = socket.send_to(packet, peer).await;
                    }
                }
                Output::Connected => connected = true,
                Output::ApplicationData(data) => heard.messages.push(data.to_vec()),
                Output::CloseNotify => heard.closed = true,
                Output::Timeout(due) => break due,
                _ => {}
            }
        };
        if heard.closed {
            return heard;
        }
        match question {
            Some(_) if !heard.messages.is_empty() => {
                dtls.close().unwrap();
                while let Output::Packet(packet) = dtls.poll_output(&mut buffer) {
                    socket.send_to(packet, peer.unwrap()).await.unwrap();
                }
                return heard;
            }
            Some(question) if connected && Instant::now() >= asked => {
                dtls.send_application_data(question).unwrap();
                asked = Instant::now() + Duration::from_millis(200);
                continue;
            }
            None => {
                let answers = std::mem::take(&mut heard.messages);
                for answer in &answers {
                    dtls.send_application_data(answer).unwrap();
                }
                if !answers.is_empty() {
                    continue;
                }
            }
            Some(_) => {}
        }
        let wait = due.saturating_duration_since(Instant::now());
        let wait = wait.clamp(Duration::from_millis(1), Duration::from_millis(50));
        if let Ok(Ok((length, from))) =
            tokio::time::timeout(wait, socket.recv_from(&mut came)).await
        {
            peer = Some(from);
            if !losing.next() {
                dtls.handle_packet(&came[..length]).unwrap();
            }
        }
    }
}

async fn we_are_client(lost: u64, seed: u64) {
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let address = socket.local_addr().unwrap();
    let server = tokio::spawn(run(dimpl(false), socket, None, Losing(seed, lost)));
    let config = ClientConfig::builder(roots()).identity(identity(&pki().client));
    let connector = TlsConnector::new(config.build().unwrap()).handshake_timeout(LIMIT);
    let connector = DtlsConnector::new(connector).options(options());
    let mut client = connector.connect(address, "localhost").await.unwrap();
    assert_eq!(client.information().version(), ProtocolVersion::DTLS_1_3);
    assert!(client.information().hello_retried());
    for round in 0..20_u8 {
        let question = [round; 50];
        let mut tries = 0;
        loop {
            client.send(&[&question]).await.unwrap();
            match client.recv_timeout(Duration::from_millis(200)).await {
                // An answer to an earlier one may be late.
                Ok(answer) if answer[..] == question => break,
                Ok(_) => {}
                Err(error) => assert!(error.is_timeout(), "{error}"),
            }
            tries += 1;
            assert!(tries < 100);
        }
        if round % 5 == 0 {
            client.update_keys(round % 2 == 0).unwrap();
        }
    }
    if lost == 0 {
        drop(client);
        assert!(
            tokio::time::timeout(LIMIT, server)
                .await
                .unwrap()
                .unwrap()
                .closed
        );
    } else {
        server.abort();
    }
}

async fn we_are_server(lost: u64, seed: u64) {
    let config = ServerConfig::builder()
        .identity(identity(&pki().ecdsa_p256))
        .client_authentication(ClientAuthentication::Required(roots()));
    let acceptor = TlsAcceptor::new(config.build().unwrap()).handshake_timeout(LIMIT);
    let acceptor = portcullis::DtlsAcceptor::new(acceptor).options(options());
    let listener = DtlsListener::bind("127.0.0.1:0", acceptor).await.unwrap();
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    socket
        .connect(listener.local_addr().unwrap())
        .await
        .unwrap();
    let asking = run(dimpl(true), socket, Some(b"from dimpl"), Losing(seed, lost));
    let client = tokio::spawn(asking);
    let mut server = listener.accept().await.unwrap().handshake().await.unwrap();
    assert_eq!(
        server.information().peer_certificates()[0],
        pki().client.chain[0]
    );
    let client = tokio::time::timeout(LIMIT, async {
        loop {
            match server.recv().await {
                Ok(message) => {
                    assert_eq!(&message[..], b"from dimpl");
                    server.send(&[b"to dimpl"]).await.unwrap();
                }
                Err(error) => {
                    assert!(error.is_closed(), "{error}");
                    break;
                }
            }
        }
        client.await.unwrap()
    });
    assert_eq!(client.await.unwrap().messages[0], b"to dimpl");
    assert_eq!(listener.statistics().admitted, 1);
}

#[tokio::test]
async fn either_role_over_sockets() {
    we_are_client(0, 1).await;
    we_are_server(0, 2).await;
}

#[tokio::test]
async fn a_tenth_is_lost() {
    for seed in 1..=5 {
        we_are_client(100, seed).await;
        we_are_server(100, seed).await;
    }
}
