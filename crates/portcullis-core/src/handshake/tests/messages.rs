//! What a person reads when a handshake fails: what was expected, what was seen, what to do.

use super::attack::{By, client, pair, refused, server};
use super::parts::{client_hello, server_hello};
use super::tamper::{Put, Tamper, first};
use crate::config::ServerConfigBuilder;
use crate::testing::{name, now};
use crate::wire::{ExtensionType as E, HandshakeType as T};
use crate::{AlertDescription, Handshake};

/// What the server says about a hello that went through `tamper`.
fn server_says(server: ServerConfigBuilder, tamper: Tamper) -> String {
    let (client, server) = (client().build().unwrap(), server.build().unwrap());
    refused(pair(client, server, By::Client, tamper), By::Client).to_string()
}

fn asks_for(name: &'static [u8]) -> Tamper {
    first(T::CLIENT_HELLO, move |raw| {
        vec![Put::Message(client_hello(raw, |hello| {
            let length = |more: usize| ((name.len() + more) as u16).to_be_bytes();
            let list = [&length(3)[..], &[0], &length(0), name].concat();
            hello.extensions.set(E::SERVER_NAME, list);
        }))]
    })
}

#[test]
fn a_server_name_that_is_refused_is_shown_and_cannot_forge_a_line_of_a_log() {
    let bad = |name| server_says(server(), asks_for(name));
    assert_eq!(
        bad(b"a b\n2026 ok"),
        "the client sent a server name that is no host name: \"a b\\n2026 ok\" (RFC 6066 §3), \
         while waiting for ClientHello; the peer was sent the alert illegal_parameter"
    );
    assert_eq!(
        bad("b\u{fc}cher.example".as_bytes()),
        "the client sent a server name that is no host name: \"b\\xc3\\xbccher.example\" (RFC \
         6066 §3), while waiting for ClientHello; the peer was sent the alert illegal_parameter"
    );
    // One that never ends is cut.
    let long = bad(&[b'*'; 250]);
    assert_eq!(
        long,
        "the client sent a server name that is no host name: \
         \"****************************************************************************************************\"... (250 \
         bytes) (RFC 6066 §3), while waiting for ClientHello; the peer was sent the alert \
         illegal_parameter"
    );
    assert_eq!(
        server_says(
            server().refuse_unknown_names(true),
            asks_for(b"other.example")
        ),
        "the client asked for a server name that is not served here: \"other.example\" \
         (RFC 6066 §3), while waiting for ClientHello; \
         the peer was sent the alert unrecognized_name"
    );
}

#[test]
fn a_version_that_is_refused_is_shown_with_those_that_are_accepted() {
    let offering = |versions: &'static [u8]| {
        first(T::CLIENT_HELLO, move |raw| {
            vec![Put::Message(client_hello(raw, |hello| {
                hello.extensions.set(E::SUPPORTED_VERSIONS, versions);
            }))]
        })
    };
    assert_eq!(
        server_says(server(), offering(&[6, 0x7a, 0x7a, 3, 3, 3, 2])),
        "the client offered no version that is enabled here: it offered TLSv1.2, TLSv1.1; \
         enabled here: TLSv1.3 (RFC 8446 §4.2.1), while waiting for ClientHello; \
         the peer was sent the alert protocol_version"
    );
    let older = first(T::CLIENT_HELLO, |raw| {
        vec![Put::Message(client_hello(raw, |hello| {
            hello.extensions.remove(E::SUPPORTED_VERSIONS);
            hello.legacy_version = 0x0302;
        }))]
    });
    let says = server_says(server(), older);
    assert_eq!(
        says,
        "the client offered no version that is enabled here: it offered TLSv1.1 and older; \
         enabled here: TLSv1.3 (RFC 8446 §4.2.1), while waiting for ClientHello; the peer was sent the \
         alert protocol_version"
    );
    let oldest = first(T::CLIENT_HELLO, |raw| {
        vec![Put::Message(client_hello(raw, |hello| {
            hello.legacy_version = 0x0300
        }))]
    });
    let says = server_says(server(), oldest);
    assert_eq!(
        says,
        "the client sent a legacy_version older than TLS 1.0: it offered SSLv3; enabled here: \
         TLSv1.3 (RFC 8446 §D.5), while waiting for ClientHello; the peer was sent the alert \
         protocol_version"
    );

    // A server that has no TLS 1.3.
    let selecting = first(T::SERVER_HELLO, |raw| {
        vec![Put::Message(server_hello(raw, |hello| {
            hello.extensions.remove(E::SUPPORTED_VERSIONS);
            hello.random[31] = 9;
        }))]
    });
    let (client_config, server_config) = (client().build().unwrap(), server().build().unwrap());
    let error = refused(
        pair(client_config, server_config, By::Server, selecting),
        By::Server,
    );
    assert_eq!(
        error.to_string(),
        "the server selected a version that was not offered: it selected TLSv1.2; \
         offered: TLSv1.3 (RFC 8446 §4.1.3), while waiting for ServerHello; \
         the peer was sent the alert protocol_version"
    );
    // A record of SSL 2.
    let mut server = Handshake::server(server().build().unwrap());
    server.receive(&[22, 2, 0, 0, 1, 0], now());
    super::attack::transmitted(&mut server);
    let says = server.poll().unwrap_err().to_string();
    assert_eq!(
        says,
        "the peer sent a record with a version that is not TLS: its version is 2.0 (RFC 8446 §5.1), while \
         waiting for ClientHello; the peer was sent the alert protocol_version"
    );
    // Or says so.
    let says = received(AlertDescription::PROTOCOL_VERSION);
    assert_eq!(
        says,
        "the peer sent the alert protocol_version: the protocol version is not supported; this \
         side offered TLSv1.3, while waiting for ServerHello"
    );
}

