//! Servers that begin in plain text, as scripts of what they say and what they wait for.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::thread::JoinHandle;

use portcullis::{Identity, ServerConfig, TlsAcceptor};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::Certificates;

/// What a server does.
#[derive(Clone, Debug)]
pub(crate) enum Step {
    /// Sends; `{tag}` is the first word of what was read last.
    Say(&'static [u8]),
    /// Reads to the end of a line, which has to contain this.
    Line(&'static str),
    /// Reads until this has come.
    Until(&'static [u8]),
    /// Reads so many bytes that begin so.
    Bytes(usize, &'static [u8]),
    /// Says this again and again, until the other side has had enough.
    Forever(&'static [u8]),
    /// Says nothing more and waits for the other side to close.
    Wait,
    /// Closes.
    Close,
    /// Speaks TLS and gives back what comes.
    Tls,
}

#[allow(unused_imports, reason = "each test program uses a part")]
pub(crate) use Step::*;

/// What came of it.
pub(crate) struct Plain {
    pub(crate) port: String,
    thread: JoinHandle<Outcome>,
}

#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// The script came to its end, and TLS too, if it ends in that.
    Done,
    /// The other side closed before.
    Left,
    /// It said what is not in the script.
    Surprised(String),
}

impl Plain {
    /// Serves one connection by this script; `each` byte is a packet of its own, or all that is
    /// said at once is one.
    pub(crate) fn start(made: &Certificates, script: Vec<Step>, each: bool) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port().to_string();
        let identity = Identity::from_pem_files(&made.cert, &made.key).unwrap();
        let config = ServerConfig::builder().identity(identity).build().unwrap();
        let thread = std::thread::spawn(move || {
            let (io, _) = listener.accept().unwrap();
            io.set_nodelay(true).unwrap();
            play(io, script, each, config)
        });
        Self { port, thread }
    }

    pub(crate) fn outcome(self) -> Outcome {
        self.thread.join().unwrap()
    }
}

fn play(mut io: TcpStream, script: Vec<Step>, each: bool, config: ServerConfig) -> Outcome {
    let mut last = Vec::new();
    for step in script {
        let read = match step {
            Say(bytes) => {
                let tag: Vec<u8> = last
                    .iter()
                    .copied()
                    .take_while(|byte| *byte != b' ')
                    .collect();
                let tag = String::from_utf8_lossy(&tag).into_owned();
                let bytes = match std::str::from_utf8(bytes) {
                    Ok(text) => text.replace("{tag}", &tag).into_bytes(),
                    Err(_) => bytes.to_vec(),
                };
                say(&mut io, &bytes, each);
                continue;
            }
            Forever(bytes) => {
                while io.write_all(bytes).is_ok() {}
                return Outcome::Left;
            }
            Wait => {
                let _ = io.read_to_end(&mut Vec::new());
                return Outcome::Left;
            }
            Close => return Outcome::Done,
            Tls => return tls(io, config),
            Line(expected) => until(&mut io, b"\n", expected.as_bytes()),
            Until(end) => until(&mut io, end, b""),
            Bytes(count, start) => {
                let mut bytes = vec![0; count];
                match io.read_exact(&mut bytes) {
                    Ok(()) if bytes.starts_with(start) => Ok(bytes),
                    Ok(()) => Err(Outcome::Surprised(format!("{bytes:x?}"))),
                    Err(_) => Err(Outcome::Left),
                }
            }
        };
        match read {
            Ok(bytes) => last = bytes,
            Err(outcome) => return outcome,
        }
    }
    Outcome::Done
}

fn say(io: &mut TcpStream, bytes: &[u8], each: bool) {
    match each {
        // Whoever does not read any more is found out at the next reading.
        true => bytes.iter().for_each(|byte| drop(io.write_all(&[*byte]))),
        false => drop(io.write_all(bytes)),
    }
}

/// Reads byte by byte, so that nothing of TLS is taken.
fn until(io: &mut TcpStream, end: &[u8], expected: &[u8]) -> Result<Vec<u8>, Outcome> {
    let mut seen = Vec::new();
    while !seen.ends_with(end) {
        let mut byte = [0];
        match io.read(&mut byte) {
            Ok(1) => seen.extend(byte),
            _ => return Err(Outcome::Left),
        }
    }
    let is_there = expected.is_empty()
        || seen
            .windows(expected.len())
            .any(|window| window == expected);
    match is_there {
        true => Ok(seen),
        false => Err(Outcome::Surprised(seen.escape_ascii().to_string())),
    }
}

fn tls(io: TcpStream, config: ServerConfig) -> Outcome {
    io.set_nonblocking(true).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let io = tokio::net::TcpStream::from_std(io).unwrap();
        let mut stream = match TlsAcceptor::new(config).upgrade(io).await {
            Ok(stream) => stream,
            Err(error) => return Outcome::Surprised(error.to_string()),
        };
        let mut part = [0; 1024];
        while let Ok(count @ 1..) = stream.read(&mut part).await {
            let _ = stream.write_all(&part[..count]).await;
            let _ = stream.flush().await;
        }
        let _ = stream.shutdown().await;
        Outcome::Done
    })
}

/// A greeting of MySQL 8 with CLIENT_SSL among what it offers, and one without.
pub(crate) const MYSQL: &[u8] = b"\x4a\0\0\0\x0a8.0.36\0\x08\0\0\0abcdefgh\0\xff\xff\xff\x02\0\xff\xdf\x15\0\0\0\0\0\0\0\0\0\0ijklmnopqrst\0caching_sha2_password\0";
pub(crate) const MYSQL_WITHOUT_TLS: &[u8] = b"\x4a\0\0\0\x0a8.0.36\0\x08\0\0\0abcdefgh\0\xff\xf7\xff\x02\0\xff\xdf\x15\0\0\0\0\0\0\0\0\0\0ijklmnopqrst\0caching_sha2_password\0";

/// How StartTLS is asked for, and granted.
pub(crate) const LDAP_REQUEST: &[u8] =
    b"\x30\x1d\x02\x01\x01\x77\x18\x80\x161.3.6.1.4.1.1466.20037";
pub(crate) const LDAP_SUCCESS: &[u8] = b"\x30\x0c\x02\x01\x01\x78\x07\x0a\x01\0\x04\0\x04\0";

pub(crate) const XMPP_STREAM: &[u8] = b"<?xml version='1.0'?><stream:stream id='1' \
    from='localhost' version='1.0' xmlns='jabber:client' \
    xmlns:stream='http://etherx.jabber.org/streams'>";
pub(crate) const XMPP_FEATURES: &[u8] = b"<stream:features><starttls \
    xmlns='urn:ietf:params:xml:ns:xmpp-tls'><required/></starttls></stream:features>";
pub(crate) const XMPP_PROCEED: &[u8] = b"<proceed xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>";

/// What an honest server of each protocol says, up to its go-ahead, which is the last.
pub(crate) fn honest() -> Vec<(&'static str, Vec<Step>)> {
    vec![
        (
            "smtp",
            vec![
                Say(b"220-mail.test\r\n220 ready\r\n"),
                Line("EHLO "),
                Say(b"250-mail.test\r\n250-PIPELINING\r\n250 STARTTLS\r\n"),
                Line("STARTTLS"),
                Say(b"220 go ahead\r\n"),
            ],
        ),
        (
            "imap",
            vec![
                Say(b"* OK [CAPABILITY IMAP4rev1] ready\r\n"),
                Line(" CAPABILITY"),
                Say(b"* CAPABILITY IMAP4rev1 STARTTLS LOGINDISABLED\r\n{tag} OK done\r\n"),
                Line(" STARTTLS"),
                Say(b"{tag} OK begin\r\n"),
            ],
        ),
        (
            "pop3",
            vec![Say(b"+OK ready\r\n"), Line("STLS"), Say(b"+OK begin\r\n")],
        ),
        (
            "ftp",
            vec![
                Say(b"220-Welcome\r\n 220 is not the end\r\nnor is this\r\n220 ready\r\n"),
                Line("AUTH TLS"),
                Say(b"234 begin\r\n"),
            ],
        ),
        ("ldap", vec![Bytes(31, LDAP_REQUEST), Say(LDAP_SUCCESS)]),
        (
            "xmpp",
            vec![
                Until(b"http://etherx.jabber.org/streams'"),
                Until(b">"),
                Say(XMPP_STREAM),
                Say(XMPP_FEATURES),
                Until(b"/>"),
                Say(XMPP_PROCEED),
            ],
        ),
        (
            "postgres",
            vec![Bytes(8, b"\0\0\0\x08\x04\xd2\x16\x2f"), Say(b"S")],
        ),
        ("mysql", vec![Say(MYSQL), Bytes(36, b"\x20\0\0\x01")]),
    ]
}
