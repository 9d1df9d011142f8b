//! Who may begin a handshake over datagrams: whoever reads at the address that is written from.
//!
//! RFC 9147 §5.1, RFC 6347 §4.2.1. A server keeps nothing of a client before its cookie has come back, but for the pieces of
//! hellos that are too long for a datagram, in a fixed number of places.

mod admission;
mod budget;
mod cookie;
mod front;
mod pieces;
mod shared_secret;
#[cfg(test)]
mod tests;

use core::time::Duration;

pub use self::admission::Admission;
use self::budget::{Budget, HostBudget};
use self::cookie::{OlderHello, Secrets};
pub use self::front::{FrontedAnswer, FrontedHello};
use self::pieces::{MAX_HELLO, Pieces};
pub use self::shared_secret::CookieSecret;
use super::server::{ReturnedCookie, ask_for_cookie, keys_tried, peel_forgetting, peel_fronted};
use super::versions;
use crate::alert::AlertDescription;
use crate::clock::{Monotonic, Now};
use crate::config::ServerConfig;
use crate::crypto::random::Random;
use crate::dialect::Dialect;
use crate::error::{Abort, Error, Reason, Stage};
use crate::record::{
    Discarded, HandshakeBytes, HelloPiece, UNPROVED_AMPLIFICATION, hello_pieces, plain_alert,
    plain_message, plain_message_of,
};
use crate::version::{ProtocolVersion, Version};
use crate::violation::Violation;
use crate::wire::codec::Cursor;
use crate::wire::extension::Cookie;
use crate::wire::{ClientHello, ExtensionType, HandshakeMessage, HelloVerifyRequest, Syntax};
use crate::x509::Identity;

/// How much longer an answer may be than what it answers.
const MOST_AMPLIFICATION: usize = 2;
/// What a server says to a client besides its chain, at most, if it has no more to say than most.
const BESIDES_CHAIN: usize = 600;

/// Whether a client has to send back a cookie before a handshake begins.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum CookiePolicy {
    /// Every client: an address can be forged.
    #[default]
    Always,
    /// Nobody, while fewer handshakes than this are under way ([`Gate::set_handshakes`]), which saves those clients a round
    /// trip; everybody from then on. A client that was not asked is sent at most three times the bytes that have come from
    /// its address, until something has come that only somebody who reads there can send, as RFC 9000 §8.1 has it.
    ///
    /// Some clients are asked even while there is no load:
    ///
    /// - those whose hello has less than a third of the bytes of the answer, which is chiefly the chain, or is not whole in
    ///   its datagram. To be asked costs them a round trip; to wait until more has come from them would cost a timeout;
    /// - those that speak DTLS 1.2 or older. Where a datagram of the answer is lost, only the hello, said again, lets the
    ///   server send it again, and some clients do not repeat their hello once they have a ServerHello (GnuTLS 3.7),
    ///   although RFC 6347 §4.2.4 has them do so;
    /// - all, if the gate is [in front](Gate::in_front) of other servers, which have to see a cookie.
    UnderLoad {
        /// How many of them are load.
        handshakes: usize,
    },
    /// No client: the transport has proved that somebody reads there (ICE, a link in memory).
    Never,
}

/// What becomes of a datagram of somebody with whom there is no connection.
#[derive(Debug)]
#[must_use]
pub enum Verdict {
    /// Nothing.
    Discard(Discarded),
    /// This datagram is sent back. It is never longer than twice what it answers: a hello, which may have come in
    /// several datagrams from this address.
    Reply(Vec<u8>),
    /// A handshake begins, here or, of a hello that [was decrypted](Admission::take_fronted) in front of other servers, at one
    /// of those.
    Admit(Admission),
}

impl Verdict {
    /// The same of a hello with this random.
    fn of_hello(mut self, random: Option<[u8; 32]>) -> Self {
        if let Self::Admit(admission) = &mut self {
            admission.hello_random = random;
        }
        self
    }
}

/// RFC 5246 §7.4.1.2: the random stands behind the version.
fn random_of(hello: &[u8]) -> Option<[u8; 32]> {
    hello.get(2..34)?.try_into().ok()
}

/// Decides who may begin a handshake. Its memory does not depend on how many ask.
pub struct Gate {
    config: ServerConfig,
    policy: CookiePolicy,
    secrets: Secrets,
    pieces: Pieces,
    random: Random,
    decryptions: Budget,
    /// Of second hellos in front of other servers.
    second_decryptions: HostBudget,
    /// Whether hellos that were decrypted are given out.
    is_front: bool,
    /// When the first datagram came.
    began: Option<Monotonic>,
    /// How many handshakes are under way.
    handshakes: usize,
    /// How many bytes the longest chain of the configuration has.
    longest_chain: usize,
}

