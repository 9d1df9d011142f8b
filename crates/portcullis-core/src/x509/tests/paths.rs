//! Paths: found wherever they are, and never at a price that a peer sets.

use rcgen::{CustomExtension, GeneralSubtree, NameConstraints, date_time_ymd};
use x509_parser::extensions::ParsedExtension;

use super::*;
use crate::AlertDescription;
use crate::x509::path::{MAX_PATHS, MAX_STEPS};
use crate::x509::signatures::MAX_SIGNATURES;
use crate::x509::{CertificateErrorKind as Kind, MAX_CERTIFICATES};

const HOST: &str = "www.example.com";

impl Ca {
    /// Certifies this CA once more, by another one.
    fn certified_by(&self, issuer: &Self, params: CertificateParams) -> CertificateDer<'static> {
        let certificate = params.signed_by(self.issuer.key(), &issuer.issuer);
        certificate.unwrap().der().clone()
    }
}

fn with_key_identifiers(mut params: CertificateParams) -> CertificateParams {
    params.use_authority_key_identifier_extension = true;
    params
}

/// Why a certificate of a CA cannot be on a path.
type Fault = (&'static str, fn(&mut CertificateParams));

fn faults() -> Vec<Fault> {
    vec![
        ("expired", |params| {
            params.not_after = date_time_ymd(2020, 1, 1);
        }),
        ("purpose", |params| {
            params.extended_key_usages = vec![ExtendedKeyUsagePurpose::CodeSigning];
        }),
        ("names", |params| {
            params.name_constraints = Some(NameConstraints {
                permitted_subtrees: vec![GeneralSubtree::DnsName("other.example".to_owned())],
                excluded_subtrees: vec![],
            });
        }),
        ("no CA", |params| params.is_ca = IsCa::ExplicitNoCa),
        ("key usage", |params| {
            params.key_usages = vec![KeyUsagePurpose::CrlSign];
        }),
    ]
}

/// As BetterTLS does it: three CAs that certify each other, each certified by a bridge, too. Of
/// the five ways from the leaf to the bridge one is good, and nothing says which.
#[test]
fn the_one_good_path_is_found() {
    let root = Ca::root("root");
    let bridge = root.intermediate("bridge");
    let names = ["a", "b", "c"];
    let cas = names.map(Ca::root);
    let leaf = cas[0].leaf(leaf_params(&[HOST]));
    let policy = trusting(&root);
    // Each from the leaf up; 3 is the bridge.
    let ways: [&[usize]; 5] = [
        &[0, 3],
        &[0, 1, 3],
        &[0, 2, 3],
        &[0, 1, 2, 3],
        &[0, 2, 1, 3],
    ];
    for (fault, break_it) in faults() {
        for way in ways {
            let mut chain = vec![leaf.clone(), bridge.der()];
            for (at, ca) in cas.iter().enumerate() {
                for issuer in (0..4).filter(|&issuer| issuer != at) {
                    let mut params = ca_params(names[at]);
                    if !way.windows(2).any(|edge| edge == [at, issuer]) {
                        break_it(&mut params);
                    }
                    let by = cas.get(issuer).unwrap_or(&bridge);
                    chain.push(ca.certified_by(by, params));
                }
            }
            for _ in 0..2 {
                let verdict = server(&chain, HOST, &policy);
                assert!(verdict.is_ok(), "{fault} {way:?}: {verdict:?}");
                chain[1..].reverse();
            }
        }
    }
}

/// A crowd of one name, of which one is the issuer.
#[test]
fn the_right_one_of_many_is_found() {
    let root = Ca::root("root");
    for key_identifiers in [false, true] {
        let params = || match key_identifiers {
            true => with_key_identifiers(ca_params("crowd")),
            false => ca_params("crowd"),
        };
        let crowd: Vec<Ca> = (1..MAX_CERTIFICATES)
            .map(|_| root.intermediate_from(params()))
            .collect();
        let mut chain = vec![root.der()];
        chain.extend(crowd.iter().map(Ca::der));
        for issuer in [0, 30, crowd.len() - 1] {
            let mut params = leaf_params(&[HOST]);
            params.use_authority_key_identifier_extension = key_identifiers;
            chain[0] = crowd[issuer].leaf(params);
            let policy = trusting(&root).remembered_signatures(0);
            server(&chain, HOST, &policy).unwrap();
        }
    }
}

/// What the leaf names is tried first, so that a crowd costs no signature.
#[test]
fn key_identifiers_that_fit_come_first() {
    let (root, counting) = (Ca::root("root"), memo::Counting::new());
    let crowd: Vec<Ca> = (0..20)
        .map(|_| root.intermediate_from(with_key_identifiers(ca_params("crowd"))))
        .collect();
    let mut chain = vec![crowd[19].leaf(with_key_identifiers(leaf_params(&[HOST])))];
    chain.extend(crowd.iter().map(Ca::der));
    server(&chain, HOST, &counting.policy(roots(&[root.der()]))).unwrap();
    assert_eq!(counting.verified(), 2);
    // It is a hint: the issuer is also found where the leaf names the key of another one.
    let mut lying = leaf_params(&[HOST]);
    let named = key_identifier(&crowd[3].der());
    let mut content = vec![0x30, 2 + u8::try_from(named.len()).unwrap(), 0x80];
    content.push(u8::try_from(named.len()).unwrap());
    content.extend(named);
    lying.custom_extensions = vec![CustomExtension::from_oid_content(&[2, 5, 29, 35], content)];
    chain[0] = crowd[19].leaf(lying);
    server(&chain, HOST, &counting.policy(roots(&[root.der()]))).unwrap();
    assert_eq!(counting.verified(), 20 + 1);
}

fn key_identifier(certificate: &[u8]) -> Vec<u8> {
    let (_, certificate) = x509_parser::parse_x509_certificate(certificate).unwrap();
    let found =
        certificate
            .extensions()
            .iter()
            .find_map(|extension| match extension.parsed_extension() {
                ParsedExtension::SubjectKeyIdentifier(identifier) => Some(identifier.0.to_vec()),
                _ => None,
            });
    found.unwrap()
}

#[test]
fn copies_cost_nothing() {
    let (root, counting) = (Ca::root("root"), memo::Counting::new());
    let intermediate = root.intermediate("intermediate");
    let mut chain = vec![intermediate.der(); MAX_CERTIFICATES];
    chain[0] = intermediate.leaf(leaf_params(&[HOST]));
    let policy = counting.policy(roots(&[root.der()]));
    server(&chain, HOST, &policy).unwrap();
    assert_eq!(counting.verified(), 2);
    assert_eq!(policy.memo.len(), 2);
    let error = server(&chain, HOST, &trusting(&Ca::root("other"))).unwrap_err();
    assert_eq!(
        (error.index(), error.alert()),
        (Some(1), AlertDescription::UNKNOWN_CA)
    );

    // Nor do they multiply the ways to an issuer that is not there.
    let mut cas = vec![root.intermediate("3")];
    cas.push(cas[0].intermediate("2"));
    cas.push(cas[1].intermediate("1"));
    let mut chain = vec![cas[2].leaf(leaf_params(&[HOST]))];
    for _ in 0..21 {
        chain.extend(cas.iter().map(Ca::der));
    }
    server(&chain, HOST, &trusting(&root)).unwrap();
    let error = server(&chain, HOST, &trusting(&Ca::root("other"))).unwrap_err();
    assert!(
        matches!(error.kind(), Kind::UnknownIssuer { .. }),
        "{error}"
    );
}

/// RFC 5280 §6.1.4 (n): of every intermediate, wherever it is.
#[test]
fn every_issuer_may_sign_certificates() {
    let root = Ca::root("root");
    for (fault, break_it) in faults().into_iter().skip(3) {
        for bad in 1..=3 {
            let mut cas = vec![];
            for at in (1..=3).rev() {
                let mut params = ca_params(&at.to_string());
                if at == bad {
                    break_it(&mut params);
                }
                cas.push(cas.last().unwrap_or(&root).intermediate_from(params));
            }
            let mut chain = vec![cas[2].leaf(leaf_params(&[HOST]))];
            chain.extend(cas.iter().rev().map(Ca::der));
            for error in [
                server(&chain, HOST, &trusting(&root)).unwrap_err(),
                client(&chain, &trusting(&root)).unwrap_err(),
            ] {
                let expected = match fault {
                    "no CA" => Kind::WrongBasicConstraints,
                    _ => Kind::IssuerKeyUsage,
                };
                assert_eq!((error.kind(), error.index()), (&expected, Some(bad)));
                assert_eq!(error.alert(), AlertDescription::BAD_CERTIFICATE);
            }
        }
    }
}

/// RFC 5280 §4.2.1.9, also of an anchor.
#[test]
fn paths_are_no_longer_than_their_cas_allow() {
    let limited = |name: &str, length| {
        let mut params = ca_params(name);
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(length));
        params
    };
    for length in 0..3 {
        for of_root in [true, false] {
            let key = KeyPair::generate().unwrap();
            let params = match of_root {
                true => limited("root", length),
                false => ca_params("root"),
            };
            let root = Ca {
                certificate: params.self_signed(&key).unwrap(),
                issuer: Issuer::new(params, key),
            };
            let mut cas = vec![match of_root {
                true => root.intermediate("0"),
                false => root.intermediate_from(limited("0", length)),
            }];
            for at in 1..3 {
                cas.push(cas[at - 1].intermediate(&at.to_string()));
            }
            for used in 1..=3 {
                let mut chain = vec![cas[used - 1].leaf(leaf_params(&[HOST]))];
                chain.extend(cas[..used].iter().rev().map(Ca::der));
                let below = if of_root { used } else { used - 1 };
                let verdict = server(&chain, HOST, &trusting(&root));
                let allowed = below <= usize::from(length);
                assert_eq!(verdict.is_ok(), allowed, "{length} {of_root} {used}");
                let Err(error) = verdict else { continue };
                // So many below the one that limits them; the next is one too many.
                let ca = if of_root { "CN=root" } else { "CN=0" };
                let name = usize::from(length) + usize::from(!of_root);
                let place = used - name;
                assert_eq!(
                    error.to_string(),
                    format!(
                        "certificate {} of the peer's chain (CN={name}) is one intermediate certificate too many: {ca} \
                         allows {length} below itself (pathLenConstraint); the peer needs a certificate by a CA that is nearer \
                         to {ca}",
                        place + 1,
                    )
                );
                assert_eq!(error.kind().reason(), "max_path_length_reached");
            }
        }
    }
}

