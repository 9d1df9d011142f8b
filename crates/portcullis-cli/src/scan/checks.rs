//! What is asked about, in raw hellos.
//!
//! Lists are found by elimination: all is offered, what was chosen is left out, until nothing is chosen.

use portcullis::CertificateDer;

use super::codes::{self, Over, VERSIONS, Weakness};
use super::hello::{Hello, Shape, TLS_1_2, TLS_1_3};
use super::prober::{INTERNAL_ERROR, Outcome, Prober, alert};
use super::reply::{NOT_TLS, Needs, ServerHello};
use super::ssl2;
use super::suites::{Exchange, Suite};
use super::tolerance::Form;
use crate::certificate;

/// The most suites of one hello: some servers read no more than 128.
pub(super) const CHUNK: usize = 100;
/// Alerts (RFC 8446 §6.2, RFC 7507 §5).
const PROTOCOL_VERSION: u8 = 70;
const INAPPROPRIATE_FALLBACK: u8 = 86;
/// What servers say to what they do not speak (RFC 8446 §6.2, RFC 7507 §3): handshake_failure, illegal_parameter,
/// protocol_version, insufficient_security, inappropriate_fallback. Any other alert says that something went wrong, or
/// that the name or the client is not wanted, and nothing of what was offered.
pub(super) fn declines(alert: u8) -> bool {
    matches!(
        alert,
        40 | 47 | PROTOCOL_VERSION | 71 | INAPPROPRIATE_FALLBACK
    )
}

/// TLS_FALLBACK_SCSV (RFC 7507).
const FALLBACK: u16 = 0x5600;

/// What a server says to something that it may have or not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Offered {
    Yes,
    No,
    Unknown(String),
}

impl Offered {
    pub(super) fn word(&self) -> &'static str {
        match self {
            Self::Yes => "yes",
            Self::No => "no",
            Self::Unknown(_) => "unknown",
        }
    }

    pub(super) fn why(&self) -> Option<&str> {
        match self {
            Self::Unknown(why) => Some(why),
            _ => None,
        }
    }

    pub(super) fn of(is: bool) -> Self {
        match is {
            true => Self::Yes,
            false => Self::No,
        }
    }
}

/// Who decides which suite it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Order {
    Server,
    /// But a client that has ChaCha20 first gets it.
    ServerChachaFirst,
    Client,
    /// There are fewer than two to choose from.
    None,
    Unknown(String),
}

impl Order {
    pub(super) fn word(&self) -> &'static str {
        match self {
            Self::Server => "server",
            Self::ServerChachaFirst => "server, ChaCha20 where the client has it first",
            Self::Client => "client",
            Self::None => "not told",
            Self::Unknown(_) => "unknown",
        }
    }

    pub(super) fn why(&self) -> Option<&str> {
        match self {
            Self::Unknown(why) => Some(why),
            _ => None,
        }
    }
}

/// What was accepted of a list, in the order in which the server has chosen.
#[derive(Clone, Debug, Default)]
pub(super) struct Accepted {
    pub(super) codes: Vec<u16>,
    /// What was chosen without being offered.
    pub(super) broken: Option<u16>,
    /// Why there may be more.
    pub(super) unknown: Option<String>,
}

#[derive(Clone, Debug)]
pub(super) struct Suites {
    pub(super) version: u16,
    pub(super) order: Order,
    pub(super) accepted: Accepted,
}