impl core::fmt::Debug for Gate {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Gate")
            .field("policy", &self.policy)
            .field("pieces", &self.pieces)
            .finish_non_exhaustive()
    }
}

impl Gate {
    /// Cookies are sealed with a secret that is drawn here and replaced every 10 minutes; each is good for a
    /// minute.
    ///
    /// # Errors
    /// When the configuration has nothing to speak over datagrams, or there are no random bytes.
    pub fn new(config: &ServerConfig, policy: CookiePolicy) -> Result<Self, Error> {
        Self::with_random(config, policy, Random::system())
    }

    fn with_random(
        config: &ServerConfig,
        policy: CookiePolicy,
        mut random: Random,
    ) -> Result<Self, Error> {
        let error = |abort: Abort| abort.into_silent_error(Stage::Start);
        Ok(Self {
            config: config.for_datagrams().map_err(|why| error(why.into()))?,
            policy,
            secrets: Secrets::new(&mut random).map_err(|why| error(why.into()))?,
            pieces: Pieces::default(),
            random,
            decryptions: Budget::per_second(budget::DEFAULT),
            second_decryptions: HostBudget::per_second(budget::DEFAULT),
            is_front: false,
            began: None,
            // Unless it is told.
            handshakes: usize::MAX,
            longest_chain: longest_chain(config),
        })
    }

    /// Seals cookies with what other servers have, too, and opens theirs; without it with a secret of this gate alone.
    /// `peer` of [`on_datagram`](Self::on_datagram) has to be the same at all of them then.
    #[must_use]
    pub fn cookie_secret(mut self, secret: CookieSecret, now: Now) -> Self {
        self.secrets.share(secret, since_1970(now));
        self
    }

    /// How many keys are tried in a second on encrypted hellos (RFC 9849) of those whose addresses may be forged, and a tenth
    /// of a second's at once; at least 1, and 5,000 by default. A hello is tried with the keys that have the id which it
    /// names, most often one. What is over is [dropped](Discarded::TooManyEncrypted) unread, and clients say it again.
    /// Second hellos, whose cookie has come back, do not count; [in front](Self::in_front) of other servers, where they are
    /// decrypted before there is a handshake, as many of them are, besides: a half of these for whoever comes first, and the
    /// other shared out by [host](Self::on_datagram_of_host), so that nobody takes all.
    #[must_use]
    pub fn decryptions(mut self, per_second: u32) -> Self {
        self.decryptions = Budget::per_second(per_second);
        self.second_decryptions = HostBudget::per_second(per_second);
        self
    }

    /// In front of other servers (RFC 9849 §3.1, split mode): second hellos that were decrypted are
    /// [given out](Admission::take_fronted). The configuration has
    /// [`ech_keys`](crate::config::ServerConfigBuilder::ech_keys), and suites and groups that those behind have, too: what a
    /// HelloRetryRequest says is chosen by it. The [`cookie_secret`](Self::cookie_secret) is theirs as well; their
    /// configurations have [`ech_backend`](crate::config::ServerConfigBuilder::ech_backend), so they take a cookie that a
    /// gate like this has given to somebody whose address they do not see.
    #[must_use]
    pub fn in_front(mut self) -> Self {
        self.is_front = true;
        self.secrets.front();
        self
    }

    /// Whether cookies may be those that a server in front has given out.
    fn is_behind(&self) -> bool {
        self.config.is_behind_front() && self.secrets.are_shared()
    }

    /// Says how many handshakes are under way, for [`CookiePolicy::UnderLoad`]: before each datagram, or whenever it
    /// changes. As long as nothing is said, there is load.
    pub fn set_handshakes(&mut self, under_way: usize) {
        self.handshakes = under_way;
    }

    /// Asks by another configuration from here on. Cookies that were given out stay good.
    ///
    /// # Errors
    /// When it has nothing to speak over datagrams; then nothing changes.
    pub fn replace_config(&mut self, config: &ServerConfig) -> Result<(), Error> {
        let prepared = config.for_datagrams();
        self.config = prepared.map_err(|why| Abort::from(why).into_silent_error(Stage::Start))?;
        self.longest_chain = longest_chain(config);
        Ok(())
    }

    /// Whether a first hello that is too long for a datagram has begun to come from there, and its rest has not.
    #[must_use]
    pub fn has_begun(&self, peer: &[u8], now: Now) -> bool {
        self.pieces.has_begun(peer, now.monotonic)
    }

