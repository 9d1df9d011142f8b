//! Which names count, for whoever has rules of their own.

use std::net::IpAddr;
use std::sync::{Arc, Mutex};

use rcgen::{CustomExtension, SanType};
use rustls_pki_types::DnsName;

use super::*;
use crate::config::ClientConfig;
use crate::x509::CertificateErrorKind as Kind;
use crate::x509::{ChainWalk, Gate, HostNameRules, NameMatch, PresentedName, Reference, WalkStep};

fn dns(name: &str) -> Reference {
    DnsName::try_from(name.to_owned()).unwrap().into()
}

/// Whether a certificate with these names is one for the host, by these rules.
fn is_for(names: &[&str], host: &str, rules: HostNameRules) -> bool {
    let root = Ca::root("root");
    let policy = trusting(&root).host_name_rules(rules);
    match server(&[root.leaf(leaf_params(names))], host, &policy) {
        Ok(_) => true,
        Err(error) => {
            let kind = error.kind();
            assert!(matches!(kind, Kind::NameMismatch { .. }), "{error}");
            false
        }
    }
}

/// Each as without rules of one's own: which is said in `verification`.
#[test]
fn rules_that_change_nothing() {
    for (name, host, expected) in [
        ("www.example.com", "www.example.com", true),
        ("www.example.com", "WWW.example.com.", true),
        ("*.example.com", "www.example.com", true),
        ("*.example.com", "a.b.example.com", false),
        ("*.example.com", "example.com", false),
        ("*.com", "example.com", false),
        ("w*.example.com", "www.example.com", false),
        ("192.0.2.1", "192.0.2.1", true),
        ("192.0.2.1", "192.0.2.2", false),
        ("example.com", "192.0.2.1", false),
    ] {
        let by_rules = is_for(&[name], host, HostNameRules::new());
        assert_eq!(by_rules, expected, "{name} {host}");
        let root = Ca::root("root");
        let plain = server(&[root.leaf(leaf_params(&[name]))], host, &trusting(&root));
        assert_eq!(plain.is_ok(), expected, "{name} {host}");
    }
}

#[test]
fn wildcards_can_be_refused() {
    let rules = || HostNameRules::new().without_wildcards();
    assert!(!is_for(&["*.example.com"], "www.example.com", rules()));
    assert!(is_for(
        &["*.example.com", "www.example.com"],
        "www.example.com",
        rules()
    ));
}

/// As Erlang's `pkix_verify_hostname_match_fun(https)`: also a part of the leftmost label.
#[test]
fn a_function_decides_or_leaves_it_to_the_rules() {
    let partial =
        |reference: &Reference, presented: &PresentedName<'_>| match (reference, presented) {
            (Reference::Dns(wanted), PresentedName::Dns(name)) => {
                let (Some((label, rest)), Some((wanted, wanted_rest))) =
                    (name.split_once('.'), wanted.as_ref().split_once('.'))
                else {
                    return NameMatch::Default;
                };
                let Some((before, behind)) = label.split_once('*') else {
                    return NameMatch::Default;
                };
                match rest == wanted_rest && wanted.starts_with(before) && wanted.ends_with(behind)
                {
                    true => NameMatch::Yes,
                    false => NameMatch::No,
                }
            }
            _ => NameMatch::Default,
        };
    let rules = || HostNameRules::new().matching(partial);
    assert!(is_for(&["w*w.example.com"], "www.example.com", rules()));
    assert!(!is_for(&["w*w.example.com"], "ftp.example.com", rules()));
    assert!(is_for(&["www.example.com"], "www.example.com", rules()));
    assert!(is_for(&["192.0.2.1"], "192.0.2.1", rules()));
    // No is no, also where the rules say yes.
    let none = HostNameRules::new().matching(|_, _| NameMatch::No);
    assert!(!is_for(&["www.example.com"], "www.example.com", none));
}

