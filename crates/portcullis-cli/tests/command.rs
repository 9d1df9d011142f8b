//! The command as a person uses it: its own client against its own server, and its mistakes.

mod support;

use std::fs;

use serde_json::Value;
use support::{Certificates, Server, client, portcullis, printed, run, sentence};

#[test]
fn echo_with_verification_and_json() {
    let made = Certificates::make();
    let log = made.path("keys.log");
    let mut arguments = made.server().to_vec();
    arguments.extend([
        "--alpn",
        "echo,other",
        "--groups",
        "x25519",
        "--keylog",
        &log,
    ]);
    let mut server = Server::once(&arguments);
    let output = client(
        &[
            &server.address,
            "--cafile",
            &made.ca,
            "--json",
            "--alpn",
            "echo",
        ],
        b"hello over there\n",
    );
    assert!(output.status.success(), "{output:?}");
    assert_eq!(server.exit_code(), Some(0));
    let text = String::from_utf8(output.stdout).unwrap();
    let (json, echo) = text.split_once('\n').unwrap();
    assert_eq!(echo, "hello over there\n");
    // Standard error is no terminal.
    assert!(output.stderr.is_empty());
    let facts: Value = serde_json::from_str(json).unwrap();
    assert_eq!(facts["schema"], "portcullis.client/1");
    assert_eq!(facts["ok"], true);
    assert_eq!(facts["target"], server.address);
    assert_eq!(facts["address"], server.address);
    assert_eq!(facts["version"], "TLSv1.3");
    assert_eq!(facts["group"], "x25519");
    assert_eq!(facts["alpn"], "echo");
    assert_eq!(facts["resumed"], false);
    assert_eq!(facts["verdict"]["verified"], true);
    let leaf = &facts["peer_certificates"][0];
    assert_eq!(leaf["subject"], "CN=localhost");
    assert_eq!(leaf["key"], "ECDSA P-256");
    assert_eq!(leaf["days_left"], 396);
    assert!(leaf.get("pem").is_none());
    let log = fs::read_to_string(log).unwrap();
    for label in [
        "CLIENT_HANDSHAKE_TRAFFIC_SECRET ",
        "SERVER_TRAFFIC_SECRET_0 ",
        "EXPORTER_SECRET ",
    ] {
        assert!(log.contains(label), "{log}");
    }
}

#[test]
fn the_summary_says_what_was_negotiated_and_who_answered() {
    let made = Certificates::make();
    let server = Server::start(&made.server());
    let localhost = format!("localhost:{}", server.port());
    let route = [localhost.as_str(), "--resolve", "127.0.0.1"];
    let said = |more: &[&str]| {
        let output = client(&[&route, more].concat(), b"x");
        assert_eq!(output.stdout, b"x");
        String::from_utf8(output.stderr).unwrap()
    };
    assert_eq!(said(&["--cafile", &made.ca]), "");
    let summary = said(&["--cafile", &made.ca, "-v"]);
    for line in [
        format!("server:          {localhost}"),
        format!("address:         {}", server.address),
        "version:         TLSv1.3".to_owned(),
        "group:           X25519MLKEM768".to_owned(),
        "resumed:         no".to_owned(),
        "ALPN:            none".to_owned(),
        format!("verdict:         verified against {} (1 trusted)", made.ca),
        "certificate 1".to_owned(),
        "  subject:   CN=localhost".to_owned(),
        "  names:     localhost, 127.0.0.1, ::1".to_owned(),
        "  key:       ECDSA P-256".to_owned(),
    ] {
        assert!(
            summary.lines().any(|seen| seen == line),
            "{line}: {summary}"
        );
    }
    for beginning in [
        "  issuer:    CN=portcullis ",
        "  valid:     2",
        "  SHA-256:   ",
        "  pin:       sha256//",
    ] {
        assert!(
            summary.lines().any(|line| line.starts_with(beginning)),
            "{summary}"
        );
    }
    // Handshake messages are for those who ask twice.
    assert!(!summary.contains("DEBUG"), "{summary}");
    assert!(said(&["--cafile", &made.ca, "-vv"]).contains("DEBUG"));

    let unverified = said(&["--insecure", "-v"]);
    assert!(
        unverified.contains("NOT VERIFIED; it would have been refused: "),
        "{unverified}"
    );
}

