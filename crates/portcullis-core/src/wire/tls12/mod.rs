//! The handshake messages that TLS 1.2 has and TLS 1.3 has not, or has in another form.
//!
//! RFC 5246 §7.4, RFC 8422 §5, RFC 5077 §3.3, RFC 6066 §8. Older versions have two of them in a form of their own
//! ([`tls10`](super::tls10)). CertificateVerify and Finished look the
//! same in both and stand beside this folder, as the hellos do. What ServerKeyExchange and
//! ClientKeyExchange consist of depends on the cipher suite, so they are read by a form.

mod certificate;
mod certificate_request;
mod certificate_status;
mod client_key_exchange;
mod hello_request;
mod new_session_ticket;
mod next_protocol;
mod raw_public_key;
mod server_hello_done;
mod server_key_exchange;

pub use certificate::{Asn1Cert, Certificate};
pub use certificate_request::{CertificateRequest, ClientCertificateType};
pub use certificate_status::CertificateStatus;
pub use client_key_exchange::{
    ClientKeyExchange, ClientKeyExchangeForm, ClientShare, ClientShareForm,
};
pub use hello_request::HelloRequest;
pub use new_session_ticket::NewSessionTicket;
pub use next_protocol::NextProtocol;
pub use raw_public_key::RawPublicKeyCertificate;
pub use server_hello_done::ServerHelloDone;
pub use server_key_exchange::{
    ServerDhParams, ServerEcdhParams, ServerKeyExchange, ServerKeyExchangeForm, ServerParams,
    ServerParamsForm, ServerSignature, ServerSrpParams, SignatureForm,
};

#[cfg(test)]
mod tests;
