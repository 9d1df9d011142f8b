//! What programs share that measure messages through sockets.

use std::future::Future;
use std::time::Duration;

use cpu_time::ThreadTime;
use portcullis::pki_types::PrivateKeyDer;
use portcullis::{Identity, ServerConfig, TlsAcceptor};

use super::Failure;
use crate::pki::Pki;

/// How many messages are sent before they are read: they have room in the system's queue.
pub const TOGETHER: usize = 64;

/// A server with a certificate for ECDSA.
///
/// # Errors
/// When it cannot be configured.
pub fn acceptor(pki: &Pki) -> Result<TlsAcceptor, Failure> {
    let identity = &pki.ecdsa_p256;
    let key = PrivateKeyDer::Pkcs8(identity.key.clone().into());
    let identity = Identity::from_der(vec![identity.certificate.clone().into()], &key)?;
    let config = ServerConfig::builder().identity(identity).build()?;
    Ok(TlsAcceptor::new(config))
}

/// The time that a future takes of the processor, whatever else the runtime does meanwhile.
pub async fn timed<T>(spent: &mut Duration, work: impl Future<Output = T>) -> T {
    let start = ThreadTime::now();
    let done = work.await;
    *spent += start.elapsed();
    done
}
