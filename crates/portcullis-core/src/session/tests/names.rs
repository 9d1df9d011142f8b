//! Servers that share ticket keys do not resume each other's names.

use super::*;

/// A client that is led to another server with the same keys must notice that.
#[test]
fn a_server_without_the_name_does_not_resume() {
    let keys = keys();
    let session = first(&client(), &server(&keys));
    let elsewhere = |name| {
        ServerConfig::builder()
            .identity(self_signed(name).0)
            .ticket_keys(keys.clone())
    };
    let led_astray = elsewhere("elsewhere.example").build().unwrap();
    let (client_end, _) = resuming(client().build().unwrap(), led_astray, session.clone()).run();
    let error = client_end.unwrap_err();
    assert!(matches!(error.reason(), Reason::Certificate(_)), "{error}");
    // Another certificate for the same name is as good.
    assert!(is_resumed(
        client(),
        elsewhere("localhost"),
        session.clone()
    ));
    // Whoever chooses identities is asked: one without the name means a full handshake, one with
    // it that the session is resumed, none the end.
    let asking = elsewhere("elsewhere.example").ask_identity(true);
    let asking = asking.build().unwrap();
    let answering = |identity: Option<Identity>| {
        let client = client().build().unwrap();
        let pair = resuming(client, asking.clone(), session.clone());
        pair.run_answering(move |_, question| {
            Some(match (question, &identity) {
                (Question::ChooseIdentity(question), Some(identity)) => {
                    question.present(identity.clone())
                }
                (Question::ChooseIdentity(question), None) => question.refuse(Refusal::new(
                    crate::AlertDescription::ACCESS_DENIED,
                    "not here any more",
                )),
                (other, _) => other.default_answer(),
            })
        })
    };
    let (client_end, server_end) = answering(Some(pki().server.clone()));
    assert!(client_end.unwrap().information.is_resumed());
    assert!(server_end.unwrap().information.is_resumed());
    let (client_end, _) = answering(Some(self_signed("elsewhere.example").0));
    let error = client_end.unwrap_err();
    assert!(matches!(error.reason(), Reason::Certificate(_)), "{error}");
    let error = answering(None).1.unwrap_err();
    assert!(error.to_string().contains("not here any more"), "{error}");
    let (client_end, _) = resuming(client().build().unwrap(), asking.clone(), session).run();
    let error = client_end.unwrap_err();
    assert!(matches!(error.reason(), Reason::Certificate(_)), "{error}");

    // A session that began with a certificate without the name: nothing is worse than it was.
    let careless = || {
        ClientConfig::dangerous_builder_without_verification()
            .groups([NamedGroup::X25519])
            .session_tickets(true)
    };
    let nameless = elsewhere("elsewhere.example");
    let session = first(&careless(), &nameless);
    assert!(is_resumed(careless(), nameless.clone(), session.clone()));
    // Not so with a server that serves only what it knows.
    let pair = resuming(
        careless().build().unwrap(),
        nameless.refuse_unknown_names(true).build().unwrap(),
        session,
    );
    let error = pair.run().1.unwrap_err();
    assert_eq!(error.violation(), Some(crate::Violation::UnrecognizedName));
}

/// The session was with another name than the client indicates now, or with none.
#[test]
fn another_indicated_name() {
    use crate::config::ServerNameIndication as Indication;
    let keys = keys();
    let omits = || client().server_name_indication(Indication::Omit);
    let other = rustls_pki_types::DnsName::try_from("other.example").unwrap();
    let session = first(&client(), &server(&keys));
    let without_name = first(&omits(), &server(&keys));
    let sends_other = || client().server_name_indication(Indication::SendOther(other.clone()));
    assert!(!is_resumed(omits(), server(&keys), session.clone()));
    assert!(!is_resumed(sends_other(), server(&keys), session.clone()));
    assert!(!is_resumed(client(), server(&keys), without_name.clone()));
    assert!(is_resumed(omits(), server(&keys), without_name));
    assert!(is_resumed(client(), server(&keys), session));
}

#[test]
fn going_on_with_another_configuration() {
    let keys = keys();
    let session = first(&client(), &server(&keys));
    let pauses = || client().pause_at_hello(true).build().unwrap();
    let goes_on_with = |config: ClientConfig| {
        let server = server(&keys).build().unwrap();
        resuming(pauses(), server, session.clone()).run_answering(move |_, question| {
            Some(match question {
                Question::ReviewServerHello(question) => question.proceed_with(config.clone()),
                other => other.default_answer(),
            })
        })
    };
    let others = ClientConfig::builder(self_signed("localhost").1);
    let (client_end, _) = goes_on_with(others.clone().build().unwrap());
    let error = client_end.unwrap_err();
    assert!(matches!(error.reason(), Reason::Certificate(_)), "{error}");
    let (client_end, _) = goes_on_with(others.ask_verification(true).build().unwrap());
    let error = client_end.unwrap_err();
    assert!(matches!(error.reason(), Reason::Certificate(_)), "{error}");
    let (client_end, _) = goes_on_with(client().build().unwrap());
    assert!(client_end.unwrap().information.is_resumed());
}
