//! The same of an end that is connected before TLS 1.3.

use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1, ED25519, RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey,
};
use portcullis_core::SignatureScheme;
use portcullis_core::x509::IdentityKey;
use portcullis_core::x509::PresentedChain;
use rustls_pki_types::CertificateDer;

use crate::end::{End, Facts, Ours};
use crate::keys::{Older, Suite};
use crate::messages::{
    CERTIFICATE, CERTIFICATE_REQUEST, CERTIFICATE_VERIFY, CLIENT_HELLO, CLIENT_KEY_EXCHANGE,
    FINISHED, NEW_SESSION_TICKET, SERVER_HELLO, SERVER_HELLO_DONE, SERVER_KEY_EXCHANGE, extension,
    extension_types, older_leaf, older_transcript, signed_share, suite,
};
use crate::pki::pki;
use crate::settings::Settings;
use crate::verdict::{is_offered, is_trusted};

const SUPPORTED_GROUPS: u16 = 10;
const ALPN: u16 = 16;
const SESSION_TICKET: u16 = 35;
const RENEGOTIATION_INFO: u16 = 0xff01;
/// TLS_EMPTY_RENEGOTIATION_INFO_SCSV, which asks for that extension, too (RFC 5746 §3.3).
const RENEGOTIATION_SCSV: u16 = 0x00ff;

/// `client` and `server` are the messages up to either Finished.
pub fn check(
    role: usize,
    end: &Ours,
    facts: &Facts,
    (client, server): (&[Vec<u8>], &[Vec<u8>]),
    settings: &Settings,
) {
    let resumed = end.information().expect("it is connected").is_resumed();
    let older = Older::of(&client[0], &server[0]).expect("hellos");
    let suite = Suite::of(facts.suite, older).expect("a suite of before TLS 1.3");
    in_order(suite, client, server, resumed);
    finished(role, end, suite, client, server, resumed);
    signature(role, end, suite, client, server, settings);
    offered(facts, suite, client, server, resumed);
}

/// RFC 5246 §7.3, figures 1 and 2; RFC 5077 §3.1 for the ticket. Nobody here has a staple.
fn in_order(suite: Suite, client: &[Vec<u8>], server: &[Vec<u8>], resumed: bool) {
    let exchange = suite.exchange();
    let types = |messages: &[Vec<u8>]| messages.iter().map(|m| m[0]).collect::<Vec<_>>();
    let has_ticket = extension(&server[0], SESSION_TICKET).is_some();
    let requests = |message: &Vec<u8>| message[0] == CERTIFICATE_REQUEST;
    let authentication = server.iter().any(requests);
    assert!(!authentication || !resumed);

    let mut expected = vec![SERVER_HELLO];
    if !resumed {
        expected.extend(exchange.shows_certificate().then_some(CERTIFICATE));
        expected.extend(exchange.has_share().then_some(SERVER_KEY_EXCHANGE));
        expected.extend(authentication.then_some(CERTIFICATE_REQUEST));
        expected.push(SERVER_HELLO_DONE);
    }
    expected.extend(has_ticket.then_some(NEW_SESSION_TICKET));
    expected.push(FINISHED);
    assert_eq!(types(server), expected, "of the server");

    let mut expected = vec![CLIENT_HELLO];
    expected.extend(authentication.then_some(CERTIFICATE));
    expected.extend((!resumed).then_some(CLIENT_KEY_EXCHANGE));
    let shown = client.iter().find(|message| message[0] == CERTIFICATE);
    let shown = shown.and_then(|shown| older_leaf(shown));
    expected.extend(shown.map(|_| CERTIFICATE_VERIFY));
    expected.push(FINISHED);
    assert_eq!(types(client), expected, "of the client");
}

/// The peer's Finished is that of what this end has seen and said.
fn finished(
    role: usize,
    end: &Ours,
    suite: Suite,
    client: &[Vec<u8>],
    server: &[Vec<u8>],
    resumed: bool,
) {
    let (own_client, own_server) = (&client[..client.len() - 1], &server[..server.len() - 1]);
    // Who comes first: the client, but for a resumed session.
    let (said, last) = match (role, resumed) {
        (0, false) => (older_transcript(client, own_server), server.last()),
        (0, true) => (older_transcript(&client[..1], own_server), server.last()),
        (_, true) => (older_transcript(own_client, server), client.last()),
        (_, false) => {
            let done = |message: &Vec<u8>| message[0] == SERVER_HELLO_DONE;
            let done = server.iter().position(done).expect("the end of its flight");
            (
                older_transcript(own_client, &server[..=done]),
                client.last(),
            )
        }
    };
    let master = end.secrets().master.as_ref().expect("a logged secret");
    assert_eq!(
        last.expect("Finished")[4..],
        suite.older_finished(master, 1 - role, &said),
        "the peer's Finished"
    );
}

