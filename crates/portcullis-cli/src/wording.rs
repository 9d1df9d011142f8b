//! What the library says, in the words of the command: it names its functions, and people here have options.
//!
//! This is the one place for that. Errors pass it on their way to a `Failure`, to standard error, and to a verdict.

use std::borrow::Cow;

/// A part of a text of the library, and what stands in its place.
type Change = (&'static str, &'static str);

/// Which option a text is about, at its beginning.
const SUBJECTS: &[Change] = &[
    ("alpn: ", "--alpn: "),
    ("crl_check: ", "--crl: "),
    ("early_data: ", "--early-data: "),
    ("early_data_window: ", "--early-data-window: "),
    ("ech: ", "--ech: "),
    ("ech_keys: ", "--ech-keys: "),
    ("groups: ", "--groups: "),
    ("identity: ", "--cert: "),
    ("max_early_data: ", "--early-data: "),
    ("post_handshake_authentication: ", "--post-handshake-auth: "),
    ("psk: ", "--psk: "),
    ("public_name: ", "--public-name: "),
    ("versions: ", "--tls: "),
];

/// In this order: what is a part of another comes behind it.
const CHANGES: &[Change] = &[
    // Revocation.
    ("`HttpCrls::allow_port`", "--crl-port"),
    ("`HttpCrls::allow`", "--crl-allow"),
    (
        "provide the CRL, or accept that with `CrlCheck::best_effort`",
        "provide the CRL with --crl FILE, or accept that with --crl-check best-effort",
    ),
    // Nothing was there, so that it is not the reasons that are missing.
    (
        "is there for all reasons (the certificate names no point",
        "is there (the certificate names no point",
    ),
    ("`OcspPolicy::Require`", "--status=require"),
    (
        "give the one of its issuer with `issuer`",
        "put the one of its issuer behind it in the file of --cert",
    ),
    (
        "give one with `responder`",
        "give a response with --ocsp FILE",
    ),
    // Trust.
    (
        "there are no trust anchors: configure roots",
        "there are no trust anchors: name some with --cafile",
    ),
    (
        "that CA has to be added to the roots",
        "that CA has to be named with --cafile",
    ),
    (
        "add it to the roots if it is to be trusted",
        "name it with --cafile if it is to be trusted",
    ),
    ("add this one to the roots", "name this one with --cafile"),
    ("or give roots explicitly", "or name them with --cafile"),
    (
        "; add a root certificate",
        "; name a file with some by --cafile",
    ),
    (
        "leave it out, or start with `builder`",
        "leave it out, or --insecure",
    ),
    (
        "or start with `dangerous_builder_without_verification`",
        "or take --insecure",
    ),
    // Keys and passwords of both ends.
    (
        "a private key and no certificate: are the two files swapped?",
        "a private key and no certificate: name a file with certificates",
    ),
    (
        "name one in cipher_suites that has, or say with `PreSharedKey::for_hash` what the key is for",
        "name one with SHA-256 by --ciphers, as TLS_AES_128_GCM_SHA256, or import the key by --psk-import",
    ),
    (
        "add one with `psk`, or have it asked for with `ask_psk`",
        "give one with --psk-file",
    ),
    ("add such a key with `psk`", "leave out --psk-import"),
    ("srp_users: ", "--srp-file: "),
    (
        "give them with `srp_users`, or have them asked for with `ask_user`",
        "give them with --srp-file",
    ),
    ("give them with `srp`", "give them with --srp"),
    ("client_authentication", "--client-auth"),
    (
        "this side has none to show: give it one with `identity`",
        "this side has none to show: give it one with --cert",
    ),
    (", or have it asked for with ask_identity", " with --cert"),
    ("`key_minimum` is", "the least is"),
    (", or lower that with the feature `ffi`", ""),
    // What is negotiated.
    ("or TLSv1.3 in versions", "or TLS 1.3 in --tls"),
    (
        "leave TLSv1.3 out of versions",
        "leave TLS 1.3 out of --tls",
    ),
    ("`versions`", "--tls"),
    ("`cipher_suites`", "--ciphers"),
    ("cipher_suites", "--ciphers"),
    ("signature_schemes", "--sigalgs"),
    (
        "fewer bits than `dh_minimum`",
        "fewer bits than are accepted",
    ),
    (
        " (`max_handshake_size`; a ClientHello at most 47 KiB)",
        " (a ClientHello at most 47 KiB)",
    ),
    (" (`first_byte_timeout`)", ""),
    (" (`write_timeout`)", ""),
    // Commands on a connection.
    ("`update_keys` changes keys", "`:update-keys` changes keys"),
    (
        "set `renegotiation` to `Renegotiation::Once`, which allows one, or to `Accept`",
        "give --commands",
    ),
    (
        "before, there is `renegotiation`",
        "before, there is `:renegotiate` of --commands",
    ),
    // Sessions.
    (
        "0 bytes are none; leave `early_data` out",
        "0 bytes are none; leave it out",
    ),
    ("leave `resumption` on", "give --tickets"),
    (
        "open it with `begin_anew(true)`, which puts it aside, or remove it",
        "move it away, or remove it",
    ),
    // Encrypted hellos.
    (
        "the value of `ech` in the server's HTTPS record, which is base64 in text and is to be decoded first",
        "the value of `ech` in the server's HTTPS record, in base64",
    ),
    (
        "connect again with the configurations that it sent",
        "connect with the configurations that it sends by --ech-retry",
    ),
];

