//! Packets: a server that reads the head of an HTTP request line by line, then its body, and then speaks in
//! frames with a length of four bytes on the same connection.
//!
//! `cargo run --example packets`

use portcullis::packet::http::{Http, Method, Target};
use portcullis::packet::{Packet, PacketOptions, Piece};
use portcullis::{ClientConfig, ServerConfig, TlsConnector, TlsListener};
use portcullis_examples::{Result, dev_identity};

/// Longer frames are refused, whatever their length says.
const LONGEST: u64 = 64 * 1024;

#[tokio::main]
async fn main() -> Result {
    let (identity, roots) = dev_identity()?;
    let config = ServerConfig::builder().identity(identity).build()?;
    let listener = TlsListener::bind("127.0.0.1:0", config).await?;
    let address = listener.local_addr()?;
    let server = tokio::spawn(serve(listener));

    let config = ClientConfig::builder(roots).build()?;
    let mut stream = TlsConnector::new(config)
        .connect(address, "localhost")
        .await?;
    stream
        .send(&[b"POST /frames HTTP/1.1\r\nHost: localhost\r\ncontent-length: 5\r\n\r\nhello"])
        .await?;
    let mut frames = stream.into_packets(PacketOptions::new(Packet::Length4).size(LONGEST)?);
    for text in ["one", "", "three"] {
        frames.send(&[text.as_bytes()]).await?;
        let Piece::Data(echo) = frames.recv().await? else {
            return Err("frames are data".into());
        };
        assert_eq!(echo, text);
    }
    // What is longer than a frame may be is not sent, and the connection goes on.
    let error = frames.send(&[&[0; 100_000]]).await.unwrap_err();
    println!("{error}");
    frames.send(&[b"end"]).await?;
    assert_eq!(frames.recv().await?, Piece::Data("end".into()));
    drop(frames);
    server.await?
}

async fn serve(listener: TlsListener) -> Result {
    let stream = listener.accept().await?.handshake().await?;
    let mut packets = stream.into_packets(Packet::Http);
    let mut body = 0;
    loop {
        let Piece::Http(line) = packets.recv().await? else {
            return Err("lines of HTTP".into());
        };
        match *line {
            Http::Request(request) => {
                assert_eq!(request.method, Method::Post);
                let Target::Path(path) = request.target else {
                    return Err("a path".into());
                };
                println!("a request for {path:?}");
            }
            Http::Header(header) => {
                println!("{:?}: {:?}", header.name(), header.value());
                if *header.name() == "Content-Length" {
                    body = header.value().as_str().ok_or("a number")?.parse()?;
                }
            }
            Http::EndOfHeaders => break,
            other => return Err(format!("{other:?}").into()),
        }
    }
    // The body is no packet.
    packets.set_packet(Packet::Raw);
    assert_eq!(packets.recv_exact(body).await?, "hello");

    packets.set_packet(PacketOptions::new(Packet::Length4).size(LONGEST)?);
    loop {
        match packets.recv().await {
            Ok(Piece::Data(frame)) => packets.send(&[&frame]).await?,
            Ok(other) => return Err(format!("{other:?}").into()),
            Err(error) if error.is_closed() => return Ok(()),
            Err(error) => return Err(error.into()),
        }
    }
}
