//! The scanner against servers that are set up in known ways: each setting is seen as it is.
//! `apt-get install openssl gnutls-bin erlang-ssl`

mod support;

use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde_json::{Value, json};
use support::{Certificates, Server, run};

/// A server of somebody else's, which is killed when dropped.
struct Peer {
    child: Child,
    port: u16,
}

impl Peer {
    fn start(program: &str, arguments: impl Fn(&str) -> Vec<String>) -> Self {
        // Somebody else may take the port in between.
        for _ in 0..3 {
            let free = TcpListener::bind("127.0.0.1:0").unwrap();
            let port = free.local_addr().unwrap().port();
            drop(free);
            let mut child = Command::new(program)
                .args(arguments(&port.to_string()))
                .stdin(Stdio::piped())
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .spawn()
                .unwrap_or_else(|error| panic!("{program}: {error}"));
            for _ in 0..400 {
                if TcpStream::connect(("127.0.0.1", port)).is_ok() {
                    return Self { child, port };
                }
                if child.try_wait().unwrap().is_some() {
                    break;
                }
                std::thread::sleep(Duration::from_millis(25));
            }
            let _ = child.kill();
            let _ = child.wait();
        }
        panic!("{program} does not listen");
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn openssl(made: &Certificates, options: &[&str]) -> Peer {
    Peer::start("openssl", |port| {
        let accept = format!("127.0.0.1:{port}");
        let mut words: Vec<_> = ["s_server", "-quiet", "-accept", &accept]
            .map(str::to_owned)
            .into();
        if !options.contains(&"-cert") {
            words.extend(["-cert", &made.cert, "-key", &made.key].map(str::to_owned));
        }
        words.extend(options.iter().map(|option| (*option).to_owned()));
        words
    })
}

fn gnutls(made: &Certificates, options: &[&str]) -> Peer {
    Peer::start("gnutls-serv", |port| {
        let fixed = [
            "--echo",
            "-p",
            port,
            "--x509certfile",
            &made.cert,
            "--x509keyfile",
            &made.key,
        ];
        let words = fixed.iter().chain(options);
        words.map(|word| (*word).to_owned()).collect()
    })
}

/// Echoes nothing: it reads until the client closes.
fn erlang(made: &Certificates, options: &str) -> Peer {
    Peer::start("erl", |port| {
        let program = format!(
            r#"ssl:start(),
            {{ok, L}} = ssl:listen({port}, [{{ip, {{127,0,0,1}}}}, {{certfile, "{}"}}, {{keyfile, "{}"}}, {{active, false}}, {{reuseaddr, true}}, {{log_level, none}} {options}]),
            Loop = fun Loop() ->
                {{ok, S}} = ssl:transport_accept(L),
                P = spawn(fun() -> receive go -> ok end, case ssl:handshake(S, 5000) of {{ok, T}} -> ssl:recv(T, 0, 5000), ssl:close(T); _ -> ok end end),
                ssl:controlling_process(S, P), P ! go,
                Loop()
            end,
            Loop()."#,
            made.cert, made.key
        );
        ["-noshell", "-eval", &program].map(str::to_owned).into()
    })
}

/// Twice, and twice the same.
fn scanned(port: u16, made: &Certificates, more: &[&str]) -> Value {
    let address = format!("127.0.0.1:{port}");
    let fixed = [
        "scan",
        &address,
        "--cafile",
        &made.ca,
        "--json",
        "--rate",
        "1000",
        "--timeout",
        "5",
    ];
    let once = || {
        let output = run(&[&fixed[..], more].concat());
        assert!(output.status.success(), "{output:?}");
        let mut report: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(report["schema"], "portcullis.scan/1");
        assert!(report["connections"].as_u64().unwrap() < 300, "{report}");
        report.as_object_mut().unwrap().remove("seconds");
        report
    };
    let (first, second) = (once(), once());
    assert_eq!(first, second);
    first
}

fn versions(report: &Value) -> Vec<&str> {
    let protocols = report["protocols"].as_array().unwrap().iter();
    let offered = protocols.filter(|protocol| protocol["offered"] == "yes");
    offered
        .map(|protocol| protocol["version"].as_str().unwrap())
        .collect()
}

fn of<'a>(report: &'a Value, list: &str, version: &str) -> &'a Value {
    let all = report[list].as_array().unwrap();
    let found = all.iter().find(|entry| entry["version"] == version);
    found.unwrap_or_else(|| panic!("{list} of {version}: {report}"))
}

