//! Conversations in which the server asks for a certificate after the handshake (RFC 8446 §4.6.2).

use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1, ED25519, UnparsedPublicKey};
use portcullis_core::x509::{PresentedChain, VerifiedChain};

use crate::end::{End, Ours};
use crate::keys::{Older, Suite};
use crate::messages::{
    CERTIFICATE, CERTIFICATE_REQUEST, CERTIFICATE_VERIFY, FINISHED, KEY_UPDATE, leaf,
    signed_content, transcript,
};
use crate::observer::Observer;
use crate::settings::Settings;
use crate::verdict::is_trusted;

/// What the byte of flags has above those of [`Plan`](crate::plan::Plan) in such a plan.
pub const MARK: u8 = 0b0101_1000;

/// Those up to Finished.
pub fn handshake(messages: &[Vec<u8>]) -> &[Vec<u8>] {
    let finished = messages.iter().position(|message| message[0] == FINISHED);
    &messages[..finished.map_or(messages.len(), |at| at + 1)]
}

/// One answer of a client, as it stands behind the handshake: consecutive messages (§4.4).
struct Answer<'m> {
    certificate: &'m [u8],
    verify: Option<&'m [u8]>,
    finished: &'m [u8],
    /// How often the client's keys were changed before.
    updates: usize,
}

/// Judges what a server has heard: `own` is what it has sent, `got` what it was given. Each chain was proved by an
/// answer to a request of its own, under the keys of that time, and so was each refusal.
pub fn check(server: &Ours, own: &Observer, got: &Observer, settings: &Settings) {
    let heard = server.heard();
    if heard.presented.is_empty() && heard.declined == 0 {
        return;
    }
    let facts = server.facts().expect("it is connected");
    let suite = Suite::of(facts.suite, Older::default()).expect("a suite of TLS 1.3");
    let said = transcript(suite, handshake(&got.messages), handshake(&own.messages));
    let requests = &own.messages[handshake(&own.messages).len()..];
    let mut requests: Vec<&[u8]> = requests
        .iter()
        .filter(|message| message[0] == CERTIFICATE_REQUEST)
        .map(Vec::as_slice)
        .collect();
    assert_eq!(requests.len(), heard.requests);
    let (mut presented, mut declined) = (Vec::new(), 0);
    for answer in answers(&got.messages[handshake(&got.messages).len()..]) {
        let context = context(answer.certificate);
        let Some(asked) = requests
            .iter()
            .position(|request| self::context(request) == context)
        else {
            continue;
        };
        let said = [&said[..], requests[asked], answer.certificate].concat();
        if !is_proved(server, suite, &said, &answer) {
            continue;
        }
        // A request is answered once.
        requests.remove(asked);
        match leaf(answer.certificate) {
            Some(leaf) => presented.push(leaf),
            None => declined += 1,
        }
    }
    for chain in &heard.presented {
        let shown = chain.end_entity();
        let at = presented.iter().position(|leaf| *leaf == &shown[..]);
        presented.remove(at.expect("a certificate that nobody has proved to have"));
        trusted(chain, settings);
    }
    assert!(heard.declined <= declined, "a refusal that nobody has said");
}

fn trusted(chain: &VerifiedChain, settings: &Settings) {
    is_trusted(1, chain.end_entity(), settings);
}

/// The context of a request or an answer.
fn context(message: &[u8]) -> Option<&[u8]> {
    message.get(5..5 + usize::from(*message.get(4)?))
}

fn answers(messages: &[Vec<u8>]) -> Vec<Answer<'_>> {
    let mut found = Vec::new();
    for (at, certificate) in messages.iter().enumerate() {
        if certificate[0] != CERTIFICATE {
            continue;
        }
        let next = |index: usize, typ| {
            let message = messages.get(at + index)?;
            (message[0] == typ).then_some(&message[..])
        };
        let verify = next(1, CERTIFICATE_VERIFY);
        let finished = next(1 + usize::from(verify.is_some()), FINISHED);
        let before = messages[..at].iter();
        found.extend(finished.map(|finished| Answer {
            certificate,
            verify,
            finished,
            updates: before.filter(|message| message[0] == KEY_UPDATE).count(),
        }));
    }
    found
}

/// Whether the client has the key of what it shows, and has seen what it answers.
fn is_proved(server: &Ours, suite: Suite, said: &[u8], answer: &Answer<'_>) -> bool {
    let mut said = said.to_vec();
    if let Some(verify) = answer.verify {
        let signed = signed_content(false, &suite.hash(&said));
        if !is_signed(answer.certificate, verify, &signed) {
            return false;
        }
        said.extend_from_slice(verify);
    } else if leaf(answer.certificate).is_some() {
        return false;
    }
    let secret = server.secrets().application[0].as_deref();
    let mut secret = secret.expect("a logged secret").to_vec();
    for _ in 0..answer.updates {
        secret = suite.next_secret(&secret);
    }
    answer.finished[4..] == suite.finished(&secret, &said)
}

fn is_signed(certificate: &[u8], verify: &[u8], signed: &[u8]) -> bool {
    let Some(chain) = leaf(certificate).and_then(|leaf| {
        let leaf = rustls_pki_types::CertificateDer::from(leaf.to_vec());
        PresentedChain::new(vec![leaf]).ok()
    }) else {
        return false;
    };
    let spki = chain.end_entity_spki();
    let Some((scheme, signature)) = verify
        .get(4..)
        .and_then(|body| Some((body.get(..2)?, body.get(4..)?)))
    else {
        return false;
    };
    let key = |length| {
        spki.get(spki.len().saturating_sub(length)..)
            .unwrap_or_default()
    };
    match scheme {
        [8, 7] => UnparsedPublicKey::new(&ED25519, key(32)).verify(signed, signature),
        [4, 3] => {
            UnparsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, key(65)).verify(signed, signature)
        }
        _ => return false,
    }
    .is_ok()
}

/// What a server hears if nobody disturbs: an answer to each request.
pub fn heard(server: &Ours, settings: &Settings) {
    let heard = server.heard();
    match (settings.client_identity, settings.client_authentication) {
        (true, _) => assert_eq!(heard.presented.len(), heard.requests),
        (false, 2) => assert!(heard.requests == 0 || server.error().is_some()),
        (false, _) => assert_eq!(heard.declined, heard.requests),
    }
}
