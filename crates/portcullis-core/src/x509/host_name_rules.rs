//! What counts as the name of a server, for whoever has other rules than those of RFC 9525 for DNS names and addresses.

use core::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use rustls_pki_types::{DnsName, ServerName};

use super::extension::GeneralNames;
use super::extension::alt_name::{DNS_NAME, IP_ADDRESS, MAIL_ADDRESS, OTHER_NAME, URI};
use super::host_name::{Wildcard, stands_for};
use super::through::Through;
use crate::der::{self, Reader};
use crate::misuse::Misuse;

/// For so many names a certificate is looked through.
const MAX_REFERENCES: usize = 16;

/// id-on-dnsSRV (RFC 4985 §2).
const DNS_SRV: &[u8] = b"\x2b\x06\x01\x05\x05\x07\x08\x07";

/// A name that the server's certificate may have (RFC 9525 §6.1).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Reference {
    /// A host, found in a dNSName.
    Dns(DnsName<'static>),
    /// An address, found in an iPAddress.
    Ip(IpAddr),
    /// Scheme and host of a URI, such as `sip:voice.example.edu`, found in a uniformResourceIdentifier with both.
    Uri(String),
    /// A service of a domain, such as `_xmpp-client.example.com`, found in an SRVName (RFC 4985).
    Srv(String),
}

impl Reference {
    fn of(name: &ServerName<'_>) -> Option<Self> {
        match name {
            ServerName::DnsName(name) => Some(Self::Dns(name.to_owned())),
            ServerName::IpAddress(address) => Some(Self::Ip((*address).into())),
            _ => None,
        }
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Dns(name) => f.write_str(name.as_ref()),
            Self::Ip(address) => address.fmt(f),
            Self::Uri(name) | Self::Srv(name) => write!(f, "{}", name.escape_debug()),
        }
    }
}

impl From<DnsName<'_>> for Reference {
    fn from(name: DnsName<'_>) -> Self {
        Self::Dns(name.to_owned())
    }
}

impl From<IpAddr> for Reference {
    fn from(address: IpAddr) -> Self {
        Self::Ip(address)
    }
}

