//! `gnutls-serv` and `gnutls-cli` (Debian package `gnutls-bin`).

use std::fmt::Write;
use std::net::SocketAddr;

use super::{
    Exchange, Group, Message, Peer, Program, Report, Server, Settings, Suite, Version, free_port,
};

const PACKAGE: &str = "gnutls-bin";

/// What `gnutls-serv` does with a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Sends back what it receives.
    Echo,
    /// Answers an HTTP request with a page about the connection.
    Http,
}

/// Starts `gnutls-serv` on a free port. It binds all addresses, it has no option for one.
///
/// # Panics
/// If `gnutls-serv` is missing or does not listen in time.
pub async fn server(mode: Mode, settings: &Settings) -> Server {
    let identity = settings.server_identity();
    let mut failure = String::new();
    // It cannot choose a port itself, and another process may take the one that we found.
    for _ in 0..5 {
        let port = free_port();
        let mut words = vec![
            match mode {
                Mode::Echo => "--echo".to_owned(),
                Mode::Http => "--http".to_owned(),
            },
            format!("--port={port}"),
            format!("--priority={}", priority(settings)),
            format!("--x509certfile={}", identity.chain_file.display()),
            format!("--x509keyfile={}", identity.key_file.display()),
        ];
        if let Some(root) = settings.root {
            words.extend([
                "--require-client-cert".to_owned(),
                "--verify-client-cert".to_owned(),
            ]);
            words.push(format!("--x509cafile={}", root.file.display()));
        } else if !settings
            .extra
            .iter()
            .any(|word| word == "--require-client-cert")
        {
            words.push("--disable-client-cert".to_owned());
        }
        words.extend(
            settings
                .alpn
                .iter()
                .map(|protocol| format!("--alpn={protocol}")),
        );
        words.extend(settings.extra.iter().cloned());
        let mut program = Program::start("gnutls-serv", PACKAGE, words);
        match program
            .try_wait_for_line(&format!("listening on IPv4 0.0.0.0 port {port}...done"))
            .await
        {
            Ok(_) => {
                return Server::of_program(
                    Peer::Gnutls,
                    program,
                    SocketAddr::from(([127, 0, 0, 1], port)),
                );
            }
            Err(output) => failure = output.to_string(),
        }
    }
    panic!("gnutls-serv does not listen:\n{failure}")
}

/// Starts `gnutls-cli`; what it receives it prints, what it is sent with [`Program::send`] it sends.
///
/// # Panics
/// If `gnutls-cli` is missing.
pub fn client(address: SocketAddr, settings: &Settings) -> Program {
    let mut words = vec![
        format!("--port={}", address.port()),
        format!("--priority={}", priority(settings)),
        format!("--sni-hostname={}", settings.server_name),
        format!("--verify-hostname={}", settings.server_name),
    ];
    if let Some(root) = settings.root {
        words.push(format!("--x509cafile={}", root.file.display()));
    }
    if let Some(identity) = settings.identity {
        words.push(format!("--x509certfile={}", identity.chain_file.display()));
        words.push(format!("--x509keyfile={}", identity.key_file.display()));
    }
    words.extend(
        settings
            .alpn
            .iter()
            .map(|protocol| format!("--alpn={protocol}")),
    );
    words.extend(settings.extra.iter().cloned());
    words.push(address.ip().to_string());
    Program::start("gnutls-cli", PACKAGE, words)
}

/// One connection of `gnutls-cli`: see [`super::Peer::exchange`] and [`super::Peer::transfer`].
///
/// # Panics
/// If `gnutls-cli` is missing or hangs.
pub(super) async fn exchange(
    address: SocketAddr,
    settings: &Settings,
    message: Message<'_>,
) -> Exchange {
    let mut client = client(address, settings);
    client.send(message.data().as_bytes()).await;
    let reply = super::program::reply(&mut client, &message).await;
    let (status, output) = client.finish().await;
    Exchange {
        reply: match reply {
            Some(reply) if status.success() => Ok(reply),
            _ => Err(output.to_string()),
        },
        report: report(&output.stdout),
        closed: None,
    }
}

/// Reads what both programs print about a connection.
pub(super) fn report(text: &str) -> Report {
    let after = |marker: &str| {
        text.lines()
            .find_map(|line| line.strip_prefix(marker))
            .map(str::to_owned)
    };
    // (TLS1.3-X.509)-(ECDHE-X25519)-(ECDSA-SECP256R1-SHA256)-(AES-256-GCM)
    // (TLS1.2-X.509)-(ECDHE-X25519)-(RSA-SHA256)-(AES-256-GCM)
    let description = after("- Description: ").unwrap_or_default();
    let parts: Vec<&str> = description
        .split(['(', ')'])
        .filter(|part| part.len() > 1)
        .collect();
    let part = |prefix: &str| parts.iter().find_map(|part| part.strip_prefix(prefix));
    // (TLS1.2-X.509)-(ECDHE-X25519)-(RSA-SHA256)-(AES-256-CBC)-(SHA384)
    let (cipher, mac) = match parts.as_slice() {
        [.., cipher, mac] if mac.starts_with("SHA") => (*cipher, Some(*mac)),
        [.., cipher] => (*cipher, None),
        [] => ("", None),
    };
    let version = parts
        .first()
        .and_then(|part| part.split('-').next())
        .and_then(Version::parse);
    // The key exchange of TLS 1.2 is not told, but the signature is; in the suites of ECDHE_ECDSA
    // that can also be EdDSA.
    let key_exchange = match version {
        // With the size of the group that is no curve.
        Some(Version::Tls12) if part("DHE-").is_some() => Some("DHE-RSA"),
        // (TLS1.2-X.509)-(RSA)-(AES-128-GCM)
        Some(Version::Tls12) if parts.contains(&"RSA") => Some("RSA"),
        Some(Version::Tls12) if part("RSA-").is_some() => Some("ECDHE-RSA"),
        Some(Version::Tls12) => Some("ECDHE-ECDSA"),
        _ => None,
    };
    Report {
        version,
        suite: Suite::all()
            .find(|suite| self::suite(*suite) == (key_exchange, cipher, mac))
            .map(|suite| suite.name().to_owned()),
        group: part("ECDHE-").and_then(Group::parse),
        alpn: after("- Application protocol: "),
    }
}