#[test]
fn a_failure_in_json_has_stage_alert_and_reason() {
    let made = Certificates::make();
    let server = Server::start(&made.server());
    let failed = |arguments: &[&str], code: i32| -> Value {
        let output = client(arguments, b"");
        assert_eq!(output.status.code(), Some(code), "{output:?}");
        let line = String::from_utf8(output.stdout).unwrap();
        assert_eq!(line.lines().count(), 1, "{line}");
        let facts: Value = serde_json::from_str(&line).unwrap();
        assert_eq!(facts["ok"], false);
        assert_eq!(facts["error"]["exit_code"], code);
        facts
    };
    // The roots of the system know nothing of this authority.
    let facts = failed(&[&server.address, "--json"], 3);
    let error = &facts["error"];
    assert_eq!(error["class"], "certificate");
    assert_eq!(error["stage"], "VerifyingChain");
    assert_eq!(error["alert"]["name"], "unknown_ca");
    assert_eq!(error["alert"]["direction"], "sent");
    assert_eq!(error["certificate"], "unknown_ca");
    let reason = error["reason"].as_str().unwrap();
    assert!(
        reason.contains("portcullis development authority"),
        "{reason}"
    );
    assert_eq!(facts["verdict"]["verified"], false);
    assert_eq!(facts["peer_certificates"][0]["subject"], "CN=localhost");
    assert_eq!(facts["address"], server.address);

    let facts = failed(
        &[
            &server.address,
            "--json",
            "--cafile",
            &made.ca,
            "--name",
            "a.test",
        ],
        3,
    );
    assert_eq!(facts["server_name"], "a.test");
    assert_eq!(facts["error"]["certificate"], "hostname_check_failed");
    let reason = facts["error"]["reason"].as_str().unwrap();
    assert!(
        reason.contains("a.test") && reason.contains("localhost"),
        "{reason}"
    );

    let facts = failed(&["127.0.0.1:1", "--json", "--insecure"], 1);
    assert_eq!(facts["error"]["stage"], "Connect");
    assert_eq!(facts["error"]["alert"], Value::Null);
    assert_eq!(facts["error"]["certificate"], Value::Null);
    let facts = failed(&["http://a.test", "--json"], 2);
    assert_eq!(facts["error"]["class"], "usage");
    assert_eq!(facts["target"], "http://a.test");
}

#[test]
fn what_fails_behind_the_line_of_json_is_a_line_on_standard_error() {
    let made = Certificates::make();
    let mut arguments = made.server().to_vec();
    arguments.extend(["--client-auth", "required", "--cafile", &made.ca]);
    let server = Server::start(&arguments);
    let output = client(&[&server.address, "--cafile", &made.ca, "--json"], b"x");
    assert_eq!(output.status.code(), Some(5), "{output:?}");
    let facts: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(facts["ok"], true);
    let failure: Value = serde_json::from_slice(&output.stderr).unwrap();
    assert_eq!(failure["error"]["class"], "connection");
    assert_eq!(failure["error"]["stage"], "Connected");
    assert_eq!(failure["error"]["alert"]["name"], "certificate_required");
    assert_eq!(failure["error"]["alert"]["direction"], "received");
}

#[test]
fn a_chain_is_shown_and_saved_also_when_it_is_refused() {
    let made = Certificates::make();
    let server = Server::start(&made.server());
    let leaf = fs::read_to_string(&made.cert).unwrap();
    let saved = made.path("saved.pem");
    let arguments = [&server.address, "--showcerts", "--save-cert", &saved];
    let output = client(&arguments, b"");
    assert_eq!(output.status.code(), Some(3), "{output:?}");
    assert_eq!(String::from_utf8(output.stdout).unwrap(), leaf);
    assert_eq!(fs::read_to_string(&saved).unwrap(), leaf);
    // What is there may be a key.
    let again = client(&arguments, b"");
    assert!(sentence(again, 2).contains("is there already"));

    // A certificate that was saved can be trusted by itself.
    let output = client(
        &[&server.address, "--showcerts", "--cafile", &saved],
        b"hello",
    );
    assert_eq!(printed(output), leaf.clone() + "hello");
    let output = client(
        &[&server.address, "--showcerts", "--json", "--cafile", &saved],
        b"",
    );
    let facts: Value = serde_json::from_str(&printed(output)).unwrap();
    assert_eq!(facts["peer_certificates"][0]["pem"], leaf);
}

