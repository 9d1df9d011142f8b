//! By what each end shows who it is: what the client has offered, and what is selected.
//!
//! RFC 7250 §4.

use super::super::find;
use crate::Violation;
use crate::config::ServerOptions;
use crate::config::certificate_types::is_default;
use crate::error::Abort;
use crate::wire::ClientHello;
use crate::wire::extension::{
    CertificateType, ClientCertificateTypeSelected, ClientCertificateTypes,
    ServerCertificateTypeSelected, ServerCertificateTypes,
};
use crate::wire::list::List;
use crate::x509::{AcceptedTypes, Sha256Digest};

/// What is selected, and what the client is told of it.
#[derive(Clone, Copy)]
pub(super) struct CertificateTypes {
    /// Of this side, if it is said.
    server: Option<CertificateType>,
    /// Of the client, if it is said.
    client: Option<CertificateType>,
    /// What the client will show, if it shows something.
    pub(super) of_client: CertificateType,
}

impl CertificateTypes {
    /// Settles both. `shown`: what this side shows, if its key exchange has that; `requests`: the client is
    /// asked for something.
    pub(super) fn choose(
        config: &ServerOptions,
        hello: &ClientHello<'_>,
        shown: Option<CertificateType>,
        requests: bool,
    ) -> Result<Self, Abort> {
        let of_server = find::<ServerCertificateTypes<'_>>(&hello.extensions)?;
        let of_client = find::<ClientCertificateTypes<'_>>(&hello.extensions)?;
        check(of_server.map(|list| list.types))?;
        let of_client = check(of_client.map(|list| list.types))?;
        let mut chosen = Self {
            server: shown.filter(|_| of_server.is_some()),
            client: None,
            of_client: CertificateType::X509,
        };
        if !requests {
            return Ok(chosen);
        }
        let offers = |typ: &CertificateType| match of_client {
            Some(list) => list.contains(*typ),
            None => *typ == CertificateType::X509,
        };
        let first = config.accepted.types.iter().copied().find(offers);
        // §4.2: without one in common the server ends it.
        let first = first.ok_or(Violation::NoSharedClientCertificateType)?;
        chosen.client = of_client.map(|_| first);
        chosen.of_client = first;
        Ok(chosen)
    }

    /// Writes the extensions.
    pub(super) fn put(&self, out: &mut Vec<u8>) {
        if let Some(typ) = self.client {
            ClientCertificateTypeSelected::put(out, typ);
        }
        if let Some(typ) = self.server {
            ServerCertificateTypeSelected::put(out, typ);
        }
    }
}

/// §4.1: a side that has nothing but X.509 leaves the extension out.
fn check(
    list: Option<List<'_, CertificateType>>,
) -> Result<Option<List<'_, CertificateType>>, Violation> {
    match list {
        Some(list) if is_default(&list.iter().take(2).collect::<Vec<_>>()) => {
            Err(Violation::BadCertificateTypes)
        }
        list => Ok(list),
    }
}

/// What the client accepts of this side.
pub(super) fn accepted(hello: &ClientHello<'_>) -> Result<AcceptedTypes, Abort> {
    let list = find::<ServerCertificateTypes<'_>>(&hello.extensions)?;
    let list = check(list.map(|list| list.types))?;
    Ok(list.map_or(AcceptedTypes::DEFAULT, |list| {
        AcceptedTypes::of(list.iter())
    }))
}

/// The type of the identity that a session began with, as far as the configuration knows it.
pub(super) fn of_session(config: &ServerOptions, names: &Sha256Digest) -> CertificateType {
    let mut identities = config.identities.iter();
    let identity = identities.find(|identity| identity.names_digest() == names);
    identity.map_or(CertificateType::X509, |one| one.certificate_type())
}
