//! The server over DTLS: each message goes back to whoever has sent it.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use portcullis::{
    ClientCertificate, CookiePolicy, DtlsAcceptor, DtlsConnection, DtlsIncoming, DtlsListener,
    TlsAcceptor,
};
use tokio::task::JoinSet;

use super::{MAX_CONNECTIONS, Server, failed};
use crate::failure::Failure;
use crate::report;
use crate::said::{say, tell};

/// How many handshakes are load, for a server of early data. Others are asked for a cookie, and have none.
const LOAD: usize = 256;
/// How long a client may take for its certificate: somebody may have to touch a token.
const CERTIFICATE_WITHIN: Duration = Duration::from_secs(60);

/// How a client is served.
#[derive(Clone, Debug)]
struct Manner {
    is_verbose: bool,
    /// Whether programs are told, too.
    tells: bool,
    takes_early_data: bool,
    /// The message at which the client is asked for its certificate.
    private: Option<Arc<str>>,
}

impl Server {
    /// Serves until it is stopped, or once.
    pub(super) async fn serve_datagrams(&self, acceptor: TlsAcceptor) -> Result<(), Failure> {
        let mut options = crate::datagram_options(self.mtu, self.cid).connections(MAX_CONNECTIONS);
        if self.sessions.takes_early_data() {
            options = options.cookies(CookiePolicy::UnderLoad { handshakes: LOAD });
        }
        let manner = Manner {
            is_verbose: self.verbosity.is_verbose(),
            tells: self.json,
            takes_early_data: self.sessions.takes_early_data(),
            private: self.ask_later.as_deref().map(Arc::from),
        };
        let acceptor = DtlsAcceptor::new(acceptor).options(options);
        acceptor
            .check()
            .map_err(|misuse| Failure::usage(misuse.to_string()))?;
        let listen = |error| Failure::transport(&format!("listening on {}", self.listen), &error);
        let listener = DtlsListener::bind(self.listen, acceptor)
            .await
            .map_err(listen)?;
        println!("READY {}", listener.local_addr().map_err(listen)?);
        if self.once {
            let (connection, unanswered) = first(&listener, &manner).await?;
            let peer = connection.peer_addr();
            let served = serve(connection, unanswered, &manner).await;
            return served.inspect_err(|failure| manner.tell(peer, failure));
        }
        loop {
            let incoming = listener.accept().await.map_err(failed)?;
            let manner = manner.clone();
            tokio::spawn(async move {
                let peer = incoming.peer_addr();
                let served = async {
                    let shaken = shake(incoming, &manner).await;
                    let (connection, unanswered) = shaken.map_err(|failed| failed.why)?;
                    serve(connection, unanswered, &manner).await
                };
                if let Err(failure) = served.await {
                    manner.say(peer, &failure);
                }
            });
        }
    }
}

impl Manner {
    /// Tells programs.
    fn tell(&self, peer: Option<SocketAddr>, failure: &Failure) {
        if self.tells {
            tell(&report::of_failure(peer, failure));
        }
    }

    /// Tells programs and people.
    fn say(&self, peer: Option<SocketAddr>, failure: &Failure) {
        self.tell(peer, failure);
        let peer = peer.map(|peer| format!("{peer}: ")).unwrap_or_default();
        say(format!("portcullis: {peer}{failure}"));
    }
}

/// A handshake that has come to nothing.
struct Failed {
    why: Failure,
    peer: Option<SocketAddr>,
    /// Whether it is known that there was somebody at that address.
    is_proved: bool,
}

/// A connection, and the messages that came early and are not answered yet.
type Shaken = Result<(DtlsConnection, Vec<Bytes>), Failed>;

/// The first client that is there: where no cookie is asked for, anybody can write hellos with any address, and answers
/// nothing.
async fn first(
    listener: &DtlsListener,
    manner: &Manner,
) -> Result<(DtlsConnection, Vec<Bytes>), Failure> {
    let mut shaking: JoinSet<Shaken> = JoinSet::new();
    loop {
        tokio::select! {
            incoming = listener.accept() => {
                let (incoming, manner) = (incoming.map_err(failed)?, manner.clone());
                shaking.spawn(async move { shake(incoming, &manner).await });
            }
            Some(shaken) = shaking.join_next() => match shaken {
                Ok(Ok(shaken)) => return Ok(shaken),
                Ok(Err(Failed { why, peer, is_proved: true })) => {
                    manner.tell(peer, &why);
                    return Err(why);
                }
                Ok(Err(Failed { why, peer, .. })) => manner.say(peer, &why),
                Err(error) => return Err(Failure::connection(&error.into())),
            },
        }
    }
}

