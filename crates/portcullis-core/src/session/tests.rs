use crate::config::{ClientConfigBuilder, ServerConfigBuilder};
use crate::session::{ClientSession, TicketKeys};
use crate::testing::{Pair, name, now, pki};
use crate::{Connection, Frame, Handshake, Opened};

fn client() -> ClientConfigBuilder {
    crate::config::ClientConfig::builder(pki().roots.clone()).session_tickets(true)
}

fn server(keys: &TicketKeys) -> ServerConfigBuilder {
    crate::config::ServerConfig::builder()
        .identity(pki().server.clone())
        .ticket_keys(keys.clone())
}

fn keys() -> TicketKeys {
    TicketKeys::rotating(7_200).unwrap()
}

/// What the server has sent after the handshake, as sessions.
fn sessions(client: &mut Connection) -> Vec<ClientSession> {
    let mut bytes = std::mem::take(&mut client.unread);
    let mut rest = &mut bytes[..];
    while let Frame::Record { len, .. } = client.reader.frame(rest).unwrap() {
        let (record, behind) = rest.split_at_mut(len);
        assert_eq!(
            client.reader.open_in_place(record).unwrap(),
            Opened::Nothing
        );
        rest = behind;
    }
    assert!(rest.is_empty());
    std::iter::from_fn(|| client.reader.take_ticket())
        .map(|ticket| ticket.into_session(now()))
        .collect()
}

fn resume(
    client: ClientConfigBuilder,
    server: ServerConfigBuilder,
    sessions: Vec<ClientSession>,
) -> (Connection, Connection) {
    let client = client.build().unwrap();
    let mut pair = Pair::new(client.clone(), server.build().unwrap());
    pair.client = Handshake::client_resuming(client, name(), sessions, now()).unwrap();
    let (client, server) = pair.run();
    let (client, server) = (client.unwrap(), server.unwrap());
    assert_eq!(
        client.information.is_resumed(),
        server.information.is_resumed()
    );
    assert_eq!(
        client.information.tls_exporter().unwrap(),
        server.information.tls_exporter().unwrap()
    );
    (client, server)
}

#[test]
fn a_ticket_resumes_and_brings_the_next() {
    let keys = keys();
    let (mut first, _) = resume(client(), server(&keys), Vec::new());
    assert!(!first.information.is_resumed());
    let mut sessions_of_first = sessions(&mut first);
    assert_eq!(sessions_of_first.len(), 3);
    let session = sessions_of_first.remove(0);
    let (mut second, _) = resume(client(), server(&keys), vec![session]);
    assert!(second.information.is_resumed());
    assert_eq!(
        second.information.peer_certificates(),
        first.information.peer_certificates()
    );
    let sessions_of_second = sessions(&mut second);
    let (third, _) = resume(client(), server(&keys), sessions_of_second);
    assert!(third.information.is_resumed());
}