fn names(list: &Value) -> Vec<&str> {
    let accepted = list["accepted"].as_array().unwrap().iter();
    accepted
        .map(|entry| entry["name"].as_str().unwrap())
        .collect()
}

/// In order of names, for servers that choose in an order of theirs.
fn sorted(list: &Value) -> Vec<&str> {
    let mut names = names(list);
    names.sort_unstable();
    names
}

fn findings(report: &Value) -> Vec<&str> {
    let findings = report["findings"].as_array().unwrap().iter();
    findings
        .map(|finding| finding["id"].as_str().unwrap())
        .collect()
}

#[test]
fn versions_of_openssl_are_seen_as_they_are_set() {
    let made = Certificates::make();
    for (options, expected) in [
        (&[][..], &["TLSv1.3", "TLSv1.2"][..]),
        (&["-tls1_3"], &["TLSv1.3"]),
        (&["-tls1_2"], &["TLSv1.2"]),
        (
            &["-min_protocol", "TLSv1", "-cipher", "ALL:@SECLEVEL=0"],
            &["TLSv1.3", "TLSv1.2", "TLSv1.1", "TLSv1.0"],
        ),
        (&["-tls1", "-cipher", "ALL:@SECLEVEL=0"], &["TLSv1.0"]),
    ] {
        let peer = openssl(&made, options);
        let report = scanned(peer.port, &made, &[]);
        assert_eq!(versions(&report), expected, "{options:?}");
        assert_eq!(report["complete"], true, "{options:?}: {report}");
        // What protects a client is asked where there are two versions.
        let fallback = &report["facts"]["fallback_scsv"];
        let is_there = if expected.len() > 1 {
            json!("yes")
        } else {
            Value::Null
        };
        assert_eq!(fallback, &is_there, "{options:?}");
        let findings = findings(&report);
        for (version, id) in [("TLSv1.0", "version.tls1.0"), ("TLSv1.1", "version.tls1.1")] {
            assert_eq!(findings.contains(&id), expected.contains(&version));
        }
        let has_old = expected.contains(&"TLSv1.0");
        assert_eq!(findings.contains(&"derived.beast"), has_old);
        assert_eq!(
            findings.contains(&"suite.anonymous"),
            has_old,
            "{findings:?}"
        );
        assert_eq!(report["trusted"], true);
    }
}

#[test]
fn suites_of_openssl_and_their_order_are_seen_as_they_are_set() {
    let made = Certificates::make();
    let chacha = ["-tls1_3", "-ciphersuites", "TLS_CHACHA20_POLY1305_SHA256"];
    let report = scanned(openssl(&made, &chacha).port, &made, &[]);
    let suites = of(&report, "suites", "TLSv1.3");
    assert_eq!(names(suites), ["TLS_CHACHA20_POLY1305_SHA256"]);
    assert_eq!(suites["order"], "not told");
    let one = ["-tls1_2", "-cipher", "ECDHE-ECDSA-AES128-GCM-SHA256"];
    let report = scanned(openssl(&made, &one).port, &made, &[]);
    assert_eq!(
        names(of(&report, "suites", "TLSv1.2")),
        ["TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256"]
    );
    assert!(!findings(&report).contains(&"suite.cbc"));
    assert!(findings(&report).contains(&"version.no-tls1.3"));
    for (options, order) in [
        (&[][..], "client"),
        (&["-serverpref"], "server"),
        (
            &["-serverpref", "-prioritize_chacha"],
            "server, ChaCha20 where the client has it first",
        ),
    ] {
        let report = scanned(openssl(&made, options).port, &made, &[]);
        for (version, count) in [("TLSv1.3", 3), ("TLSv1.2", 7)] {
            let suites = of(&report, "suites", version);
            assert_eq!(suites["order"], order, "{options:?} {version}");
            assert_eq!(names(suites).len(), count, "{options:?} {version}");
        }
    }
}

