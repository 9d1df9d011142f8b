//! What can go wrong, as one sentence, the facts behind it, and an exit code for each class.

use std::fmt;
use std::io;

use portcullis::{AlertDescription, Direction, Reason};
use serde_json::{Value, json};

use crate::wording::{self, with_options};

/// Why the command ends badly.
#[derive(Debug)]
pub(crate) struct Failure {
    class: Class,
    sentence: String,
    facts: Facts,
    /// Whether the user has been told already.
    told: bool,
}

/// What is known besides the sentence.
#[derive(Debug, Default)]
struct Facts {
    stage: Option<String>,
    alert: Option<(Direction, AlertDescription)>,
    /// The sentence without stage and alert, if it has them.
    reason: Option<String>,
    /// A word for what is wrong with the peer's certificate.
    certificate: Option<&'static str>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Class {
    Transport = 1,
    Usage = 2,
    Certificate = 3,
    Handshake = 4,
    Connection = 5,
    Timeout = 6,
    Rule = 7,
    Incomplete = 8,
}

impl Class {
    fn name(self) -> &'static str {
        match self {
            Self::Transport => "transport",
            Self::Usage => "usage",
            Self::Certificate => "certificate",
            Self::Handshake => "handshake",
            Self::Connection => "connection",
            Self::Timeout => "timeout",
            Self::Rule => "rule",
            Self::Incomplete => "incomplete",
        }
    }
}

impl Failure {
    fn new(class: Class, sentence: impl Into<String>) -> Self {
        Self {
            class,
            sentence: with_options(&sentence.into()).into_owned(),
            facts: Facts::default(),
            told: false,
        }
    }

    /// Bad arguments or bad files.
    pub(crate) fn usage(sentence: impl Into<String>) -> Self {
        Self::new(Class::Usage, sentence)
    }

    /// The transport could not be had.
    pub(crate) fn transport(what: &str, error: &io::Error) -> Self {
        Self::new(Class::Transport, format!("{what}: {error}"))
    }

    /// Time ran out before TLS began.
    pub(crate) fn timeout(sentence: impl Into<String>) -> Self {
        Self::new(Class::Timeout, sentence)
    }

    /// The peer did not agree to begin TLS, or not in good order.
    pub(crate) fn starttls(sentence: impl Into<String>) -> Self {
        Self::new(Class::Handshake, sentence)
    }

    /// The server does not what it was asked for.
    pub(crate) fn unmet(sentence: impl Into<String>) -> Self {
        Self::new(Class::Handshake, sentence)
    }

    /// A certificate that is not as wanted.
    pub(crate) fn certificate(sentence: impl Into<String>) -> Self {
        Self::new(Class::Certificate, sentence)
    }

    /// What a scan has found is not to be.
    pub(crate) fn rule(sentence: impl Into<String>) -> Self {
        Self::new(Class::Rule, sentence)
    }

    /// What a scan was to find out it has not.
    pub(crate) fn incomplete(sentence: impl Into<String>) -> Self {
        Self::new(Class::Incomplete, sentence)
    }

    /// A failed handshake.
    pub(crate) fn handshake(error: &portcullis::Error) -> Self {
        let class = if error.is_timeout() {
            Class::Timeout
        } else if error.transport().is_some() {
            Class::Transport
        } else if matches!(error.reason(), Some(Reason::Certificate(_))) {
            Class::Certificate
        } else {
            Class::Handshake
        };
        Self::of(class, error)
    }

    /// A connection that broke.
    pub(crate) fn connection(error: &io::Error) -> Self {
        match portcullis::Error::from_io(error) {
            Some(error) => Self::of(Class::Connection, error),
            None => Self::new(Class::Connection, error.to_string()),
        }
    }

    fn of(class: Class, error: &portcullis::Error) -> Self {
        let mut failure = Self::new(class, error.to_string());
        failure.facts = Facts {
            stage: Some(format!("{:?}", error.stage())),
            alert: error.alert(),
            reason: error
                .reason()
                .map(|reason| with_options(&reason.to_string()).into_owned()),
            certificate: match error.reason() {
                Some(Reason::Certificate(error)) => Some(error.kind().reason()),
                _ => None,
            },
        };
        failure
    }

    /// With the step that failed, where it is one before TLS.
    pub(crate) fn at(mut self, stage: &str) -> Self {
        self.facts.stage.get_or_insert_with(|| stage.to_owned());
        self
    }

    /// In other words, where the command knows more than the library.
    pub(crate) fn worded(mut self, changes: &[(&'static str, &'static str)]) -> Self {
        let texts = [Some(&mut self.sentence), self.facts.reason.as_mut()];
        for text in texts.into_iter().flatten() {
            *text = wording::changed(text.as_str().into(), changes).into_owned();
        }
        self
    }

    /// With what was being done.
    pub(crate) fn while_doing(mut self, what: &str) -> Self {
        self.sentence = format!("{what}: {}", self.sentence);
        self
    }

    /// Notes that the user has been told.
    pub(crate) fn told(mut self) -> Self {
        self.told = true;
        self
    }

    /// Whether the user has still to be told.
    pub(crate) fn is_news(&self) -> bool {
        !self.told
    }

    /// Whether the peer has said by an alert why it goes.
    pub(crate) fn is_refusal_of_peer(&self) -> bool {
        self.refusal().is_some()
    }

    /// The alert by which the peer has said why it goes.
    pub(crate) fn refusal(&self) -> Option<AlertDescription> {
        match self.facts.alert {
            Some((Direction::Received, alert)) => Some(alert),
            _ => None,
        }
    }

    /// The step that failed, by the name that it has in JSON.
    pub(crate) fn stage(&self) -> Option<&str> {
        self.facts.stage.as_deref()
    }

    /// What the process exits with.
    pub(crate) fn exit_code(&self) -> i32 {
        self.class as i32
    }

    /// Class, stage, alert and reason for programs, of a certificate in a word, too.
    pub(crate) fn json(&self) -> Value {
        let facts = &self.facts;
        json!({
            "class": self.class.name(),
            "exit_code": self.exit_code(),
            "stage": facts.stage,
            "alert": facts.alert.map(|(direction, alert)| json!({
                "name": alert.to_string(),
                "direction": match direction {
                    Direction::Sent => "sent",
                    Direction::Received => "received",
                },
            })),
            "reason": facts.reason.as_deref().unwrap_or(&self.sentence),
            "certificate": facts.certificate,
        })
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.sentence)
    }
}
