//! What can be negotiated: versions, and the algorithms that go with them.

use core::fmt::{Debug, Display};

use super::policy::{Policy, implemented};
use crate::error::{Misuse, list};
use crate::named_group::NamedGroup;
use crate::signature_scheme::SignatureScheme;
use crate::sort::sort_by;
use crate::suite::{CipherSuite, Exchange};
use crate::version::{ProtocolVersion, Version};

/// Which lists the user has named. The others follow from the versions.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Named {
    pub(super) versions: bool,
    pub(super) cipher_suites: bool,
    pub(super) groups: bool,
    pub(super) schemes: bool,
}

impl Policy {
    /// Fills in the lists that were not named, with what the versions can use of the defaults, and
    /// refuses what could never be used: an algorithm of no version, and a version without any.
    pub(super) fn settle(&mut self) -> Result<(), Misuse> {
        let named = self.named;
        if !named.versions {
            self.versions = ProtocolVersion::DEFAULT.to_vec();
        }
        implemented("versions", &self.versions, ProtocolVersion::SUPPORTED)?;
        sort_by(&mut self.versions, |one, other| {
            Version::of(*other).cmp(&Version::of(*one))
        });
        check_contiguous(&self.versions)?;
        if !named.versions {
            self.leave_usable_versions();
            // Suites of before TLS 1.3 that have no certificate are there only where they are named.
            if self.keys_alone && !named.cipher_suites {
                self.versions
                    .retain(|code| *code == ProtocolVersion::TLS_1_3);
            }
        }
        self.check_rsa()?;
        self.check_features()?;
        let versions = &self.versions;
        self.cipher_suites = settled(
            "cipher_suites",
            named.cipher_suites.then_some(&self.cipher_suites),
            [CipherSuite::DEFAULT, CipherSuite::SUPPORTED],
            versions,
            CipherSuite::is_usable_in,
        )?;
        self.groups = settled(
            "groups",
            named.groups.then_some(&self.groups),
            [NamedGroup::DEFAULT, NamedGroup::SUPPORTED],
            versions,
            |group, version| has_use_for(&self.cipher_suites, group, version),
        )?;
        self.schemes = settled(
            "signature_schemes",
            named.schemes.then_some(&self.schemes),
            [SignatureScheme::DEFAULT, SignatureScheme::SUPPORTED],
            versions,
            SignatureScheme::is_usable_in,
        )?;
        Ok(())
    }

    /// RSA keys sign otherwise before TLS 1.2, which not every build can.
    fn check_rsa(&self) -> Result<(), Misuse> {
        for version in &self.versions {
            let mut suites = self.cipher_suites.iter();
            if let Some(suite) = suites.find(|suite| suite.lacks_feature_in(*version)) {
                return Err(Misuse::new(format!(
                    "cipher_suites: {suite} in {version} needs the feature `ffi`; build with \
                     it, or name suites of ECDHE_ECDSA alone"
                )));
            }
        }
        Ok(())
    }

    /// Not every build has all groups and suites.
    fn check_features(&self) -> Result<(), Misuse> {
        for suite in &self.cipher_suites {
            let (features, what, it) = match &*suite.lacking_features() {
                [] => continue,
                [feature] => (format!("`{feature}`"), "feature", "it"),
                features => (
                    format!("`{}`", features.join("` and `")),
                    "features",
                    "them",
                ),
            };
            return Err(Misuse::new(format!(
                "cipher_suites: {suite} needs the {what} {features}; build with {it}, or leave the suite out"
            )));
        }
        check_scheme_features("signature_schemes", &self.schemes)?;
        for group in &self.groups {
            if let Some(why) = group.why_never() {
                return Err(Misuse::new(format!(
                    "groups: {group} is not implemented: {why}; leave it out"
                )));
            }
            if let Some(feature) = group.lacking_feature() {
                return Err(Misuse::new(format!(
                    "groups: {group} needs the feature `{feature}`; build with it, or leave the group out"
                )));
            }
        }
        Ok(())
    }

