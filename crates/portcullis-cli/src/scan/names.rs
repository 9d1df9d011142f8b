//! What a server shows to who says another name than its own, or none (RFC 6066 §3).

use portcullis::pki_types::DnsName;

use super::checks::Seen;
use super::library::{Connection, Found, Wish, connect, connecting};
use super::prober::Prober;
use crate::failure::Failure;

/// Which name a client says.
#[derive(Clone, Debug, Default)]
pub(super) enum Said {
    /// The server's, if it has one.
    #[default]
    Own,
    Other(DnsName<'static>),
    None,
}

/// What a client meets that says such a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Meets {
    /// A certificate that the server shows by its own name, too.
    Same,
    /// Another one.
    Other,
    /// This alert.
    Refused(String),
    Unknown(String),
}

impl Meets {
    pub(super) fn word(&self) -> &'static str {
        match self {
            Self::Same => "the same certificate",
            Self::Other => "another certificate",
            Self::Refused(_) => "refused",
            Self::Unknown(_) => "unknown",
        }
    }

    pub(super) fn why(&self) -> Option<&str> {
        match self {
            Self::Unknown(why) => Some(why),
            _ => None,
        }
    }

    /// Whether it is another server that one comes to.
    pub(super) fn is_elsewhere(&self) -> bool {
        matches!(self, Self::Other | Self::Refused(_))
    }
}

pub(super) async fn all(
    prober: &mut Prober,
    seen: &Seen,
    found: &mut Found,
    other: &DnsName<'static>,
) -> Result<(), Failure> {
    let said = Said::Other(other.clone());
    found.other_name = Some(meets(prober, seen, found, said).await?);
    // Whoever goes to an address says none anyway.
    if prober.server_name().is_some() {
        found.no_name = Some(meets(prober, seen, found, Said::None).await?);
    }
    Ok(())
}

async fn meets(
    prober: &mut Prober,
    seen: &Seen,
    found: &Found,
    name: Said,
) -> Result<Meets, Failure> {
    let wish = Wish {
        name,
        ..Wish::default()
    };
    let mut connecting = connecting(prober, seen, wish)?;
    let connected = connect(prober, &mut connecting).await;
    let is_shown = |leaf| found.shown.iter().any(|shown| shown.chain.first() == leaf);
    Ok(match connected {
        Ok(connection) => {
            close(connection).await;
            match connecting.chain().first() {
                None => Meets::Unknown("no certificate was shown".to_owned()),
                leaf if is_shown(leaf) => Meets::Same,
                _ => Meets::Other,
            }
        }
        // By its own name it went well a moment ago.
        Err(refused) => match refused.alert {
            Some(alert) => Meets::Refused(alert.to_string()),
            None => Meets::Unknown(refused.why),
        },
    })
}

async fn close(connection: Connection) {
    let _ = connection.close().await;
}