#[test]
fn groups_primes_and_schemes_of_openssl_are_seen_as_they_are_set() {
    let made = Certificates::make();
    for (groups, expected) in [
        ("P-384", &["secp384r1"][..]),
        ("X25519:P-256", &["secp256r1", "x25519"]),
    ] {
        let report = scanned(
            openssl(&made, &["-tls1_3", "-groups", groups]).port,
            &made,
            &[],
        );
        assert_eq!(sorted(of(&report, "groups", "TLSv1.3")), expected);
        assert_eq!(of(&report, "groups", "TLSv1.3")["post_quantum"], false);
        assert!(findings(&report).contains(&"group.no-pq"));
    }
    // The curve of the certificate has to be there, and hides none of the others.
    let report = scanned(openssl(&made, &[]).port, &made, &[]);
    let expected = ["secp256r1", "secp384r1", "secp521r1", "x25519", "x448"];
    assert_eq!(sorted(of(&report, "groups", "TLSv1.2")), expected);

    let (key, cert, field) = (
        made.path("rsa-key.pem"),
        made.path("rsa.pem"),
        made.path("dh.pem"),
    );
    let ran = |words: &[&str]| {
        let status = Command::new("openssl")
            .args(words)
            .stderr(Stdio::null())
            .status();
        assert!(status.unwrap().success(), "{words:?}");
    };
    let new = [
        "req",
        "-x509",
        "-newkey",
        "rsa:2048",
        "-nodes",
        "-subj",
        "/CN=localhost",
        "-days",
        "3",
    ];
    ran(&[&new[..], &["-keyout", &key, "-out", &cert]].concat());
    ran(&[
        "genpkey",
        "-genparam",
        "-algorithm",
        "DH",
        "-pkeyopt",
        "group:modp_1536",
        "-out",
        &field,
    ]);
    let rsa = ["-cert", &cert, "-key", &key, "-tls1_2"];
    let weak = [
        "-dhparam",
        &field,
        "-cipher",
        "DHE-RSA-AES128-GCM-SHA256:@SECLEVEL=0",
    ];
    let report = scanned(openssl(&made, &[&rsa[..], &weak].concat()).port, &made, &[]);
    assert_eq!(report["facts"]["dh_bits"], 1_536);
    assert!(findings(&report).contains(&"dh.short"), "{report}");
    // The library's own handshake takes no such prime, and it is said what is not known for that reason.
    assert_eq!(
        (&report["trusted"], &report["complete"]),
        (&Value::Null, &false.into())
    );
    let signed = ["-sigalgs", "RSA-PSS+SHA384", "-cipher", "ECDHE"];
    let report = scanned(
        openssl(&made, &[&rsa[..], &signed].concat()).port,
        &made,
        &[],
    );
    assert_eq!(names(&report["signature_schemes"]), ["rsa_pss_rsae_sha384"]);
    assert_eq!(report["trusted"], false);
    assert!(findings(&report).contains(&"certificate.untrusted"));
    assert!(findings(&report).contains(&"certificate.expires"));
    let exchange = ["-cipher", "AES128-SHA"];
    let report = scanned(
        openssl(&made, &[&rsa[..], &exchange].concat()).port,
        &made,
        &[],
    );
    let found = findings(&report);
    assert!(
        found.contains(&"suite.rsa-kx") && found.contains(&"suite.cbc"),
        "{found:?}"
    );
    assert_eq!(report["facts"]["dh_bits"], Value::Null);
}

#[test]
fn what_else_openssl_does_is_seen_as_it_is_set() {
    let made = Certificates::make();
    let facts =
        |options: &[&str]| scanned(openssl(&made, options).port, &made, &[])["facts"].clone();
    let default = facts(&[]);
    for (name, value) in [
        ("compression", json!("no")),
        ("secure_renegotiation", json!("yes")),
        ("client_certificate_asked_for", json!("no")),
        ("session_tickets", json!("yes")),
        ("extended_master_secret", json!("yes")),
        ("encrypt_then_mac", json!("yes")),
        ("heartbeat", json!("no")),
        ("ocsp_staple", json!("no")),
        ("early_data", json!("no")),
        ("resumption", json!({ "TLSv1.3": "yes", "TLSv1.2": "yes" })),
        (
            "alpn",
            json!({ "h2": "ignored", "http/1.1": "ignored", "x-unknown": "ignored" }),
        ),
    ] {
        assert_eq!(default[name], value, "{name}");
    }
    // Each setting changes what it says, and nothing else.
    for (options, changed) in [
        (
            &["-num_tickets", "0"][..],
            json!({ "resumption": { "TLSv1.3": "no", "TLSv1.2": "yes" } }),
        ),
        (
            &["-no_ticket", "-no_cache"],
            json!({ "session_tickets": "no", "resumption": { "TLSv1.3": "no", "TLSv1.2": "no" } }),
        ),
        (
            &["-early_data", "-max_early_data", "4096"],
            json!({ "early_data": "yes" }),
        ),
        (
            &["-alpn", "h2"],
            json!({ "alpn": { "h2": "chosen", "http/1.1": "refused", "x-unknown": "refused" } }),
        ),
        (
            &["-verify", "3"],
            json!({ "client_certificate_asked_for": "yes" }),
        ),
    ] {
        let mut expected = default.clone();
        for (name, value) in changed.as_object().unwrap() {
            expected[name] = value.clone();
        }
        assert_eq!(facts(options), expected, "{options:?}");
    }
}