#[test]
fn mutual_authentication_is_required_and_given() {
    let made = Certificates::make();
    let mut arguments = made.server().to_vec();
    arguments.extend([
        "--client-auth",
        "required",
        "--cafile",
        &made.ca,
        "--www",
        "-v",
    ]);
    let mut with = Server::once(&arguments);
    let output = client(
        &[
            &with.address,
            "--cafile",
            &made.ca,
            "--cert",
            &made.client_cert,
            "--key",
            &made.client_key,
            "-v",
        ],
        b"GET / HTTP/1.0\r\n\r\n",
    );
    let own = String::from_utf8_lossy(&output.stderr);
    assert!(own.contains("own certificate: CN=alice@a.test"), "{own}");
    let page = printed(output.clone());
    assert!(page.contains("client's names:  alice@a.test\n"), "{page}");
    assert_eq!(with.exit_code(), Some(0));
    let mut said = String::new();
    std::io::Read::read_to_string(&mut with.child.stderr.take().unwrap(), &mut said).unwrap();
    assert!(said.starts_with("client:          127.0.0.1:"), "{said}");

    let mut without = Server::once(&arguments);
    let output = client(&[&without.address, "--cafile", &made.ca], b"x");
    assert_eq!(output.status.code(), Some(5), "{output:?}");
    assert!(
        String::from_utf8_lossy(&output.stderr).contains("certificate_required"),
        "{output:?}"
    );
    assert_eq!(without.exit_code(), Some(4));
}

#[test]
fn an_unknown_server_is_refused_unless_that_is_wanted() {
    let mut refused = Server::once(&[]);
    let made = Certificates::make();
    let output = client(&[&refused.address, "--cafile", &made.ca], b"");
    assert_eq!(output.status.code(), Some(3), "{output:?}");
    assert_eq!(refused.exit_code(), Some(4));

    let mut accepted = Server::once(&["--www"]);
    let output = client(
        &[&accepted.address, "--insecure"],
        b"GET / HTTP/1.0\r\n\r\n",
    );
    let page = printed(output);
    assert!(
        page.starts_with("HTTP/1.0 200 OK\r\n") && page.contains("X25519MLKEM768"),
        "{page}"
    );
    assert_eq!(accepted.exit_code(), Some(0));
}

#[test]
fn it_says_what_it_is_made_of() {
    let said = |option| {
        let output = portcullis(&[option]).output().unwrap();
        assert!(output.status.success());
        String::from_utf8(output.stdout).unwrap()
    };
    let version = env!("CARGO_PKG_VERSION");
    assert_eq!(said("-V"), format!("portcullis {version}\n"));
    let long = said("--version");
    let mut lines = long.lines();
    assert_eq!(lines.next(), Some(&*format!("portcullis {version}")));
    let library = format!("library:   portcullis {version}");
    assert_eq!(lines.next(), Some(&*library));
    let crypto = lines
        .next()
        .and_then(|line| line.strip_prefix("crypto:    AWS-LC "));
    let (major, _) = crypto.unwrap().split_once('.').unwrap();
    assert!(major.parse::<u32>().is_ok(), "{long}");
    assert!(long.contains("\nversions:  TLSv1.3 TLSv1.2 "), "{long}");
    assert!(long.contains(" finite-field "), "{long}");
}

