//! What new users of the command have tripped over: what it says then.

mod support;

use std::fs;
use std::io::Read as _;
use std::process::Output;

use support::{Certificates, Server, client, printed, run, sentence};

fn serve(made: &Certificates, more: &[&str]) -> Server {
    Server::start(&[&made.server()[..], more].concat())
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn ech_key(made: &Certificates, name: &str) -> (String, String) {
    let file = made.path(&format!("{name}.pem"));
    let text = printed(run(&["ech", "new", "--public-name", name, &file]));
    (file, text.lines().next().unwrap().to_owned())
}

/// RFC 9849 §6.1.6: a client believes the configurations of a server only if it has proved the public name.
#[test]
fn a_server_that_cannot_prove_the_public_name_says_so_at_its_start() {
    let made = Certificates::make();
    let out = made.folder.path().join("wild").display().to_string();
    printed(run(&["cert", "dev", "--out", &out, "*.example.test"]));
    let wild = [format!("{out}/cert.pem"), format!("{out}/key.pem")];
    let wild = ["--cert", &wild[0], "--key", &wild[1]];
    let own = made.server();
    for (identity, name, is_said) in [
        (&own[..], "public.test", true),
        (&own, "localhost", false),
        (&wild, "a.example.test", false),
        (&wild, "a.b.example.test", true),
        (&wild, "example.test", true),
        // One is made for localhost.
        (&[], "public.test", true),
        (&[], "localhost", false),
    ] {
        let (file, _) = ech_key(&made, name);
        let mut server = Server::once(&[identity, &["--ech-keys", &file]].concat());
        let target = [&*server.address, "--insecure"];
        assert!(client(&target, b"hello").status.success());
        server.exit_code();
        let mut told = String::new();
        let mut stderr = server.child.stderr.take().unwrap();
        stderr.read_to_string(&mut told).unwrap();
        fs::remove_file(&file).unwrap();
        if !is_said {
            assert_eq!(told, "", "{identity:?} {name}");
            continue;
        }
        let begin =
            format!("warning: --ech-keys: the certificate is not for the public name {name}, ");
        assert!(told.starts_with(&begin), "{identity:?} {told}");
        assert!(
            told.contains("RFC 9849 §6.1.6") && told.lines().count() == 1,
            "{told}"
        );
    }
}

#[test]
fn early_data_over_datagrams_names_what_helps() {
    let made = Certificates::make();
    let (sessions, data) = (made.path("sessions"), made.path("early"));
    fs::write(&data, "early\n").unwrap();
    let server = serve(&made, &["--dtls", "--tickets", "--early-data"]);
    let target = format!("localhost:{}", server.port());
    let common = [
        &*target,
        "--dtls",
        "--resolve",
        "127.0.0.1",
        "--cafile",
        &made.ca,
    ];
    let with = |more: &[&str]| client(&[&common[..], more].concat(), b"one\n");
    with(&["--sess-out", &sessions]);
    let early = ["--sess-in", &sessions, "--early-data", &data];
    let rejected = said(&with(&early));
    let never = said(&with(&["--early-data", &data]));
    for (said, begin) in [
        (rejected, "early data: rejected, "),
        (never, "early data: sent after the handshake; "),
    ] {
        assert!(said.starts_with(begin), "{said}");
        assert!(
            said.contains("--mtu") && said.contains("--groups x25519"),
            "{said}"
        );
    }
    let help = printed(run(&["client", "--help"]));
    let (_, help) = help.split_once("--early-data <FILE>").unwrap();
    let (help, _) = help.split_once("\n      --").unwrap();
    assert!(
        help.contains("--mtu") && help.contains("--groups x25519"),
        "{help}"
    );
    // Over TCP there is neither.
    let server = serve(&made, &["--tickets", "--early-data"]);
    let over_tcp = [
        &*server.address,
        "--cafile",
        &made.ca,
        "--early-data",
        &data,
    ];
    let over_tcp = said(&client(&over_tcp, b""));
    assert!(
        over_tcp.contains("--sess-in or --reconnect") && !over_tcp.contains("--mtu"),
        "{over_tcp}"
    );
}

#[test]
fn a_file_of_another_kind_is_told_what_it_lacks() {
    let made = Certificates::make();
    let key = &made.server()[3];
    let configs = made.path("configs.pem");
    fs::write(
        &configs,
        "-----BEGIN ECHCONFIG-----\nAAA=\n-----END ECHCONFIG-----\n",
    )
    .unwrap();
    for (file, lacks) in [(*key, "ECHCONFIG"), (&*configs, "PRIVATE KEY")] {
        let arguments = [&["server"], &made.server()[..], &["--ech-keys", file]].concat();
        assert_eq!(
            sentence(run(&arguments), 2),
            format!(
                "portcullis: --ech-keys: {file}: there is no {lacks}: a file of `portcullis ech new` has a PRIVATE KEY \
                 and an ECHCONFIG\n"
            )
        );
    }
    let missing = made.path("missing.pem");
    assert_eq!(
        sentence(run(&["cert", "show", &missing]), 2),
        format!("portcullis: {missing}: cannot be read: No such file or directory (os error 2)\n")
    );
}

#[test]
fn a_name_that_is_none_is_that_of_the_option_that_has_it() {
    let said = sentence(run(&["ech", "new", "--public-name", "a_b", "nowhere"]), 2);
    assert!(
        said.starts_with("portcullis: --public-name: \"a_b\" is no host name"),
        "{said}"
    );
}

/// What `--ask-later` has a client hear is about options, not functions.
#[test]
fn who_cannot_be_asked_hears_which_option_is_missing() {
    let made = Certificates::make();
    let asks = [
        "--client-auth",
        "optional",
        "--cafile",
        &made.ca,
        "--ask-later",
    ];
    let page = serve(&made, &[&asks[..], &["/private", "--www"]].concat());
    let messages = serve(&made, &[&asks[..], &["private", "--dtls"]].concat());
    let ask = |server: &Server, more: &[&str], question: &[u8]| {
        let target = format!("localhost:{}", server.port());
        let common = [&*target, "--resolve", "127.0.0.1", "--cafile", &made.ca];
        printed(client(&[&common[..], more].concat(), question))
    };
    let request = b"GET /private HTTP/1.0\r\n\r\n";
    for (newest, older) in [
        (
            ask(&page, &[], request),
            ask(&page, &["--tls", "1.2"], request),
        ),
        (
            ask(&messages, &["--dtls"], b"private\n"),
            ask(&messages, &["--dtls", "--tls", "1.2"], b"private\n"),
        ),
    ] {
        assert!(newest.contains("has not offered to be asked"), "{newest}");
        assert!(newest.contains("--post-handshake-auth"), "{newest}");
        assert!(
            older.contains("TLSv1.2, in which no client is asked"),
            "{older}"
        );
        assert!(older.contains("--tls"), "{older}");
        for text in [newest, older] {
            assert!(
                !text.contains("_certificate") && !text.contains("authentication"),
                "{text}"
            );
        }
    }
}

/// A name that is as long as its column, or longer.
#[test]
fn a_blank_stands_between_a_name_and_what_it_has() {
    let made = Certificates::make();
    let (file, list) = ech_key(&made, "localhost");
    let server = serve(&made, &["--ech-keys", &file]);
    let arguments = [&*server.address, "--cafile", &made.ca, "--ech", &list, "-v"];
    let summary = said(&client(&arguments, b""));
    for line in [
        "encrypted ClientHello: accepted",
        "version:         TLSv1.3",
    ] {
        assert!(summary.lines().any(|seen| seen == line), "{summary}");
    }
    let shown = printed(run(&["cert", "show", &made.cert]));
    let mut names = 0;
    for line in shown.lines().filter(|line| line.starts_with("  ")) {
        let (name, value) = line.split_once(':').unwrap();
        assert!(value.starts_with(' '), "{line}");
        names += usize::from(name == "  issuer key");
    }
    assert_eq!(names, 1, "{shown}");
}

/// RFC 5246 §7.4.6: the server says handshake_failure, and nothing of why.
#[test]
fn a_client_of_tls_1_2_says_that_it_was_asked_for_a_certificate() {
    let made = Certificates::make();
    let asks = ["--client-auth", "required", "--cafile", &made.ca];
    let server = serve(&made, &asks);
    let arguments = [&*server.address, "--cafile", &made.ca, "--tls", "1.2"];
    let asked = sentence(client(&arguments, b""), 4);
    let why = "the server asked for a certificate, and this side has none to show: give it one with --cert";
    assert!(
        asked.contains("handshake_failure") && asked.contains(why),
        "{asked}"
    );
    // Where it is something else it is not said.
    let server = serve(&made, &["--ciphers", "ECDHE-ECDSA-AES256-GCM-SHA384"]);
    let other = ["--ciphers", "ECDHE-ECDSA-AES128-GCM-SHA256", "--tls", "1.2"];
    let arguments = [&[&*server.address, "--cafile", &made.ca][..], &other].concat();
    let other = sentence(client(&arguments, b""), 4);
    assert!(
        other.contains("handshake_failure") && !other.contains("certificate"),
        "{other}"
    );
}

/// alice has the password "wonderland".
const USERS: &str = concat!(
    "V\t0hc7krzu7WaJAyic8KcBwxd51ung.SZ/GNZA084TwjDCdGbWflozdPtqY7y.C8KWcX9zJFKBitQ25meyFbtA0N4hcIilr",
    "GAoCMqD1eZuWIvCe8VBN2znsMVRL7pb3uIqyTEju90pV65p81kE5wi.N0umdCryMdrSyBjlzUpZJ92DdrpaMCNKqU6eRTW7z",
    "8CUvkuXTxAKQlH5Sgsex7n./u8ZHBfJ9UY0/2j75rwIeUoFMZSKmwBeZ13MjrKZhTNx/xmocV7WzE98KgQQcau2Yw/pOptWX",
    "tzgzH/5nxk43aSSLEu0QAVyJLvFCgbK5JJ6qPZalK1Fa9HSdTP6uWpRhF\tBbwalEBLJn8FuqVEShuKQfcH98U\talice\t2",
    "048\t\n",
);

#[test]
fn a_file_of_sessions_that_is_as_good_as_a_password_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        let path = folder.path().join(name);
        fs::write(&path, text).unwrap();
        path.display().to_string()
    };
    let (users, password) = (file("users", USERS), file("password", "wonderland\n"));
    let sessions = folder.path().join("sessions").display().to_string();
    let server = Server::start(&["--srp-file", &users, "--tickets"]);
    let login = [
        &*server.address,
        "--srp",
        "alice",
        "--srp-password-file",
        &password,
    ];
    let first = said(&client(
        &[&login[..], &["--sess-out", &sessions]].concat(),
        b"",
    ));
    assert_eq!(
        first,
        format!(
            "--sess-out {sessions}: whoever has this file is the user alice at the server, whatever password is given\n"
        )
    );
    // It is offered, and is not written once more: that the server has given none would not be true.
    let both = ["--sess-in", &sessions, "--sess-out", &sessions, "-v"];
    let second = said(&client(&[&login[..], &both].concat(), b""));
    assert!(second.contains("resumed:         yes"), "{second}");
    assert!(
        second.contains(
            "not written, a session of a user of SRP is written only by the connection in which"
        ),
        "{second}"
    );
}

