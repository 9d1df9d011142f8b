//! The scanner's rules, and servers that mean it no good.

mod support;

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::process::Output;

use serde_json::Value;
use support::{Certificates, Server, printed, run, sentence};

fn scan(address: &str, made: &Certificates, more: &[&str]) -> Output {
    let fixed = ["scan", address, "--cafile", &made.ca, "--rate", "1000"];
    run(&[&fixed[..], more].concat())
}

#[test]
fn rules_end_a_scan_with_codes_of_their_own() {
    let made = Certificates::make();
    // It says each handshake that fails, and waits for nobody to read that.
    let server = Server::start(&[&made.server()[..], &["--groups", "x25519"]].concat());
    let text = printed(scan(&server.address, &made, &[]));
    for line in [
        "TLSv1.3                       yes",
        "SSLv3                         no",
        "SSLv2                         no",
        "encrypted hello               no",
        "TLSv1.3 group                 x25519",
        "TLSv1.3 tickets               0",
        "hello in two records          yes",
        "old hello of one to come      yes",
        "hello of 20,000 bytes         yes",
        "at scan.invalid               the same certificate",
        "chain in order                yes",
        "chain with root               no",
        "WARN group.no-pq: ",
    ] {
        assert!(
            text.lines().any(|seen| seen.starts_with(line)),
            "{line}: {text}"
        );
    }
    let passed = "bad,incomplete,version<1.2,suite=rc4,suite=rsa-kx,no-fs,untrusted,expires<30d,early-data,compression,renegotiation";
    printed(scan(&server.address, &made, &["--fail-on", passed]));
    for (rule, is_hit) in [
        ("no-pq", true),
        ("warn", true),
        ("version<1.3", true),
        ("expires<1000d", true),
        ("group.no-pq", true),
    ] {
        let output = scan(&server.address, &made, &["--json", "--fail-on", rule]);
        let report: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(report["failed_rules"][0] == rule, is_hit, "{rule}");
        assert!(sentence(output, 7).contains(rule));
    }
    // By another name than the certificate has, and of an unknown authority.
    let other = scan(
        &server.address,
        &made,
        &["--name", "other.test", "--fail-on", "untrusted"],
    );
    sentence(other, 7);
    let unknown = run(&[
        "scan",
        &server.address,
        "--rate",
        "1000",
        "--fail-on",
        "untrusted",
    ]);
    // What can be done stands at the end.
    let text = String::from_utf8(unknown.stdout.clone()).unwrap();
    let mut lines = text.lines();
    let finding = lines.find(|line| line.starts_with("BAD  certificate.untrusted: "));
    let finding = finding.unwrap_or_else(|| panic!("{text}"));
    assert!(finding.ends_with(" --cafile"), "{finding}");
    sentence(unknown, 7);
    let address = scan(&server.address, &made, &["--other-name", "127.0.0.1"]);
    assert_eq!(address.status.code(), Some(2));
    let said = String::from_utf8(address.stderr).unwrap();
    assert!(
        said.contains("the name of a host, and no address"),
        "{said}"
    );
    let wrong = scan(&server.address, &made, &["--fail-on", "good"]);
    assert_eq!(wrong.status.code(), Some(2));
    assert!(
        String::from_utf8(wrong.stderr)
            .unwrap()
            .contains("no rule; there are bad, ")
    );
}

#[test]
fn connections_are_bounded_and_what_is_missing_is_unknown() {
    let made = Certificates::make();
    let server = Server::start(&made.server());
    let few = ["--connections", "5", "--json", "--fail-on", "incomplete"];
    let output = scan(&server.address, &made, &few);
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report["connections"], 5);
    assert_eq!(report["complete"], false);
    assert_eq!(report["ended"], "there were 5 connections (--connections)");
    sentence(output, 8);
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = nobody.local_addr().unwrap().to_string();
    drop(nobody);
    sentence(scan(&address, &made, &[]), 1);
}

/// Does the same with each connection, in a thread that nobody waits for.
fn scripted(serve: impl Fn(&mut TcpStream) + Send + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    std::thread::spawn(move || {
        for io in listener.incoming() {
            serve(&mut io.unwrap());
        }
    });
    address
}

