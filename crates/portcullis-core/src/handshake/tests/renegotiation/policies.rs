//! Who is renegotiated with, and who is not.

use core::time::Duration;

use super::super::attack::{By, pair, read_all, transmitted};
use super::super::tamper::{Put, first};
use super::{ALWAYS, Ends, From, asks, client, sealed, server};
use crate::config::{ExtendedMasterSecret, Renegotiation, SecureRenegotiation};
use crate::testing::{Pair, now, resuming};
use crate::wire::{ExtensionType as E, HandshakeType as T};
use crate::{Connection, Handshake, Opened, PeerRequest, ProtocolVersion, Reason, Violation};

fn refused(end: &mut Connection) -> String {
    let error = Handshake::renegotiate(&mut end.reader, &mut end.writer, now()).unwrap_err();
    assert!(matches!(error.reason(), Reason::Misuse(_)), "{error}");
    error.to_string()
}

/// RFC 8446 §4.1.2: it has none, and says so at once (otp#7064).
#[test]
fn tls13_has_none() {
    let versions = [ProtocolVersion::TLS_1_3];
    let mut ends = Ends::new(client().versions(versions), server().versions(versions));
    for end in [&mut ends.client, &mut ends.server] {
        assert!(refused(end).contains("TLS 1.3 has no renegotiation"));
    }
    ends.exchange();
}

#[test]
fn nobody_asks_by_default() {
    for policy in [Renegotiation::Decline, Renegotiation::Forbid] {
        let mut ends = Ends::new(
            client().renegotiation(policy),
            server().renegotiation(policy),
        );
        for end in [&mut ends.client, &mut ends.server] {
            let why = refused(end);
            assert!(
                why.contains("this side's configuration does not allow it"),
                "{why}"
            );
        }
        ends.exchange();
    }
}

/// RFC 9113 §9.2.1.
#[test]
fn never_over_http_2() {
    let mut ends = Ends::new(client().alpn(["h2"]), server().alpn(["h2"]));
    for end in [&mut ends.client, &mut ends.server] {
        let why = refused(end);
        assert!(why.contains("the protocol is HTTP/2"), "{why}");
    }
    ends.exchange();
}

/// The same where NPN has chosen it.
#[test]
fn never_over_http_2_by_npn() {
    let mut ends = Ends::new(
        client().alpn([""; 0]).next_protocols(["h2"]),
        server().alpn([""; 0]).next_protocols(["h2"]),
    );
    let information = &ends.client.information;
    assert_eq!(information.next_protocol(), Some(&b"h2"[..]));
    refused(&mut ends.client);
    refused(&mut ends.server);
    ends.exchange();
}

/// RFC 9266 §4.2: `tls-exporter` is not defined where there may be another handshake, at the end that agrees to one.
#[test]
fn a_channel_binding_is_of_one_handshake() {
    let apart = Renegotiation::APART;
    for agrees in [Renegotiation::Once, Renegotiation::Accept { apart }] {
        let ends = Ends::new(
            client().renegotiation(agrees),
            server().renegotiation(Renegotiation::Decline),
        );
        let [ours, theirs] = [&ends.client, &ends.server].map(|end| &end.information);
        let error = ours.tls_exporter().unwrap_err();
        assert!(error.to_string().contains("RFC 9266"), "{error}");
        assert!(theirs.tls_exporter().is_ok());
        // Keys are no matter of this.
        let [mut our_keys, mut their_keys] = [[0; 32]; 2];
        ours.export_keying_material(b"SRTP", None, &mut our_keys)
            .unwrap();
        theirs
            .export_keying_material(b"SRTP", None, &mut their_keys)
            .unwrap();
        assert_eq!(our_keys, their_keys);
    }
    // Before it and after it.
    let mut ends = Ends::new(client(), server());
    for _ in 0..2 {
        assert!(ends.client.information.tls_exporter().is_err());
        assert!(ends.server.information.tls_exporter().is_err());
        ends = ends.renegotiate(From::Client);
    }
    let versions = [ProtocolVersion::TLS_1_3];
    for (client, server) in [
        (client().versions(versions), server().versions(versions)),
        (client().alpn(["h2"]), server().alpn(["h2"])),
    ] {
        let Ends { client, server } = Ends::new(client, server);
        let [ours, theirs] = [client, server].map(|end| end.information.tls_exporter());
        assert_eq!(ours.unwrap(), theirs.unwrap());
    }
}

/// RFC 5746 §4.1, §4.3: whoever does not know it cannot be told from an attacker (CVE-2009-3555).
#[test]
fn never_with_a_peer_without_rfc_5746() {
    let without = |typ| {
        first(typ, move |raw| {
            vec![Put::Message(super::violations::without(
                raw,
                E::RENEGOTIATION_INFO,
            ))]
        })
    };
    for (by, typ) in [(By::Client, T::CLIENT_HELLO), (By::Server, T::SERVER_HELLO)] {
        let (client, server) = (client().build().unwrap(), server().build().unwrap());
        let (client, server) = pair(client, server, by, without(typ)).run();
        let why = match by {
            By::Client => refused(&mut server.unwrap()),
            By::Server => refused(&mut client.unwrap()),
        };
        assert!(why.contains("the peer does not know RFC 5746"), "{why}");
    }
}

