//! The machine of the project, without Tokio.

use std::io::IoSlice;
use std::time::{Duration, SystemTime};

use portcullis_core::config::{ClientConfig, ServerConfig};
use portcullis_core::question::Question;
use portcullis_core::suite::CipherSuite;
use portcullis_core::x509::{Identity, Roots};
use portcullis_core::{
    Admission, Control, DatagramConnection, DatagramOptions, Handshake, Monotonic, NamedGroup, Now,
    ProtocolVersion, Received, Step,
};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, ServerName, UnixTime};

use super::{Failure, Pair};
use crate::pki::{Pki, SERVER_NAME};

/// The time of the day, and the one that timers have.
pub(super) fn now(monotonic: Duration) -> Now {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    Now {
        wall: UnixTime::since_unix_epoch(since.unwrap_or_default()),
        monotonic: Monotonic(monotonic),
    }
}

/// Where nothing is lost, nobody waits.
const START: Duration = Duration::ZERO;

enum Side {
    Handshake(Box<Handshake>),
    Connected(Box<DatagramConnection>),
}

impl Side {
    /// What it has to say.
    fn turn(&mut self) -> Result<Vec<Vec<u8>>, Failure> {
        let mut sent = Vec::new();
        loop {
            match self {
                Self::Handshake(handshake) => match handshake.poll()? {
                    Step::Transmit(datagram) => sent.push(datagram),
                    Step::Ask(question) => {
                        handshake.answer(Question::default_answer(question), now(START))?;
                    }
                    Step::Connected => {
                        let connection = handshake.take_datagram_connection();
                        *self = Self::Connected(Box::new(connection?));
                    }
                    Step::Wait { .. } => return Ok(sent),
                    _ => {}
                },
                Self::Connected(connection) => {
                    let mut out = vec![0; connection.writer.control_len()];
                    match connection
                        .writer
                        .poll_control(now(START).monotonic, &mut out)?
                    {
                        Control::Transmit(length) => sent.push(out[..length].to_vec()),
                        Control::Wait { .. } => return Ok(sent),
                    }
                }
            }
        }
    }

    fn receive(&mut self, mut datagram: Vec<u8>) -> Result<(), Failure> {
        match self {
            Self::Handshake(handshake) => handshake.receive(&datagram, now(START)),
            Self::Connected(connection) => {
                let mut records = connection.reader.open(&mut datagram, now(START).monotonic);
                while records.next()?.is_some() {}
            }
        }
        Ok(())
    }
}

/// Both sides' configurations.
#[derive(Debug)]
pub struct Prepared {
    pub(super) client: ClientConfig,
    pub(super) server: ServerConfig,
}

/// Connected.
#[derive(Debug)]
pub struct Portcullis {
    client: Box<DatagramConnection>,
    server: Box<DatagramConnection>,
    datagram: Vec<u8>,
}

impl Prepared {
    /// This version with this suite, and X25519: before TLS 1.3 the curve of the certificate has to be among the groups, too.
    ///
    /// # Errors
    /// When the version does not have the suite.
    pub fn new(pki: &Pki, version: ProtocolVersion, suite: CipherSuite) -> Result<Self, Failure> {
        let root = CertificateDer::from(pki.root.clone());
        let key = PrivatePkcs8KeyDer::from(pki.ecdsa_p256.key.clone());
        let identity = Identity::from_der(
            vec![pki.ecdsa_p256.certificate.clone().into()],
            &PrivateKeyDer::Pkcs8(key),
        )?;
        let mut roots = Roots::empty();
        roots.add_der(root)?;
        let client = ClientConfig::builder(roots)
            .versions([version])
            .cipher_suites([suite])
            .groups([NamedGroup::X25519, NamedGroup::SECP256R1])
            .build()?;
        let server = ServerConfig::builder()
            .identity(identity)
            .versions([version])
            .cipher_suites([suite])
            .groups([NamedGroup::X25519, NamedGroup::SECP256R1])
            .resumption(false)
            .build()?;
        Ok(Self { client, server })
    }

    /// A full handshake without a cookie.
    ///
    /// # Errors
    /// When it fails.
    pub fn connect(&self) -> Result<Portcullis, Failure> {
        let (client, server) = (self.client.clone(), self.server.clone());
        let (name, options) = (
            ServerName::try_from(SERVER_NAME)?,
            DatagramOptions::default(),
        );
        let client = Handshake::datagram_client(client, name, Vec::new(), options, now(START))?;
        let mut client = Side::Handshake(Box::new(client));
        let hello = client.turn()?.pop().ok_or("no hello")?;
        let admission = Admission::without_cookie(hello);
        let server = Handshake::datagram_server(server, admission, options, now(START))?;
        let mut server = Side::Handshake(Box::new(server));
        loop {
            let mut is_silent = true;
            for datagram in server.turn()? {
                is_silent = false;
                client.receive(datagram)?;
            }
            for datagram in client.turn()? {
                is_silent = false;
                server.receive(datagram)?;
            }
            if is_silent {
                break;
            }
        }
        let (Side::Connected(client), Side::Connected(server)) = (client, server) else {
            return Err("not connected".into());
        };
        Ok(Portcullis {
            client,
            server,
            datagram: Vec::new(),
        })
    }
}

impl Pair for Portcullis {
    fn pass(&mut self, message: &[u8]) -> Result<usize, Failure> {
        let writer = &mut self.client.writer;
        self.datagram.resize(writer.sealed_len(message.len()), 0);
        let length = writer.seal(&[IoSlice::new(message)], &mut self.datagram)?;
        let datagram = &mut self.datagram[..length];
        let mut records = self.server.reader.open(datagram, Monotonic(Duration::ZERO));
        match records.next()? {
            Some(Received::Data(message)) => Ok(message.len()),
            other => Err(format!("no message: {other:?}").into()),
        }
    }
}
