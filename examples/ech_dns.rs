//! The keys for an encrypted ClientHello come from DNS. The HTTPS record of a name says where it is served, and with which
//! keys; each record has its own (RFC 9460, RFC 9848), so the address and the keys are taken from the same one.
//!
//! `cargo run --example ech_dns`
//!
//! Whoever reads along between here and the resolver sees the name all the same: in earnest, ask over TLS or HTTPS
//! (features `tls-aws-lc-rs`, `https-aws-lc-rs` of hickory-resolver).

use std::net::{Ipv4Addr, SocketAddr};

use hickory_resolver::config::{NameServerConfig, ResolverConfig};
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::proto::op::Message;
use hickory_resolver::proto::rr::rdata::svcb::{
    EchConfigList as EchParam, Mandatory, SVCB, SvcParamKey, SvcParamValue,
};
use hickory_resolver::proto::rr::rdata::{A, HTTPS};
use hickory_resolver::proto::rr::{Name, RData, Record, RecordType};
use hickory_resolver::{Resolver, TokioResolver};
use portcullis::ech::{EchConfigList, EchKey, EchKeys, EchStatus};
use portcullis::{ClientConfig, ServerConfig, TlsAcceptor, TlsConnector, TlsListener, TlsStream};
use portcullis_examples::{Authority, Result};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpStream, UdpSocket};

/// How many aliases are followed, as many as the records of a name may lead round in a circle for ever.
const ALIASES: usize = 8;

/// One place where a name is served.
struct Endpoint {
    host: Name,
    port: u16,
    /// Nothing here: its hello is in the clear.
    ech: Option<Vec<u8>>,
}

/// Where `https://host:port` is served, the best first (RFC 9460 §3). A resolver that does not answer is an error, not a name
/// without keys: else whoever holds back its answer would see the name.
async fn endpoints(resolver: &TokioResolver, host: &str, port: u16) -> Result<Vec<Endpoint>> {
    let mut owner = Name::from_utf8(host)?;
    owner.set_fqdn(true);
    let unlisted = |host| Endpoint {
        host,
        port,
        ech: None,
    };
    let mut asked = match port {
        443 => owner.clone(),
        // §9.1
        other => Name::from_utf8(format!("_{other}._https.{owner}"))?,
    };
    for _ in 0..ALIASES {
        let records = match resolver.lookup(asked.clone(), RecordType::HTTPS).await {
            Ok(found) => found,
            Err(error) if error.is_no_records_found() => return Ok(vec![unlisted(owner)]),
            Err(error) => return Err(error.into()),
        };
        let mut records: Vec<_> = records
            .answers()
            .iter()
            .filter_map(|record| match &record.data {
                RData::HTTPS(https) => Some((&record.name, &https.0)),
                _ => None,
            })
            .collect();
        records.sort_by_key(|(_, service)| service.svc_priority);
        match records.first() {
            None => return Ok(vec![unlisted(owner)]),
            // An alias (§2.4.2): the name is served as another one is.
            Some((_, alias)) if alias.svc_priority == 0 => {
                asked = alias.target_name.clone();
                owner = asked.clone();
            }
            Some(_) => {
                let mut found: Vec<_> = records
                    .into_iter()
                    .filter_map(|(owner, service)| endpoint(owner, service, port))
                    .collect();
                // Where one has no keys, the name as such may be tried at last; where all have some, never (RFC 9848 §5.1).
                if found.iter().any(|endpoint| endpoint.ech.is_none()) {
                    found.push(unlisted(owner));
                }
                return Ok(found);
            }
        }
    }
    Err(format!("{host}: more than {ALIASES} aliases in a row").into())
}

/// What a record says, unless it demands what we do not know (§8).
fn endpoint(owner: &Name, service: &SVCB, port: u16) -> Option<Endpoint> {
    use SvcParamKey::{Alpn, EchConfigList, Ipv4Hint, Ipv6Hint, NoDefaultAlpn, Port};
    let mut endpoint = Endpoint {
        host: service.target_name.clone(),
        port,
        ech: None,
    };
    if endpoint.host.is_root() {
        endpoint.host = owner.clone();
    }
    for (_, value) in &service.svc_params {
        match value {
            SvcParamValue::Port(port) => endpoint.port = *port,
            SvcParamValue::EchConfigList(EchParam(list)) => endpoint.ech = Some(list.clone()),
            SvcParamValue::Mandatory(Mandatory(keys)) => {
                let known = [Alpn, NoDefaultAlpn, Port, Ipv4Hint, Ipv6Hint, EchConfigList];
                keys.iter().all(|key| known.contains(key)).then_some(())?;
            }
            _ => {}
        }
    }
    Some(endpoint)
}

