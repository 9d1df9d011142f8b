//! A small PKI made on the spot, and what is promised about chains and identities.
//!
//! | trap of a walk | its test |
//! |---|---|
//! | a leaf issues another certificate | `walk::a_leaf_is_no_issuer` |
//! | version 1, in the middle and as an anchor; the gate is no wider | `walk::a_version_1_certificate_is_an_anchor_and_no_intermediate` |
//! | an override hides a later fault, or excuses name and dates | `listen::an_override_hides_no_later_fault`, `listen::an_unknown_ca_that_is_accepted_excuses_nothing_else` |
//! | an overridden walk counts as verified on resumption; a walk answers another question; nobody answers | `portcullis`: `chain_answers::{an_override_is_not_resumed_where_nobody_overrides, a_walk_is_an_answer_to_its_own_question, a_function_that_never_answers_ends_with_the_timeout}` |
//! | the first of two candidates is no good | `walk::the_second_path_is_tried`, `listen::each_candidate_begins_anew`, `paths::key_identifiers_that_fit_come_first` |
//! | circles, many of one name, many names and constraints | `walk::no_walk_is_expensive`, `paths::no_chain_is_expensive`, `verification::circles_of_names_are_cheap` |
//! | wildcards and constraints | `walk::wildcards_and_constraints`, `walk::a_common_name_is_no_way_around_constraints` |
//! | the extended key usage of a CA | `walk::extended_key_usage_of_every_certificate` |
//! | a common name, a NUL, an address as a DNS name or in 16 bytes | `verification::names_are_looked_for_in_the_subject_alt_name_only`, `hostile::names_that_only_look_like_the_one_that_is_wanted`, `host_names::a_function_sees_names_as_they_stand_there` |
//! | many intermediates, one of them forged | `walk::long_paths`, `reports::a_bad_signature_is_found` |
//! | a good response against a list that revokes; its responder revoked; what was accepted excuses a list | `revocation_judged::{a_list_that_revokes_counts_against_a_good_response, a_responder_whose_certificate_was_revoked_answers_for_nobody, what_was_accepted_excuses_no_list, of_an_unknown_authority_lists_are_asked_for_in_memory}` |
//! | remembered, and meanwhile expired, of a stricter policy or revoked | `memo::everything_but_the_signature_is_examined_anew`, `signed_path::{everything_else_is_examined_anew, a_signature_by_a_short_key_is_forgotten_at_once}`, `revocation::a_chain_is_looked_for_from_the_anchor_down` |

mod differential;
mod encrypted_keys;
mod host_names;
mod hostile;
mod identities;
mod intermediates;
mod listen;
pub(crate) mod memo;
mod mutations;
mod ocsp;
pub(crate) mod ocsp_responses;
mod paths;
mod pem;
mod pinned;
mod policies;
mod reader;
mod reports;
mod revocation;
mod revocation_judged;
mod revocation_lists;
mod roots;
mod signed_path;
mod timestamps;
mod told;
mod verification;
mod walk;

use std::time::Duration;

use rcgen::{
    BasicConstraints, Certificate, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa,
    Issuer, KeyPair, KeyUsagePurpose, RsaKeySize, SignatureAlgorithm,
};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};

use super::{
    CertificateError, ChainPolicy, PresentedChain, Roots, VerifiedChain, verify_client,
    verify_server,
};

/// 2027-01-15; rcgen's certificates are valid from 1975 to 4096.
const NOW: UnixTime = UnixTime::since_unix_epoch(Duration::from_secs(1_800_000_000));

/// A CA, whose certificate was made by itself or by another one.
pub(crate) struct Ca {
    certificate: Certificate,
    issuer: Issuer<'static, KeyPair>,
}

impl Ca {
    pub(crate) fn root(name: &str) -> Self {
        Self::root_with(name, &rcgen::PKCS_ECDSA_P256_SHA256)
    }

    fn root_with(name: &str, algorithm: &'static SignatureAlgorithm) -> Self {
        let key = key_for(algorithm);
        let params = ca_params(name);
        Self {
            certificate: params.self_signed(&key).unwrap(),
            issuer: Issuer::new(params, key),
        }
    }

    fn intermediate(&self, name: &str) -> Self {
        self.intermediate_from(ca_params(name))
    }

    fn intermediate_from(&self, params: CertificateParams) -> Self {
        let key = KeyPair::generate().unwrap();
        Self {
            certificate: params.signed_by(&key, &self.issuer).unwrap(),
            issuer: Issuer::new(params, key),
        }
    }

    fn leaf(&self, params: CertificateParams) -> CertificateDer<'static> {
        self.leaf_with_key(params, &KeyPair::generate().unwrap())
    }

    pub(crate) fn leaf_with_key(
        &self,
        params: CertificateParams,
        key: &KeyPair,
    ) -> CertificateDer<'static> {
        params.signed_by(key, &self.issuer).unwrap().der().clone()
    }

    pub(crate) fn der(&self) -> CertificateDer<'static> {
        self.certificate.der().clone()
    }
}

fn key_for(algorithm: &'static SignatureAlgorithm) -> KeyPair {
    if algorithm == &rcgen::PKCS_RSA_SHA256 {
        KeyPair::generate_rsa_for(algorithm, RsaKeySize::_2048).unwrap()
    } else {
        KeyPair::generate_for(algorithm).unwrap()
    }
}

fn named(common_name: &str, names: &[&str]) -> CertificateParams {
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    let mut params = CertificateParams::new(names).unwrap();
    params.distinguished_name = rcgen::DistinguishedName::new();
    params
        .distinguished_name
        .push(DnType::CommonName, common_name);
    params
}

fn ca_params(name: &str) -> CertificateParams {
    let mut params = named(name, &[]);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    params
}

fn leaf_params(names: &[&str]) -> CertificateParams {
    let mut params = named("leaf", names);
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![
        ExtendedKeyUsagePurpose::ServerAuth,
        ExtendedKeyUsagePurpose::ClientAuth,
    ];
    params
}

fn roots(certificates: &[CertificateDer<'static>]) -> Roots {
    let mut roots = Roots::empty();
    for certificate in certificates {
        roots.add_der(certificate.clone()).unwrap();
    }
    roots
}

fn trusting(ca: &Ca) -> ChainPolicy {
    ChainPolicy::new(roots(&[ca.der()]))
}

fn name(text: &str) -> ServerName<'_> {
    ServerName::try_from(text).unwrap()
}

fn server(
    chain: &[CertificateDer<'static>],
    host: &str,
    policy: &ChainPolicy,
) -> Result<VerifiedChain, CertificateError> {
    let chain = PresentedChain::new(chain.to_vec())?;
    verify_server(&chain, &name(host), NOW, policy)
}

fn client(
    chain: &[CertificateDer<'static>],
    policy: &ChainPolicy,
) -> Result<VerifiedChain, CertificateError> {
    verify_client(&PresentedChain::new(chain.to_vec())?, NOW, policy)
}

fn pkcs8(key: &KeyPair) -> PrivateKeyDer<'static> {
    PrivateKeyDer::Pkcs8(key.serialize_der().into())
}
