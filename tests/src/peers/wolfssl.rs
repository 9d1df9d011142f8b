//! wolfSSL (Debian package `libwolfssl-dev`, 5.5.4 in Debian 12): `tests/peers/wolfssl/peer.c`,
//! compiled when it is first wanted. It is no [`super::Peer`], because it reports too little; what
//! it is here for is its HelloRetryRequest, which is unlike that of all others.

use std::net::SocketAddr;
use std::process::Command;
use std::sync::OnceLock;

use super::{Exchange, Group, Program, Report, Settings, Version, ready_port, script};
use crate::pki::Identity;
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

/// Starts an echo server that has only this group. It prints `CONNECTED` for each connection.
///
/// # Panics
/// If it cannot be compiled or does not listen in time.
pub async fn server(identity: &Identity, group: Group) -> (Program, SocketAddr) {
    let words = [
        "server".to_owned(),
        identity.chain_file.display().to_string(),
        identity.key_file.display().to_string(),
        group.name().to_owned(),
    ];
    let mut program = Program::start(program(), PACKAGE, words);
    let address = ready_port(&mut program).await;
    (program, address)
}

/// One connection of a client whose first hello has a share of `group` alone, and that can do
/// P-384 as well.
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
    let words = [
        "client".to_owned(),
        address.port().to_string(),
        root.file.display().to_string(),
        settings.server_name.to_owned(),
        group.name().to_owned(),
        line.to_owned(),
    ];
    let (_, output) = Program::start(program(), PACKAGE, words).finish().await;
    let after = |marker: &str| {
        let mut lines = output.stdout.lines();
        lines.find_map(|line| line.strip_prefix(marker).map(str::to_owned))
    };
    Exchange {
        reply: after("REPLY ").ok_or_else(|| output.to_string()),
        report: Report {
            version: after("CONNECTED ").map(|_| Version::Tls13),
            // It has names of its own for suites.
            ..Report::default()
        },
        closed: None,
    }
}
