//! Which key share a server wants is known at the next connection.

mod ends;

use ends::*;
use portcullis::ech::{EchKey, EchKeys};
use portcullis::{ClientConfig, NamedGroup, TlsAcceptor, TlsConnector};
use tokio::io::duplex;

async fn connected(connector: &TlsConnector, acceptor: &TlsAcceptor) -> (NamedGroup, bool) {
    let (near, far) = duplex(64 * 1024);
    let (client, server) = tokio::join!(connector.upgrade(near, name()), acceptor.accept(far));
    let (client, _server) = (client.unwrap(), server.unwrap());
    let information = client.information();
    (information.group().unwrap(), information.hello_retried())
}

fn only(group: NamedGroup) -> TlsAcceptor {
    let server = server_config().to_builder().groups([group]);
    TlsAcceptor::new(server.build().unwrap())
}

#[tokio::test]
async fn a_retry_costs_one_connection() {
    let wanted = NamedGroup::SECP384R1;
    let acceptor = only(wanted);
    let connector = TlsConnector::new(client_config());
    assert_eq!(connected(&connector, &acceptor).await, (wanted, true));
    assert_eq!(connected(&connector, &acceptor).await, (wanted, false));
    assert_eq!(
        connected(&connector.clone(), &acceptor).await,
        (wanted, false)
    );
    // Another service of the host, another connector, and one that keeps nothing know nothing.
    let service = connector.clone().service_name("other");
    assert_eq!(connected(&service, &acceptor).await, (wanted, true));
    let other = TlsConnector::new(client_config());
    assert_eq!(connected(&other, &acceptor).await, (wanted, true));
    let forgetful = connector.clone().without_resumption();
    assert_eq!(connected(&forgetful, &acceptor).await, (wanted, true));
    // A server that has changed is asked for its group once.
    let changed = only(NamedGroup::X25519_MLKEM768);
    let best = NamedGroup::X25519_MLKEM768;
    assert_eq!(connected(&connector, &changed).await, (best, true));
    assert_eq!(connected(&connector, &changed).await, (best, false));
}

#[tokio::test]
async fn what_a_server_says_counts_if_the_handshake_succeeds() {
    let groups = [NamedGroup::SECP256R1, NamedGroup::X25519];
    let says = server_config().to_builder().groups(groups);
    let says = TlsAcceptor::new(says.send_supported_groups(true).build().unwrap());
    let connector = TlsConnector::new(client_config());
    let first = |connector: &TlsConnector| {
        let connector = connector.clone();
        async move {
            let (near, mut far) = duplex(64 * 1024);
            let handshake = tokio::spawn(async move { connector.upgrade(near, name()).await });
            let mut header = [0; 5];
            tokio::io::AsyncReadExt::read_exact(&mut far, &mut header)
                .await
                .unwrap();
            handshake.abort();
            u16::from_be_bytes([header[3], header[4]])
        }
    };
    assert!(first(&connector).await > 1_300, "a share of X25519MLKEM768");
    // A client that does not trust it learns nothing.
    let stranger = ClientConfig::builder(portcullis::Roots::from_pem(dev_root()).unwrap());
    let stranger = TlsConnector::new(stranger.build().unwrap());
    let (near, far) = duplex(64 * 1024);
    let (failed, _) = tokio::join!(stranger.upgrade(near, name()), says.accept(far));
    failed.unwrap_err();
    assert!(first(&stranger).await > 1_300);
    assert_eq!(
        connected(&connector, &says).await,
        (NamedGroup::X25519, false)
    );
    assert!(first(&connector).await < 600, "a share of x25519 alone");
    assert_eq!(
        connected(&connector, &says).await,
        (NamedGroup::X25519, false)
    );
}

/// The shares stand in the clear: the one that the hidden server wants would say which it is.
#[tokio::test]
async fn of_a_hidden_server_nothing_is_remembered() {
    let (key, _) = EchKey::builder("localhost").generate().unwrap();
    let wanted = NamedGroup::SECP384R1;
    let server = server_config().to_builder().groups([wanted]);
    let server = server.ech_keys(EchKeys::new([key.clone()]).unwrap());
    let acceptor = TlsAcceptor::new(server.build().unwrap());
    let client = client_config().to_builder().ech(key.config_list());
    let connector = TlsConnector::new(client.build().unwrap());
    for _ in 0..2 {
        assert_eq!(connected(&connector, &acceptor).await, (wanted, true));
    }
}

/// Of somebody else.
fn dev_root() -> String {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    made.cert.pem()
}
