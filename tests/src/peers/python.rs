//! Python's `ssl` module, driven by the scripts in `tests/peers/python` (Debian package `python3`).

use std::net::SocketAddr;

use serde_json::json;

use super::{
    Exchange, Message, Peer, Program, Server, Settings, Version, openssl, ready_port, script,
    scripted_exchange,
};

const PACKAGE: &str = "python3";

/// Starts the echo server on a free port of 127.0.0.1.
///
/// # Panics
/// If `python3` is missing, does not listen in time, or the settings limit groups or the suites of
/// TLS 1.3, which Python cannot.
pub async fn server(settings: &Settings) -> Server {
    let mut program = start("server.py", settings, None);
    let address = ready_port(&mut program).await;
    Server::of_program(Peer::Python, program, address)
}

/// One connection: see [`super::Peer::exchange`] and [`super::Peer::transfer`].
///
/// # Panics
/// As [`server`], or if the client hangs.
pub(super) async fn exchange(
    address: SocketAddr,
    settings: &Settings,
    message: Message<'_>,
) -> Exchange {
    let program = start("client.py", settings, Some((address, message, 1)));
    let (_, output) = program.finish().await;
    scripted_exchange(&output)
}

/// Starts a server, or a client that sends the message over so many connections, each but the first offering to resume.
/// `tickets=no`, the only further word, is for TLS 1.2: OpenSSL has none in TLS 1.3 then.
pub(super) fn start(
    name: &str,
    settings: &Settings,
    transfer: Option<(SocketAddr, Message<'_>, usize)>,
) -> Program {
    let (address, message) = (
        transfer.map(|(address, ..)| address),
        transfer.map(|(_, message, _)| message),
    );
    assert!(
        settings.groups.is_empty()
            && (settings.suites.is_empty() || settings.version != Version::Tls13),
        "Python's ssl can limit neither groups nor the suites of TLS 1.3"
    );
    let path = |path: &std::path::PathBuf| path.display().to_string();
    let config = json!({
        "host": address.map(|address| address.ip().to_string()),
        "port": address.map(|address| address.port()),
        "line": message.map(|message| message.line),
        "count": message.map(|message| message.count),
        "connections": transfer.map(|(.., connections)| connections),
        "tickets": !settings.extra.iter().any(|word| word == "tickets=no"),
        "version": match settings.version {
            Version::Tls10 => "TLSv1",
            Version::Tls11 => "TLSv1_1",
            Version::Tls12 => "TLSv1_2",
            Version::Tls13 => "TLSv1_3",
        },
        "ciphers": openssl::suites(settings),
        "alpn": settings.alpn,
        "chain": settings.identity.map(|identity| path(&identity.chain_file)),
        "key": settings.identity.map(|identity| path(&identity.key_file)),
        "root": settings.root.map(|root| path(&root.file)),
        "server_name": settings.server_name,
    });
    let script = script("python").join(name).display().to_string();
    Program::start("python3", PACKAGE, [script, config.to_string()])
}