#[test]
fn mistakes_get_one_sentence_and_exit_code_2() {
    let output = client(&["http://localhost"], b"");
    assert!(sentence(output, 2).contains("it has no TLS"));
    let output = client(&["localhost:1", "--cafile", "/does/not/exist.pem"], b"");
    assert!(sentence(output, 2).contains("/does/not/exist.pem"));
    let output = client(&["localhost:1", "--groups", "x25519,brainpool"], b"");
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("choose from X25519MLKEM768"), "{said}");
    // Of more than a hundred the nearest are told.
    for (typed, expected) in [
        (
            "TLS_AES_256_GCM_SHA385",
            "the nearest are TLS_AES_256_GCM_SHA384, ",
        ),
        (
            "ECDHE-RSA-AES128-GCM-SHA257",
            "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256",
        ),
        ("###", "not a supported cipher suite; `--ciphers help`"),
    ] {
        let output = client(&["localhost:1", "--ciphers", typed], b"");
        assert_eq!(output.status.code(), Some(2), "{output:?}");
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(said.contains(expected), "{said}");
        let names = said.matches("TLS_").count() - typed.matches("TLS_").count();
        assert_eq!(names, if typed == "###" { 0 } else { 3 }, "{said}");
        assert!(said.contains("`--ciphers help` lists all"), "{said}");
    }
    let output = client(&["localhost:1", "--ciphers", "help"], b"");
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert!(output.stderr.is_empty(), "{output:?}");
    let said = String::from_utf8(output.stdout).unwrap();
    let default =
        "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256          ECDHE-RSA-AES128-GCM-SHA256      default";
    assert!(said.lines().any(|line| line == default), "{said}");
    let named = "TLS_RSA_WITH_AES_128_CBC_SHA                   AES128-SHA";
    assert!(said.lines().any(|line| line == named), "{said}");
    assert!(
        said.lines().count() > 50 && said.lines().all(|line| line.starts_with("TLS_")),
        "{said}"
    );
    // Asked in another place it is no name.
    for other in [["--groups", "help"], ["--sigalgs", "help"]] {
        let output = client(&[&["localhost:1"][..], &other].concat(), b"");
        assert_eq!(output.status.code(), Some(2), "{output:?}");
    }
    for arguments in [&["server"][..], &["bench", "serve"]] {
        let output = run(&[arguments, &["--listen", "4434"]].concat());
        assert_eq!(output.status.code(), Some(2), "{output:?}");
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(said.contains("127.0.0.1:4434, 0.0.0.0:4434 for"), "{said}");
    }
    for (group, why) in [
        ("sect571r1", "binary field"),
        ("SECP192R1", "fewer than 256 bits"),
        ("secp256k1", "RFC 8422 has withdrawn it"),
        ("brainpoolP256r1tls13", "older versions"),
    ] {
        let output = client(&["localhost:1", "--groups", group], b"");
        assert_eq!(output.status.code(), Some(2), "{output:?}");
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(
            said.contains("not implemented: ") && said.contains(why),
            "{said}"
        );
    }
}

/// What features bring is there where it is named, and nowhere else.
#[test]
fn what_few_peers_have_is_there_by_name() {
    for (option, name, fact) in [
        (
            "--ciphers",
            "TLS_ECDHE_ECDSA_WITH_AES_128_CCM",
            "cipher_suite",
        ),
        (
            "--ciphers",
            "TLS_ECDHE_ECDSA_WITH_3DES_EDE_CBC_SHA",
            "cipher_suite",
        ),
        ("--groups", "ffdhe3072", "group"),
        ("--groups", "brainpoolP384r1", "group"),
        ("--groups", "x448", "group"),
    ] {
        // The certificate is on P-256, which before TLS 1.3 is listed, too.
        let (value, more) = match name {
            "brainpoolP384r1" => (format!("{name},secp256r1"), &["--tls", "1.2"][..]),
            name => (name.to_owned(), &[][..]),
        };
        let mut server = Server::once(&[&[option, &value], more].concat());
        let arguments = [&server.address, "--insecure", "--json", option, &value];
        let output = client(&[&arguments[..], more].concat(), b"");
        let facts: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(facts[fact], name, "{facts}");
        assert_eq!(server.exit_code(), Some(0));
    }
}

/// The certificate of the server is on P-256, and so is that of the client.
#[test]
fn signatures_are_those_that_are_named() {
    let scheme = |facts: &Value| facts["peer_signature_scheme"].clone();
    let json = |arguments: &[&str]| -> (Option<i32>, Value) {
        let output = client(arguments, b"");
        let facts = serde_json::from_slice(&output.stdout).unwrap();
        (output.status.code(), facts)
    };
    let server = Server::start::<&str>(&[]);
    let arguments = [&server.address, "--insecure", "--json", "--sigalgs"];
    let named = [&arguments[..], &["ed25519,ecdsa_secp256r1_sha256"]].concat();
    let (code, facts) = json(&named);
    assert_eq!(code, Some(0), "{facts}");
    assert_eq!(scheme(&facts), "ecdsa_secp256r1_sha256");
    let (code, facts) = json(&[&arguments[..], &["ed25519"]].concat());
    assert_eq!(code, Some(4), "{facts}");
    assert_eq!(facts["error"]["alert"]["name"], "handshake_failure");

    // SHA-1 has to be named at both ends.
    let sha1 = [&arguments[1..], &["ecdsa_sha1", "--tls", "1.2"]].concat();
    let (code, facts) = json(&[&[&*server.address], &sha1[..]].concat());
    assert_eq!(code, Some(4), "{facts}");
    let other = Server::start(&["--sigalgs", "ecdsa_sha1"]);
    let (code, facts) = json(&[&[&*other.address], &sha1[..]].concat());
    assert_eq!(code, Some(0), "{facts}");
    assert_eq!(scheme(&facts), "ecdsa_sha1");

    let made = Certificates::make();
    let asks = ["--client-auth", "required", "--cafile", &made.ca];
    for (schemes, expected) in [("ecdsa_secp256r1_sha256", 0), ("ed25519", 4)] {
        let named = [&made.server()[..], &asks, &["--sigalgs", schemes]].concat();
        let mut server = Server::once(&named);
        let shown = ["--cert", &made.client_cert, "--key", &made.client_key];
        let output = client(
            &[&[&*server.address, "--insecure"], &shown[..]].concat(),
            b"",
        );
        assert_eq!(server.exit_code(), Some(expected), "{output:?}");
    }

    let output = client(&["localhost:1", "--sigalgs", "ecdsa"], b"");
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("choose from mldsa87"), "{said}");
}

