//! What must be true of an end of ours that says it is connected, whatever was done to it.

use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1, ED25519, UnparsedPublicKey};
use portcullis_core::ProtocolVersion;
use portcullis_core::x509::PresentedChain;
use rustls_pki_types::CertificateDer;

use crate::end::{End, Facts, Ours};
use crate::keys::{Older, Suite};
use crate::messages::{
    CERTIFICATE, CERTIFICATE_REQUEST, CERTIFICATE_VERIFY, CLIENT_HELLO, ENCRYPTED_EXTENSIONS,
    FINISHED, SERVER_HELLO, extension, extension_types, is_retry, leaf, signed_content, suite,
    transcript,
};
use crate::observer::Observer;
use crate::pki::pki;
use crate::settings::Settings;
use crate::verdict_older;

const ALPN: u16 = 16;
const PRE_SHARED_KEY: u16 = 41;
const KEY_SHARE: u16 = 51;
const COOKIE: u16 = 44;

/// Judges one end: `own` is what it has sent, `got` what it was given.
pub fn check(role: usize, end: &Ours, own: &Observer, got: &Observer, settings: &Settings) {
    assert!(
        got.data.starts_with(end.received()),
        "data that nobody protected"
    );
    let Some(facts) = end.facts() else {
        assert!(
            end.received().is_empty(),
            "data before the end of the handshake"
        );
        return;
    };
    let (client, server) = match role {
        0 => (&own.messages, &got.messages),
        _ => (&got.messages, &own.messages),
    };
    // Up to either Finished: what comes after is not of the handshake.
    let client = up_to_finished(client, "client");
    let server = up_to_finished(server, "server");
    let information = end.information().expect("it is connected");
    if information.version() != ProtocolVersion::TLS_1_3 {
        let said = (client, server);
        return verdict_older::check(role, end, &facts, said, settings);
    }
    in_order(client, server, by_key(end, client, server, settings));
    finished(role, end, &facts, client, server);
    certificate_verify(role, end, &facts, client, server, settings);
    offered(&facts, client, server, settings);
}

fn up_to_finished<'m>(messages: &'m [Vec<u8>], who: &str) -> &'m [Vec<u8>] {
    let at = messages.iter().position(|message| message[0] == FINISHED);
    let at = at.unwrap_or_else(|| panic!("connected without the {who}'s Finished"));
    &messages[..=at]
}

/// Whether the end says that a session was resumed, or a shared key used, and whether the hellos say so as well.
fn by_key(end: &Ours, client: &[Vec<u8>], server: &[Vec<u8>], settings: &Settings) -> bool {
    let information = end.information().expect("it is connected");
    let by_shared_key = information.psk_identity().is_some();
    assert!(!by_shared_key || settings.shared_key.is_some());
    let said = information.is_resumed() || by_shared_key;
    let last = |messages: &[Vec<u8>], typ| {
        let hello = messages.iter().rfind(|message| message[0] == typ);
        extension(hello.expect("a hello"), PRE_SHARED_KEY).map(<[u8]>::to_vec)
    };
    let selected = last(server, SERVER_HELLO);
    assert_eq!(selected.is_some(), said, "a key is in the hello");
    assert!(!said || last(client, CLIENT_HELLO).is_some());
    // Only one is ever offered, or an imported one for each hash.
    let most = u8::from(settings.shared_key == Some(true));
    assert!(selected.is_none_or(|index| matches!(index[..], [0, at] if at <= most)));
    said
}

/// RFC 8446 §2, figures 1 and 3.
fn in_order(client: &[Vec<u8>], server: &[Vec<u8>], resumed: bool) {
    let types = |messages: &[Vec<u8>]| messages.iter().map(|m| m[0]).collect::<Vec<_>>();
    let retried = is_retry(&server[0]);
    let authentication = server
        .iter()
        .any(|message| message[0] == CERTIFICATE_REQUEST);

    let mut expected = vec![SERVER_HELLO; 1 + usize::from(retried)];
    expected.push(ENCRYPTED_EXTENSIONS);
    assert!(!authentication || !resumed);
    expected.extend(authentication.then_some(CERTIFICATE_REQUEST));
    if !resumed {
        expected.extend([CERTIFICATE, CERTIFICATE_VERIFY]);
    }
    expected.push(FINISHED);
    assert_eq!(types(server), expected, "of the server");

    let mut expected = vec![CLIENT_HELLO; 1 + usize::from(retried)];
    if authentication {
        expected.push(CERTIFICATE);
        let shown = client.iter().find(|message| message[0] == CERTIFICATE);
        expected.extend(
            shown
                .and_then(|shown| leaf(shown))
                .map(|_| CERTIFICATE_VERIFY),
        );
    }
    expected.push(FINISHED);
    assert_eq!(types(client), expected, "of the client");
}

/// The peer's Finished is that of what this end has seen and said.
fn finished(role: usize, end: &Ours, facts: &Facts, client: &[Vec<u8>], server: &[Vec<u8>]) {
    let suite = Suite::of(facts.suite, Older::default()).expect("a suite of TLS 1.3");
    let secret = end.secrets().handshake[1 - role]
        .as_ref()
        .expect("a logged secret");
    let (said, last) = match role {
        0 => before_server(suite, client, server, FINISHED),
        _ => before_client(suite, client, server, FINISHED),
    };
    assert_eq!(
        last[4..],
        suite.finished(secret, &said),
        "the peer's Finished"
    );
}

fn before_server<'m>(
    suite: Suite,
    client: &[Vec<u8>],
    server: &'m [Vec<u8>],
    typ: u8,
) -> (Vec<u8>, &'m [u8]) {
    let hellos = client
        .iter()
        .filter(|message| message[0] == CLIENT_HELLO)
        .count();
    let at = server
        .iter()
        .position(|message| message[0] == typ)
        .expect("the message");
    (
        transcript(suite, &client[..hellos], &server[..at]),
        &server[at],
    )
}