    /// What becomes of a datagram from an address with which there is no connection. `peer` is the
    /// address in any form that is always the same for it, and no other's.
    pub fn on_datagram(&mut self, peer: &[u8], datagram: &[u8], now: Now) -> Verdict {
        self.on_datagram_of_host(peer, peer, datagram, now)
    }

    /// The same, where one `host` may have many addresses: those of all ports, or of all addresses of an IPv6 network. What
    /// is [shared out](Self::decryptions) is by host.
    pub fn on_datagram_of_host(
        &mut self,
        host: &[u8],
        peer: &[u8],
        datagram: &[u8],
        now: Now,
    ) -> Verdict {
        match self.judge((host, peer), datagram, now) {
            Ok(verdict) => verdict,
            Err(why) => Verdict::Discard(why),
        }
    }

    fn judge(
        &mut self,
        (host, peer): (&[u8], &[u8]),
        datagram: &[u8],
        now: Now,
    ) -> Result<Verdict, Discarded> {
        let hello = hello_pieces(datagram)?;
        if self.policy == CookiePolicy::Never {
            return Ok(Verdict::Admit(Admission::without_cookie(datagram)));
        }
        if let Some(admission) = self.without_load(&hello, datagram, now.monotonic) {
            return Ok(Verdict::Admit(admission));
        }
        let since = match self.secrets.are_shared() {
            true => since_1970(now),
            false => {
                let began = *self.began.get_or_insert(now.monotonic);
                now.monotonic.0.saturating_sub(began.0)
            }
        };
        self.secrets.rotate(since, &mut self.random);
        let Some(first) = hello.first() else {
            return Err(Discarded::NoHello);
        };
        if first.header.length as usize > MAX_HELLO {
            // Nobody waits for an answer that never comes.
            let alert = Violation::HandshakeMessageTooLong.alert();
            return bounded(plain_alert(first.sequence, alert), datagram.len());
        }
        let is_second = first.header.message_seq > 0;
        // The cookie of a second hello is often in its first piece, and the rest of it is for the handshake, but not where
        // it is for another server.
        if is_second && first.header.fragment_offset == 0 && !self.is_front {
            match find_cookie(first.fragment) {
                Found::NoCookie => return Err(Discarded::BadCookie),
                Found::MoreIsNeeded => {}
                // It waits for its handshake as it is.
                _ if datagram.len() > MAX_HELLO => return Err(Discarded::NoHello),
                found => {
                    let hello_random = random_of(first.fragment);
                    let datagram = datagram.to_vec();
                    let received = datagram.len();
                    let admitted = self.admit(peer, &found, datagram, first, received, since);
                    return admitted.map(|verdict| verdict.of_hello(hello_random));
                }
            }
        }
        let Some((message, received)) =
            self.pieces
                .put(peer, &hello, datagram.len(), now.monotonic)?
        else {
            return Err(Discarded::NotWhole);
        };
        if !is_second {
            if !self.may_decrypt(message.body(), now.monotonic) {
                return Err(Discarded::TooManyEncrypted);
            }
            return self.ask(peer, message, first, received, since);
        }
        let found = find_cookie(message.body());
        let random = random_of(message.body());
        let whole = plain_message(first.sequence, first.header.message_seq, message.raw());
        let admitted = self.admit(peer, &found, whole, first, received, since)?;
        let last = hello.last().map_or(first.sequence, |piece| piece.sequence);
        let verdict = match admitted {
            Verdict::Admit(admission) if self.is_front => {
                // With the key that the first was decrypted with.
                if admission.is_encrypted() && !self.second_decryptions.take(host, now.monotonic) {
                    return Err(Discarded::TooManyEncrypted);
                }
                self.decrypt(admission, message, first, (last, received))?
            }
            other => other,
        };
        Ok(verdict.of_hello(random))
    }

    /// Decrypts a second hello whose cookie was good, if its first was.
    fn decrypt(
        &self,
        mut admission: Admission,
        message: HandshakeBytes,
        piece: &HelloPiece<'_>,
        (last, received): (u64, usize),
    ) -> Result<Verdict, Discarded> {
        if let Some(cookie) = &admission.returned
            && admission.is_encrypted()
        {
            let (inner, view) = match peel_fronted(cookie, &self.config.0, message) {
                Ok(peeled) => peeled,
                Err(abort) => return bounded(told(abort, piece)?, received),
            };
            admission.fronted = Some(Box::new(FrontedHello {
                view,
                inner,
                message_seq: piece.header.message_seq,
                sequence: last,
            }));
        }
        Ok(Verdict::Admit(admission))
    }

