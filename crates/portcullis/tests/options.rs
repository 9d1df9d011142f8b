//! What is configured reaches the wire.

mod ends;

use ends::*;
use futures_util::StreamExt as _;
use portcullis::answers::Answers;
use portcullis::config::{KeyShares, MaxFragmentLength, PaddingPolicy, ServerNameIndication};
use portcullis::pki_types::{DnsName, PrivateKeyDer};
use portcullis::question::{Answer, ChooseIdentity};
use portcullis::x509::{CertificateErrorKind, HostNameRules};
use portcullis::{
    Active, AlertDescription, ClientAuthentication, ClientConfig, ClientHelloView, Direction,
    Identity, Message, NamedGroup, ProtocolVersion, Reason, Roots, ServerConfig, ServerName,
    TlsAcceptor, TlsConnector, TlsListener, Violation,
};
use tokio::io::{AsyncWriteExt as _, duplex};

fn client() -> portcullis::config::ClientConfigBuilder {
    ClientConfig::builder(pki().roots.clone())
}

fn server() -> portcullis::config::ServerConfigBuilder {
    ServerConfig::builder().identity(pki().server.clone())
}

type Stream = portcullis::TlsStream<tokio::io::DuplexStream>;

async fn connect(client: ClientConfig, server: ServerConfig) -> (Stream, Stream) {
    let (ours, theirs) = duplex(1024 * 1024);
    let (connector, acceptor) = (TlsConnector::new(client), TlsAcceptor::new(server));
    let (client, server) = tokio::join!(connector.upgrade(ours, name()), acceptor.upgrade(theirs));
    (client.unwrap(), server.unwrap())
}

/// What a server sees of a client, whose handshake must then succeed.
async fn hello(client: ClientConfig) -> ClientHelloView {
    let (ours, theirs) = duplex(1024 * 1024);
    let (connector, acceptor) = (TlsConnector::new(client), acceptor());
    let serve = async {
        let paused = acceptor.pause_at_hello(theirs).await.unwrap();
        let hello = paused.client_hello().clone();
        paused.proceed().await.unwrap();
        hello
    };
    let (client, hello) = tokio::join!(connector.upgrade(ours, name()), serve);
    client.unwrap();
    hello
}

#[tokio::test]
async fn the_name_that_is_sent() {
    let other = DnsName::try_from("Front.example").unwrap();
    for (indication, seen) in [
        (ServerNameIndication::Send, Some("localhost")),
        (
            ServerNameIndication::SendOther(other),
            Some("front.example"),
        ),
        (ServerNameIndication::Omit, None),
    ] {
        // In each case the certificate has the name given when connecting.
        let config = client().server_name_indication(indication).build().unwrap();
        assert_eq!(hello(config).await.server_name(), seen);
    }
}

/// What is sent and what is looked for are two options.
#[tokio::test]
async fn the_name_that_is_looked_for() {
    let attempt = async |config: ClientConfig, name: &'static str| {
        let (ours, theirs) = duplex(1024 * 1024);
        let (connector, acceptor) = (TlsConnector::new(config), acceptor());
        tokio::join!(connector.upgrade(ours, name), acceptor.accept(theirs)).0
    };
    let wrong = "elsewhere.example";
    let error = attempt(client().build().unwrap(), wrong).await.unwrap_err();
    assert!(
        error
            .to_string()
            .contains("not valid for elsewhere.example"),
        "{error}"
    );
    let any = client().dangerous_skip_name_check().build().unwrap();
    let stream = attempt(any, wrong).await.unwrap();
    assert_eq!(stream.information().server_name(), Some(wrong));
    // Only the name is not looked at.
    let stranger = ClientConfig::builder(
        longer_chain("stranger", rcgen::ExtendedKeyUsagePurpose::ServerAuth).0,
    );
    let stranger = stranger.dangerous_skip_name_check().build().unwrap();
    attempt(stranger, wrong).await.unwrap_err();
    let localhost = DnsName::try_from("localhost").unwrap();
    let rules = HostNameRules::new().references([localhost]);
    let other = client().host_name_rules(rules).build().unwrap();
    attempt(other.clone(), wrong).await.unwrap();
}