async fn shake(incoming: DtlsIncoming, manner: &Manner) -> Shaken {
    if manner.takes_early_data {
        return early(incoming, manner).await;
    }
    // It was asked for a cookie.
    let (peer, is_proved) = (incoming.peer_addr(), true);
    let connection = incoming.handshake().await.map_err(|error| Failed {
        why: failed(error),
        peer,
        is_proved,
    })?;
    Ok((connection, Vec::new()))
}

async fn serve(
    connection: DtlsConnection,
    unanswered: Vec<Bytes>,
    manner: &Manner,
) -> Result<(), Failure> {
    if manner.tells {
        let told = report::of_client(connection.peer_addr(), connection.information());
        tell(&told);
    }
    if manner.is_verbose {
        let peer = connection.peer_addr().map(|peer| peer.to_string());
        let peer = peer.unwrap_or_default();
        let mut facts = report::text(connection.information());
        if let Some(ids) = crate::connection_ids(&connection) {
            let _ = writeln!(facts, "{:<17}{ids}", "connection ids:");
        }
        say(format!("{:<17}{peer}\n{facts}", "client:"));
    }
    let echoed = echo(connection, unanswered, manner.private.as_deref()).await;
    echoed.map_err(|error| Failure::connection(&error.into()))
}

/// A handshake, and the messages that came early, which go back at once; or after it, where that is for clients with a
/// certificate, or more than may be sent to an address at which nobody may read.
async fn early(incoming: DtlsIncoming, manner: &Manner) -> Shaken {
    let peer = incoming.peer_addr();
    let failed = |error, is_proved| Failed {
        why: failed(error),
        peer,
        is_proved,
    };
    let early = incoming.handshake_with_early_data();
    let mut early = early.map_err(|error| failed(error, true))?;
    let mut unanswered = Vec::new();
    // They end within what the tickets allow.
    loop {
        let message = match early.recv().await {
            Ok(Some(message)) => message,
            Ok(None) => break,
            Err(error) => return Err(failed(error, early.is_proved())),
        };
        if manner.is_verbose {
            let peer = peer.map(|peer| format!("{peer}: ")).unwrap_or_default();
            say(format!("{peer}{} bytes of early data", message.len()));
        }
        let private = manner.private.as_deref();
        let is_answered = match private.is_some_and(|private| is_line(&message, private)) {
            true => false,
            false => match early.send(&[&message]).await {
                Ok(is_sent) => is_sent,
                Err(error) => return Err(failed(error, early.is_proved())),
            },
        };
        if !is_answered {
            unanswered.push(message);
        }
    }
    let connection = early.handshake().await;
    let connection = connection.map_err(|error| failed(error, true))?;
    Ok((connection, unanswered))
}

/// Gives each message back, first those that are here already. At the private one the client is asked for its certificate
/// before.
async fn echo(
    mut connection: DtlsConnection,
    first: Vec<Bytes>,
    private: Option<&str>,
) -> Result<(), portcullis::Error> {
    let mut first = first.into_iter();
    loop {
        let message = match first.next() {
            Some(message) => Ok(message),
            None => connection.recv().await,
        };
        match message {
            Ok(message) if private.is_some_and(|private| is_line(&message, private)) => {
                match authenticate(&connection).await? {
                    Ok(facts) => {
                        say(facts);
                        connection.send(&[&message]).await?;
                    }
                    Err(why) => connection.send(&[why.as_bytes(), b"\n"]).await?,
                }
            }
            Ok(message) => connection.send(&[&message]).await?,
            Err(error) if error.is_closed() => {
                // The client has closed, and hears so of us, or does not: nothing is lost by that.
                let _ = connection.close(super::CLOSE_WITHIN).await;
                return Ok(());
            }
            Err(error) => return Err(error),
        }
    }
}

/// Whether this is what it says, with the end of a line or without.
fn is_line(message: &[u8], line: &str) -> bool {
    message.trim_ascii_end() == line.trim_end().as_bytes()
}

/// Asks the client for its certificate; what is known of it then, or why there is none.
async fn authenticate(
    connection: &DtlsConnection,
) -> Result<Result<String, String>, portcullis::Error> {
    // Resumed as the one that has shown it.
    if !connection.information().peer_certificates().is_empty() {
        return Ok(Ok(report::text(connection.information())));
    }
    match connection.authenticate_client(CERTIFICATE_WITHIN).await {
        Ok(ClientCertificate::Presented(shown)) => {
            let chain = shown.chain().certificates();
            Ok(Ok(report::text_with(connection.information(), chain)))
        }
        Ok(_) => Ok(Err(
            "This message is for clients with a certificate.".to_owned()
        )),
        // It has not offered to be asked.
        Err(error)
            if std::io::Error::from(error.clone()).kind() == std::io::ErrorKind::InvalidInput =>
        {
            let version = connection.information().version();
            Ok(Err(super::not_to_be_asked(version)))
        }
        Err(error) => Err(error),
    }
}