    /// Of the default versions those that can use the lists that were named.
    fn leave_usable_versions(&mut self) {
        let is_usable = |version: &ProtocolVersion| {
            let (named, version) = (self.named, *version);
            let mut suites = self.cipher_suites.iter();
            let mut groups = self.groups.iter();
            let has_use_for =
                |group: &NamedGroup| has_use_for(&self.cipher_suites, *group, version);
            let mut schemes = self.schemes.iter();
            (!named.cipher_suites || suites.any(|one| one.is_usable_in(version)))
                && (!named.groups || groups.any(has_use_for))
                && (!named.schemes || schemes.any(|one| one.is_usable_in(version)))
        };
        let usable: Vec<_> = self.versions.iter().copied().filter(is_usable).collect();
        if !usable.is_empty() {
            self.versions = usable;
        }
    }
}

/// Not every build has all schemes.
pub(super) fn check_scheme_features(
    option: &str,
    schemes: &[SignatureScheme],
) -> Result<(), Misuse> {
    for scheme in schemes {
        if let Some(feature) = scheme.lacking_feature() {
            return Err(Misuse::new(format!(
                "{option}: {scheme} needs the feature `{feature}`; build with it, or leave the scheme out"
            )));
        }
    }
    Ok(())
}

/// Without TLS 1.3, whose hello lists its versions, a client can only say which is the newest
/// (RFC 5246 §E.1): none may be missing in between.
fn check_contiguous(versions: &[ProtocolVersion]) -> Result<(), Misuse> {
    let generations = versions.iter().filter_map(|one| Version::of(*one));
    let (Some(newest), Some(oldest)) = (generations.clone().max(), generations.clone().min())
    else {
        return Ok(());
    };
    let between = Version::ALL
        .iter()
        .filter(|one| (oldest..=newest).contains(*one));
    if newest < Version::V1_3 && between.count() != versions.len() {
        return Err(Misuse::new(format!(
            "versions: {} leaves a gap; without TLSv1.3 a client can only say which version is the \
             newest, so name those between too",
            list(versions)
        )));
    }
    Ok(())
}

/// Whether a connection of this version can have the group; in a finite field there it needs a suite of
/// DHE.
fn has_use_for(suites: &[CipherSuite], group: NamedGroup, version: ProtocolVersion) -> bool {
    let has_field = |suite: &CipherSuite| {
        suite.exchange().is_some_and(Exchange::has_field) && suite.is_usable_in(version)
    };
    group.is_usable_in(version) || group.is_finite_field() && suites.iter().any(has_field)
}

