//! OpenSSL. Its BIO wants each datagram copied in and out, as a system call would.

use openssl::pkey::PKey;
use openssl::ssl::{
    HandshakeError, MidHandshakeSslStream, Ssl, SslContext, SslMethod, SslOptions, SslStream,
    SslVerifyMode, SslVersion,
};
use openssl::x509::X509;
use openssl::x509::store::X509StoreBuilder;
use portcullis_benches::datagrams::{End, Failure, Pair};
use portcullis_benches::pki::{Pki, SERVER_NAME};

const CIPHER: &str = "ECDHE-ECDSA-AES128-GCM-SHA256";
/// Of a datagram; it cannot ask the BIO.
const MTU: u32 = 1_400;

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

pub(crate) struct Prepared {
    client: SslContext,
    server: SslContext,
}

pub(crate) struct OpenSsl {
    client: SslStream<End>,
    server: SslStream<End>,
    out: Vec<u8>,
}

impl Prepared {
    pub(crate) fn new(pki: &Pki) -> Result<Self, Failure> {
        let mut client = SslContext::builder(SslMethod::dtls())?;
        let mut server = SslContext::builder(SslMethod::dtls())?;
        for context in [&mut client, &mut server] {
            context.set_min_proto_version(Some(SslVersion::DTLS1_2))?;
            context.set_max_proto_version(Some(SslVersion::DTLS1_2))?;
            context.set_cipher_list(CIPHER)?;
            context.set_groups_list("X25519:P-256")?;
            context.set_options(SslOptions::NO_TICKET | SslOptions::NO_QUERY_MTU);
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
    pub(crate) fn connect(&self) -> Result<OpenSsl, Failure> {
        let [of_client, of_server] = End::both();
        let mut ssl = Ssl::new(&self.client)?;
        ssl.param_mut().set_host(SERVER_NAME)?;
        ssl.set_mtu(MTU)?;
        let mut client = Side::of(ssl.connect(of_client))?;
        let mut ssl = Ssl::new(&self.server)?;
        ssl.set_mtu(MTU)?;
        let mut server = Side::of(ssl.accept(of_server))?;
        while !matches!((&client, &server), (Side::Connected(_), Side::Connected(_))) {
            client = client.turn()?;
            server = server.turn()?;
        }
        let (Side::Connected(client), Side::Connected(server)) = (client, server) else {
            return Err("OpenSSL is not connected".into());
        };
        let cipher = client.ssl().current_cipher().map(|cipher| cipher.name());
        if cipher != Some(CIPHER) {
            return Err(format!("OpenSSL has {cipher:?}").into());
        }
        Ok(OpenSsl {
            client,
            server,
            out: vec![0; 1 << 14],
        })
    }
}

impl Pair for OpenSsl {
    fn pass(&mut self, message: &[u8]) -> Result<usize, Failure> {
        self.client.ssl_write(message)?;
        Ok(self.server.ssl_read(&mut self.out)?)
    }
}
