//! Names of servers as they are written, and what is wrong with those that are none.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use portcullis_core::Misuse;
use rustls_pki_types::ServerName;

/// What can be the name of a server: text, an address, or a [`ServerName`].
///
/// Text is a DNS name or an IP address, as [RFC 6066 §3] has them: without a port, without
/// brackets, without a dot at the end, and in its ASCII form. What is none is an error that says
/// what to write.
///
/// [RFC 6066 §3]: https://www.rfc-editor.org/rfc/rfc6066#section-3
pub trait ToServerName {
    /// The name.
    ///
    /// # Errors
    /// When it is none.
    fn to_server_name(self) -> Result<ServerName<'static>, Misuse>;
}

impl ToServerName for ServerName<'static> {
    fn to_server_name(self) -> Result<Self, Misuse> {
        Ok(self)
    }
}

impl ToServerName for &ServerName<'_> {
    fn to_server_name(self) -> Result<ServerName<'static>, Misuse> {
        Ok(self.to_owned())
    }
}

impl ToServerName for &str {
    fn to_server_name(self) -> Result<ServerName<'static>, Misuse> {
        parse(self)
    }
}

impl ToServerName for &String {
    fn to_server_name(self) -> Result<ServerName<'static>, Misuse> {
        parse(self)
    }
}

impl ToServerName for String {
    fn to_server_name(self) -> Result<ServerName<'static>, Misuse> {
        parse(&self)
    }
}

impl ToServerName for IpAddr {
    fn to_server_name(self) -> Result<ServerName<'static>, Misuse> {
        Ok(ServerName::from(self))
    }
}

impl ToServerName for Ipv4Addr {
    fn to_server_name(self) -> Result<ServerName<'static>, Misuse> {
        IpAddr::from(self).to_server_name()
    }
}

impl ToServerName for Ipv6Addr {
    fn to_server_name(self) -> Result<ServerName<'static>, Misuse> {
        IpAddr::from(self).to_server_name()
    }
}

fn parse(text: &str) -> Result<ServerName<'static>, Misuse> {
    // A dot at the end is allowed in DNS, but not in server_name (RFC 6066 §3).
    if !text.ends_with('.')
        && let Ok(name) = ServerName::try_from(text)
    {
        return Ok(name.to_owned());
    }
    Err(Misuse::new(format!(
        "{text:?} is no name of a server: {}",
        fault(text)
    )))
}

/// What is wrong with it, and what to write.
fn fault(text: &str) -> String {
    let is_name = |text: &str| !text.ends_with('.') && ServerName::try_from(text).is_ok();
    if text.is_empty() {
        return "it is empty".to_owned();
    }
    if let Some((_, rest)) = text.split_once("://") {
        let host = rest.split(['/', ':', '?', '#']).next().unwrap_or_default();
        return format!("it is a URL; write the host alone: {host:?}");
    }
    if let Some(bare) = text
        .strip_prefix('[')
        .and_then(|text| text.strip_suffix(']'))
    {
        return format!("an IPv6 address has brackets only before a port; write {bare:?}");
    }
    if let Some((host, port)) = text.rsplit_once(':')
        && port.parse::<u16>().is_ok()
    {
        let host = host.trim_start_matches('[').trim_end_matches(']');
        if is_name(host) {
            return format!("it has a port; write {host:?}, or use `connect_to`");
        }
    }
    if let Some(bare) = text.strip_suffix('.')
        && is_name(bare)
    {
        return format!("the dot at its end does not go into a handshake; write {bare:?}");
    }
    if !text.is_ascii() {
        return "it is not ASCII; write its form that begins with \"xn--\" (RFC 5890)".to_owned();
    }
    if text.trim() != text {
        return format!("there is space around it; write {:?}", text.trim());
    }
    "it is neither a DNS name nor an IP address".to_owned()
}

/// A host with its port: `example.com:443`, `192.0.2.1:443`, `[::1]:443`.
pub(crate) fn split_port(text: &str) -> Result<(&str, u16), Misuse> {
    host_and_port(text).ok_or_else(|| {
        let fault = port_fault(text);
        Misuse::new(format!("{text:?} is no host with a port: {fault}"))
    })
}

fn host_and_port(text: &str) -> Option<(&str, u16)> {
    let (host, port) = text.rsplit_once(':')?;
    let port = port.parse().ok()?;
    match bare(host) {
        Some(address) => Some((address, port)),
        // Else the last colon is one of an address.
        None => (!host.is_empty() && !host.contains([':', '/'])).then_some((host, port)),
    }
}

/// An address without its brackets.
fn bare(host: &str) -> Option<&str> {
    host.strip_prefix('[')?.strip_suffix(']')
}

/// Why it is no host with a port, and what to write.
fn port_fault(text: &str) -> String {
    if text.is_empty() {
        return "it is empty; write a name, a colon and a number, as in \"example.com:443\""
            .to_owned();
    }
    let (scheme, rest) = match text.split_once("://") {
        Some((scheme, rest)) => (Some(scheme), rest),
        None => (None, text),
    };
    let (authority, path) = match rest.find(['/', '?', '#']) {
        Some(at) => rest.split_at(at),
        None => (rest, ""),
    };
    if scheme.is_some() || !path.is_empty() {
        let what = match scheme {
            Some(_) => "it is a URL",
            None => "it has a path",
        };
        let host = with_port(authority);
        return host.map_or(what.to_owned(), |host| format!("{what}; write {host:?}"));
    }
    if text.matches(':').count() > 1 && !text.starts_with('[') {
        let advice = with_port(text).map(|host| format!("; write {host:?}"));
        return format!(
            "an IPv6 address stands in brackets before its port{}",
            advice.unwrap_or_default()
        );
    }
    match text.rsplit_once(':') {
        Some(("", port)) => format!("there is no host before the port; write \"localhost:{port}\""),
        Some((_, port)) if bare(text).is_none() => {
            format!("{port:?} is no number up to 65535")
        }
        _ => format!("it has no port; write \"{text}:443\""),
    }
}