#[tokio::test]
async fn a_client_names_its_authorities() {
    for (on, count) in [(false, 0), (true, 1)] {
        let config = client().send_certificate_authorities(on).build().unwrap();
        let hello = hello(config).await;
        assert_eq!(hello.certificate_authorities().count(), count);
    }
}

#[tokio::test]
async fn what_is_offered_and_in_which_order() {
    let groups = [NamedGroup::SECP384R1, NamedGroup::X25519];
    let config = client()
        .groups(groups)
        .key_shares(KeyShares::Groups(vec![NamedGroup::X25519]))
        .alpn(["one", "echo"])
        .build()
        .unwrap();
    let hello = hello(config).await;
    assert!(hello.groups().eq(groups));
    assert!(hello.key_share_groups().eq([NamedGroup::X25519]));
    assert!(hello.alpn_protocols().eq([&b"one"[..], b"echo"]));
    let versions = [ProtocolVersion::TLS_1_3, ProtocolVersion::TLS_1_2];
    assert!(hello.supported_versions().eq(versions));
}

#[tokio::test]
async fn middlebox_compatibility_is_a_session_id() {
    for (on, length) in [(true, 32), (false, 0)] {
        let config = client().middlebox_compatibility(on).build().unwrap();
        assert_eq!(hello(config).await.session_id().len(), length);
    }
}

#[tokio::test]
async fn groups_by_the_order_of_either_side() {
    let (x25519, p256) = (NamedGroup::X25519, NamedGroup::SECP256R1);
    for (servers, group) in [(true, p256), (false, x25519)] {
        let client = client()
            .groups([x25519, p256])
            .key_shares(KeyShares::Groups(vec![x25519, p256]));
        let server = server().groups([p256, x25519]).honor_group_order(servers);
        let (client, _) = connect(client.build().unwrap(), server.build().unwrap()).await;
        assert_eq!(client.information().group(), Some(group));
    }
}

/// Sends in both directions and gives the longest content of a record in each.
async fn longest(mut client: Stream, mut server: Stream) -> (usize, usize) {
    let data = pattern(5_000);
    client.send(&[&data]).await.unwrap();
    client.shutdown().await.unwrap();
    server.send(&[&data]).await.unwrap();
    server.shutdown().await.unwrap();
    let mut longest = [0, 0];
    for (stream, longest) in [server, client].into_iter().zip(&mut longest) {
        let mut messages = stream.into_active(Active::True);
        let mut all = Vec::new();
        while let Some(Message::Data(message)) = messages.next().await {
            *longest = message.len().max(*longest);
            all.extend_from_slice(&message);
        }
        assert!(all == data);
    }
    longest.into()
}

#[tokio::test]
async fn records_are_no_longer_than_asked_for() {
    let (ours, theirs) = connect(client().build().unwrap(), server().build().unwrap()).await;
    assert_eq!(longest(ours, theirs).await, (5_000, 5_000));

    let small = client().max_fragment_length(MaxFragmentLength::Bytes512);
    let (ours, theirs) = connect(small.build().unwrap(), server().build().unwrap()).await;
    assert_eq!(longest(ours, theirs).await, (512, 512));

    // Each side's limit is for what it receives, and counts the content type (RFC 8449 §4).
    let small = client().record_size_limit(101);
    let smaller = server().record_size_limit(65);
    let (ours, theirs) = connect(small.build().unwrap(), smaller.build().unwrap()).await;
    assert_eq!(longest(ours, theirs).await, (64, 100));
}

/// Sends `count` writes of `size` bytes, and gives the bytes that go over the transport for them.
async fn cost(sender: &mut Stream, receiver: &mut Stream, count: usize, size: usize) -> u64 {
    let before = sender.statistics().sent.bytes();
    for _ in 0..count {
        let data = pattern(size);
        sender.send(&[&data]).await.unwrap();
        assert!(receiver.recv(size).await.unwrap() == data);
    }
    sender.statistics().sent.bytes() - before
}

/// Header, content type and tag of a record.
const OVERHEAD: u64 = 5 + 1 + 16;

#[tokio::test]
async fn records_are_padded() {
    let block = PaddingPolicy::Block(256);
    let (client, server) = (client().padding(block), server().padding(block));
    let (mut client, mut server) = connect(client.build().unwrap(), server.build().unwrap()).await;
    let padded = 10 * (255 + OVERHEAD);
    assert_eq!(cost(&mut client, &mut server, 10, 1).await, padded);
    assert_eq!(cost(&mut server, &mut client, 10, 1).await, padded);
}

