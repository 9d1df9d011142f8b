//! A proxy that ends TLS and chooses the backend by the name that the client asked for. A new
//! certificate comes in while it runs, and costs no connection.
//!
//! `cargo run --example sni_proxy` is its own client. With arguments, `serve a.example=127.0.0.1:8001
//! b.example=127.0.0.1:8002`, it is there for others, until it is stopped.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;

use portcullis::{ClientConfig, ServerConfig, TlsConnector, TlsListener, TlsStream};
use portcullis_examples::{Authority, Result};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};

type Routes = HashMap<String, SocketAddr>;

#[tokio::main]
async fn main() -> Result {
    let authority = Authority::new()?;
    let mut routes = Routes::new();
    let given: Vec<String> = std::env::args().skip(1).collect();
    for route in given.iter().skip(1) {
        let (name, backend) = route.split_once('=').ok_or("a route is NAME=ADDRESS")?;
        routes.insert(name.to_owned(), backend.parse()?);
    }
    if given.first().map(String::as_str) == Some("serve") {
        let mut config = ServerConfig::builder();
        for name in routes.keys() {
            config = config.identity(authority.identity(name)?);
        }
        let listener = TlsListener::bind("127.0.0.1:0", config.build()?).await?;
        println!("{}\n{}", listener.local_addr()?, authority.root_pem());
        return serve(listener, Arc::new(routes)).await;
    }
    for name in ["a.example", "b.example"] {
        routes.insert(name.to_owned(), backend(name).await?);
    }
    // The identity that has the name is shown.
    let config = ServerConfig::builder()
        .identity(authority.identity("a.example")?)
        .identity(authority.identity("b.example")?)
        .build()?;
    let listener = TlsListener::bind("127.0.0.1:0", config).await?;
    let address = listener.local_addr()?;
    let configuration = listener.reloadable();
    let proxy = tokio::spawn(serve(listener, Arc::new(routes)));

    let config = ClientConfig::builder(authority.roots()?).build()?;
    let connector = TlsConnector::new(config);
    let mut before = connector.connect(address, "b.example").await?;
    for name in ["a.example", "b.example"] {
        let mut stream = connector.connect(address, name).await?;
        assert_eq!(greeting(&mut stream).await?, format!("this is {name}"));
    }

    // The certificate of b.example is renewed.
    let renewed = configuration
        .current()
        .to_builder()
        .clear_identities()
        .identity(authority.identity("a.example")?)
        .identity(authority.identity("b.example")?);
    println!("generation {}", configuration.replace(renewed.build()?));
    let mut after = connector
        .clone()
        .without_resumption()
        .connect(address, "b.example")
        .await?;
    assert_ne!(before.peer_certificates(), after.peer_certificates());
    // The connection from before has its old one, and goes on.
    for stream in [&mut before, &mut after] {
        assert_eq!(greeting(stream).await?, "this is b.example");
    }
    proxy.abort();
    Ok(())
}

async fn serve(listener: TlsListener, routes: Arc<Routes>) -> Result {
    let mut connections = listener.connections(256);
    loop {
        let (stream, peer) = connections.accept().await?;
        let routes = Arc::clone(&routes);
        tokio::spawn(async move {
            if let Err(error) = relay(stream, &routes).await {
                println!("{peer}: {error}");
            }
        });
    }
}

async fn relay(mut stream: TlsStream<TcpStream>, routes: &Routes) -> Result {
    // adapter: server
    let backend = stream.server_name().and_then(|name| routes.get(name));
    let mut backend = TcpStream::connect(backend.ok_or("no such backend")?).await?;
    copy_bidirectional(&mut stream, &mut backend).await?;
    // adapter: end
    Ok(())
}

/// Says its name and closes, whoever comes.
async fn backend(name: &'static str) -> Result<SocketAddr> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    tokio::spawn(async move {
        while let Ok((mut io, _)) = listener.accept().await {
            let _ = io.write_all(format!("this is {name}").as_bytes()).await;
        }
    });
    Ok(address)
}

async fn greeting(stream: &mut TlsStream<TcpStream>) -> Result<String> {
    let mut text = String::new();
    stream.read_to_string(&mut text).await?;
    println!("{text}");
    Ok(text)
}