/// What was meant by the part of a URL that says where it is.
fn with_port(authority: &str) -> Option<String> {
    if host_and_port(authority).is_some() {
        return Some(authority.to_owned());
    }
    // What looks like a port behind an address without brackets is more likely one: 443, 4433, 8443.
    if let Some((host, port)) = authority.rsplit_once(':')
        && host.parse::<Ipv6Addr>().is_ok()
        && port.parse::<u16>().is_ok_and(|port| port >= 100)
    {
        return Some(format!("[{host}]:{port}"));
    }
    if authority.parse::<Ipv6Addr>().is_ok() {
        return Some(format!("[{authority}]:443"));
    }
    let host = bare(authority).unwrap_or(authority);
    let is_host = ServerName::try_from(host).is_ok();
    is_host.then(|| format!("{authority}:443"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_as_they_are_written() {
        for text in [
            "example.com",
            "EXAMPLE.com",
            "xn--mnchen-3ya.de",
            "127.0.0.1",
            "::1",
        ] {
            let name = text.to_server_name().unwrap();
            assert_eq!(name, ServerName::try_from(text).unwrap());
            assert_eq!((&name).to_server_name().unwrap(), name);
            assert_eq!(text.to_owned().to_server_name().unwrap(), name);
        }
        let loopback = IpAddr::from(Ipv4Addr::LOCALHOST);
        assert_eq!(loopback.to_server_name(), "127.0.0.1".to_server_name());
    }

    #[test]
    fn what_is_no_name_is_quoted_and_explained() {
        for (text, sentence) in [
            ("", r#""" is no name of a server: it is empty"#),
            (
                "[::1]",
                r#""[::1]" is no name of a server: an IPv6 address has brackets only before a port; write "::1""#,
            ),
            (
                "example.com:443",
                r#""example.com:443" is no name of a server: it has a port; write "example.com", or use `connect_to`"#,
            ),
            (
                "[::1]:443",
                r#""[::1]:443" is no name of a server: it has a port; write "::1", or use `connect_to`"#,
            ),
            (
                "example.com.",
                r#""example.com." is no name of a server: the dot at its end does not go into a handshake; write "example.com""#,
            ),
            (
                "münchen.de",
                r#""münchen.de" is no name of a server: it is not ASCII; write its form that begins with "xn--" (RFC 5890)"#,
            ),
            (
                "https://example.com:8443/a",
                r#""https://example.com:8443/a" is no name of a server: it is a URL; write the host alone: "example.com""#,
            ),
            (
                " example.com",
                r#"" example.com" is no name of a server: there is space around it; write "example.com""#,
            ),
            (
                "*.example.com",
                r#""*.example.com" is no name of a server: it is neither a DNS name nor an IP address"#,
            ),
        ] {
            assert_eq!(text.to_server_name().unwrap_err().to_string(), sentence);
        }
    }

    #[test]
    fn hosts_with_ports() {
        for (text, host, port) in [
            ("example.com:443", "example.com", 443),
            ("[::1]:443", "::1", 443),
            ("192.0.2.1:65535", "192.0.2.1", 65_535),
            ("localhost:0", "localhost", 0),
        ] {
            assert_eq!(split_port(text), Ok((host, port)));
        }
        for (text, sentence) in [
            (
                "example.com",
                r#""example.com" is no host with a port: it has no port; write "example.com:443""#,
            ),
            (
                "::1",
                r#""::1" is no host with a port: an IPv6 address stands in brackets before its port; write "[::1]:443""#,
            ),
            (
                "example.com:https",
                r#""example.com:https" is no host with a port: "https" is no number up to 65535"#,
            ),
            (
                "example.com:65536",
                r#""example.com:65536" is no host with a port: "65536" is no number up to 65535"#,
            ),
            (
                "",
                r#""" is no host with a port: it is empty; write a name, a colon and a number, as in "example.com:443""#,
            ),
            (
                ":4433",
                r#"":4433" is no host with a port: there is no host before the port; write "localhost:4433""#,
            ),
            (
                "https://localhost/",
                r#""https://localhost/" is no host with a port: it is a URL; write "localhost:443""#,
            ),
            (
                "https://localhost:4433/a?b#c",
                r#""https://localhost:4433/a?b#c" is no host with a port: it is a URL; write "localhost:4433""#,
            ),
            (
                "https://[::1]",
                r#""https://[::1]" is no host with a port: it is a URL; write "[::1]:443""#,
            ),
            (
                "https://",
                r#""https://" is no host with a port: it is a URL"#,
            ),
            (
                "localhost:4433/",
                r#""localhost:4433/" is no host with a port: it has a path; write "localhost:4433""#,
            ),
            (
                "[::1]",
                r#""[::1]" is no host with a port: it has no port; write "[::1]:443""#,
            ),
            (
                "::1:4433",
                r#""::1:4433" is no host with a port: an IPv6 address stands in brackets before its port; write "[::1]:4433""#,
            ),
            (
                "2001:db8::7:25",
                r#""2001:db8::7:25" is no host with a port: an IPv6 address stands in brackets before its port; write "[2001:db8::7:25]:443""#,
            ),
            (
                "a:b:c",
                r#""a:b:c" is no host with a port: an IPv6 address stands in brackets before its port"#,
            ),
            (
                "[::1]:x",
                r#""[::1]:x" is no host with a port: "x" is no number up to 65535"#,
            ),
        ] {
            assert_eq!(split_port(text).unwrap_err().to_string(), sentence);
        }
    }
}
