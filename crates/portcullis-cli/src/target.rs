//! What to connect to: `HOST`, `HOST:PORT` or a URL, and with which protocol before TLS.

use std::fmt;
use std::net::IpAddr;

use portcullis::ServerName;

use crate::failure::Failure;
use crate::starttls::Protocol;

/// Where TLS is spoken if nothing else is said.
const HTTPS: u16 = 443;

/// Schemes that are TLS from the first byte, with their ports.
const SCHEMES: &[(&str, u16)] = &[
    ("https", HTTPS),
    ("wss", HTTPS),
    ("tls", HTTPS),
    ("smtps", 465),
    ("submissions", 465),
    ("imaps", 993),
    ("pop3s", 995),
    ("ftps", 990),
    ("ldaps", 636),
    ("xmpps", 5223),
    ("amqps", 5671),
    ("mqtts", 8883),
    ("rediss", 6379),
    ("ircs", 6697),
];

/// Schemes of protocols that begin in plain text.
const PLAIN_SCHEMES: &[(&str, Protocol, u16)] = &[
    ("smtp", Protocol::Smtp, 25),
    ("submission", Protocol::Smtp, 587),
    ("imap", Protocol::Imap, 143),
    ("pop3", Protocol::Pop3, 110),
    ("ftp", Protocol::Ftp, 21),
    ("ldap", Protocol::Ldap, 389),
    ("xmpp", Protocol::Xmpp, 5222),
    ("postgres", Protocol::Postgres, 5432),
    ("postgresql", Protocol::Postgres, 5432),
    ("mysql", Protocol::Mysql, 3306),
];

/// A host, a port, and what is spoken there before TLS.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Target {
    /// Without brackets.
    pub(crate) host: String,
    pub(crate) port: u16,
    pub(crate) starttls: Option<Protocol>,
}

impl Target {
    /// Reads what the user wrote. `starttls` is what an option says.
    pub(crate) fn parse(text: &str, starttls: Option<Protocol>) -> Result<Self, Failure> {
        let (scheme, authority) = match text.split_once("://") {
            Some((scheme, rest)) => (Some(scheme), authority(text, rest)?),
            None => (None, text),
        };
        let (starttls, default_port) = match scheme {
            Some(scheme) => of_scheme(text, scheme, starttls)?,
            None => (starttls, starttls.map_or(HTTPS, Protocol::port)),
        };
        let (host, port) = split(text, authority)?;
        Ok(Self {
            host: host.to_owned(),
            port: port.unwrap_or(default_port),
            starttls,
        })
    }

    /// The name that the server's certificate must have: the host, or another if one is given.
    pub(crate) fn name(&self, other: Option<&str>) -> Result<ServerName<'static>, Failure> {
        let (option, name) = match other {
            Some(name) => ("--name ", name),
            None => ("", &*self.host),
        };
        ServerName::try_from(name.to_owned()).map_err(|_| {
            let hint = match name.is_ascii() {
                true => "",
                false => ": write an international name in its ASCII form (xn--…)",
            };
            Failure::usage(format!(
                "{option}{name:?} is neither a host name nor an IP address{hint}"
            ))
        })
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.host.contains(':') {
            true => write!(f, "[{}]:{}", self.host, self.port),
            false => write!(f, "{}:{}", self.host, self.port),
        }
    }
}

/// What was typed, as it may be repeated: before an `@` there may be a password.
pub(crate) fn shown(text: &str) -> String {
    let Some((before, host)) = text.rsplit_once('@') else {
        return text.to_owned();
    };
    match before.split_once("://") {
        Some((scheme, _)) => format!("{scheme}://…@{host}"),
        None => format!("…@{host}"),
    }
}

fn has_user() -> Failure {
    // Not repeated: there may be a password in it.
    Failure::usage("the target has a user name in it: leave it away, this command does not log in")
}

/// What a scheme says of the beginning of a connection and of its port.
fn of_scheme(
    text: &str,
    scheme: &str,
    starttls: Option<Protocol>,
) -> Result<(Option<Protocol>, u16), Failure> {
    let is = |name: &str| scheme.eq_ignore_ascii_case(name);
    let (implied, port) = if let Some((_, port)) = SCHEMES.iter().find(|(name, _)| is(name)) {
        (None, *port)
    } else if let Some((_, protocol, port)) = PLAIN_SCHEMES.iter().find(|(name, ..)| is(name)) {
        (Some(*protocol), *port)
    } else {
        let hint = match is("http") || is("ws") {
            true => "it has no TLS; write https, or HOST:PORT for TLS on the port of your own",
            false => "this scheme is not known; write HOST:PORT, with --starttls if need be",
        };
        return Err(Failure::usage(format!("{:?}: {hint}", shown(text))));
    };
    match starttls {
        Some(asked) if Some(asked) != implied => Err(Failure::usage(format!(
            "{:?} and --starttls {asked} contradict each other",
            shown(text)
        ))),
        _ => Ok((implied, port)),
    }
}

/// The host and port of a URL. What has no effect here is refused and not passed over.
fn authority<'a>(text: &str, rest: &'a str) -> Result<&'a str, Failure> {
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at(end);
    if authority.contains('@') {
        return Err(has_user());
    }
    if !matches!(path, "" | "/") {
        // A password may have a slash in it.
        let path = match path.contains('@') {
            true => "what is behind the host".to_owned(),
            false => format!("{path:?}"),
        };
        return Err(Failure::usage(format!(
            "{:?}: leave {path} away; this command sends what is on its standard input, and requests nothing by itself",
            shown(text)
        )));
    }
    Ok(authority)
}

/// What no host has in it: it would be read as something else where the host is passed on, as in a request to a proxy.
pub(crate) fn is_odd(c: char) -> bool {
    c.is_whitespace() || c.is_control() || "/?#@".contains(c)
}

