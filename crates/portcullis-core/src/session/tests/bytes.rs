//! Sessions that are written down.

use super::*;

#[test]
fn sessions_as_bytes() {
    let keys = keys();
    let authenticates =
        server(&keys).client_authentication(ClientAuthentication::Required(pki().roots.clone()));
    let with = client().identity(pki().client.clone());
    let mut of_client = Vec::new();
    let mut of_server = Vec::new();
    for session in [
        first(&client(), &server(&keys)).remove(0),
        first(&with, &authenticates).remove(0),
    ] {
        let sealed = keys.open(&session.ticket, now()).unwrap();
        of_server.push(ServerSession::from_bytes(&sealed).unwrap());
        of_client.push(session);
    }
    let mut by_address = of_client[0].clone();
    by_address.server_name = ServerName::try_from("2001:db8::1").unwrap();
    of_client.push(by_address);
    let mut nameless = of_server[0].clone();
    nameless.server_name = None;
    of_server.push(nameless);
    for session in of_client {
        let bytes = session.to_bytes();
        let again = ClientSession::from_bytes(&bytes).unwrap();
        assert_eq!(again.to_bytes(), bytes);
        assert_eq!(again.server_name(), session.server_name());
        assert_eq!(again.received_at(), session.received_at());
        spoilt(&bytes, |bytes| {
            ClientSession::from_bytes(bytes).map(|session| session.to_bytes().to_vec())
        });
    }
    for session in of_server {
        let bytes = session.to_bytes();
        let again = ServerSession::from_bytes(&bytes).unwrap();
        assert_eq!(again.to_bytes(), bytes);
        assert_eq!(again.server_name(), session.server_name());
        spoilt(&bytes, |bytes| {
            ServerSession::from_bytes(bytes).map(|session| session.to_bytes().to_vec())
        });
    }
    for none in [&[][..], &[1], &[0; 64], &[255; 64]] {
        assert!(ClientSession::from_bytes(none).is_err());
        assert!(ServerSession::from_bytes(none).is_err());
    }
}

/// Nothing that is too short or too long is a session; what is changed may be one, and then it
/// can be written down again.
fn spoilt(bytes: &[u8], read: impl Fn(&[u8]) -> Result<Vec<u8>, crate::Misuse>) {
    for length in 0..bytes.len() {
        assert!(read(&bytes[..length]).is_err());
    }
    assert!(read(&[bytes, &[0]].concat()).is_err());
    let mut changed = bytes.to_vec();
    for at in 0..bytes.len() {
        for flip in [1, 0x80, 0xff] {
            changed[at] ^= flip;
            if let Ok(again) = read(&changed) {
                // A lifetime that is too long is shortened, an address has more than one form.
                assert!(again.len() <= changed.len());
            }
            changed[at] ^= flip;
        }
    }
}

/// What later versions, and earlier ones of this library, have written: it is not read, and none
/// of it is an alert. Where things stand is said in `established.rs`.
#[test]
fn records_that_cannot_be_used_here() {
    const PSK: usize = 6;
    let keys = keys();
    let session = first(&client(), &server(&keys)).remove(0);
    let of_client = session.to_bytes();
    let of_server = keys.open(&session.ticket, now()).unwrap();
    assert!(ServerSession::from_bytes(&of_client).is_err());
    assert!(ClientSession::from_bytes(&of_server).is_err());
    assert_eq!(
        of_client[..8],
        [2, 1, 3, 4, 0x13, of_client[5], 1, of_client[7]]
    );
    let peer = 8 + usize::from(of_client[PSK + 1]) + 8;
    assert_eq!((of_client[peer], of_server[peer]), (1, 0));
    let is_read = |changes: &[(usize, u8)]| {
        let changed = |bytes: &[u8]| {
            let mut bytes = bytes.to_vec();
            for (at, value) in changes {
                bytes[*at] = *value;
            }
            bytes
        };
        let of_client = ClientSession::from_bytes(&changed(&of_client)).is_ok();
        (
            of_client,
            ServerSession::from_bytes(&changed(&of_server)).is_ok(),
        )
    };
    assert_eq!(is_read(&[]), (true, true));
    for format in [0, 1, 3] {
        assert_eq!(is_read(&[(0, format)]), (false, false), "format {format}");
    }
    // DTLS 1.3 has the same keys; `fits` says that they are not for this connection.
    assert_eq!(is_read(&[(1, 2)]), (true, true));
    assert_eq!(is_read(&[(1, 0)]), (false, false));
    assert_eq!(is_read(&[(1, 3)]), (false, false));
    // TLS 1.2 has a master secret and no such key, and TLS 1.3 no master secret.
    assert_eq!(is_read(&[(3, 3)]), (false, false));
    assert_eq!(is_read(&[(PSK, 2)]), (false, false));
    assert_eq!(is_read(&[(3, 3), (PSK, 2)]), (false, false));
    // Raw keys, pre-shared keys, users, and what is not known at all.
    for kind in [2, 3, 4, 5, 255] {
        assert_eq!(is_read(&[(peer, kind)]), (false, false), "peer {kind}");
    }
    assert_eq!(is_read(&[(peer, 0)]), (false, true), "it has certificates");
    assert_eq!(is_read(&[(peer, 1)]), (true, false), "it has none");

    // Early data: a limit, and a protocol only with one.
    let end = of_server.len() - 17;
    assert_eq!(of_server[end - 5..=end], [0, 0, 0, 0, 0, 2]);
    let with = |protocol: &[u8], limit: [u8; 4]| {
        let (before, after) = (&of_server[..end - 5], &of_server[end..]);
        let bytes = [before, protocol, &limit, after].concat();
        ServerSession::from_bytes(&bytes).map(|session| *session.to_bytes() == bytes)
    };
    assert!(with(b"\x02h2", [0, 0, 64, 0]).unwrap());
    assert!(with(b"\0", [255; 4]).unwrap());
    assert!(with(b"\x02h2", [0; 4]).is_err());
}

