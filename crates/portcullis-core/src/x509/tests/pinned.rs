//! What is not of an authority is trusted for itself alone.

use rcgen::date_time_ymd;

use super::*;
use crate::AlertDescription;
use crate::x509::CertificateErrorKind as Kind;

const HOST: &str = "www.example.com";

/// Somebody has the key of a certificate that is pinned.
struct Holder {
    certificate: CertificateDer<'static>,
    issuer: Issuer<'static, KeyPair>,
}

impl Holder {
    fn of(params: CertificateParams, issuer: Option<&Ca>) -> Self {
        let key = KeyPair::generate().unwrap();
        let certificate = match issuer {
            Some(ca) => params.signed_by(&key, &ca.issuer),
            None => params.self_signed(&key),
        };
        Self {
            certificate: certificate.unwrap().der().clone(),
            issuer: Issuer::new(params, key),
        }
    }

    fn issue(&self, params: CertificateParams) -> CertificateDer<'static> {
        let key = KeyPair::generate().unwrap();
        params.signed_by(&key, &self.issuer).unwrap().der().clone()
    }
}

/// Not of an authority, each for another reason.
fn no_authorities() -> Vec<CertificateParams> {
    let of = |change: &dyn Fn(&mut CertificateParams)| {
        let mut params = leaf_params(&[HOST]);
        change(&mut params);
        params
    };
    vec![
        of(&|params| params.is_ca = IsCa::NoCa),
        of(&|params| params.is_ca = IsCa::ExplicitNoCa),
        of(&|params| params.key_usages.clear()),
        // keyCertSign counts only with cA, and cA only with keyCertSign.
        of(&|params| params.key_usages.push(KeyUsagePurpose::KeyCertSign)),
        of(&|params| params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained)),
    ]
}

#[test]
fn who_has_the_key_of_a_pinned_certificate_can_issue_nothing() {
    let other = Ca::root("other");
    for (at, params) in no_authorities().into_iter().enumerate() {
        for issuer in [None, Some(&other)] {
            let holder = Holder::of(params.clone(), issuer);
            let own = std::slice::from_ref(&holder.certificate);
            let policy = ChainPolicy::new(roots(own));
            server(own, HOST, &policy).unwrap();
            client(own, &policy).unwrap();
            let mut sub = ca_params("sub");
            sub.key_usages.push(KeyUsagePurpose::DigitalSignature);
            let key = KeyPair::generate().unwrap();
            let certificate = sub.signed_by(&key, &holder.issuer).unwrap();
            let sub = Holder {
                certificate: certificate.der().clone(),
                issuer: Issuer::new(sub, key),
            };
            for chain in [
                vec![holder.issue(leaf_params(&["bank.example"]))],
                vec![
                    holder.issue(leaf_params(&["bank.example"])),
                    holder.certificate.clone(),
                ],
                vec![
                    sub.issue(leaf_params(&["bank.example"])),
                    sub.certificate.clone(),
                    holder.certificate.clone(),
                ],
            ] {
                let as_server = server(&chain, "bank.example", &policy).unwrap_err();
                let as_client = client(&chain, &policy).unwrap_err();
                assert_eq!(as_server.kind(), as_client.kind(), "{at}");
                let long = chain.len() > 1;
                match as_server.kind() {
                    Kind::PinnedIssuer { issuer } if !long => assert_eq!(issuer, "CN=leaf"),
                    Kind::PinnedIssuer { .. } | Kind::WrongBasicConstraints if long => {}
                    Kind::IssuerKeyUsage if long => {}
                    kind => panic!("{at}: {kind:?}"),
                }
                if !long {
                    assert_eq!(as_server.alert(), AlertDescription::UNKNOWN_CA);
                    assert_eq!(
                        as_server.to_string(),
                        "the peer's certificate (CN=leaf) was issued by CN=leaf, which is trusted \
                         for itself alone because it is not a CA (basicConstraints, keyUsage): \
                         reissue that one as a CA, or add this one to the roots"
                    );
                }
            }
        }
    }
}

