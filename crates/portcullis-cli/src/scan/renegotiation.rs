//! Whether a server lets its client begin a handshake within a connection, before TLS 1.3: it is asked once.
//!
//! RFC 5246 §7.4.1, RFC 5746. A handshake costs a server more than its client (CVE-2011-1473).

use std::io::ErrorKind;
use std::time::Duration;

use portcullis::{AlertDescription, Direction, Error, ProtocolVersion, Stage};
use tokio::io::AsyncReadExt as _;
use tokio::time::{timeout, timeout_at};

use super::checks::{Offered, Seen, declines};
use super::codes::Over;
use super::library::{Connection, Wish, connect, connecting};
use super::prober::{OVER, Prober};
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
    let until = prober.until();
    let renegotiated = async {
        match &mut connection {
            Connection::Stream(stream) => stream.renegotiate().await,
            Connection::Datagrams(connection) => connection.renegotiate().await,
        }
    };
    let Ok(renegotiated) = timeout_at(until, renegotiated).await else {
        return Ok(Some(Offered::Unknown(OVER.to_owned())));
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
    let alert = match error.alert() {
        Some((Direction::Received, alert)) => Some(alert),
        _ => None,
    };
    let unknown = Offered::Unknown(format!("renegotiation: {error}"));
    Ok(Some(match said(error.stage(), alert, has_ended(&error)) {
        Said::Began => Offered::Yes,
        Said::Refused => Offered::No,
        // Whoever closes or resets does not want to, unless that is what becomes of every connection.
        Said::Ended if prober.over == Over::Stream => {
            let mut connecting = self::connecting(prober, seen, wish())?;
            match connect(prober, &mut connecting).await {
                Ok(connection) => match timeout_at(until, stands(connection)).await {
                    Ok(true) => Offered::No,
                    _ => unknown,
                },
                Err(_) => unknown,
            }
        }
        Said::Ended | Said::Nothing => unknown,
    }))
}

/// What a server has said to a handshake within a connection that came to nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Said {
    /// It has begun: what failed was behind its ServerHello.
    Began,
    /// That there is to be none.
    Refused,
    /// Nothing, and it has ended the connection.
    Ended,
    /// Nothing that tells.
    Nothing,
}

/// `alert` is the server's.
fn said(stage: Stage, alert: Option<AlertDescription>, has_ended: bool) -> Said {
    match (stage, alert) {
        (Stage::WaitServerHello, Some(alert)) if refuses(alert) => Said::Refused,
        (Stage::WaitServerHello, None) if has_ended => Said::Ended,
        (
            Stage::ReviewingServerHello
            | Stage::WaitCertificate
            | Stage::WaitCertificateStatus
            | Stage::VerifyingChain
            | Stage::WaitServerKeyExchange
            | Stage::WaitCertificateRequest
            | Stage::WaitServerHelloDone
            | Stage::ChoosingIdentity
            | Stage::Signing
            | Stage::WaitNewSessionTicket
            | Stage::WaitChangeCipherSpec
            | Stage::WaitFinished,
            _,
        ) => Said::Began,
        _ => Said::Nothing,
    }
}

/// Whether the server has closed or reset the connection.
fn has_ended(error: &Error) -> bool {
    let is_end = |error: &std::io::Error| {
        matches!(
            error.kind(),
            ErrorKind::ConnectionReset
                | ErrorKind::ConnectionAborted
                | ErrorKind::BrokenPipe
                | ErrorKind::UnexpectedEof
        )
    };
    error.is_closed_in_handshake()
        || error.is_closed()
        || error.is_truncated()
        || error.transport().is_some_and(is_end)
}

