//! One table for each role: which states there are, and whether they wait for a message or
//! pause for an answer.

/// Turns the table into the state type of a role, and into the only dispatch there is.
macro_rules! states {
    ($role:ident: $($state:ident $kind:ident;)+) => {
        /// A state of this role. They move at every message: what is large in one is boxed there.
        pub(crate) enum State {
            $($state($state),)+
        }

        $(
            impl From<$state> for $crate::handshake::State {
                fn from(state: $state) -> Self {
                    Self::$role(State::$state(state))
                }
            }
        )+

        #[cfg(test)]
        impl State {
            /// The rows, and whether each waits for a message or pauses for an answer.
            pub(crate) const ROWS: &[($crate::Stage, &str)] =
                &[$(($crate::Stage::$state, stringify!($kind)),)+];
        }

        impl State {
            pub(crate) fn stage(&self) -> $crate::Stage {
                match self {
                    $(Self::$state(_) => $crate::Stage::$state,)+
                }
            }

            pub(crate) fn on_message(self, message: $crate::record::HandshakeBytes, cx: &mut $crate::handshake::Cx<'_>) -> Result<$crate::handshake::Next, $crate::error::Abort> {
                match self {
                    $(Self::$state(state) => states!(@message $kind state message cx),)+
                }
            }

            pub(crate) fn on_answer(self, answer: $crate::question::AnswerContent, cx: &mut $crate::handshake::Cx<'_>) -> Result<$crate::handshake::Next, $crate::error::Abort> {
                match self {
                    $(Self::$state(state) => states!(@answer $kind state answer cx),)+
                }
            }
        }
    };
    (@message waits $state:ident $message:ident $cx:ident) => { $state.on_message($message, $cx) };
    (@message pauses $state:ident $message:ident $cx:ident) => {{
        let _ = ($state, $cx);
        Err($crate::handshake::unexpected("no message while a question is open", &$message))
    }};
    (@answer waits $state:ident $answer:ident $cx:ident) => {{
        let _ = ($state, $answer, $cx);
        Err($crate::handshake::wrong_answer())
    }};
    (@answer pauses $state:ident $answer:ident $cx:ident) => { $state.on_answer($answer, $cx) };
}

pub(super) use states;
