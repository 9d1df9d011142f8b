//! Connections that each ask one thing, one after the other, and not too many.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use portcullis::AlertDescription;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UdpSocket;
use tokio::time::{Instant, sleep_until, timeout_at};

use super::codes::Over;
use super::datagrams::{self, Heard};
use super::hello::Hello;
use super::reply::{Answer, Needs, Reader, ServerHello};
use super::ssl2;
use crate::connect::Destination;
use crate::failure::Failure;

/// How long is waited before something that was no answer is asked again.
const PAUSE: Duration = Duration::from_secs(1);
/// Why nothing is asked any more at the end of the time.
pub(super) const OVER: &str = "time is over (--total)";
/// What a server says that could not, this time (RFC 8446 §6.2).
pub(super) const INTERNAL_ERROR: u8 = 80;
/// So many in a row without an answer, and the server is left alone.
const MOST_UNANSWERED: u32 = 6;
/// How long a server may take to close after we have.
const CLOSE_WITHIN: Duration = Duration::from_millis(200);

/// How long the second part of a hello comes after the first: nobody reads both at once.
const MOMENT: Duration = Duration::from_millis(200);

/// As RFC 6347 §4.2.4.1 has it.
const AGAIN_AFTER: Duration = Duration::from_secs(1);
/// The most datagrams of one question, besides the farewell.
const MOST_DATAGRAMS: u32 = 8;
/// How many cookies a server may want to have after one another.
const MOST_COOKIES: u16 = 3;

/// What came of a question.
#[derive(Clone, Debug)]
pub(super) enum Outcome {
    Hello(ServerHello),
    /// The server has said that it does not want this.
    Alert(u8),
    /// There was no answer that says anything, twice.
    Unknown(String),
}

impl Outcome {
    /// The server's hello, or why there is none.
    pub(super) fn hello(self) -> Result<ServerHello, String> {
        match self {
            Self::Hello(hello) => Ok(hello),
            Self::Alert(code) => Err(alert(code)),
            Self::Unknown(why) => Err(why),
        }
    }
}

#[derive(Debug)]
pub(super) struct Prober {
    destination: Destination,
    pub(super) over: Over,
    server_name: Option<String>,
    most: u32,
    apart: Duration,
    /// How long is waited before something is asked again.
    pub(super) pause: Duration,
    /// When a hello in a datagram is said again, first; each time after twice as long.
    pub(super) again_after: Duration,
    until: Instant,
    used: u32,
    next: Instant,
    unanswered: u32,
    /// Why nothing is asked any more.
    ended: Option<String>,
    /// Over datagrams: the versions that were spoken, and whether only after a cookie.
    pub(super) cookies: Vec<(u16, bool)>,
}

impl Prober {
    pub(super) fn new(
        destination: Destination,
        most: u32,
        per_second: u32,
        total: Duration,
    ) -> Self {
        let name = destination.name.to_str().into_owned();
        // An address is no server name (RFC 6066 §3).
        let server_name = name.parse::<IpAddr>().is_err().then_some(name);
        let now = Instant::now();
        Self {
            destination,
            server_name,
            most,
            apart: Duration::from_secs(1) / per_second.max(1),
            pause: PAUSE,
            again_after: AGAIN_AFTER,
            until: now + total,
            used: 0,
            next: now,
            unanswered: 0,
            ended: None,
            over: Over::Stream,
            cookies: Vec::new(),
        }
    }

    /// The same over datagrams.
    pub(super) fn over_datagrams(self) -> Self {
        Self {
            over: Over::Datagrams,
            ..self
        }
    }

    pub(super) fn destination(&self) -> &Destination {
        &self.destination
    }

    pub(super) fn server_name(&self) -> Option<String> {
        self.server_name.clone()
    }

    /// When nothing is asked any more.
    pub(super) fn until(&self) -> Instant {
        self.until
    }

    /// How many connections there were.
    pub(super) fn used(&self) -> u32 {
        self.used
    }

    /// Why it has ended before its time, if it has.
    pub(super) fn ended(&self) -> Option<&str> {
        self.ended.as_deref()
    }

    /// Asks for leave for one more connection, and waits for its turn.
    pub(super) async fn turn(&mut self) -> Result<(), String> {
        if self.ended.is_none() {
            if self.used >= self.most {
                self.ended = Some(format!(
                    "there were {} connections (--connections)",
                    self.used
                ));
            } else if Instant::now() >= self.until {
                self.ended = Some(OVER.to_owned());
            } else if self.unanswered >= MOST_UNANSWERED {
                self.ended = Some("the server stopped answering".to_owned());
            }
        }
        if let Some(why) = &self.ended {
            return Err(why.clone());
        }
        sleep_until(self.next.min(self.until)).await;
        self.next = Instant::now() + self.apart;
        self.used = self.used.saturating_add(1);
        Ok(())
    }