/// Whether an alert says that there is to be no other handshake.
fn refuses(alert: AlertDescription) -> bool {
    // RFC 5246 §7.2.2; a server that expects no handshake says unexpected_message.
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

#[cfg(test)]
mod tests {
    use portcullis::config::Renegotiation;
    use portcullis::{Identity, ServerConfig, TlsAcceptor, TlsStream};
    use tokio::io::AsyncWriteExt as _;
    use tokio::net::{TcpListener, TcpStream};
    use tokio::task::JoinHandle;

    use super::super::hello::TLS_1_2;
    use super::*;
    use crate::connect::Route;

    /// What a server does with a connection that stands, by its number from 0 on.
    #[derive(Clone, Copy, Debug)]
    enum Does {
        /// It reads, and answers as its configuration says.
        Reads,
        /// It neither reads nor writes.
        Rests,
        /// It writes 2 MiB, and reads nothing.
        Floods,
        /// It closes when something comes.
        ClosesWhenAsked,
        /// It closes at once.
        Closes,
    }

    async fn serve(mut stream: TlsStream<TcpStream>, does: Does) {
        match does {
            Does::Reads => {
                while stream
                    .read(&mut [0; 100])
                    .await
                    .is_ok_and(|count| count > 0)
                {}
            }
            Does::Rests => std::future::pending().await,
            Does::Floods => {
                let _ = stream.write_all(&vec![0; 2 << 20]).await;
                let _ = stream.flush().await;
                std::future::pending().await
            }
            Does::ClosesWhenAsked => {
                let mut io = stream.into_inner();
                let _ = io.read(&mut [0]).await;
            }
            Does::Closes => {}
        }
    }

    fn server(
        listener: TcpListener,
        renegotiation: Renegotiation,
        does: impl Fn(usize) -> Does + Send + 'static,
    ) -> JoinHandle<()> {
        let made = crate::cert::Leaf::for_localhost().unwrap();
        let key = Some(made.key.as_bytes());
        let identity = Identity::from_pem(made.certificate.as_bytes(), key).unwrap();
        let config = ServerConfig::builder()
            .identity(identity)
            .renegotiation(renegotiation);
        let acceptor = TlsAcceptor::new(config.build().unwrap());
        tokio::spawn(async move {
            for number in 0.. {
                let (io, _) = listener.accept().await.unwrap();
                let stream = acceptor.upgrade(io).await.unwrap();
                tokio::spawn(serve(stream, does(number)));
            }
        })
    }

    /// What is found out of such a server in so many seconds.
    async fn asked(
        renegotiation: Renegotiation,
        total: u64,
        does: impl Fn(usize) -> Does + Send + 'static,
    ) -> Offered {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let server = server(listener, renegotiation, does);
        let route = Route {
            starttls: None,
            name: None,
            resolve: Vec::new(),
            ipv4: false,
            ipv6: false,
            bind: None,
            proxy: None,
            unix: None,
            timeout: Some(600),
        };
        let destination = route.to(&address.to_string()).unwrap();
        let mut prober = Prober::new(destination, 300, 1_000, Duration::from_secs(total));
        let seen = Seen {
            versions: vec![(TLS_1_2, Some(Offered::Yes))],
            ..Seen::default()
        };
        let asked = by_client(&mut prober, &seen);
        let asked = timeout(Duration::from_secs(60), asked).await;
        server.abort();
        asked.unwrap().unwrap().unwrap()
    }

    #[tokio::test]
    async fn who_renegotiates_is_told_from_who_does_not() {
        let apart = Duration::ZERO;
        let accept = Renegotiation::Accept { apart };
        assert_eq!(asked(accept, 60, |_| Does::Reads).await, Offered::Yes);
        for no in [Renegotiation::Decline, Renegotiation::Forbid] {
            assert_eq!(asked(no, 60, |_| Does::Reads).await, Offered::No);
        }
    }

    #[tokio::test]
    async fn who_closes_does_not_want_to_unless_it_closes_always() {
        let closes = |then: Does| {
            asked(Renegotiation::Decline, 60, move |number| match number {
                0 => Does::ClosesWhenAsked,
                _ => then,
            })
        };
        assert_eq!(closes(Does::Rests).await, Offered::No);
        assert_eq!(closes(Does::Closes).await.word(), "unknown");
    }

    #[tokio::test]
    async fn who_sends_data_without_end_has_not_refused() {
        let offered = asked(Renegotiation::Decline, 60, |_| Does::Floods).await;
        let why = offered.why().unwrap();
        assert!(why.contains("more than 1 MiB"), "{why}");
    }

    #[tokio::test]
    async fn the_end_of_all_time_is_the_end_of_a_renegotiation() {
        let offered = asked(Renegotiation::Decline, 3, |_| Does::Rests).await;
        assert_eq!(offered.why(), Some(OVER));
    }

    #[test]
    fn only_what_comes_in_place_of_a_hello_is_a_refusal() {
        let refusal = Some(AlertDescription::HANDSHAKE_FAILURE);
        let waits = Stage::WaitServerHello;
        for (stage, alert, has_ended, expected) in [
            (waits, refusal, false, Said::Refused),
            (
                waits,
                Some(AlertDescription::NO_RENEGOTIATION),
                false,
                Said::Refused,
            ),
            (
                waits,
                Some(AlertDescription::INTERNAL_ERROR),
                false,
                Said::Nothing,
            ),
            (waits, None, true, Said::Ended),
            (waits, None, false, Said::Nothing),
            // A server that wants a certificate, and so on.
            (Stage::WaitFinished, refusal, false, Said::Began),
            (Stage::WaitChangeCipherSpec, refusal, false, Said::Began),
            (Stage::WaitCertificate, None, true, Said::Began),
            (Stage::WaitServerHelloDone, None, false, Said::Began),
            (Stage::Connected, None, false, Said::Nothing),
            (Stage::Connected, None, true, Said::Nothing),
            (Stage::Start, refusal, true, Said::Nothing),
        ] {
            assert_eq!(said(stage, alert, has_ended), expected, "{stage} {alert:?}");
        }
    }
}
