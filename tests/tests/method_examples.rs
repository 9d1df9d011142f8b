//! Each method that users start with has an example in its own documentation. That it compiles, and does what it says, is
//! for `cargo test --doc`.

use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};

/// The macros are where methods are that two types share: `common_options` of both builders, `conduct_options` of connector
/// and acceptor.
const METHODS: [&str; 59] = [
    "Roots::os",
    "Roots::empty",
    "Roots::from_pem",
    "Roots::from_pem_file",
    "Roots::add_pem",
    "Roots::add_pem_file",
    "Roots::add_der",
    "Identity::from_pem",
    "Identity::from_pem_file",
    "Identity::from_pem_files",
    "Identity::from_der",
    "ClientConfig::builder",
    "ClientConfigBuilder::identity",
    "ClientConfigBuilder::build",
    "ServerConfig::builder",
    "ServerConfigBuilder::identity",
    "ServerConfigBuilder::client_authentication",
    "ServerConfigBuilder::build",
    "common_options::alpn",
    "common_options::versions",
    "conduct_options::answers",
    "conduct_options::handshake_timeout",
    "TlsConnector::new",
    "TlsConnector::connect",
    "TlsConnector::connect_to",
    "TlsConnector::upgrade",
    "TlsConnector::offering",
    "TlsConnector::reloadable",
    "TlsAcceptor::new",
    "TlsAcceptor::accept",
    "TlsAcceptor::pause_at_hello",
    "TlsAcceptor::reloadable",
    "TlsListener::bind",
    "TlsListener::accept",
    "TlsListener::connections",
    "Incoming::handshake",
    "Incoming::handshake_with",
    "PausedServer::client_hello",
    "PausedServer::proceed",
    "PausedServer::continue_with",
    "PausedServer::cancel",
    "PausedServer::refuse",
    "Connections::new",
    "Connections::on_failed",
    "Connections::stop_handle",
    "Connections::accept",
    "TlsStream::information",
    "TlsStream::server_name",
    "TlsStream::is_resumed",
    "TlsStream::take_session",
    "TlsStream::into_active",
    "TlsStream::into_packets",
    "TlsStream::into_split",
    "TlsStream::split_with_lock",
    "TlsStream::close",
    "TlsStream::downgrade",
    "Reloadable::current",
    "Reloadable::replace",
    "Reloader::load",
];

/// Those of features that are not there by default.
const OF_FEATURES: [&str; 9] = [
    "HttpsConnector::new",
    "DtlsListener::bind",
    "DtlsListener::accept",
    "DtlsIncoming::handshake",
    "DtlsConnector::new",
    "DtlsConnector::connect",
    "DtlsConnection::send",
    "DtlsConnection::recv",
    "DtlsConnection::close",
];

fn sources(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
}

/// Whose methods stand behind a line, if it begins those of a type or a macro.
fn owner(line: &str) -> Option<&str> {
    if let Some(name) = line.strip_prefix("macro_rules! ") {
        return name.split(' ').next();
    }
    let mut rest = line.strip_prefix("impl")?;
    if rest.starts_with('<') {
        let mut depth = 0;
        let end = rest.find(|byte| {
            depth += i32::from(byte == '<') - i32::from(byte == '>');
            depth == 0
        });
        rest = &rest[end? + 1..];
    }
    match rest.contains(" for ") {
        true => Some(""),
        false => rest.trim_start().split(['<', ' ']).next(),
    }
}

/// The methods of a file that have code in their documentation which `cargo test --doc` compiles.
fn with_examples(source: &str, found: &mut HashSet<String>) {
    let mut of = "";
    let (mut is_within, mut has_code) = (false, false);
    for line in source.lines() {
        of = owner(line).unwrap_or(of);
        let line = line.trim_start();
        if let Some(text) = line.strip_prefix("///") {
            if let Some(kind) = text.trim_start().strip_prefix("```") {
                is_within = !is_within;
                has_code |= is_within && matches!(kind, "" | "no_run");
            }
        } else if !line.starts_with("#[") {
            let function = line.strip_prefix("pub ").map(|line| {
                let line = line.strip_prefix("const ").unwrap_or(line);
                line.strip_prefix("async ").unwrap_or(line)
            });
            if let Some(rest) = function.and_then(|line| line.strip_prefix("fn "))
                && has_code
            {
                let name = rest.split(['(', '<']).next().unwrap();
                found.insert(format!("{of}::{name}"));
            }
            has_code = false;
        }
    }
}

#[test]
fn methods_that_users_start_with_have_an_example() {
    let mut files = Vec::new();
    for folder in ["portcullis/src", "portcullis-core/src"] {
        let crates = Path::new(env!("CARGO_MANIFEST_DIR")).join("../crates");
        sources(&crates.join(folder), &mut files);
    }
    let mut found = HashSet::new();
    for file in files {
        with_examples(&fs::read_to_string(file).unwrap(), &mut found);
    }
    let all = METHODS.iter().chain(&OF_FEATURES);
    let without: Vec<_> = all.filter(|method| !found.contains(**method)).collect();
    assert!(without.is_empty(), "no example: {without:?}");
}
