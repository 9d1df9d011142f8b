//! A token, opened: a session of it in which somebody has logged in, and the key.

use std::path::{Path, PathBuf};
use std::sync::Mutex;

use cryptoki::context::{CInitializeArgs, CInitializeFlags, Pkcs11};
use cryptoki::error::{Error, RvError};
use cryptoki::mechanism::{Mechanism, MechanismType};
use cryptoki::object::{Attribute, AttributeType, KeyType, ObjectClass, ObjectHandle};
use cryptoki::session::{Session, UserType};
use cryptoki::slot::Slot;
use cryptoki::types::RawAuthPin;

use crate::error::{Consequence, TokenError, consequence, is};
use crate::mechanism::{Kind, Parts};
use crate::uri::Pkcs11Uri;

/// What is needed to open a token again and again.
pub(crate) struct Token {
    module: Pkcs11,
    path: PathBuf,
    uri: Pkcs11Uri,
    /// Gone once it was wrong: tokens lock after a few tries.
    pin: Mutex<Pin>,
    /// With the last session the login ends, and what it has shown: one stays.
    keeper: Mutex<Option<Session>>,
}

enum Pin {
    Known(RawAuthPin),
    None,
    Wrong(TokenError),
}

/// A session and the key in it.
pub(crate) struct Opened {
    pub(crate) session: Session,
    pub(crate) key: ObjectHandle,
    /// Whether the key wants the PIN for each signature (CKA_ALWAYS_AUTHENTICATE).
    pub(crate) wants_pin: bool,
}

impl Opened {
    /// How the key is given what it signs.
    pub(crate) const fn parts(&self) -> Parts {
        match self.wants_pin {
            true => Parts::Several,
            false => Parts::One,
        }
    }
}

/// What the key can do.
pub(crate) struct Facts {
    pub(crate) kind: Kind,
    pub(crate) mechanisms: Vec<MechanismType>,
    /// Of an RSA key, without zeros before it.
    pub(crate) modulus: Vec<u8>,
    pub(crate) decrypts: bool,
}

impl Token {
    /// Loads the module, which stays loaded.
    pub(crate) fn load(
        path: &Path,
        uri: Pkcs11Uri,
        pin: Option<RawAuthPin>,
    ) -> Result<Self, TokenError> {
        let failed = |error: &Error| {
            TokenError::new(format!("the PKCS#11 module {}: {error}", path.display()))
        };
        let module = Pkcs11::new(path).map_err(|error| failed(&error))?;
        initialize(&module).map_err(|error| failed(&error))?;
        Ok(Self {
            module,
            path: path.to_owned(),
            uri,
            pin: Mutex::new(pin.map_or(Pin::None, Pin::Known)),
            keeper: Mutex::new(None),
        })
    }

    fn failed(&self, error: &Error) -> TokenError {
        TokenError::new(format!("the PKCS#11 token ({}): {error}", self.uri))
    }

    /// The one slot whose token is meant.
    fn slot(&self) -> Result<Slot, TokenError> {
        let failed = |error| self.failed(&error);
        let slots = self.module.get_slots_with_token().map_err(failed)?;
        let mut fitting = slots.into_iter().filter(|slot| {
            let token = self.module.get_token_info(*slot);
            token.is_ok_and(|token| token.token_initialized() && self.uri.fits(slot.id(), &token))
        });
        match (fitting.next(), fitting.next()) {
            (Some(slot), None) => Ok(slot),
            (None, _) => Err(TokenError::new(format!(
                "there is no token for {} in the module {}",
                self.uri,
                self.path.display()
            ))),
            (Some(_), Some(_)) => Err(TokenError::new(format!(
                "several tokens are there for {}: say in the URI which, with `token` or `serial`",
                self.uri
            ))),
        }
    }