/// Of these nothing is said that is not known, and it ends, and not well.
fn is_unknown(address: &str, why: &str) {
    let made = Certificates::make();
    let output = scan(address, &made, &["--json", "--timeout", "1"]);
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report["complete"], false, "{report}");
    for protocol in report["protocols"].as_array().unwrap() {
        assert_eq!(protocol["offered"], "unknown", "{protocol}");
    }
    let said = report["protocols"][0]["why"].as_str().unwrap();
    assert!(said.contains(why), "{said}");
    assert!(report["connections"].as_u64().unwrap() <= 20, "{report}");
    let text = sentence(output, 4);
    let no = format!("{address}: no hello was answered, of any version: {said}");
    assert!(text.contains(&no), "{text}");
}

#[test]
fn who_closes_without_a_word_is_not_known() {
    let address = scripted(|io| {
        let _ = io.read(&mut [0; 5]);
    });
    is_unknown(&address, "");
}

/// An alert that says nothing of versions is an answer of TLS all the same.
#[test]
fn who_answers_with_alerts_speaks_tls() {
    let made = Certificates::make();
    let address = scripted(|io| {
        let _ = io.read(&mut [0; 2_000]);
        let _ = io.write_all(&[21, 3, 3, 0, 2, 2, 80]);
        let _ = io.read_to_end(&mut Vec::new());
    });
    let text = printed(scan(&address, &made, &["--timeout", "1"]));
    assert!(text.contains("unknown: alert internal_error"), "{text}");
}

#[test]
fn who_speaks_something_else_is_no_server_of_tls() {
    let made = Certificates::make();
    let address = scripted(|io| {
        let _ = io.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n");
        let _ = io.read_to_end(&mut Vec::new());
    });
    let begun = std::time::Instant::now();
    let said = sentence(scan(&address, &made, &["--fail-on", "bad"]), 4);
    let expected = format!(
        "portcullis: {address}: what comes is not TLS: the server speaks another protocol; where TLS begins in another \
         protocol there is --starttls\n"
    );
    assert_eq!(said, expected);
    // Two versions, each asked about twice, a second apart.
    assert!(begun.elapsed() < std::time::Duration::from_secs(8));
    // What may be SSL 2 is asked about that.
    let address = scripted(|io| {
        let _ = io.write_all(&[0x80, 3, 0, 0, 1]);
        let _ = io.read_to_end(&mut Vec::new());
    });
    let output = scan(&address, &made, &["--json", "--timeout", "1"]);
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    let protocols = report["protocols"].as_array().unwrap();
    assert_eq!(protocols.last().unwrap()["offered"], "no", "{report}");
}

#[test]
fn who_never_comes_to_an_end_is_not_known() {
    // Alerts that are warnings, without end.
    let address =
        scripted(|io| while io.write_all(&[21, 3, 3, 0, 2, 1, 112].repeat(100)).is_ok() {});
    is_unknown(&address, "longer than 128 KiB");
}

#[test]
fn what_was_not_offered_is_found_and_ends_the_list() {
    let made = Certificates::make();
    // Always the same suite, in TLS 1.2, whatever was asked.
    let address = scripted(|io| {
        let _ = io.read(&mut [0; 2_000]);
        let mut hello = vec![22, 3, 3, 0, 42, 2, 0, 0, 38, 3, 3];
        hello.extend([7; 32]);
        hello.extend([0, 0xc0, 0x2f, 0]);
        let _ = io.write_all(&hello);
        let _ = io.read_to_end(&mut Vec::new());
    });
    let output = scan(
        &address,
        &made,
        &["--json", "--timeout", "1", "--fail-on", "broken-choice"],
    );
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    let offered: Vec<_> = report["protocols"]
        .as_array()
        .unwrap()
        .iter()
        .map(|protocol| &protocol["offered"])
        .collect();
    // Nothing that is no TLS is read of it, so that SSL 2 is not known.
    assert_eq!(offered, ["no", "yes", "no", "no", "no", "unknown"]);
    let suites = &report["suites"][0]["accepted"];
    assert_eq!(suites.as_array().unwrap().len(), 1, "{report}");
    assert_eq!(report["complete"], false);
    sentence(output, 7);
}

