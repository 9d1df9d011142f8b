//! NSS, the library of Firefox: `tstclnt` and `selfserv` (Debian package `libnss3-tools`).
//!
//! It is no [`super::Peer`]: its server speaks HTTP only, and it keeps keys in a database of its own.

use std::ffi::OsStr;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Command;

use super::{Exchange, Output, Program, Report, Settings, Version, free_port};
use crate::pki::{Identity, Root};
use crate::scratch;

const PACKAGE: &str = "libnss3-tools";

/// Starts a server that answers each request with a page; with a root it demands a client certificate.
///
/// # Panics
/// If the program is missing, or does not listen in time.
pub async fn server(settings: &Settings) -> (Program, SocketAddr) {
    let identity = settings.server_identity();
    let address = SocketAddr::from(([127, 0, 0, 1], free_port()));
    let mut words = common(settings);
    words.extend(["-p".to_owned(), address.port().to_string()]);
    // One option for each kind of key.
    let option = if identity.name.starts_with("rsa") {
        "-n"
    } else {
        "-e"
    };
    words.extend([option.to_owned(), identity.name.to_owned()]);
    if settings.root.is_some() {
        words.extend(["-r", "-r"].map(str::to_owned));
    }
    let mut program = Program::start("selfserv", PACKAGE, words);
    program.wait_for_line("About to call accept").await;
    (program, address)
}

/// What the server says about the connection with this number, from 0.
///
/// # Panics
/// If it does not in time.
pub async fn report_of(program: &mut Program, number: usize) -> Report {
    let told =
        |output: &Output| report(&output.stderr, number).or_else(|| report(&output.stdout, number));
    let output = program.wait_until(|output| told(output).is_some()).await;
    let output =
        output.unwrap_or_else(|output| panic!("nothing of connection {number}:\n{output}"));
    told(&output).unwrap_or_default()
}

/// Connects, sends the line and waits for it to come back. The client is then killed.
///
/// # Panics
/// If the program is missing.
pub async fn exchange(address: SocketAddr, settings: &Settings, line: &str) -> Exchange {
    let mut words = common(settings);
    let named = [
        "-h",
        settings.server_name,
        "-4",
        "-p",
        &address.port().to_string(),
        // This side speaks first.
        "-f",
    ];
    words.extend(named.map(str::to_owned));
    if let Some(identity) = settings.identity {
        words.extend(["-n".to_owned(), identity.name.to_owned()]);
    }
    let mut program = Program::start("tstclnt", PACKAGE, words);
    program.send(format!("{line}\n").as_bytes()).await;
    let came = |output: &Output| output.stdout.lines().any(|one| one == line);
    let (reply, output) = match program.wait_until(came).await {
        Ok(output) => (Ok(line.to_owned()), output),
        Err(output) => (Err(output.to_string()), output),
    };
    Exchange {
        reply,
        report: report(&output.stderr, 0).unwrap_or_default(),
        closed: None,
    }
}

/// Sends these bytes over so many connections, one after the other, each of which the server ends; the later ones
/// offer to resume the first. Gives all that came, and what the client tells.
///
/// # Panics
/// If the program is missing, or does not end well.
pub async fn fetch(
    address: SocketAddr,
    settings: &Settings,
    request: &str,
    connections: usize,
) -> Output {
    let mut words = common(settings);
    let request = scratch::file("request", request).display().to_string();
    let (port, connections) = (address.port().to_string(), connections.to_string());
    let named = ["-h", settings.server_name, "-4", "-p", &port, "-f"];
    words.extend(named.map(str::to_owned));
    words.extend(["-A", &request, "-L", &connections].map(str::to_owned));
    let (status, output) = Program::start("tstclnt", PACKAGE, words).finish().await;
    assert!(status.success(), "{output}");
    output
}

/// `SSL version 3.3 using 128-bit AES-GCM with 128-bit AEAD MAC`: neither tells the suite.
fn report(text: &str, number: usize) -> Option<Report> {
    let mut lines = text
        .split_inclusive('\n')
        .filter_map(|line| line.split_once("SSL version "));
    let (_, rest) = lines.nth(number)?;
    Some(Report {
        version: match rest.split_once(' ')?.0 {
            "3.1" => Some(Version::Tls10),
            "3.2" => Some(Version::Tls11),
            "3.3" => Some(Version::Tls12),
            "3.4" => Some(Version::Tls13),
            _ => None,
        },
        ..Report::default()
    })
}

fn common(settings: &Settings) -> Vec<String> {
    assert!(
        settings.groups.is_empty() && settings.suites.is_empty() && settings.alpn.is_empty(),
        "of NSS only the version is chosen here, and what stands in `extra`"
    );
    let version = match settings.version {
        Version::Tls10 => "tls1.0:tls1.0",
        Version::Tls11 => "tls1.1:tls1.1",
        Version::Tls12 => "tls1.2:tls1.2",
        Version::Tls13 => "tls1.3:tls1.3",
    };
    let database = database(settings.identity, settings.root);
    // Verbose, with tickets and the extended master secret.
    let words = ["-d", &database, "-V", version, "-v", "-u", "-G"];
    let words = words.map(str::to_owned).into_iter();
    words.chain(settings.extra.iter().cloned()).collect()
}

/// A new one, with this key and this root.
fn database(identity: Option<&Identity>, root: Option<&Root>) -> String {
    let folder = scratch::file("nss", "").with_extension("database");
    std::fs::create_dir_all(&folder)
        .unwrap_or_else(|error| panic!("cannot create {}: {error}", folder.display()));
    let database = format!("sql:{}", folder.display());
    run("certutil", ["-N", "-d", &database, "--empty-password"]);
    if let Some(root) = root {
        let file = root.file.display().to_string();
        run(
            "certutil",
            [
                "-A", "-d", &database, "-n", "root", "-t", "CT,C,C", "-a", "-i", &file,
            ],
        );
    }
    if let Some(identity) = identity {
        let bundle: PathBuf = folder.join("identity.p12");
        let bundle = bundle.display().to_string();
        let (key, chain) = (
            identity.key_file.display().to_string(),
            identity.chain_file.display().to_string(),
        );
        run(
            "openssl",
            [
                "pkcs12",
                "-export",
                "-inkey",
                &key,
                "-in",
                &chain,
                "-out",
                &bundle,
                "-passout",
                "pass:x",
                "-name",
                identity.name,
            ],
        );
        run(
            "pk12util",
            ["-i", &bundle, "-d", &database, "-W", "x", "-K", ""],
        );
    }
    database
}

fn run<A: AsRef<OsStr>>(name: &str, words: impl IntoIterator<Item = A>) {
    let output = Command::new(name)
        .args(words)
        .output()
        .unwrap_or_else(|error| {
            panic!("cannot start `{name}`: {error}; on Debian: apt-get install {PACKAGE} openssl")
        });
    assert!(
        output.status.success(),
        "{name}: {}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
}