#[test]
fn a_renegotiation_that_is_not_possible_says_which_reason_it_is() {
    let made = Certificates::make();
    let server = serve(&made, &["--alpn", "h2,dot"]);
    for (more, why) in [
        (
            &["--alpn", "h2", "--tls", "1.2"][..],
            "the protocol is HTTP/2, which forbids it",
        ),
        (
            &["--alpn", "dot", "--tls", "1.3"],
            "TLS 1.3 has no renegotiation; `:update-keys`",
        ),
    ] {
        let common = [&*server.address, "--cafile", &made.ca, "--commands"];
        let output = client(&[&common[..], more].concat(), b":renegotiate\n");
        let said = said(&output);
        assert!(said.starts_with(":renegotiate: renegotiate: "), "{said}");
        assert!(said.contains(why), "{said}");
        assert!(
            !said.contains("RFC 5746") && !said.contains("Renegotiation::"),
            "{said}"
        );
    }
}

#[test]
fn groups_and_schemes_have_the_names_that_people_know() {
    let made = Certificates::make();
    let server = serve(&made, &[]);
    for (name, group) in [
        ("P-256", "secp256r1"),
        ("prime256v1", "secp256r1"),
        ("p384", "secp384r1"),
    ] {
        let arguments = [
            &*server.address,
            "--cafile",
            &made.ca,
            "--groups",
            name,
            "--json",
        ];
        let text = printed(client(&arguments, b""));
        assert!(text.contains(&format!("\"group\":\"{group}\"")), "{text}");
    }
    let schemes = ["--sigalgs", "ECDSA+SHA256", "--tls", "TLSv1.3"];
    let arguments = [
        &[&*server.address, "--cafile", &made.ca, "--json"][..],
        &schemes,
    ]
    .concat();
    let text = printed(client(&arguments, b""));
    let expected = "\"peer_signature_scheme\":\"ecdsa_secp256r1_sha256\"";
    assert!(text.contains(expected), "{text}");
    for (option, name, near) in [
        ("--groups", "secp256", "the nearest are secp256r1"),
        (
            "--sigalgs",
            "ecdsa_p256_sha256",
            "the nearest are ecdsa_secp256r1_sha256",
        ),
        ("--ciphers", "AES128-GCM", "the nearest are TLS_"),
    ] {
        let output = run(&["client", "a.test", option, name]);
        assert_eq!(output.status.code(), Some(2));
        let said = said(&output);
        assert!(said.contains(near), "{said}");
    }
}

