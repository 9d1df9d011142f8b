//! Private keys that stay in a hardware module, or in what stands in for one.
//!
//! PKCS#11 (Cryptoki 2.40 and 3.x), URIs by RFC 7512. A [`Pkcs11Key`] is opened by its URI, makes an
//! [`Identity`](portcullis::Identity) of a chain, and signs; a [`Pkcs11Signer`] answers for one or several of them
//! in a handshake. What the module does may block, so it is done on threads of this crate's own, with a queue that has an
//! end and a time for each operation.
//!
//! ```no_run
//! use portcullis::{ServerConfig, TlsAcceptor};
//! use portcullis_pkcs11::{Pkcs11Key, Pkcs11Signer};
//!
//! # async fn example(chain: Vec<portcullis::CertificateDer<'static>>) -> Result<(), Box<dyn std::error::Error>> {
//! let uri = "pkcs11:token=web;object=server?module-path=/usr/lib/softhsm/libsofthsm2.so&pin-source=/run/pin";
//! let key = Pkcs11Key::builder(uri.parse()?).open().await?;
//! let identity = key.identity(chain).await?;
//! let config = ServerConfig::builder().identity(identity.clone()).build()?;
//! let acceptor = TlsAcceptor::new(config).answers(Pkcs11Signer::new(identity, key));
//! # Ok(())
//! # }
//! ```

#![forbid(unsafe_code)]

mod error;
mod key;
mod mechanism;
mod pin;
mod signer;
mod token;
mod uri;
mod worker;

pub use error::TokenError;
pub use key::{Builder, Pkcs11Key};
pub use signer::Pkcs11Signer;
pub use uri::Pkcs11Uri;