/// The peer holds the key of the certificate it has shown, and that is one we trust.
fn signature(
    role: usize,
    end: &Ours,
    suite: Suite,
    client: &[Vec<u8>],
    server: &[Vec<u8>],
    settings: &Settings,
) {
    let information = end.information().expect("it is connected");
    let chain = information.peer_certificates();
    let exchange = suite.exchange();
    let Some(shown) = chain.first() else {
        let is_due = role == 0 && exchange.shows_certificate();
        assert!(!is_due, "a server without a certificate");
        assert_ne!(
            settings.client_authentication, 2,
            "the certificate was required"
        );
        return;
    };
    is_trusted(role, shown, settings);
    if information.is_resumed() {
        // It was proved when the session began.
        return;
    }
    let of_type = |messages: &[Vec<u8>], typ| {
        let at = messages.iter().position(|message| message[0] == typ);
        at.expect("the message")
    };
    let (content, signed, at) = match role {
        // Its Finished is the proof: who has not the key of the certificate has no secret.
        0 if !exchange.is_signed() => return,
        0 => {
            let share = &server[of_type(server, SERVER_KEY_EXCHANGE)];
            let (content, at) = signed_share(suite, share).expect("a share");
            (content, share, at)
        }
        _ => {
            let at = of_type(client, CERTIFICATE_VERIFY);
            let done = of_type(server, SERVER_HELLO_DONE);
            let content = older_transcript(&client[..at], &server[..=done]);
            (content, &client[at], 4)
        }
    };
    let chain = PresentedChain::new(chain.to_vec()).expect("it was a chain before");
    let spki = chain.end_entity_spki();
    if !suite.older().is_some_and(Older::says_scheme) {
        return signature_of_key(shown, &content, &signed[at + 2..]);
    }
    let signature = &signed[at + 4..];
    let verified =
        match signed[at..at + 2] {
            [8, 7] => UnparsedPublicKey::new(&ED25519, &spki[spki.len() - 32..])
                .verify(&content, signature),
            [4, 3] => UnparsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, &spki[spki.len() - 65..])
                .verify(&content, signature),
            [4, 1] => UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, spki)
                .verify(&content, signature),
            // Nothing here can tell whether it is right; the tests of the core can.
            [4, 2] => {
                assert_eq!(pki().dsa.identity.chain()[0], *shown);
                return;
            }
            _ => panic!("a scheme that was not offered"),
        };
    verified.expect("the signature is that of the certificate's key");
}

/// Before TLS 1.2. PKCS #1 v1.5 makes the same signature each time, so the key itself is asked;
/// of ECDSA nothing here can tell whether it is right, and the tests of the core can.
fn signature_of_key(shown: &CertificateDer<'_>, content: &[u8], signature: &[u8]) {
    let rsa = &pki().rsa;
    if rsa.identity.chain()[0] != *shown {
        return;
    }
    let IdentityKey::Local(key) = rsa.identity.key() else {
        panic!("the key is here");
    };
    let expected = key.sign(SignatureScheme::RSA_PKCS1_MD5_SHA1, content);
    assert_eq!(expected.expect("a signature"), signature);
}

/// What was selected stood in the client's hello, and is what the server's messages say.
fn offered(facts: &Facts, of: Suite, client: &[Vec<u8>], server: &[Vec<u8>], resumed: bool) {
    let (hello, answer) = (&client[0], &server[0]);
    assert!(!facts.retried);
    assert!(is_offered(hello, facts.suite));
    assert_eq!(suite(answer), Some(facts.suite));
    // A session that is resumed has brought its group along, and no share.
    if !resumed && of.exchange().has_curve() {
        let is_share = |message: &&Vec<u8>| message[0] == SERVER_KEY_EXCHANGE;
        let share = server.iter().find(is_share).expect("a share");
        // Behind a hint, which is empty (RFC 5489 §2).
        let at = if of.exchange().has_key() { 6 } else { 4 };
        assert_eq!(
            (share[at], &share[at + 1..at + 3]),
            (3, &facts.group.to_be_bytes()[..])
        );
        // A client that lists none leaves the choice to the server (RFC 8422 §4).
        if let Some(groups) = extension(hello, SUPPORTED_GROUPS) {
            let mut groups = groups[2..].chunks_exact(2);
            assert!(groups.any(|group| group == facts.group.to_be_bytes()));
        }
    }
    let selected = extension(answer, ALPN).map(|body| &body[3..]);
    assert_eq!(selected, facts.alpn.as_deref());
    let asked = extension_types(hello);
    for typ in extension_types(answer) {
        let by_suite = typ == RENEGOTIATION_INFO && is_offered(hello, RENEGOTIATION_SCSV);
        assert!(
            by_suite || asked.contains(&typ),
            "the extension {typ} was not asked for"
        );
    }
}