    /// Opens a session, logs in if nobody has, and looks for the key.
    pub(crate) fn open(&self) -> Result<Opened, TokenError> {
        let failed = |error| self.failed(&error);
        // Another part of this process may have ended it.
        initialize(&self.module).map_err(failed)?;
        let slot = self.slot()?;
        let session = self.module.open_ro_session(slot).map_err(failed)?;
        self.log_in(slot, &session)?;
        let mut keeper = lock(&self.keeper);
        let is_alive = |session: &Session| {
            let info = session.get_session_info();
            info.is_ok_and(|info| info.slot_id() == slot)
        };
        if !keeper.as_ref().is_some_and(is_alive) {
            // A token with a single session has none left for this.
            *keeper = self.module.open_ro_session(slot).ok();
        }
        drop(keeper);
        let mut template = vec![Attribute::Class(ObjectClass::PRIVATE_KEY)];
        if let Some(label) = &self.uri.object {
            template.push(Attribute::Label(label.clone().into_bytes()));
        }
        if let Some(id) = &self.uri.id {
            template.push(Attribute::Id(id.clone()));
        }
        let keys = session.find_objects(&template).map_err(failed)?;
        match keys[..] {
            [key] => {
                let always = session.get_attributes(key, &[AttributeType::AlwaysAuthenticate]);
                let always = always.map_err(failed)?;
                Ok(Opened {
                    wants_pin: always.contains(&Attribute::AlwaysAuthenticate(true)),
                    session,
                    key,
                })
            }
            [] => Err(TokenError::new(format!(
                "the PKCS#11 token has no private key for {}{}",
                self.uri,
                match *lock(&self.pin) {
                    Pin::None => ": it may be shown only after a login, and there is no PIN",
                    _ => "",
                }
            ))),
            _ => Err(TokenError::new(format!(
                "the PKCS#11 token has {} private keys for {}: say in the URI which, with `object` or `id`",
                keys.len(),
                self.uri
            ))),
        }
    }

    fn log_in(&self, slot: Slot, session: &Session) -> Result<(), TokenError> {
        let token = self.module.get_token_info(slot);
        let token = token.map_err(|error| self.failed(&error))?;
        let mut pin = lock(&self.pin);
        let logged_in = match &*pin {
            Pin::Wrong(error) => return Err(error.clone()),
            Pin::Known(known) => session.login_with_raw(UserType::User, known),
            // The token has keys of its own for that.
            Pin::None if token.protected_authentication_path() => {
                session.login(UserType::User, None)
            }
            Pin::None => return Ok(()),
        };
        match logged_in {
            Err(error) if is(&error, RvError::UserAlreadyLoggedIn) => Ok(()),
            Err(error) => Err(self.not_logged_in(&mut pin, token.label(), &error)),
            Ok(()) => Ok(()),
        }
    }

    /// What a login has failed with. A PIN that was wrong is never used again.
    fn not_logged_in(&self, pin: &mut Pin, label: &str, error: &Error) -> TokenError {
        if is(error, RvError::PinIncorrect) {
            let error = TokenError::new(format!(
                "the PIN for the PKCS#11 token {label:?} is wrong: not tried again, because tokens lock after a few \
                 tries"
            ));
            *pin = Pin::Wrong(error.clone());
            return error;
        }
        let failed = self.failed(error);
        if is(error, RvError::PinLocked) {
            *pin = Pin::Wrong(failed.clone());
        }
        failed
    }

