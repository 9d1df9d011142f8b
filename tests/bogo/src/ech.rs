//! The flags of Encrypted ClientHello, and what must hold of it.

use portcullis_core::config::{ClientConfigBuilder, ServerConfigBuilder};
use portcullis_core::ech::{EchConfigList, EchKey, EchKeys, EchStatus, Retry};
use portcullis_core::question::{Answer, VerifyChain};
use portcullis_core::x509::Roots;
use portcullis_core::{ConnectionInformation, Error};
use rustls_pki_types::ServerName;

use crate::Stop;
use crate::options::Options;
use crate::text::from_base64;

/// Of one connection.
#[derive(Clone, Debug, Default)]
pub(crate) struct EchOptions {
    pub(crate) config_list: Vec<u8>,
    server_configs: Vec<Vec<u8>>,
    server_keys: Vec<Vec<u8>>,
    are_retry: Vec<bool>,
    pub(crate) grease: bool,
    pub(crate) reject_unusable: bool,
    /// Where the roots are, for who is judged by the core.
    pub(crate) trust_cert: Option<String>,
    pub(crate) expect_accept: bool,
    pub(crate) expect_name_override: Option<String>,
    pub(crate) expect_no_name_override: bool,
    pub(crate) expect_retry_configs: Option<Vec<u8>>,
    pub(crate) expect_no_retry_configs: bool,
}

impl EchOptions {
    pub(crate) fn switch(&mut self, name: &str) -> Option<&mut bool> {
        Some(match name {
            "enable-ech-grease" => &mut self.grease,
            "reject-unusable-ech-config" => &mut self.reject_unusable,
            "expect-ech-accept" => &mut self.expect_accept,
            "expect-no-ech-name-override" => &mut self.expect_no_name_override,
            "expect-no-ech-retry-configs" => &mut self.expect_no_retry_configs,
            _ => return None,
        })
    }

    pub(crate) fn takes_value(name: &str) -> bool {
        matches!(
            name,
            "ech-config-list"
                | "ech-server-config"
                | "ech-server-key"
                | "ech-is-retry-config"
                | "expect-ech-name-override"
                | "expect-ech-retry-configs"
                | "trust-cert"
        )
    }

    /// Whether the flag is one of these.
    pub(crate) fn set(&mut self, name: &str, value: &str) -> Result<bool, Stop> {
        match name {
            "ech-config-list" => self.config_list = from_base64(value)?,
            "ech-server-config" => self.server_configs.push(from_base64(value)?),
            "ech-server-key" => self.server_keys.push(from_base64(value)?),
            "ech-is-retry-config" => self.are_retry.push(value != "0"),
            "expect-ech-name-override" => self.expect_name_override = Some(value.into()),
            "expect-ech-retry-configs" => self.expect_retry_configs = Some(from_base64(value)?),
            "trust-cert" => self.trust_cert = Some(value.into()),
            _ => return Ok(false),
        }
        Ok(true)
    }

    fn keys(&self) -> Result<Option<EchKeys>, Stop> {
        if self.server_configs.is_empty() {
            return Ok(None);
        }
        let keys = self.server_configs.iter().zip(&self.server_keys);
        let keys = keys.zip(&self.are_retry).map(|((config, key), is_retry)| {
            let length = u16::try_from(config.len()).unwrap_or(u16::MAX);
            let list = [&length.to_be_bytes(), config.as_slice()].concat();
            EchKey::from_scalar(&list, key).map(|key| key.send_as_retry(*is_retry))
        });
        let keys = keys.collect::<Result<Vec<_>, _>>().and_then(EchKeys::new);
        keys.map(Some)
            .map_err(|misuse| Stop::failed(misuse.to_string()))
    }

