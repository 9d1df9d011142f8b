//! Protocols of lines: SMTP, IMAP, POP3, FTP.

use std::net::IpAddr;

use tokio::io::{AsyncRead, AsyncWrite};

use super::wire::{Result, Wire};

/// The most lines of one reply.
const MAX_LINES: usize = 256;

/// RFC 3207: the greeting, EHLO and what it offers, STARTTLS.
pub(super) async fn smtp<IO>(wire: &mut Wire<'_, IO>, own: IpAddr) -> Result<()>
where
    IO: AsyncRead + AsyncWrite + Unpin,
{
    reply(wire, "220", "the greeting 220").await?;
    // RFC 5321 §4.1.3: a host without a name introduces itself by its address.
    let own = match own {
        IpAddr::V4(own) => format!("[{own}]"),
        IpAddr::V6(own) => format!("[IPv6:{own}]"),
    };
    wire.send(format!("EHLO {own}\r\n").as_bytes()).await?;
    let offers = reply(wire, "250", "what it offers (250)").await?;
    let is_offered = offers
        .iter()
        .skip(1)
        .any(|offer| is_word(offer, "STARTTLS"));
    if !is_offered {
        let offers = offers.get(1..).unwrap_or_default();
        return Err(wire.declined("STARTTLS among what it offers", &offers.join(", ")));
    }
    wire.send(b"STARTTLS\r\n").await?;
    reply(wire, "220", "the go-ahead 220").await?;
    Ok(())
}

/// RFC 4217 §4: the greeting, AUTH TLS.
pub(super) async fn ftp<IO>(wire: &mut Wire<'_, IO>) -> Result<()>
where
    IO: AsyncRead + AsyncWrite + Unpin,
{
    reply(wire, "220", "the greeting 220").await?;
    wire.send(b"AUTH TLS\r\n").await?;
    reply(wire, "234", "the go-ahead 234").await?;
    Ok(())
}

/// RFC 2595 §4: the greeting, STLS.
pub(super) async fn pop3<IO>(wire: &mut Wire<'_, IO>) -> Result<()>
where
    IO: AsyncRead + AsyncWrite + Unpin,
{
    for command in [None, Some("STLS\r\n")] {
        if let Some(command) = command {
            wire.send(command.as_bytes()).await?;
        }
        let line = wire.line().await?;
        if !is_word(&line, "+OK") {
            return Err(wire.declined("+OK", &line));
        }
    }
    Ok(())
}

/// RFC 9051 §6.2.1: the greeting, CAPABILITY, STARTTLS.
pub(super) async fn imap<IO>(wire: &mut Wire<'_, IO>) -> Result<()>
where
    IO: AsyncRead + AsyncWrite + Unpin,
{
    let greeting = wire.line().await?;
    // PREAUTH is a session that is authenticated already: in it there is no STARTTLS (§7.1.4),
    // so that whoever is on the path could keep the connection in plain text by it.
    if !is_word(&greeting, "* OK") {
        return Err(wire.declined("the greeting \"* OK\"", &greeting));
    }
    wire.send(b"a CAPABILITY\r\n").await?;
    let offers = tagged(wire, "a").await?;
    let is_offered = offers.iter().any(|line| {
        let mut words = line.split_ascii_whitespace().skip(1);
        words
            .next()
            .is_some_and(|word| word.eq_ignore_ascii_case("CAPABILITY"))
            && words.any(|word| word.eq_ignore_ascii_case("STARTTLS"))
    });
    if !is_offered {
        return Err(wire.declined("STARTTLS among its capabilities", &offers.join(", ")));
    }
    wire.send(b"b STARTTLS\r\n").await?;
    tagged(wire, "b").await?;
    Ok(())
}

/// The lines of a reply that begins with this code (RFC 5321 §4.2.1, RFC 959 §4.2), without it.
async fn reply<IO>(wire: &mut Wire<'_, IO>, code: &str, expected: &str) -> Result<Vec<String>>
where
    IO: AsyncRead + AsyncWrite + Unpin,
{
    let mut lines = Vec::new();
    while lines.len() < MAX_LINES {
        let line = wire.line().await?;
        let text = line.strip_prefix(code);
        // Within a reply of several lines FTP does not repeat the code.
        let (text, is_last) = match text.map(|text| (text, text.chars().next())) {
            Some((text, None | Some(' '))) => (text, true),
            Some((text, Some('-'))) => (text, false),
            _ if !lines.is_empty() => (&*line, false),
            _ => return Err(wire.declined(expected, &line)),
        };
        lines.push(text.trim_start_matches(['-', ' ']).to_owned());
        if is_last {
            return Ok(lines);
        }
    }
    Err(wire.failure(&format!(
        "the server's reply has more than {MAX_LINES} lines"
    )))
}

/// The untagged responses before the tagged OK of a command.
async fn tagged<IO>(wire: &mut Wire<'_, IO>, tag: &str) -> Result<Vec<String>>
where
    IO: AsyncRead + AsyncWrite + Unpin,
{
    let mut lines = Vec::new();
    while lines.len() < MAX_LINES {
        let line = wire.line().await?;
        if line.starts_with("* ") {
            lines.push(line);
        } else if is_word(&line, &format!("{tag} OK")) {
            return Ok(lines);
        } else {
            return Err(wire.declined(&format!("\"{tag} OK\""), &line));
        }
    }
    Err(wire.failure(&format!(
        "the server's response has more than {MAX_LINES} lines"
    )))
}

/// Whether a line is these words, or begins with them.
fn is_word(line: &str, words: &str) -> bool {
    match line.split_at_checked(words.len()) {
        Some((start, rest)) => {
            start.eq_ignore_ascii_case(words) && (rest.is_empty() || rest.starts_with(' '))
        }
        None => false,
    }
}