/// Where pre-shared keys are all that proves who the server is: nobody is trusted then.
pub(crate) const NO_CERTIFICATE_WANTED: &[Change] = &[(
    "the peer's certificate chain cannot be verified because there are no trust anchors: name some with --cafile",
    "the server shows a certificate, and the pre-shared key, or the password, was to prove who it is: it has not taken \
     it, because it has none, or has another one; with --ciphers that have certificates it would be judged by this one",
)];

/// A chain that is in files, and of no peer.
pub(crate) const OF_FILES: &[Change] = &[
    ("the peer's certificate chain", "the chain"),
    ("of the peer's chain", "of the chain"),
    ("the peer's certificate", "the certificate"),
    (
        "the peer has to send its intermediate certificates",
        "give the files with its intermediate certificates, too",
    ),
    (
        "the peer has to send only the certificates that lead to its CA",
        "give only the certificates that lead to its CA",
    ),
    (
        "the peer has to send only those that lead to its CA",
        "give only those that lead to its CA",
    ),
    (
        "that the peer sent has signed it: the peer has to send the one that did",
        "that are given has signed it: give the one that did",
    ),
    (
        "the peer needs another certificate",
        "it has to be replaced",
    ),
    (
        "the peer needs a certificate that its CA knows",
        "it has to be replaced by one that its CA knows",
    ),
    ("the peer needs", "it takes"),
];

/// As of a time that somebody has named, which no clock says.
pub(crate) const OF_ANOTHER_TIME: &[Change] = &[
    (
        "and the clock of this machine says",
        "and is looked at as of",
    ),
    (": renew the certificate or correct the clock", ""),
    (": wait or correct the clock", ""),
];

/// What the standard library says of what it cannot read.
const OF_ARGUMENTS: &[Change] = &[
    ("invalid digit found in string", "it is a whole number"),
    (
        "cannot parse integer from empty string",
        "it is a whole number, and nothing is there",
    ),
    (
        "number too large to fit in target type",
        "the number is too large",
    ),
    (
        "number too small to fit in target type",
        "the number is too small",
    ),
    (
        "invalid IP address syntax",
        "it is an IP address, as 192.0.2.1 or 2001:db8::1",
    ),
];

/// What clap says of an argument.
pub(crate) fn of_arguments(text: &str) -> Cow<'_, str> {
    changed(text.into(), OF_ARGUMENTS)
}

/// The text with options in the place of functions.
pub(crate) fn with_options(text: &str) -> Cow<'_, str> {
    let subject = SUBJECTS.iter().find(|(of, _)| text.starts_with(of));
    let text = match subject {
        Some((of, option)) => Cow::Owned(text.replacen(of, option, 1)),
        None => Cow::Borrowed(text),
    };
    changed(text, CHANGES)
}

/// The same of a line of a log, where texts are values of fields.
pub(crate) fn line_with_options(line: &str) -> Cow<'_, str> {
    let mut line = Cow::Borrowed(line);
    for (of, option) in SUBJECTS {
        for before in ["error=", ": "] {
            let of = format!("{before}{of}");
            if line.contains(&of) {
                line = Cow::Owned(line.replace(&of, &format!("{before}{option}")));
            }
        }
    }
    changed(line, CHANGES)
}

