//! Two who answer, as one.

use portcullis_core::question::{
    Answer, ChooseConfiguration, ChooseIdentity, ChoosePsk, ClaimEarlyData, Decrypt, FindSession,
    IssueTickets, KeepSession, LookUpUser, OpenTickets, ReviewServerHello, Sign, VerifyChain,
    VerifyRawKey,
};

use super::{Answers, Questions, RevocationLists};

/// Two who answer, as one; see [`together`].
#[derive(Clone, Debug)]
pub struct Together<A, B>(A, B);

/// Answers of two: each question is for the first of them that has it among its
/// [`questions`](Answers::questions). Signatures and decryptions of external keys, which are always asked for,
/// are the second's where neither has them.
///
/// ```
/// use portcullis::answers;
///
/// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/doctest/mod.rs"));
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let (_, acceptor) = dev_ends();
/// # let (identity, _) = dev_identity();
/// # async fn ask_the_module(content: Vec<u8>) -> std::io::Result<Vec<u8>> { Ok(content) }
/// let by_name = answers::identity_by_name(move |_| {
///     let identity = identity.clone();
///     async move { Ok(Some(identity)) }
/// });
/// let signer = answers::signer(|_, _, content| ask_the_module(content));
/// let acceptor = acceptor.answers(answers::together(by_name, signer));
/// # Ok(())
/// # }
/// ```
pub fn together<A: Answers, B: Answers>(first: A, second: B) -> Together<A, B> {
    Together(first, second)
}

/// The methods, each with the flag of its question.
macro_rules! answered_by_the_first_that_has_them {
    ($($method:ident($question:ident) by $flag:ident;)+) => {
        impl<A: Answers, B: Answers> Answers for Together<A, B> {
            fn questions(&self) -> Questions {
                self.0.questions().with(self.1.questions())
            }

            async fn verify_chain_with_lists(
                &self,
                question: VerifyChain,
                lists: RevocationLists,
            ) -> Answer {
                match self.0.questions().chain {
                    true => self.0.verify_chain_with_lists(question, lists).await,
                    false => self.1.verify_chain_with_lists(question, lists).await,
                }
            }

            $(
                async fn $method(&self, question: $question) -> Answer {
                    match self.0.questions().$flag {
                        true => self.0.$method(question).await,
                        false => self.1.$method(question).await,
                    }
                }
            )+
        }
    };
}

answered_by_the_first_that_has_them! {
    choose_configuration(ChooseConfiguration) by hello;
    review_server_hello(ReviewServerHello) by hello;
    open_tickets(OpenTickets) by tickets;
    issue_tickets(IssueTickets) by tickets;
    find_session(FindSession) by sessions;
    keep_session(KeepSession) by sessions;
    choose_identity(ChooseIdentity) by identity;
    choose_psk(ChoosePsk) by psk;
    look_up_user(LookUpUser) by user;
    claim_early_data(ClaimEarlyData) by early_data;
    sign(Sign) by signature;
    decrypt(Decrypt) by signature;
    verify_chain(VerifyChain) by chain;
    verify_raw_key(VerifyRawKey) by chain;
}
