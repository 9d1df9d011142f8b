//! Chains made by chance, judged here and by webpki alone: where the two differ is known.

use rcgen::{GeneralSubtree, NameConstraints, date_time_ymd};
use webpki::aws_lc_rs::ECDSA_P256_SHA256;
use webpki::{EndEntityCert, Error};

use super::*;
use crate::x509::CertificateErrorKind as Kind;

const HOSTS: [&str; 4] = ["a.example", "www.a.example", "b.test", "*.a.example"];

/// The same chains each time.
struct Chance(u64);

impl Chance {
    /// A number below this one.
    fn below(&mut self, end: usize) -> usize {
        // Knuth's MMIX.
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % end
    }

    fn one_in(&mut self, count: usize) -> bool {
        self.below(count) == 0
    }

    fn of<T: Clone>(&mut self, all: &[T]) -> T {
        all[self.below(all.len())].clone()
    }
}

/// What is in a chain that webpki and this library see differently.
#[derive(Clone, Copy, Debug, Default)]
struct Traits {
    self_issued: bool,
    other_constraints: bool,
    long: bool,
}

fn subtree(chance: &mut Chance, traits: &mut Traits) -> GeneralSubtree {
    match chance.below(6) {
        0 => {
            traits.other_constraints = true;
            GeneralSubtree::Rfc822Name("a.example".to_owned())
        }
        1 => {
            traits.other_constraints = true;
            let mut name = rcgen::DistinguishedName::new();
            name.push(DnType::CommonName, chance.of(&["leaf", "other"]));
            GeneralSubtree::DirectoryName(name)
        }
        _ => GeneralSubtree::DnsName(
            chance
                .of(&["a.example", ".a.example", "test", "www.a.example"])
                .to_owned(),
        ),
    }
}

fn usages(chance: &mut Chance) -> Vec<ExtendedKeyUsagePurpose> {
    use ExtendedKeyUsagePurpose::{Any, ClientAuth, CodeSigning, ServerAuth};
    match chance.below(12) {
        0 => vec![ClientAuth],
        1 => vec![Any],
        2 => vec![CodeSigning, ServerAuth],
        3 | 4 => vec![ServerAuth],
        _ => vec![],
    }
}

fn dates(chance: &mut Chance, params: &mut CertificateParams) {
    match chance.below(30) {
        0 => params.not_after = date_time_ymd(2020, 1, 1),
        1 => params.not_before = date_time_ymd(2100, 1, 1),
        _ => {}
    }
}

fn ca(chance: &mut Chance, name: &str, traits: &mut Traits) -> CertificateParams {
    let mut params = ca_params(name);
    params.is_ca = match chance.below(16) {
        0 => IsCa::NoCa,
        1 => IsCa::ExplicitNoCa,
        number @ 2..=4 => IsCa::Ca(BasicConstraints::Constrained(
            u8::try_from(number - 2).unwrap(),
        )),
        _ => IsCa::Ca(BasicConstraints::Unconstrained),
    };
    params.key_usages = match chance.below(12) {
        0 => vec![KeyUsagePurpose::CrlSign],
        1..=3 => vec![],
        _ => vec![KeyUsagePurpose::KeyCertSign],
    };
    params.extended_key_usages = usages(chance);
    if chance.one_in(4) {
        let (mut permitted_subtrees, mut excluded_subtrees) = (vec![], vec![]);
        for _ in 0..=chance.below(2) {
            match chance.one_in(2) {
                true => permitted_subtrees.push(subtree(chance, traits)),
                false => excluded_subtrees.push(subtree(chance, traits)),
            }
        }
        params.name_constraints = Some(NameConstraints {
            permitted_subtrees,
            excluded_subtrees,
        });
    }
    dates(chance, &mut params);
    params
}