#[test]
fn an_option_without_effect_is_refused() {
    let made = Certificates::make();
    for (mut arguments, expected) in [
        (
            vec!["server", "--sigalgs", "ed25519"],
            "--sigalgs has no effect",
        ),
        (
            vec!["server", "--cafile", &made.ca],
            "--cafile has no effect",
        ),
        (
            vec!["server", "--client-auth", "none", "--cafile", &made.ca],
            "--cafile has no effect",
        ),
        (
            vec!["server", "--www", "--alpn", "h2,http/1.1"],
            "--alpn h2",
        ),
        (vec!["server", "--dir", ".", "--alpn", "h2"], "--alpn h2"),
        (
            vec!["client", "imap://a.test", "--starttls", "smtp"],
            "contradict",
        ),
        (vec!["client", "https://a.test/x"], "leave \"/x\" away"),
        (
            vec!["cert", "show", &made.ca, "--starttls", "smtp"],
            "--starttls has no effect",
        ),
        (
            vec!["cert", "show", &made.ca, "--cafile", &made.ca],
            "--cafile has no effect",
        ),
    ] {
        if arguments[0] == "server" {
            // Nobody can listen there: one that is not refused ends all the same.
            arguments.extend(["--listen", "192.0.2.1:1"]);
        }
        let said = sentence(run(&arguments), 2);
        assert!(said.contains(expected), "{arguments:?}: {said}");
    }
    // What the other options leave nothing to do for, or contradict.
    let psk = ["--psk", "a:00112233445566778899aabbccddeeff"];
    let older = ["--tls", "1.2"];
    let plain = ["--ciphers", "PSK-AES128-GCM-SHA256"];
    let rsa = ["--ciphers", "AES128-SHA"];
    let new = ["--ciphers", "TLS_AES_128_GCM_SHA256"];
    let import = ["--psk-import", "context"];
    let groups = ["--groups", "x25519"];
    let no_groups = "--groups has no effect: no cipher suite that is offered agrees on a group";
    let no_new = |option: &str| format!("{option}: it takes TLSv1.3, and --tls has it not");
    let alike: [(&[&[&str]], String); 4] = [
        (&[&psk, &plain, &groups], no_groups.to_owned()),
        (&[&psk, &import, &older], "--psk-import: imported keys are for TLS 1.3 alone; name no other version in --tls".to_owned()),
        (&[&["--alpn", "a,b,a"]], "--alpn: a is there twice".to_owned()),
        (
            &[&new, &older],
            "--ciphers: TLS_AES_128_GCM_SHA256 cannot be used in TLSv1.2; leave it out, or name its version".to_owned(),
        ),
    ];
    let of_client: [(&[&[&str]], String); 8] = [
        (&[&rsa, &older, &groups], no_groups.to_owned()),
        (
            &[&["--early-data", &made.ca], &older],
            no_new("--early-data"),
        ),
        (&[&["--ech", "grease"], &older], no_new("--ech")),
        (
            &[&[
                "--srp",
                "bob",
                "--srp-password-file",
                &made.ca,
                "--tls",
                "1.2..1.3",
            ]],
            "--srp: passwords are for TLS 1.2 and older; leave 1.3 out of --tls".to_owned(),
        ),
        (
            &[&["--srp", "bob", "--srp-password-file", &made.ca], &groups],
            no_groups.to_owned(),
        ),
        (
            &[&psk, &["--sigalgs", "ed25519"]],
            "--sigalgs has no effect with a pre-shared key or a password".to_owned(),
        ),
        (
            &[&psk, &plain, &["--cert", &made.cert, "--key", &made.key]],
            "--cert has no effect: no suite of --ciphers has certificates".to_owned(),
        ),
        // It is the versions that are wrong with these suites.
        (
            &[&new, &older, &["--cafile", &made.ca]],
            "--ciphers: TLS_AES_128_GCM_SHA256 cannot be used in TLSv1.2".to_owned(),
        ),
    ];
    let of_server: [(&[&[&str]], String); 1] = [(
        &[&["--srp-file", &made.ca, "--tls", "1.3"]],
        "--srp-file: passwords are for TLS 1.2 and older".to_owned(),
    )];
    let client = |row| (["client", "127.0.0.1:1"], row);
    let server = |row| (["server", "--listen=192.0.2.1:1"], row);
    let both = alike.iter().flat_map(|row| [client(row), server(row)]);
    let rows = both.chain(of_client.iter().map(client));
    for (command, (options, expected)) in rows.chain(of_server.iter().map(server)) {
        let arguments = [&command[..], &options.concat()].concat();
        let said = sentence(run(&arguments), 2);
        assert!(said.contains(expected), "{arguments:?}: {said}");
    }
    // By clap, with its usage.
    for arguments in [
        &["server", "--www", "--dir", "."][..],
        &["server", "--key", "x"],
        &["client", "a.test", "--key", "x"],
        &["client", "a.test", "--insecure", "--cafile", "x"],
        &["cert", "dev", "--client"],
        &["cert", "dev", "-v"],
    ] {
        let output = run(arguments);
        assert_eq!(output.status.code(), Some(2), "{output:?}");
    }
}