/// The text with these changes.
pub(crate) fn changed<'a>(mut text: Cow<'a, str>, changes: &[Change]) -> Cow<'a, str> {
    for (from, to) in changes {
        if text.contains(from) {
            text = Cow::Owned(text.replace(from, to));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use portcullis::suite::CipherSuite;
    use portcullis::{ClientConfig, PreSharedKey, ProtocolVersion, Roots, ServerConfig};

    use super::*;

    /// Made by the library, so that a text that changes there is seen here.
    #[test]
    fn options_stand_where_functions_were() {
        let key = || PreSharedKey::new("a", b"0123456789abcdef").unwrap();
        let insecure = ClientConfig::dangerous_builder_without_verification;
        let psk_suite = CipherSuite::TLS_PSK_WITH_AES_128_GCM_SHA256;
        let said = [
            ClientConfig::builder(Roots::empty()).build().unwrap_err(),
            insecure()
                .cipher_suites([psk_suite])
                .versions([ProtocolVersion::TLS_1_2])
                .build()
                .unwrap_err(),
            insecure()
                .psk(key())
                .versions([ProtocolVersion::TLS_1_2])
                .build()
                .unwrap_err(),
            insecure()
                .versions([ProtocolVersion::TLS_1_1])
                .build()
                .unwrap_err(),
            insecure()
                .versions([ProtocolVersion::TLS_1_2])
                .post_handshake_authentication(true)
                .build()
                .unwrap_err(),
            ServerConfig::builder().build().unwrap_err(),
            ServerConfig::builder()
                .psk(key())
                .cipher_suites([CipherSuite::TLS_AES_256_GCM_SHA384])
                .build()
                .unwrap_err(),
        ];
        let said = said.map(|error| with_options(&error.to_string()).into_owned());
        assert_eq!(
            said,
            [
                "there is no trust anchor: every server would be refused; name a file with some by --cafile",
                "--ciphers: TLS_PSK_WITH_AES_128_GCM_SHA256 needs a pre-shared key; give one with --psk-file",
                "--psk: no cipher suite takes a pre-shared key; name one of PSK or ECDHE_PSK in --ciphers, such as \
                 TLS_ECDHE_PSK_WITH_AES_256_GCM_SHA384, or TLS 1.3 in --tls",
                "--ciphers: none is used by default that TLSv1.1 has; name some, such as \
                 TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA",
                "--post-handshake-auth: it takes TLSv1.3, and --tls has it not; before, there is `:renegotiate` of \
                 --commands",
                "there is no identity: a server needs a certificate and its key; add one with --cert",
                "--psk: no cipher suite of TLS 1.3 has the hash of a key; name one with SHA-256 by --ciphers, as \
                 TLS_AES_128_GCM_SHA256, or import the key by --psk-import",
            ]
        );
    }

    /// Those that take more to be made: as they stand in the library, and nothing that looks like a function is left.
    #[test]
    fn texts_of_what_is_far_away() {
        for (text, expected) in [
            (
                "it is not fetched: 10.0.0.1 is private; allow it with `HttpCrls::allow`",
                "it is not fetched: 10.0.0.1 is private; allow it with --crl-allow",
            ),
            (
                "it is not fetched: port 25 is that of another service; allow it with `HttpCrls::allow_port`",
                "it is not fetched: port 25 is that of another service; allow it with --crl-port",
            ),
            (
                "renegotiate: TLS 1.3 has no renegotiation; `update_keys` changes keys, and a new connection \
                 authenticates anew",
                "renegotiate: TLS 1.3 has no renegotiation; `:update-keys` changes keys, and a new connection \
                 authenticates anew",
            ),
            (
                "renegotiate: this side's configuration does not allow it; set `renegotiation` to `Renegotiation::Once`, \
                 which allows one, or to `Accept`",
                "renegotiate: this side's configuration does not allow it; give --commands",
            ),
            (
                "the peer sent the alert handshake_failure: no acceptable set of security parameters was found; the \
                 server asked for a certificate, and this side has none to show: give it one with `identity`, while \
                 waiting for change_cipher_spec",
                "the peer sent the alert handshake_failure: no acceptable set of security parameters was found; the \
                 server asked for a certificate, and this side has none to show: give it one with --cert, while \
                 waiting for change_cipher_spec",
            ),
            (
                "timed out: the client sent nothing within 10s (`first_byte_timeout`)",
                "timed out: the client sent nothing within 10s",
            ),
            ("a text of this command", "a text of this command"),
        ] {
            assert_eq!(with_options(text), expected);
        }
    }
}