/// A certificate that a CA issued to itself, to change its key, does not count (§6.1.4 (l)).
#[test]
fn what_an_anchor_issued_to_itself_does_not_count() {
    let mut params = ca_params("root");
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    let key = KeyPair::generate().unwrap();
    let root = Ca {
        certificate: params.self_signed(&key).unwrap(),
        issuer: Issuer::new(params, key),
    };
    let renewed = root.intermediate("root");
    let chain = [renewed.leaf(leaf_params(&[HOST])), renewed.der()];
    server(&chain, HOST, &trusting(&root)).unwrap();
}

/// Of the same name, certified by each other in every way.
fn mesh(
    keys: usize,
    algorithm: &'static SignatureAlgorithm,
    params: impl Fn() -> CertificateParams,
) -> (Vec<Ca>, Vec<CertificateDer<'static>>) {
    let cas: Vec<Ca> = (0..keys)
        .map(|_| Ca::root_with("crowd", algorithm))
        .collect();
    let certificates = cas
        .iter()
        .enumerate()
        .flat_map(|(at, ca)| {
            let others = cas
                .iter()
                .enumerate()
                .filter(move |(other, _)| *other != at);
            others.map(|(_, other)| ca.certified_by(other, params()))
        })
        .take(MAX_CERTIFICATES - 2)
        .collect();
    (cas, certificates)
}