/// RFC 5746 §3.6: a client may say it by a suite alone; whoever demands it talks to that one, and to a
/// peer that says it by the extension.
#[test]
fn a_peer_that_knows_rfc_5746_is_good_enough() {
    let demanded = SecureRenegotiation::Demanded;
    let scsv = first(T::CLIENT_HELLO, |raw| {
        let hello = super::violations::without(raw, E::RENEGOTIATION_INFO);
        vec![Put::Message(super::super::parts::client_hello(
            &hello,
            |hello| {
                hello.suites.push(0x00ff);
            },
        ))]
    });
    let (client, server) = (client(), server().secure_renegotiation(demanded));
    let client = client.secure_renegotiation(demanded);
    let (client, server) = (client.build().unwrap(), server.build().unwrap());
    let by_extension = Pair::new(client.clone(), server.clone()).run();
    assert!(by_extension.0.unwrap().information.secure_renegotiation());
    assert!(by_extension.1.unwrap().information.secure_renegotiation());
    // The client does not know that it has said so: its Finished is over another hello.
    let mut by_suite = pair(client, server, By::Client, scsv);
    let hello = transmitted(&mut by_suite.client);
    by_suite.server.receive(&hello, now());
    let flight = transmitted(&mut by_suite.server);
    assert_eq!(flight.first(), Some(&22));
}

/// RFC 7627 §5.4: whoever is between the ends may have made the session (ocaml-tls#306).
#[test]
fn never_after_a_resumption_without_the_extended_master_secret() {
    let client = client()
        .session_tickets(true)
        .extended_master_secret(ExtendedMasterSecret::Off)
        .build()
        .unwrap();
    let server = server().ticket_keys(super::ticket_keys()).build().unwrap();
    let sessions = crate::testing::sessions_of(client.clone(), server.clone());
    let (client, server) = resuming(client, server, sessions).run();
    let (mut client, mut server) = (client.unwrap(), server.unwrap());
    assert!(client.information.is_resumed());
    for end in [&mut client, &mut server] {
        let why = refused(end);
        assert!(
            why.contains("a session without the extended master secret"),
            "{why}"
        );
    }
}

#[test]
fn never_once_it_is_closed() {
    let mut ends = Ends::new(client(), server());
    let mut alert = vec![0; 100];
    let written = ends.server.writer.close_notify(&mut alert).unwrap();
    let read = read_all(&mut ends.client.reader, alert[..written].to_vec());
    assert_eq!(read.unwrap(), b"");
    let why = refused(&mut ends.client);
    assert!(why.contains("has been closed, or has failed"), "{why}");
}

#[test]
fn never_where_half_of_it_is_gone() {
    let mut ends = Ends::new(client(), server());
    ends.client.reader.decline_renegotiations();
    let why = refused(&mut ends.client);
    assert!(
        why.contains("the other half of the connection is gone"),
        "{why}"
    );
}

#[test]
fn one_that_is_ignored() {
    let mut ends = Ends::new(client().renegotiation(Renegotiation::Ignore), server());
    let end = &mut ends.server;
    let mut request = Handshake::renegotiate(&mut end.reader, &mut end.writer, now()).unwrap();
    let bytes = transmitted(&mut request);
    assert!(!asks(&mut ends.client, bytes));
    assert!(!ends.client.reader.writer_has_work());
    // Data goes on.
    let more = sealed(&mut ends.client, b"more");
    request.receive(&more, now());
    let step = request.poll().unwrap();
    assert!(
        matches!(&step, crate::Step::Data(data) if data == b"more"),
        "{step:?}"
    );
}

#[test]
fn a_server_cannot_ignore() {
    let error = server()
        .renegotiation(Renegotiation::Ignore)
        .build()
        .unwrap_err();
    assert!(error.to_string().contains("cannot ignore"), "{error}");
}

#[test]
fn forbidden_ends_the_connection() {
    for from in [From::Client, From::Server] {
        let mut ends = match from {
            From::Client => Ends::new(client(), server().renegotiation(Renegotiation::Forbid)),
            From::Server => Ends::new(client().renegotiation(Renegotiation::Forbid), server()),
        };
        forbids(&mut ends, from);
    }
}

/// What the end says that forbids it.
fn forbids(ends: &mut Ends, from: From) -> String {
    let (one, other) = match from {
        From::Client => (&mut ends.client, &mut ends.server),
        From::Server => (&mut ends.server, &mut ends.client),
    };
    let mut request = Handshake::renegotiate(&mut one.reader, &mut one.writer, now()).unwrap();
    let forbidden = read_all(&mut other.reader, transmitted(&mut request)).unwrap_err();
    let violation = forbidden.violation();
    assert_eq!(violation, Some(Violation::RenegotiationForbidden));
    let mut alert = vec![0; 100];
    let written = other.writer.drain_mailbox(&mut alert).unwrap();
    request.receive(&alert[..written], now());
    let error = request.poll().unwrap_err();
    let expected = crate::AlertDescription::NO_RENEGOTIATION;
    assert!(matches!(error.reason(), Reason::AlertReceived(alert) if *alert == expected));
    forbidden.to_string()
}

