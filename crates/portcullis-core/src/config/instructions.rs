//! A configuration with what whoever runs its handshakes adds to it: made once, however many handshakes there are.

use std::fmt;
use std::sync::OnceLock;

use super::client::ClientConfig;
use super::policy::Policy;
use super::server::{ServerConfig, ServerOptions};
use crate::misuse::Misuse;
use crate::version::Version;

/// How many sets of instructions a configuration remembers what was made for them; for further ones it is made each time.
/// Whoever runs handshakes has two, or four where DEBUG is switched on and off.
const PLACES: usize = 8;

/// What whoever runs handshakes adds to a configuration: questions that are asked, and what is reported. What the
/// configuration has switched on stays on. Each has the name of an option of the builders.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
#[allow(
    clippy::struct_excessive_bools,
    reason = "they are independent of each other"
)]
pub struct Instructions {
    /// [`pause_at_hello`](super::ServerConfigBuilder::pause_at_hello).
    pub pause_at_hello: bool,
    /// [`ask_identity`](super::ServerConfigBuilder::ask_identity).
    pub ask_identity: bool,
    /// [`ask_psk`](super::ServerConfigBuilder::ask_psk).
    pub ask_psk: bool,
    /// [`ask_signature`](super::ServerConfigBuilder::ask_signature).
    pub ask_signature: bool,
    /// [`ask_verification`](super::ServerConfigBuilder::ask_verification).
    pub ask_verification: bool,
    /// Server: [`ask_tickets`](super::ServerConfigBuilder::ask_tickets). A client is not asked about sessions.
    pub ask_tickets: bool,
    /// Server: [`ask_sessions`](super::ServerConfigBuilder::ask_sessions).
    pub ask_sessions: bool,
    /// Server: [`ask_user`](super::ServerConfigBuilder::ask_user).
    pub ask_user: bool,
    /// Server: [`for_session_store`](ServerConfig::for_session_store).
    pub session_store: bool,
    /// Client: [`taking_tickets`](ClientConfig::taking_tickets).
    pub take_tickets: bool,
    /// [`observe_messages`](super::ServerConfigBuilder::observe_messages).
    pub observe_messages: bool,
    /// [`key_log`](super::ServerConfigBuilder::key_log).
    #[cfg(any(feature = "key-log", test))]
    #[cfg_attr(docsrs, doc(cfg(feature = "key-log")))]
    pub key_log: bool,
}

impl Policy {
    /// What is the same in both roles.
    fn instruct(&mut self, instructions: Instructions) {
        let asked = &mut self.asked;
        asked.hello |= instructions.pause_at_hello;
        asked.identity |= instructions.ask_identity;
        asked.psk |= instructions.ask_psk;
        asked.signature |= instructions.ask_signature;
        asked.verification |= instructions.ask_verification;
        self.observe_messages |= instructions.observe_messages;
        #[cfg(any(feature = "key-log", test))]
        {
            self.key_log |= instructions.key_log;
        }
    }
}

impl ServerOptions {
    /// All but what becomes of sessions with a store.
    pub(super) fn instruct(&mut self, instructions: Instructions) {
        let policy = &mut self.policy;
        policy.instruct(instructions);
        policy.asked.tickets |= instructions.ask_tickets;
        policy.asked.sessions |= instructions.ask_sessions;
        policy.asked.user |= instructions.ask_user;
    }

    /// Whether it was made for a store, and asks it.
    fn is_for_store(&self) -> bool {
        let asked = &self.policy.asked;
        let asks_tickets = asked.tickets || !self.policy.speaks(Version::V1_3);
        self.is_made_for_store && asked.sessions && asks_tickets
    }

    /// Sessions are asked about, and there are no ticket keys but those that were chosen for TLS 1.2 alone.
    pub(super) fn leave_sessions_to_store(&mut self) -> Result<(), Misuse> {
        if self.is_for_store() {
            return Ok(());
        }
        let is_tls13 = self.policy.speaks(Version::V1_3);
        if self.ticket_keys_are_chosen && self.ticket_keys.is_none() && !self.is_made_for_store {
            return Err(Misuse::new(
                "session_store: the configuration has resumption(false); leave out one of the two",
            ));
        }
        if self.ticket_keys.is_some() && self.ticket_keys_are_chosen && is_tls13 {
            return Err(Misuse::new(
                "session_store: the configuration has ticket_keys, and a ticket of TLS 1.3 either is the \
                 session or stands for one in the store; leave out one of the two",
            ));
        }
        self.policy.asked.sessions = true;
        self.policy.asked.tickets = is_tls13;
        if !self.ticket_keys_are_chosen {
            self.ticket_keys = None;
            self.ticket_keys_are_chosen = true;
        }
        self.is_made_for_store = true;
        Ok(())
    }
}