#[test]
fn keys_for_encrypted_hellos_are_seen() {
    let made = Certificates::make();
    let key = made.path("ech.pem");
    printed(run(&["ech", "new", "--public-name", "localhost", &key]));
    for (more, expected) in [(&["--ech-keys", &*key][..], "yes"), (&[], "no")] {
        let server = Server::start(&[&made.server()[..], more].concat());
        // By a name, and by an address, in the place of which another name has to be seen.
        let port = server.port();
        for host in ["localhost", "127.0.0.1"] {
            let address = format!("{host}:{port}");
            let more = ["--json", "--resolve", "127.0.0.1"];
            let report: Value =
                serde_json::from_str(&printed(scan(&address, &made, &more))).unwrap();
            assert_eq!(report["facts"]["ech"], expected, "{host}: {report}");
            assert_eq!(report["complete"], true, "{report}");
        }
    }
}

/// One in which the library shakes no hands, with a certificate of so many days that it signs nothing with.
fn camellia_alone(days: i64) -> String {
    let signed = rcgen::KeyPair::generate().unwrap();
    let mut parameters = rcgen::CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
    parameters.not_after = time::OffsetDateTime::now_utc() + time::Duration::days(days);
    let der = parameters.self_signed(&signed).unwrap().der().to_vec();
    // TLS_RSA_WITH_CAMELLIA_128_CBC_SHA.
    const CAMELLIA: [u8; 2] = [0, 0x41];
    scripted(move |io| {
        let mut hello = [0; 2_000];
        let read = io.read(&mut hello).unwrap_or(0);
        let Some(hello) = hello.get(9..read).filter(|hello| hello.len() > 40) else {
            return;
        };
        let length = usize::from(u16::from_be_bytes([hello[35], hello[36]]));
        let (suites, extensions) = hello[37..].split_at(length.min(hello.len() - 37));
        let is_new = extensions.windows(5).any(|part| part == [0, 43, 0, 3, 2]);
        if hello[..2] != [3, 3] || is_new || !suites.chunks(2).any(|suite| suite == CAMELLIA) {
            let _ = io.write_all(&[21, 3, 3, 0, 2, 2, 40]);
            let _ = io.read_to_end(&mut Vec::new());
            return;
        }
        let mut flight = vec![2, 0, 0, 38, 3, 3];
        flight.extend([7; 32]);
        flight.extend([0, CAMELLIA[0], CAMELLIA[1], 0]);
        let of = |length: usize| (length as u32).to_be_bytes()[1..].to_vec();
        flight.push(11);
        flight.extend(of(der.len() + 6));
        flight.extend(of(der.len() + 3));
        flight.extend(of(der.len()));
        flight.extend(&der);
        flight.extend([14, 0, 0, 0]);
        let mut record = vec![22, 3, 3];
        record.extend((flight.len() as u16).to_be_bytes());
        record.extend(flight);
        let _ = io.write_all(&record);
        let _ = io.read_to_end(&mut Vec::new());
    })
}

#[test]
fn certificates_are_read_where_no_handshake_comes_to_an_end() {
    let made = Certificates::make();
    let address = camellia_alone(3);
    let rules = "expires<30d,untrusted,suite=cbc,suite=rsa-kx,no-fs";
    let output = scan(
        &address,
        &made,
        &["--json", "--timeout", "1", "--fail-on", rules],
    );
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    let hit: Vec<_> = report["failed_rules"].as_array().unwrap().iter().collect();
    assert_eq!(hit, rules.split(',').collect::<Vec<_>>(), "{report}");
    let suite = &report["suites"][0]["accepted"][0]["name"];
    assert_eq!(suite, "TLS_RSA_WITH_CAMELLIA_128_CBC_SHA");
    assert_eq!(report["certificates"][0]["names"][0], "localhost");
    assert!(report["handshake_failed"].is_string() && report["complete"] == false);
    assert_eq!(report["certificates_proved"], false);
    sentence(output, 7);
    // One that is good for long is nobody's as long as nobody has signed with its key.
    let address = camellia_alone(100);
    let more = ["--json", "--timeout", "1", "--fail-on", "expires<30d,bad"];
    let output = scan(&address, &made, &more);
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    // It is of an authority that nobody knows, which is bad enough.
    assert_eq!(
        report["failed_rules"],
        serde_json::json!(["bad"]),
        "{report}"
    );
    assert_eq!(report["undecided_rules"][0]["rule"], "expires<30d");
    sentence(output, 7);
    let more = ["--timeout", "1", "--fail-on", "expires<30d"];
    let output = scan(&address, &made, &more);
    let text = String::from_utf8(output.stdout.clone()).unwrap();
    for line in [
        "certificate                   NOT PROVED: no handshake has shown",
        "UNDECIDED expires<30d: no handshake has shown",
    ] {
        assert!(text.lines().any(|seen| seen.starts_with(line)), "{text}");
    }
    assert_eq!(
        sentence(output, 8),
        "portcullis: --fail-on expires<30d: whether it is so could not be found out: no handshake has shown that the server \
         has the certificate's key\n"
    );
}

