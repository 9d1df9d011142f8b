//! What both sides derive must be the same, with the extended master secret and without: exported
//! keys, channel bindings, the key log.

use std::time::Duration;

use portcullis::config::ExtendedMasterSecret;
use portcullis::session::TicketKeys;
use portcullis::{AlertDescription, ConnectionInformation, Direction, KeyLogFile};
use portcullis_tests::peers::{Message, Peer, gnutls, openssl, rustls};
use portcullis_tests::pki::pki;
use portcullis_tests::scratch;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;

use super::{client, server, their_client, their_server};
use crate::ours;
use crate::secrets::{GNUTLS, LABEL, Lines, OPENSSL, hex, labels, lines_of, wait_for_value};

const HELLO: Message<'static> = Message {
    line: "hello to the older side",
    count: 1,
};

/// RFC 5705 §4: no context is not the same as an empty one.
fn exported(information: &ConnectionInformation, context: Option<&[u8]>) -> String {
    let mut key = [0; 48];
    information
        .export_keying_material(LABEL.as_bytes(), context, &mut key)
        .expect("an exported key");
    hex(&key)
}

#[tokio::test]
async fn openssl_and_gnutls_servers_export_what_our_client_does() {
    let settings = their_server(&pki().ecdsa_p256);
    let server = openssl::server(openssl::Mode::Terminal, &settings.clone().extra(&OPENSSL)).await;
    let stream = ours::connect(server.address, client())
        .await
        .unwrap_or_else(|error| panic!("{error}"));
    let value = exported(stream.information(), None);
    let program = server.program().expect("a program");
    wait_for_value(program, "Keying material: ", &value).await;

    let server = gnutls::server(gnutls::Mode::Echo, &settings.extra(&GNUTLS)).await;
    let stream = ours::connect(server.address, client())
        .await
        .unwrap_or_else(|error| panic!("{error}"));
    let program = server.program().expect("a program");
    let information = stream.information();
    let end_point = information.tls_server_end_point().expect("a binding");
    wait_for_value(program, "'tls-server-end-point': ", &hex(&end_point)).await;
    wait_for_value(program, "- Key material: ", &exported(information, None)).await;
    let exporter = information.tls_exporter().expect("a binding");
    wait_for_value(program, "'tls-exporter': ", &hex(&exporter)).await;
    let unique = information.tls_unique().expect("a binding");
    wait_for_value(program, "'tls-unique': ", &hex(&unique)).await;
}

#[tokio::test]
async fn openssl_and_gnutls_clients_export_what_our_server_does() {
    let mut server = ours::Server::echo(server(&pki().ecdsa_p256)).await;
    let client = openssl::client(server.address, &their_client().extra(&OPENSSL));
    let found = client.wait_until(|output| output.line("Keying material: ").is_some());
    let output = found.await.unwrap_or_else(|output| panic!("{output}"));
    client.finish().await;
    let served = server.served().await;
    let value = exported(served.information("s_client"), None);
    let line = output.line("Keying material: ").unwrap_or_default();
    assert!(
        line.to_ascii_lowercase().ends_with(&value),
        "{line}, not {value}"
    );

    let client = gnutls::client(server.address, &their_client().extra(&GNUTLS));
    let found = client.wait_until(|output| output.line("- Simple Client Mode").is_some());
    found.await.unwrap_or_else(|output| panic!("{output}"));
    let (_, output) = client.finish().await;
    let served = server.served().await;
    let value = exported(served.information("gnutls-cli"), None);
    assert!(output.stdout.contains(&value), "no {value}:\n{output}");
}

