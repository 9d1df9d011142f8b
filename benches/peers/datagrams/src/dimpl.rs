//! dimpl, on the same AWS-LC. What it gives out is borrowed from one buffer, so a datagram is copied once on its way.

use std::sync::Arc;
use std::time::Instant;

use dimpl::{Config, Dtls, DtlsCertificate, Output};
use portcullis_benches::datagrams::{Failure, Pair};
use portcullis_benches::pki::Pki;

pub(crate) struct Dimpl {
    client: Dtls,
    server: Dtls,
    out: Vec<u8>,
    datagram: Vec<u8>,
}

/// Takes all that an end has to say to the other one; whether it is connected, and how long the messages are that came.
fn carry(
    from: &mut Dtls,
    to: &mut Dtls,
    out: &mut [u8],
    datagram: &mut Vec<u8>,
) -> Result<(bool, usize, bool), Failure> {
    let (mut is_connected, mut length, mut has_sent) = (false, 0, false);
    loop {
        match from.poll_output(out) {
            Output::Packet(packet) => {
                datagram.clear();
                datagram.extend_from_slice(packet);
                to.handle_packet(datagram)?;
                has_sent = true;
            }
            Output::Connected => is_connected = true,
            Output::ApplicationData(data) => length += data.len(),
            Output::Timeout(_) => return Ok((is_connected, length, has_sent)),
            Output::BufferTooSmall { needed } => return Err(format!("{needed} bytes").into()),
            _ => {}
        }
    }
}

impl Dimpl {
    pub(crate) fn connected(pki: &Pki) -> Result<Self, Failure> {
        let certificate = |identity: &portcullis_benches::pki::Identity| DtlsCertificate {
            certificate: identity.certificate.clone(),
            private_key: identity.key.clone(),
        };
        let suites = [dimpl::crypto::Dtls13CipherSuite::AES_128_GCM_SHA256];
        let config = Config::builder()
            .dtls13_cipher_suites(&suites)
            .mtu(1_400)
            .use_server_cookie(false)
            .require_client_certificate(false)
            .build()?;
        let (config, now) = (Arc::new(config), Instant::now());
        let mut client = Dtls::new_13(config.clone(), certificate(&pki.client), now);
        let mut server = Dtls::new_13(config, certificate(&pki.ecdsa_p256), now);
        client.set_active(true);
        let (mut out, mut datagram) = (vec![0; 1 << 14], Vec::new());
        client.handle_timeout(now)?;
        server.handle_timeout(now)?;
        let mut connected = [false; 2];
        for _ in 0..20 {
            let (is_connected, ..) = carry(&mut client, &mut server, &mut out, &mut datagram)?;
            connected[0] |= is_connected;
            let (is_connected, ..) = carry(&mut server, &mut client, &mut out, &mut datagram)?;
            connected[1] |= is_connected;
        }
        if connected != [true; 2] {
            return Err("dimpl is not connected".into());
        }
        Ok(Self {
            client,
            server,
            out,
            datagram,
        })
    }
}

impl Pair for Dimpl {
    fn pass(&mut self, message: &[u8]) -> Result<usize, Failure> {
        self.client.send_application_data(message)?;
        let (out, datagram) = (&mut self.out, &mut self.datagram);
        carry(&mut self.client, &mut self.server, out, datagram)?;
        let (_, length, _) = carry(&mut self.server, &mut self.client, out, datagram)?;
        Ok(length)
    }
}
