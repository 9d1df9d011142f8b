//! Authentication after the handshake: a server asks for a certificate while data flows.
//!
//! RFC 8446 §4.6.2. Whoever reads finds what the peer says, and has it dealt with: at once, or, where an answer takes its
//! time, in a task, so that neither direction waits for it.

use std::fmt;
use std::future::{Future, poll_fn};
use std::mem;
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use portcullis_core::x509::VerifiedChain;
use portcullis_core::{
    Authenticating, AuthenticationId, AuthenticationStep, Misuse, PostHandshakeAuthentication,
    ProtocolVersion, Stage,
};
use rustls_pki_types::UnixTime;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::runtime::Handle;
use tokio::sync::oneshot;
use tokio::time::timeout;

use crate::answers::AnswerFuture;
use crate::conduct::Conduct;
use crate::error::Error;
use crate::log_level::log_at;
use crate::split::{SplitIo, WriteHalf};
use crate::stream::TlsStream;
use crate::sync::WakerCell;

/// How long an answer may take that nobody waits for: a person may have to touch a token.
const ANSWER_LIMIT: Duration = Duration::from_secs(60);
/// The most data that is kept while a server reads on for the answer.
const MOST_KEPT: usize = 64 * 1024;

/// What a client has shown after the handshake.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum ClientCertificate {
    /// This chain, whose key it has. It was verified as the configuration says.
    Presented(VerifiedChain),
    /// None: it has none, none that fits, or shows none.
    Declined,
}

/// A request for the client's certificate. As a future it gives what the client has shown; whoever reads from the
/// connection completes it: the stream, its reading half, or active delivery.
///
/// # Errors
/// [`Error::is_closed`] when reading has ended before; why the connection has failed, also when the client's
/// chain is not to be trusted; [`Error::is_timeout`] when somebody who judges the chain has taken more than a minute, and
/// one that says so ([`InvalidInput`](std::io::ErrorKind::InvalidInput)) when that one has panicked: then the connection goes on.
///
/// # Cancel safety
/// Dropped, the request stays, and nobody hears the answer.
#[must_use = "the client is asked, and nobody hears the answer"]
pub struct PendingCertificate(oneshot::Receiver<Result<ClientCertificate, Error>>);

impl Future for PendingCertificate {
    type Output = Result<ClientCertificate, Error>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let heard = Pin::new(&mut self.0).poll(cx);
        heard.map(|heard| heard.unwrap_or_else(|_| Err(Error::closed())))
    }
}

impl fmt::Debug for PendingCertificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PendingCertificate")
    }
}

/// Of one connection, for its halves and for tasks.
#[derive(Clone)]
pub(crate) struct Authentication(Arc<Inner>);

struct Inner {
    core: PostHandshakeAuthentication,
    conduct: Conduct,
    /// The task that waits to read: it sends what a task has made, and fails if that has failed.
    reader: WakerCell,
    table: Mutex<Table>,
}

#[derive(Default)]
struct Table {
    waiting: Vec<(
        AuthenticationId,
        oneshot::Sender<Result<ClientCertificate, Error>>,
    )>,
    /// Why the connection has failed, for whoever reads.
    failure: Option<Error>,
    /// Nothing is read any more.
    ended: bool,
    /// This side says nothing more, or nobody hears it.
    silent: bool,
}

impl Authentication {
    pub(crate) fn new(core: PostHandshakeAuthentication, conduct: &Conduct) -> Self {
        Self(Arc::new(Inner {
            core,
            conduct: conduct.clone(),
            reader: WakerCell::new(),
            table: Mutex::default(),
        }))
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        let table = self.0.table.lock();
        table.unwrap_or_else(PoisonError::into_inner)
    }

    /// Asks the client.
    pub(crate) fn request(&self) -> Result<PendingCertificate, Error> {
        let (told, hears) = oneshot::channel();
        let mut table = self.table();
        if table.ended {
            return Err(Error::closed());
        }
        // The answer finds the table as it is then.
        let id = self.0.core.request()?;
        table.waiting.push((id, told));
        drop(table);
        self.0.reader.wake();
        Ok(PendingCertificate(hears))
    }

    /// Deals with what has come.
    pub(crate) fn collect(&self) -> Result<(), Error> {
        while let Some(authenticating) = self.0.core.take() {
            self.go_on(Unanswered::new(self, authenticating))?;
        }
        Ok(())
    }

    /// This side says nothing more, although it has not said close_notify.
    #[cfg(feature = "dtls")]
    pub(crate) fn silence(&self) {
        self.table().silent = true;
    }

    /// Whether this is a client whose answer would not go out: nobody signs, or is asked for a PIN, for nothing.
    fn is_moot(&self) -> bool {
        if self.0.core.is_server() {
            return false;
        }
        let table = self.table();
        table.ended || table.silent || self.0.core.is_silent()
    }

