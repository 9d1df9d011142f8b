//! Mail with STARTTLS (RFC 3207), as client and as server: plain text first, then TLS on the
//! same connection, and the greeting once more.
//!
//! `cargo run --example smtp` delivers a message to itself. With an argument, `serve`, it takes
//! one message from whoever comes, e.g. from curl. With `deliver ADDRESS ROOT.pem` it brings one to a
//! server with a certificate for localhost.

use bytes::Bytes;
use portcullis::{ClientConfig, Roots, ServerConfig, TlsAcceptor, TlsConnector, TlsStream};
use portcullis_examples::{Authority, Result};
use tokio::io::{AsyncBufRead, AsyncBufReadExt as _, AsyncWrite, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};

/// What is delivered.
const MAIL: &str = "Subject: hello\r\n\r\nA line.\r\n.. and dots.\r\n";

#[tokio::main]
async fn main() -> Result {
    let mut arguments = std::env::args().skip(1);
    let what = arguments.next();
    if what.as_deref() == Some("deliver") {
        let (address, root) = arguments
            .next()
            .zip(arguments.next())
            .ok_or("deliver ADDRESS ROOT.pem")?;
        let io = TcpStream::connect(address).await?;
        return deliver(io, Roots::from_pem_file(root)?, MAIL).await;
    }
    let authority = Authority::new()?;
    let config = ServerConfig::builder().identity(authority.identity("localhost")?);
    let acceptor = TlsAcceptor::new(config.build()?);
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    if what.as_deref() == Some("serve") {
        println!("smtp://{address}\n{}", authority.root_pem());
        let mail = receive(listener.accept().await?.0, acceptor).await?;
        print!("{mail}");
        return Ok(());
    }
    let server = tokio::spawn(async move { receive(listener.accept().await?.0, acceptor).await });
    deliver(TcpStream::connect(address).await?, authority.roots()?, MAIL).await?;
    let received = server.await??;
    println!("{received}");
    assert_eq!(received, MAIL);
    Ok(())
}

/// The client. A server that has no STARTTLS gets no mail: who asks for it in plain text is whom
/// TLS is there to keep out.
async fn deliver(io: TcpStream, roots: Roots, mail: &str) -> Result {
    let mut plain = BufReader::new(io);
    expect(&mut plain, "220").await?;
    let offers = ask(&mut plain, "EHLO client.example", "250").await?;
    if !offers.lines().any(|line| line.ends_with("STARTTLS")) {
        return Err(format!("the server has no TLS, only: {offers}").into());
    }
    ask(&mut plain, "STARTTLS", "220").await?;

    let config = ClientConfig::builder(roots).build()?;
    // adapter: client
    let ahead = Bytes::copy_from_slice(plain.buffer());
    let connector = TlsConnector::new(config);
    let handshake = connector.upgrade_with_prefix(plain.into_inner(), "localhost", ahead);
    let mut secure = handshake.await?;
    // adapter: end

    // What it said in plain text is forgotten: anybody may have said that.
    ask(&mut secure, "EHLO client.example", "250").await?;
    ask(&mut secure, "MAIL FROM:<alice@client.example>", "250").await?;
    ask(&mut secure, "RCPT TO:<bob@localhost>", "250").await?;
    ask(&mut secure, "DATA", "354").await?;
    for line in mail.lines() {
        let dot = if line.starts_with('.') { "." } else { "" };
        secure
            .write_all(format!("{dot}{line}\r\n").as_bytes())
            .await?;
    }
    ask(&mut secure, ".", "250").await?;
    ask(&mut secure, "QUIT", "221").await?;
    secure.shutdown().await?;
    Ok(())
}

/// The server; gives the message.
async fn receive(io: TcpStream, acceptor: TlsAcceptor) -> Result<String> {
    let mut plain = BufReader::new(io);
    say(&mut plain, "220 localhost ESMTP").await?;
    loop {
        let line = line(&mut plain).await?;
        match verb(&line).as_str() {
            "EHLO" => say(&mut plain, "250-localhost\r\n250 STARTTLS").await?,
            "STARTTLS" => break,
            "QUIT" => return Err("the client gave up".into()),
            _ => say(&mut plain, "530 5.7.0 Must issue a STARTTLS command first").await?,
        }
    }
    say(&mut plain, "220 2.0.0 Ready to start TLS").await?;

    // adapter: server
    // What was read ahead belongs to TLS: commands that somebody has put behind STARTTLS are no
    // handshake, and fail it.
    let ahead = Bytes::copy_from_slice(plain.buffer());
    let handshake = acceptor.upgrade_with_prefix(plain.into_inner(), ahead);
    let secure = handshake.await?;
    // adapter: end
    converse(secure).await
}

async fn converse(mut secure: TlsStream<TcpStream>) -> Result<String> {
    let mut mail = String::new();
    loop {
        let command = line(&mut secure).await?;
        match verb(&command).as_str() {
            "EHLO" => say(&mut secure, "250 localhost").await?,
            "MAIL" | "RCPT" => say(&mut secure, "250 2.1.0 Ok").await?,
            "DATA" => {
                say(&mut secure, "354 End data with <CR><LF>.<CR><LF>").await?;
                loop {
                    let line = line(&mut secure).await?;
                    if line == "." {
                        break;
                    }
                    mail += line.strip_prefix('.').unwrap_or(&line);
                    mail += "\r\n";
                }
                say(&mut secure, "250 2.0.0 Ok").await?;
            }
            "QUIT" => {
                say(&mut secure, "221 2.0.0 Bye").await?;
                secure.shutdown().await?;
                return Ok(mail);
            }
            _ => say(&mut secure, "502 5.5.2 Not here").await?,
        }
    }
}

fn verb(line: &str) -> String {
    let word = line.split([' ', ':']).next().unwrap_or_default();
    word.to_ascii_uppercase()
}

async fn ask<IO>(io: &mut IO, command: &str, expected: &str) -> Result<String>
where
    IO: AsyncBufRead + AsyncWrite + Unpin,
{
    say(io, command).await?;
    expect(io, expected).await
}

async fn say(io: &mut (impl AsyncWrite + Unpin), text: &str) -> Result {
    io.write_all(format!("{text}\r\n").as_bytes()).await?;
    io.flush().await?;
    Ok(())
}

/// An answer of one line or several.
async fn expect(io: &mut (impl AsyncBufRead + Unpin), code: &str) -> Result<String> {
    let mut answer = String::new();
    loop {
        let line = line(io).await?;
        if !line.starts_with(code) {
            return Err(format!("{line:?}, and not {code}").into());
        }
        answer += &line;
        if line.as_bytes().get(3) != Some(&b'-') {
            return Ok(answer);
        }
        answer += "\n";
    }
}

async fn line(io: &mut (impl AsyncBufRead + Unpin)) -> Result<String> {
    let mut line = String::new();
    if io.read_line(&mut line).await? == 0 {
        return Err("the connection was closed".into());
    }
    Ok(line.trim_end_matches(['\r', '\n']).to_owned())
}