#[test]
fn a_client_reconnects_and_resumes() {
    let made = Certificates::make();
    for (tickets, how) in [(true, "resumed"), (false, "full handshake")] {
        let mut arguments = made.server().to_vec();
        if tickets {
            arguments.push("--tickets");
        }
        let server = Server::start(&arguments);
        let client_arguments = [&server.address, "--cafile", &made.ca, "--reconnect", "2"];
        let output = client(&client_arguments, b"hello\n");
        assert!(output.status.success(), "{output:?}");
        assert_eq!(output.stdout, b"hello\n");
        let told = String::from_utf8(output.stderr).unwrap();
        let expected =
            format!("connection 1: full handshake\nconnection 2: {how}\nconnection 3: {how}\n");
        assert_eq!(told, expected);
        // The summary is of the last.
        let output = client(&[&client_arguments[..], &["--json"]].concat(), b"");
        let facts: Value = serde_json::from_str(&printed(output)).unwrap();
        assert_eq!(facts["resumed"], tickets);
    }
}

/// A line for each client of a server, whatever becomes of it.
#[test]
fn a_server_tells_programs_of_its_clients() {
    let made = Certificates::make();
    let line = |server: &mut Server| -> Value {
        let mut line = String::new();
        let mut stdout = std::io::BufReader::new(server.child.stdout.take().unwrap());
        std::io::BufRead::read_line(&mut stdout, &mut line).unwrap();
        serde_json::from_str(&line).unwrap_or_else(|_| panic!("{line:?}"))
    };
    for over in [&[][..], &["--dtls"]] {
        let mutual = ["--json", "--client-auth", "required", "--cafile", &made.ca];
        let options = [&made.server()[..], &mutual, over].concat();
        let connect = |server: &Server, own: &[&str]| {
            let target = format!("localhost:{}", server.port());
            let fixed = [&*target, "--resolve", "127.0.0.1", "--cafile", &made.ca];
            client(&[&fixed[..], own, over].concat(), b"")
        };
        let own = ["--cert", &made.client_cert, "--key", &made.client_key];
        let mut server = Server::once(&options);
        connect(&server, &own);
        let told = line(&mut server);
        assert_eq!(
            (&told["schema"], &told["ok"], &told["server_name"]),
            (
                &"portcullis.server/1".into(),
                &true.into(),
                &"localhost".into()
            ),
            "{told}"
        );
        assert!(told["client"].as_str().unwrap().starts_with("127.0.0.1:"));
        assert_eq!(
            told["peer_certificates"][0]["names"][0], "alice@a.test",
            "{told}"
        );
        assert_eq!(told["resumed"], false);
        let mut server = Server::once(&options);
        connect(&server, &[]);
        let told = line(&mut server);
        assert_eq!(
            (&told["ok"], &told["error"]["class"]),
            (&false.into(), &"handshake".into()),
            "{told}"
        );
        assert_eq!(told["error"]["alert"]["direction"], "sent", "{told}");
    }
}
