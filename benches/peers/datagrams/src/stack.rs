//! What is BoringSSL's own ([`crate::pair`]).

use boring::ssl::{Ssl, SslContextBuilder, SslOptions, SslVersion};
use portcullis_benches::datagrams::Failure;

pub(crate) const CIPHER: &str = "TLS_AES_128_GCM_SHA256";

pub(crate) fn set_up(context: &mut SslContextBuilder) -> Result<(), Failure> {
    context.set_min_proto_version(Some(SslVersion::DTLS1_3))?;
    context.set_max_proto_version(Some(SslVersion::DTLS1_3))?;
    context.set_curves_list("X25519")?;
    context.set_options(SslOptions::NO_TICKET);
    Ok(())
}

/// It takes datagrams for as long as they usually can be.
pub(crate) fn set_mtu(_ssl: &mut Ssl) -> Result<(), Failure> {
    Ok(())
}
