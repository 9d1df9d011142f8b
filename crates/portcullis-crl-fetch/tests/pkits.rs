//! NIST's judgement of 66 chains: the sections of PKITS that are about revocation lists.
//!
//! `pkits.txt` says what is in which chain, and `PORTCULLIS_PKITS` where the certificates and lists are: the
//! folder into which `tests/pkits.sh` downloads them. `.ci/run interop` sees to it.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use portcullis_core::x509::{ChainPolicy, Crl, CrlCheck, PresentedChain, RevocationCheck, Roots};
use rustls_pki_types::{CertificateDer, UnixTime};

/// 2026-11-28; what PKITS made in 2010 is good until 2030.
const NOW: UnixTime = UnixTime::since_unix_epoch(Duration::from_secs(1_795_824_000));

#[test]
fn verdicts_about_revocation_are_those_of_pkits() {
    let data = std::env::var_os("PORTCULLIS_PKITS");
    let data =
        PathBuf::from(data.expect("PORTCULLIS_PKITS says where the folder of tests/pkits.sh is"));
    let read = |folder: &str, name: &str, end: &str| {
        let path = data.join(folder).join(format!("{name}.{end}"));
        std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    };
    // A peer's certificate in TLS is not that of a CA; and who signs lists for others is not the judge of its own
    // certificate (OpenSSL says the same of this one).
    let refused = ["4.14.13", "4.14.30"];
    let mut wrong = Vec::new();
    let mut count = 0;
    for line in include_str!("pkits.txt")
        .lines()
        .filter(|line| !line.starts_with('#'))
    {
        let [number, expected, certificates, lists] =
            <[&str; 4]>::try_from(line.split(" | ").collect::<Vec<_>>()).unwrap();
        count += 1;
        let mut certificates: Vec<CertificateDer<'static>> = certificates
            .split(' ')
            .map(|name| read("certs", name, "crt").into())
            .collect();
        let mut roots = Roots::empty();
        roots.add_der(certificates.remove(0)).unwrap();
        // The peer's first, the others in no order that helps.
        let peer = certificates.pop().unwrap();
        certificates.insert(0, peer);
        let lists = lists
            .split(' ')
            .map(|name| Crl::from_der(read("crls", name, "crl")));
        let lists: Vec<_> = lists.filter_map(Result::ok).map(Arc::new).collect();
        let policy = ChainPolicy::new(roots).crl_check(CrlCheck::chain());
        let verdict = PresentedChain::new(certificates)
            .and_then(|chain| RevocationCheck::begin(&chain, None, NOW, &policy))
            .and_then(|mut check| {
                while check.query().is_some() {
                    check.answer(lists.clone());
                }
                check.conclude()
            });
        if verdict.is_ok() != (expected == "valid" && !refused.contains(&number)) {
            wrong.push(format!(
                "{number} is {expected}: {:?}",
                verdict.map_err(|error| error.to_string())
            ));
        }
    }
    assert_eq!(count, 66);
    assert!(
        wrong.is_empty(),
        "{} of {count}:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
}
