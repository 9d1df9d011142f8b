//! curl as an HTTPS client (Debian package `curl`).

use std::net::SocketAddr;

use super::{Output, Program, Report, Settings, Suite, Version, openssl};

/// What became of a [`fetch`].
#[derive(Debug)]
pub struct Fetch {
    /// The body, or curl's exit code (60: the certificate is refused, 35: the handshake failed).
    pub body: Result<String, i32>,
    /// What curl tells about the connection.
    pub report: Report,
    /// All that it printed, `--verbose`.
    pub output: Output,
}

/// Fetches `https://<server_name>:<port><path>` from `address`.
///
/// # Panics
/// If `curl` is missing or hangs.
pub async fn fetch(address: SocketAddr, settings: &Settings, path: &str) -> Fetch {
    let port = address.port();
    let name = settings.server_name;
    let mut words: Vec<String> = [
        "--silent",
        "--show-error",
        "--verbose",
        "--noproxy",
        "*",
        "--max-time",
        "15",
    ]
    .map(str::to_owned)
    .to_vec();
    words.extend([
        "--resolve".to_owned(),
        format!("{name}:{port}:{}", address.ip()),
    ]);
    words.extend(match settings.version {
        Version::Tls10 => [
            "--tlsv1.0".to_owned(),
            "--tls-max".to_owned(),
            "1.0".to_owned(),
        ],
        Version::Tls11 => [
            "--tlsv1.1".to_owned(),
            "--tls-max".to_owned(),
            "1.1".to_owned(),
        ],
        Version::Tls12 => [
            "--tlsv1.2".to_owned(),
            "--tls-max".to_owned(),
            "1.2".to_owned(),
        ],
        Version::Tls13 => [
            "--tlsv1.3".to_owned(),
            "--tls-max".to_owned(),
            "1.3".to_owned(),
        ],
    });
    if let Some(root) = settings.root {
        words.extend(["--cacert".to_owned(), root.file.display().to_string()]);
    }
    if let Some(identity) = settings.identity {
        words.extend([
            "--cert".to_owned(),
            identity.chain_file.display().to_string(),
        ]);
        words.extend(["--key".to_owned(), identity.key_file.display().to_string()]);
    }
    if !settings.groups.is_empty() {
        words.extend([
            "--curves".to_owned(),
            settings.spell_groups(openssl::group, ":"),
        ]);
    }
    if !settings.suites.is_empty() {
        let option = match settings.version {
            Version::Tls10 | Version::Tls11 | Version::Tls12 => "--ciphers",
            Version::Tls13 => "--tls13-ciphers",
        };
        words.extend([option.to_owned(), openssl::suites(settings)]);
    }
    words.extend(settings.extra.iter().cloned());
    words.push(format!("https://{name}:{port}{path}"));

    let (status, output) = Program::start("curl", "curl", words).finish().await;
    // * SSL connection using TLSv1.3 / TLS_AES_256_GCM_SHA384
    let connection: Vec<&str> = output
        .line("SSL connection using ")
        .and_then(|line| line.split(" using ").nth(1))
        .map(|rest| rest.split(" / ").collect())
        .unwrap_or_default();
    let report = Report {
        version: connection
            .first()
            .and_then(|version| Version::parse(version)),
        suite: connection
            .get(1)
            .map(|suite| Suite::registered_name(suite.trim())),
        group: None,
        alpn: output
            .line("ALPN: server accepted ")
            .or_else(|| output.line("ALPN, server accepted to use "))
            .and_then(|line| line.rsplit(' ').next())
            .map(str::to_owned),
    };
    let body = if status.success() {
        Ok(output.stdout.clone())
    } else {
        Err(status.code().unwrap_or(-1))
    };
    Fetch {
        body,
        report,
        output,
    }
}