#[test]
fn a_session_that_is_not_offered_is_said() {
    let made = Certificates::make();
    let sessions = made.path("sessions");
    let server = serve(&made, &["--tickets"]);
    let localhost = format!("localhost:{}", server.port());
    let common = [&*localhost, "--resolve", "127.0.0.1", "--cafile", &made.ca];
    let older = ["--tls", "1.2"];
    let first = client(
        &[&common[..], &older, &["--sess-out", &sessions]].concat(),
        b"",
    );
    assert_eq!(said(&first), "");
    let offer = ["--sess-in", &sessions];
    for more in [&older[..], &[]] {
        // In the versions that are spoken it is one of them.
        assert_eq!(
            said(&client(&[&common[..], &offer, more].concat(), b"")),
            ""
        );
    }
    let dead = ["127.0.0.1:1", "--cafile", &made.ca, "--timeout", "1"];
    for (target, more, why) in [
        (
            &common[..],
            &["--tls", "1.3"][..],
            "it is of TLSv1.2, and --tls has it not",
        ),
        (
            &dead,
            &["--name", "localhost", "--dtls"],
            "it is of TLSv1.2, and --dtls speaks another protocol",
        ),
        (
            &dead,
            &[],
            "it is of the server localhost, and this one is 127.0.0.1",
        ),
    ] {
        let told = said(&client(&[target, &offer, more].concat(), b""));
        let expected =
            format!("--sess-in {sessions}: not offered, {why}: this is a full handshake\n");
        assert!(told.starts_with(&expected), "{told}");
    }
}

