//! Names and what constrains them: as RFC 5280 has it, and as OpenSSL and Erlang's public_key have it where they differ.

use rcgen::{DnType, GeneralSubtree};

/// A name of a certificate, or what the names of a subtree are below.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Name {
    Host(String),
    /// A Name with this and nothing else.
    Common(String),
    Mail(String),
}

impl Name {
    pub(crate) fn subtree(&self) -> GeneralSubtree {
        match self {
            Self::Host(host) => GeneralSubtree::DnsName(host.clone()),
            Self::Mail(host) => GeneralSubtree::Rfc822Name(host.clone()),
            Self::Common(text) => {
                let mut name = rcgen::DistinguishedName::new();
                name.push(DnType::CommonName, text);
                GeneralSubtree::DirectoryName(name)
            }
        }
    }

    fn is_of_kind(&self, other: &Self) -> bool {
        std::mem::discriminant(self) == std::mem::discriminant(other)
    }

    fn is_within(&self, base: &Self) -> bool {
        match (self, base) {
            (Self::Host(host), Self::Host(base)) => {
                host == base || host.ends_with(&format!(".{base}"))
            }
            _ => self == base,
        }
    }

    /// What a wildcard stands for is in the subtree, or some of it.
    fn touches(&self, base: &Self) -> bool {
        let parents = match (self, base) {
            (Self::Host(host), Self::Host(base)) => {
                host.strip_prefix("*.").zip(base.split_once('.'))
            }
            _ => None,
        };
        self.is_within(base) || parents.is_some_and(|(own, (_, of_base))| own == of_base)
    }
}

/// The names of a certificate, and what it says about those of others below.
#[derive(Debug, Default)]
pub(crate) struct Named {
    pub(crate) own: Vec<Name>,
    /// It was issued to the issuer itself, and is not the leaf.
    pub(crate) is_exempt: bool,
    pub(crate) permitted: Vec<Name>,
    pub(crate) excluded: Vec<Name>,
}

/// Of each certificate of a path, the highest first.
#[derive(Debug)]
pub(crate) struct Names(pub(crate) Vec<Named>);

impl Names {
    /// RFC 5280 §6.1.3 (b), (c) and §6.1.4 (g): whether each CA above allows the names of one.
    pub(crate) fn are_allowed(&self, at: usize) -> bool {
        self.check(at, Name::touches)
    }

    fn check(&self, at: usize, is_excluded: impl Fn(&Name, &Name) -> bool) -> bool {
        let (above, own) = (&self.0[..at], &self.0[at]);
        let allows = |name: &Name, by: &Named| {
            let mut same = by
                .permitted
                .iter()
                .filter(|base| base.is_of_kind(name))
                .peekable();
            let is_permitted = same.peek().is_none() || same.any(|base| name.is_within(base));
            is_permitted && !by.excluded.iter().any(|base| is_excluded(name, base))
        };
        own.is_exempt
            || own
                .own
                .iter()
                .all(|name| above.iter().all(|by| allows(name, by)))
    }

    /// The same where a wildcard is a label as any other.
    pub(crate) fn are_allowed_by_openssl(&self, at: usize) -> bool {
        self.check(at, Name::is_within)
    }

    /// What `pubkey_cert` of public_key 1.13 does. Of permitted subtrees it keeps one list, in which a new one takes the
    /// place of the first of its kind: as it is if that is equal, and else as one without names; only if there is none of
    /// the kind it is added. So two that are each within another, and the second of two, come out wrong. Of a list of
    /// hosts the first alone ends at a dot; and behind it what is without names is what every name ends with.
    pub(crate) fn are_allowed_by_erlang(&self, at: usize) -> bool {
        let (above, own) = (&self.0[..at], &self.0[at]);
        let mut permitted: Option<Vec<(Name, bool)>> = None;
        let mut excluded: Vec<(Name, bool)> = Vec::new();
        for by in above {
            let new = |names: &[Name]| names.iter().map(|name| (name.clone(), true)).collect();
            let union: Vec<(Name, bool)> = new(&by.excluded);
            excluded.splice(..0, union);
            let Some(permitted) = &mut permitted else {
                permitted = (!by.permitted.is_empty()).then(|| new(&by.permitted));
                continue;
            };
            for name in &by.permitted {
                match permitted.iter_mut().find(|(old, _)| old.is_of_kind(name)) {
                    Some((old, has_names)) => {
                        *has_names &= old == name;
                        old.clone_from(name);
                    }
                    None => permitted.push((name.clone(), true)),
                }
            }
        }
        let is_in = |name: &Name, list: &[(Name, bool)]| {
            let same = list.iter().filter(|(base, _)| base.is_of_kind(name));
            same.enumerate()
                .any(|(at, (base, has_names))| match (name, base) {
                    (Name::Host(_), _) if at == 0 => *has_names && name.is_within(base),
                    (Name::Host(host), Name::Host(base)) => !has_names || host.ends_with(base),
                    _ => *has_names && name == base,
                })
        };
        let is_permitted = |name: &Name| {
            let permitted = permitted.as_deref().unwrap_or_default();
            let is_limited = permitted.iter().any(|(base, _)| base.is_of_kind(name));
            !is_limited || is_in(name, permitted)
        };
        let mut names = own.own.iter();
        own.is_exempt || names.all(|name| is_permitted(name) && !is_in(name, &excluded))
    }

    pub(crate) fn all(&self, are_allowed: impl Fn(&Self, usize) -> bool) -> bool {
        (0..self.0.len()).all(|at| are_allowed(self, at))
    }
}
