//! A listener in front of other servers: whom it passes hellos on to that it has decrypted.
//!
//! RFC 9849 §3.1 (split mode).

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use portcullis_core::{ClientHelloView, CookiePolicy, CookieSecret, Misuse};

type Route = dyn Fn(&ClientHelloView) -> Option<SocketAddr> + Send + Sync;

/// Over datagrams what [`EchFront`](crate::EchFront) is over a stream: a [`DtlsListener`](crate::DtlsListener) with it
/// ([`DtlsAcceptor::ech_front`](crate::DtlsAcceptor::ech_front)) decrypts hellos (RFC 9849), and passes those on that are for
/// servers behind it, with all datagrams that follow, both ways. All others are its own clients, and are accepted as
/// without it: it has the same keys, and tells clients of them that have others.
///
/// It asks for a cookie before it decides anything, so of an address that may be forged it keeps nothing, and sends
/// it less than twice what has come from there. So that it can, the servers behind have the same [`CookieSecret`]
/// ([`DtlsAcceptor::cookie_secret`](crate::DtlsAcceptor::cookie_secret)), and a configuration with
/// [`ech_backend`](crate::config::ServerConfigBuilder::ech_backend): they go on where the cookie was asked for. Suites and
/// groups are chosen by the listener's configuration, so they need those, too. In the cookie is the client's address, by which
/// they count ([`DtlsIncoming::fronted_client`](crate::DtlsIncoming::fronted_client)). Between them and the listener has to be
/// something that others cannot read or write, a private network or a tunnel: what was hidden stands in the clear there.
///
/// Each client that is passed on has a socket here, of which a server sees the address. A server that has agreed on a
/// connection id is found by it when the client goes on from another address: it sees that as a move, and has to ask the
/// new address ([`Migration::Verify`](crate::Migration), the default) before it follows. Ids that it gives later are not known
/// here, nor are those at other listeners of [`bind_many`](crate::DtlsListener::bind_many). The length of ids of the
/// listener's own clients ([`DtlsOptions::connection_ids`](crate::DtlsOptions::connection_ids)) may be another.
///
/// ```no_run
/// use portcullis::{CookieSecret, DtlsAcceptor, DtlsEchFront, DtlsListener};
///
/// # async fn serve(own: portcullis::TlsAcceptor) -> Result<(), Box<dyn std::error::Error>> {
/// // At all of them.
/// let seed = std::fs::read("cookie.key")?;
/// let secret = CookieSecret::new([&seed[..]])?;
/// let behind = "10.0.0.7:4433".parse()?;
/// let front = DtlsEchFront::new(secret, move |hello| match hello.server_name() {
///     Some("secret.example") => Some(behind),
///     // A client of this server.
///     _ => None,
/// });
/// // Its configuration has `ech_keys`, and an identity for their public name.
/// let acceptor = DtlsAcceptor::new(own).ech_front(front);
/// let listener = DtlsListener::bind("0.0.0.0:4433", acceptor).await?;
/// loop {
///     let incoming = listener.accept().await?;
///     tokio::spawn(async move { incoming.handshake().await });
/// }
/// # }
/// ```
#[derive(Clone)]
pub struct DtlsEchFront {
    pub(super) secret: CookieSecret,
    pub(super) route: Arc<Route>,
    pub(super) clients: usize,
    pub(super) idle: Duration,
    pub(super) longest: usize,
}

impl DtlsEchFront {
    /// `route` says to which server a client goes, by what it says to it; without one it is the listener's own. It is called
    /// in the listener's task, so it may not block.
    pub fn new(
        secret: CookieSecret,
        route: impl Fn(&ClientHelloView) -> Option<SocketAddr> + Send + Sync + 'static,
    ) -> Self {
        Self {
            secret,
            route: Arc::new(route),
            clients: 4_096,
            idle: Duration::from_secs(600),
            longest: 1_200,
        }
    }

    /// How many clients are passed on at once, each with a socket. 1 to 65,536; 4,096 by default. Of those of one address there
    /// are as many as [`DtlsOptions::per_address`](crate::DtlsOptions::per_address) says. Whoever comes besides is not answered,
    /// and asks again by itself.
    #[must_use]
    pub fn clients(mut self, at_once: usize) -> Self {
        self.clients = at_once;
        self
    }

    /// How long neither side may say anything before a client is forgotten: 10 milliseconds to 30 years, 10 minutes by
    /// default. That is noticed up to an eighth of it later, and at most a minute. A client that goes on speaking while its
    /// server is silent is forgotten after six times as long. A handshake has the
    /// [time](crate::TlsAcceptor::handshake_timeout) of the listener's own.
    #[must_use]
    pub fn idle_timeout(mut self, limit: Duration) -> Self {
        self.idle = limit;
        self
    }

    /// The most bytes of a datagram with a hello for a server behind: 256 to 65,000, 1,200 by default. What follows is
    /// as long as its sender makes it.
    #[must_use]
    pub fn mtu(mut self, bytes: usize) -> Self {
        self.longest = bytes;
        self
    }

    pub(super) fn check(&self, cookies: CookiePolicy, decrypts: bool) -> Result<(), Misuse> {
        let refused = |why: &str| Err(Misuse::new(format!("ech_front: {why}")));
        if !decrypts {
            return refused(
                "the listener's configuration decrypts nothing; give it the keys with `ech_keys`",
            );
        }
        if cookies != CookiePolicy::Always {
            return refused(
                "a client that is passed on has to have shown that it reads at its address; leave `cookies` at `Always`",
            );
        }
        if !(1..=65_536).contains(&self.clients) {
            return refused("clients: 1 to 65,536 can be passed on at once");
        }
        if self.idle < Duration::from_millis(10) {
            return refused("idle_timeout: it is less than 10 ms");
        }
        if !(256..=65_000).contains(&self.longest) {
            return refused("mtu: a datagram has 256 to 65,000 bytes");
        }
        Ok(())
    }
}

impl fmt::Debug for DtlsEchFront {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DtlsEchFront")
            .field("clients", &self.clients)
            .field("idle", &self.idle)
            .finish_non_exhaustive()
    }
}
