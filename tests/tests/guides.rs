//! The guides for those who come from elsewhere leave nothing out. That their code compiles the doctests of this package
//! show; where their links lead, `book.rs`.

use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};

const ERLANG: &str = "docs/from-erlang-ssl.md";
const TOKIO_RUSTLS: &str = "docs/from-tokio-rustls.md";

/// What the module `ssl` exports, by the manuals of ssl 7.1, OTP 22 and ssl 10.7, and what its CRL cache does.
const FUNCTIONS: &[&str] = &[
    "append_cipher_suites/2",
    "cipher_suites/0",
    "cipher_suites/1",
    "cipher_suites/2",
    "cipher_suites/3",
    "clear_pem_cache/0",
    "close/1",
    "close/2",
    "connect/2",
    "connect/3",
    "connect/4",
    "connection_info/1",
    "connection_information/1",
    "connection_information/2",
    "controlling_process/2",
    "eccs/0",
    "eccs/1",
    "filter_cipher_suites/2",
    "format_error/1",
    "getopts/2",
    "getstat/1",
    "getstat/2",
    "handshake/1",
    "handshake/2",
    "handshake/3",
    "handshake_cancel/1",
    "handshake_continue/2",
    "handshake_continue/3",
    "listen/2",
    "negotiated_next_protocol/1",
    "negotiated_protocol/1",
    "peercert/1",
    "peername/1",
    "prepend_cipher_suites/2",
    "prf/5",
    "recv/2",
    "recv/3",
    "renegotiate/1",
    "send/2",
    "setopts/2",
    "shutdown/2",
    "sockname/1",
    "ssl_accept/1",
    "ssl_accept/2",
    "ssl_accept/3",
    "ssl_crl_cache:delete/1",
    "ssl_crl_cache:insert/1",
    "ssl_crl_cache:insert/2",
    "start/0",
    "start/1",
    "stop/0",
    "str_to_suite/1",
    "suite_to_openssl_str/1",
    "suite_to_str/1",
    "transport_accept/1",
    "transport_accept/2",
    "update_keys/2",
    "versions/0",
];

/// Callbacks of its two behaviours.
const CALLBACKS: &[&str] = &[
    "delete/2",
    "foldl/3",
    "fresh_crl/2",
    "lookup/2",
    "select/2",
    "select_session/2",
    "size/1",
    "ssl_crl_cache_api:lookup/3",
    "ssl_session_cache_api:init/1",
    "terminate/1",
    "update/3",
];

/// All options of the same manuals, those of the socket as far as they name them, and the environment's parameters.
const OPTIONS: &[&str] = &[
    "active",
    "alert_timeout",
    "alpn_advertised_protocols",
    "alpn_preferred_protocols",
    "anti_replay",
    "beast_mitigation",
    "binary",
    "bypass_pem_cache",
    "cacertfile",
    "cacerts",
    "cb_info",
    "cert",
    "certfile",
    "certificate_authorities",
    "ciphers",
    "client_preferred_next_protocols",
    "client_renegotiation",
    "client_session_cb",
    "client_session_cb_init_args",
    "client_session_ticket_lifetime",
    "client_session_ticket_store_size",
    "cookie",
    "crl_cache",
    "crl_check",
    "customize_hostname_check",
    "deliver",
    "depth",
    "dh",
    "dhfile",
    "dtls_protocol_version",
    "early_data",
    "eccs",
    "exit_on_close",
    "fail_if_no_peer_cert",
    "fallback",
    "handshake",
    "header",
    "hibernate_after",
    "honor_cipher_order",
    "honor_ecc_order",
    "internal_active_n",
    "keep_secrets",
    "key",
    "key_update_at",
    "keyfile",
    "list",
    "log_alert",
    "log_level",
    "max_fragment_length",
    "max_handshake_size",
    "middlebox_comp_mode",
    "mode",
    "next_protocols_advertised",
    "nodelay",
    "packet",
    "packet_size",
    "padding_check",
    "partial_chain",
    "password",
    "protocol",
    "protocol_version",
    "psk_identity",
    "reuse_session",
    "reuse_sessions",
    "reuseaddr",
    "secure_renegotiate",
    "server_name_indication",
    "server_session_cb",
    "server_session_cb_init_args",
    "server_session_ticket_lifetime",
    "server_session_ticket_max_early_data",
    "server_session_ticket_store_size",
    "server_session_tickets_amount",
    "session_cache_client_max",
    "session_cache_server_max",
    "session_cb",
    "session_cb_init_args",
    "session_lifetime",
    "session_tickets",
    "signature_algs",
    "signature_algs_cert",
    "sni_fun",
    "sni_hosts",
    "srp_identity",
    "ssl_imp",
    "ssl_pem_cache_clean",
    "supported_groups",
    "use_ticket",
    "user_lookup_fun",
    "verify",
    "verify_fun",
    "versions",
];

