//! What a client knows whose server could not decrypt its hello.
//!
//! RFC 9849 §6.1.6.

use super::EchConfigList;

/// The server did not accept the encrypted ClientHello, and there is no connection: nothing but the public name was told to
/// anybody, and nothing of it is in this value.
#[derive(Clone, Debug)]
pub struct EchRejection {
    public_name: Box<str>,
    /// By the rules of the configuration, and by nobody's word alone.
    is_proved: bool,
    retry: Option<EchConfigList>,
}

/// What can be tried next (RFC 9849 §6.1.6). A server whose second answer is [`With`](Self::With) as well is
/// misconfigured, and is not to be tried a third time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Retry<'a> {
    /// Another connection, with these configurations in the place of the others.
    With(&'a EchConfigList),
    /// The server has switched this off, and has proved that it has the public name: another connection can be made
    /// without, if the name may be seen.
    WithoutEch,
    /// Nothing: nobody has proved to be the server of the public name, because servers are not verified.
    No,
}

impl EchRejection {
    pub(crate) fn new(
        public_name: impl Into<Box<str>>,
        is_proved: bool,
        retry: Option<EchConfigList>,
    ) -> Self {
        Self {
            public_name: public_name.into(),
            is_proved,
            retry: retry.filter(EchConfigList::has_known_version),
        }
    }

    /// The name that the server has proved to be.
    pub fn public_name(&self) -> &str {
        &self.public_name
    }

    /// Whether configurations came: the server, whoever it is, decrypts hellos. [`retry`](Self::retry) has them, if they
    /// can be used.
    pub fn has_configurations(&self) -> bool {
        self.retry.is_some()
    }

    /// What can be tried next.
    pub fn retry(&self) -> Retry<'_> {
        match &self.retry {
            _ if !self.is_proved => Retry::No,
            Some(list) => Retry::With(list),
            None => Retry::WithoutEch,
        }
    }
}

impl core::fmt::Display for EchRejection {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(
            f,
            "{} did not accept the encrypted ClientHello",
            self.public_name
        )?;
        f.write_str(match self.retry() {
            Retry::With(_) => ": connect again with the configurations that it sent",
            Retry::WithoutEch => {
                ", and has no configuration for one: it has switched this off; connect without, if the server's \
                 name may be seen"
            }
            Retry::No => {
                ", and this configuration does not verify servers, so that nothing it sent can be used"
            }
        })
    }
}
