//! What is OpenSSL's own ([`crate::pair`]).

use openssl::ssl::{Ssl, SslContextBuilder, SslOptions, SslVersion};
use portcullis_benches::datagrams::Failure;

pub(crate) const CIPHER: &str = "ECDHE-ECDSA-AES128-GCM-SHA256";
/// Of a datagram; it cannot ask the BIO.
const MTU: u32 = 1_400;

pub(crate) fn set_up(context: &mut SslContextBuilder) -> Result<(), Failure> {
    context.set_min_proto_version(Some(SslVersion::DTLS1_2))?;
    context.set_max_proto_version(Some(SslVersion::DTLS1_2))?;
    context.set_cipher_list(CIPHER)?;
    context.set_groups_list("X25519:P-256")?;
    context.set_options(SslOptions::NO_TICKET | SslOptions::NO_QUERY_MTU);
    Ok(())
}

pub(crate) fn set_mtu(ssl: &mut Ssl) -> Result<(), Failure> {
    Ok(ssl.set_mtu(MTU)?)
}
