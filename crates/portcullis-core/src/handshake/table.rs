//! One table for each role, and one for each version of it: which states there are, in which file
//! each stands, what it takes and where it goes.

/// A row of a table, for the tests: they see every transition of it happen, and no other.
#[cfg(test)]
pub(crate) struct Row {
    /// `Tls13`, `Tls12`, or nothing where the version is not decided.
    pub(crate) version: &'static str,
    pub(crate) stage: crate::Stage,
    pub(crate) kind: Kind,
    /// The messages, or the question, as the RFC and `question/` name them.
    pub(crate) takes: &'static [&'static str],
    pub(crate) goes_to: &'static [crate::Stage],
}

/// What a state does until something comes.
#[cfg(test)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// For a message.
    Waits,
    /// For an answer.
    Pauses,
    /// For a change_cipher_spec, before TLS 1.3 (RFC 5246 §7.1).
    Switches,
}

/// Turns a table into the state type of a role, or of a version of a role, and into the only
/// dispatch there is. `with Tls13 in tls13` takes in the table of a version, which begins with
/// `Client of Tls13:`.
///
/// A row's file is the module that its state is taken from, so it cannot be wrong.
macro_rules! states {
    ($role:ident $(of $version:ident)? $(with $nested:ident in $module:ident)*: $(
        $state:ident in $($file:ident)::+ $kind:ident for $($takes:ident)|+ => $($next:ident)|+;
    )+) => {
        $(use self::$($file)::+::$state;)+

        /// A state of this role. They move at every message: what is large in one is boxed there.
        pub(crate) enum State {
            $($state($state),)+
            $($nested($module::State),)*
        }

        states!(@whole $role ($($version)?) $($state)+);

        #[cfg(test)]
        impl State {
            pub(crate) fn rows() -> Vec<$crate::handshake::table::Row> {
                const VERSION: &str = concat!($(stringify!($version))?);
                [
                    vec![$(
                        $crate::handshake::table::Row {
                            version: VERSION,
                            stage: $crate::Stage::$state,
                            kind: states!(@kind $kind),
                            takes: &[$(stringify!($takes)),+],
                            goes_to: &[$($crate::Stage::$next),+],
                        },
                    )+],
                    $($module::State::rows(),)*
                ]
                .into_iter()
                .flatten()
                .collect()
            }
        }

        impl State {
            pub(crate) fn stage(&self) -> $crate::Stage {
                match self {
                    $(Self::$state(_) => $crate::Stage::$state,)+
                    $(Self::$nested(state) => state.stage(),)*
                }
            }

            pub(crate) fn on_message(self, message: $crate::record::HandshakeBytes, cx: &mut $crate::handshake::Cx<'_>) -> Result<Next, $crate::error::Abort> {
                match self {
                    $(Self::$state(state) => states!(@message $kind state message cx),)+
                    $(Self::$nested(state) => state.on_message(message, cx),)*
                }
            }

            pub(crate) fn on_change_cipher_spec(self, cx: &mut $crate::handshake::Cx<'_>) -> Result<Next, $crate::error::Abort> {
                match self {
                    $(Self::$state(state) => states!(@switch $kind state cx),)+
                    $(Self::$nested(state) => state.on_change_cipher_spec(cx),)*
                }
            }

            pub(crate) fn on_answer(self, answer: $crate::question::AnswerContent, cx: &mut $crate::handshake::Cx<'_>) -> Result<Next, $crate::error::Abort> {
                match self {
                    $(Self::$state(state) => states!(@answer $kind state answer cx),)+
                    $(Self::$nested(state) => state.on_answer(answer, cx),)*
                }
            }
        }
    };
    (@whole $role:ident () $($state:ident)+) => {
        /// What follows a message or an answer in this role.
        pub(crate) type Next = $crate::handshake::Next<State>;

        $(
            impl From<$state> for State {
                fn from(state: $state) -> Self {
                    Self::$state(state)
                }
            }

            impl From<$state> for Next {
                fn from(state: $state) -> Self {
                    Self::State(state.into())
                }
            }
        )+

        impl $crate::handshake::machine::States for State {
            const ROLE: $crate::role::Role = $crate::role::Role::$role;

            fn stage(&self) -> $crate::Stage {
                self.stage()
            }

            fn on_message(self, message: $crate::record::HandshakeBytes, cx: &mut $crate::handshake::Cx<'_>) -> Result<Next, $crate::error::Abort> {
                self.on_message(message, cx)
            }

            fn on_change_cipher_spec(self, cx: &mut $crate::handshake::Cx<'_>) -> Result<Next, $crate::error::Abort> {
                self.on_change_cipher_spec(cx)
            }

            fn on_answer(self, answer: $crate::question::AnswerContent, cx: &mut $crate::handshake::Cx<'_>) -> Result<Next, $crate::error::Abort> {
                self.on_answer(answer, cx)
            }

            fn hello(&self) -> Option<&dyn $crate::handshake::machine::Hello> {
                self.hello()
            }
        }
    };
    (@whole $role:ident ($version:ident) $($state:ident)+) => {
        $(
            impl From<$state> for super::State {
                fn from(state: $state) -> Self {
                    Self::$version(State::$state(state))
                }
            }

            impl From<$state> for Next {
                fn from(state: $state) -> Self {
                    Self::State(state.into())
                }
            }
        )+
    };
    (@kind waits) => { $crate::handshake::table::Kind::Waits };
    (@kind pauses) => { $crate::handshake::table::Kind::Pauses };
    (@kind switches) => { $crate::handshake::table::Kind::Switches };
    (@message waits $state:ident $message:ident $cx:ident) => { $state.on_message($message, $cx) };
    (@message pauses $state:ident $message:ident $cx:ident) => {{
        let _ = ($state, $cx);
        Err($crate::handshake::unexpected("no message while a question is open", &$message))
    }};
    (@message switches $state:ident $message:ident $cx:ident) => {{
        let _ = ($state, $cx);
        Err($crate::handshake::unexpected("change_cipher_spec", &$message))
    }};
    (@switch switches $state:ident $cx:ident) => { $state.on_change_cipher_spec($cx) };
    (@switch $kind:ident $state:ident $cx:ident) => {{
        let _ = ($state, $cx);
        Err($crate::handshake::unexpected_change_cipher_spec())
    }};
    (@answer switches $state:ident $answer:ident $cx:ident) => { states!(@answer waits $state $answer $cx) };
    (@answer waits $state:ident $answer:ident $cx:ident) => {{
        let _ = ($state, $answer, $cx);
        Err($crate::handshake::wrong_answer())
    }};
    (@answer pauses $state:ident $answer:ident $cx:ident) => { $state.on_answer($answer, $cx) };
}

pub(super) use states;