    fn go_on(&self, mut unanswered: Unanswered) -> Result<(), Error> {
        let id = unanswered.id;
        loop {
            if self.is_moot() {
                // Dropped, a client does not answer.
                return Ok(());
            }
            let authenticating = unanswered.authenticating()?;
            let step = match authenticating.poll(UnixTime::now()) {
                Ok(step) => step,
                Err(error) => {
                    let error = Error::from(error);
                    self.tell(id, Err(error.clone()));
                    return Err(error);
                }
            };
            match step {
                AuthenticationStep::Ask(question) => match self.0.conduct.answer(question) {
                    Ok(answer) => authenticating.answer(answer, UnixTime::now())?,
                    Err(answering) => {
                        self.answer_later(unanswered, answering);
                        return Ok(());
                    }
                },
                AuthenticationStep::Answered { shown } => {
                    let log = self.0.conduct.log;
                    log_at!(log, DEBUG, shown, "the server has asked for a certificate");
                    return Ok(());
                }
                AuthenticationStep::Presented(chain) => {
                    self.tell(id, Ok(ClientCertificate::Presented(chain)));
                    return Ok(());
                }
                AuthenticationStep::Declined => {
                    self.tell(id, Ok(ClientCertificate::Declined));
                    return Ok(());
                }
                _ => return Ok(()),
            }
        }
    }

    /// Goes on in a task. Without a runtime nobody waits for the answer.
    fn answer_later(&self, mut unanswered: Unanswered, answering: AnswerFuture) {
        let Ok(runtime) = Handle::try_current() else {
            return;
        };
        let this = self.clone();
        runtime.spawn(async move {
            match timeout(ANSWER_LIMIT, answering).await {
                Ok(answer) => {
                    let answered = unanswered.authenticating().and_then(|authenticating| {
                        Ok(authenticating.answer(answer, UnixTime::now())?)
                    });
                    let gone_on = answered.and_then(|()| this.go_on(unanswered));
                    if let Err(error) = gone_on {
                        this.table().failure = Some(error);
                    }
                }
                Err(_) => {
                    let late = Error::timeout(Stage::Connected, ANSWER_LIMIT);
                    this.tell(unanswered.id, Err(late));
                    drop(unanswered);
                }
            }
            this.0.reader.wake();
        });
    }

    fn tell(&self, id: AuthenticationId, outcome: Result<ClientCertificate, Error>) {
        let mut table = self.table();
        let at = table.waiting.iter().position(|(waiting, _)| *waiting == id);
        if let Some((_, told)) = at.map(|at| table.waiting.swap_remove(at)) {
            drop(table);
            // Nobody may hear it.
            let _ = told.send(outcome);
        }
    }

    /// The task that reads waits: it is woken for what is to be sent. Why it has failed, if it has meanwhile.
    pub(crate) fn attend(&self, cx: &Context<'_>) -> Option<Error> {
        self.0.reader.register(cx.waker());
        self.table().failure.take()
    }

    /// Nothing more is read.
    fn end(&self, error: Option<&Error>) {
        let waiting = {
            let mut table = self.table();
            table.ended = true;
            mem::take(&mut table.waiting)
        };
        for (_, told) in waiting {
            let _ = told.send(Err(error.cloned().unwrap_or_else(Error::closed)));
        }
    }
}

/// What somebody is asked about. Should nobody answer, because of a panic or with the runtime, it is given up, and
/// nobody waits for it; what is over does not mind.
struct Unanswered {
    authentication: Authentication,
    id: AuthenticationId,
    /// Until it is dropped.
    authenticating: Option<Authenticating>,
}

impl Unanswered {
    fn new(authentication: &Authentication, authenticating: Authenticating) -> Self {
        Self {
            authentication: authentication.clone(),
            id: authenticating.id(),
            authenticating: Some(authenticating),
        }
    }

    fn authenticating(&mut self) -> Result<&mut Authenticating, Error> {
        self.authenticating.as_mut().ok_or_else(Error::closed)
    }
}

fn unanswered() -> Error {
    Misuse::new(
        "nobody has answered what was asked about the client's certificate: whoever was asked has panicked, or there is \
         no Tokio runtime",
    )
    .into()
}

impl Drop for Unanswered {
    fn drop(&mut self) {
        if let Some(authenticating) = self.authenticating.take() {
            authenticating.give_up();
        }
        self.authentication.tell(self.id, Err(unanswered()));
        self.authentication.0.reader.wake();
    }
}

impl fmt::Debug for Authentication {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Authentication")
    }
}

/// In the hands of whoever reads: nobody hears more when that is dropped.
pub(crate) struct Reading(pub(crate) Authentication);

impl Reading {
    pub(crate) fn end(&self, error: Option<&Error>) {
        self.0.end(error);
    }
}

impl Drop for Reading {
    fn drop(&mut self) {
        self.0.end(None);
    }
}

/// Why a connection has none.
pub(crate) fn impossible(version: ProtocolVersion) -> Error {
    Misuse::new(match version {
        ProtocolVersion::TLS_1_3 | ProtocolVersion::DTLS_1_3 => {
            "request_client_certificate: the client has not offered it, or this side's configuration has no \
             post_handshake_authentication; ask in the handshake, with client_authentication"
        }
        ProtocolVersion::DTLS_1_2 | ProtocolVersion::DTLS_1_0 => {
            "request_client_certificate: before DTLSv1.3 nobody is asked after the handshake; ask in it, with \
             client_authentication"
        }
        _ => {
            "request_client_certificate: before TLSv1.3 clients are asked in each handshake, or in none, as \
             client_authentication says; `renegotiate` begins another one"
        }
    })
    .into()
}