impl ClientConfig {
    /// This configuration with these instructions. It is made, and checked, when it is asked for first, and is the same
    /// from then on: one for each handshake costs no more than a clone.
    ///
    /// # Errors
    /// When they cannot be followed: the sentence names the option.
    pub fn instructed(&self, instructions: Instructions) -> Result<Self, Misuse> {
        if instructions == Instructions::default() {
            return Ok(self.clone());
        }
        self.0.instructed.get(instructions, || {
            let mut builder = self.to_builder();
            builder.client.policy.instruct(instructions);
            if instructions.take_tickets {
                builder.client.tickets_taken = Some(true);
            }
            builder.build()
        })
    }
}

impl ServerConfig {
    /// This configuration for whoever answers all questions about sessions from a store: they are
    /// asked, and there are no ticket keys but those that were chosen for TLS 1.2 alone.
    ///
    /// # Errors
    /// When keys were chosen and TLS 1.3 is spoken, whose tickets cannot be both sealed and kept; and
    /// when resumption was switched off.
    pub fn for_session_store(&self) -> Result<Self, Misuse> {
        if self.0.is_for_store() {
            return Ok(self.clone());
        }
        if self.0.policy.is_for_datagrams() {
            return self.for_store_over_datagrams(Instructions::default());
        }
        let mut builder = self.to_builder();
        builder.server.leave_sessions_to_store()?;
        builder.build()
    }

    /// This configuration with these instructions. It is made, and checked, when it is asked for first, and is the same
    /// from then on: one for each handshake costs no more than a clone.
    ///
    /// # Errors
    /// When they cannot be followed: the sentence names the option.
    pub fn instructed(&self, instructions: Instructions) -> Result<Self, Misuse> {
        if instructions == Instructions::default() {
            return Ok(self.clone());
        }
        self.0.instructed.get(instructions, || {
            if self.0.policy.is_for_datagrams() {
                return match instructions.session_store {
                    true => self.for_store_over_datagrams(instructions),
                    false => Ok(self.asking_over_datagrams(instructions)),
                };
            }
            let mut builder = match instructions.session_store {
                true => self.for_session_store()?.to_builder(),
                false => self.to_builder(),
            };
            builder.server.instruct(instructions);
            builder.build()
        })
    }
}

/// What was made of a configuration, by instructions. What is built of it has none of them.
pub(super) struct Instructed<C>([OnceLock<(Instructions, C)>; PLACES]);

impl<C: Clone> Instructed<C> {
    fn get(
        &self,
        instructions: Instructions,
        make: impl Fn() -> Result<C, Misuse>,
    ) -> Result<C, Misuse> {
        for place in &self.0 {
            let (followed, config) = match place.get() {
                Some(made) => made,
                None => {
                    let made = (instructions, make()?);
                    // Another thread may be first, with others.
                    place.get_or_init(|| made)
                }
            };
            if *followed == instructions {
                return Ok(config.clone());
            }
        }
        make()
    }
}

impl<C> Default for Instructed<C> {
    fn default() -> Self {
        Self(std::array::from_fn(|_| OnceLock::new()))
    }
}

impl<C> Clone for Instructed<C> {
    fn clone(&self) -> Self {
        Self::default()
    }
}