/// As large as a handshake message may be: much to hash, and many names to compare with many
/// constraints.
fn large(root: &Ca) -> [(String, Vec<CertificateDer<'static>>); 3] {
    let key = KeyPair::generate().unwrap();
    let subtrees = |count: usize| {
        (0..count)
            .map(|at| GeneralSubtree::DnsName(format!("{at}.example")))
            .collect()
    };
    let crowd = |constraints: usize, padding: usize, key: Option<&KeyPair>| {
        let mut params = ca_params("crowd");
        if constraints > 0 {
            params.name_constraints = Some(NameConstraints {
                permitted_subtrees: vec![],
                excluded_subtrees: subtrees(constraints),
            });
        }
        let padding = vec![0; padding];
        params.custom_extensions = vec![CustomExtension::from_oid_content(&[1, 3, 1], padding)];
        let own = KeyPair::generate().unwrap();
        let certificate = params.signed_by(key.unwrap_or(&own), &root.issuer);
        certificate.unwrap().der().clone()
    };
    let leaf_of = |names: usize, bad: bool| {
        let mut names: Vec<String> = (0..names).map(|at| format!("{at}.test")).collect();
        names.push(if bad { "0.example" } else { HOST }.to_owned());
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let issuer = Issuer::new(ca_params("crowd"), &key);
        let leaf_key = KeyPair::generate().unwrap();
        let leaf = leaf_params(&names).signed_by(&leaf_key, &issuer).unwrap();
        leaf.der().clone()
    };
    let chain = |leaf, crowd: &dyn Fn() -> CertificateDer<'static>| {
        let mut chain = vec![leaf];
        chain.extend((1..MAX_CERTIFICATES).map(|_| crowd()));
        chain
    };
    [
        (
            "63 strangers of 3 KiB and a leaf of 60".to_owned(),
            chain(leaf_of(3_500, false), &|| crowd(0, 3_000, None)),
        ),
        (
            "1,000 names, and 62 CAs of one key with 200 constraints, the last name bad".to_owned(),
            chain(leaf_of(1_000, true), &|| crowd(200, 0, Some(&key))),
        ),
        (
            "3,000 names, and 62 CAs of one key with 90 constraints, the last name bad".to_owned(),
            chain(leaf_of(2_700, true), &|| crowd(90, 0, Some(&key))),
        ),
    ]
}