#[tokio::test]
async fn keys_are_updated_by_themselves() {
    let (client, server) = (client().key_update_at(1_000), server().key_update_at(1_000));
    let (mut client, mut server) = connect(client.build().unwrap(), server.build().unwrap()).await;
    // Two records of 600 bytes are too many for one key: a KeyUpdate of 5 bytes before each other.
    let updated = 10 * (600 + OVERHEAD) + 9 * (5 + OVERHEAD);
    assert_eq!(cost(&mut client, &mut server, 10, 600).await, updated);
    assert_eq!(cost(&mut server, &mut client, 10, 600).await, updated);
}

#[tokio::test]
async fn a_cookie_comes_back() {
    let retried = |cookie| async move {
        let server = server().groups([NamedGroup::SECP521R1]).cookie(cookie);
        let (client, _) = connect(client().build().unwrap(), server.build().unwrap()).await;
        assert!(client.information().hello_retried());
        client.statistics().sent.bytes()
    };
    // An extension with a cookie of 32 bytes (RFC 8446 §4.2.2).
    assert_eq!(retried(true).await - retried(false).await, 4 + 2 + 32);
}

#[tokio::test]
async fn a_better_group_may_be_worth_a_retry() {
    let (x25519, p384) = (NamedGroup::X25519, NamedGroup::SECP384R1);
    for (retry, group) in [(false, x25519), (true, p384)] {
        let client = client()
            .groups([x25519, p384])
            .key_shares(KeyShares::Groups(vec![x25519]));
        let server = server()
            .groups([p384, x25519])
            .retry_for_better_group(retry);
        let (client, _) = connect(client.build().unwrap(), server.build().unwrap()).await;
        assert_eq!(client.information().group(), Some(group));
        assert_eq!(client.information().hello_retried(), retry);
    }
}

/// Reports how many authorities a server names.
struct Authorities(tokio::sync::mpsc::UnboundedSender<usize>);

impl Answers for Authorities {
    async fn choose_identity(&self, question: ChooseIdentity) -> Answer {
        self.0
            .send(question.certificate_authorities().count())
            .unwrap();
        question.choose_configured()
    }
}

#[tokio::test]
async fn a_server_names_its_authorities() {
    for (on, count) in [(false, 0), (true, 1)] {
        let (report, mut reported) = tokio::sync::mpsc::unbounded_channel();
        let client = client().identity(pki().client.clone()).build().unwrap();
        let server = server()
            .client_authentication(ClientAuthentication::Required(pki().roots.clone()))
            .send_certificate_authorities(on)
            .build()
            .unwrap();
        let (ours, theirs) = duplex(64 * 1024);
        let connector = TlsConnector::new(client).answers(Authorities(report));
        let acceptor = TlsAcceptor::new(server);
        let (client, server) =
            tokio::join!(connector.upgrade(ours, name()), acceptor.upgrade(theirs));
        client.unwrap();
        server.unwrap();
        assert_eq!(reported.recv().await, Some(count));
    }
}

#[tokio::test]
async fn handshake_messages_are_bounded() {
    // A hello with a post-quantum share has more than 1,216 bytes.
    let small = server().max_handshake_size(1_024).build().unwrap();
    let (ours, theirs) = duplex(1024 * 1024);
    let (connector, acceptor) = (connector(), TlsAcceptor::new(small));
    let (client, server) = tokio::join!(connector.upgrade(ours, name()), acceptor.upgrade(theirs));
    assert!(client.is_err());
    assert_eq!(
        server.unwrap_err().violation(),
        Some(Violation::HandshakeMessageTooLong)
    );
}

#[tokio::test]
async fn a_server_is_verified_unless_told_otherwise() {
    let mut roots = Roots::empty();
    roots.add_der(pki().client.chain()[0].clone()).unwrap();
    let strangers = ClientConfig::builder(roots).build().unwrap();
    let (ours, theirs) = duplex(1024 * 1024);
    let (connector, acceptor) = (TlsConnector::new(strangers), acceptor());
    let (client, _) = tokio::join!(connector.upgrade(ours, name()), acceptor.upgrade(theirs));
    assert!(matches!(
        client.unwrap_err().reason(),
        Some(Reason::Certificate(_))
    ));

    let anyone = ClientConfig::dangerous_builder_without_verification();
    connect(anyone.build().unwrap(), server_config()).await;
}