/// What newer manuals have not got any more, or call deprecated.
const GONE: &[&str] = &[
    "cb",
    "cipher_suite",
    "cipher_suites/0",
    "cipher_suites/1",
    "connection_info/1",
    "log_alert",
    "negotiated_next_protocol/1",
    "session_cb",
    "session_cb_init_args",
    "ssl_accept/1",
    "ssl_accept/2",
    "ssl_accept/3",
    "ssl_imp",
    "sslv3",
];

/// What `connection_information` may be asked for.
const ITEMS: &[&str] = &[
    "client_random",
    "ecc",
    "keylog",
    "master_secret",
    "protocol",
    "selected_cipher_suite",
    "server_random",
    "session_data",
    "session_id",
    "session_resumption",
    "sni_hostname",
    "srp_username",
];

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// The part of a page from one heading to the next of the same kind.
fn part<'a>(page: &'a str, heading: &str) -> &'a str {
    let level = heading.split(' ').next().unwrap();
    let (_, rest) = page
        .split_once(&format!("\n{heading}\n"))
        .unwrap_or_else(|| panic!("there is no {heading}"));
    rest.split(&format!("\n{level} ")).next().unwrap()
}

/// Each name begins a row of a table in this part, in the first cell, and the second says something.
fn has_rows(part: &str, names: &[&str]) {
    for name in names {
        let quoted = format!("`{name}`");
        let answer = part.lines().find_map(|line| {
            let (first, rest) = line.strip_prefix("| ")?.split_once(" | ")?;
            first.contains(&quoted).then_some(rest)
        });
        let answer = answer.unwrap_or_else(|| panic!("{name} is in no table"));
        let words = answer.trim_end_matches(['|', ' ']);
        assert!(!words.is_empty(), "nothing is said of {name}");
    }
}

#[test]
fn every_function_of_erlangs_manuals_is_in_the_guide() {
    let page = read(ERLANG);
    has_rows(part(&page, "## 4. Functions"), FUNCTIONS);
    has_rows(part(&page, "### Items of `connection_information`"), ITEMS);
    has_rows(part(&page, "## 9. Behaviours"), CALLBACKS);
}

#[test]
fn every_option_of_erlangs_manuals_is_in_the_guide() {
    let page = read(ERLANG);
    let options = part(&page, "## 5. Options");
    let parameters = part(&page, "## 6. Application parameters");
    has_rows(&format!("{options}\n{parameters}"), OPTIONS);
    // Of each role what both have.
    let of_both = ["cacertfile", "cacerts", "early_data", "psk_identity"];
    let of_both = [
        &of_both[..],
        &["reuse_sessions", "session_tickets", "verify"],
    ]
    .concat();
    for role in ["### Of a client", "### Of a server"] {
        has_rows(part(&page, role), &of_both);
    }
}

#[test]
fn names_that_are_gone_are_in_the_guide() {
    let page = read(ERLANG);
    has_rows(part(&page, "## 8. Names that are gone"), GONE);
}

/// The languages of the blocks of code, in order.
fn languages(page: &str) -> Vec<&str> {
    let marks = page.lines().filter_map(|line| line.strip_prefix("```"));
    marks.step_by(2).collect()
}