/// RFC 5929 §3: in a connection that resumes it is the server's Finished. gnutls-cli tells that of
/// both.
#[tokio::test]
async fn gnutls_has_the_same_channel_binding_when_it_resumes() {
    let keys = TicketKeys::rotating(Duration::from_secs(7_200)).expect("a period");
    let mut server = ours::Server::echo(server(&pki().ecdsa_p256).ticket_keys(keys)).await;
    let extra = [&GNUTLS[..], &["--resume", "--verbose"]].concat();
    let client = gnutls::client(server.address, &their_client().extra(&extra));
    let resumed = client.wait_until(|output| {
        let again = output.stdout.split("*** This is a resumed session").nth(1);
        again.is_some_and(|rest| rest.contains("- Simple Client Mode"))
    });
    resumed.await.unwrap_or_else(|output| panic!("{output}"));
    let (_, output) = client.finish().await;
    for is_resumed in [false, true] {
        let served = server.served().await;
        let information = served.information("gnutls-cli");
        assert_eq!(information.is_resumed(), is_resumed);
        let unique = hex(&information.tls_unique().expect("a binding"));
        assert!(output.stdout.contains(&unique), "no {unique}:\n{output}");
    }
}

#[tokio::test]
async fn rustls_exports_what_our_server_does_with_a_context_too() {
    let mut server = ours::Server::echo(server(&pki().ecdsa_p256)).await;
    let tcp = TcpStream::connect(server.address)
        .await
        .expect("a connection");
    let mut stream = ours::soon(rustls::connect(tcp, &their_client()))
        .await
        .unwrap_or_else(|error| panic!("{error}"));
    let contexts = [None, Some(&b""[..]), Some(b"a context")];
    let theirs = contexts.map(|context| {
        let connection = stream.get_ref().1;
        let key = connection.export_keying_material([0; 48], LABEL.as_bytes(), context);
        hex(&key.expect("an exported key"))
    });
    stream.shutdown().await.expect("a close");
    let served = server.served().await;
    let information = served.information("rustls");
    assert_eq!(
        contexts.map(|context| exported(information, context)),
        theirs
    );
    assert_ne!(theirs[0], theirs[1]);
}

/// What our side does about the extended master secret, and whether the connection has it then.
const CASES: [(ExtendedMasterSecret, bool); 3] = [
    (ExtendedMasterSecret::Required, true),
    (ExtendedMasterSecret::IfOffered, true),
    (ExtendedMasterSecret::Off, false),
];

#[tokio::test]
async fn openssl_and_gnutls_have_the_extended_master_secret_if_we_do() {
    for (when, extended) in CASES {
        let config = server(&pki().ecdsa_p256).extended_master_secret(when);
        let mut server = ours::Server::echo(config).await;
        let context = format!("s_client to our server, {when:?}");
        let mut program = openssl::client(server.address, &their_client());
        let line = program.wait_for_line("Extended master secret: ").await;
        assert_eq!(line.ends_with("yes"), extended, "{context}: {line}");
        program.finish().await;
        let served = server.served().await;
        check(served.information(&context), extended, &context);

        let context = format!("gnutls-cli to our server, {when:?}");
        let mut program = gnutls::client(server.address, &their_client());
        let line = program.wait_for_line("- Options: ").await;
        assert_eq!(
            line.contains("extended master secret"),
            extended,
            "{context}: {line}"
        );
        program.finish().await;
        let served = server.served().await;
        check(served.information(&context), extended, &context);

        let context = format!("our client to gnutls-serv, {when:?}");
        let mut server = gnutls::server(gnutls::Mode::Echo, &their_server(&pki().ecdsa_p256)).await;
        let config = client().extended_master_secret(when);
        let mut stream = ours::connect(server.address, config)
            .await
            .unwrap_or_else(|error| panic!("{context}: {error}"));
        ours::exchange(&mut stream, HELLO, &HELLO.data(), &context).await;
        check(stream.information(), extended, &context);
        let program = server.program_mut().expect("a program");
        let line = program.wait_for_line("- Options: ").await;
        assert_eq!(
            line.contains("extended master secret"),
            extended,
            "{context}: {line}"
        );
    }
}