/// RFC 8446 §4.2.11: an identity has a byte at least.
#[test]
fn a_key_without_an_identity_is_refused_where_it_cannot_be_sent() {
    let key = ["--psk", ":00112233445566778899aabbccddeeff"];
    for command in [
        &["client", "127.0.0.1:1"][..],
        &["server", "--listen", "192.0.2.1:1"],
    ] {
        let said = sentence(run(&[command, &key].concat()), 2);
        assert!(
            said.contains("--psk: a key has an empty identity, which TLS 1.3 cannot send"),
            "{said}"
        );
        assert!(said.contains("leave TLS 1.3 out of --tls"), "{said}");
    }
    // Before TLS 1.3 there is no such rule.
    let server = Server::start(&[&key[..], &["--tls", "1.2"]].concat());
    let arguments = [&[&*server.address, "--tls", "1.2"][..], &key].concat();
    assert_eq!(printed(client(&arguments, b"hello")), "hello");
}

#[test]
fn a_password_in_a_target_is_not_repeated() {
    for arguments in [
        &["client", "me:secret@example.com:443"][..],
        &["client", "me:secret@example.com:443", "--json"],
        &["client", "me:secret@example.com:x"],
        &["client", "https://me:secret@example.com/path"],
        &["client", "gopher://me:secret@example.com", "--json"],
        &["client", "a.test", "--proxy", "me:secret@proxy.test:3128"],
        &[
            "client",
            "a.test",
            "--proxy",
            "http://me:secret@proxy.test:3128",
        ],
        &["cert", "show", "https://me:secret@example.com"],
        &["bench", "handshake", "me:secret@example.com:443"],
    ] {
        let output = run(arguments);
        assert_eq!(output.status.code(), Some(2), "{output:?}");
        let told = [&output.stdout[..], &output.stderr].concat();
        let told = String::from_utf8_lossy(&told).into_owned();
        assert!(
            !told.contains("secret") && !told.is_empty(),
            "{arguments:?}: {told}"
        );
    }
}

