//! A server of before TLS 1.3 that goes because it was shown no certificate says handshake_failure and no more (RFC 5246
//! §7.4.6). The client knows that it was asked, and says so.

use super::super::older::{older_client, older_server};
use super::both_authenticate;
use crate::config::{ClientAuthentication, ClientConfigBuilder, ServerConfigBuilder};
use crate::question::Question;
use crate::suite::CipherSuite;
use crate::testing::{Pair, answer, pki};
use crate::{AlertDescription, Direction, SignatureScheme};

/// What the client says, and what it was told.
fn refused(
    client: ClientConfigBuilder,
    server: ServerConfigBuilder,
) -> (String, Option<AlertDescription>) {
    let pair = Pair::new(client.build().unwrap(), server.build().unwrap());
    let (client, _) = pair.run_answering(|_, question| {
        Some(match question {
            Question::ChooseIdentity(question) => question.present_none(),
            other => answer(other),
        })
    });
    let error = client.unwrap_err();
    let alert = match error.alert() {
        Some((Direction::Received, alert)) => Some(alert),
        _ => None,
    };
    (error.to_string(), alert)
}

#[test]
fn a_client_that_was_asked_says_why_it_was_refused() {
    let asked = "the server asked for a certificate";
    let failure = Some(AlertDescription::HANDSHAKE_FAILURE);
    let (client, server) = both_authenticate();
    let ed25519 = server.clone().signature_schemes([SignatureScheme::ED25519]);
    for (client, server, why) in [
        (
            older_client(),
            server.clone(),
            "this side has none to show: give it one with `identity`, while waiting for",
        ),
        (
            client.clone(),
            ed25519,
            "none that this side has is of an authority, a kind of key, and a signature scheme that it takes",
        ),
        (
            client.clone().ask_identity(true),
            server,
            "this side chose to show none",
        ),
    ] {
        let (said, alert) = refused(client, server);
        assert_eq!(alert, failure, "{said}");
        assert!(said.contains(asked) && said.contains(why), "{said}");
    }
    // It is not said where it is not so: the server asks nobody, or what it was shown is not to its liking.
    let other = [CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384];
    let nobody = older_server().cipher_suites(other);
    let suites = [CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256];
    let (said, alert) = refused(older_client().cipher_suites(suites), nobody);
    assert_eq!(alert, failure, "{said}");
    assert!(!said.contains(asked), "{said}");
    let mut roots = crate::x509::Roots::empty();
    roots.add_der(pki().server.chain()[0].clone()).unwrap();
    let stranger = older_server().client_authentication(ClientAuthentication::Required(roots));
    let (said, alert) = refused(client, stranger);
    assert!(alert.is_some() && !said.contains(asked), "{said}");
}
