//! Says when what a server depends on for its sessions is gone, and when it is there again: once, not for each connection.

use std::time::Duration;

use portcullis::{StoreError, StoreErrorKind, TicketKeyFile};
use tokio::time::sleep;

use crate::said::say;

/// How often it is looked at.
const EVERY: Duration = Duration::from_secs(1);
/// So often in a row Redis has not answered when it is said: one answer that is late is nothing.
const FAILURES: u32 = 2;

/// A file of ticket keys, whose last keys are used until there are others.
pub(super) async fn of_file(file: TicketKeyFile) {
    let mut said = None;
    loop {
        sleep(EVERY).await;
        let wrong = file.last_error().map(|error| error.to_string());
        if wrong == said {
            continue;
        }
        match &wrong {
            Some(error) => say(format!(
                "portcullis: {error}; those that were read before stay"
            )),
            None => say("portcullis: --ticket-key: the file is right again"),
        }
        said = wrong;
    }
}

/// What fails in a store, which costs sessions and no connection; but for what is said elsewhere.
pub(super) async fn of_store(
    option: &str,
    said_elsewhere: &[StoreErrorKind],
    last_error: impl Fn() -> Option<StoreError>,
) {
    let mut said = None;
    loop {
        sleep(EVERY).await;
        let Some(error) = last_error() else { continue };
        if !said_elsewhere.contains(&error.kind()) && said.as_ref() != Some(&error) {
            say(format!("portcullis: {option}: {error}"));
            said = Some(error);
        }
    }
}

/// A Redis behind an option, and what is the matter while it is gone.
pub(super) async fn of_redis<F: Future<Output = Result<(), StoreError>>>(
    option: &str,
    without: &str,
    mut is_there: bool,
    ask: impl Fn() -> F,
) {
    let mut failures = 0;
    loop {
        sleep(EVERY).await;
        match ask().await {
            Ok(()) => {
                failures = 0;
                if !is_there {
                    is_there = true;
                    say(format!("portcullis: {option}: Redis is there again"));
                }
            }
            Err(error) => {
                failures = FAILURES.min(failures + 1);
                if is_there && failures == FAILURES {
                    is_there = false;
                    say(format!(
                        "portcullis: {option}: {error}; until it is there again {without}"
                    ));
                }
            }
        }
    }
}
