//! Answers that look something up by a name: an identity, a pre-shared key, a user of SRP.

use std::future::Future;

use portcullis_core::Refusal;
use portcullis_core::config::{PreSharedKey, SrpVerifier};
use portcullis_core::question::{Answer, ChooseIdentity, ChoosePsk, LookUpUser};
use portcullis_core::x509::Identity;

use super::{Answers, Questions};

/// Chooses a server's identity by the name the client asked for; see [`identity_by_name`].
#[derive(Clone, Debug)]
pub struct IdentityByName<F>(F);

/// Answers that look a server's identity up by the host name in the ClientHello (`sni_fun`).
///
/// The function gets the name in lower case, or `None` when the client sent none. `Ok(None)`
/// stands for the configured identities; an error ends the handshake with its alert.
///
/// ```
/// use portcullis::{ServerConfig, TlsAcceptor, answers};
///
/// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/doctest/mod.rs"));
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let (identity, _) = dev_identity();
/// let config = ServerConfig::builder().ask_identity(true).build()?;
/// let acceptor = TlsAcceptor::new(config).answers(answers::identity_by_name(move |name| {
///     let identity = identity.clone();
///     // Here may be a query to a database.
///     async move { Ok((name.as_deref() == Some("localhost")).then_some(identity)) }
/// }));
/// # Ok(())
/// # }
/// ```
pub fn identity_by_name<F, Fut>(find: F) -> IdentityByName<F>
where
    F: Fn(Option<String>) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<Option<Identity>, Refusal>> + Send + 'static,
{
    IdentityByName(find)
}

impl<F, Fut> Answers for IdentityByName<F>
where
    F: Fn(Option<String>) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<Option<Identity>, Refusal>> + Send + 'static,
{
    fn questions(&self) -> Questions {
        Questions::none().and_identity()
    }

    async fn choose_identity(&self, question: ChooseIdentity) -> Answer {
        match (self.0)(question.server_name().map(str::to_owned)).await {
            Ok(Some(identity)) => question.present(identity),
            Ok(None) => question.choose_configured(),
            Err(refusal) => question.refuse(refusal),
        }
    }
}

/// Looks pre-shared keys up; see [`psk_by_identity`].
#[derive(Clone, Debug)]
pub struct PskByIdentity<F>(F);

/// Answers that look the key of a client's identity up (`user_lookup_fun`), for a server of TLS 1.3, or one whose
/// cipher suites have pre-shared keys ([`ServerConfigBuilder::psk`]).
///
/// The function gets the identity as the client has sent it: 0 to 65,535 bytes that nobody has
/// checked. It is asked again when a session is resumed that began with a key. `Ok(None)` means that
/// there is none; an error ends the handshake with its alert.
///
/// A client of TLS 1.3 may offer several: then the function is asked for one after the other, 16 at most, until it
/// has a key. Some may be tickets that no longer open. That of an imported key is an
/// [`ImportedIdentity`](crate::ImportedIdentity), which says what the key was imported from; the function gives that
/// key, imported with the context that the two ends have agreed on.
///
/// ```
/// use portcullis::{PreSharedKey, ServerConfig, TlsAcceptor, answers};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let key = [7; 32];
/// let config = ServerConfig::builder().ask_psk(true).build()?;
/// let acceptor = TlsAcceptor::new(config).answers(answers::psk_by_identity(move |identity| {
///     // Here may be a query to a database.
///     let found = (identity == b"meter-17").then(|| PreSharedKey::new(&identity, key));
///     async move { Ok(found.and_then(Result::ok)) }
/// }));
/// # Ok(())
/// # }
/// ```
///
/// [`ServerConfigBuilder::psk`]: portcullis_core::config::ServerConfigBuilder::psk
pub fn psk_by_identity<F, Fut>(find: F) -> PskByIdentity<F>
where
    F: Fn(Vec<u8>) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<Option<PreSharedKey>, Refusal>> + Send + 'static,
{
    PskByIdentity(find)
}

impl<F, Fut> Answers for PskByIdentity<F>
where
    F: Fn(Vec<u8>) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<Option<PreSharedKey>, Refusal>> + Send + 'static,
{
    fn questions(&self) -> Questions {
        Questions::none().and_psk()
    }

    async fn choose_psk(&self, question: ChoosePsk) -> Answer {
        let identities: Vec<_> = question.identities().map(<[u8]>::to_vec).collect();
        if identities.is_empty() {
            // A client has none to look up.
            return question.choose_configured();
        }
        for identity in identities {
            match (self.0)(identity).await {
                Ok(Some(psk)) => return question.use_psk(psk),
                Ok(None) => {}
                Err(refusal) => return question.refuse(refusal),
            }
        }
        question.none()
    }
}

/// Looks users up; see [`srp_user_by_name`].
#[derive(Clone, Debug)]
pub struct SrpUserByName<F>(F);

/// Answers that look up who logs in with a password (`user_lookup_fun`), for a server whose cipher suites
/// have users ([`ServerConfigBuilder::ask_user`]).
///
/// The function gets the name as the client has sent it: 1 to 255 bytes that nobody has checked. It is
/// asked again when a session is resumed in which the user had logged in. `Ok(None)` means that there is
/// no such user, which the client is not told: it ends as with a wrong password. An error ends the
/// handshake with its alert.
///
/// ```
/// use portcullis::suite::CipherSuite;
/// use portcullis::{ServerConfig, SrpGroup, SrpUsers, SrpVerifier, TlsAcceptor, answers};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # if !cfg!(feature = "finite-field") { return Ok(()); }
/// # let alice = SrpVerifier::from_password("alice", "password123", SrpGroup::Bits2048)?;
/// # let seed = [7; 32];
/// let config = ServerConfig::builder()
///     .cipher_suites([CipherSuite::TLS_SRP_SHA_WITH_AES_256_CBC_SHA])
///     // What stands for users who are not there.
///     .srp_users(SrpUsers::new([])?.seed(seed))
///     .ask_user(true)
///     .build()?;
/// let acceptor = TlsAcceptor::new(config).answers(answers::srp_user_by_name(move |name| {
///     // Here may be a query to a database.
///     let found = (name == b"alice").then(|| alice.clone());
///     async move { Ok(found) }
/// }));
/// # Ok(())
/// # }
/// ```
///
/// # Cancel safety
/// The future is dropped when the handshake is dropped or times out.
///
/// [`ServerConfigBuilder::ask_user`]: portcullis_core::config::ServerConfigBuilder::ask_user
pub fn srp_user_by_name<F, Fut>(find: F) -> SrpUserByName<F>
where
    F: Fn(Vec<u8>) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<Option<SrpVerifier>, Refusal>> + Send + 'static,
{
    SrpUserByName(find)
}

impl<F, Fut> Answers for SrpUserByName<F>
where
    F: Fn(Vec<u8>) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<Option<SrpVerifier>, Refusal>> + Send + 'static,
{
    fn questions(&self) -> Questions {
        Questions::none().and_user()
    }

    async fn look_up_user(&self, question: LookUpUser) -> Answer {
        match (self.0)(question.user().to_vec()).await {
            Ok(Some(verifier)) => question.use_verifier(verifier),
            Ok(None) => question.unknown(),
            Err(refusal) => question.refuse(refusal),
        }
    }
}