#[test]
fn once_is_once() {
    for from in [From::Client, From::Server] {
        let ends = match from {
            From::Client => Ends::new(client(), server().renegotiation(Renegotiation::Once)),
            From::Server => Ends::new(client().renegotiation(Renegotiation::Once), server()),
        };
        let mut ends = ends.renegotiate(from);
        let why = match from {
            From::Client => refused(&mut ends.server),
            From::Server => refused(&mut ends.client),
        };
        assert!(
            why.contains("it would be the second one, and `Renegotiation::Once` allows one"),
            "{why}"
        );
        let says = forbids(&mut ends, from);
        assert_eq!(
            says,
            "the peer asks for a renegotiation, which is forbidden here: it is a second one, and \
             `Renegotiation::Once` allows one (RFC 5246 §7.2.2), while connected; the peer was sent the \
             alert no_renegotiation"
        );
    }
}

/// CVE-2011-1473: who asks again too early is declined, and the connection goes on.
#[test]
fn a_flood_is_kept_apart() {
    let apart = Renegotiation::Accept {
        apart: Renegotiation::APART,
    };
    let ends = Ends::new(client(), server().renegotiation(apart));
    let mut ends = ends.renegotiate(From::Client);
    let Ends { client, server } = &mut ends;
    let mut request =
        Handshake::renegotiate(&mut client.reader, &mut client.writer, now()).unwrap();
    assert!(!asks(server, transmitted(&mut request)));
    let mut warning = vec![0; 100];
    let written = server.writer.drain_mailbox(&mut warning).unwrap();
    request.receive(&warning[..written], now());
    assert!(matches!(request.poll(), Ok(crate::Step::Connected)));
    ends.client = request.into_connection().unwrap();
    ends.exchange();
    // Later it may.
    let Ends { client, server } = &mut ends;
    let mut request =
        Handshake::renegotiate(&mut client.reader, &mut client.writer, now()).unwrap();
    let mut bytes = transmitted(&mut request);
    assert_eq!(
        server.reader.open_in_place(&mut bytes).unwrap(),
        Opened::Nothing
    );
    let later = Duration::from_secs(now().as_secs()) + Renegotiation::APART;
    let later = rustls_pki_types::UnixTime::since_unix_epoch(later);
    let request = server.reader.take_request(later);
    assert_eq!(request, Some(PeerRequest::Renegotiation));
}

/// Who waits for an answer to a request of its own opens nothing more, whatever the driver does.
#[test]
fn nothing_opens_until_it_is_granted() {
    let mut ends = Ends::new(client(), server());
    let end = &mut ends.client;
    let mut request = Handshake::renegotiate(&mut end.reader, &mut end.writer, now()).unwrap();
    assert!(asks(&mut ends.server, transmitted(&mut request)));
    let reader = &mut ends.server.reader;
    assert!(matches!(
        reader.frame(&[]).unwrap_err().reason(),
        Reason::Misuse(_)
    ));
    // That is no failure.
    assert!(reader.take_request(now()).is_some());
    assert!(reader.eof().is_err());
}

#[test]
fn a_connection_that_was_closed_has_none() {
    let mut ends = Ends::new(client(), server());
    let mut close = vec![0; 100];
    let end = &mut ends.client;
    end.writer.close_notify(&mut close).unwrap();
    let error = Handshake::renegotiate(&mut end.reader, &mut end.writer, now()).unwrap_err();
    assert!(matches!(error.reason(), Reason::Closed));
    // The other half is as it was.
    assert!(end.reader.frame(&[]).is_ok());
}

#[test]
fn the_halves_are_of_no_use_then() {
    let mut ends = Ends::new(client(), server());
    let end = &mut ends.client;
    let _handshake = Handshake::renegotiate(&mut end.reader, &mut end.writer, now()).unwrap();
    assert!(end.reader.frame(&[]).is_err());
    assert!(end.writer.seal(b"data", &mut [0; 100]).is_err());
    refused(end);
}

/// A connection that declines keeps nothing for it.
#[test]
fn no_memory_without_a_policy() {
    let declining = Pair::new(
        client()
            .renegotiation(Renegotiation::Decline)
            .build()
            .unwrap(),
        server()
            .renegotiation(Renegotiation::Decline)
            .build()
            .unwrap(),
    );
    let (client_end, server_end) = declining.run();
    assert!(!client_end.unwrap().reader.keeps_anything());
    assert!(!server_end.unwrap().reader.keeps_anything());
    let (client_end, _) = Pair::new(
        client().renegotiation(ALWAYS).build().unwrap(),
        server().build().unwrap(),
    )
    .run();
    assert!(client_end.unwrap().reader.keeps_anything());
}
