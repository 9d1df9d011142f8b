//! What a chain looks like, whoever trusts it: whether it goes up in order, and whether it has a root in it.
//!
//! RFC 8446 §4.4.2, RFC 5246 §7.4.2.

use portcullis::CertificateDer;
use x509_parser::prelude::{FromDer as _, X509Certificate};

use super::checks::Offered;
use super::shown::Shown;
use crate::cert::issued;

/// Whether each certificate has issued the one before it. `None`: no chain was shown.
pub(super) fn order(shown: &[Shown]) -> Option<Offered> {
    of_all(shown, |chain| {
        chain.windows(2).all(|pair| match pair {
            [below, above] => issued(above, below),
            _ => true,
        })
    })
    .map(|ordered| match ordered {
        Some(ordered) => Offered::of(ordered.iter().all(|ordered| *ordered)),
        None => unreadable(),
    })
}

/// Whether a root comes after a certificate that is another's: whoever does not have it does not trust it for that.
pub(super) fn root(shown: &[Shown]) -> Option<Offered> {
    let is_root = |one: &X509Certificate<'_>| one.subject().as_raw() == one.issuer().as_raw();
    of_all(shown, |chain| chain.iter().skip(1).any(is_root)).map(|rooted| match rooted {
        Some(rooted) => Offered::of(rooted.contains(&true)),
        None => unreadable(),
    })
}

/// Of each chain; nothing if there is none, and `None` within if one cannot be read.
fn of_all(
    shown: &[Shown],
    is: impl Fn(&[X509Certificate<'_>]) -> bool,
) -> Option<Option<Vec<bool>>> {
    let is_so = |shown: &Shown| Some(is(&read(&shown.chain)?));
    (!shown.is_empty()).then(|| shown.iter().map(is_so).collect())
}

fn read<'a>(chain: &'a [CertificateDer<'static>]) -> Option<Vec<X509Certificate<'a>>> {
    let chain = chain.iter();
    chain
        .map(|der| Some(X509Certificate::from_der(der).ok()?.1))
        .collect()
}

fn unreadable() -> Offered {
    Offered::Unknown("a certificate in a chain cannot be read".to_owned())
}

#[cfg(test)]
mod tests {
    use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};

    use super::root as root_of;
    use super::*;
    use crate::scan::shown::Staple;

    fn params(name: &str, is_authority: bool) -> CertificateParams {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = match is_authority {
            true => IsCa::Ca(BasicConstraints::Unconstrained),
            false => IsCa::ExplicitNoCa,
        };
        params
    }

    #[test]
    fn chains_that_go_up_are_told_from_those_that_do_not() {
        let keys = [(); 3].map(|()| KeyPair::generate().unwrap());
        let [root_key, between_key, leaf_key] = &keys;
        let top = params("root", true);
        let root_der = top.self_signed(root_key).unwrap();
        let above = Issuer::from_params(&top, root_key);
        let middle = params("between", true);
        let between_der = middle.signed_by(between_key, &above).unwrap();
        let above = Issuer::from_params(&middle, between_key);
        let leaf_der = params("leaf", false).signed_by(leaf_key, &above).unwrap();
        let alone = params("leaf", false).self_signed(leaf_key).unwrap();
        let [root, between, leaf] =
            [&root_der, &between_der, &leaf_der].map(|made| made.der().clone());
        let alone = alone.der().clone();
        let unread = CertificateDer::from(vec![0x30, 0]);
        let shown = |chain: &[&CertificateDer<'static>]| Shown {
            chain: chain.iter().map(|der| (*der).clone()).collect(),
            verdict: Ok(String::new()),
            is_proved: true,
            staple: Staple::None,
        };
        for (chain, ordered, rooted) in [
            (&[&leaf][..], "yes", "no"),
            (&[&leaf, &between], "yes", "no"),
            (&[&leaf, &between, &root], "yes", "yes"),
            (&[&leaf, &root, &between], "no", "yes"),
            (&[&leaf, &root], "no", "yes"),
            (&[&leaf, &between, &leaf], "no", "no"),
            (&[&alone], "yes", "no"),
            (&[&leaf, &unread], "unknown", "unknown"),
        ] {
            let good = || shown(&[&leaf, &between]);
            for all in [vec![shown(chain)], vec![good(), shown(chain)]] {
                let seen = [order(&all), root_of(&all)].map(|fact| fact.unwrap().word());
                assert_eq!(seen, [ordered, rooted], "{}", chain.len());
            }
        }
        assert_eq!(order(&[]), None);
        assert_eq!(root_of(&[]), None);
    }
}