    /// Lets a first hello of DTLS 1.3 in that is long enough for what it is answered with, while there is no load.
    fn without_load(
        &mut self,
        hello: &[HelloPiece<'_>],
        datagram: &[u8],
        now: Monotonic,
    ) -> Option<Admission> {
        let CookiePolicy::UnderLoad { handshakes } = self.policy else {
            return None;
        };
        let first = hello.first()?;
        let is_first_hello = first.header.message_seq == 0;
        let answer = self.longest_chain + BESIDES_CHAIN;
        let is_enough = datagram.len().saturating_mul(UNPROVED_AMPLIFICATION) >= answer;
        let is_short = datagram.len() <= MAX_HELLO;
        // What is encrypted may be for a server behind, which has to see a cookie.
        if self.is_front {
            return None;
        }
        if self.handshakes >= handshakes || !is_first_hello || !is_enough || !is_short {
            return None;
        }
        // A piece of one has no end.
        let hello = ClientHello::decode_as(Syntax::Dtls, first.fragment).ok()?;
        let version = versions::choose(Dialect::Dtls, &self.config.0.policy.versions, &hello);
        if version.is_err() || version.is_ok_and(|version| version < Version::V1_3) {
            return None;
        }
        // A hello that is beyond the budget is asked for a cookie, and then dropped: there is nothing left for that either.
        if !self
            .decryptions
            .take(keys_tried(&self.config.0, &hello), now)
        {
            return None;
        }
        Some(Admission {
            hello_random: Some(*hello.random),
            is_unproved: true,
            ..Admission::without_cookie(datagram)
        })
    }

    /// Whether this hello has nothing encrypted, or may be decrypted now.
    fn may_decrypt(&mut self, hello: &[u8], now: Monotonic) -> bool {
        // What is no hello is told so.
        let hello = ClientHello::decode_as(Syntax::Dtls, hello);
        let tries = hello.map_or(0, |hello| keys_tried(&self.config.0, &hello));
        self.decryptions.take(tries, now)
    }

    fn admit(
        &self,
        peer: &[u8],
        found: &Found<'_>,
        datagram: Vec<u8>,
        piece: &HelloPiece<'_>,
        received: usize,
        since: Duration,
    ) -> Result<Verdict, Discarded> {
        let mut client = None;
        let age;
        let returned = match found {
            // Only before DTLS 1.3 may a server ask more than once.
            Found::Cookie(_) if piece.header.message_seq > 1 => return Err(Discarded::NoHello),
            Found::Cookie(cookie) => match self.secrets.open(peer, since, cookie, self.is_behind())
            {
                Ok((requested, fronted, ago)) => {
                    age = ago;
                    client = fronted.filter(|_| self.is_behind());
                    Some(Box::new(ReturnedCookie {
                        requested,
                        cookie: (*cookie).into(),
                    }))
                }
                Err(why) => return refuse(why, piece, received),
            },
            Found::Older(hello) => match self.secrets.check_older(peer, since, hello) {
                Ok(ago) => {
                    age = ago;
                    None
                }
                // RFC 6347 §4.2.1: as if there were no cookie.
                Err(Discarded::BadCookie | Discarded::StaleCookie) => {
                    return self.verify(peer, hello, piece, received, since);
                }
                Err(why) => return Err(why),
            },
            Found::NoCookie | Found::MoreIsNeeded => return Err(Discarded::BadCookie),
        };
        Ok(Verdict::Admit(Admission {
            returned,
            next_message: piece.header.message_seq,
            // RFC 6347 §4.2.2: as servers do that keep nothing; what was sent before had a lower one.
            next_record: piece.sequence,
            has_cookie: true,
            // Not where the clock may have been another server's. Of a millisecond that has begun it is not known how much is over.
            round_trip: (!self.secrets.are_shared()).then(|| age + Duration::from_millis(1)),
            client,
            ..Admission::without_cookie(datagram)
        }))
    }

    /// Asks for a cookie as DTLS 1.2 and older do.
    fn verify(
        &self,
        peer: &[u8],
        hello: &OlderHello<'_>,
        piece: &HelloPiece<'_>,
        received: usize,
        since: Duration,
    ) -> Result<Verdict, Discarded> {
        let cookie = self.secrets.seal_older(peer, since, hello);
        let mut request = Vec::new();
        HelloVerifyRequest {
            // RFC 6347 §4.2.1: whatever is negotiated later.
            server_version: ProtocolVersion::DTLS_1_0,
            cookie: &cookie,
        }
        .encode(&mut request);
        let message_seq = piece.header.message_seq;
        // A client that has nothing newer may take no newer record.
        let version = ProtocolVersion::DTLS_1_0;
        let reply = plain_message_of(version, piece.sequence, message_seq, &request);
        bounded(reply, received)
    }

    /// Answers a first hello: with a HelloRetryRequest or a HelloVerifyRequest, or by saying why there is
    /// neither.
    fn ask(
        &self,
        peer: &[u8],
        message: HandshakeBytes,
        piece: &HelloPiece<'_>,
        received: usize,
        since: Duration,
    ) -> Result<Verdict, Discarded> {
        let instead = |hello: &[u8]| self.secrets.in_place_of_confirmation(peer, since, hello);
        let ((message, ech), returned) = match peel_forgetting(&self.config.0, message, instead) {
            Ok(peeled) => peeled,
            Err(abort) => return bounded(told(abort, piece)?, received),
        };
        if let Ok(hello) = ClientHello::decode_as(Syntax::Dtls, message.body())
            && versions::choose(Dialect::Dtls, &self.config.0.policy.versions, &hello)
                .is_ok_and(|version| version < Version::V1_3)
        {
            let hello = OlderHello::of(&hello);
            return self.verify(peer, &hello, piece, received, since);
        }
        let seal = |requested: &_| self.secrets.seal(peer, since, requested);
        let ech = (ech.as_deref(), returned);
        let reply = match ask_for_cookie(&self.config.0, &message, ech, seal) {
            Ok(request) => plain_message(piece.sequence, 0, &request),
            Err(abort) => told(abort, piece)?,
        };
        bounded(reply, received)
    }
}

/// Why there is no other answer.
fn told(abort: Abort, piece: &HelloPiece<'_>) -> Result<Vec<u8>, Discarded> {
    match abort {
        Abort(Reason::Violation(violation) | Reason::Explained { violation, .. }) => {
            Ok(plain_alert(piece.sequence, violation.alert()))
        }
        _ => Err(Discarded::NoHello),
    }
}

/// §5.1: a wrong cookie is answered by an alert; the client would take no second request.
fn refuse(why: Discarded, piece: &HelloPiece<'_>, received: usize) -> Result<Verdict, Discarded> {
    match why {
        Discarded::BadCookie | Discarded::StaleCookie => {
            let alert = plain_alert(piece.sequence, AlertDescription::ILLEGAL_PARAMETER);
            bounded(alert, received)
        }
        other => Err(other),
    }
}

/// The one place that lets anything out to somebody who may not be there.
fn bounded(reply: Vec<u8>, received: usize) -> Result<Verdict, Discarded> {
    match reply.len() <= MOST_AMPLIFICATION * received {
        true => Ok(Verdict::Reply(reply)),
        false => Err(Discarded::TooShort),
    }
}

/// Of identities that the configuration has. Those that are asked for later are bounded by what goes out.
fn longest_chain(config: &ServerConfig) -> usize {
    let length = |identity: &Identity| identity.chain().iter().map(|one| one.len()).sum::<usize>();
    let lengths = config.0.identities.iter().map(length);
    lengths.max().unwrap_or_default()
}

fn since_1970(now: Now) -> Duration {
    Duration::from_secs(now.wall.as_secs())
}

enum Found<'a> {
    Cookie(&'a [u8]),
    /// That of a HelloVerifyRequest.
    Older(OlderHello<'a>),
    NoCookie,
    /// The part that is there ends before there was any.
    MoreIsNeeded,
}

/// Looks for the cookie in a ClientHello of which the end may be missing.
fn find_cookie(body: &[u8]) -> Found<'_> {
    if let Some(hello) = OlderHello::read(&mut Cursor::new(body))
        && !hello.cookie.is_empty()
    {
        return Found::Older(hello);
    }
    if let Ok(hello) = ClientHello::decode_as(Syntax::Dtls, body) {
        return match hello.extensions.find::<Cookie<'_>>() {
            Some(Ok(cookie)) => Found::Cookie(cookie.cookie),
            Some(Err(_)) | None => Found::NoCookie,
        };
    }
    find_in_part(&mut Cursor::new(body)).map_or(Found::MoreIsNeeded, Found::Cookie)
}

fn find_in_part<'a>(cursor: &mut Cursor<'a>) -> Option<&'a [u8]> {
    cursor.take(2 + 32).ok()?;
    cursor.vec8().ok()?;
    cursor.vec8().ok()?;
    cursor.vec16().ok()?;
    cursor.vec8().ok()?;
    let _extensions = cursor.u16().ok()?;
    loop {
        let typ = ExtensionType(cursor.u16().ok()?);
        let body = cursor.vec16().ok()?;
        if typ == ExtensionType::COOKIE {
            return Cursor::whole(body, Cursor::vec16).ok();
        }
    }
}