/// Host and port. An IPv6 address with a port is in brackets; without one it need not be.
fn split<'a>(text: &str, authority: &'a str) -> Result<(&'a str, Option<u16>), Failure> {
    if authority.contains('@') {
        return Err(has_user());
    }
    let wrong = || {
        Failure::usage(format!(
            "{:?} is not HOST, HOST:PORT or a URL, e.g. example.com, [::1]:443, \
             https://example.com",
            shown(text)
        ))
    };
    let (host, port) = if let Some(rest) = authority.strip_prefix('[') {
        let (host, port) = rest.split_once(']').ok_or_else(wrong)?;
        let is_address = matches!(host.parse(), Ok(IpAddr::V6(_)));
        match (is_address, port.strip_prefix(':')) {
            (true, Some(port)) => (host, Some(port)),
            (true, None) if port.is_empty() => (host, None),
            _ => return Err(wrong()),
        }
    } else if authority.parse::<IpAddr>().is_ok() {
        (authority, None)
    } else {
        match authority.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (authority, None),
        }
    };
    // `u16` would take a sign.
    let is_number = |port: &str| port.bytes().all(|byte| byte.is_ascii_digit());
    let port = match port {
        Some(port) if !port.is_empty() && is_number(port) => match port.parse() {
            Ok(number @ 1..) if !host.is_empty() => Some(number),
            Ok(1..) => return Err(wrong()),
            _ => {
                return Err(Failure::usage(format!(
                    "{:?}: {port} is no port, which is a number from 1 to 65535",
                    shown(text)
                )));
            }
        },
        Some(_) => return Err(wrong()),
        None => None,
    };
    if host.is_empty() || host.contains(is_odd) {
        return Err(wrong());
    }
    Ok((host, port))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> String {
        match Target::parse(text, None) {
            Ok(target) => match target.starttls {
                Some(protocol) => format!("{target} after {protocol}"),
                None => target.to_string(),
            },
            Err(failure) => format!("! {failure}"),
        }
    }

    #[test]
    fn hosts_ports_and_urls() {
        for (text, expected) in [
            ("example.com", "example.com:443"),
            ("example.com:8443", "example.com:8443"),
            ("192.0.2.1", "192.0.2.1:443"),
            ("192.0.2.1:1", "192.0.2.1:1"),
            ("::1", "[::1]:443"),
            ("[::1]", "[::1]:443"),
            ("[::1]:8443", "[::1]:8443"),
            ("https://example.com", "example.com:443"),
            ("HTTPS://example.com/", "example.com:443"),
            ("wss://example.com:444", "example.com:444"),
            ("https://[2001:db8::1]:8443/", "[2001:db8::1]:8443"),
            ("imaps://mail.example.com", "mail.example.com:993"),
            ("imap://mail.example.com", "mail.example.com:143 after imap"),
            ("smtp://mail.example.com", "mail.example.com:25 after smtp"),
            (
                "submission://mail.example.com",
                "mail.example.com:587 after smtp",
            ),
            ("postgresql://db:6432", "db:6432 after postgres"),
        ] {
            assert_eq!(parsed(text), expected, "{text}");
        }
        let smtp = Target::parse("mail.example.com", Some(Protocol::Smtp)).unwrap();
        assert_eq!(smtp.port, 25);
        let same = Target::parse("imap://mail.example.com", Some(Protocol::Imap)).unwrap();
        assert_eq!(same.starttls, Some(Protocol::Imap));
    }

    #[test]
    fn what_cannot_be_is_refused() {
        for text in [
            "",
            ":443",
            "example.com:",
            "example.com:x",
            "example.com:65536",
            "example.com:0",
            "example.com:+1",
            "[::1",
            "[::1]443",
            "[example.com]:443",
            "a:b:c",
            "https://",
            "https://:443",
            "gopher://example.com",
            "http://example.com",
            "a\r\nX-Forged: 1",
            "a HTTP/1.1\r\n\r\nGET b:443",
            "https://a\r\nb",
            "a\tb:443",
            "a\0",
            "a\u{85}b",
            "a\u{2028}b",
            "a/b",
            "a?b:443",
            "a#b",
            "me@example.com",
        ] {
            let seen = parsed(text);
            // The port of `example.com:` is left out, which a URL may do and a person does not.
            assert!(seen.starts_with("! "), "{text:?}: {seen}");
        }
        for port in ["65536", "0", "99999999999999999999"] {
            assert_eq!(
                parsed(&format!("https://example.com:{port}")),
                format!(
                    "! \"https://example.com:{port}\": {port} is no port, which is a number from 1 to 65535"
                )
            );
        }
        assert!(parsed("https://example.com/a?b").contains("leave \"/a?b\" away"));
        for text in [
            "https://me:secret@example.com/",
            "https://me:secret@example.com/a?b",
            "https://me:1/secret@example.com",
            "gopher://me:secret@example.com",
            "me:secret@example.com:443",
            "me:secret@example.com:x",
        ] {
            let with_password = parsed(text);
            assert!(with_password.starts_with("! "), "{with_password}");
            assert!(!with_password.contains("secret"), "{with_password}");
        }
        let contradiction = Target::parse("https://example.com", Some(Protocol::Smtp));
        assert!(
            contradiction
                .unwrap_err()
                .to_string()
                .contains("contradict")
        );
    }

    #[test]
    fn names() {
        let target = Target::parse("example.com", None).unwrap();
        assert_eq!(target.name(None).unwrap().to_str(), "example.com");
        assert_eq!(target.name(Some("b.test")).unwrap().to_str(), "b.test");
        let international = target.name(Some("bücher.test")).unwrap_err();
        assert!(international.to_string().contains("xn--"));
    }
}