/// What this thread has had of a processor, so that what else runs does not count; elsewhere
/// than on Unix the time of day.
pub(in crate::x509::tests) fn time() -> Duration {
    #[cfg(unix)]
    {
        let used = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
        Duration::try_from(used).unwrap()
    }
    #[cfg(not(unix))]
    {
        static START: std::sync::LazyLock<std::time::Instant> =
            std::sync::LazyLock::new(std::time::Instant::now);
        START.elapsed()
    }
}

/// How long a refusal may take: 20 ms where all is optimized, as what users build (docs/performance.md has the command).
/// In the profile of the tests our own code is not, and such a limit is for what is not counted at all.
pub(in crate::x509::tests) fn longest(not_optimized: Duration) -> Duration {
    match cfg!(debug_assertions) {
        true => not_optimized,
        false => Duration::from_millis(20),
    }
}

/// Eight ways at each of three layers, which all end before 31 certificates that nobody has issued.
fn ways_that_end(extensions: usize, length: usize) -> Vec<CertificateDer<'static>> {
    let key = KeyPair::generate().unwrap();
    let named = |name: &str| format!("{name:x>length$}");
    let signed = |params: CertificateParams, by: &str| {
        let of_issuer = ca_params(&named(by));
        let issuer = Issuer::from_params(&of_issuer, &key);
        params.signed_by(&key, &issuer).unwrap().der().clone()
    };
    let mut chain = vec![signed(leaf_params(&[HOST]), "a1")];
    for at in 1..7 {
        let by = format!("a{}", at + 1);
        chain.push(signed(ca_params(&named(&format!("a{at}"))), &by));
    }
    for (name, by) in [("a7", "c"), ("c", "d"), ("d", "b"), ("b", "m"), ("m", "q")] {
        let count = match name {
            "a7" => 1,
            "m" => 31,
            _ => 8,
        };
        for _ in 0..count {
            let mut params = ca_params(&named(name));
            if name == "m" {
                let empty = || CustomExtension::from_oid_content(&[2, 5, 4, 0], vec![]);
                params.custom_extensions = (0..extensions).map(|_| empty()).collect();
            }
            chain.push(signed(params, by));
        }
    }
    chain
}