fn priority(settings: &Settings) -> String {
    let mut priority = String::from(match settings.version {
        Version::Tls10 => "NORMAL:-VERS-ALL:+VERS-TLS1.0",
        Version::Tls11 => "NORMAL:-VERS-ALL:+VERS-TLS1.1",
        Version::Tls12 => "NORMAL:-VERS-ALL:+VERS-TLS1.2",
        Version::Tls13 => "NORMAL:-VERS-ALL:+VERS-TLS1.3",
    });
    if !settings.groups.is_empty() {
        priority += ":-GROUP-ALL:";
        priority += &settings.spell_groups(
            |group| format!("+GROUP-{}", group.name().to_ascii_uppercase()),
            ":",
        );
    }
    if !settings.suites.is_empty() {
        let key_exchange = match settings.version {
            Version::Tls10 | Version::Tls11 | Version::Tls12 => "-KX-ALL:",
            Version::Tls13 => "",
        };
        let suites = settings.spell_suites(
            |suite| match self::suite(suite) {
                (Some(key_exchange), cipher, None) => format!("+{key_exchange}:+{cipher}"),
                (Some(key_exchange), cipher, Some(mac)) => {
                    format!("+{key_exchange}:+{cipher}:-MAC-ALL:+{mac}")
                }
                (None, cipher, _) => format!("+{cipher}"),
            },
            ":",
        );
        let _ = write!(priority, ":{key_exchange}-CIPHER-ALL:{suites}");
    }
    priority
}

/// The key exchange, before TLS 1.3, the cipher, and the MAC, if that is not the cipher's.
fn suite(suite: Suite) -> (Option<&'static str>, &'static str, Option<&'static str>) {
    const AES128: &str = "AES-128-GCM";
    const AES256: &str = "AES-256-GCM";
    const CHACHA20: &str = "CHACHA20-POLY1305";
    const CBC128: &str = "AES-128-CBC";
    const CBC256: &str = "AES-256-CBC";
    let key_exchange = match suite.name() {
        name if name.starts_with("TLS_ECDHE_ECDSA_") => Some("ECDHE-ECDSA"),
        name if name.starts_with("TLS_ECDHE_RSA_") => Some("ECDHE-RSA"),
        name if name.starts_with("TLS_DHE_RSA_") => Some("DHE-RSA"),
        name if name.starts_with("TLS_RSA_") => Some("RSA"),
        _ => None,
    };
    let (cipher, mac) = match suite {
        Suite::Aes128Gcm
        | Suite::EcdheEcdsaAes128Gcm
        | Suite::EcdheRsaAes128Gcm
        | Suite::DheRsaAes128Gcm => (AES128, None),
        Suite::Aes256Gcm
        | Suite::EcdheEcdsaAes256Gcm
        | Suite::EcdheRsaAes256Gcm
        | Suite::DheRsaAes256Gcm => (AES256, None),
        Suite::Chacha20Poly1305
        | Suite::EcdheEcdsaChacha20Poly1305
        | Suite::EcdheRsaChacha20Poly1305
        | Suite::DheRsaChacha20Poly1305 => (CHACHA20, None),
        Suite::EcdheEcdsaAes128CbcSha | Suite::EcdheRsaAes128CbcSha | Suite::DheRsaAes128CbcSha => {
            (CBC128, Some("SHA1"))
        }
        Suite::EcdheEcdsaAes256CbcSha | Suite::EcdheRsaAes256CbcSha | Suite::DheRsaAes256CbcSha => {
            (CBC256, Some("SHA1"))
        }
        Suite::EcdheEcdsaAes128CbcSha256
        | Suite::EcdheRsaAes128CbcSha256
        | Suite::DheRsaAes128CbcSha256 => (CBC128, Some("SHA256")),
        Suite::DheRsaAes256CbcSha256 => (CBC256, Some("SHA256")),
        Suite::EcdheEcdsaAes256CbcSha384 | Suite::EcdheRsaAes256CbcSha384 => {
            (CBC256, Some("SHA384"))
        }
        Suite::Aes128Ccm | Suite::EcdheEcdsaAes128Ccm => ("AES-128-CCM", None),
        Suite::Aes128Ccm8 | Suite::EcdheEcdsaAes128Ccm8 => ("AES-128-CCM-8", None),
        Suite::EcdheEcdsaAes256Ccm => ("AES-256-CCM", None),
        Suite::EcdheEcdsaAes256Ccm8 => ("AES-256-CCM-8", None),
        Suite::RsaAes128Gcm => (AES128, None),
        Suite::RsaAes256Gcm => (AES256, None),
        Suite::RsaAes128CbcSha256 => (CBC128, Some("SHA256")),
        Suite::RsaAes256CbcSha256 => (CBC256, Some("SHA256")),
        Suite::RsaAes128CbcSha => (CBC128, Some("SHA1")),
        Suite::RsaAes256CbcSha => (CBC256, Some("SHA1")),
    };
    (key_exchange, cipher, mac)
}