impl<C> fmt::Debug for Instructed<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Instructed")
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::config::ClientAuthentication;
    use crate::testing::{client_config, pki, server_config};

    fn sets() -> impl Iterator<Item = Instructions> {
        (1..=10_u8).map(|set| Instructions {
            pause_at_hello: set & 1 != 0,
            ask_psk: set & 2 != 0,
            ask_verification: set & 4 != 0,
            observe_messages: set & 8 != 0,
            ..Instructions::default()
        })
    }

    /// It is made once for each set, up to a bound, and what was judged by one counts for all.
    #[test]
    fn a_configuration_is_made_once_for_each_set() {
        let client = client_config();
        let roots = ClientAuthentication::Required(pki().roots.clone());
        let server = server_config()
            .to_builder()
            .client_authentication(roots)
            .build()
            .unwrap();
        let none = Instructions::default();
        assert!(Arc::ptr_eq(&client.instructed(none).unwrap().0, &client.0));
        assert!(Arc::ptr_eq(&server.instructed(none).unwrap().0, &server.0));
        for (at, set) in sets().enumerate() {
            let (one, other) = (
                client.instructed(set).unwrap(),
                client.instructed(set).unwrap(),
            );
            assert_eq!(Arc::ptr_eq(&one.0, &other.0), at < PLACES, "{at}");
            assert_eq!(one.0.policy.asked.hello, set.pause_at_hello);
            assert_eq!(one.0.policy.asked.psk, set.ask_psk);
            assert_eq!(one.0.policy.asked.verification, set.ask_verification);
            assert_eq!(one.0.policy.observe_messages, set.observe_messages);
            let of = |config: &ClientConfig| config.0.chain_policy().unwrap().clone();
            assert!(of(&one).is_same(&of(&client)));
            let (one, other) = (
                server.instructed(set).unwrap(),
                server.instructed(set).unwrap(),
            );
            assert_eq!(Arc::ptr_eq(&one.0, &other.0), at < PLACES, "{at}");
            assert_eq!(
                one.0.policy.asked,
                client.instructed(set).unwrap().0.policy.asked
            );
            let of = |config: &ServerConfig| config.0.client_policy().unwrap().clone();
            assert!(of(&one).is_same(&of(&server)));
        }
    }

    #[test]
    fn what_cannot_be_followed_is_said_each_time() {
        let server = server_config()
            .to_builder()
            .resumption(false)
            .build()
            .unwrap();
        let set = Instructions {
            session_store: true,
            ..Instructions::default()
        };
        for _ in 0..2 {
            let error = server.instructed(set).unwrap_err().to_string();
            assert!(error.contains("resumption(false)"), "{error}");
        }
    }

    /// Over datagrams none is built again, and what a store needs of it is there all the same.
    #[test]
    fn a_store_over_datagrams_is_asked() {
        let set = Instructions {
            session_store: true,
            ask_identity: true,
            ..Instructions::default()
        };
        let builder = || ServerConfig::builder().identity(pki().server.clone());
        let server = builder().build().unwrap();
        let datagrams = server.for_datagrams().unwrap();
        for config in [
            datagrams.instructed(set).unwrap(),
            datagrams.for_session_store().unwrap(),
            server.for_session_store().unwrap().for_datagrams().unwrap(),
        ] {
            let (options, asked) = (&config.0, config.0.policy.asked);
            assert!(asked.sessions && asked.tickets && options.ticket_keys.is_none());
            assert!(options.policy.is_for_datagrams());
            let again = config.for_session_store().unwrap();
            assert!(Arc::ptr_eq(&again.0, &config.0));
        }
        assert!(datagrams.instructed(set).unwrap().0.policy.asked.identity);
        let without = builder().resumption(false).build().unwrap();
        let error = without
            .for_datagrams()
            .unwrap()
            .instructed(set)
            .unwrap_err();
        assert!(error.to_string().contains("resumption(false)"), "{error}");
    }

    /// Whoever has switched resumption off, and asks about sessions all the same, has made no configuration for a store.
    #[test]
    fn what_was_made_for_a_store_is_known() {
        let builder = || ServerConfig::builder().identity(pki().server.clone());
        let own = builder()
            .resumption(false)
            .ask_sessions(true)
            .ask_tickets(true);
        let made = builder().build().unwrap().for_session_store().unwrap();
        assert!(made.for_session_store().is_ok());
        let off = made.to_builder().resumption(false).build().unwrap();
        for config in [own.build().unwrap(), off] {
            let error = config.for_session_store().unwrap_err().to_string();
            assert!(error.contains("resumption(false)"), "{error}");
        }
        // Whatever is changed about it otherwise, it is still for one.
        let changed = made.to_builder().ask_sessions(false).build().unwrap();
        assert!(changed.for_session_store().unwrap().0.policy.asked.sessions);
    }

    /// What is built of one that has followed instructions has not.
    #[test]
    fn a_change_counts() {
        let set = sets().next().unwrap();
        let before = server_config().to_builder().build().unwrap();
        before.instructed(set).unwrap();
        let after = before.to_builder().ticket_count(1).build().unwrap();
        assert_eq!(after.instructed(set).unwrap().0.ticket_count, 1);
        assert_eq!(before.instructed(set).unwrap().0.ticket_count, 3);
    }
}