/// Whatever a peer sends: the slowest keys, names that lead everywhere, and paths that all
/// break at their end. What is bounded is counted work; the time is for a person to read.
#[test]
fn no_chain_is_expensive() {
    let trusted = Ca::root("trusted");
    let impostor = Ca::root("crowd");
    let mut limited = ca_params("limited");
    limited.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    let key = KeyPair::generate().unwrap();
    let limited = Ca {
        certificate: limited.self_signed(&key).unwrap(),
        issuer: Issuer::new(limited, key),
    };
    let mut cases = Vec::new();
    for (named, key_identifiers) in [("without", false), ("with", true)] {
        let params = || match key_identifiers {
            true => with_key_identifiers(ca_params("crowd")),
            false => ca_params("crowd"),
        };
        let leaf_of = |ca: &Ca| {
            let mut params = leaf_params(&[HOST]);
            params.use_authority_key_identifier_extension = key_identifiers;
            ca.leaf(params)
        };
        for (kind, algorithm) in [
            ("P-256", &rcgen::PKCS_ECDSA_P256_SHA256),
            ("P-521", &rcgen::PKCS_ECDSA_P521_SHA512),
            ("ML-DSA-87", &rcgen::PKCS_ML_DSA_87),
        ] {
            // Keys of one kind, none of which has signed anything here.
            let strangers: Vec<_> = (1..MAX_CERTIFICATES)
                .map(|_| {
                    let key = key_for(algorithm);
                    params().self_signed(&key).unwrap().der().clone()
                })
                .collect();
            let mut chain = vec![leaf_of(&Ca::root_with("crowd", algorithm))];
            chain.extend(strangers);
            cases.push((
                format!("63 strangers, {kind}, {named} key identifiers"),
                chain,
            ));
        }
        for (kind, algorithm) in [
            ("P-256", &rcgen::PKCS_ECDSA_P256_SHA256),
            ("P-521", &rcgen::PKCS_ECDSA_P521_SHA512),
        ] {
            let (cas, certificates) = mesh(8, algorithm, params);
            let mut chain = vec![leaf_of(&cas[0])];
            chain.extend(certificates);
            let case = format!("a mesh of 8 keys, {kind}, {named} key identifiers");
            cases.push((case.clone(), chain.clone()));
            chain.push(cas[7].certified_by(&limited, params()));
            cases.push((case + ", below an anchor", chain));
        }
    }
    cases.extend(large(&limited));
    let mut layers = vec![Ca::root("0").leaf(leaf_params(&[HOST]))];
    for at in 0..63_usize {
        let next = Ca::root(&((at + 1) % 10).to_string());
        layers.push(next.intermediate(&(at % 10).to_string()).der());
    }
    cases.push(("ten names of six keys".to_owned(), layers));
    // A mesh whose every key leads to a name, too, that nobody has and that is long to compare.
    let nobody = Ca::root(&(" ".repeat(20_000) + "nobody"));
    let (cas, certificates) = mesh(8, &rcgen::PKCS_ECDSA_P256_SHA256, || ca_params("crowd"));
    let mut chain = vec![cas[0].leaf(leaf_params(&[HOST]))];
    chain.extend(
        certificates
            .into_iter()
            .take(MAX_CERTIFICATES - 1 - cas.len()),
    );
    chain.extend(
        cas.iter()
            .map(|ca| ca.certified_by(&nobody, ca_params("crowd"))),
    );
    cases.push(("a mesh of 8 keys, dead ends".to_owned(), chain));
    // And one beside certificates that have next to nothing in a long name.
    let (cas, certificates) = mesh(6, &rcgen::PKCS_ECDSA_P256_SHA256, || ca_params("crowd"));
    let mut chain = vec![cas[0].leaf(leaf_params(&[HOST]))];
    chain.extend(certificates);
    chain.extend((0..30).map(|at| Ca::root(&format!("{at:>6000}")).der()));
    cases.push(("a mesh of 6 keys, and names of blanks".to_owned(), chain));
    // Of layers with one key, whose names or extensions are long.
    for (kind, extensions, length) in [("extensions", 540, 1), ("names", 0, 700)] {
        cases.push((
            format!("layers with long {kind}"),
            ways_that_end(extensions, length),
        ));
    }
    let of_a_system: Vec<_> = (0..150).map(|at| Ca::root(&at.to_string()).der()).collect();
    for (case, chain) in cases {
        for roots in [
            roots(&[trusted.der()]),
            roots(&[trusted.der(), impostor.der(), limited.der()]),
            roots(&of_a_system),
        ] {
            let policy = ChainPolicy::new(roots);
            let started = time();
            let error = server(&chain, HOST, &policy).unwrap_err();
            let elapsed = time() - started;
            println!("{elapsed:>10.1?} {case}: {error}");
            assert!(
                elapsed < longest(Duration::from_millis(500)),
                "{case}: {elapsed:?}"
            );
            let is_mesh = case.starts_with("a mesh");
            match error.kind() {
                Kind::TooExpensive { limit, .. } => {
                    assert!([MAX_SIGNATURES, MAX_STEPS, MAX_PATHS, 250_000].contains(limit));
                    // It is about none of the paths.
                    assert_eq!(error.other_paths(), 0, "{case}");
                }
                kind if is_mesh => panic!("{case}: {kind:?}"),
                Kind::WrongIssuer { .. }
                | Kind::BadSignature
                | Kind::UnknownIssuer { .. }
                | Kind::SelfSigned { .. }
                | Kind::UnsupportedSignature { .. }
                | Kind::NameConstraints
                | Kind::PathTooDeep { .. }
                | Kind::PathLength { .. } => {}
                kind => panic!("{case}: {kind:?}"),
            }
        }
    }
}