#[test]
fn names_that_are_looked_for_instead() {
    let rules = || HostNameRules::new().references([dns("one.example"), dns("two.example")]);
    assert!(is_for(&["two.example"], "somewhere.else", rules()));
    assert!(!is_for(&["somewhere.else"], "somewhere.else", rules()));
    let address: IpAddr = "2001:db8::1".parse().unwrap();
    let rules = HostNameRules::new().references([address]);
    assert!(is_for(&["2001:db8::1"], "somewhere.else", rules));
    let root = Ca::root("root");
    let policy = trusting(&root)
        .host_name_rules(HostNameRules::new().references([dns("one.example"), dns("two.example")]));
    let chain = [root.leaf(leaf_params(&["three.example"]))];
    let error = server(&chain, "somewhere.else", &policy).unwrap_err();
    assert_eq!(
        error.to_string(),
        "the peer's certificate (CN=leaf) is not valid for one.example or two.example: it is for the DNS name \"three.example\" only"
    );
    // What was proved for one set of rules is not for another.
    let proof = server(
        &[root.leaf(leaf_params(&["one.example"]))],
        "x.test",
        &policy,
    )
    .unwrap();
    let other = policy.clone().host_name_rules(HostNameRules::new());
    let expected = name("x.test").to_owned();
    assert!(proof.is_for(Some(&expected), Some(&policy)));
    assert!(!proof.is_for(Some(&expected), Some(&other)));
}

/// RFC 9525 §6.3 and §6.5: scheme and host, or service and domain, both, and no wildcards.
#[test]
fn uris_and_services() {
    // otherName, id-on-dnsSRV, IA5String
    let srv = |text: &str| {
        let value = crate::der::element(0xa0, &crate::der::element(0x16, text.as_bytes()));
        let kind = crate::der::element(6, b"\x2b\x06\x01\x05\x05\x07\x08\x07");
        crate::der::element(0xa0, &[kind, value].concat())
    };
    let uri = |text: &str| crate::der::element(0x86, text.as_bytes());
    let check = |presented: Vec<u8>, reference: Reference| {
        let root = Ca::root("root");
        let policy = trusting(&root).host_name_rules(HostNameRules::new().references([reference]));
        let mut params = leaf_params(&[]);
        let names = crate::der::sequence(&presented);
        params.custom_extensions = vec![CustomExtension::from_oid_content(&[2, 5, 29, 17], names)];
        server(&[root.leaf(params)], "somewhere.else", &policy).is_ok()
    };
    let sip = || Reference::Uri("sip:voice.example.edu".to_owned());
    for (presented, expected) in [
        ("sip:voice.example.edu", true),
        ("SIP:Voice.example.edu", true),
        ("sip:alice@voice.example.edu;transport=tls", true),
        ("sips:voice.example.edu", false),
        ("sip:example.edu", false),
        ("sip:*.example.edu", false),
        ("voice.example.edu", false),
    ] {
        assert_eq!(check(uri(presented), sip()), expected, "{presented}");
    }
    let https = || Reference::Uri("https://www.example.com/".to_owned());
    assert!(check(uri("https://www.example.com:443/a?b#c"), https()));
    assert!(!check(uri("https://www.example.com.evil.test/"), https()));
    assert!(!check(uri("https://www.example.com@evil.test/"), https()));
    let xmpp = || Reference::Srv("_xmpp-client.im.example.org".to_owned());
    assert!(check(srv("_XMPP-client.im.example.org"), xmpp()));
    assert!(!check(srv("_xmpp-server.im.example.org"), xmpp()));
    assert!(!check(srv("_xmpp-client.*.example.org"), xmpp()));
    assert!(!check(uri("_xmpp-client.im.example.org"), xmpp()));
    // A DNS name is none of these, nor are they one.
    assert!(!check(uri("voice.example.edu"), dns("voice.example.edu")));
    assert!(!check(srv("_a.example.org"), dns("_a.example.org")));
}

/// A name with a NUL, or in another alphabet, is shown to nobody, and does not hide the others.
#[test]
fn a_function_sees_names_as_they_stand_there() {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let noting = seen.clone();
    let rules = HostNameRules::new().matching(move |_, presented| {
        noting.lock().unwrap().push(format!("{presented:?}"));
        NameMatch::No
    });
    let root = Ca::root("root");
    let mut params = leaf_params(&["a.example", "*.b.example", "192.0.2.1"]);
    let mail = SanType::Rfc822Name("me@c.example".to_owned().try_into().unwrap());
    params.subject_alt_names.push(mail);
    let leaf = root.leaf(params);
    let policy = trusting(&root).host_name_rules(rules);
    server(std::slice::from_ref(&leaf), "a.example", &policy).unwrap_err();
    assert_eq!(
        std::mem::take(&mut *seen.lock().unwrap()),
        [
            "Dns(\"a.example\")",
            "Dns(\"*.b.example\")",
            "Ip(192.0.2.1)",
            "Mail(\"me@c.example\")"
        ]
    );
    let mut params = leaf_params(&[]);
    let bad = [
        crate::der::element(0x82, b"a.example\0.evil.test"),
        crate::der::element(0x82, "ä.example".as_bytes()),
        crate::der::element(0x82, b""),
        crate::der::element(0x87, &[1, 2, 3]),
        crate::der::element(0x82, b"a.example"),
    ];
    let names = crate::der::sequence(&bad.concat());
    params.custom_extensions = vec![CustomExtension::from_oid_content(&[2, 5, 29, 17], names)];
    let leaf = root.leaf(params);
    server(std::slice::from_ref(&leaf), "a.example", &policy).unwrap_err();
    assert_eq!(*seen.lock().unwrap(), ["Dns(\"a.example\")"]);
}

