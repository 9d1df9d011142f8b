//! Threads that wait for the token.

use std::io;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use cryptoki::error::{Error, RvError};
use cryptoki::mechanism::Mechanism;
use portcullis::SignatureScheme;
use tokio::sync::oneshot;
use zeroize::Zeroizing;

use crate::error::{Consequence, TokenError, consequence};
use crate::mechanism::{input, mechanism, output};
use crate::token::{Opened, Token};

/// How many operations wait for a thread at most.
pub(crate) const QUEUE: usize = 256;
/// How long a token that cannot be opened is left alone: first, and at most.
const BACK_OFF: (Duration, Duration) = (Duration::from_millis(250), Duration::from_secs(30));

/// What the token is to do.
pub(crate) enum Work {
    Sign(SignatureScheme, Vec<u8>),
    /// Gives `None` for what is no ciphertext of this key.
    Decrypt(Vec<u8>),
}

/// A decrypted block is wiped, also if nobody takes it.
type Done = Result<Option<Zeroizing<Vec<u8>>>, TokenError>;

/// What the token says.
type Said = Result<Option<Zeroizing<Vec<u8>>>, Error>;

struct Job {
    work: Work,
    reply: oneshot::Sender<Done>,
}

/// How long dropping the queue waits for the threads.
const END_WITHIN: Duration = Duration::from_secs(1);

/// A queue with threads behind it, which end when it is dropped. That waits for them for a moment: a module may crash
/// a process that ends while a thread closes its session.
pub(crate) struct Workers {
    queue: Option<SyncSender<Job>>,
    /// Nobody sends; it is closed when all threads have ended.
    ended: Mutex<Receiver<()>>,
}

impl Workers {
    pub(crate) fn start(token: &Arc<Token>, count: usize, first: Opened) -> io::Result<Self> {
        let (queue, jobs) = sync_channel(QUEUE);
        let jobs = Arc::new(Mutex::new(jobs));
        let (running, ended) = sync_channel(1);
        let mut first = Some(first);
        for number in 0..count {
            let worker = Worker {
                token: Arc::clone(token),
                opened: first.take(),
                failed: None,
                back_off: BACK_OFF.0,
            };
            let (jobs, running) = (Arc::clone(&jobs), running.clone());
            thread::Builder::new()
                .name(format!("pkcs11-{number}"))
                .spawn(move || {
                    worker.run(&jobs);
                    drop(running);
                })?;
        }
        Ok(Self {
            queue: Some(queue),
            ended: Mutex::new(ended),
        })
    }

    /// Lets it be done. Dropping the future leaves the work undone, if nobody has begun it.
    pub(crate) async fn run(&self, work: Work) -> Done {
        let (reply, done) = oneshot::channel();
        let queue = self.queue.as_ref().ok_or_else(ended)?;
        queue
            .try_send(Job { work, reply })
            .map_err(|error| match error {
                TrySendError::Full(_) => TokenError::new(format!(
                    "the PKCS#11 token is too slow: {QUEUE} operations wait for it"
                )),
                TrySendError::Disconnected(_) => ended(),
            })?;
        done.await.map_err(|_| ended())?
    }
}

impl Drop for Workers {
    fn drop(&mut self) {
        self.queue = None;
        let ended = self.ended.get_mut();
        let _ = ended
            .unwrap_or_else(PoisonError::into_inner)
            .recv_timeout(END_WITHIN);
    }
}

fn ended() -> TokenError {
    TokenError::new("the threads that use the PKCS#11 token have ended")
}

struct Worker {
    token: Arc<Token>,
    opened: Option<Opened>,
    /// Why it was not opened last, and when it may be tried again.
    failed: Option<(TokenError, Instant)>,
    back_off: Duration,
}

impl Worker {
    fn run(mut self, jobs: &Mutex<Receiver<Job>>) {
        loop {
            let job = jobs.lock().unwrap_or_else(PoisonError::into_inner).recv();
            let Ok(Job { work, reply }) = job else {
                return;
            };
            // The handshake may be over.
            if !reply.is_closed() {
                let done = self.twice(&work);
                let _ = reply.send(done);
            }
        }
    }

    /// Tries again once, with everything opened anew, if that may help.
    fn twice(&mut self, work: &Work) -> Done {
        let error = match self.once(work)? {
            Ok(done) => return Ok(done),
            Err(error) => error,
        };
        if consequence(&error) == Consequence::Reopen {
            tracing::warn!(%error, key = %self.token.uri(), "the PKCS#11 token is opened again");
            self.opened = None;
            if let Ok(done) = self.once(work)? {
                return Ok(done);
            }
        }
        Err(TokenError::new(format!(
            "the PKCS#11 token ({}): {error}",
            self.token.uri()
        )))
    }

    /// What the token says.
    fn once(&mut self, work: &Work) -> Result<Said, TokenError> {
        let token = Arc::clone(&self.token);
        let opened = self.open()?;
        Ok(match work {
            Work::Sign(scheme, content) => {
                let Some(mechanism) = mechanism(*scheme, opened.parts()) else {
                    return Ok(Err(Error::NotSupported));
                };
                let signed = match opened.wants_pin {
                    true => {
                        let signed = token.sign_with_pin(opened, &mechanism, content);
                        if !matches!(signed, Ok(Ok(_))) {
                            self.opened = None;
                        }
                        signed?
                    }
                    false => {
                        let input = input(*scheme, content.clone());
                        opened.session.sign(&mechanism, opened.key, &input)
                    }
                };
                signed.and_then(|signature| {
                    output(*scheme, signature)
                        .map(|signature| Some(Zeroizing::new(signature)))
                        .ok_or(Error::InvalidValue)
                })
            }
            Work::Decrypt(ciphertext) => {
                let block = opened
                    .session
                    .decrypt(&Mechanism::RsaX509, opened.key, ciphertext);
                match block {
                    Ok(block) => Ok(Some(Zeroizing::new(block))),
                    // Neither as long as the key, nor a number below its modulus.
                    Err(Error::Pkcs11(
                        RvError::EncryptedDataInvalid | RvError::EncryptedDataLenRange,
                        _,
                    )) => Ok(None),
                    Err(error) => Err(error),
                }
            }
        })
    }

    fn open(&mut self) -> Result<&Opened, TokenError> {
        let opened = match (self.opened.take(), &self.failed) {
            (Some(opened), _) => opened,
            (None, Some((error, until))) if Instant::now() < *until => return Err(error.clone()),
            (None, _) => match self.token.open() {
                Ok(opened) => {
                    (self.failed, self.back_off) = (None, BACK_OFF.0);
                    opened
                }
                Err(error) => {
                    self.failed = Some((error.clone(), Instant::now() + self.back_off));
                    self.back_off = (self.back_off * 2).min(BACK_OFF.1);
                    return Err(error);
                }
            },
        };
        Ok(self.opened.insert(opened))
    }
}
