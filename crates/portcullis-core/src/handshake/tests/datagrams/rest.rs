//! Before DTLS 1.3: a flight is said again until the one that answers it is whole (RFC 6347 §4.2.4).

use core::time::Duration;

use super::network::{Network, usual};
use super::older::check;
use crate::ProtocolVersion;
use crate::config::{ClientConfig, ServerConfig};
use crate::record::DatagramOptions;
use crate::testing::pki;

const OLDER: ProtocolVersion = ProtocolVersion::TLS_1_2;

fn client() -> ClientConfig {
    let client = ClientConfig::builder(pki().roots.clone()).versions([OLDER]);
    client.session_tickets(true).build().unwrap()
}

fn server() -> ServerConfig {
    let server = ServerConfig::builder().identity(pki().server.clone());
    server.versions([OLDER]).build().unwrap()
}

fn network(mtu: u16) -> Network {
    let options = DatagramOptions::default().mtu(mtu);
    Network::resuming(client(), server(), Vec::new(), options)
}

/// The server has no timer for the flight that ends the handshake. With these lengths its ticket comes whole in one datagram, and
/// its Finished in another one, which is lost.
#[test]
fn a_finished_that_is_lost_behind_a_ticket_comes_again() {
    let mut apart = 0;
    for mtu in 228..300 {
        let mut whole = network(mtu);
        let mut ends_ticket = false;
        whole.run(&mut |_, datagram| {
            // Behind the client's flight a message in the clear is the ticket.
            ends_ticket = datagram[0] == 22 && datagram[4] == 0;
            usual(datagram)
        });
        check(&mut whole, ProtocolVersion::DTLS_1_2);
        let last = whole.sent - 1;
        apart += usize::from(!ends_ticket);
        let mut network = network(mtu);
        network.run(&mut |index, datagram| match index == last {
            true => Vec::new(),
            false => usual(datagram),
        });
        check(&mut network, ProtocolVersion::DTLS_1_2);
        assert!(network.clock < Duration::from_secs(3), "{mtu}");
    }
    assert!(apart > 0, "no Finished was alone");
}

/// Of the server's first flight nothing but the ServerHello comes, until the client says hello again.
#[test]
fn a_hello_is_said_again_although_a_server_hello_has_come() {
    let mut network = network(1_200);
    let (mut hellos, mut is_begun) = (0, false);
    network.run(&mut |_, datagram| {
        let typ = (datagram[0] == 22).then(|| datagram[13]);
        hellos += usize::from(typ == Some(1));
        match typ {
            Some(2) if !is_begun => {
                is_begun = true;
                let end = 13 + usize::from(u16::from_be_bytes([datagram[11], datagram[12]]));
                usual(&datagram[..end])
            }
            _ if is_begun && hellos < 2 => Vec::new(),
            _ => usual(datagram),
        }
    });
    assert!(is_begun && hellos == 2, "{hellos}");
    check(&mut network, ProtocolVersion::DTLS_1_2);
    // The server's timer had done its work just before.
    assert!(network.clock < Duration::from_secs(5));
}

/// What comes is not complete as long as somebody thinks about it, and that is not the peer's fault.
#[test]
fn a_client_that_thinks_says_nothing_again() {
    let client = client().to_builder().ask_verification(true).build();
    let mut network = Network::new(client.unwrap(), server());
    network.thinking = Some(Duration::from_millis(2_500));
    network.run(&mut |_, datagram| usual(datagram));
    check(&mut network, ProtocolVersion::DTLS_1_2);
    let of_client = network.lengths.iter().filter(|(from, _)| *from == 0);
    let hellos = of_client.filter(|(_, length)| *length < 700).count();
    // A hello, and the flight that answers the server's, which repeats its own meanwhile.
    assert!(hellos <= 2, "{:?}", network.lengths);
}
