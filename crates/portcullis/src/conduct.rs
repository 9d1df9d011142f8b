//! How the handshakes of a connector or acceptor are run.

use std::sync::Arc;
use std::time::Duration;

use portcullis_core::Misuse;
use portcullis_core::config::{ClientConfig, ServerConfig};

use crate::answers::{Questions, SharedAnswers};
use crate::key_log::KeyLog;

/// How the handshakes of a connector or acceptor are run.
#[derive(Clone)]
pub(crate) struct Conduct {
    pub(crate) answers: SharedAnswers,
    pub(crate) key_log: Option<Arc<dyn KeyLog>>,
    pub(crate) handshake_timeout: Duration,
    pub(crate) alert_timeout: Duration,
    /// Whether a peer that does not speak TLS is sent nothing.
    pub(crate) plaintext_fallback: bool,
}

impl Default for Conduct {
    fn default() -> Self {
        Self {
            answers: SharedAnswers::default(),
            key_log: None,
            handshake_timeout: Duration::from_secs(10),
            alert_timeout: Duration::from_secs(5),
            plaintext_fallback: false,
        }
    }
}

impl Conduct {
    /// Has a configuration ask what the answers want to be asked, and report what is logged.
    pub(crate) fn client_config(
        &self,
        config: &ClientConfig,
        more: Questions,
    ) -> Result<ClientConfig, Misuse> {
        let config = self.answers.questions().with(more).ask_client(config)?;
        let (messages, secrets) = self.reports();
        if !messages && !secrets {
            return Ok(config);
        }
        let mut builder = config.to_builder();
        if messages {
            builder = builder.observe_messages(true);
        }
        if secrets {
            builder = builder.key_log(true);
        }
        builder.build()
    }

    /// The same for a server's.
    pub(crate) fn server_config(
        &self,
        config: &ServerConfig,
        more: Questions,
    ) -> Result<ServerConfig, Misuse> {
        let config = self.answers.questions().with(more).ask_server(config)?;
        let (messages, secrets) = self.reports();
        if !messages && !secrets {
            return Ok(config);
        }
        let mut builder = config.to_builder();
        if messages {
            builder = builder.observe_messages(true);
        }
        if secrets {
            builder = builder.key_log(true);
        }
        builder.build()
    }

    fn reports(&self) -> (bool, bool) {
        (
            tracing::enabled!(tracing::Level::DEBUG),
            self.key_log.is_some(),
        )
    }
}

impl std::fmt::Debug for Conduct {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Conduct")
            .field("answers", &self.answers)
            .field("key_log", &self.key_log.is_some())
            .field("handshake_timeout", &self.handshake_timeout)
            .field("alert_timeout", &self.alert_timeout)
            .field("plaintext_fallback", &self.plaintext_fallback)
            .finish()
    }
}