#[test]
fn gnutls_is_seen_as_it_is_set() {
    let made = Certificates::make();
    let report = scanned(gnutls(&made, &["--disable-client-cert"]).port, &made, &[]);
    assert_eq!(
        versions(&report),
        ["TLSv1.3", "TLSv1.2", "TLSv1.1", "TLSv1.0"]
    );
    assert_eq!(report["facts"]["client_certificate_asked_for"], "no");
    assert_eq!(report["facts"]["heartbeat"], "no");
    assert_eq!(
        report["facts"]["resumption"],
        json!({ "TLSv1.3": "yes", "TLSv1.2": "yes" })
    );
    let suites = sorted(of(&report, "suites", "TLSv1.1"));
    assert_eq!(
        suites,
        [
            "TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA",
            "TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA"
        ]
    );

    let old = ["--priority", "NORMAL:-VERS-ALL:+VERS-TLS1.0:+ARCFOUR-128"];
    let report = scanned(gnutls(&made, &old).port, &made, &[]);
    assert_eq!(versions(&report), ["TLSv1.0"]);
    assert!(findings(&report).contains(&"suite.rc4"), "{report}");
    let report = scanned(gnutls(&made, &["--heartbeat"]).port, &made, &[]);
    assert_eq!(report["facts"]["heartbeat"], "yes");
    assert_eq!(report["facts"]["client_certificate_asked_for"], "yes");
    let field = ["--priority", "NORMAL:-GROUP-ALL:+GROUP-FFDHE3072"];
    let report = scanned(gnutls(&made, &field).port, &made, &[]);
    assert_eq!(names(of(&report, "groups", "TLSv1.3")), ["ffdhe3072"]);
    let report = scanned(gnutls(&made, &["--noticket", "--nodb"]).port, &made, &[]);
    assert_eq!(report["facts"]["session_tickets"], "no");
    assert_eq!(
        report["facts"]["resumption"],
        json!({ "TLSv1.3": "no", "TLSv1.2": "no" })
    );
}

#[test]
fn erlang_is_seen_as_it_is_set() {
    let made = Certificates::make();
    let report = scanned(erlang(&made, "").port, &made, &[]);
    assert_eq!(versions(&report), ["TLSv1.3", "TLSv1.2"]);
    assert_eq!(of(&report, "groups", "TLSv1.3")["post_quantum"], false);
    assert_eq!(report["facts"]["secure_renegotiation"], "yes");
    let one = ", {versions, ['tlsv1.2']}, {honor_cipher_order, true}, {ciphers, [\"ECDHE-ECDSA-AES128-GCM-SHA256\", \
               \"ECDHE-ECDSA-AES256-GCM-SHA384\"]}";
    let report = scanned(erlang(&made, one).port, &made, &[]);
    assert_eq!(versions(&report), ["TLSv1.2"]);
    let suites = of(&report, "suites", "TLSv1.2");
    assert_eq!(
        names(suites),
        [
            "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256",
            "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384"
        ]
    );
    assert_eq!(suites["order"], "server");
}

#[test]
fn our_own_server_is_seen_as_it_is_set() {
    let made = Certificates::make();
    let server = Server::start(&[&made.server()[..], &["--tickets", "--early-data"]].concat());
    let report = scanned(server.port().parse().unwrap(), &made, &[]);
    assert_eq!(versions(&report), ["TLSv1.3", "TLSv1.2"]);
    assert_eq!(of(&report, "groups", "TLSv1.3")["post_quantum"], true);
    assert!(names(of(&report, "groups", "TLSv1.3")).contains(&"X25519MLKEM768"));
    assert_eq!(report["facts"]["early_data"], "yes");
    assert_eq!(report["facts"]["fallback_scsv"], "yes");
    let server = Server::start(
        &[
            &made.server()[..],
            &["--groups", "x25519", "--alpn", "h2", "--tls", "1.3"],
        ]
        .concat(),
    );
    let report = scanned(server.port().parse().unwrap(), &made, &[]);
    assert_eq!(versions(&report), ["TLSv1.3"]);
    assert_eq!(names(of(&report, "groups", "TLSv1.3")), ["x25519"]);
    let alpn = json!({ "h2": "chosen", "http/1.1": "refused", "x-unknown": "refused" });
    assert_eq!(report["facts"]["alpn"], alpn);
    assert_eq!(report["facts"]["resumption"], json!({ "TLSv1.3": "no" }));
}