fn chain(chance: &mut Chance, root: &Ca) -> (Vec<CertificateDer<'static>>, Traits) {
    let mut traits = Traits::default();
    let mut cas: Vec<(Ca, String)> = Vec::new();
    let count = chance.below(5) + if chance.one_in(20) { 4 } else { 0 };
    traits.long = count > 6;
    for at in 0..count {
        let mut name = format!("ca {at}");
        if chance.one_in(10)
            && let Some((_, above)) = cas.last()
        {
            name.clone_from(above);
            traits.self_issued = true;
        }
        let params = ca(chance, &name, &mut traits);
        let above = cas.last().map_or(root, |(ca, _)| ca);
        cas.push((above.intermediate_from(params), name));
    }
    let names = [chance.of(&HOSTS), chance.of(&HOSTS)];
    let mut params = leaf_params(&names[..=chance.below(2)]);
    params.extended_key_usages = usages(chance);
    if chance.one_in(12) {
        params.key_usages = vec![KeyUsagePurpose::DataEncipherment];
    }
    if chance.one_in(20) {
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    }
    dates(chance, &mut params);
    let above = cas.last().map_or(root, |(ca, _)| ca);
    let mut chain = vec![above.leaf(params)];
    chain.extend(cas.iter().rev().map(|(ca, _)| ca.der()));
    if chance.one_in(20) {
        let bad = chance.below(chain.len());
        let mut der = chain[bad].to_vec();
        *der.last_mut().unwrap() ^= 1;
        chain[bad] = der.into();
    }
    let end = chain.len();
    if end > 2 && chance.one_in(3) {
        chain[1..end].reverse();
    }
    (chain, traits)
}

fn webpki(chain: &[CertificateDer<'_>], root: &CertificateDer<'_>) -> Result<(), Error> {
    let leaf = EndEntityCert::try_from(&chain[0])?;
    let anchor = webpki::anchor_from_trusted_cert(root)?;
    leaf.verify_for_usage(
        &[ECDSA_P256_SHA256],
        &[anchor],
        &chain[1..],
        NOW,
        webpki::KeyUsage::server_auth(),
        None,
        None,
    )?;
    leaf.verify_is_valid_for_subject_name(&name("www.a.example"))
}

/// A figure for docs/performance.md: `cargo test --release -p portcullis-core --lib a_chain_of_two_costs -- --ignored
/// --nocapture`.
#[test]
#[ignore = "a figure"]
fn a_chain_of_two_costs() {
    const TIMES: u32 = 2_000;
    let root = Ca::root("root");
    let intermediate = root.intermediate("intermediate");
    let chain = [
        intermediate.leaf(leaf_params(&["www.a.example"])),
        intermediate.der(),
    ];
    let each = |mut walk: Box<dyn FnMut() + '_>| {
        let begun = paths::time();
        for _ in 0..TIMES {
            walk();
        }
        (paths::time() - begun) / TIMES
    };
    let (anchor, memo) = (root.der(), trusting(&root));
    let policy = memo.clone().remembered_signatures(0);
    let theirs = each(Box::new(|| webpki(&chain, &anchor).unwrap()));
    let ours = each(Box::new(|| {
        drop(server(&chain, "www.a.example", &policy).unwrap())
    }));
    let again = each(Box::new(|| {
        drop(server(&chain, "www.a.example", &memo).unwrap())
    }));
    println!(
        "webpki {theirs:?}, the walk and webpki {ours:?}, with signatures seen before {again:?}"
    );
}

#[test]
fn webpki_differs_where_it_is_known_to() {
    let root = Ca::root("root");
    let policy = trusting(&root);
    let mut chance = Chance(1);
    let [mut accepted, mut refused, mut stricter, mut laxer] = [0; 4];
    for number in 0..1_500 {
        let (chain, traits) = chain(&mut chance, &root);
        let ours = server(&chain, "www.a.example", &policy).map(|_| ());
        let theirs = webpki(&chain, &root.der());
        let explained = match (&ours, &theirs) {
            (Ok(()), Ok(())) => {
                accepted += 1;
                true
            }
            (Err(error), Err(_)) => {
                refused += 1;
                !matches!(error.kind(), Kind::Disagreement { .. })
            }
            // What it does not ask.
            (Err(error), Ok(())) => {
                stricter += 1;
                matches!(error.kind(), Kind::IssuerKeyUsage | Kind::KeyUsage)
            }
            // What it does not know.
            (Ok(()), Err(error)) => {
                laxer += 1;
                match error {
                    Error::PathLenConstraintViolated => traits.self_issued,
                    Error::NameConstraintViolation => {
                        traits.other_constraints || traits.self_issued
                    }
                    Error::MaximumPathDepthExceeded => traits.long,
                    // Of another way: there are several where certificates have one name.
                    Error::InvalidSignatureForPublicKey => traits.self_issued,
                    _ => false,
                }
            }
        };
        assert!(
            explained,
            "{number} {traits:?}: {ours:?}, webpki {theirs:?}"
        );
    }
    println!(
        "{accepted} accepted, {refused} refused, {stricter} here alone, {laxer} by webpki alone"
    );
    // Enough of each to mean something.
    assert!(accepted > 100 && refused > 300 && stricter > 20 && laxer > 2);
}