/// RFC 7627 §5.4, §6.1, RFC 5705 §5: without it two connections may have the same secret, so nothing is
/// exported from it.
fn check(information: &ConnectionInformation, extended: bool, context: &str) {
    let mut key = [0; 48];
    let result = information.export_keying_material(LABEL.as_bytes(), None, &mut key);
    assert_eq!(result.is_ok(), extended, "{context}: {result:?}");
    assert_eq!(information.tls_exporter().is_ok(), extended, "{context}");
}

/// Erlang/OTP 25 does not know it: RFC 7627 §5.2, §5.3 have handshake_failure.
#[tokio::test]
async fn erlang_is_refused_if_the_extended_master_secret_is_required() {
    let sent = Some((Direction::Sent, AlertDescription::HANDSHAKE_FAILURE));
    for (when, _) in CASES {
        let context = format!("Erlang to our server, {when:?}");
        let config = server(&pki().ecdsa_p256).extended_master_secret(when);
        let mut server = ours::Server::echo(config).await;
        let exchange = Peer::Erlang
            .transfer(server.address, &their_client(), HELLO)
            .await;
        let served = server.served().await;
        match when {
            ExtendedMasterSecret::Required => {
                assert_eq!(served.error(&context).alert(), sent, "{context}");
                assert!(exchange.reply.is_err(), "{context}");
            }
            _ => {
                assert_eq!(exchange.reply.as_deref(), Ok(HELLO.line), "{context}");
                check(served.information(&context), false, &context);
            }
        }

        let context = format!("our client to Erlang, {when:?}");
        let server = Peer::Erlang.server(&their_server(&pki().ecdsa_p256)).await;
        let config = client().extended_master_secret(when);
        match (when, ours::connect(server.address, config).await) {
            (ExtendedMasterSecret::Required, connected) => {
                let error = connected.expect_err(&context);
                assert_eq!(error.alert(), sent, "{context}: {error}");
            }
            (_, connected) => {
                let mut stream = connected.unwrap_or_else(|error| panic!("{context}: {error}"));
                check(stream.information(), false, &context);
                ours::exchange(&mut stream, HELLO, &HELLO.data(), &context).await;
            }
        }
    }
}

#[tokio::test]
async fn openssl_and_we_log_the_same_keys() {
    for (when, _) in CASES {
        let path = scratch::file("server12.keylog", "");
        let word = path.display().to_string();
        let settings = their_server(&pki().ecdsa_p256).extra(&["-keylogfile", &word]);
        let theirs = openssl::server(openssl::Mode::Reverse, &settings).await;
        let lines = Lines::default();
        let stream = ours::connector(client().extended_master_secret(when))
            .key_log(lines.log())
            .connect(theirs.address, ours::name("localhost"))
            .await
            .unwrap_or_else(|error| panic!("{error}"));
        // All that s_server does at its end is done when it has answered ours.
        assert!(ours::close(stream, "our client to s_server").await.is_ok());
        assert_eq!(lines.all(), lines_of(&path));
        assert_eq!(labels(&lines.all()), ["CLIENT_RANDOM"]);

        let theirs = scratch::file("client12.keylog", "");
        let ours = theirs.with_extension("ours");
        let word = theirs.display().to_string();
        let key_log = KeyLogFile::open(&ours).expect("a key log");
        let config = server(&pki().ecdsa_p256).extended_master_secret(when);
        let acceptor = ours::acceptor(config).key_log(key_log);
        let mut server =
            ours::Server::run(
                acceptor,
                |stream| async move { stream.close(ours::LIMIT).await },
            )
            .await;
        let settings = their_client().extra(&["-keylogfile", &word]);
        openssl::client(server.address, &settings).finish().await;
        assert!(server.served().await.handshake.is_ok());
        assert_eq!(lines_of(&ours), lines_of(&theirs));
        assert_eq!(labels(&lines_of(&ours)), ["CLIENT_RANDOM"]);
        std::fs::remove_file(&ours).expect("a file of ours");
    }
}