    /// `hello`: the beginning of what the client says. A server of BoringSSL's without keys is behind another for whoever
    /// sends it an inner hello, and has never heard of it for whoever sends an outer one (RFC 9849 §7 wants it to know
    /// which it is).
    pub(crate) fn server(
        &self,
        builder: ServerConfigBuilder,
        hello: &[u8],
    ) -> Result<ServerConfigBuilder, Stop> {
        const INNER: [u8; 2] = [0xfe, 0x0d];
        let is_inner = hello
            .windows(5)
            .any(|bytes| bytes.starts_with(&INNER) && bytes.get(2..) == Some(&[0, 1, 1]))
            // One that is longer than it may be.
            || hello
                .windows(8)
                .any(|bytes| bytes.starts_with(&INNER) && bytes.get(2..) == Some(&[0, 4, 1, 42, 42, 42]));
        Ok(match self.keys()? {
            Some(keys) => builder.ech_keys(keys),
            None => builder.ech_backend(is_inner),
        })
    }

    pub(crate) fn client(&self, builder: ClientConfigBuilder) -> Result<ClientConfigBuilder, Stop> {
        let mut builder = builder;
        if self.grease {
            builder = builder.ech_grease(true);
        }
        if !self.config_list.is_empty() {
            let list = EchConfigList::from_bytes(&self.config_list);
            let list = list.map_err(|error| Stop::Failed {
                token: Some(":INVALID_ECH_CONFIG_LIST:"),
                message: error.to_string(),
            })?;
            builder = builder.ech(list).ech_required(self.reject_unusable);
        } else if self.reject_unusable {
            builder = builder.ech_required(true);
        }
        Ok(builder)
    }

    /// What the core judges the server of the public name by.
    pub(crate) fn roots(&self) -> Result<Option<Roots>, Stop> {
        if self.config_list.is_empty() {
            return Ok(None);
        }
        let file = self.trust_cert.as_deref().map(Roots::from_pem_file);
        file.transpose()
            .map_err(|misuse| Stop::failed(misuse.to_string()))
    }

    /// A chain for the public name: retry configurations are to be had only from who has proved it. BoringSSL's
    /// application accepts any, and so does the shim in the end.
    pub(crate) fn judge(&self, question: VerifyChain) -> Result<Answer, Stop> {
        if self.expect_no_name_override && overrides(&question) {
            return Err(Stop::failed("not as expected: the name was replaced"));
        }
        if let Some(expected) = &self.expect_name_override {
            let name = question.server_name().map(ServerName::to_str);
            if name.as_deref() != Some(expected) {
                return Err(Stop::failed("not as expected: another name"));
            }
        }
        Ok(match overrides(&question) && question.check().is_ok() {
            true => question.verify(),
            false => question.dangerous_accept_without_verification(),
        })
    }
}

/// Whether it is about another server than the shim has named.
fn overrides(question: &VerifyChain) -> bool {
    question
        .server_name()
        .is_some_and(|name| name.to_str() != "test")
}

/// Of a connection.
pub(crate) fn check(options: &Options, information: &ConnectionInformation) -> Result<(), Stop> {
    let is_accepted = information.ech() == EchStatus::Accepted;
    let expects_rejection =
        options.ech.expect_no_retry_configs || options.ech.expect_retry_configs.is_some();
    // BoringSSL does not count what a server behind another has confirmed.
    let counts = !options.server || !options.ech.server_configs.is_empty();
    if expects_rejection || (counts && is_accepted != options.ech.expect_accept) {
        return Err(Stop::failed(format!(
            "not as expected: ECH is {:?}",
            information.ech()
        )));
    }
    Ok(())
}

/// Of a handshake that has failed.
pub(crate) fn check_failed(options: &Options, error: &Error) -> Result<(), Stop> {
    let ech = &options.ech;
    if !ech.expect_no_retry_configs && ech.expect_retry_configs.is_none() {
        return Ok(());
    }
    let retry = error.ech_rejection().map(|rejection| rejection.retry());
    match (retry, &ech.expect_retry_configs) {
        (Some(Retry::With(list)), Some(expected)) if list.as_bytes() == expected.as_slice() => {
            Ok(())
        }
        (Some(Retry::WithoutEch), None) => Ok(()),
        _ => Err(Stop::failed(format!(
            "not as expected: retry configurations: {error}"
        ))),
    }
}