    /// Signs with a key that wants the PIN for each signature: the login belongs to the operation that was begun
    /// (CKU_CONTEXT_SPECIFIC, PKCS#11 3.0 §5.6.8). One at a time: cards forget the PIN when anything comes between, and whoever
    /// waits hears of a wrong one before trying it, too. After a failure the session has an operation under way,
    /// and is of no use.
    ///
    /// What the token says, or why it was not asked.
    pub(crate) fn sign_with_pin(
        &self,
        opened: &Opened,
        mechanism: &Mechanism<'_>,
        content: &[u8],
    ) -> Result<Result<Vec<u8>, Error>, TokenError> {
        let Opened { session, key, .. } = opened;
        let mut pin = lock(&self.pin);
        if let Pin::Wrong(error) = &*pin {
            return Err(error.clone());
        }
        if let Err(error) = session.sign_init(mechanism, *key) {
            return Ok(Err(error));
        }
        let token = || {
            let info = session.get_session_info()?;
            self.module.get_token_info(info.slot_id())
        };
        let context = UserType::ContextSpecific;
        let logged_in = match &*pin {
            Pin::Known(known) => session.login_with_raw(context, known),
            Pin::None | Pin::Wrong(_)
                if token().is_ok_and(|token| token.protected_authentication_path()) =>
            {
                session.login(context, None)
            }
            Pin::None | Pin::Wrong(_) => {
                return Err(TokenError::new(format!(
                    "the private key for {} wants the PIN for each signature (CKA_ALWAYS_AUTHENTICATE), and there is no \
                     PIN",
                    self.uri
                )));
            }
        };
        if let Err(error) = logged_in {
            return match consequence(&error) {
                Consequence::Reopen => Ok(Err(error)),
                Consequence::Nothing => {
                    let token = token();
                    let label = token.as_ref().map_or("", |token| token.label());
                    Err(self.not_logged_in(&mut pin, label, &error))
                }
            };
        }
        let update = session.sign_update(content);
        Ok(update.and_then(|()| session.sign_final()))
    }

    /// What the key is, and what its token can do with it.
    pub(crate) fn facts(&self, opened: &Opened) -> Result<Facts, TokenError> {
        let failed = |error| self.failed(&error);
        let wanted = [
            AttributeType::KeyType,
            AttributeType::EcParams,
            AttributeType::Modulus,
            AttributeType::Decrypt,
        ];
        let attributes = opened.session.get_attributes(opened.key, &wanted);
        let (mut key_type, mut curve, mut modulus) = (None, None, None);
        let mut may_decrypt = false;
        for attribute in attributes.map_err(failed)? {
            match attribute {
                Attribute::KeyType(found) => key_type = Some(found),
                Attribute::EcParams(found) => curve = Some(found),
                Attribute::Modulus(found) => modulus = Some(found),
                Attribute::Decrypt(found) => may_decrypt = found,
                _ => {}
            }
        }
        let modulus = modulus.unwrap_or_default();
        let zeros = modulus.iter().take_while(|digit| **digit == 0).count();
        let modulus = modulus.get(zeros..).unwrap_or_default().to_vec();
        let kind = match (key_type, &curve, &*modulus) {
            (Some(KeyType::RSA), _, [_, ..]) => Some(Kind::Rsa),
            (Some(KeyType::EC | KeyType::EC_EDWARDS), Some(curve), _) => Kind::of_curve(curve),
            _ => None,
        };
        let kind = kind.ok_or_else(|| {
            TokenError::new(format!(
                "the private key for {} is none that is supported: use RSA, ECDSA on P-256, P-384 or P-521, or Ed25519",
                self.uri
            ))
        })?;
        let slot = opened.session.get_session_info().map_err(failed)?.slot_id();
        let mechanisms = self.module.get_mechanism_list(slot).map_err(failed)?;
        let is_raw = mechanisms.contains(&MechanismType::RSA_X_509);
        Ok(Facts {
            kind,
            // Between the beginning and the end there would have to be a login, and this mechanism has no parts.
            decrypts: may_decrypt && is_raw && kind == Kind::Rsa && !opened.wants_pin,
            mechanisms,
            modulus,
        })
    }

    pub(crate) const fn uri(&self) -> &Pkcs11Uri {
        &self.uri
    }
}

fn initialize(module: &Pkcs11) -> Result<(), Error> {
    match module.initialize(CInitializeArgs::new(CInitializeFlags::OS_LOCKING_OK)) {
        // Another part of this process uses it, too.
        Err(error) if is(&error, RvError::CryptokiAlreadyInitialized) => Ok(()),
        done => done,
    }
}

/// Whoever has panicked with it has changed all of it or nothing.
fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner)
}