    /// Notes whether a connection of somebody else's has come to an answer.
    pub(super) fn note(&mut self, is_answered: bool) {
        self.unanswered = match is_answered {
            true => 0,
            false => self.unanswered.saturating_add(1),
        };
    }

    /// Asks, and once more if there is no answer, or one that may be another the next time.
    pub(super) async fn ask(&mut self, hello: &Hello, needs: Needs) -> Outcome {
        let once = async |prober: &Self| {
            let mut random = [0; 32];
            aws_lc_rs::rand::fill(&mut random).map_err(|_| "no random bytes".to_owned())?;
            if prober.over == Over::Datagrams {
                return prober.once_in_datagrams(hello, &random, needs).await;
            }
            let mut reader = Reader::new(needs);
            prober
                .once(&hello.parts(&random), |bytes| reader.take(bytes))
                .await
        };
        let passes = |answer: &Answer| *answer == Answer::Alert(INTERNAL_ERROR);
        match self.twice(once, passes).await {
            Ok(Answer::Hello(hello)) => {
                self.note_cookie(&hello);
                Outcome::Hello(hello)
            }
            Ok(Answer::Alert(code)) => Outcome::Alert(code),
            Err(why) => Outcome::Unknown(why),
        }
    }

    fn note_cookie(&mut self, hello: &ServerHello) {
        if self.over == Over::Stream {
            return;
        }
        let mut known = self.cookies.iter_mut();
        match known.find(|(version, _)| *version == hello.version) {
            Some((_, always)) => *always &= hello.has_cookie,
            None => self.cookies.push((hello.version, hello.has_cookie)),
        }
    }

    /// What is said to a hello of SSL 2.
    pub(super) async fn ask_ssl2(&mut self) -> Result<ssl2::Answer, String> {
        let once = async |prober: &Self| {
            let mut challenge = [0; 16];
            aws_lc_rs::rand::fill(&mut challenge).map_err(|_| "no random bytes".to_owned())?;
            let mut reader = ssl2::Reader::default();
            prober
                .once(&[ssl2::hello(&challenge)], |bytes| reader.take(bytes))
                .await
        };
        let passes = |answer: &ssl2::Answer| *answer == ssl2::Answer::Alert(INTERNAL_ERROR);
        self.twice(once, passes).await
    }

    /// Does something, and once more if it brings nothing, or what passes.
    async fn twice<T>(
        &mut self,
        once: impl AsyncFn(&Self) -> Result<T, String>,
        passes: impl Fn(&T) -> bool,
    ) -> Result<T, String> {
        let mut why = String::new();
        for again in [false, true] {
            if again {
                sleep_until(self.until.min(Instant::now() + self.pause)).await;
            }
            self.turn().await?;
            match once(self).await {
                Ok(answer) if !again && passes(&answer) => {}
                Ok(answer) => {
                    self.note(true);
                    return Ok(answer);
                }
                // It had less time than it may have.
                Err(_) if Instant::now() >= self.until => why = OVER.to_owned(),
                Err(reason) => why = reason,
            }
            // There the hello was said again as long as there was time.
            if self.over == Over::Datagrams && !why.is_empty() {
                break;
            }
        }
        self.note(false);
        Err(why)
    }

    /// Sends these parts, a moment apart, and gives what comes to what reads it: no bytes are the end.
    async fn once<T>(
        &self,
        hello: &[Vec<u8>],
        mut take: impl FnMut(&[u8]) -> Result<Option<T>, &'static str>,
    ) -> Result<T, String> {
        let deadline = self.destination.deadline().min(self.until);
        let connected = self.destination.connect(deadline).await;
        let mut io = connected.map_err(|failure: Failure| failure.to_string())?;
        let conversation = async {
            for (at, part) in hello.iter().enumerate() {
                if at > 0 {
                    tokio::time::sleep(MOMENT).await;
                }
                io.write_all(part).await?;
            }
            let mut part = vec![0; 16 << 10];
            loop {
                let count = match io.read(&mut part).await {
                    // Whoever closes with something unread resets.
                    Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => 0,
                    count => count?,
                };
                match take(part.get(..count).unwrap_or_default()) {
                    Ok(None) if count == 0 => return Ok(Err("closed within an answer")),
                    Ok(None) => {}
                    Ok(Some(answer)) => return Ok(Ok(answer)),
                    Err(why) => return Ok(Err(why)),
                }
            }
        };
        let answer: std::io::Result<Result<T, &str>> =
            match timeout_at(deadline, conversation).await {
                Ok(answer) => answer,
                Err(_) => {
                    return Err(format!(
                        "no answer within {} s",
                        self.destination.limit.as_secs()
                    ));
                }
            };
        // Politely: an alert that says that it was not meant, and the end.
        let bye = async {
            io.write_all(&[21, 3, 1, 0, 2, 2, 90]).await?;
            io.shutdown().await
        };
        let _ = tokio::time::timeout(CLOSE_WITHIN, bye).await;
        match answer {
            Ok(answer) => answer.map_err(str::to_owned),
            Err(error) => Err(error.to_string()),
        }
    }
}

