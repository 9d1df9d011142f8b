//! `--starttls`: honest servers, servers that cannot, and somebody on the path.

mod support;

use support::plain::{self, Outcome, Plain, Step, Step::*};
use support::{Certificates, client, printed, sentence};

/// The client against a server that plays a script; `more` are arguments.
fn against(
    made: &Certificates,
    protocol: &str,
    script: Vec<Step>,
    each: bool,
    more: &[&str],
) -> (std::process::Output, Outcome) {
    let server = Plain::start(made, script, each);
    let target = format!("localhost:{}", server.port);
    let route = [
        "--resolve",
        "127.0.0.1",
        "--cafile",
        &made.ca,
        "--starttls",
        protocol,
    ];
    let all = [&[target.as_str()], &route[..], more].concat();
    let output = client(&all, b"hello");
    (output, server.outcome())
}

/// A script that ends after its last step in this way.
fn then(mut script: Vec<Step>, end: Step) -> Vec<Step> {
    script.push(end);
    script
}

#[test]
fn every_protocol_comes_to_tls() {
    let made = Certificates::make();
    for (protocol, script) in plain::honest() {
        for each in [false, true] {
            let (output, outcome) = against(&made, protocol, then(script.clone(), Tls), each, &[]);
            assert_eq!(outcome, Outcome::Done, "{protocol}: {output:?}");
            assert_eq!(printed(output), "hello", "{protocol}");
        }
    }
}

#[test]
fn the_report_names_the_protocol_and_a_url_can_ask_for_it() {
    let made = Certificates::make();
    let script = vec![
        Say(b"+OK ready\r\n"),
        Line("STLS"),
        Say(b"+OK begin\r\n"),
        Tls,
    ];
    let server = Plain::start(&made, script, false);
    let url = format!("pop3://localhost:{}/", server.port);
    let output = client(
        &[
            &url,
            "--resolve",
            "127.0.0.1",
            "--cafile",
            &made.ca,
            "--json",
            "-v",
        ],
        b"",
    );
    let told = String::from_utf8(output.stderr.clone()).unwrap();
    assert!(told.contains("STARTTLS:        pop3\n"), "{told}");
    let facts: serde_json::Value = serde_json::from_str(&printed(output)).unwrap();
    assert_eq!(facts["starttls"], "pop3");
    assert_eq!(server.outcome(), Outcome::Done);
}

/// CVE-2011-0411 and its kind (CVE-2021-23222 for PostgreSQL): what someone on the path puts
/// behind the go-ahead would pass for something said in TLS.
#[test]
fn what_is_injected_behind_the_go_ahead_is_refused() {
    let made = Certificates::make();
    for (protocol, mut script) in plain::honest() {
        let (at, go_ahead) = script
            .iter()
            .enumerate()
            .rev()
            .find_map(|(at, step)| match step {
                Say(bytes) => Some((at, *bytes)),
                _ => None,
            })
            .unwrap();
        for injected in [
            &b"250 injected\r\n"[..],
            b"\n",
            b"\x16\x03\x03\x00\x02\x02\x00",
        ] {
            let both = Vec::leak([go_ahead, injected].concat());
            script[at] = Say(both);
            let end = script[..=at].to_vec();
            let (output, outcome) = against(&made, protocol, then(end, Tls), false, &["--json"]);
            assert_ne!(outcome, Outcome::Done, "{protocol}");
            assert_eq!(output.status.code(), Some(4), "{protocol}: {output:?}");
            let facts: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
            assert_eq!(facts["error"]["stage"], "StartTls");
            let reason = facts["error"]["reason"].as_str().unwrap();
            let expected = format!(
                "the server sent {} bytes more than its answer",
                injected.len()
            );
            assert!(reason.contains(&expected), "{protocol}: {reason}");
        }
    }
}

#[test]
fn what_is_injected_in_a_packet_of_its_own_is_no_tls() {
    let made = Certificates::make();
    for (protocol, script) in plain::honest() {
        let script = then(then(script, Say(b"250 injected\r\n")), Tls);
        let (output, outcome) = against(&made, protocol, script, false, &[]);
        assert_ne!(outcome, Outcome::Done, "{protocol}");
        sentence(output, 4);
    }
}

/// Answers that come before their questions belong to someone who wants the true ones to be
/// taken for something else.
#[test]
fn an_answer_before_its_question_is_refused() {
    let made = Certificates::make();
    for (protocol, early) in [
        ("smtp", &b"220 ready\r\n250 STARTTLS\r\n"[..]),
        (
            "smtp",
            b"220 ready\r\n250-x\r\n250 STARTTLS\r\n220 go ahead\r\n",
        ),
        ("imap", b"* OK ready\r\n* CAPABILITY STARTTLS\r\na OK\r\n"),
        ("pop3", b"+OK ready\r\n+OK begin\r\n"),
        ("ftp", b"220 ready\r\n234 begin\r\n"),
    ] {
        let (output, _) = against(&made, protocol, vec![Say(early), Wait], false, &[]);
        let said = sentence(output, 4);
        assert!(said.contains("more than its answer"), "{protocol}: {said}");
    }
}