/// A chain with one intermediate, and its root.
fn longer_chain(name: &str, purpose: rcgen::ExtendedKeyUsagePurpose) -> (Roots, Identity) {
    use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};

    let authority = |name: &str| {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, name);
        (params, KeyPair::generate().unwrap())
    };
    let (root, root_key) = authority("longer root");
    let mut roots = Roots::empty();
    roots
        .add_der(root.self_signed(&root_key).unwrap().der().clone())
        .unwrap();
    let root = Issuer::new(root, root_key);
    let (between, between_key) = authority("between");
    let between_der = between.signed_by(&between_key, &root).unwrap();
    let between = Issuer::new(between, between_key);
    let mut leaf = CertificateParams::new([name.to_owned()]).unwrap();
    leaf.extended_key_usages = vec![purpose];
    let key = KeyPair::generate().unwrap();
    let leaf = leaf.signed_by(&key, &between).unwrap();
    let chain = vec![leaf.der().clone(), between_der.der().clone()];
    let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
    (roots, Identity::from_der(chain, &key).unwrap())
}

#[tokio::test(start_paused = true)]
async fn chains_are_no_longer_than_allowed() {
    use rcgen::ExtendedKeyUsagePurpose::{ClientAuth, ServerAuth};

    let (client_roots, client_identity) = longer_chain("client.example", ClientAuth);
    let (server_roots, server_identity) = longer_chain("localhost", ServerAuth);
    let too_long = |error: &portcullis::Error| {
        matches!(error.reason(), Some(Reason::Certificate(error))
            if *error.kind() == CertificateErrorKind::PathTooDeep { limit: 0 })
    };
    for (server_depth, client_depth) in [(1, 1), (0, 1), (1, 0)] {
        let client = ClientConfig::builder(server_roots.clone())
            .identity(client_identity.clone())
            .depth(client_depth)
            .build()
            .unwrap();
        let server = ServerConfig::builder()
            .identity(server_identity.clone())
            .client_authentication(ClientAuthentication::Required(client_roots.clone()))
            .depth(server_depth)
            .build()
            .unwrap();
        let (ours, theirs) = duplex(64 * 1024);
        let (connector, acceptor) = (TlsConnector::new(client), TlsAcceptor::new(server));
        let (client, server) =
            tokio::join!(connector.upgrade(ours, name()), acceptor.upgrade(theirs));
        if client_depth == 0 {
            assert!(too_long(&client.unwrap_err()));
        } else {
            client.unwrap();
            match server {
                Ok(_) => assert_eq!(server_depth, 1),
                Err(failed) => assert!(server_depth == 0 && too_long(&failed), "{failed}"),
            }
        }
    }
}

#[tokio::test]
async fn a_chain_seen_before_is_remembered_in_both_roles_unless_told_otherwise() {
    // What is public of it: connections share the chain that is remembered.
    let shared = |one: &Stream, other: &Stream| {
        assert_eq!(one.peer_certificates(), other.peer_certificates());
        std::ptr::eq(one.peer_certificates(), other.peer_certificates())
    };
    let (client_roots, identity) =
        longer_chain("client.example", rcgen::ExtendedKeyUsagePurpose::ClientAuth);
    let client = client().identity(identity);
    let server = server().client_authentication(ClientAuthentication::Required(client_roots));
    for (client, server, remembered) in [
        (client.clone(), server.clone(), true),
        (
            client.remembered_signatures(0),
            server.remembered_signatures(0),
            false,
        ),
    ] {
        let (client, server) = (client.build().unwrap(), server.build().unwrap());
        let (client_one, server_one) = connect(client.clone(), server.clone()).await;
        let rebuilt = client.to_builder().alpn(["x"]).build().unwrap();
        let (client_two, server_two) = connect(rebuilt, server).await;
        assert_eq!(shared(&client_one, &client_two), remembered);
        assert_eq!(shared(&server_one, &server_two), remembered);
    }
}

