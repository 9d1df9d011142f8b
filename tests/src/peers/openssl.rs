//! OpenSSL 3's `s_server` and `s_client` (Debian package `openssl`).

use std::net::SocketAddr;

use super::{Exchange, Group, Message, Peer, Program, Report, Server, Settings, Suite, Version};
use crate::pki::Identity;

const PACKAGE: &str = "openssl";

/// What `s_server` does with a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Answers every line with its characters in reverse order.
    Reverse,
    /// Answers an HTTP request with a page about the connection.
    Www,
    /// Prints what it receives and sends its standard input.
    Terminal,
}

/// Starts `s_server` on a free port of 127.0.0.1.
///
/// # Panics
/// If `openssl` is missing or does not listen in time.
pub async fn server(mode: Mode, settings: &Settings) -> Server {
    let identity = settings.server_identity();
    let mut words = words(&["s_server", "-accept", "127.0.0.1:0"]);
    words.extend(certificate(identity));
    match mode {
        Mode::Reverse => words.push("-rev".to_owned()),
        Mode::Www => words.push("-www".to_owned()),
        Mode::Terminal => {}
    }
    if let Some(root) = settings.root {
        words.extend([
            "-Verify".to_owned(),
            "4".to_owned(),
            "-verify_return_error".to_owned(),
        ]);
        words.extend(["-CAfile".to_owned(), root.file.display().to_string()]);
    }
    words.extend(common(settings));
    let mut program = Program::start("openssl", PACKAGE, words);
    let line = program.wait_for_line("ACCEPT ").await;
    let address = line.trim_start_matches("ACCEPT ").trim().parse();
    let address = address.unwrap_or_else(|_| panic!("s_server printed no address: {line:?}"));
    let mut server = Server::of_program(Peer::Openssl, program, address);
    server.reverses = mode == Mode::Reverse;
    server
}

/// Starts `s_client`; what it receives it prints, what it is sent with [`Program::send`] it sends.
///
/// # Panics
/// If `openssl` is missing.
pub fn client(address: SocketAddr, settings: &Settings) -> Program {
    let mut words = words(&[
        "s_client",
        "-connect",
        &address.to_string(),
        "-servername",
        settings.server_name,
    ]);
    words.extend(self::words(&[
        "-verify_return_error",
        "-verify_hostname",
        settings.server_name,
    ]));
    if let Some(root) = settings.root {
        words.extend(["-CAfile".to_owned(), root.file.display().to_string()]);
    }
    if let Some(identity) = settings.identity {
        words.extend(certificate(identity));
    }
    words.extend(common(settings));
    Program::start("openssl", PACKAGE, words)
}

/// One connection of `s_client`: see [`super::Peer::exchange`] and [`super::Peer::transfer`].
///
/// # Panics
/// If `openssl` is missing or hangs.
pub(super) async fn exchange(
    address: SocketAddr,
    settings: &Settings,
    message: Message<'_>,
) -> Exchange {
    let mut client = client(address, settings);
    client.send(message.data().as_bytes()).await;
    let reply = super::program::reply(&mut client, &message).await;
    let (status, output) = client.finish().await;
    let after = |marker: &str| {
        output
            .line(marker)
            .and_then(|line| line.split(marker).nth(1))
    };
    Exchange {
        reply: match reply {
            Some(reply) if status.success() => Ok(reply),
            _ => Err(output.to_string()),
        },
        report: Report {
            // What is new is the version that brought the suite; that is TLS 1.3 itself, or older.
            version: after("Protocol  : ").and_then(Version::parse).or_else(|| {
                let suite = after("New, ").and_then(|rest| rest.split(',').next());
                suite.and_then(Version::parse)
            }),
            suite: after("Cipher is ").map(Suite::registered_name),
            group: after("Server Temp Key: ").and_then(temporary_key),
            alpn: after("ALPN protocol: ").map(str::to_owned),
        },
        closed: None,
    }
}

fn certificate(identity: &Identity) -> Vec<String> {
    let mut words = words(&["-cert"]);
    words.push(identity.certificate_file.display().to_string());
    words.extend(["-key".to_owned(), identity.key_file.display().to_string()]);
    if let Some(file) = &identity.issuers_file {
        words.extend(["-cert_chain".to_owned(), file.display().to_string()]);
    }
    words
}

fn temporary_key(text: &str) -> Option<Group> {
    text.split(", ").find_map(|word| match word {
        "prime256v1" => Some(Group::Secp256r1),
        word => Group::parse(word),
    })
}

fn common(settings: &Settings) -> Vec<String> {
    let mut words = words(&[match settings.version {
        Version::Tls10 => "-tls1",
        Version::Tls11 => "-tls1_1",
        Version::Tls12 => "-tls1_2",
        Version::Tls13 => "-tls1_3",
    }]);
    let is_old = matches!(settings.version, Version::Tls10 | Version::Tls11);
    // Its signatures use SHA-1.
    let level = if is_old { ":@SECLEVEL=0" } else { "" };
    if is_old && settings.suites.is_empty() {
        words.extend(["-cipher".to_owned(), format!("DEFAULT{level}")]);
    }
    if !settings.groups.is_empty() {
        words.extend(["-groups".to_owned(), settings.spell_groups(group, ":")]);
    }
    if !settings.suites.is_empty() {
        let option = match settings.version {
            Version::Tls10 | Version::Tls11 | Version::Tls12 => "-cipher",
            Version::Tls13 => "-ciphersuites",
        };
        words.extend([option.to_owned(), suites(settings) + level]);
    }
    if !settings.alpn.is_empty() {
        words.extend(["-alpn".to_owned(), settings.alpn.join(",")]);
    }
    words.extend(settings.extra.iter().cloned());
    words
}

/// OpenSSL's list of cipher suites, which is also Python's and curl's.
pub(super) fn suites(settings: &Settings) -> String {
    settings.spell_suites(|suite| suite.openssl_name().to_owned(), ":")
}

/// OpenSSL's spelling for `-groups`, and for `--curves` of curl.
pub(super) fn group(group: Group) -> String {
    match group {
        Group::X25519 => "X25519",
        Group::Secp256r1 => "P-256",
        Group::Secp384r1 => "P-384",
        Group::Secp521r1 => "P-521",
        Group::X448 => "X448",
        group => group.name(),
    }
    .to_owned()
}

fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(ToString::to_string).collect()
}