/// TLS 1.3 with a suite that the library does not speak, so that no certificate is seen.
#[test]
fn a_rule_about_certificates_is_not_passed_where_none_is_seen() {
    let made = Certificates::make();
    // TLS_SM4_GCM_SM3.
    const SM4: [u8; 2] = [0, 0xc6];
    const RETRY: [u8; 32] = [
        0xcf, 0x21, 0xad, 0x74, 0xe5, 0x9a, 0x61, 0x11, 0xbe, 0x1d, 0x8c, 0x02, 0x1e, 0x65, 0xb8,
        0x91, 0xc2, 0xa2, 0x11, 0x16, 0x7a, 0xbb, 0x8c, 0x5e, 0x07, 0x9e, 0x09, 0xe2, 0xc8, 0xa8,
        0x33, 0x9c,
    ];
    let address = scripted(|io| {
        let mut hello = [0; 4_000];
        let read = io.read(&mut hello).unwrap_or(0);
        let Some(hello) = hello.get(9..read).filter(|hello| hello.len() > 40) else {
            return;
        };
        let length = usize::from(u16::from_be_bytes([hello[35], hello[36]]));
        let (suites, extensions) = hello[37..].split_at(length.min(hello.len() - 37));
        let is_new = extensions.windows(5).any(|part| part == [0, 43, 0, 3, 2]);
        let answer = match is_new && suites.chunks(2).any(|suite| suite == SM4) {
            false => vec![21, 3, 3, 0, 2, 2, 40],
            true => {
                let mut answer = vec![22, 3, 3, 0, 56, 2, 0, 0, 52, 3, 3];
                answer.extend(RETRY);
                answer.extend([0, SM4[0], SM4[1], 0, 0, 12]);
                answer.extend([0, 43, 0, 2, 3, 4, 0, 51, 0, 2, 0, 29]);
                answer
            }
        };
        let _ = io.write_all(&answer);
        let _ = io.read_to_end(&mut Vec::new());
    });
    let rules = "expires<30d,untrusted,certificate.expired";
    let more = ["--json", "--timeout", "1", "--fail-on", rules];
    let output = scan(&address, &made, &more);
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(
        report["suites"][0]["accepted"][0]["name"],
        "TLS_SM4_GCM_SM3"
    );
    assert_eq!(report["failed_rules"], serde_json::json!([]), "{report}");
    let undecided = report["undecided_rules"].as_array().unwrap();
    let undecided: Vec<_> = undecided.iter().map(|rule| &rule["rule"]).collect();
    assert_eq!(undecided, rules.split(',').collect::<Vec<_>>(), "{report}");
    assert!(sentence(output, 8).contains(rules.replace(',', ", ").as_str()));
}

/// Says what a server of POP3 says, and hands on what comes behind it.
#[test]
fn what_is_behind_starttls_is_scanned() {
    let made = Certificates::make();
    let server = Server::start(&[&made.server()[..], &["--tls", "1.3"]].concat());
    let behind = server.address.clone();
    let address = scripted(move |io| {
        let _ = io.write_all(b"+OK ready\r\n");
        let mut line = [0; 6];
        if io.read_exact(&mut line).is_err() || line != *b"STLS\r\n" {
            return;
        }
        let _ = io.write_all(b"+OK begin\r\n");
        let to = TcpStream::connect(&behind).unwrap();
        let copied = |mut from: TcpStream, mut to: TcpStream| {
            std::thread::spawn(move || {
                let _ = std::io::copy(&mut from, &mut to);
                let _ = to.shutdown(std::net::Shutdown::Write);
            })
        };
        copied(io.try_clone().unwrap(), to.try_clone().unwrap());
        copied(to, io.try_clone().unwrap());
    });
    let output = scan(&address, &made, &["--json", "--starttls", "pop3"]);
    let report: Value = serde_json::from_str(&printed(output)).unwrap();
    assert_eq!(
        (&report["starttls"], &report["complete"]),
        (&"pop3".into(), &true.into()),
        "{report}"
    );
    let yes = |protocol: &&Value| protocol["offered"] == "yes";
    let offered: Vec<_> = report["protocols"]
        .as_array()
        .unwrap()
        .iter()
        .filter(yes)
        .collect();
    assert_eq!(offered.len(), 1);
    assert_eq!(offered[0]["version"], "TLSv1.3");
    // A server that speaks TLS at once is none of POP3.
    let wrong = scan(
        &server.address,
        &made,
        &["--starttls", "pop3", "--timeout", "1"],
    );
    assert!(!wrong.status.success());
}