/// A name in the subjectAltName of a certificate, as it stands there. Text is printable ASCII: other names are not
/// shown to anybody and match nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PresentedName<'a> {
    /// A dNSName. It may have `*` in it, anywhere.
    Dns(&'a str),
    /// An iPAddress.
    Ip(IpAddr),
    /// A uniformResourceIdentifier.
    Uri(&'a str),
    /// An rfc822Name.
    Mail(&'a str),
    /// An SRVName (RFC 4985).
    Srv(&'a str),
}

/// Whether a name that a certificate has is the one that is looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NameMatch {
    /// It is.
    Yes,
    /// It is not, whatever the rules say.
    No,
    /// As the rules say.
    Default,
}

type Look = fn(&HostNameRules, GeneralNames<'_>, &ServerName<'_>) -> Result<(), String>;

type Function = dyn Fn(&Reference, &PresentedName<'_>) -> NameMatch + Send + Sync;

/// What counts as the name of a server (`customize_hostname_check`).
///
/// Without any rules of one's own that is RFC 9525: a host is found in a dNSName, in which `*` may stand for the whole
/// leftmost label if two follow, and an address in an iPAddress. In the common name nothing is looked for, ever.
///
/// ```
/// # mod portcullis { pub use portcullis_core::{*, config::*, x509::*}; }
/// use portcullis::{HostNameRules, NameMatch, PresentedName, Reference};
///
/// // Also a wildcard that is part of a label, as old certificates have it.
/// let rules = HostNameRules::new().matching(|reference, presented| match (reference, presented) {
///     (Reference::Dns(name), PresentedName::Dns("web*.example.com")) => {
///         let name = name.as_ref();
///         let label = name.strip_suffix(".example.com").unwrap_or_default();
///         match label.starts_with("web") && !label.contains('.') {
///             true => NameMatch::Yes,
///             false => NameMatch::No,
///         }
///     }
///     _ => NameMatch::Default,
/// });
/// ```
#[derive(Clone)]
pub struct HostNameRules {
    /// `None`: the name that the connection is for.
    references: Option<Arc<[Reference]>>,
    wildcard: Wildcard,
    matching: Option<Arc<Function>>,
    look: Through<Look>,
}

impl Default for HostNameRules {
    fn default() -> Self {
        Self::new()
    }
}

impl HostNameRules {
    /// Those of RFC 9525.
    pub const fn new() -> Self {
        Self {
            references: None,
            wildcard: Wildcard::Allowed,
            matching: None,
            look: Through(Self::look_through),
        }
    }

    /// Whether they say the same of every certificate, as far as can be known: a function is the same as its clones.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        let is_same_function = match (&self.matching, &other.matching) {
            (None, None) => true,
            (Some(own), Some(other)) => Arc::ptr_eq(own, other),
            _ => false,
        };
        is_same_function && self.references == other.references && self.wildcard == other.wildcard
    }

    /// `*` in a certificate stands for nothing.
    #[must_use]
    pub fn without_wildcards(mut self) -> Self {
        self.wildcard = Wildcard::Refused;
        self
    }

    /// What is looked for in the place of the name that the connection is for: one of them is enough. At most 16.
    /// Whoever may choose one of these names for the server may stand for it, so they are the caller's and come from nowhere else (RFC
    /// 9525 §6.1.1).
    #[must_use]
    pub fn references<R: Into<Reference>>(
        mut self,
        references: impl IntoIterator<Item = R>,
    ) -> Self {
        let mut all: Vec<Reference> = Vec::new();
        // One too many is refused when the configuration is built.
        for reference in references.into_iter().take(MAX_REFERENCES + 1) {
            all.push(reference.into());
        }
        self.references = Some(all.into());
        self
    }

    /// Asks a function about each name that is looked for with each that the certificate has, up to the first
    /// [`NameMatch::Yes`]. It is called while a handshake goes on, so it must not wait.
    #[must_use]
    pub fn matching(
        mut self,
        function: impl Fn(&Reference, &PresentedName<'_>) -> NameMatch + Send + Sync + 'static,
    ) -> Self {
        self.matching = Some(Arc::new(function));
        self
    }

    pub(crate) fn check(&self) -> Result<(), Misuse> {
        match &self.references {
            Some(all) if !(1..=MAX_REFERENCES).contains(&all.len()) => Err(Misuse::new(format!(
                "host_name_rules: there are 1 to {MAX_REFERENCES} names to be looked for; to look for none, take \
                 `dangerous_skip_name_check`"
            ))),
            _ => Ok(()),
        }
    }

    /// Looks for a name among those that a certificate has.
    ///
    /// # Errors
    /// What is looked for, in words, when none of them is it.
    pub(super) fn accept(
        &self,
        names: GeneralNames<'_>,
        server: &ServerName<'_>,
    ) -> Result<(), String> {
        (self.look.0)(self, names, server)
    }

    fn look_through(&self, names: GeneralNames<'_>, server: &ServerName<'_>) -> Result<(), String> {
        let own;
        let references = match &self.references {
            Some(references) => references,
            None => {
                own = Reference::of(server);
                own.as_slice()
            }
        };
        let is_there = names.iter().any(|name| {
            let Some(presented) = PresentedName::read(name.tag, name.contents) else {
                return false;
            };
            let mut references = references.iter();
            references.any(|reference| self.is_match(reference, &presented))
        });
        match is_there {
            true => Ok(()),
            false => Err(self.expected(server)),
        }
    }

    fn is_match(&self, reference: &Reference, presented: &PresentedName<'_>) -> bool {
        let asked = self.matching.as_ref();
        match asked.map(|function| function(reference, presented)) {
            Some(NameMatch::Yes) => true,
            Some(NameMatch::No) => false,
            Some(NameMatch::Default) | None => self.is_match_by_default(reference, presented),
        }
    }

    fn is_match_by_default(&self, reference: &Reference, presented: &PresentedName<'_>) -> bool {
        match (reference, presented) {
            (Reference::Dns(wanted), PresentedName::Dns(name)) => {
                stands_for(name.as_bytes(), wanted.as_ref().as_bytes(), self.wildcard)
            }
            (Reference::Ip(wanted), PresentedName::Ip(address)) => wanted == address,
            (Reference::Uri(wanted), PresentedName::Uri(uri)) => {
                let (wanted, own) = (scheme_and_host(wanted), scheme_and_host(uri));
                wanted.is_some_and(|(scheme, host)| {
                    own.is_some_and(|(own_scheme, own_host)| {
                        scheme.eq_ignore_ascii_case(own_scheme)
                            && stands_for(own_host.as_bytes(), host.as_bytes(), Wildcard::Refused)
                    })
                })
            }
            // The underscore is part of it, and there are no wildcards.
            (Reference::Srv(wanted), PresentedName::Srv(name)) => {
                is_srv_name(name) && wanted.eq_ignore_ascii_case(name)
            }
            _ => false,
        }
    }

    /// What is looked for, in words.
    fn expected(&self, server: &ServerName<'_>) -> String {
        match &self.references {
            None => server.to_str().into_owned(),
            Some(references) => {
                let all: Vec<_> = references.iter().map(Reference::to_string).collect();
                all.join(" or ")
            }
        }
    }
}

impl fmt::Debug for HostNameRules {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HostNameRules")
            .field("references", &self.references)
            .field("wildcards", &(self.wildcard == Wildcard::Allowed))
            .field("matching", &self.matching.is_some())
            .finish()
    }
}

impl<'a> PresentedName<'a> {
    fn read(tag: u8, contents: &'a [u8]) -> Option<Self> {
        match tag {
            DNS_NAME => printable(contents).map(Self::Dns),
            URI => printable(contents).map(Self::Uri),
            MAIL_ADDRESS => printable(contents).map(Self::Mail),
            IP_ADDRESS => match contents.len() {
                4 => <[u8; 4]>::try_from(contents)
                    .ok()
                    .map(|own| Self::Ip(own.into())),
                _ => <[u8; 16]>::try_from(contents)
                    .ok()
                    .map(|own| Self::Ip(own.into())),
            },
            OTHER_NAME => {
                const IA5_STRING: u8 = 0x16;
                let mut name = Reader::new(contents);
                let kind = name.contents(der::OID)?;
                let value = der::only(name.contents(der::context(0))?, IA5_STRING)?;
                let is_it = kind == DNS_SRV && name.is_empty();
                printable(value).filter(|_| is_it).map(Self::Srv)
            }
            _ => None,
        }
    }
}

fn printable(text: &[u8]) -> Option<&str> {
    let is_printable = !text.is_empty() && text.iter().all(u8::is_ascii_graphic);
    core::str::from_utf8(text).ok().filter(|_| is_printable)
}

/// RFC 4985 §2: `_Service.Name`.
fn is_srv_name(name: &str) -> bool {
    let service = name.strip_prefix('_').and_then(|rest| rest.split_once('.'));
    service.is_some_and(|(service, domain)| {
        !service.is_empty() && stands_for(domain.as_bytes(), domain.as_bytes(), Wildcard::Refused)
    })
}

/// RFC 3986 §3: the scheme, and the host behind any user, before any port and path. Schemes such as `sip` have no `//`.
fn scheme_and_host(uri: &str) -> Option<(&str, &str)> {
    let (scheme, rest) = uri.split_once(':')?;
    let rest = rest.strip_prefix("//").unwrap_or(rest);
    let authority = rest.split(['/', '?', '#', ';']).next()?;
    let (_, host) = authority.rsplit_once('@').unwrap_or(("", authority));
    let host = host.split(':').next()?;
    (!scheme.is_empty() && !host.is_empty()).then_some((scheme, host))
}
