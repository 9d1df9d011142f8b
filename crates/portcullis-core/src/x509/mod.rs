//! Certificates: who the peer is and who we are.
//!
//! A [`PresentedChain`] is what a peer sent; only the verifier turns it into a
//! [`VerifiedChain`]. An [`Identity`] is our own chain with its key; [`Roots`] are the
//! authorities that are trusted.

mod authority;
mod cache;
pub(crate) mod certificate;
mod certificate_policies;
mod chain;
mod complete;
mod ct;
#[cfg(feature = "finite-field")]
mod dh_parameters;
mod digests;
mod error;
mod explain;
mod extension;
mod host_name;
mod host_name_rules;
mod identity;
mod memo;
mod name;
mod names;
mod ocsp;
mod oid_filters;
mod path;
mod pem;
mod pem_identity;
mod policy;
mod present;
mod presented;
mod raw_key;
mod revocation;
mod roots;
mod select;
mod sentence;
mod signature_algorithm;
mod signatures;
mod signed_path;
mod staple;
#[cfg(feature = "os-roots")]
mod system_roots;
mod through;
mod time;
mod verify;
mod walk;

#[cfg(test)]
pub(crate) mod tests;

pub use certificate_policies::CertificatePolicies;
pub(crate) use chain::check_length;
pub use chain::{MAX_CERTIFICATES, PresentedChain, VerifiedChain};
pub use ct::{CtLogs, Sct, SctError, SctSource};
#[cfg(feature = "finite-field")]
pub use dh_parameters::DhParameters;
pub(crate) use digests::{EndPoint, LeafDigests, Sha256Digest};
pub use error::{CertificateError, CertificateErrorKind, Purpose};
pub use host_name_rules::{HostNameRules, NameMatch, PresentedName, Reference};
pub use identity::{Identity, IdentityKey};
pub(crate) use identity::{kind_of_issuer, kinds_of_keys, what_keys_lack};
pub(crate) use memo::SignatureMemo;
pub use names::{SubjectAltName, general_names, subject, subject_alt_names, whole_subject};
pub(crate) use ocsp::Staples;
pub use ocsp::{
    MAX_OCSP_RESPONSE, OcspError, OcspPolicy, OcspStatus, OcspVerdict, ocsp_request,
    ocsp_responders, verify_ocsp_response,
};
pub use oid_filters::CertificateFilter;
#[doc(hidden)]
pub use pem::certificates as pem_certificates;
#[doc(hidden)]
pub use pem::shown as shown_path;
pub use pem_identity::PemIdentity;
pub use policy::ChainPolicy;
pub(crate) use present::Form;
pub(crate) use presented::{Kind as PresentedKind, PeerProof, Presented};
pub use raw_key::{RawKeys, RawPublicKey, VerifiedRawKey};
pub use revocation::{
    Crl, CrlCheck, CrlError, CrlQuery, CrlQueryKind, RevocationCheck, RevocationReason,
    crl_issuer_hash,
};
pub use roots::Roots;
pub(crate) use signed_path::SignedPath;
pub(crate) use staple::Staple;
pub(crate) use verify::{
    check_agreement, check_encipherment, check_key_length, check_key_usage, verify_chain,
};
pub use verify::{verify_client, verify_server};
pub use walk::{
    CertificateExtension, ChainWalk, Finding, Gate, Interest, Judgement, PathStart, Pending,
    WalkStep,
};

#[doc(hidden)]
pub use names::is_unseen;

#[doc(hidden)]
pub use crate::crypto::open_encrypted;
pub use crate::crypto::{PrivateKey, SignError};

pub(crate) use {
    select::{AcceptedTypes, Within, choose, choose_unsigned},
    signature_algorithm::server_end_point,
};
