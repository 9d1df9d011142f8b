//! Two ends of OpenSSL, or of BoringSSL, whose crates have the same names in them: `crate::library` is one of the two, and
//! `crate::stack` says what is its own. Its BIO wants each datagram copied in and out, as a system call would.

use portcullis_benches::datagrams::{End, Failure, Pair};
use portcullis_benches::pki::{Pki, SERVER_NAME};

use crate::library::pkey::PKey;
use crate::library::ssl::{
    HandshakeError, MidHandshakeSslStream, Ssl, SslContext, SslMethod, SslStream, SslVerifyMode,
};
use crate::library::x509::X509;
use crate::library::x509::store::X509StoreBuilder;
use crate::stack;

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

/// Both sides' contexts.
pub(crate) struct Prepared {
    client: SslContext,
    server: SslContext,
}

pub(crate) struct Connected {
    client: SslStream<End>,
    server: SslStream<End>,
    out: Vec<u8>,
}

impl Prepared {
    pub(crate) fn new(pki: &Pki) -> Result<Self, Failure> {
        let mut client = SslContext::builder(SslMethod::dtls())?;
        let mut server = SslContext::builder(SslMethod::dtls())?;
        for context in [&mut client, &mut server] {
            stack::set_up(context)?;
        }
        let mut store = X509StoreBuilder::new()?;
        store.add_cert(X509::from_der(&pki.root)?)?;
        client.set_cert_store(store.build());
        client.set_verify(SslVerifyMode::PEER);
        let certificate = X509::from_der(&pki.ecdsa_p256.certificate)?;
        server.set_certificate(&certificate)?;
        let key = PKey::private_key_from_pkcs8(&pki.ecdsa_p256.key)?;
        server.set_private_key(&key)?;
        Ok(Self {
            client: client.build(),
            server: server.build(),
        })
    }

    /// A full handshake without a cookie.
    pub(crate) fn connect(&self) -> Result<Connected, Failure> {
        let [of_client, of_server] = End::both();
        let mut ssl = Ssl::new(&self.client)?;
        ssl.param_mut().set_host(SERVER_NAME)?;
        stack::set_mtu(&mut ssl)?;
        let mut client = Side::of(ssl.connect(of_client))?;
        let mut ssl = Ssl::new(&self.server)?;
        stack::set_mtu(&mut ssl)?;
        let mut server = Side::of(ssl.accept(of_server))?;
        while !matches!((&client, &server), (Side::Connected(_), Side::Connected(_))) {
            client = client.turn()?;
            server = server.turn()?;
        }
        let (Side::Connected(client), Side::Connected(server)) = (client, server) else {
            return Err("not connected".into());
        };
        let cipher = client.ssl().current_cipher().map(|cipher| cipher.name());
        if cipher != Some(stack::CIPHER) {
            return Err(format!("the cipher is {cipher:?}").into());
        }
        Ok(Connected {
            client,
            server,
            out: vec![0; 1 << 14],
        })
    }
}

impl Pair for Connected {
    fn pass(&mut self, message: &[u8]) -> Result<usize, Failure> {
        self.client.ssl_write(message)?;
        Ok(self.server.ssl_read(&mut self.out)?)
    }
}