impl Prober {
    /// Says a hello from a port of its own until there is an answer, with the cookie that the server wants.
    async fn once_in_datagrams(
        &self,
        hello: &Hello,
        random: &[u8; 32],
        needs: Needs,
    ) -> Result<Answer, String> {
        let deadline = self.destination.deadline().min(self.until);
        let resolved = self.destination.resolved(deadline).await;
        let addresses = resolved.map_err(|failure| failure.to_string())?;
        let address = addresses.first().ok_or("the host has no address")?;
        let socket = port_to(address).await.map_err(|error| error.to_string())?;
        let mut reader = datagrams::Reader::new(needs);
        let (mut cookie, mut cookies) = (Vec::new(), 0);
        let (mut again, mut wait) = (Instant::now(), self.again_after);
        let mut sent = 0;
        let mut part = vec![0; datagrams::LONGEST];
        let answer = loop {
            if sent < MOST_DATAGRAMS && Instant::now() >= again {
                let datagram = hello.datagram(random, &cookie, cookies, sent);
                socket
                    .send(&datagram)
                    .await
                    .map_err(|error| unsent(&error))?;
                sent = sent.saturating_add(1);
                again = Instant::now() + wait;
                wait = wait.saturating_mul(2);
            }
            let until = match sent {
                MOST_DATAGRAMS => deadline,
                _ => deadline.min(again),
            };
            let count = match timeout_at(until, socket.recv(&mut part)).await {
                Ok(count) => count.map_err(|error| unsent(&error))?,
                Err(_) if Instant::now() < deadline => continue,
                Err(_) => {
                    let seconds = self.destination.limit.as_secs();
                    break Err(match reader.has_seen_other() {
                        true => format!("no answer within {seconds} s, and what comes is not DTLS"),
                        false => format!("no answer within {seconds} s"),
                    });
                }
            };
            match reader.take(part.get(..count).unwrap_or_default()) {
                Ok(None) => {}
                Ok(Some(Heard::Answer(answer))) => break Ok(answer),
                // Whoever has not got the second hello yet answers the first one again.
                Ok(Some(Heard::Cookie(same))) if cookies > 0 && same == cookie => {}
                Ok(Some(Heard::Cookie(_))) if cookies == MOST_COOKIES => {
                    break Err("asks for one cookie after the other".to_owned());
                }
                Ok(Some(Heard::Cookie(new))) => {
                    cookie = new;
                    cookies = cookies.saturating_add(1);
                    (again, wait) = (Instant::now(), self.again_after);
                }
                Err(why) => break Err(why.to_owned()),
            }
        };
        // Politely, as over a stream, but only to a server that has begun something: one that has not may take it badly, as
        // gnutls-serv, which reads the same datagram again and again.
        if let Ok(Answer::Hello(hello)) = &answer
            && !(hello.is_retry && hello.has_cookie)
        {
            let _ = socket.send(&datagrams::bye(sent)).await;
        }
        let mut answer = answer?;
        if let Answer::Hello(hello) = &mut answer {
            hello.has_cookie |= cookies > 0;
        }
        Ok(answer)
    }
}

/// A port that hears one server alone.
async fn port_to(server: &SocketAddr) -> std::io::Result<UdpSocket> {
    let any: IpAddr = match server {
        SocketAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        SocketAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    };
    let socket = UdpSocket::bind((any, 0)).await?;
    socket.connect(server).await?;
    Ok(socket)
}

/// What is said of a port that is closed, among what else there may be.
fn unsent(error: &std::io::Error) -> String {
    match error.kind() {
        std::io::ErrorKind::ConnectionRefused => "nobody listens at this port".to_owned(),
        _ => error.to_string(),
    }
}

/// What is said of an alert: its name, or its number.
pub(super) fn alert(code: u8) -> String {
    format!("alert {}", AlertDescription(code))
}
