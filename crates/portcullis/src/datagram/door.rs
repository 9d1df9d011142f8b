//! Where clients come in: who may, and with which configuration.

use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex};

use portcullis_core::config::ServerConfig;
use portcullis_core::{Admission, CookiePolicy, Gate, Misuse};
use rustls_pki_types::UnixTime;
use tokio::sync::mpsc;

use super::acceptor::DtlsAcceptor;
use super::ech_front::DtlsEchFront;
use super::link::Path;
use super::listener::DtlsIncoming;
use super::options::DtlsOptions;
use super::passages::Passages;
use crate::accept::Addresses;
use crate::acceptor::TlsAcceptor;
use crate::answers::Questions;
use crate::error::Error;
use crate::log_level::log_at;

/// Where clients come in.
pub(super) struct Door {
    pub(super) gate: Gate,
    pub(super) acceptor: TlsAcceptor,
    /// The acceptor's configuration, as handshakes over datagrams take it, and which one that was.
    pub(super) config: ServerConfig,
    generation: u64,
    pub(super) options: DtlsOptions,
    pub(super) addresses: Arc<Mutex<Addresses>>,
    pub(super) queue: mpsc::Sender<DtlsIncoming>,
    /// Who is served by others.
    pub(super) front: Option<DtlsEchFront>,
}

pub(super) fn prepared(acceptor: &TlsAcceptor) -> Result<(ServerConfig, u64), Misuse> {
    let generation = acceptor.config.generation();
    let config = acceptor.config.current();
    let config = acceptor.conduct.server_config(&config, Questions::none())?;
    Ok((config.for_datagrams()?, generation))
}

pub(super) fn refuse_fallback(acceptor: &TlsAcceptor) -> Result<(), Misuse> {
    match acceptor.conduct.plaintext_fallback {
        true => Err(Misuse::new(
            "plaintext_fallback: over datagrams nothing is given back; leave it out there",
        )),
        false => Ok(()),
    }
}

impl Door {
    pub(super) fn new(
        acceptor: &DtlsAcceptor,
        cookies: CookiePolicy,
    ) -> Result<(Self, mpsc::Receiver<DtlsIncoming>), Error> {
        let DtlsAcceptor {
            tls: acceptor,
            options,
            cookie_secret: secret,
            front,
        } = acceptor.clone();
        options.check()?;
        refuse_fallback(&acceptor)?;
        let (config, generation) = prepared(&acceptor)?;
        let (queue, incoming) = mpsc::channel(options.handshakes);
        let mut gate = Gate::new(&config, cookies)?.decryptions(options.decryptions);
        if let Some(secret) = secret {
            gate = gate.cookie_secret(secret, UnixTime::now().into());
        }
        if let Some(front) = &front {
            front.check(cookies, config.decrypts_hellos())?;
            gate = gate.in_front();
        }
        let door = Self {
            gate,
            acceptor,
            config,
            generation,
            options,
            addresses: Addresses::new(options.per_address),
            queue,
            front,
        };
        Ok((door, incoming))
    }

    pub(super) fn passages(&self) -> Option<Passages> {
        let front = self.front.as_ref()?;
        let handshake = self.acceptor.conduct.handshake_timeout;
        Some(Passages::new(handshake, front.idle))
    }

    /// Looks whether there is another configuration by now. One that does not do for datagrams changes nothing.
    pub(super) fn reload(&mut self) {
        if self.acceptor.config.generation() == self.generation {
            return;
        }
        match prepared(&self.acceptor) {
            Ok((config, generation)) => {
                self.generation = generation;
                if self.gate.replace_config(&config).is_ok() {
                    self.config = config;
                }
            }
            Err(error) => {
                self.generation = self.acceptor.config.generation();
                let log = self.acceptor.conduct.log;
                log_at!(log, WARN, %error, "DTLS goes on with the configuration before");
            }
        }
    }
}

/// Whose handshake it is: a server in front may have said so.
pub(super) fn client_of(admission: &Admission, path: Path) -> SocketAddr {
    let client = admission.fronted_client().and_then(address);
    client.unwrap_or(path.peer)
}

/// The address that was given to a gate so.
pub(super) fn address(bytes: &[u8]) -> Option<SocketAddr> {
    let (ip, port) = bytes.split_first_chunk::<16>()?;
    let port = u16::from_be_bytes(port.try_into().ok()?);
    let ip = std::net::Ipv6Addr::from(*ip);
    Some((ip.to_canonical(), port).into())
}

/// An address as the gate knows it.
pub(super) fn bytes(address: SocketAddr) -> [u8; 18] {
    let ip = match address.ip() {
        IpAddr::V4(ip) => ip.to_ipv6_mapped(),
        IpAddr::V6(ip) => ip,
    };
    let mut bytes = [0; 18];
    let both = ip.octets().into_iter().chain(address.port().to_be_bytes());
    bytes.iter_mut().zip(both).for_each(|(to, from)| *to = from);
    bytes
}