/// Once a chain through it was good: as long as an authority had the same name and key.
#[test]
fn the_memo_does_not_make_a_pinned_certificate_an_authority() {
    let key = KeyPair::generate().unwrap();
    let authority = ca_params("leaf").self_signed(&key).unwrap().der().clone();
    let pinned = leaf_params(&[HOST])
        .self_signed(&key)
        .unwrap()
        .der()
        .clone();
    let issuer = Issuer::new(ca_params("leaf"), &key);
    let leaf_key = KeyPair::generate().unwrap();
    let leaf = leaf_params(&[HOST]).signed_by(&leaf_key, &issuer).unwrap();
    let chain = [leaf.der().clone()];
    let trusting = ChainPolicy::new(roots(&[authority]));
    server(&chain, HOST, &trusting).unwrap();
    let pinning = ChainPolicy::new(roots(std::slice::from_ref(&pinned)));
    let pinning = pinning.memo(trusting.memo.clone());
    server(std::slice::from_ref(&pinned), HOST, &pinning).unwrap();
    let error = server(&chain, HOST, &pinning).unwrap_err();
    assert!(
        matches!(
            error.kind(),
            Kind::SelfSigned { .. } | Kind::PinnedIssuer { .. }
        ),
        "{error:?}"
    );
}

#[test]
fn a_pinned_certificate_of_an_unknown_issuer_is_accepted_as_it_is() {
    let unknown = Ca::root("unknown");
    let pin = |change: &dyn Fn(&mut CertificateParams)| {
        let mut params = leaf_params(&[HOST]);
        change(&mut params);
        let own = unknown.leaf(params);
        let policy = ChainPolicy::new(roots(&[Ca::root("other").der(), own.clone()]));
        (own, policy)
    };
    let kind = |change: &dyn Fn(&mut CertificateParams)| {
        let (own, policy) = pin(change);
        // Twice: the second time the memo knows the leaf.
        let first = server(std::slice::from_ref(&own), HOST, &policy);
        let second = server(&[own], HOST, &policy);
        assert_eq!(first.is_ok(), second.is_ok());
        second.map(|_| ()).map_err(|error| error.kind().clone())
    };
    assert_eq!(kind(&|_| ()), Ok(()));
    assert!(matches!(
        kind(&|params| params.not_after = date_time_ymd(2020, 1, 1)),
        Err(Kind::Expired { .. })
    ));
    assert!(matches!(
        kind(&|params| params.not_before = date_time_ymd(2100, 1, 1)),
        Err(Kind::NotYetValid { .. })
    ));
    assert!(matches!(
        kind(&|params| params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth]),
        Err(Kind::WrongPurpose { .. })
    ));
    let (own, policy) = pin(&|_| ());
    let error = server(&[own], "other.example", &policy).unwrap_err();
    assert!(matches!(error.kind(), Kind::NameMismatch { .. }));
    // It ends while it is remembered.
    let (own, policy) = pin(&|params| params.not_after = date_time_ymd(2028, 1, 1));
    server(std::slice::from_ref(&own), HOST, &policy).unwrap();
    let chain = PresentedChain::new(vec![own]).unwrap();
    let later = UnixTime::since_unix_epoch(Duration::from_secs(1_900_000_000));
    let error = verify_server(&chain, &name(HOST), later, &policy).unwrap_err();
    assert!(matches!(error.kind(), Kind::Expired { .. }));
    // Another one of the same issuer is not it.
    let another = unknown.leaf(leaf_params(&[HOST]));
    let error = server(&[another], HOST, &policy).unwrap_err();
    assert_eq!(
        error.kind(),
        &Kind::UnknownIssuer {
            issuer: "CN=unknown".to_owned(),
            trust_anchors: 2
        }
    );
}

#[test]
fn roots_are_anchors_or_pinned() {
    let ca = Ca::root("ca");
    let intermediate = ca.intermediate("intermediate");
    let leaf = ca.leaf(leaf_params(&[HOST]));
    let another = ca.leaf(leaf_params(&[HOST]));
    let mut all = roots(&[intermediate.der(), leaf.clone(), another, leaf]);
    assert_eq!(all.len(), 3);
    // An intermediate is an anchor. Who issued what is pinned helps a client to choose.
    let mut subjects: Vec<Vec<u8>> = all.subjects().map(<[u8]>::to_vec).collect();
    subjects.sort();
    assert_eq!(subjects.len(), 2);
    assert!(subjects[0].ends_with(b"ca") && subjects[1].ends_with(b"intermediate"));
    let below = [intermediate.leaf(leaf_params(&[HOST]))];
    server(&below, HOST, &ChainPolicy::new(all.clone())).unwrap();
    all.add_der(ca.der()).unwrap();
    assert_eq!(all.len(), 4);
}
