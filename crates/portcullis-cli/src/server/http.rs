//! As much of HTTP/1.0 as shows a page and gives files out: one request, one answer.
//!
//! RFC 1945, RFC 9112.

use std::io;
use std::time::Duration;

use portcullis::{ClientCertificate, TlsStream};
use tokio::io::{AsyncReadExt as _, Take};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::CLOSE_WITHIN;
use super::folder::{Folder, Found};
use crate::report;

/// How long a client may take to send its request.
const REQUEST_WITHIN: Duration = Duration::from_secs(30);
/// How long a client may take for its certificate: somebody may have to touch a token.
const CERTIFICATE_WITHIN: Duration = Duration::from_secs(60);
/// How long a client may take for a part of the answer.
const PART_WITHIN: Duration = Duration::from_secs(30);
/// The longest head of a request that is read, in bytes.
const MAX_HEAD: usize = 64 * 1024;
/// The most fields of a head.
const MAX_FIELDS: usize = 100;
/// How much of a file is read and sent at once.
const PART: usize = 64 * 1024;

/// A request that can be answered.
#[derive(Debug, PartialEq, Eq)]
struct Request {
    /// Without what follows a question mark.
    path: String,
    /// Whether the body is wanted, too.
    is_get: bool,
}

/// An answer without its body.
#[derive(Debug)]
struct Head {
    status: &'static str,
    fields: Vec<(&'static str, String)>,
}

impl Head {
    fn new(status: &'static str) -> Self {
        Self {
            status,
            fields: Vec::new(),
        }
    }

    fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.fields.push((name, value.into()));
        self
    }