#[test]
fn a_server_that_declines_is_told_of_in_its_own_words() {
    let made = Certificates::make();
    let mut xmpp = plain::honest().remove(5).1;
    xmpp.truncate(3);
    let xmpp = |rest: &[Step]| [&xmpp[..], rest].concat();
    let cases: Vec<(&str, Vec<Step>, &str)> = vec![
        (
            "smtp",
            vec![Say(b"554 go away\r\n")],
            "the server said \"554 go away\"",
        ),
        // The path has cut STARTTLS out, or the server never had it.
        (
            "smtp",
            vec![
                Say(b"220 ready\r\n"),
                Line("EHLO "),
                Say(b"250-x\r\n250 SIZE\r\n"),
            ],
            "expected STARTTLS among what it offers, the server said \"SIZE\"",
        ),
        (
            "smtp",
            vec![
                Say(b"220 ready\r\n"),
                Line("EHLO "),
                Say(b"250-x\r\n250 STARTTLS\r\n"),
                Line("STARTTLS"),
                Say(b"454 TLS not available\x1b[2J\r\n"),
            ],
            "the server said \"454 TLS not available\\u{1b}[2J\"",
        ),
        (
            "imap",
            vec![Say(b"* PREAUTH welcome\r\n")],
            "expected the greeting \"* OK\"",
        ),
        (
            "imap",
            vec![
                Say(b"* OK ready\r\n"),
                Line("CAPABILITY"),
                Say(b"* CAPABILITY IMAP4rev1\r\n* OK STARTTLS\r\n{tag} OK done\r\n"),
            ],
            "expected STARTTLS among its capabilities",
        ),
        (
            "imap",
            vec![
                Say(b"* OK ready\r\n"),
                Line("CAPABILITY"),
                Say(b"* CAPABILITY STARTTLS\r\n{tag} OK done\r\n"),
                Line("STARTTLS"),
                Say(b"{tag} BAD no\r\n"),
            ],
            "the server said \"b BAD no\"",
        ),
        (
            "pop3",
            vec![Say(b"+OK ready\r\n"), Line("STLS"), Say(b"-ERR no TLS\r\n")],
            "expected +OK, the server said \"-ERR no TLS\"",
        ),
        ("pop3", vec![Say(b"+OKAY\r\n")], "expected +OK"),
        (
            "ftp",
            vec![Say(b"220 ready\r\n"), Line("AUTH TLS"), Say(b"502 no\r\n")],
            "expected the go-ahead 234, the server said \"502 no\"",
        ),
        (
            "ldap",
            vec![
                Bytes(31, plain::LDAP_REQUEST),
                Say(b"\x30\x0c\x02\x01\x01\x78\x07\x0a\x01\x34\x04\0\x04\0"),
            ],
            "the result code 52 (unavailable)",
        ),
        (
            "ldap",
            vec![
                Bytes(31, plain::LDAP_REQUEST),
                // The answer to another message.
                Say(b"\x30\x0c\x02\x01\x02\x78\x07\x0a\x01\0\x04\0\x04\0"),
            ],
            "not that to StartTLS",
        ),
        (
            "ldap",
            vec![Bytes(31, plain::LDAP_REQUEST), Say(b"HTTP/1.0 400\r\n")],
            "no LDAPMessage",
        ),
        (
            "ldap",
            vec![
                Bytes(31, plain::LDAP_REQUEST),
                Say(b"\x30\x84\x7f\xff\xff\xff"),
            ],
            "no LDAPMessage",
        ),
        (
            "xmpp",
            xmpp(&[Say(b"<stream:features><mechanisms/></stream:features>")]),
            "offers no starttls",
        ),
        // Of another namespace it is another element.
        (
            "xmpp",
            xmpp(&[Say(
                b"<stream:features><starttls xmlns='urn:x'/></stream:features>",
            )]),
            "offers no starttls",
        ),
        (
            "xmpp",
            xmpp(&[Say(plain::XMPP_PROCEED)]),
            "answers before it was asked",
        ),
        (
            "xmpp",
            xmpp(&[Say(b"<stream:error><not-authorized/></stream:error>")]),
            "ends the stream with an error",
        ),
        (
            "xmpp",
            xmpp(&[
                Say(plain::XMPP_FEATURES),
                Until(b"/>"),
                Say(b"<failure xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>"),
            ]),
            "fails to begin TLS",
        ),
        (
            "postgres",
            vec![Bytes(8, b"\0"), Say(b"N")],
            "its option `ssl` is off",
        ),
        (
            "postgres",
            vec![Bytes(8, b"\0"), Say(b"E")],
            "does not know SSLRequest",
        ),
        (
            "postgres",
            vec![Bytes(8, b"\0"), Say(b"H")],
            "no PostgreSQL server",
        ),
        (
            "mysql",
            vec![Say(plain::MYSQL_WITHOUT_TLS)],
            "it offers no CLIENT_SSL",
        ),
        (
            "mysql",
            vec![Say(b"\x17\0\0\0\xff\x10\x04Too many connections")],
            "\"Too many connections\"",
        ),
        ("mysql", vec![Say(b"SSH-2.0-x\r\n")], "no MySQL server"),
        (
            "mysql",
            vec![Say(b"\x05\0\0\0\x0a8.0\0")],
            "greeting is damaged",
        ),
    ];
    for (protocol, script, expected) in cases {
        let shown = format!("{protocol} {script:?}");
        let (output, _) = against(&made, protocol, then(script, Wait), false, &[]);
        let said = sentence(output, 4);
        assert!(said.contains(expected), "{shown}: {said}");
        assert!(!said.contains('\x1b'), "{said:?}");
    }
}