impl<IO> TlsStream<IO> {
    /// Server: asks the client for its certificate (RFC 8446 §4.6.2), while data flows in both directions. With
    /// [`post_handshake_authentication`](crate::config::ServerConfigBuilder::post_handshake_authentication), and of a client that
    /// has offered it.
    ///
    /// It returns at once. The request goes out with the next read, write or flush, and the answer is found by reading:
    /// a task that only waits for it and does not read waits in vain; for that there is
    /// [`authenticate_client`](Self::authenticate_client). Four may be open at a time. What the client
    /// says after its certificate comes after it in the stream, but is read without knowing of it: wait for the
    /// certificate before you answer a request that needs it.
    ///
    /// [`information`](Self::information) is of the handshake, and stays as it was. A ticket that the client gets from
    /// here on is that of the client that has shown this certificate.
    ///
    /// # Errors
    /// One that says what is missing ([`InvalidInput`](std::io::ErrorKind::InvalidInput)) where it is not possible: over
    /// HTTP/2, before TLS 1.3, of a client that has not offered it, on the client's side, and while four are open; the
    /// connection goes on.
    /// [`Error::is_closed`] when nothing more is read, or this side has said close_notify.
    pub fn request_client_certificate(&mut self) -> Result<PendingCertificate, Error> {
        let parts = self.parts_mut();
        match parts.read.authentication() {
            // Nothing follows close_notify (RFC 8446 §6.1).
            Some(_) if parts.write.is_closing() => Err(Error::closed()),
            Some(authentication) => authentication.request(),
            None => Err(impossible(parts.information.version())),
        }
    }
}

impl<IO: AsyncRead + AsyncWrite + Unpin> TlsStream<IO> {
    /// Server: asks the client for its certificate, and reads until the answer is there. Data that comes
    /// before is kept, up to 64 KiB, and read afterwards.
    ///
    /// See [`request_client_certificate`](Self::request_client_certificate).
    ///
    /// ```
    /// use std::time::Duration;
    /// use portcullis::ClientCertificate;
    ///
    /// # async fn serve(mut stream: portcullis::TlsStream<tokio::net::TcpStream>) -> Result<(), portcullis::Error> {
    /// match stream.authenticate_client(Duration::from_secs(60)).await? {
    ///     ClientCertificate::Presented(chain) => println!("{:?}", chain.end_entity()),
    ///     _ => stream.send(&[b"HTTP/1.1 403 Forbidden\r\n\r\n"]).await?,
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// As [`request_client_certificate`](Self::request_client_certificate) and [`PendingCertificate`];
    /// [`Error::is_timeout`] after `limit`, and [`Error::is_over_limit`] when more data has come: in both cases the
    /// connection goes on, and the answer, if it comes, is checked and forgotten.
    ///
    /// # Cancel safety
    /// Dropped, no data is lost; the request stays, and nobody hears the answer.
    pub async fn authenticate_client(
        &mut self,
        limit: Duration,
    ) -> Result<ClientCertificate, Error> {
        let mut pending = self.request_client_certificate()?;
        let parts = self.parts_mut();
        let answered = poll_fn(|cx| {
            loop {
                if let Poll::Ready(heard) = pin!(&mut pending).poll(cx) {
                    return Poll::Ready(heard);
                }
                let have = parts.read.plain().len();
                if have > MOST_KEPT {
                    return Poll::Ready(Err(Error::limit(
                        "authenticate_client: the client has sent more than 64 KiB before its certificate; read it, and \
                         ask with `request_client_certificate`",
                    )));
                }
                match parts.poll_fill(cx, have) {
                    Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                    Poll::Ready(Ok(())) if parts.read.plain().len() > have => {}
                    // The end has told who waits, if it has come meanwhile.
                    Poll::Ready(Ok(())) => {
                        let heard = pin!(&mut pending).poll(cx);
                        return Poll::Ready(match heard {
                            Poll::Ready(heard) => heard,
                            Poll::Pending => Err(Error::closed()),
                        });
                    }
                    Poll::Pending => return pin!(&mut pending).poll(cx),
                }
            }
        });
        match timeout(limit, answered).await {
            Ok(answered) => answered,
            Err(_) => Err(Error::timeout(Stage::Connected, limit)),
        }
    }
}

impl<IO: SplitIo> WriteHalf<IO> {
    /// As [`TlsStream::request_client_certificate`]; the reading half finds the answer. The request goes out with the next
    /// write or flush, or at once where the half is [served](Self::serve).
    ///
    /// # Errors
    /// As there.
    pub fn request_client_certificate(&mut self) -> Result<PendingCertificate, Error> {
        match self.authentication() {
            Some(_) if self.is_closing() => Err(Error::closed()),
            Some(authentication) => authentication.request(),
            None => Err(impossible(self.information().version())),
        }
    }
}