/// Connects with the first that works. The certificate is always that of `host`, wherever it is served.
async fn connect(
    connector: &TlsConnector,
    resolver: &TokioResolver,
    host: &str,
    port: u16,
) -> Result<TlsStream<TcpStream>> {
    let mut last = None;
    for endpoint in endpoints(resolver, host, port).await? {
        match connect_at(connector, resolver, host, &endpoint).await {
            Ok(stream) => return Ok(stream),
            Err(error) => last = Some(error),
        }
    }
    Err(last.unwrap_or_else(|| format!("{host}: no record of it can be used").into()))
}

async fn connect_at(
    connector: &TlsConnector,
    resolver: &TokioResolver,
    host: &str,
    endpoint: &Endpoint,
) -> Result<TlsStream<TcpStream>> {
    let found = resolver.lookup_ip(endpoint.host.clone()).await?;
    let addresses: Vec<SocketAddr> = found
        .iter()
        .map(|ip| SocketAddr::new(ip, endpoint.port))
        .collect();
    let transport = || TcpStream::connect(&*addresses);
    let Some(list) = &endpoint.ech else {
        return Ok(connector.upgrade(transport().await?, host).await?);
    };
    // DNS may be behind: a server that has other keys by now tells them, and is asked once more.
    let list = EchConfigList::from_bytes(list)?;
    let (stream, _) = connector
        .connect_with_ech_retry(host, list, transport)
        .await?;
    Ok(stream)
}

#[tokio::main]
async fn main() -> Result {
    let authority = Authority::new()?;
    let (key, _) = EchKey::builder("public.example").generate()?;
    let list = key.config_list();
    let config = ServerConfig::builder()
        .identity(authority.identity("secret.example")?)
        .identity(authority.identity("public.example")?)
        .ech_keys(EchKeys::new([key])?)
        .build()?;
    let listener = TlsListener::bind("127.0.0.1:0", TlsAcceptor::new(config)).await?;
    let port = listener.local_addr()?.port();
    tokio::spawn(async move {
        while let Ok(incoming) = listener.accept().await {
            let Ok(mut stream) = incoming.handshake().await else {
                continue;
            };
            let name = stream.information().server_name().map(str::to_owned);
            let _ = stream.write_all(name.unwrap_or_default().as_bytes()).await;
            let _ = stream.shutdown().await;
        }
    });

    // secret.example. HTTPS 0 pool.example.
    // pool.example.   HTTPS 1 . port=… ech=…
    // pool.example.   A     127.0.0.1
    let (secret, pool) = (
        Name::from_ascii("secret.example.")?,
        Name::from_ascii("pool.example.")?,
    );
    let alias = SVCB::new(0, pool.clone(), vec![]);
    let params = vec![
        (SvcParamKey::Port, SvcParamValue::Port(port)),
        (
            SvcParamKey::EchConfigList,
            SvcParamValue::EchConfigList(EchParam(list.as_bytes().to_vec())),
        ),
    ];
    let service = SVCB::new(1, Name::root(), params);
    let zone = vec![
        Record::from_rdata(secret, 300, RData::HTTPS(HTTPS(alias))),
        Record::from_rdata(pool.clone(), 300, RData::HTTPS(HTTPS(service))),
        Record::from_rdata(pool, 300, RData::A(A(Ipv4Addr::LOCALHOST))),
    ];
    let socket = UdpSocket::bind("127.0.0.1:0").await?;
    let resolver = resolver(socket.local_addr()?)?;
    tokio::spawn(serve(socket, zone));

    let roots = authority.roots()?;
    let connector = TlsConnector::new(ClientConfig::builder(roots).build()?);
    let mut stream = connect(&connector, &resolver, "secret.example", 443).await?;
    let mut name = String::new();
    stream.read_to_string(&mut name).await?;
    println!("client: connected to {name}, of which nobody has read the name");
    assert_eq!(stream.information().ech(), EchStatus::Accepted);
    assert_eq!(name, "secret.example");
    Ok(())
}

/// Asks the server at this address. A program asks those of the system: `TokioResolver::builder_tokio()`, with the feature
/// `system-config`.
fn resolver(address: SocketAddr) -> Result<TokioResolver> {
    let mut server = NameServerConfig::udp(address.ip());
    for connection in &mut server.connections {
        connection.port = address.port();
    }
    let config = ResolverConfig::from_name_servers(vec![server]);
    Ok(Resolver::builder_with_config(config, TokioRuntimeProvider::default()).build()?)
}

/// A server of DNS for this zone, as small as can be.
async fn serve(socket: UdpSocket, zone: Vec<Record>) -> Result {
    let mut buffer = [0; 4096];
    loop {
        let (length, from) = socket.recv_from(&mut buffer).await?;
        let Ok(question) = Message::from_vec(&buffer[..length]) else {
            continue;
        };
        let mut answer = Message::response(question.metadata.id, question.metadata.op_code);
        for query in question.queries {
            let records = zone.iter().filter(|record| {
                record.name == *query.name() && record.record_type() == query.query_type()
            });
            answer.answers.extend(records.cloned());
            answer.queries.push(query);
        }
        socket.send_to(&answer.to_vec()?, from).await?;
    }
}
