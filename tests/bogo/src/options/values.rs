//! What the values of flags say.

use portcullis_core::NamedGroup;
use portcullis_core::suite::CipherSuite;

use crate::Stop;
use crate::configuration::OLDER_SUITES;

pub(super) fn number<T: std::str::FromStr>(name: &str, value: &str) -> Result<T, Stop> {
    value
        .parse()
        .map_err(|_| Stop::failed(format!("-{name}: {value} is not a number in range")))
}

/// What is understood of BoringSSL's language: names of the registry, the words for all there are, for
/// what it has by default and for 3DES, which it has one suite of, and `!AES`.
pub(super) fn named_suites(list: &str) -> Result<Vec<CipherSuite>, Stop> {
    let mut suites = Vec::new();
    for name in list.split(':') {
        if name == "!AES" {
            suites.retain(|suite: &CipherSuite| {
                suite.name().is_some_and(|name| !name.contains("AES"))
            });
            continue;
        }
        let before = suites.len();
        let is_meant = |suite: &CipherSuite| match name {
            "ALL" | "DEFAULT" => OLDER_SUITES.contains(suite),
            "3DES" => *suite == CipherSuite::TLS_RSA_WITH_3DES_EDE_CBC_SHA,
            name => suite.name() == Some(name),
        };
        let supported = CipherSuite::SUPPORTED.iter().copied();
        for suite in supported.filter(is_meant) {
            if !suites.contains(&suite) {
                suites.push(suite);
            }
        }
        // The word may add nothing to what is there.
        if suites.len() == before && name != "3DES" {
            return Err(Stop::unimplemented(format!("-cipher {name}")));
        }
    }
    if suites.is_empty() {
        return Err(Stop::unimplemented(format!("-cipher {list}")));
    }
    Ok(suites)
}

pub(super) fn supported_group(name: &str, value: &str) -> Result<NamedGroup, Stop> {
    let group = NamedGroup(number(name, value)?);
    if NamedGroup::SUPPORTED.contains(&group) {
        Ok(group)
    } else {
        Err(Stop::unimplemented(format!("-{name} {group}")))
    }
}