/// What is typed in another way, or wrong.
#[test]
fn what_was_expected_is_said() {
    let made = Certificates::make();
    let own = made.server();
    let listen = ["server", "--listen", "192.0.2.1:1"];
    let server = |more: &[&str]| said(&run(&[&listen[..], &own, more].concat()));
    for (told, expected) in [
        (
            said(&run(&["client", "a.test", "--timeout", "0.5"])),
            ": it is a whole number\n",
        ),
        (
            said(&run(&["client", "a.test", "--resolve", "localhost"])),
            ": it is an IP address, as ",
        ),
        (
            said(&run(&["client", "http://a.test"])),
            "it has no TLS; write https, ",
        ),
        (
            said(&run(&["server", "--listen", "localhost:8443"])),
            "127.0.0.1:8443, ",
        ),
        (
            server(&["--tickets", "--early-data", "16k"]),
            ": it is a whole number\n",
        ),
        (
            server(&["--ciphers", "TLS_AES_128_GCM_SHA256", "--tls", "1.2"]),
            "--ciphers: TLS_AES_128_GCM_SHA256 cannot be used in TLSv1.2",
        ),
        (
            server(&["--ticket-period", "60"]),
            "--ticket-period has no effect without --tickets or --ticket-seed\n",
        ),
        (
            said(&run(&[
                "client",
                "a.test",
                "--cafile",
                &made.ca,
                "--crl",
                "/nowhere/at/all",
            ])),
            "portcullis: --crl: cannot read /nowhere/at/all: ",
        ),
        (
            server(&["--crl", "http"]),
            "portcullis: --crl: no chain of a client is verified",
        ),
    ] {
        assert!(told.contains(expected), "{told}");
        assert!(!told.contains("invalid digit"), "{told}");
    }
    // One file that is no key is one sentence, and two are told of both.
    let keys = ["--ech-keys", &made.cert];
    let one = sentence(run(&[&listen[..], &own, &keys].concat()), 2);
    assert!(one.starts_with("portcullis: --ech-keys: "), "{one}");
    let two = server(&["--ech-keys", &made.cert, &made.ca]);
    assert_eq!(
        two.matches("this key is left out: --ech-keys: ").count(),
        2,
        "{two}"
    );
    // Help is no error.
    let help = run(&["client", "--help"]);
    assert!(help.status.success() && help.stderr.is_empty());
}