#[tokio::test]
async fn an_unknown_name_is_refused_or_not() {
    for refuse in [false, true] {
        let client = ClientConfig::dangerous_builder_without_verification();
        let (connector, acceptor) = (
            TlsConnector::new(client.build().unwrap()),
            TlsAcceptor::new(server().refuse_unknown_names(refuse).build().unwrap()),
        );
        for (name, known) in [("localhost", true), ("unknown.example", false)] {
            let (ours, theirs) = duplex(64 * 1024);
            let name = ServerName::try_from(name).unwrap();
            let (client, _) = tokio::join!(connector.upgrade(ours, name), acceptor.upgrade(theirs));
            let alert = client.err().map(|failed| failed.alert().unwrap());
            let refused = (Direction::Received, AlertDescription::UNRECOGNIZED_NAME);
            assert_eq!(alert, (refuse && !known).then_some(refused));
        }
    }
}

#[tokio::test]
async fn the_versions_that_are_there_have_names_and_the_default_is_offered() {
    assert_eq!(portcullis::VERSION, env!("CARGO_PKG_VERSION"));
    let hello = hello(client().build().unwrap()).await;
    let offered = ProtocolVersion::DEFAULT.iter().copied();
    assert!(hello.supported_versions().eq(offered));
    for version in ProtocolVersion::SUPPORTED {
        let name = version.name().unwrap();
        assert_eq!(ProtocolVersion::from_name(name), Some(*version));
    }
}

#[tokio::test]
async fn the_groups_that_are_there_have_names_and_the_default_is_offered() {
    let hello = hello(client().build().unwrap()).await;
    assert!(hello.groups().eq(NamedGroup::DEFAULT.iter().copied()));
    for group in NamedGroup::SUPPORTED {
        assert_eq!(NamedGroup::from_name(group.name().unwrap()), Some(*group));
    }
    assert_eq!(NamedGroup::from_name("no such group"), None);
    // Of each version: what it can have, and nothing else.
    let of = |version| NamedGroup::supported_in(version).collect::<Vec<_>>();
    let (newest, older) = (of(ProtocolVersion::TLS_1_3), of(ProtocolVersion::TLS_1_2));
    assert_eq!(older, of(ProtocolVersion::TLS_1_0));
    for group in NamedGroup::SUPPORTED {
        let is_brainpool = group.name().unwrap().starts_with("brainpool");
        assert_eq!(newest.contains(group), !is_brainpool, "{group}");
        assert_eq!(older.contains(group), !group.is_post_quantum(), "{group}");
    }
    assert!(of(ProtocolVersion(0x0300)).is_empty());
}

#[tokio::test]
async fn the_options_of_a_listening_socket() {
    for on in [false, true] {
        let options = portcullis::ListenOptions::new().reuse_address(on).accepted(
            portcullis::SocketOptions::new()
                .nodelay(on)
                .receive_buffer(70_000)
                .send_buffer(80_000),
        );
        let listener = TlsListener::bind_with("127.0.0.1:0", server_config(), &options)
            .await
            .unwrap();
        let listening = socket2::SockRef::from(listener.get_ref());
        assert_eq!(listening.reuse_address().unwrap(), on);
        let address = listener.local_addr().unwrap();
        let (client, accepted) =
            tokio::join!(tokio::net::TcpStream::connect(address), listener.accept());
        client.unwrap();
        let accepted = accepted.unwrap();
        assert_eq!(accepted.get_ref().nodelay().unwrap(), on);
        // Linux doubles what it is asked for.
        let accepted = socket2::SockRef::from(accepted.get_ref());
        assert!((70_000..=140_000).contains(&accepted.recv_buffer_size().unwrap()));
        assert!((80_000..=160_000).contains(&accepted.send_buffer_size().unwrap()));
    }
}

#[test]
fn every_alert_has_its_text() {
    let texts: Vec<_> = (0..=255)
        .map(AlertDescription)
        .filter(|alert| alert.name().is_some())
        .map(AlertDescription::sentence)
        .collect();
    assert_eq!(texts.len(), 36);
    for (index, text) in texts.iter().enumerate() {
        assert!(!text.is_empty() && !texts[..index].contains(text), "{text}");
        assert_ne!(*text, AlertDescription(255).sentence());
    }
    for violation in Violation::ALL {
        assert!(violation.alert().name().is_some());
    }
}