/// A ticket of another protocol, of another version or of another day of this library is one
/// that nobody knows: the next one may be good, and if none is there is a full handshake.
#[test]
fn tickets_with_another_record() {
    let keys = keys();
    let sessions = first(&client(), &server(&keys));
    let sealed = |change: &dyn Fn(&mut Vec<u8>)| {
        let mut session = sessions[0].clone();
        let mut bytes = keys.open(&session.ticket, now()).unwrap();
        change(&mut bytes);
        let ticket = keys.seal(&bytes, now(), &mut Random::system()).unwrap();
        session.ticket = ticket.unwrap().into();
        session
    };
    let resumes = |sessions| is_resumed(client(), server(&keys), sessions);
    assert!(resumes(vec![sealed(&|_| {})]));
    for (at, value) in [(0, 1), (1, 2), (3, 3), (6, 2)] {
        let other = sealed(&|bytes| bytes[at] = value);
        assert!(!resumes(vec![other.clone()]), "{at}: {value}");
        assert!(resumes(vec![other, sessions[1].clone()]));
    }
}

/// The bytes of a session are all that another process needs.
#[test]
fn a_session_of_another_day() {
    let keys = TicketKeys::shared([&[7; 48]]).unwrap();
    let bytes = first(&client(), &server(&keys)).remove(0).to_bytes();
    let session = ClientSession::from_bytes(&bytes).unwrap();
    assert!(is_resumed(client(), server(&keys), vec![session]));
}

/// What says that nobody has to verify the chain again leaves the process sealed, or not at all.
#[test]
fn only_what_is_sealed_has_the_proof_of_its_signatures() {
    let keys = keys();
    let session = first(&client().remembered_signatures(0), &server(&keys)).remove(0);
    let proof = |session: &ClientSession| {
        let peer = session.established.peer.as_ref().unwrap();
        peer.shown.signed_path()
    };
    assert!(proof(&session).is_some(), "the handshake has verified it");
    let plain = session.to_bytes();
    assert!(proof(&ClientSession::from_bytes(&plain).unwrap()).is_none());
    assert!(proof(&ClientSession::from_sealed_bytes(&plain).unwrap()).is_none());
    let sealed = session.to_bytes_to_seal();
    let again = ClientSession::from_sealed_bytes(&sealed).unwrap();
    assert_eq!(proof(&again), proof(&session));
    assert_eq!(*again.to_bytes_to_seal(), *sealed);
    assert!(sealed.starts_with(&plain));
    // Who takes bytes from anybody takes no proof.
    assert!(ClientSession::from_bytes(&sealed).is_err());
    for length in plain.len() + 1..sealed.len() {
        assert!(ClientSession::from_sealed_bytes(&sealed[..length]).is_err());
    }
    assert!(ClientSession::from_sealed_bytes(&[&sealed[..], &[0]].concat()).is_err());
    // One that nobody has verified has none.
    let nobody = ClientConfig::dangerous_builder_without_verification()
        .versions([ProtocolVersion::TLS_1_3])
        .session_tickets(true);
    let session = first(&nobody, &server(&keys)).remove(0);
    assert!(proof(&session).is_none());
    assert!(
        proof(&ClientSession::from_sealed_bytes(&session.to_bytes_to_seal()).unwrap()).is_none()
    );
}