/// A server of the nineties: SSL 2 and 3, a suite for export, DEFLATE, and no word about renegotiation.
#[test]
fn what_is_long_broken_is_seen() {
    // TLS_DHE_RSA_WITH_3DES_EDE_CBC_SHA with a good prime, TLS_DHE_RSA_EXPORT_WITH_DES40_CBC_SHA with a short one, and
    // TLS_RSA_EXPORT_WITH_RC4_40_MD5 without one.
    const SUITES: [([u8; 2], usize); 3] = [([0, 0x16], 256), ([0, 0x14], 64), ([0, 3], 0)];
    let made = Certificates::make();
    let address = scripted(|io| {
        let mut hello = [0; 2_000];
        let read = io.read(&mut hello).unwrap_or(0);
        if hello[0] == 0x80 {
            // SERVER-HELLO without a certificate or a name of the connection, and with two kinds of ciphers.
            let head = [0x80, 17, 4, 0, 1, 0, 2, 0, 0, 0, 6, 0, 0];
            let _ = io.write_all(&[&head[..], &[7, 0, 0xc0, 2, 0, 0x80]].concat());
            let _ = io.read_to_end(&mut Vec::new());
            return;
        }
        let Some(hello) = hello.get(9..read).filter(|hello| hello.len() > 40) else {
            return;
        };
        // Version, random, an empty session id, and the suites behind their length.
        let length = usize::from(u16::from_be_bytes([hello[35], hello[36]]));
        let (suites, methods) = hello[37..].split_at(length);
        let chosen = SUITES
            .iter()
            .find(|(suite, _)| suites.chunks(2).any(|offered| offered == suite));
        let (true, Some((suite, prime))) = (hello[..2] == [3, 0], chosen) else {
            let _ = io.write_all(&[21, 3, 0, 0, 2, 2, 40]);
            return;
        };
        let deflate = u8::from(methods[1..].starts_with(&[1]));
        let mut flight = vec![2, 0, 0, 38, 3, 0];
        flight.extend([7; 32]);
        flight.extend([0, suite[0], suite[1], deflate]);
        if *prime > 0 {
            let length = |length: usize| (length as u16).to_be_bytes();
            flight.extend([12, 0]);
            flight.extend(length(prime + 10));
            flight.extend(length(*prime));
            flight.extend(vec![0xff; *prime]);
            // The generator, the server's share, and a signature, which nobody looks at.
            flight.extend([0, 1, 2, 0, 1, 3, 0, 0]);
        }
        flight.extend([14, 0, 0, 0]);
        let mut record = vec![22, 3, 0];
        record.extend((flight.len() as u16).to_be_bytes());
        record.extend(flight);
        let _ = io.write_all(&record);
        let _ = io.read_to_end(&mut Vec::new());
    });
    let rules = [
        "--json",
        "--timeout",
        "1",
        "--fail-on",
        "suite=export,suite=3des,dh.short,compression,renegotiation,version<1.1",
    ];
    let output = scan(&address, &made, &rules);
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    let findings: Vec<_> = report["findings"]
        .as_array()
        .unwrap()
        .iter()
        .map(|finding| finding["id"].as_str().unwrap())
        .collect();
    for id in [
        "version.ssl2",
        "derived.drown",
        "version.ssl3",
        "version.no-tls1.3",
        "suite.export",
        "suite.rc4",
        "suite.3des",
        "dh.short",
        "compression",
        "renegotiation.insecure",
    ] {
        assert!(findings.contains(&id), "{id}: {report}");
    }
    assert_eq!(
        report["failed_rules"].as_array().unwrap().len(),
        6,
        "{report}"
    );
    let facts = &report["facts"];
    assert_eq!(facts["compression"], "yes");
    assert_eq!(
        (&facts["dh_bits"], &facts["dh_bits_export"]),
        (&2_048.into(), &512.into())
    );
    // What nobody renegotiates with is not asked to.
    assert!(facts["client_renegotiation"].is_null(), "{facts}");
    let suites = report["suites"].as_array().unwrap();
    let ssl2 = suites
        .iter()
        .find(|suites| suites["version"] == "SSLv2")
        .unwrap();
    let names = [&ssl2["accepted"][0]["name"], &ssl2["accepted"][1]["name"]];
    assert_eq!(
        names,
        [
            "SSL_CK_DES_192_EDE3_CBC_WITH_MD5",
            "SSL_CK_RC4_128_EXPORT40_WITH_MD5"
        ]
    );
    assert_eq!(ssl2["accepted"][1]["id"], "0x020080");
    sentence(output, 7);
}