/// Nothing is `ignore`d: a block of Rust is compiled, and beside each stands what it takes the place of.
#[test]
fn programs_stand_side_by_side() {
    let erlang = read(ERLANG);
    assert_eq!(languages(&erlang), ["erlang", "rust"].repeat(30));
    let tokio_rustls = read(TOKIO_RUSTLS);
    assert_eq!(languages(&tokio_rustls), ["rust"; 2].repeat(15));
    for (number, pair) in tokio_rustls.split("\n### ").skip(1).enumerate() {
        assert!(pair.starts_with(&format!("{}. ", number + 1)), "{pair}");
        let (before, now) = pair.split_once("\n```\n```rust\n").unwrap();
        assert!(
            before.contains("rustls") && !before.contains("portcullis"),
            "{before}"
        );
        assert!(now.contains("use portcullis::"), "{now}");
    }
}

/// The words that a line defines: what is behind `fn` and its like, or stands where a variant does or what macros
/// make constants of.
fn defined(line: &str) -> impl Iterator<Item = &str> {
    const KEYWORDS: [&str; 7] = ["const", "enum", "fn", "mod", "struct", "trait", "type"];
    let words: Vec<&str> = line
        .split(|sign: char| !sign.is_alphanumeric() && sign != '_')
        .filter(|word| !word.is_empty())
        .collect();
    let is_comment = line.trim_start().starts_with("//");
    let first = words.first().copied();
    let first = first.filter(|word| word.starts_with(char::is_uppercase) && !is_comment);
    let pairs = words.windows(2).filter_map(|pair| match pair {
        [keyword, name] if KEYWORDS.contains(keyword) => Some(*name),
        _ => None,
    });
    let behind: Vec<&str> = pairs.filter(|_| !is_comment).collect();
    first.into_iter().chain(behind)
}

fn add_names(folder: &Path, names: &mut HashSet<String>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            add_names(&path, names);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let source = fs::read_to_string(&path).unwrap();
            names.extend(source.lines().flat_map(defined).map(str::to_owned));
        }
    }
}

/// A piece of code without what stands in brackets, which is said for an example.
fn without_arguments(code: &str) -> String {
    let mut depth = 0;
    let outside = code.chars().filter(|sign| {
        depth += i32::from(*sign == '(');
        let is_outside = depth == 0;
        depth -= i32::from(*sign == ')');
        is_outside
    });
    outside.collect()
}

/// What the tables say is here was not renamed since. Looked at are types, paths and calls; words that stand alone may
/// be Erlang's.
#[test]
fn what_stands_in_their_place_exists() {
    // Of other crates; a member of a pattern; a name that something is exported under.
    const OTHERS: &str = "
        AsyncRead AsyncWrite AsyncWriteExt Display LayeredCrls Some address apart collect connector incoming information
        io listener parse shutdown timeout tokio";
    let mut names: HashSet<String> = OTHERS.split_whitespace().map(str::to_owned).collect();
    for package in fs::read_dir(root().join("crates")).unwrap() {
        add_names(&package.unwrap().path().join("src"), &mut names);
    }
    let page = read(ERLANG);
    let mut count = 0;
    for heading in [
        "## 4. Functions",
        "## 5. Options",
        "## 6. Application parameters",
        "## 7. Messages and errors",
        "## 9. Behaviours",
    ] {
        let rows = part(&page, heading).lines();
        for row in rows.filter_map(|line| line.strip_prefix("| `")) {
            let (_, here) = row.split_once(" | ").unwrap();
            for code in here.split('`').skip(1).step_by(2) {
                let is_name = code.starts_with(|sign: char| sign.is_uppercase());
                if !is_name && !code.contains("::") && !code.contains('(') {
                    continue;
                }
                let code = without_arguments(code);
                let words = code.split(|sign: char| !sign.is_alphanumeric() && sign != '_');
                for word in words.filter(|word| word.starts_with(char::is_alphabetic)) {
                    assert!(names.contains(word), "there is no {word}: {row}");
                    count += 1;
                }
            }
        }
    }
    assert!(count > 200, "{count}");
}