    fn encode(&self, length: u64) -> Vec<u8> {
        let mut head = format!("HTTP/1.0 {}\r\n", self.status);
        for (name, value) in &self.fields {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        head.push_str(&format!(
            "Content-Length: {length}\r\nX-Content-Type-Options: nosniff\r\nConnection: close\r\n\r\n"
        ));
        head.into_bytes()
    }
}

/// Answers one request, which begins with these bytes, with what was negotiated. What is private is for clients with a
/// certificate, which are asked for it now.
pub(super) async fn page(
    mut stream: TlsStream<TcpStream>,
    first: Vec<u8>,
    private: Option<&str>,
) -> io::Result<()> {
    match request(&mut stream, first).await? {
        Asked::Request(request) => {
            let text = match private == Some(&request.path) {
                true => authenticate(&mut stream).await?,
                false => Ok(report::text(stream.information())),
            };
            let (head, text) = match text {
                Ok(text) => (Head::new("200 OK"), text),
                Err(why) => (Head::new("403 Forbidden"), format!("{why}\n")),
            };
            answer(&mut stream, &request, head, &text).await?;
        }
        Asked::Wrong(head) => refuse(&mut stream, head).await?,
        Asked::Nothing => {}
    }
    Ok(stream.close(CLOSE_WITHIN).await?)
}

/// Asks the client for its certificate; gives the page with it, or why there is none.
async fn authenticate(stream: &mut TlsStream<TcpStream>) -> io::Result<Result<String, String>> {
    // Resumed as the one that has shown it.
    if !stream.peer_certificates().is_empty() {
        return Ok(Ok(report::text(stream.information())));
    }
    match stream.authenticate_client(CERTIFICATE_WITHIN).await {
        Ok(ClientCertificate::Presented(shown)) => {
            let chain = shown.chain().certificates();
            Ok(Ok(report::text_with(stream.information(), chain)))
        }
        Ok(_) => Ok(Err(
            "This page is for clients with a certificate.".to_owned()
        )),
        // It has not offered to be asked.
        Err(error) if error.kind() == io::ErrorKind::InvalidInput => {
            Ok(Err(super::not_to_be_asked(stream.information().version())))
        }
        Err(error) => Err(error.into()),
    }
}

/// Answers one request, which begins with these bytes, with a file.
pub(super) async fn file(
    mut stream: TlsStream<TcpStream>,
    folder: &Folder,
    first: Vec<u8>,
) -> io::Result<()> {
    match request(&mut stream, first).await? {
        Asked::Request(request) => match folder.find(&request.path).await {
            Found::File { file, length, kind } => {
                let head = Head::new("200 OK").with("Content-Type", kind);
                send_file(&mut stream, &request, &head, file.take(length)).await?;
            }
            Found::Folder { location } => {
                let head = Head::new("301 Moved Permanently").with("Location", location);
                answer(&mut stream, &request, head, "It is a folder.\n").await?;
            }
            Found::Nothing => {
                let head = Head::new("404 Not Found");
                answer(&mut stream, &request, head, "There is no such file.\n").await?;
            }
        },
        Asked::Wrong(head) => refuse(&mut stream, head).await?,
        Asked::Nothing => {}
    }
    Ok(stream.close(CLOSE_WITHIN).await?)
}

enum Asked {
    Request(Request),
    Wrong(Head),
    /// The client closed, as those do that connect in advance.
    Nothing,
}

async fn request(stream: &mut TlsStream<TcpStream>, first: Vec<u8>) -> io::Result<Asked> {
    match timeout(REQUEST_WITHIN, head(stream, first)).await {
        Ok(Ok(Some(head))) => Ok(match parse(&head) {
            Ok(request) => Asked::Request(request),
            Err(head) => Asked::Wrong(head),
        }),
        Ok(Ok(None)) => Ok(Asked::Wrong(Head::new(
            "431 Request Header Fields Too Large",
        ))),
        Ok(Err(error)) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(Asked::Nothing),
        Ok(Err(error)) => Err(error),
        Err(_) => Err(late("the client sent no whole request")),
    }
}

/// The head of a request; `None` if it is too long.
async fn head(stream: &mut TlsStream<TcpStream>, first: Vec<u8>) -> io::Result<Option<Vec<u8>>> {
    let mut head = first;
    let mut part = vec![0; 4 * 1024];
    let mut before: usize = 0;
    loop {
        // The empty line may have come in parts.
        let tail = head.get(before.saturating_sub(3)..).unwrap_or_default();
        let ends = |end: &[u8]| tail.windows(end.len()).any(|window| window == end);
        if ends(b"\r\n\r\n") || ends(b"\n\n") {
            return Ok(Some(head));
        }
        if head.len() > MAX_HEAD {
            return Ok(None);
        }
        let count = stream.read(&mut part).await?;
        if count == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        before = head.len();
        head.extend(part.iter().take(count));
    }
}

/// What is asked for, or the answer to what cannot be understood.
fn parse(head: &[u8]) -> Result<Request, Head> {
    let mut fields = [httparse::EMPTY_HEADER; MAX_FIELDS];
    let mut request = httparse::Request::new(&mut fields);
    match request.parse(head) {
        Ok(httparse::Status::Complete(_)) => {}
        Err(httparse::Error::TooManyHeaders) => {
            return Err(Head::new("431 Request Header Fields Too Large"));
        }
        Ok(httparse::Status::Partial) | Err(_) => return Err(Head::new("400 Bad Request")),
    }
    let is_get = match request.method {
        Some("GET") => true,
        Some("HEAD") => false,
        _ => return Err(Head::new("405 Method Not Allowed").with("Allow", "GET, HEAD")),
    };
    let target = request.path.unwrap_or_default();
    let path = target.split_once('?').map_or(target, |(path, _)| path);
    match path.starts_with('/') {
        true => Ok(Request {
            path: path.to_owned(),
            is_get,
        }),
        false => Err(Head::new("400 Bad Request")),
    }
}

/// A text, in one write.
async fn answer(
    stream: &mut TlsStream<TcpStream>,
    request: &Request,
    head: Head,
    text: &str,
) -> io::Result<()> {
    let head = head.with("Content-Type", "text/plain; charset=utf-8");
    let head = head.encode(text.len() as u64);
    let body = match request.is_get {
        true => text.as_bytes(),
        false => &[],
    };
    send(stream, &[&head, body]).await
}

async fn refuse(stream: &mut TlsStream<TcpStream>, head: Head) -> io::Result<()> {
    let request = Request {
        path: String::new(),
        is_get: true,
    };
    let text = format!("{}\n", head.status);
    answer(stream, &request, head, &text).await
}

/// A file, part by part; the head goes with the first.
async fn send_file(
    stream: &mut TlsStream<TcpStream>,
    request: &Request,
    head: &Head,
    mut file: Take<tokio::fs::File>,
) -> io::Result<()> {
    let encoded = head.encode(file.limit());
    if !request.is_get {
        return send(stream, &[&encoded]).await;
    }
    let mut head: &[u8] = &encoded;
    let mut part = Vec::with_capacity(PART);
    loop {
        part.clear();
        while part.len() < PART && file.limit() > 0 {
            let count = (&mut file)
                .take((PART - part.len()) as u64)
                .read_to_end(&mut part)
                .await?;
            if count == 0 {
                return Err(io::Error::new(
                    io::ErrorKind::UnexpectedEof,
                    "a file became shorter while it was sent",
                ));
            }
        }
        if head.is_empty() && part.is_empty() {
            return Ok(());
        }
        send(stream, &[head, &part]).await?;
        head = &[];
    }
}

async fn send(stream: &mut TlsStream<TcpStream>, parts: &[&[u8]]) -> io::Result<()> {
    match timeout(PART_WITHIN, stream.send(parts)).await {
        Ok(sent) => Ok(sent?),
        Err(_) => Err(late("the client did not take the answer")),
    }
}

fn late(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::TimedOut, what)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(head: &str) -> Result<(String, bool), &'static str> {
        match parse(head.as_bytes()) {
            Ok(request) => Ok((request.path, request.is_get)),
            Err(head) => Err(head.status),
        }
    }

    #[test]
    fn requests() {
        assert_eq!(parsed("GET / HTTP/1.0\r\n\r\n"), Ok(("/".into(), true)));
        assert_eq!(
            parsed("HEAD /a?b/../c HTTP/1.1\r\nHost: x\r\n\r\n"),
            Ok(("/a".into(), false))
        );
        assert_eq!(parsed("GET / HTTP/1.0\n\n"), Ok(("/".into(), true)));
        assert_eq!(
            parsed("POST / HTTP/1.1\r\n\r\n"),
            Err("405 Method Not Allowed")
        );
        assert_eq!(
            parsed("GET http://a/ HTTP/1.1\r\n\r\n"),
            Err("400 Bad Request")
        );
        assert_eq!(
            parsed("OPTIONS * HTTP/1.1\r\n\r\n"),
            Err("405 Method Not Allowed")
        );
        assert_eq!(parsed("GET *\r\n\r\n"), Err("400 Bad Request"));
        assert_eq!(parsed("\x16\x03\x01\n\n"), Err("400 Bad Request"));
        let many = format!(
            "GET / HTTP/1.1\r\n{}\r\n",
            "A: b\r\n".repeat(MAX_FIELDS + 1)
        );
        assert_eq!(parsed(&many), Err("431 Request Header Fields Too Large"));
    }
}
