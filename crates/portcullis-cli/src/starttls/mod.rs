//! The conversations in plain text that end in TLS.
//!
//! Nothing that a server says in plain text is believed but that it will speak TLS: whoever is
//! on the path may have said it. What comes behind the go-ahead, or before it was asked for, is
//! never handed on. A command that was slipped in there would otherwise be answered, or read,
//! as if it had come through TLS (CVE-2011-0411, CVE-2021-23222); the connection ends instead.
//! Lines, messages and the whole conversation are bounded; its time is the connection's.

mod ldap;
mod lines;
mod mysql;
mod postgres;
mod wire;
mod xmpp;

use std::fmt;

use clap::ValueEnum;
use tokio::io::{AsyncRead, AsyncWrite};

use crate::failure::Failure;
use wire::Wire;

/// A protocol that begins in plain text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Protocol {
    /// RFC 3207
    Smtp,
    /// RFC 9051 §6.2.1
    Imap,
    /// RFC 2595 §4
    Pop3,
    /// RFC 4217
    Ftp,
    /// RFC 4511 §4.14
    Ldap,
    /// RFC 6120 §5
    Xmpp,
    /// SSLRequest
    Postgres,
    /// SSLRequest
    Mysql,
}

impl Protocol {
    /// The port that is assigned to it.
    pub(crate) fn port(self) -> u16 {
        match self {
            Self::Smtp => 25,
            Self::Imap => 143,
            Self::Pop3 => 110,
            Self::Ftp => 21,
            Self::Ldap => 389,
            Self::Xmpp => 5222,
            Self::Postgres => 5432,
            Self::Mysql => 3306,
        }
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Smtp => "smtp",
            Self::Imap => "imap",
            Self::Pop3 => "pop3",
            Self::Ftp => "ftp",
            Self::Ldap => "ldap",
            Self::Xmpp => "xmpp",
            Self::Postgres => "postgres",
            Self::Mysql => "mysql",
        }
    }
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Who speaks to whom.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Parties<'a> {
    /// The host that was asked for.
    pub(crate) host: &'a str,
    /// Our address, by which we introduce ourselves.
    pub(crate) own: std::net::IpAddr,
}

/// Asks the server to speak TLS; on success the next byte of both sides is TLS.
///
/// # Cancel safety
/// Dropped, the conversation is broken off in its midst: the transport is of no more use.
pub(crate) async fn start<IO>(
    io: &mut IO,
    protocol: Protocol,
    parties: Parties<'_>,
) -> Result<(), Failure>
where
    IO: AsyncRead + AsyncWrite + Unpin,
{
    let mut wire = Wire::new(io, protocol);
    let agreed = match protocol {
        Protocol::Smtp => lines::smtp(&mut wire, parties.own).await,
        Protocol::Imap => lines::imap(&mut wire).await,
        Protocol::Pop3 => lines::pop3(&mut wire).await,
        Protocol::Ftp => lines::ftp(&mut wire).await,
        Protocol::Ldap => ldap::start(&mut wire).await,
        Protocol::Xmpp => xmpp::start(&mut wire, parties.host).await,
        Protocol::Postgres => postgres::start(&mut wire).await,
        Protocol::Mysql => mysql::start(&mut wire).await,
    };
    agreed
        .and_then(|()| wire.nothing_more())
        .map_err(|failure| failure.at("StartTls"))
}