/// What a client says that has received this alert for its hello.
fn received(alert: AlertDescription) -> String {
    let mut client = Handshake::client(client().build().unwrap(), name()).unwrap();
    super::attack::transmitted(&mut client);
    client.receive(&[21, 3, 3, 0, 2, 2, alert.0], now());
    client.poll().unwrap_err().to_string()
}

/// Java, Go and many others send bad_certificate where the name is wrong.
#[test]
fn bad_certificate_may_be_about_the_name() {
    assert_eq!(
        received(AlertDescription::BAD_CERTIFICATE),
        "the peer sent the alert bad_certificate: a certificate was corrupt, its signature did \
         not verify, or it is not for the host name that the peer wanted, while waiting for \
         ServerHello"
    );
}

/// Whoever runs out of time sends it, too.
#[test]
fn user_canceled_may_be_about_time() {
    assert_eq!(
        received(AlertDescription::USER_CANCELED),
        "the peer sent the alert user_canceled: the peer gave the handshake up, or took too long over it, \
         while waiting for ServerHello"
    );
}

#[test]
fn other_protocols_on_the_port_are_named() {
    for (start, name) in [
        (&b"GET / HTTP/1.1\r\n"[..], "plain HTTP"),
        (b"SSH-2.0-OpenSSH_9.2\r\n", "SSH"),
        (b"220 mail.example ESMTP\r\n", "a mail or FTP greeting"),
        // MQTT 5 and 3.1.1, 3.1, and with a CONNECT of more than 127 bytes.
        (b"\x10\x10\0\x04MQTT\x05\x02\0\x3c", "MQTT"),
        (b"\x10\x10\0\x06MQIsdp\x03\x02\0\x3c", "MQTT"),
        (b"\x10\xa0\x01\0\x04MQTT\x05\x02\0\x3c", "MQTT"),
        (b"AMQP\0\0\x09\x01", "AMQP"),
        // PostgreSQL: SSLRequest, GSSENCRequest, StartupMessage 3.0, CancelRequest.
        (b"\0\0\0\x08\x04\xd2\x16\x2f", "PostgreSQL"),
        (b"\0\0\0\x08\x04\xd2\x16\x30", "PostgreSQL"),
        (b"\0\0\0\x29\0\x03\0\0user\0", "PostgreSQL"),
        (b"\0\0\0\x10\x04\xd2\x16\x2e", "PostgreSQL"),
        // Redis: commands as arrays and inline, and what a server answers.
        (b"*1\r\n$4\r\nPING\r\n", "Redis"),
        (b"*12\r\n$5\r\nHELLO\r\n", "Redis"),
        (b"PING\r\n", "Redis"),
        (b"-ERR unknown command\r\n", "Redis"),
        // LDAP: bind request with lengths in short and long form.
        (
            b"\x30\x0c\x02\x01\x01\x60\x07\x02\x01\x03\x04\0\x80\0",
            "LDAP",
        ),
        (b"\x30\x84\0\0\0\x41\x02\x01\x01\x60", "LDAP"),
        (b"\x30\x81\x90\x02\x01\x01\x60", "LDAP"),
        (b"\x30\x82\x01\x90\x02\x01\x01\x60", "LDAP"),
        (b"\x4a\0\0\0\x0a8.0.36\0", "MySQL"),
        // CLIENT-HELLO of SSL 2.0, and one that offers TLS besides.
        (b"\x80\x2e\x01\0\x02\0\x15", "a hello of SSL 2.0"),
        (b"\x80\x2e\x01\x03\x01\0\x15", "a hello of SSL 2.0"),
    ] {
        let mut server = Handshake::server(server().build().unwrap());
        server.receive(start, now());
        super::attack::transmitted(&mut server);
        let says = server.poll().unwrap_err().to_string();
        let expected = format!(
            "the peer does not speak TLS: this looks like {name}, while waiting for ClientHello; the peer was \
             sent the alert unexpected_message"
        );
        assert_eq!(says, expected, "{start:02x?}");
    }
    // What nobody knows is shown, as text if there is any.
    for (start, shown) in [
        (&b"MAIL FROM:<a@b.example>\r\n"[..], "\"MAIL \""),
        (b"\x01M\x00\r\n", "\"\\x01M\\x00\\r\\n\""),
        (b"\0\x01\x02\x03\x05", "[00, 01, 02, 03, 05]"),
    ] {
        let mut server = Handshake::server(server().build().unwrap());
        server.receive(start, now());
        super::attack::transmitted(&mut server);
        let says = server.poll().unwrap_err().to_string();
        let expected = format!(
            "the peer does not speak TLS: its first bytes are {shown}, while waiting for ClientHello; the \
             peer was sent the alert unexpected_message"
        );
        assert_eq!(says, expected);
    }
}
