//! BoringSSL. Its BIO wants each datagram copied in and out, as a system call would.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::io::{self, Read, Write};
use std::rc::Rc;

use boring::pkey::PKey;
use boring::ssl::{
    HandshakeError, MidHandshakeSslStream, Ssl, SslContext, SslMethod, SslOptions, SslStream,
    SslVerifyMode, SslVersion,
};
use boring::x509::X509;
use boring::x509::store::X509StoreBuilder;
use portcullis_benches::pki::{Pki, SERVER_NAME};

use crate::{Failure, Pair};

/// Datagrams that are under way in one direction, and buffers that are free.
#[derive(Default)]
struct Wire {
    sent: VecDeque<Vec<u8>>,
    free: Vec<Vec<u8>>,
}

struct End {
    from: Rc<RefCell<Wire>>,
    to: Rc<RefCell<Wire>>,
}

impl Read for End {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let mut wire = self.from.borrow_mut();
        let datagram = wire.sent.pop_front().ok_or(io::ErrorKind::WouldBlock)?;
        let length = datagram.len().min(out.len());
        out[..length].copy_from_slice(&datagram[..length]);
        wire.free.push(datagram);
        Ok(length)
    }
}

impl Write for End {
    fn write(&mut self, datagram: &[u8]) -> io::Result<usize> {
        let mut wire = self.to.borrow_mut();
        let mut buffer = wire.free.pop().unwrap_or_default();
        buffer.clear();
        buffer.extend_from_slice(datagram);
        wire.sent.push_back(buffer);
        Ok(datagram.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

enum Side {
    Under(MidHandshakeSslStream<End>),
    Connected(SslStream<End>),
}

impl Side {
    fn of(begun: Result<SslStream<End>, HandshakeError<End>>) -> Result<Self, Failure> {
        match begun {
            Ok(stream) => Ok(Self::Connected(stream)),
            Err(HandshakeError::WouldBlock(under)) => Ok(Self::Under(under)),
            Err(error) => Err(error.to_string().into()),
        }
    }

    fn turn(self) -> Result<Self, Failure> {
        match self {
            Self::Under(under) => Self::of(under.handshake()),
            connected => Ok(connected),
        }
    }
}

pub(crate) struct Boring {
    client: SslStream<End>,
    server: SslStream<End>,
    out: Vec<u8>,
}

impl Boring {
    pub(crate) fn connected(pki: &Pki) -> Result<Self, Failure> {
        let mut client = SslContext::builder(SslMethod::dtls())?;
        let mut server = SslContext::builder(SslMethod::dtls())?;
        for context in [&mut client, &mut server] {
            context.set_min_proto_version(Some(SslVersion::DTLS1_3))?;
            context.set_max_proto_version(Some(SslVersion::DTLS1_3))?;
            context.set_curves_list("X25519")?;
            context.set_options(SslOptions::NO_TICKET);
        }
        let mut store = X509StoreBuilder::new()?;
        store.add_cert(X509::from_der(&pki.root)?)?;
        client.set_cert_store(store.build());
        client.set_verify(SslVerifyMode::PEER);
        server.set_certificate(&*X509::from_der(&pki.ecdsa_p256.certificate)?)?;
        server.set_private_key(&*PKey::private_key_from_pkcs8(&pki.ecdsa_p256.key)?)?;
        let [up, down] = [(); 2].map(|()| Rc::new(RefCell::new(Wire::default())));
        let mut ssl = Ssl::new(&client.build())?;
        ssl.param_mut().set_host(SERVER_NAME)?;
        let of_client = End {
            from: down.clone(),
            to: up.clone(),
        };
        let mut client = Side::of(ssl.connect(of_client))?;
        let of_server = End { from: up, to: down };
        let mut server = Side::of(Ssl::new(&server.build())?.accept(of_server))?;
        for _ in 0..10 {
            client = client.turn()?;
            server = server.turn()?;
        }
        let (Side::Connected(client), Side::Connected(server)) = (client, server) else {
            return Err("BoringSSL is not connected".into());
        };
        let cipher = client.ssl().current_cipher().map(|cipher| cipher.name());
        if cipher != Some("TLS_AES_128_GCM_SHA256") {
            return Err(format!("BoringSSL has {cipher:?}").into());
        }
        Ok(Self {
            client,
            server,
            out: vec![0; 1 << 14],
        })
    }
}

impl Pair for Boring {
    fn pass(&mut self, message: &[u8]) -> Result<usize, Failure> {
        self.client.ssl_write(message)?;
        Ok(self.server.ssl_read(&mut self.out)?)
    }
}
