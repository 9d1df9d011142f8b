//! wolfSSL (Debian package `libwolfssl-dev`, 5.5.4 in Debian 12): `tests/peers/wolfssl/peer.c`,
//! compiled when it is first wanted. It has neither DTLS 1.3 nor connection ids (`options.h`), as Debian's Mbed TLS 2.28.3 has
//! no connection ids (`config.h`). It is no [`super::Peer`], because it can do too little (no ALPN, no
//! client certificate); it is here for its HelloRetryRequest, which is unlike that of all others,
//! and as one more reading of TLS 1.2.

use std::net::SocketAddr;
use std::process::Command;
use std::sync::OnceLock;

use super::{Exchange, Group, Program, Report, Settings, Suite, Version, ready_port, script};
use crate::scratch;

const PACKAGE: &str = "libwolfssl-dev gcc";

/// Compiles the program, once.
fn program() -> &'static str {
    static PROGRAM: OnceLock<String> = OnceLock::new();
    PROGRAM.get_or_init(|| {
        let path = scratch::directory().join("wolfssl-peer");
        let output = Command::new("cc")
            .arg("-o")
            .arg(&path)
            .arg(script("wolfssl").join("peer.c"))
            .arg("-lwolfssl")
            .output()
            .unwrap_or_else(|error| panic!("cannot start `cc`: {error}; on Debian: {PACKAGE}"));
        assert!(
            output.status.success(),
            "wolfSSL's peer does not compile; on Debian: apt-get install {PACKAGE}\n{}",
            String::from_utf8_lossy(&output.stderr)
        );
        path.display().to_string()
    })
}

/// Starts an echo server, of TLS 1.3 with this group only. It prints `CONNECTED` for each
/// connection; [`report`] reads it.
///
/// # Panics
/// If it cannot be compiled, does not listen in time, or the settings have no identity.
pub async fn server(settings: &Settings, group: Group) -> (Program, SocketAddr) {
    let identity = settings.server_identity();
    let mut words = common("server", settings, group);
    words.push(identity.chain_file.display().to_string());
    words.push(identity.key_file.display().to_string());
    let mut program = Program::start(program(), PACKAGE, words);
    let address = ready_port(&mut program).await;
    (program, address)
}

/// One connection of a client: of TLS 1.2 with this group alone, of TLS 1.3 with a share of it alone
/// in its first hello, which can do P-384 as well.
///
/// # Panics
/// If it cannot be compiled, hangs, or the settings have no root.
pub async fn exchange(
    address: SocketAddr,
    settings: &Settings,
    group: Group,
    line: &str,
) -> Exchange {
    let root = settings
        .root
        .unwrap_or_else(|| panic!("it always verifies"));
    let mut words = common("client", settings, group);
    words.extend([
        address.port().to_string(),
        root.file.display().to_string(),
        settings.server_name.to_owned(),
        line.to_owned(),
    ]);
    let (_, output) = Program::start(program(), PACKAGE, words).finish().await;
    let reply = output
        .stdout
        .lines()
        .find_map(|line| line.strip_prefix("REPLY "));
    Exchange {
        reply: reply.map(str::to_owned).ok_or_else(|| output.to_string()),
        report: output.line("CONNECTED ").map(report).unwrap_or_default(),
        closed: None,
    }
}

/// Reads the line `CONNECTED`.
pub fn report(line: &str) -> Report {
    let mut words = line.split(' ').skip(1);
    let mut word = || words.next().unwrap_or_default();
    Report {
        version: Version::parse(word()),
        suite: {
            let name = word();
            let found = Suite::all().find(|suite| self::suite(*suite) == name);
            found.map(|suite| suite.name().to_owned())
        },
        group: Group::parse(word()),
        alpn: None,
    }
}

fn common(role: &str, settings: &Settings, group: Group) -> Vec<String> {
    let version = match settings.version {
        Version::Tls10 | Version::Tls11 => panic!("its program has no TLS 1.1"),
        Version::Tls12 => "1.2",
        Version::Tls13 => "1.3",
    };
    let suites = settings.spell_suites(|suite| self::suite(suite).to_owned(), ":");
    [role, version, &suites, group.name()]
        .map(str::to_owned)
        .into()
}

fn suite(suite: Suite) -> &'static str {
    match suite {
        Suite::Aes128Gcm => "TLS13-AES128-GCM-SHA256",
        Suite::Aes256Gcm => "TLS13-AES256-GCM-SHA384",
        Suite::Chacha20Poly1305 => "TLS13-CHACHA20-POLY1305-SHA256",
        before => before.openssl_name(),
    }
}
