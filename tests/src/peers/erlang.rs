//! Erlang/OTP's `ssl` application, driven by the escripts in `tests/peers/erlang`.

use std::fmt::Write;
use std::net::SocketAddr;

use super::{
    Exchange, Message, Output, Peer, Program, Server, Settings, Version, ready_port, script,
    scripted_exchange,
};
use crate::scratch;

const PACKAGE: &str =
    "erlang-base erlang-ssl erlang-crypto erlang-public-key erlang-asn1 erlang-inets";

/// Starts the echo server on a free port of 127.0.0.1.
///
/// # Panics
/// If Erlang is missing or does not listen in time.
pub async fn server(settings: &Settings) -> Server {
    let mut options = common(settings);
    if let Some(root) = settings.root {
        let _ = write!(options, ", {{cacertfile, {:?}}}", root.file);
        options += ", {verify, verify_peer}, {fail_if_no_peer_cert, true}";
    }
    if !settings.alpn.is_empty() {
        let _ = write!(
            options,
            ", {{alpn_preferred_protocols, [{}]}}",
            binaries(&settings.alpn)
        );
    }
    let mut program = start(
        "server.escript",
        &format!("[{{ssl, [{options}{}]}}].\n", extra(settings)),
    );
    let address = ready_port(&mut program).await;
    Server::of_program(Peer::Erlang, program, address)
}

/// One connection: see [`super::Peer::exchange`] and [`super::Peer::transfer`].
///
/// # Panics
/// If Erlang is missing or the client hangs.
pub(super) async fn exchange(
    address: SocketAddr,
    settings: &Settings,
    message: Message<'_>,
) -> Exchange {
    let output = run_client(address, settings, message, 0).await;
    scripted_exchange(&output)
}

/// The last of two connections of one client, which keeps the tickets of the first if the settings
/// have `{session_tickets, auto}`, and its session of TLS 1.2 in any case. Also whether it says that
/// it has resumed, which it does of TLS 1.3 only.
///
/// # Panics
/// If Erlang is missing or the client hangs.
pub async fn exchange_again(
    address: SocketAddr,
    settings: &Settings,
    message: Message<'_>,
) -> (Exchange, bool) {
    let output = run_client(address, settings, message, 1).await;
    let resumed = output.stdout.contains("\"resumed\":\"true\"");
    (scripted_exchange(&output), resumed)
}

async fn run_client(
    address: SocketAddr,
    settings: &Settings,
    message: Message<'_>,
    before: usize,
) -> Output {
    let options = client(settings);
    let config = format!(
        "[{{port, {}}}, {{line, {:?}}}, {{count, {}}}, {{before, {before}}}, {{ssl, [{options}]}}].\n",
        address.port(),
        message.line,
        message.count,
    );
    start("client.escript", &config).finish().await.1
}

/// The cipher suites that it lists for TLS 1.2, as IANA spells them.
///
/// # Panics
/// If Erlang is missing.
pub async fn suites_of_tls12() -> Vec<String> {
    let (_, output) = start("suites.escript", "").finish().await;
    output.stdout.lines().map(str::to_owned).collect()
}

/// What an Erlang process does with one connection: Erlang terms, see `session.escript`.
#[derive(Clone, Copy, Debug, Default)]
pub struct Session<'a> {
    /// Steps in plain text, before the handshake.
    pub plain: &'a str,
    /// Steps over TLS.
    pub steps: &'a str,
}

/// Starts a server of one connection on a free port of 127.0.0.1.
///
/// # Panics
/// If Erlang is missing or does not listen in time.
pub async fn server_session(settings: &Settings, session: Session<'_>) -> (Program, SocketAddr) {
    let mut program = start(
        "session.escript",
        &session.config("", &(common(settings) + &extra(settings))),
    );
    let address = ready_port(&mut program).await;
    (program, address)
}

/// Starts a client of one connection.
///
/// # Panics
/// If Erlang is missing.
pub fn client_session(address: SocketAddr, settings: &Settings, session: Session<'_>) -> Program {
    let port = format!("{{port, {}}}, ", address.port());
    start("session.escript", &session.config(&port, &client(settings)))
}

/// Waits until the session is over.
///
/// # Panics
/// If a step of it failed.
pub async fn finish_session(program: Program) {
    let (status, output) = program.finish().await;
    assert!(
        status.success() && output.line("DONE").is_some(),
        "the session failed:\n{output}"
    );
}

/// What `erlang:decode_packet/3` makes of bytes: terms and what is printed, see `packets.escript`.
///
/// # Panics
/// If Erlang is missing or fails.
pub async fn decode_packets(cases: &str) -> String {
    let (status, output) = start("packets.escript", cases).finish().await;
    assert!(
        status.success() && output.line("DONE").is_some(),
        "it failed:\n{output}"
    );
    output.stdout
}

impl Session<'_> {
    fn config(&self, port: &str, options: &str) -> String {
        format!(
            "[{port}{{plain, [{}]}}, {{ssl, [{options}]}}, {{steps, [{}]}}].\n",
            self.plain, self.steps
        )
    }
}

fn start(name: &str, config: &str) -> Program {
    let config = scratch::file("erlang.config", config);
    Program::start("escript", PACKAGE, [script("erlang").join(name), config])
}

/// The options that both roles have, as Erlang terms. Rust's and Erlang's string literals agree for
/// the ASCII names and paths used here.
fn common(settings: &Settings) -> String {
    let mut options = String::from(match settings.version {
        Version::Tls10 => "{versions, [tlsv1]}",
        Version::Tls11 => "{versions, ['tlsv1.1']}",
        Version::Tls12 => "{versions, ['tlsv1.2']}",
        Version::Tls13 => "{versions, ['tlsv1.3']}",
    });
    if let Some(identity) = settings.identity {
        let _ = write!(
            options,
            ", {{certfile, {:?}}}, {{keyfile, {:?}}}",
            identity.chain_file, identity.key_file
        );
    }
    if !settings.groups.is_empty() {
        let groups = settings.spell_groups(|group| group.name().to_owned(), ", ");
        let option = match settings.version {
            Version::Tls10 | Version::Tls11 | Version::Tls12 => "eccs",
            Version::Tls13 => "supported_groups",
        };
        let _ = write!(options, ", {{{option}, [{groups}]}}");
    }
    if !settings.suites.is_empty() {
        let suites = settings.spell_suites(|suite| format!("{:?}", suite.name()), ", ");
        let _ = write!(options, ", {{ciphers, [{suites}]}}");
    }
    options
}

/// The options of a client.
fn client(settings: &Settings) -> String {
    let mut options = common(settings);
    if let Some(root) = settings.root {
        let _ = write!(
            options,
            ", {{verify, verify_peer}}, {{cacertfile, {:?}}}",
            root.file
        );
    }
    let _ = write!(
        options,
        ", {{server_name_indication, {:?}}}",
        settings.server_name
    );
    if !settings.alpn.is_empty() {
        let _ = write!(
            options,
            ", {{alpn_advertised_protocols, [{}]}}",
            binaries(&settings.alpn)
        );
    }
    options + &extra(settings)
}

fn extra(settings: &Settings) -> String {
    settings
        .extra
        .iter()
        .map(|term| format!(", {term}"))
        .collect()
}

fn binaries(names: &[&str]) -> String {
    names
        .iter()
        .map(|name| format!("<<{name:?}>>"))
        .collect::<Vec<_>>()
        .join(", ")
}