/// What the raw hellos have brought.
#[derive(Clone, Debug, Default)]
pub(super) struct Seen {
    pub(super) over: Over,
    pub(super) versions: Vec<(u16, Option<Offered>)>,
    pub(super) suites: Vec<Suites>,
    /// Of TLS 1.3, and of the newest version before it.
    pub(super) groups: Vec<(u16, Accepted)>,
    /// Of TLS 1.2: those of TLS 1.3 are encrypted.
    pub(super) schemes: Option<Accepted>,
    /// How long the prime of DHE is, or why that is not known. `None`: there is no DHE.
    pub(super) dh_bits: Option<Result<usize, String>>,
    /// The same of the suites for export, which have a prime of their own.
    pub(super) dh_bits_export: Option<Result<usize, String>>,
    /// The kinds of ciphers of SSL 2, or why they are not known. `None`: it is not spoken.
    pub(super) ssl2_ciphers: Option<Result<Vec<ssl2::Cipher>, String>>,
    pub(super) facts: Vec<(&'static str, Offered)>,
    /// Over datagrams: whether a version was spoken only after a cookie.
    pub(super) cookies: Vec<(u16, bool)>,
    /// Whether hellos in other forms are answered as the usual one.
    pub(super) forms: Vec<(&'static Form, Offered)>,
}

impl Seen {
    pub(super) fn offers(&self, version: u16) -> bool {
        let is = |(code, offered): &(u16, Option<Offered>)| {
            *code == version && *offered == Some(Offered::Yes)
        };
        self.versions.iter().any(is)
    }

    /// Why nobody is known to be there: no hello was answered.
    pub(super) fn is_nobody(&self) -> Option<&str> {
        let mut reasons = self
            .versions
            .iter()
            .map(|(_, offered)| offered.as_ref()?.why());
        let first = reasons.next().flatten()?;
        reasons.all(|why| why.is_some()).then_some(first)
    }

    /// Whether a server of another protocol is there: what it answered to the first two versions is none of TLS.
    pub(super) fn is_of_another_protocol(&self) -> bool {
        let of_other = |(_, offered): &(u16, Option<Offered>)| {
            offered.as_ref().and_then(Offered::why) == Some(NOT_TLS)
        };
        self.versions.len() >= 2 && self.versions.iter().all(of_other)
    }

    /// Why no hello was answered, as with [`is_nobody`](Self::is_nobody); over a stream an alert is an answer.
    pub(super) fn is_mute(&self) -> Option<&str> {
        let reasons = self.versions.iter();
        let mut reasons = reasons.filter_map(|(_, offered)| offered.as_ref()?.why());
        let is_alerted = reasons.any(|why| why.starts_with("alert "));
        self.is_nobody().filter(|_| !is_alerted)
    }

    /// The newest version before TLS 1.3.
    pub(super) fn newest_older(&self) -> Option<u16> {
        let versions = VERSIONS.iter().map(|(code, _)| *code);
        versions
            .filter(|code| *code <= TLS_1_2)
            .find(|code| self.offers(*code))
    }

    pub(super) fn suites_of(&self, version: u16) -> &[u16] {
        let found = self.suites.iter().find(|suites| suites.version == version);
        found.map_or(&[], |suites| &suites.accepted.codes)
    }

    /// Whether something could not be found out.
    pub(super) fn is_complete(&self) -> bool {
        let orders = self.suites.iter().map(|suites| suites.order.why());
        let known = |offered: &Offered| offered.why().is_none();
        self.versions
            .iter()
            .filter_map(|(_, offered)| offered.as_ref())
            .all(known)
            && self.facts.iter().all(|(_, offered)| known(offered))
            && self.forms.iter().all(|(_, offered)| known(offered))
            && self.lists().all(|list| list.unknown.is_none())
            && orders.into_iter().all(|why| why.is_none())
            && self.primes().all(|bits| bits.is_ok())
            && !matches!(self.ssl2_ciphers, Some(Err(_)))
    }

    /// The primes of DHE.
    pub(super) fn primes(&self) -> impl Iterator<Item = &Result<usize, String>> {
        self.dh_bits.iter().chain(&self.dh_bits_export)
    }

    /// What a server says to something that it is asked about by name.
    pub(super) fn fact(&self, name: &str) -> Option<&Offered> {
        let mut facts = self.facts.iter();
        facts.find_map(|(fact, offered)| (*fact == name).then_some(offered))
    }

    /// All that was found by elimination.
    pub(super) fn lists(&self) -> impl Iterator<Item = &Accepted> {
        self.suites
            .iter()
            .map(|suites| &suites.accepted)
            .chain(self.groups.iter().map(|(_, groups)| groups))
            .chain(&self.schemes)
    }
}

fn is_all(suites: &[u16], is: impl Fn(Suite) -> bool) -> bool {
    let mut suites = suites.iter();
    suites.all(|code| Suite::of(*code).is_some_and(&is))
}

/// Asks everything.
pub(super) async fn all(prober: &mut Prober) -> Seen {
    let mut seen = Seen {
        over: prober.over,
        ..Seen::default()
    };
    prober.versions(&mut seen).await;
    if seen.is_of_another_protocol() {
        return seen;
    }
    if prober.over == Over::Stream {
        let (offered, ciphers) = prober.ssl2(&seen).await;
        seen.versions.push((ssl2::VERSION, Some(offered)));
        seen.ssl2_ciphers = ciphers;
    }
    for (version, _) in VERSIONS {
        if seen.offers(version) {
            let suites = prober.suites(version).await;
            seen.suites.push(suites);
        }
    }
    if seen.offers(TLS_1_3) {
        let groups = prober.groups_of_1_3().await;
        seen.groups.push((TLS_1_3, groups));
    }
    if let Some(version) = seen.newest_older() {
        prober.of_older(version, &mut seen).await;
    }
    seen.cookies = prober.cookies.clone();
    seen
}

impl Prober {
    pub(super) fn hello(&self, version: u16, suites: &[u16]) -> Hello {
        Hello {
            version,
            suites: suites.to_vec(),
            groups: match version {
                TLS_1_3 => codes::groups(),
                // One with groups of finite fields would have to have DHE of them (RFC 7919 §4).
                _ => codes::curves(),
            },
            schemes: codes::SCHEMES.to_vec(),
            deflate: false,
            extras: false,
            server_name: self.server_name(),
            shape: Shape::default(),
        }
    }

    async fn versions(&mut self, seen: &mut Seen) {
        for (version, _) in self.over.versions() {
            let version = *version;
            let mut offered = self.version(version).await;
            // OpenSSL 3 has older versions, but as a rule no signature that it lets itself make in them: it says that
            // something went wrong. If TLS 1.2, which is asked for in the same way, still goes well, it is the version.
            if version < TLS_1_2
                && offered == Offered::Unknown(alert(INTERNAL_ERROR))
                && seen.offers(TLS_1_2)
                && self.version(TLS_1_2).await == Offered::Yes
            {
                offered = Offered::No;
            }
            seen.versions.push((version, Some(offered)));
            // It is not asked what else it does not speak.
            if seen.is_of_another_protocol() {
                break;
            }
        }
    }

    async fn version(&mut self, version: u16) -> Offered {
        let suites = match version {
            TLS_1_3 => codes::new_suites(),
            _ => codes::older_suites(),
        };
        // A server that wants other suites is asked about these.
        for chunk in suites.chunks(CHUNK) {
            let hello = self.hello(version, chunk);
            match self.ask(&hello, Needs::Hello).await {
                Outcome::Hello(hello) => return Offered::of(hello.version == version),
                Outcome::Alert(PROTOCOL_VERSION) => return Offered::No,
                Outcome::Alert(code) if declines(code) => {}
                Outcome::Alert(code) => return Offered::Unknown(alert(code)),
                Outcome::Unknown(why) => return Offered::Unknown(why),
            }
        }
        Offered::No
    }

    /// Whether SSL 2 is spoken, and with which ciphers. A server that closes at a hello that is none of TLS has declined it, if it
    /// answers others.
    async fn ssl2(&mut self, seen: &Seen) -> (Offered, Option<Result<Vec<ssl2::Cipher>, String>>) {
        let answers = |(_, offered): &(u16, Option<Offered>)| *offered == Some(Offered::Yes);
        let offered = match self.ask_ssl2().await {
            Ok(ssl2::Answer::Hello(ciphers)) => {
                return (Offered::Yes, Some(ciphers.map_err(str::to_owned)));
            }
            Ok(ssl2::Answer::Alert(INTERNAL_ERROR)) => Offered::Unknown(alert(INTERNAL_ERROR)),
            Ok(ssl2::Answer::Error | ssl2::Answer::Alert(_)) => Offered::No,
            Ok(ssl2::Answer::Closed) if seen.versions.iter().any(answers) => Offered::No,
            Ok(ssl2::Answer::Closed) => {
                Offered::Unknown("closed or reset, as all other hellos were".to_owned())
            }
            Err(why) => Offered::Unknown(why),
        };
        (offered, None)
    }

    /// Leaves away what was chosen until nothing is, or what stands `behind`.
    async fn eliminate(
        &mut self,
        mut left: Vec<u16>,
        behind: Option<u16>,
        needs: Needs,
        hello: impl Fn(&Self, &[u16]) -> Hello,
        chosen: impl Fn(&ServerHello) -> Option<u16>,
    ) -> Accepted {
        let mut accepted = Accepted::default();
        while !left.is_empty() {
            let hello = hello(self, &left);
            let answer = match self.ask(&hello, needs).await {
                Outcome::Hello(answer) if answer.version == hello.version => answer,
                // What is left would be spoken with in another version, or not at all.
                Outcome::Hello(_) => break,
                Outcome::Alert(code) if declines(code) => break,
                Outcome::Alert(code) => {
                    accepted.unknown = Some(alert(code));
                    break;
                }
                Outcome::Unknown(why) => {
                    accepted.unknown = Some(why);
                    break;
                }
            };
            let Some(code) = chosen(&answer) else {
                accepted.unknown = Some("the answer does not say which was chosen".to_owned());
                break;
            };
            if behind == Some(code) {
                break;
            }
            let Some(place) = left.iter().position(|left| *left == code) else {
                accepted.broken = Some(code);
                break;
            };
            left.remove(place);
            accepted.codes.push(code);
        }
        accepted
    }

    async fn suites(&mut self, version: u16) -> Suites {
        let all = match version {
            TLS_1_3 => codes::new_suites(),
            _ => codes::older_suites(),
        };
        let mut accepted = Accepted::default();
        for chunk in all.chunks(CHUNK) {
            let part = self
                .eliminate(
                    chunk.to_vec(),
                    None,
                    Needs::Hello,
                    |prober, left| prober.hello(version, left),
                    |hello| Some(hello.suite),
                )
                .await;
            accepted.codes.extend(part.codes);
            accepted.broken = accepted.broken.or(part.broken);
            accepted.unknown = accepted.unknown.or(part.unknown);
        }
        // It was spoken with one of them a moment ago.
        if accepted.codes.is_empty() && accepted.broken.is_none() {
            let none = || "the version was spoken, and then none of its suites".to_owned();
            accepted.unknown.get_or_insert_with(none);
        }
        let order = self.order(version, &accepted.codes).await;
        Suites {
            version,
            order,
            accepted,
        }
    }

    async fn order(&mut self, version: u16, accepted: &[u16]) -> Order {
        match self.order_of(version, accepted).await {
            Ok(order) => order,
            Err(why) => Order::Unknown(why),
        }
    }

    /// An error says why it is not known.
    async fn order_of(&mut self, version: u16, accepted: &[u16]) -> Result<Order, String> {
        let is_chacha = |code: &u16| codes::suite_name(*code).contains("CHACHA20");
        let (chacha, mut others): (Vec<u16>, Vec<u16>) =
            accepted.iter().partition(|code| is_chacha(code));
        let first_of = async |prober: &mut Self, suites: &[u16]| {
            let hello = prober.hello(version, suites);
            let answer = prober.ask(&hello, Needs::Hello).await.hello()?;
            Ok::<_, String>(answer.suite)
        };
        // Two of another key exchange or certificate than ChaCha20 tell it as well.
        if others.len() < 2 {
            return Ok(Order::None);
        }
        let forward = first_of(self, &others).await?;
        others.reverse();
        let backward = first_of(self, &others).await?;
        if forward != backward {
            return Ok(Order::Client);
        }
        if chacha.is_empty() {
            return Ok(Order::Server);
        }
        let last = first_of(self, &[&others[..], &chacha].concat()).await?;
        let first = first_of(self, &[&chacha[..], &others].concat()).await?;
        Ok(match is_chacha(&first) && !is_chacha(&last) {
            true => Order::ServerChachaFirst,
            false => Order::Server,
        })
    }

    async fn groups_of_1_3(&mut self) -> Accepted {
        let hello = |prober: &Self, left: &[u16]| Hello {
            groups: left.to_vec(),
            ..prober.hello(TLS_1_3, &codes::new_suites())
        };
        let chosen = |hello: &ServerHello| hello.group;
        self.eliminate(codes::groups(), None, Needs::Hello, hello, chosen)
            .await
    }

    async fn groups_of_older(&mut self, version: u16, suites: &[u16]) -> Accepted {
        let with = |prober: &Self, left: &[u16], behind: &[u16]| Hello {
            groups: [left, behind].concat(),
            ..prober.hello(version, suites)
        };
        let all = codes::curves();
        let alone = |prober: &Self, left: &[u16]| with(prober, left, &[]);
        let chosen = |hello: &ServerHello| hello.group;
        let mut groups = self
            .eliminate(all.clone(), None, Needs::Flight, alone, chosen)
            .await;
        let Some(last) = groups.codes.last().copied() else {
            return groups;
        };
        if groups.unknown.is_some() || groups.broken.is_some() {
            return groups;
        }
        // A certificate is of no use to a client that has not its curve (RFC 8422 §5.1): the last one may have ended it
        // for that reason. Nobody has a certificate on x25519 and what came after it.
        let is_curve_needed = last < 0x001d && is_all(suites, Suite::has_curve_certificate);
        let curves = match is_curve_needed {
            true => self.curves_of_certificate(version, suites).await,
            false => Ok(Vec::new()),
        };
        if curves.as_ref().is_ok_and(|curves| !curves.contains(&last)) {
            return groups;
        }
        // So it stays, behind the others. A server that takes it all the same prefers it to them, and agrees on none of
        // them with whom it has a certificate for.
        let left = all
            .into_iter()
            .filter(|group| !groups.codes.contains(group))
            .collect();
        let before = |prober: &Self, left: &[u16]| with(prober, left, &[last]);
        let more = self
            .eliminate(left, Some(last), Needs::Flight, before, chosen)
            .await;
        groups.unknown = more.unknown.or_else(|| {
            let why = curves.err()?;
            let name = codes::group_name(last);
            more.codes.is_empty().then(|| {
                format!("the certificate may be of {name}, which ends the list; which it is of is not known: {why}")
            })
        });
        groups.codes.extend(more.codes);
        groups.broken = more.broken;
        groups
    }

    /// The curves that a client has to have for the certificates that are shown with these suites.
    async fn curves_of_certificate(
        &mut self,
        version: u16,
        suites: &[u16],
    ) -> Result<Vec<u16>, String> {
        let chain = self.chain(version, suites).await?;
        let curves = chain.iter().map(|der| certificate::curve(der));
        let curves: Option<Vec<_>> = curves.collect();
        let unread = || "a certificate has a key that cannot be read".to_owned();
        Ok(curves.ok_or_else(unread)?.into_iter().flatten().collect())
    }

    /// The certificates that a server shows before it knows who asks, which is so before TLS 1.3: nobody has proved
    /// anything with them. There is one at least.
    pub(super) async fn chain(
        &mut self,
        version: u16,
        suites: &[u16],
    ) -> Result<Vec<CertificateDer<'static>>, String> {
        let shows = |code: &u16| Suite::of(*code).is_some_and(Suite::has_certificate);
        let mut suites: Vec<_> = suites.iter().copied().filter(shows).collect();
        suites.truncate(CHUNK);
        if suites.is_empty() {
            return Err("no suite has certificates".to_owned());
        }
        let hello = self.hello(version, &suites);
        let answer = self.ask(&hello, Needs::Flight).await.hello()?;
        let chain: Vec<_> = answer.chain.into_iter().map(CertificateDer::from).collect();
        match chain.is_empty() {
            true => Err("the answer has no certificate that can be read".to_owned()),
            false => Ok(chain),
        }
    }

    /// What is asked in the newest version before TLS 1.3.
    async fn of_older(&mut self, version: u16, seen: &mut Seen) {
        let suites = seen.suites_of(version).to_vec();
        let those = |is: &dyn Fn(Suite) -> bool| -> Vec<u16> {
            let suites = suites.iter().copied();
            suites
                .filter(|code| Suite::of(*code).is_some_and(is))
                .collect()
        };
        let curves = those(&|suite| suite.exchange() == Exchange::Curve);
        let fields = those(&|suite| suite.exchange() == Exchange::Field);
        if !curves.is_empty() && version > 0x0300 {
            let groups = self.groups_of_older(version, &curves).await;
            seen.groups.push((version, groups));
        }
        // Those for export have a prime of their own, and a server that has others prefers these.
        let is_export = |code: &u16| Weakness::Export.is_of(*code);
        let (export, usual): (Vec<u16>, Vec<u16>) = fields.into_iter().partition(is_export);
        seen.dh_bits = self.prime(version, &usual).await;
        seen.dh_bits_export = self.prime(version, &export).await;
        let signed = those(&Suite::is_signed);
        if version == TLS_1_2 && !signed.is_empty() {
            let hello = |prober: &Self, left: &[u16]| Hello {
                schemes: left.to_vec(),
                ..prober.hello(version, &signed)
            };
            let (all, chosen) = (codes::SCHEMES.to_vec(), |hello: &ServerHello| hello.scheme);
            let schemes = self
                .eliminate(all, None, Needs::Flight, hello, chosen)
                .await;
            seen.schemes = Some(schemes);
        }
        let cbc = those(&|suite| suite.has("_CBC_"));
        self.extras(version, &suites, &cbc, seen).await;
        let fallback = self.fallback(seen).await;
        seen.facts
            .extend(fallback.map(|offered| ("fallback_scsv", offered)));
    }

    /// How long the prime is with these suites. `None`: there are none.
    async fn prime(&mut self, version: u16, suites: &[u16]) -> Option<Result<usize, String>> {
        if suites.is_empty() {
            return None;
        }
        let hello = self.hello(version, suites);
        let answer = self.ask(&hello, Needs::Flight).await.hello();
        let unread = || "the answer has no prime that can be read".to_owned();
        Some(answer.and_then(|answer| answer.prime_bits.ok_or_else(unread)))
    }

    /// What servers echo.
    async fn extras(&mut self, version: u16, suites: &[u16], cbc: &[u16], seen: &mut Seen) {
        let hello = Hello {
            deflate: true,
            extras: version > 0x0300,
            ..self.hello(
                version,
                suites.get(..suites.len().min(CHUNK)).unwrap_or_default(),
            )
        };
        let answer = self.ask(&hello, Needs::Flight).await;
        let said = |is: &dyn Fn(&ServerHello) -> bool| match &answer {
            Outcome::Hello(hello) => Offered::of(is(hello)),
            Outcome::Alert(code) => Offered::Unknown(alert(*code)),
            Outcome::Unknown(why) => Offered::Unknown(why.clone()),
        };
        let echoed = |code: u16| move |hello: &ServerHello| hello.extensions.contains(&code);
        seen.facts.extend([
            ("compression", said(&|hello| hello.compression != 0)),
            ("secure_renegotiation", said(&echoed(0xff01))),
            (
                "client_certificate_asked_for",
                said(&|hello| hello.asks_for_certificate),
            ),
        ]);
        if version > 0x0300 {
            seen.facts.extend([
                ("session_tickets", said(&echoed(35))),
                ("extended_master_secret", said(&echoed(23))),
                ("heartbeat", said(&echoed(15))),
            ]);
            if self.over == Over::Datagrams {
                seen.facts.push(("connection_id", said(&echoed(54))));
            }
            if let Some(first) = cbc
                .get(..cbc.len().min(CHUNK))
                .filter(|first| !first.is_empty())
            {
                // Other suites have nothing to encrypt first (RFC 7366 §3).
                let hello = Hello {
                    extras: true,
                    ..self.hello(version, first)
                };
                let offered = match self.ask(&hello, Needs::Hello).await {
                    Outcome::Hello(hello) => Offered::of(hello.extensions.contains(&22)),
                    Outcome::Alert(code) => Offered::Unknown(alert(code)),
                    Outcome::Unknown(why) => Offered::Unknown(why),
                };
                seen.facts.push(("encrypt_then_mac", offered));
            }
        }
    }

    /// Whether a client is stopped that was made to take an older version than it could (RFC 7507). `None`: there is
    /// only one version.
    async fn fallback(&mut self, seen: &Seen) -> Option<Offered> {
        let versions = VERSIONS.iter().map(|(code, _)| *code);
        let older = versions.filter(|code| seen.offers(*code)).nth(1)?;
        let mut suites = seen.suites_of(older).to_vec();
        suites.truncate(CHUNK);
        suites.push(FALLBACK);
        let hello = self.hello(older, &suites);
        Some(match self.ask(&hello, Needs::Hello).await {
            Outcome::Hello(_) => Offered::No,
            Outcome::Alert(INAPPROPRIATE_FALLBACK) => Offered::Yes,
            Outcome::Alert(code) => Offered::Unknown(alert(code)),
            Outcome::Unknown(why) => Offered::Unknown(why),
        })
    }
}

#[cfg(test)]
mod tests;