#[test]
fn a_server_of_datagrams_is_scanned() {
    let made = Certificates::make();
    let server =
        Server::start(&[&made.server()[..], &["--dtls", "--tickets", "stateless"]].concat());
    let output = scan(
        &server.address,
        &made,
        &[
            "--dtls",
            "--json",
            "--fail-on",
            "bad,incomplete,version<1.2,untrusted",
        ],
    );
    let report: Value = serde_json::from_str(&printed(output)).unwrap();
    assert_eq!(report["transport"], "udp");
    let offered: Vec<_> = report["protocols"]
        .as_array()
        .unwrap()
        .iter()
        .map(|protocol| {
            format!(
                "{} {}",
                protocol["version"].as_str().unwrap(),
                protocol["offered"].as_str().unwrap()
            )
        })
        .collect();
    assert_eq!(
        offered,
        ["DTLSv1.3 yes", "DTLSv1.2 yes", "DTLSv1.0 no"],
        "{report}"
    );
    let facts = &report["facts"];
    for version in ["DTLSv1.3", "DTLSv1.2"] {
        assert_eq!(facts["cookie"][version], "yes", "{report}");
        assert_eq!(facts["resumption"][version], "yes", "{report}");
    }
    assert_eq!(facts["early_data"], "no", "{report}");
    assert_eq!(
        (&report["complete"], &report["trusted"]),
        (&true.into(), &true.into()),
        "{report}"
    );
    assert_eq!(report["groups"][0]["post_quantum"], true, "{report}");
    assert_eq!(
        (&facts["ech"], &facts["connection_id"]),
        (&"no".into(), &"no".into())
    );
    let text = printed(scan(&server.address, &made, &["--dtls"]));
    for line in [
        "DTLSv1.2 cookie               yes",
        "DTLSv1.3 suite                TLS_AES_128_GCM_SHA256",
        "early data                    no",
        "certificate                   trusted, by ",
    ] {
        assert!(
            text.lines().any(|seen| seen.starts_with(line)),
            "{line}: {text}"
        );
    }
    // Whoever takes early data asks for no cookie without load, and has a group whose share fits into the first hello.
    let takes = ["--dtls", "--tickets", "stateless", "--early-data"];
    let taking = Server::start(&[&made.server()[..], &takes].concat());
    let rules = ["--dtls", "--json", "--fail-on", "early-data"];
    let output = scan(&taking.address, &made, &rules);
    assert_eq!(output.status.code(), Some(7), "{output:?}");
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report["facts"]["early_data"], "yes", "{report}");
    // Nobody, and who has nothing to say.
    let silent = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = silent.local_addr().unwrap().to_string();
    let said = sentence(scan(&address, &made, &["--dtls", "--timeout", "1"]), 1);
    assert!(
        said.contains("no answer within 1 s; over UDP a server that does not"),
        "{said}"
    );
    drop(silent);
    let said = sentence(scan(&address, &made, &["--dtls", "--timeout", "1"]), 1);
    assert!(said.contains("nobody listens at this port"), "{said}");
    let both = scan(&address, &made, &["--dtls", "--starttls", "smtp"]);
    assert_eq!(both.status.code(), Some(2));
}