#[test]
fn a_document_type_is_no_xmpp() {
    let made = Certificates::make();
    let script = vec![
        Until(b"streams'"),
        Until(b">"),
        Say(b"<?xml version='1.0'?><!DOCTYPE x [<!ENTITY a 'aaaa'>]><x>&a;</x>"),
        Wait,
    ];
    let (output, _) = against(&made, "xmpp", script, false, &[]);
    assert!(sentence(output, 4).contains("no XMPP stream"));
}

#[test]
fn lines_and_conversations_are_bounded() {
    let made = Certificates::make();
    for (protocol, script, expected) in [
        (
            "smtp",
            vec![Forever(b"2")],
            "does not end within 8192 bytes",
        ),
        ("smtp", vec![Forever(b"220-x\r\n")], "more than 256 lines"),
        (
            "ftp",
            vec![Say(b"220-x\r\n"), Forever(&[b'a'; 512])],
            "does not end within",
        ),
        (
            "imap",
            vec![Say(b"* OK\r\n"), Line("CAPABILITY"), Forever(b"* X\r\n")],
            "more than 256",
        ),
        (
            "imap",
            vec![Say(b"* OK\r\n"), Line("CAPABILITY"), Forever(LONG_LINE)],
            "more than 65536",
        ),
        ("pop3", vec![Forever(b"+")], "does not end within"),
        (
            "ldap",
            vec![Bytes(31, b""), Say(b"\x30\x82\x40\x01"), Forever(b"x")],
            "no LDAPMessage",
        ),
        (
            "xmpp",
            vec![
                Until(b"streams'"),
                Until(b">"),
                Say(plain::XMPP_STREAM),
                Forever(b"<a>"),
            ],
            "more than 16384 bytes",
        ),
        (
            "mysql",
            vec![Say(b"\xff\xff\xff\0"), Forever(b"x")],
            "no MySQL server",
        ),
    ] {
        let (output, _) = against(&made, protocol, script, false, &[]);
        let said = sentence(output, 4);
        assert!(said.contains(expected), "{protocol}: {said}");
    }
}

/// 4 KiB with its end.
const LONG_LINE: &[u8] = {
    const LINE: [u8; 4096] = {
        let mut line = [b'*'; 4096];
        line[1] = b' ';
        line[4095] = b'\n';
        line
    };
    &LINE
};

#[test]
fn the_time_before_tls_is_bounded() {
    let made = Certificates::make();
    std::thread::scope(|scope| {
        for (protocol, mut script) in plain::honest() {
            // MySQL's client waits for nothing but the greeting.
            let asked = script.iter().position(|step| !matches!(step, Say(_)));
            script.truncate(if protocol == "mysql" {
                0
            } else {
                asked.unwrap()
            });
            let (script, made) = (then(script, Wait), &made);
            scope.spawn(move || {
                let limit = ["--timeout", "1", "--json"];
                let (output, _) = against(made, protocol, script, false, &limit);
                assert_eq!(output.status.code(), Some(6), "{protocol}: {output:?}");
                let facts: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
                assert_eq!(facts["error"]["stage"], "StartTls");
                assert_eq!(facts["error"]["class"], "timeout");
            });
        }
    });
}

#[test]
fn a_server_that_leaves_is_told_of() {
    let made = Certificates::make();
    for (protocol, mut script) in plain::honest() {
        // Somewhere in its last words.
        let last = script.iter_mut().rev().find_map(|step| match step {
            Say(bytes) => Some(bytes),
            _ => None,
        });
        if let Some(bytes) = last {
            *bytes = &bytes[..bytes.len() - 1];
        }
        if protocol == "mysql" {
            script.truncate(1);
        }
        let (output, _) = against(&made, protocol, then(script, Close), false, &[]);
        let said = sentence(output, 4);
        assert!(
            said.contains("closed the connection before TLS began"),
            "{protocol}: {said}"
        );
    }
}
