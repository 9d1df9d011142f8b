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

/// The bytes of a session are all that another process needs.
#[test]
fn a_session_of_another_day() {
    let keys = TicketKeys::shared([&[7; 48]]).unwrap();
    let bytes = first(&client(), &server(&keys)).remove(0).to_bytes();
    let session = ClientSession::from_bytes(&bytes).unwrap();
    assert!(is_resumed(client(), server(&keys), vec![session]));
}
