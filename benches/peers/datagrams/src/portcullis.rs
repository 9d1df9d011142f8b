//! The machine of the project, without Tokio.

use std::io::IoSlice;
use std::time::{Duration, SystemTime};

use portcullis_benches::pki::{Pki, SERVER_NAME};
use portcullis_core::config::{ClientConfig, ServerConfig};
use portcullis_core::question::Question;
use portcullis_core::suite::CipherSuite;
use portcullis_core::x509::{Identity, Roots};
use portcullis_core::{
    Admission, Control, DatagramConnection, DatagramOptions, Handshake, Monotonic, NamedGroup, Now,
    ProtocolVersion, Received, Step,
};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, ServerName, UnixTime};

use crate::{Failure, Pair};

/// Nothing is lost, so nobody waits.
fn now() -> Now {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    Now {
        wall: UnixTime::since_unix_epoch(since.unwrap_or_default()),
        monotonic: Monotonic(Duration::ZERO),
    }
}

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
                        handshake.answer(Question::default_answer(question), now())?;
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
                    match connection.writer.poll_control(now().monotonic, &mut out)? {
                        Control::Transmit(length) => sent.push(out[..length].to_vec()),
                        Control::Wait { .. } => return Ok(sent),
                    }
                }
            }
        }
    }

    fn receive(&mut self, mut datagram: Vec<u8>) -> Result<(), Failure> {
        match self {
            Self::Handshake(handshake) => handshake.receive(&datagram, now()),
            Self::Connected(connection) => {
                let mut records = connection.reader.open(&mut datagram, now().monotonic);
                while records.next()?.is_some() {}
            }
        }
        Ok(())
    }
}

pub(crate) struct Portcullis {
    client: Box<DatagramConnection>,
    server: Box<DatagramConnection>,
    datagram: Vec<u8>,
}

impl Portcullis {
    pub(crate) fn connected(pki: &Pki) -> Result<Self, Failure> {
        let root = CertificateDer::from(pki.root.clone());
        let key = PrivatePkcs8KeyDer::from(pki.ecdsa_p256.key.clone());
        let identity = Identity::from_der(
            vec![pki.ecdsa_p256.certificate.clone().into()],
            &PrivateKeyDer::Pkcs8(key),
        )?;
        let mut roots = Roots::empty();
        roots.add_der(root)?;
        let suite = [CipherSuite::TLS_AES_128_GCM_SHA256];
        let client = ClientConfig::builder(roots)
            .versions([ProtocolVersion::TLS_1_3])
            .cipher_suites(suite)
            .groups([NamedGroup::X25519])
            .build()?;
        let server = ServerConfig::builder()
            .identity(identity)
            .versions([ProtocolVersion::TLS_1_3])
            .cipher_suites(suite)
            .groups([NamedGroup::X25519])
            .resumption(false)
            .build()?;
        let (name, options) = (
            ServerName::try_from(SERVER_NAME)?,
            DatagramOptions::default(),
        );
        let client = Handshake::datagram_client(client, name, Vec::new(), options, now())?;
        let mut client = Side::Handshake(Box::new(client));
        let hello = client.turn()?.pop().ok_or("no hello")?;
        let admission = Admission::without_cookie(hello);
        let server = Handshake::datagram_server(server, admission, options, now())?;
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
        Ok(Self {
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
