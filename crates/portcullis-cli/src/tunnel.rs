//! A way through a proxy of HTTP: CONNECT (RFC 9110 §9.3.6).

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};

use crate::failure::Failure;
use crate::target::Target;
use crate::text::printable;

/// The longest answer of a proxy.
const MOST: usize = 8 << 10;
/// The most headers of one.
const MOST_HEADERS: usize = 64;

/// Asks a proxy for a way to the target. Nothing is read of what comes behind its answer.
///
/// # Cancel safety
/// Dropped, the connection is of no use any more.
pub(crate) async fn ask<T: AsyncRead + AsyncWrite + Unpin>(
    io: &mut T,
    target: &Target,
) -> Result<(), Failure> {
    let failed = |error: std::io::Error| Failure::transport("the proxy", &error).at("Connect");
    let request = format!("CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n\r\n");
    io.write_all(request.as_bytes()).await.map_err(failed)?;
    io.flush().await.map_err(failed)?;
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        if head.len() == MOST {
            let long = "its answer is longer than 8 KiB";
            return Err(failed(std::io::Error::other(long)));
        }
        // Byte by byte: the server's first ones may be right behind.
        head.push(io.read_u8().await.map_err(failed)?);
    }
    answer(&head).map_err(|why| failed(std::io::Error::other(why)))
}

/// Whether the way is open, or why it is not.
fn answer(head: &[u8]) -> Result<(), String> {
    let mut headers = [httparse::EMPTY_HEADER; MOST_HEADERS];
    let mut response = httparse::Response::new(&mut headers);
    let whole = response
        .parse(head)
        .is_ok_and(|status| status.is_complete());
    match response.code.filter(|_| whole) {
        Some(200..=299) => Ok(()),
        Some(407) => Err("it wants to know who asks (407), which is not told here".to_owned()),
        Some(code) => {
            let reason = printable(response.reason.unwrap_or_default());
            Err(format!("it says {code} {reason}"))
        }
        None => Err("what comes is not HTTP".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn asked(said: Vec<u8>, host: &str) -> (String, Result<Vec<u8>, String>) {
        let (mut own, mut proxy) = tokio::io::duplex(32 << 10);
        proxy.write_all(&said).await.unwrap();
        let target = Target::parse(host, None).unwrap();
        let asked = ask(&mut own, &target);
        // One that says no more has closed.
        let (asked, ()) = tokio::join!(asked, proxy_closes(&mut proxy));
        let mut request = vec![0; 1_000];
        let count = proxy.read(&mut request).await.unwrap();
        let request = String::from_utf8(request[..count].to_vec()).unwrap();
        let rest = match asked {
            Ok(()) => {
                let mut rest = Vec::new();
                own.read_to_end(&mut rest).await.unwrap();
                Ok(rest)
            }
            Err(failure) => Err(failure.to_string()),
        };
        (request, rest)
    }

    async fn proxy_closes(proxy: &mut tokio::io::DuplexStream) {
        proxy.shutdown().await.unwrap();
    }

    #[tokio::test]
    async fn a_way_is_open_or_it_is_said_why_not() {
        let open = b"HTTP/1.1 200 Connection established\r\nVia: x\r\n\r\nbehind".to_vec();
        let (request, rest) = asked(open, "[2001:db8::1]:443").await;
        assert_eq!(
            request,
            "CONNECT [2001:db8::1]:443 HTTP/1.1\r\nHost: [2001:db8::1]:443\r\n\r\n"
        );
        assert_eq!(rest.unwrap(), b"behind");
        for (said, why) in [
            (&b"HTTP/1.1 403 Forbidden\x1b\r\n\r\n"[..], "not HTTP"),
            (b"HTTP/1.1 403 Forbidden\r\n\r\n", "it says 403 Forbidden"),
            (b"HTTP/1.1 407 Who\r\n\r\n", "who asks (407)"),
            (b"HTTP/1.1 101 Other\r\n\r\n", "it says 101"),
            (b"SSH-2.0-x\r\n\r\n", "not HTTP"),
            (b"HTTP/1.1 200 O", "the proxy: "),
        ] {
            let (_, rest) = asked(said.to_vec(), "a.test:443").await;
            let said = rest.unwrap_err();
            assert!(said.contains(why), "{said}");
        }
        let endless = [&b"HTTP/1.1 200 OK\r\n"[..], &b"A: b\r\n".repeat(2_000)].concat();
        let (_, rest) = asked(endless, "a.test:443").await;
        assert!(rest.unwrap_err().contains("longer than 8 KiB"));
    }
}