/// The list that was named, or what is usable of the default; every version can use something of
/// it, and everything in it can be used.
fn settled<T: Copy + PartialEq + Display + Debug>(
    option: &str,
    named: Option<&Vec<T>>,
    [default, supported]: [&[T]; 2],
    versions: &[ProtocolVersion],
    is_usable_in: impl Fn(T, ProtocolVersion) -> bool,
) -> Result<Vec<T>, Misuse> {
    let is_usable = |one: T| versions.iter().any(|version| is_usable_in(one, *version));
    let Some(chosen) = named else {
        let usable = default.iter().copied().filter(|one| is_usable(*one));
        let chosen: Vec<T> = usable.collect();
        let mut lacking = versions.iter();
        return match lacking.find(|version| !chosen.iter().any(|one| is_usable_in(*one, **version)))
        {
            None => Ok(chosen),
            Some(version) => {
                let mut supported = supported.iter();
                let such_as = supported.find(|one| is_usable_in(**one, *version));
                let such_as = such_as.map_or_else(String::new, |one| format!(", such as {one}"));
                Err(Misuse::new(format!(
                    "{option}: none is used by default that {version} has; name some{such_as}"
                )))
            }
        };
    };
    implemented(option, chosen, supported)?;
    if let Some(useless) = chosen.iter().find(|one| !is_usable(**one)) {
        return Err(Misuse::new(format!(
            "{option}: {useless} cannot be used in {}; leave it out, or name its version",
            list(versions)
        )));
    }
    let lacks =
        |version: &&ProtocolVersion| !chosen.iter().any(|one| is_usable_in(*one, **version));
    if let Some(version) = versions.iter().find(lacks) {
        return Err(Misuse::new(format!(
            "{option}: there is none for {version}; add one, or leave that version out"
        )));
    }
    Ok(chosen.clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settled(change: impl FnOnce(&mut Policy)) -> Result<Policy, String> {
        let mut policy = Policy::default();
        change(&mut policy);
        policy.settle().map_err(|misuse| misuse.to_string())?;
        Ok(policy)
    }

    fn with_versions(versions: &[ProtocolVersion]) -> Result<Policy, String> {
        settled(|policy| {
            policy.versions = versions.to_vec();
            policy.named.versions = true;
        })
    }

    #[test]
    fn lists_follow_the_versions() {
        use ProtocolVersion as V;
        let modern = with_versions(&[V::TLS_1_3]).unwrap();
        assert_eq!(modern.cipher_suites.len(), 3);
        assert!(modern.groups.contains(&NamedGroup::X25519_MLKEM768));
        assert!(!modern.schemes.contains(&SignatureScheme::RSA_PKCS1_SHA256));
        let older = with_versions(&[V::TLS_1_2]).unwrap();
        assert_eq!(older.cipher_suites.len(), 6);
        assert!(!older.groups.iter().any(|group| group.is_post_quantum()));
        assert!(older.schemes.contains(&SignatureScheme::RSA_PKCS1_SHA256));
        assert!(!older.schemes.contains(&SignatureScheme::MLDSA65));
        let both = with_versions(&[V::TLS_1_2, V::TLS_1_3]).unwrap();
        assert_eq!(both.versions, [V::TLS_1_3, V::TLS_1_2]);
        assert_eq!(both.cipher_suites, CipherSuite::DEFAULT);
        assert_eq!(both.groups, NamedGroup::DEFAULT);
        assert_eq!(both.schemes, SignatureScheme::DEFAULT);
    }

    #[test]
    fn what_can_never_be_used_is_refused() {
        use ProtocolVersion as V;
        for (versions, error) in [
            (vec![], "versions: the list is empty"),
            (vec![V::SSL_3_0], "versions: SSLv3 is not implemented here"),
            (
                vec![V::TLS_1_2, V::TLS_1_2],
                "versions: TLSv1.2 is there twice",
            ),
        ] {
            let seen = with_versions(&versions).unwrap_err();
            assert!(seen.starts_with(error), "{seen}");
        }
        let suite = CipherSuite::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256;
        let seen = settled(|policy| {
            policy.versions = vec![V::TLS_1_3];
            policy.named.versions = true;
            policy.cipher_suites = vec![CipherSuite::TLS_AES_128_GCM_SHA256, suite];
            policy.named.cipher_suites = true;
        });
        assert_eq!(
            seen.unwrap_err(),
            "cipher_suites: TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256 cannot be used in TLSv1.3; leave it \
             out, or name its version"
        );
        let seen = settled(|policy| {
            policy.versions = vec![V::TLS_1_3, V::TLS_1_2];
            policy.named.versions = true;
            policy.groups = vec![NamedGroup::X25519_MLKEM768];
            policy.named.groups = true;
        });
        assert_eq!(
            seen.unwrap_err(),
            "groups: there is none for TLSv1.2; add one, or leave that version out"
        );
        // The versions follow the suites where only these were named.
        let only_older = settled(|policy| {
            policy.cipher_suites = vec![CipherSuite::TLS_AES_128_GCM_SHA256];
            policy.named.cipher_suites = true;
        });
        assert_eq!(only_older.unwrap().versions, [V::TLS_1_3]);
    }

    #[test]
    fn groups_that_a_feature_brings_are_named_with_it() {
        for (group, feature, is_there) in [
            (NamedGroup::X448, "curve448", cfg!(feature = "curve448")),
            (
                NamedGroup::FFDHE3072,
                "finite-field",
                cfg!(feature = "finite-field"),
            ),
            (NamedGroup::BRAINPOOLP384R1, "ffi", cfg!(feature = "ffi")),
        ] {
            assert!(!NamedGroup::DEFAULT.contains(&group));
            let seen = settled(|policy| {
                policy.versions = vec![match group.is_usable_in_tls13() {
                    true => ProtocolVersion::TLS_1_3,
                    false => ProtocolVersion::TLS_1_2,
                }];
                policy.named.versions = true;
                policy.groups = vec![group, NamedGroup::X25519];
                policy.named.groups = true;
            });
            let error = format!(
                "groups: {group} needs the feature `{feature}`; build with it, or leave the group out"
            );
            match is_there {
                true => assert_eq!(seen.unwrap().groups, [group, NamedGroup::X25519]),
                false => assert_eq!(seen.unwrap_err(), error),
            }
        }
    }

    #[test]
    fn groups_that_no_build_has_are_refused_with_the_reason() {
        let refused = |group: NamedGroup| {
            let seen = settled(|policy| {
                policy.groups = vec![group, NamedGroup::X25519];
                policy.named.groups = true;
            });
            seen.unwrap_err()
        };
        // Those of RFC 4492 but P-256 and those behind it, and those of RFC 8734.
        for number in (0x0001..=0x0016).chain(0x001f..=0x0021) {
            let group = NamedGroup(number);
            assert!(!NamedGroup::SUPPORTED.contains(&group));
            let (name, why) = (group.name().unwrap(), group.why_never().unwrap());
            assert_eq!(
                refused(group),
                format!("groups: {name} is not implemented: {why}; leave it out")
            );
        }
        let binary = refused(NamedGroup::SECT571R1);
        assert!(binary.contains("binary field"), "{binary}");
        for group in NamedGroup::SUPPORTED {
            assert_eq!(group.why_never(), None, "{group}");
        }
    }

    #[test]
    fn ciphers_that_a_feature_brings_are_named_with_it() {
        let (legacy, field, ffi) = (
            (cfg!(feature = "legacy-ciphers"), "legacy-ciphers"),
            (cfg!(feature = "finite-field"), "finite-field"),
            (cfg!(feature = "ffi"), "ffi"),
        );
        for (suite, features) in [
            (
                CipherSuite::TLS_ECDHE_RSA_WITH_3DES_EDE_CBC_SHA,
                &[legacy][..],
            ),
            (CipherSuite::TLS_ECDHE_ECDSA_WITH_RC4_128_SHA, &[legacy]),
            (CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_128_CCM, &[ffi]),
            (CipherSuite::TLS_RSA_WITH_AES_128_GCM_SHA256, &[ffi]),
            (CipherSuite::TLS_RSA_WITH_3DES_EDE_CBC_SHA, &[legacy, ffi]),
            (CipherSuite::TLS_DHE_RSA_WITH_AES_128_GCM_SHA256, &[field]),
            (
                CipherSuite::TLS_DHE_DSS_WITH_AES_128_GCM_SHA256,
                &[field, ffi],
            ),
        ] {
            let lacking = features.iter().filter(|(is_there, _)| !is_there);
            let lacking: Vec<_> = lacking.map(|(_, name)| format!("`{name}`")).collect();
            let (what, it) = match lacking.len() {
                1 => ("feature", "it"),
                _ => ("features", "them"),
            };
            let seen = settled(|policy| {
                policy.cipher_suites = vec![suite];
                policy.named.cipher_suites = true;
            });
            let error = format!(
                "cipher_suites: {suite} needs the {what} {}; build with {it}, or leave the suite out",
                lacking.join(" and ")
            );
            match lacking.is_empty() {
                true => assert_eq!(seen.unwrap().versions, [ProtocolVersion::TLS_1_2]),
                false => assert_eq!(seen.unwrap_err(), error),
            }
        }
    }

    #[test]
    fn a_gap_is_refused_without_tls_1_3() {
        use ProtocolVersion as V;
        assert!(check_contiguous(&[V::TLS_1_3, V::TLS_1_1]).is_ok());
        assert!(check_contiguous(&[V::TLS_1_2, V::TLS_1_1, V::TLS_1_0]).is_ok());
        let error = check_contiguous(&[V::TLS_1_2, V::TLS_1_0]).unwrap_err();
        assert!(error.to_string().contains("leaves a gap"), "{error}");
    }
}