/// As they stand in the certificate, byte for byte, with rules and without.
#[test]
fn names_that_are_not_what_they_look_like() {
    let root = Ca::root("root");
    let mapped = [&[0; 10][..], &[0xff; 2], &[192, 0, 2, 1]].concat();
    for (tag, name, host) in [
        (0x82, &b"a.example\0"[..], "a.example"),
        (0x82, b"a.example\0.evil.test", "a.example"),
        (0x82, b"a.example\n", "a.example"),
        (0x82, b"192.0.2.1", "192.0.2.1"),
        (0x82, b"*", "a"),
        (0x87, &mapped, "192.0.2.1"),
        (0x87, &[192, 0, 2, 1], "::ffff:192.0.2.1"),
        (0x87, b"192.0.2.1", "192.0.2.1"),
    ] {
        let mut params = leaf_params(&[]);
        // One that is for somebody stands beside it.
        let names = [
            crate::der::element(tag, name),
            crate::der::element(0x82, b"good.test"),
        ];
        let names = crate::der::sequence(&names.concat());
        params.custom_extensions = vec![CustomExtension::from_oid_content(&[2, 5, 29, 17], names)];
        let leaf = [root.leaf(params)];
        let plain = trusting(&root);
        let ruled = plain.clone().host_name_rules(HostNameRules::new());
        for policy in [plain, ruled] {
            let said = format!("{} {host}", name.escape_ascii());
            server(&leaf, "good.test", &policy).expect(&said);
            let refused = server(&leaf, host, &policy).err();
            let kind = refused.as_ref().map(|error| error.kind());
            assert!(matches!(kind, Some(Kind::NameMismatch { .. })), "{said}");
        }
    }
}

/// The common name is no name, whatever the rules.
#[test]
fn the_common_name_is_not_looked_at() {
    let root = Ca::root("root");
    let mut params = named("www.example.com", &[]);
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    let policy =
        trusting(&root).host_name_rules(HostNameRules::new().matching(|_, _| NameMatch::Yes));
    server(&[root.leaf(params)], "www.example.com", &policy).unwrap_err();
}

/// webpki judges the path all the same.
#[test]
fn the_gate_is_asked_about_the_rest() {
    let root = Ca::root("root");
    let policy = trusting(&root).host_name_rules(HostNameRules::new().references([dns("a.test")]));
    let chain = PresentedChain::new(vec![root.leaf(leaf_params(&["a.test"]))]).unwrap();
    let mut walk = ChainWalk::of_server(&chain, &name("b.test"), NOW, &policy);
    while !matches!(walk.step(), WalkStep::Done) {}
    assert_eq!(walk.gate(), Some(Gate::Agreed { certificates: 1 }));
    assert!(walk.into_verdict().is_ok());
}

#[test]
fn what_a_configuration_refuses() {
    let root = Ca::root("root");
    let builder = || ClientConfig::builder(roots(&[root.der()]));
    let says = |built: Result<ClientConfig, crate::Misuse>, text: &str| {
        let error = built.unwrap_err().to_string();
        assert!(error.contains(text), "{error}");
    };
    let many = |count| HostNameRules::new().references(vec![dns("a.test"); count]);
    says(builder().host_name_rules(many(0)).build(), "1 to 16 names");
    says(builder().host_name_rules(many(17)).build(), "1 to 16 names");
    builder().host_name_rules(many(16)).build().unwrap();
    let both = builder().host_name_rules(many(1));
    says(both.dangerous_skip_name_check().build(), "leave out one");
    let nobody = ClientConfig::dangerous_builder_without_verification;
    says(
        nobody().host_name_rules(many(1)).build(),
        "does not verify servers",
    );
    says(
        nobody().dangerous_skip_name_check().build(),
        "does not verify servers",
    );
    let shown = format!("{:?}", many(1).matching(|_, _| NameMatch::No));
    assert!(shown.contains("matching: true"), "{shown}");
}