fn before_client<'m>(
    suite: Suite,
    client: &'m [Vec<u8>],
    server: &[Vec<u8>],
    typ: u8,
) -> (Vec<u8>, &'m [u8]) {
    let at = client
        .iter()
        .position(|message| message[0] == typ)
        .expect("the message");
    (transcript(suite, &client[..at], server), &client[at])
}

/// The peer holds the key of the certificate it has shown, and that is one we trust.
fn certificate_verify(
    role: usize,
    end: &Ours,
    facts: &Facts,
    client: &[Vec<u8>],
    server: &[Vec<u8>],
    settings: &Settings,
) {
    let information = end.information().expect("it is connected");
    let chain = information.peer_certificates();
    let Some(shown) = chain.first() else {
        if information.psk_identity().is_some() {
            return;
        }
        assert_eq!(role, 1, "a server without a certificate");
        assert!(
            settings.client_authentication != 2 || settings.asks_later > 0,
            "the certificate was required"
        );
        return;
    };
    is_trusted(role, shown, settings);
    if information.is_resumed() {
        // It was proved when the session began.
        return;
    }
    let suite = Suite::of(facts.suite, Older::default()).expect("a suite of TLS 1.3");
    let (said, verify) = match role {
        0 => before_server(suite, client, server, CERTIFICATE_VERIFY),
        _ => before_client(suite, client, server, CERTIFICATE_VERIFY),
    };
    let content = signed_content(role == 0, &suite.hash(&said));
    let chain = PresentedChain::new(chain.to_vec()).expect("it was a chain before");
    let spki = chain.end_entity_spki();
    let signature = &verify[8..];
    let verified = match verify[4..6] {
        [8, 7] => {
            UnparsedPublicKey::new(&ED25519, &spki[spki.len() - 32..]).verify(&content, signature)
        }
        [4, 3] => UnparsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, &spki[spki.len() - 65..])
            .verify(&content, signature),
        _ => panic!("a scheme that was not offered"),
    };
    verified.expect("the signature is that of the certificate's key");
}

pub fn is_trusted(role: usize, shown: &CertificateDer<'_>, settings: &Settings) {
    let ours = |leaf: &crate::pki::Leaf| leaf.identity.chain()[0] == *shown;
    let trusted = match role {
        // An answer may have chosen another identity than the configuration has.
        0 => {
            let known = [settings.server_leaf(), &pki().server, &pki().server_p256];
            !settings.verifies_server || known.into_iter().any(ours)
        }
        _ => settings.client_authentication == 3 || ours(settings.client_leaf()),
    };
    // A question may be answered by accepting anyone; then nothing was proved.
    assert!(
        trusted || settings.asks_verification(role),
        "a stranger was accepted"
    );
}

/// Whether the suite is in the hello.
pub fn is_offered(hello: &[u8], suite: u16) -> bool {
    let at = 39 + usize::from(hello[38]);
    let length = usize::from(u16::from_be_bytes([hello[at], hello[at + 1]]));
    let mut suites = hello[at + 2..at + 2 + length].chunks_exact(2);
    suites.any(|offered| offered == suite.to_be_bytes())
}

/// What was selected stood in the client's hello, and is what the server's messages say.
fn offered(facts: &Facts, client: &[Vec<u8>], server: &[Vec<u8>], settings: &Settings) {
    let hello = client
        .iter()
        .rfind(|message| message[0] == CLIENT_HELLO)
        .expect("a hello");
    let answer = server
        .iter()
        .rfind(|message| message[0] == SERVER_HELLO)
        .expect("a hello");
    let extensions = &server[1 + usize::from(is_retry(&server[0]))];
    assert_eq!(is_retry(&server[0]), facts.retried);

    assert!(is_offered(hello, facts.suite));
    assert_eq!(suite(answer), Some(facts.suite));

    let mut shares = &extension(hello, KEY_SHARE).expect("shares")[2..];
    let mut groups = Vec::new();
    while let Some(&[a, b, high, low]) = shares.first_chunk() {
        groups.push(u16::from_be_bytes([a, b]));
        shares = &shares[4 + usize::from(u16::from_be_bytes([high, low]))..];
    }
    assert!(groups.contains(&facts.group));
    let share = extension(answer, KEY_SHARE).expect("the server's share");
    assert_eq!(share[..2], facts.group.to_be_bytes());

    if let Some(protocol) = &facts.alpn {
        let mut names = &extension(hello, ALPN).expect("protocols")[2..];
        let mut found = false;
        while let [length, rest @ ..] = names {
            let (name, rest) = rest.split_at(usize::from(*length));
            found |= name == protocol;
            names = rest;
        }
        assert!(found, "a protocol that was not offered");
        assert_eq!(
            &extension(extensions, ALPN).expect("the protocol")[3..],
            protocol
        );
    } else {
        assert_eq!(extension(extensions, ALPN), None);
    }
    // Each answer of the server has its question (§4.2).
    let asked = extension_types(hello);
    for typ in extension_types(answer)
        .into_iter()
        .chain(extension_types(extensions))
    {
        assert!(
            asked.contains(&typ),
            "the extension {typ} was not asked for"
        );
    }
    for typ in is_retry(&server[0])
        .then(|| extension_types(&server[0]))
        .into_iter()
        .flatten()
    {
        assert!(typ == COOKIE || extension_types(&client[0]).contains(&typ));
    }
    let known = |groups: &[portcullis_core::NamedGroup]| groups.iter().any(|g| g.0 == facts.group);
    assert!(known(&settings.client_groups) || known(&settings.server_groups));
}
