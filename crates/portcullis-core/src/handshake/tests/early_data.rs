//! Early data: when it is accepted, and what nobody gets to do with it.
//!
//! RFC 8446 §2.3, §4.2.10, §8.

use core::time::Duration;

use rustls_pki_types::UnixTime;

use super::attack::{
    By, alert_seen_by, client, read_all, resuming_client, server, talk, ticket_keys, transmitted,
};
use super::parts::{client_hello, encrypted_extensions, message};
use super::tamper::{Put, Tamper, first};
use crate::config::{ClientConfigBuilder, ServerConfig, ServerConfigBuilder};
use crate::question::Question;
use crate::session::{AntiReplay, BloomFilters, ClientSession};
use crate::suite::CipherSuite;
use crate::testing::{Pair, client_config, name, now, sessions_of};
use crate::wire::{ContentType, ExtensionType as E, HandshakeType as T};
use crate::{
    AlertDescription, Connection, Direction, EarlyDataRejection as Why, EarlyDataStatus, Error,
    Handshake, NamedGroup, ProtocolVersion, Reason, Step, Violation,
};

/// A server that has served for a minute, and remembers by itself.
pub(super) fn local() -> AntiReplay {
    AntiReplay::local(BloomFilters::SMALL, earlier(60)).unwrap()
}

pub(super) fn accepting(anti_replay: AntiReplay) -> ServerConfigBuilder {
    server().ticket_keys(ticket_keys()).early_data(anti_replay)
}

fn earlier(seconds: u64) -> UnixTime {
    UnixTime::since_unix_epoch(Duration::from_secs(now().as_secs() - seconds))
}

fn later(seconds: u64) -> UnixTime {
    UnixTime::since_unix_epoch(Duration::from_secs(now().as_secs() + seconds))
}

/// A client that says its hello and this, with a session of the server's.
pub(super) fn sending(
    client: ClientConfigBuilder,
    server: ServerConfigBuilder,
    data: &[u8],
) -> Pair {
    let server = server.build().unwrap();
    let session = session(&client, &server);
    sending_with(client, server, session, data)
}

fn session(client: &ClientConfigBuilder, server: &ServerConfig) -> ClientSession {
    sessions_of(client.clone().build().unwrap(), server.clone()).remove(0)
}

fn sending_with(
    client: ClientConfigBuilder,
    server: ServerConfig,
    session: ClientSession,
    data: &[u8],
) -> Pair {
    let config = client.build().unwrap();
    let mut client =
        Handshake::client_with_early_data(config, name(), vec![session], now()).unwrap();
    assert_eq!(client.send(data), data.len());
    Pair {
        client,
        ..Pair::new(client_config(), server)
    }
}

/// Runs the pair; gives the early data that the server was given, and both connections.
fn run(mut pair: Pair) -> (Vec<u8>, Connection, Connection) {
    talk(&mut pair);
    let [_, delivered] = core::mem::take(&mut pair.delivered);
    let (client, server) = pair.run();
    let (client, server) = (client.unwrap(), server.unwrap());
    let (ours, theirs) = (&client.information, &server.information);
    assert_eq!(ours.tls_exporter().unwrap(), theirs.tls_exporter().unwrap());
    let accepted = |status| status == EarlyDataStatus::Accepted;
    assert_eq!(accepted(ours.early_data()), accepted(theirs.early_data()));
    (delivered, client, server)
}

/// Runs the pair, whose server takes nothing for this reason.
fn rejected(pair: Pair, why: Why) {
    let (delivered, client, server) = run(pair);
    assert!(delivered.is_empty());
    assert!(matches!(
        client.information.early_data(),
        EarlyDataStatus::Rejected(_)
    ));
    let why = EarlyDataStatus::Rejected(why);
    assert_eq!(server.information.early_data(), why);
    works(client, server);
}

/// Data goes both ways.
fn works(mut client: Connection, mut server: Connection) {
    for (from, to) in [(&mut client, &mut server)] {
        let mut out = vec![0; from.writer.max_sealed_len(3)];
        let sealed = from.writer.seal(b"abc", &mut out).unwrap();
        let mut bytes = core::mem::take(&mut to.unread);
        bytes.extend_from_slice(&out[..sealed.written]);
        assert_eq!(read_all(&mut to.reader, bytes).unwrap(), b"abc");
    }
}

#[test]
fn what_comes_with_the_hello() {
    let server = accepting(local());
    let mut pair = sending(resuming_client(), server, b"GET /");
    assert_eq!(pair.client.send(b" HTTP/1.1"), 9);
    let (delivered, client, server) = run(pair);
    assert_eq!(delivered, b"GET / HTTP/1.1");
    for end in [&client, &server] {
        assert!(end.information.is_resumed());
        assert_eq!(end.information.early_data(), EarlyDataStatus::Accepted);
    }
    works(client, server);
}
