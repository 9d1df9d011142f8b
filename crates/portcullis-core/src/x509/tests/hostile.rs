//! What a peer may put into certificates to make a refusal expensive, long, or a lie.

use rcgen::{CustomExtension, GeneralSubtree, NameConstraints, SanType, string::Ia5String};

use super::paths::time;
use super::*;
use crate::x509::CertificateErrorKind as Kind;

/// webpki gives up at the first name that is of a kind it does not compare, or that is a wildcard
/// over an excluded name. Who explains that compared all the others with all constraints.
#[test]
fn a_refusal_for_name_constraints_is_as_cheap_as_its_search() {
    let root = Ca::root("root");
    let text = |text: &str| Ia5String::try_from(text).unwrap();
    let mut params = ca_params("constrained");
    params.name_constraints = Some(NameConstraints {
        permitted_subtrees: vec![GeneralSubtree::Rfc822Name("a.example".to_owned())],
        excluded_subtrees: (0..4_000)
            .map(|at| GeneralSubtree::DnsName(format!("{at}.x.test")))
            .collect(),
    });
    let constrained = root.intermediate_from(params);
    let policy = trusting(&root).dangerous_skip_name_check();
    for first in [
        SanType::Rfc822Name(text("mail@b.example")),
        SanType::DnsName(text("*.x.test")),
    ] {
        let names = (0..4_000).map(|at| SanType::DnsName(text(&format!("{at}.y"))));
        let mut params = leaf_params(&[]);
        params.subject_alt_names = [first].into_iter().chain(names).collect();
        let chain = [constrained.leaf(params), constrained.der()];
        let started = time();
        let error = server(&chain, "a.example", &policy).unwrap_err();
        let elapsed = time() - started;
        println!("{elapsed:>10.1?} {error}");
        assert!(elapsed < Duration::from_millis(500), "{elapsed:?}");
        assert!(matches!(
            error.kind(),
            Kind::NameConstraints | Kind::UnsupportedConstraint { .. }
        ));
    }
}

#[test]
fn an_extension_is_named_in_few_characters() {
    let root = Ca::root("root");
    let mut params = leaf_params(&["a.example"]);
    let mut extension =
        CustomExtension::from_oid_content(&[vec![1, 3], vec![1; 30_000]].concat(), vec![]);
    extension.set_criticality(true);
    params.custom_extensions = vec![extension];
    let error = server(&[root.leaf(params)], "a.example", &trusting(&root)).unwrap_err();
    let text = error.to_string();
    assert!(text.len() < 1_000, "{}", text.len());
}

/// The end of a name, a label that is cut, and wildcards that would stand for more than one label
/// (CVE-2009-2408, RFC 9525 §6.3).
#[test]
fn names_that_only_look_like_the_one_that_is_wanted() {
    let root = Ca::root("root");
    for seen in [
        "a.example\0.evil.test",
        "a.example\0",
        "a.example\n",
        " a.example",
        "a.example,b.test",
        "a.example.evil.test",
        "xa.example",
        "*",
        "*.example",
        "a.*",
        "a*.example",
        "*a.example",
        "*.*",
    ] {
        let mut params = leaf_params(&[]);
        params.subject_alt_names = vec![SanType::DnsName(Ia5String::try_from(seen).unwrap())];
        let error = server(&[root.leaf(params)], "a.example", &trusting(&root)).unwrap_err();
        let text = error.to_string();
        assert!(!text.contains(['\0', '\n']), "{text}");
    }
}
