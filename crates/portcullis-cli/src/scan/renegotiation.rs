//! Whether a server lets its client begin a handshake within a connection, before TLS 1.3: it is asked once.
//!
//! RFC 5246 §7.4.1, RFC 5746. A handshake costs a server more than its client (CVE-2011-1473).

use std::time::Duration;

use portcullis::{AlertDescription, Direction, ProtocolVersion};
use tokio::io::AsyncReadExt as _;
use tokio::time::timeout;

use super::checks::{Offered, Seen, declines};
use super::codes::Over;
use super::library::{Connection, Wish, connect, connecting};
use super::prober::Prober;
use crate::failure::Failure;

/// For how long a connection has to stand that nobody says anything on, so that its end means something.
const STANDS: Duration = Duration::from_secs(1);

/// `None`: no version is spoken in which there is one.
pub(super) async fn by_client(
    prober: &mut Prober,
    seen: &Seen,
) -> Result<Option<Offered>, Failure> {
    let version = seen.newest_older().map(ProtocolVersion);
    let Some(version) = version.filter(|version| ProtocolVersion::SUPPORTED.contains(version))
    else {
        return Ok(None);
    };
    if seen.fact("secure_renegotiation") == Some(&Offered::No) {
        let why = "without RFC 5746 a client cannot tell whose connection it would go on with, so it is not asked";
        return Ok(Some(Offered::Unknown(why.to_owned())));
    }
    let wish = || Wish {
        version: Some(version),
        renegotiates: true,
        ..Wish::default()
    };
    let mut connecting = connecting(prober, seen, wish())?;
    let mut connection = match connect(prober, &mut connecting).await {
        Ok(connection) => connection,
        Err(refused) => return Ok(Some(Offered::Unknown(refused.why))),
    };
    let renegotiated = match &mut connection {
        Connection::Stream(stream) => stream.renegotiate().await,
        Connection::Datagrams(connection) => connection.renegotiate().await,
    };
    let error = match renegotiated {
        Ok(()) => {
            let _ = connection.close().await;
            return Ok(Some(Offered::Yes));
        }
        Err(error) => error,
    };
    prober.note(!error.is_timeout());
    if error.is_renegotiation_refused() {
        let _ = connection.close().await;
        return Ok(Some(Offered::No));
    }
    let unknown = Offered::Unknown(format!("renegotiation: {error}"));
    Ok(Some(match error.alert() {
        Some((Direction::Received, alert)) if refuses(alert) => Offered::No,
        // Whoever closes or resets does not want to, unless that is what becomes of every connection.
        None if prober.over == Over::Stream && !error.is_timeout() => {
            let mut connecting = self::connecting(prober, seen, wish())?;
            match connect(prober, &mut connecting).await {
                Ok(connection) => match stands(connection).await {
                    true => Offered::No,
                    false => unknown,
                },
                Err(_) => unknown,
            }
        }
        _ => unknown,
    }))
}

/// Whether an alert says that there is to be no other handshake.
fn refuses(alert: AlertDescription) -> bool {
    // RFC 5246 §7.2.2; who expects no handshake says unexpected_message.
    let more = [
        AlertDescription::NO_RENEGOTIATION,
        AlertDescription::UNEXPECTED_MESSAGE,
    ];
    more.contains(&alert) || declines(alert.0)
}

/// Whether a server keeps a connection on which nothing is said.
async fn stands(connection: Connection) -> bool {
    let Connection::Stream(mut stream) = connection else {
        return false;
    };
    let read = timeout(STANDS, stream.read(&mut [0])).await;
    let stands = match read {
        Err(_) => true,
        Ok(read) => read.is_ok_and(|count| count > 0),
    };
    let _ = Connection::Stream(stream).close().await;
    stands
}
