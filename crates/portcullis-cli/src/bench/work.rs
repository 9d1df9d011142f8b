//! What slots repeat.

use std::future::Future;
use std::rc::Rc;
use std::time::Duration;

use tokio::time::{Instant, sleep, sleep_until, timeout};

use super::meter::{Done, Meter};
use crate::failure::Failure;

/// How long a slot waits after a failure: a server that refuses is not to be run against as fast as can be.
pub(super) const PAUSE: Duration = Duration::from_millis(10);

/// What one mode does.
pub(super) trait Work: Clone + Send + 'static {
    /// What a slot has from one turn to the next.
    type Slot: 'static;

    /// Makes a slot, before time begins.
    fn open(&self) -> impl Future<Output = Result<Self::Slot, Failure>>;

    /// Works until the meter is over.
    fn run(self, slot: Self::Slot, meter: Rc<Meter>) -> impl Future<Output = ()>;
}

/// Does one thing again and again, at the meter's pace, and counts.
pub(super) async fn repeat(
    meter: &Meter,
    limit: Duration,
    mut turn: impl AsyncFnMut() -> Result<Done, Failure>,
) {
    while let Err(failure) = repeat_until_failure(meter, limit, &mut turn).await {
        meter.failed(&failure);
        sleep(PAUSE).await;
    }
}

/// The same until it fails, or time is over.
pub(super) async fn repeat_until_failure(
    meter: &Meter,
    limit: Duration,
    mut turn: impl AsyncFnMut() -> Result<Done, Failure>,
) -> Result<(), Failure> {
    let slot = meter.slot();
    while !meter.is_over() {
        let began = match meter.due() {
            None => Instant::now(),
            // The clock of timers is coarse, which is not the server's fault.
            Some(due) if due > Instant::now() => {
                if due >= meter.end() {
                    break;
                }
                sleep_until(due).await;
                Instant::now()
            }
            // No slot was free: whoever waits for one waits for the server.
            Some(due) => due,
        };
        slot.begins(began);
        let turned = timeout(limit, turn()).await;
        slot.ends();
        let Ok(done) = turned else {
            let seconds = limit.as_secs();
            return Err(Failure::timeout(format!(
                "nothing within {seconds} s (--timeout)"
            )));
        };
        meter.done(began, done?);
    }
    Ok(())
}
