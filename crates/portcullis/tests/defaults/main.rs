//! Every option there is has the default that is written down: in `options.txt` beside this file, and those of DTLS in
//! `docs/defaults.md`. One that is new, gone, or another fails here; `UPDATE=1` writes `options.txt` anew.
//!
//! What a knob is for that only a suite of conformance needs is off, so also here.

#[path = "../ends/mod.rs"]
mod ends;

use std::fmt::Debug;

use ends::*;
use portcullis::{ClientConfig, Roots, ServerConfig, TlsAcceptor, TlsConnector};

/// The text up to where the bracket that it begins with ends, and the rest.
fn bracketed(text: &str) -> (&str, &str) {
    let mut depth = 0;
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            b'{' | b'(' | b'[' => depth += 1,
            b'}' | b')' | b']' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return text.split_at(at + 1);
        }
    }
    panic!("it does not end: {text}")
}

/// The fields of a struct as it is printed, each with its path: those of structs within it one by one.
fn flatten(path: &str, text: &str, found: &mut Vec<(String, String)>) {
    // What depends on features, or counts.
    if path.ends_with(".algorithms") || path.ends_with(".id") {
        return;
    }
    if let Some((variant, inner)) = text.split_once('(')
        && variant.chars().all(char::is_alphanumeric)
        && inner.contains(" { ")
    {
        flatten(
            &format!("{path}.{variant}"),
            inner.strip_suffix(')').unwrap(),
            found,
        );
        return;
    }
    let Some((name, fields)) = text.split_once(" { ") else {
        found.push((path.to_owned(), text.to_owned()));
        return;
    };
    if !name.chars().all(char::is_alphanumeric) || !bracketed(&text[name.len() + 1..]).1.is_empty()
    {
        found.push((path.to_owned(), text.to_owned()));
        return;
    }
    let mut rest = fields.strip_suffix('}').unwrap().trim_end();
    while !rest.is_empty() {
        let Some((field, value)) = rest.split_once(": ") else {
            // Of `finish_non_exhaustive`.
            assert_eq!(rest, "..", "{path}");
            return;
        };
        let mut end = 0;
        while end < value.len() && !value[end..].starts_with(", ") {
            end += match value.as_bytes()[end] {
                b'{' | b'(' | b'[' => bracketed(&value[end..]).0.len(),
                _ => 1,
            };
        }
        flatten(&format!("{path}.{field}"), &value[..end], found);
        rest = value[end..].strip_prefix(", ").unwrap_or_default();
    }
}

fn options(name: &str, of: &impl Debug) -> Vec<(String, String)> {
    let mut found = Vec::new();
    flatten(name, &format!("{of:?}"), &mut found);
    assert!(!found.is_empty());
    found
}

/// The page has a row for each, with its value, and no other.
#[cfg(feature = "dtls")]
#[test]
fn every_option_of_dtls_has_the_default_that_the_page_says() {
    use portcullis::{CookiePolicy, DtlsOptions, UdpOptions};

    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/defaults.md");
    let page = std::fs::read_to_string(path).unwrap();
    let rows = page.lines().filter_map(|line| {
        let mut cells = line.strip_prefix("| `")?.split(" | ");
        let name = cells.next()?.strip_suffix('`')?;
        let value = cells.next()?.split('`').nth(1)?;
        let is_one = name.starts_with("DtlsOptions.");
        is_one.then(|| (name.to_owned(), value.to_owned()))
    });
    let found = options("DtlsOptions", &DtlsOptions::new());
    assert!(found.len() > 10, "{found:?}");
    assert_eq!(rows.collect::<Vec<_>>(), found);
    for (option, value) in options("UdpOptions", &UdpOptions::new()) {
        assert_eq!(value, "None", "{option}");
    }
    assert_eq!(CookiePolicy::default(), CookiePolicy::Always);
}

#[test]
fn every_option_of_tls_has_the_default_that_is_written_down() {
    let (client, server) = (
        ClientConfig::builder(Roots::empty()),
        ServerConfig::builder(),
    );
    let mut found = options("ClientConfigBuilder", &client);
    found.extend(options("ServerConfigBuilder", &server));
    let client = ClientConfig::dangerous_builder_without_verification();
    let connector = format!("{:?}", TlsConnector::new(client.build().unwrap()));
    let server = ServerConfig::builder().identity(pki().server.clone());
    let acceptor = format!("{:?}", TlsAcceptor::new(server.build().unwrap()));
    for (name, text) in [("TlsConnector", connector), ("TlsAcceptor", acceptor)] {
        // What is in their configurations is above.
        let (_, conduct) = text.split_once("conduct: ").unwrap();
        let name = format!("{name}.conduct");
        let length = "Conduct ".len();
        let (of_conduct, _) = bracketed(&conduct[length..]);
        flatten(&name, &conduct[..length + of_conduct.len()], &mut found);
    }
    let mut lines = String::new();
    for (path, value) in found {
        lines += &format!("{path} = {value}\n");
    }
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/defaults/options.txt");
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(path, &lines).unwrap();
    }
    let expected = std::fs::read_to_string(path).unwrap_or_default();
    for (one, other) in lines.lines().zip(expected.lines()) {
        assert_eq!(one, other);
    }
    assert_eq!(lines.lines().count(), expected.lines().count());
}
