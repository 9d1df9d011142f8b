//! How ends are passed on, one test for each line of the table of `relay`, between all kinds of ends, in both directions.

use std::future::Future;
use std::time::Duration;

use portcullis::{EofPolicy, HowEnded, RelayOptions};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::patient;
use crate::wire::{Joined, Kind, Saw, joined, joined_with, within};

/// Each kind of end with each other, as the first and as the second end.
async fn each<F: Future<Output = ()>>(
    of_x: &[Kind],
    options: RelayOptions,
    test: impl Fn(Kind, Kind, Joined) -> F,
) {
    for &x in of_x {
        for y in Kind::ALL {
            for is_swapped in [false, true] {
                println!("{x:?} to {y:?}, swapped: {is_swapped}");
                test(x, y, joined(x, y, options.clone(), is_swapped).await).await;
            }
        }
    }
}

fn has_reset(end: &HowEnded) -> bool {
    matches!(end, HowEnded::Reset)
}

fn is_cut(end: &HowEnded) -> bool {
    matches!(end, HowEnded::Cut)
}

#[tokio::test]
async fn an_end_is_passed_on_and_the_way_back_goes_on() {
    each(&Kind::ALL, patient(), |_, _, joined| async {
        let (mut x, mut y, outcome) = joined.parts();
        x.write(b"request").await.unwrap();
        x.end().await;
        assert_eq!(y.rest().await, (b"request".to_vec(), Saw::End));
        // More than one write takes.
        y.write(&[7; 300_000]).await.unwrap();
        y.end().await;
        assert_eq!(x.rest().await, (vec![7; 300_000], Saw::End));
        let outcome = outcome.await;
        assert!(outcome.is_clean);
        assert_eq!((outcome.of_x.bytes, outcome.of_y.bytes), (7, 300_000));
        assert_eq!(outcome.of_x.discarded + outcome.of_y.discarded, 0);
    })
    .await;
}

#[tokio::test]
async fn close_notify_is_an_end_without_fin() {
    each(&Kind::TLS, patient(), |_, _, joined| async {
        let (mut x, mut y, outcome) = joined.parts();
        x.prank(|pranks| &pranks.keeps_fin);
        x.write(b"request").await.unwrap();
        x.end().await;
        assert_eq!(y.rest().await, (b"request".to_vec(), Saw::End));
        y.write(b"response").await.unwrap();
        y.end().await;
        assert_eq!(x.rest().await, (b"response".to_vec(), Saw::End));
        assert!(outcome.await.is_clean);
    })
    .await;
}

#[tokio::test]
async fn both_may_end_at_once() {
    each(&Kind::ALL, patient(), |_, _, joined| async {
        let (mut x, mut y, outcome) = joined.parts();
        tokio::join!(
            async {
                x.write(b"from x").await.unwrap();
                x.end().await;
            },
            async {
                y.write(b"from y").await.unwrap();
                y.end().await;
            }
        );
        assert_eq!(x.rest().await, (b"from y".to_vec(), Saw::End));
        assert_eq!(y.rest().await, (b"from x".to_vec(), Saw::End));
        assert!(outcome.await.is_clean);
    })
    .await;
}

#[tokio::test]
async fn a_transport_that_ends_without_close_notify_is_a_cut() {
    each(&Kind::TLS, patient(), |_, _, joined| async {
        let (mut x, mut y, outcome) = joined.parts();
        x.write(b"a part").await.unwrap();
        y.expect(b"a part").await;
        let mut socket = x.into_socket();
        socket.shutdown().await.unwrap();
        assert_eq!(y.rest().await, (vec![], Saw::Reset));
        let error = within(socket.read(&mut [0; 1000])).await.unwrap_err();
        assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);
        let outcome = outcome.await;
        assert!(matches!(outcome.of_x.end, HowEnded::Truncated));
        assert!(is_cut(&outcome.of_y.end));
    })
    .await;
}

/// What was taken for it and not sent yet, because it reads late, is not lost by the cut.
#[cfg(any(target_os = "android", target_os = "linux"))]
#[tokio::test]
async fn who_reads_late_has_all_before_it_is_cut() {
    const ALL: usize = 1_000_000;
    each(&Kind::TLS, patient(), |_, y_kind, joined| async move {
        let (mut x, mut y, outcome) = joined.parts();
        let sending = async {
            x.write(&[7; ALL]).await.unwrap();
            // FIN without close_notify.
            let mut socket = x.into_socket();
            socket.shutdown().await.unwrap();
            socket
        };
        let reading = async {
            tokio::time::sleep(Duration::from_millis(200)).await;
            y.rest().await
        };
        let (_socket, (data, saw), outcome) = tokio::join!(within(sending), reading, outcome);
        assert_eq!((data.len(), saw), (ALL, Saw::Reset), "{y_kind:?}");
        assert!(matches!(outcome.of_x.end, HowEnded::Truncated));
    })
    .await;
}

#[tokio::test]
async fn a_lenient_end_may_leave_close_notify_out() {
    for kind in Kind::TLS {
        for y in Kind::ALL {
            let lenient = EofPolicy::Lenient;
            let joined = joined_with(kind, y, patient(), false, lenient).await;
            let (mut x, mut y, outcome) = joined.parts();
            x.write(b"all").await.unwrap();
            x.into_socket().shutdown().await.unwrap();
            assert_eq!(y.rest().await, (b"all".to_vec(), Saw::End));
            y.end().await;
            let outcome = outcome.await;
            assert!(matches!(outcome.of_x.end, HowEnded::Clean));
        }
    }
}

#[tokio::test]
async fn a_reset_before_the_end_is_a_reset() {
    each(&Kind::ALL, patient(), |_, _, joined| async {
        let (mut x, mut y, outcome) = joined.parts();
        x.write(b"a part").await.unwrap();
        y.expect(b"a part").await;
        x.reset();
        assert_eq!(y.rest().await, (vec![], Saw::Reset));
        let outcome = outcome.await;
        assert!(has_reset(&outcome.of_x.end), "{:?}", outcome.of_x);
        assert!(is_cut(&outcome.of_y.end));
        assert_eq!(outcome.of_x.bytes, 6);
    })
    .await;
}

#[tokio::test]
async fn a_reset_behind_data_is_no_end() {
    each(&Kind::ALL, patient(), |_, _, joined| async {
        let (mut x, mut y, outcome) = joined.parts();
        x.write(b"a part").await.unwrap();
        x.reset();
        let (data, saw) = y.rest().await;
        assert!(b"a part".starts_with(&data));
        assert_eq!(saw, Saw::Reset);
        let outcome = outcome.await;
        assert!(has_reset(&outcome.of_x.end), "{:?}", outcome.of_x);
    })
    .await;
}

#[tokio::test]
async fn a_reset_after_the_end_destroys_nothing() {
    each(&Kind::ALL, patient(), |_, _, joined| async {
        let (mut x, mut y, outcome) = joined.parts();
        x.write(b"all").await.unwrap();
        x.end().await;
        y.expect(b"all").await;
        x.reset();
        // It goes on writing, and is not reset for that.
        for _ in 0..20 {
            y.write(&[7; 10_000]).await.unwrap();
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        y.end().await;
        assert_eq!(y.rest().await, (vec![], Saw::End));
        let outcome = outcome.await;
        // As is logged of a peer before TLS 1.3 that answers close_notify by a reset.
        assert!(outcome.is_clean);
        let of_y = outcome.of_y;
        assert_eq!(of_y.bytes + of_y.discarded, 200_000);
        assert!(of_y.discarded > 0);
    })
    .await;
}

/// A server that sends and sends, to a client that has ended and gone.
#[tokio::test]
async fn what_nobody_hears_is_not_read_for_ever() {
    let options = patient().discard(300_000);
    each(&Kind::ALL, options, |_, _, joined| async {
        let (mut x, mut y, outcome) = joined.parts();
        x.write(b"all").await.unwrap();
        x.end().await;
        y.expect(b"all").await;
        x.reset();
        let sending = async { while y.write(&[7; 10_000]).await.is_ok() {} };
        let (outcome, ()) = tokio::join!(outcome, within(sending));
        assert!(matches!(outcome.of_x.end, HowEnded::Clean));
        let of_y = outcome.of_y;
        assert!(matches!(of_y.end, HowEnded::Unheard), "{of_y:?}");
        // What is over is less than what is read at once.
        assert!((300_001..400_000).contains(&of_y.discarded), "{of_y:?}");
        assert!(!outcome.is_clean);
    })
    .await;
}

#[tokio::test]
async fn an_alert_is_a_cut() {
    each(&Kind::TLS, patient(), |_, _, joined| async {
        let (mut x, mut y, outcome) = joined.parts();
        x.prank(|pranks| &pranks.garbles_reads);
        y.write(b"to be garbled").await.unwrap();
        // It refuses what came.
        assert_eq!(x.rest().await, (vec![], Saw::Alert));
        assert_eq!(y.rest().await, (vec![], Saw::Reset));
        let outcome = outcome.await;
        let HowEnded::Failed(error) = &outcome.of_x.end else {
            panic!("{:?}", outcome.of_x)
        };
        let (direction, alert) = error.alert().unwrap();
        assert_eq!(direction, portcullis::Direction::Received);
        assert_eq!(alert, portcullis::AlertDescription::BAD_RECORD_MAC);
        assert!(is_cut(&outcome.of_y.end));
    })
    .await;
}

#[tokio::test]
async fn who_breaks_a_rule_is_told_and_the_other_is_cut() {
    each(&Kind::TLS, patient(), |_, _, joined| async {
        let (mut x, mut y, outcome) = joined.parts();
        x.write(b"good").await.unwrap();
        y.expect(b"good").await;
        x.prank(|pranks| &pranks.garbles_writes);
        x.write(b"bad").await.unwrap();
        assert_eq!(x.rest().await, (vec![], Saw::Alert));
        drop(x);
        assert_eq!(y.rest().await, (vec![], Saw::Reset));
        let outcome = outcome.await;
        let HowEnded::Failed(error) = &outcome.of_x.end else {
            panic!("{:?}", outcome.of_x)
        };
        assert_eq!(
            error.alert().unwrap().0,
            portcullis::Direction::Sent,
            "{error}"
        );
    })
    .await;
}

#[tokio::test]
async fn who_takes_nothing_is_cut_with_the_other() {
    let options = patient().stall(Duration::from_millis(200));
    each(&Kind::ALL, options, |_, _, joined| async {
        let (mut x, mut y, outcome) = joined.parts();
        let sending = async {
            let data = vec![7; 1_000_000];
            while x.write(&data).await.is_ok() {}
        };
        let (outcome, ()) = tokio::join!(outcome, within(sending));
        assert!(matches!(outcome.of_y.end, HowEnded::Stalled));
        assert!(is_cut(&outcome.of_x.end), "{:?}", outcome.of_x);
        // Not to be mistaken for all.
        assert_eq!(y.rest().await.1, Saw::Reset);
    })
    .await;
}

#[tokio::test]
async fn where_nothing_moves_both_are_cut() {
    let options = patient().idle(Duration::from_millis(60));
    each(&Kind::ALL, options, |_, _, joined| async {
        let (mut x, mut y, outcome) = joined.parts();
        x.write(b"a byte").await.unwrap();
        y.expect(b"a byte").await;
        assert_eq!(x.rest().await, (vec![], Saw::Reset));
        assert_eq!(y.rest().await, (vec![], Saw::Reset));
        let outcome = outcome.await;
        assert!(matches!(outcome.of_x.end, HowEnded::Idle));
        assert!(matches!(outcome.of_y.end, HowEnded::Idle));
    })
    .await;
}

#[tokio::test]
async fn who_says_nothing_more_after_the_others_end_is_not_waited_for() {
    let options = patient().half_close(Duration::from_millis(60));
    each(&Kind::ALL, options, |_, _, joined| async {
        let (mut x, mut y, outcome) = joined.parts();
        // Longer than that: it counts from the end on.
        tokio::time::sleep(Duration::from_millis(80)).await;
        x.write(b"request").await.unwrap();
        x.end().await;
        y.write(b"a part").await.unwrap();
        // It has all, and that this is all.
        assert_eq!(y.rest().await, (b"request".to_vec(), Saw::End));
        // Of this one it cannot be said.
        assert_eq!(x.rest().await, (b"a part".to_vec(), Saw::Reset));
        let outcome = outcome.await;
        assert!(matches!(outcome.of_x.end, HowEnded::Clean));
        assert!(matches!(outcome.of_y.end, HowEnded::HalfClosed));
    })
    .await;
}

/// A server that answers before it has read all, and closes: its system resets, but the answer was whole where it is proved.
#[tokio::test]
async fn an_answer_before_a_reset_arrives() {
    each(&Kind::ALL, patient(), |_, y_kind, joined| async move {
        let (mut x, mut y, outcome) = joined.parts();
        x.write(b"upload").await.unwrap();
        y.expect(b"upload").await;
        // Unread by the server, so that it resets.
        x.write(&[7; 100_000]).await.unwrap();
        y.unread().await;
        let socket = match y {
            crate::wire::Peer::Plain(_) => {
                y.write(b"response").await.unwrap();
                y.into_socket()
            }
            crate::wire::Peer::Tls(_) => {
                y.prank(|pranks| &pranks.keeps_fin);
                y.write(b"response").await.unwrap();
                y.end().await;
                y.into_socket()
            }
        };
        drop(socket);
        // The relay may find it by writing or by reading.
        let mut was_reset = false;
        for _ in 0..20 {
            if x.write(&[7; 10_000]).await.is_err() {
                was_reset = true;
                break;
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        let (data, saw) = match y_kind {
            Kind::Plain => x.rest().await,
            _ => {
                let seen = x.rest().await;
                x.end().await;
                seen
            }
        };
        let outcome = outcome.await;
        match y_kind {
            Kind::Plain => {
                // What writing was told is not told again.
                assert!(was_reset || saw == Saw::Reset);
                assert!(has_reset(&outcome.of_y.end), "{:?}", outcome.of_y);
            }
            _ => {
                assert_eq!((&data[..], saw), (&b"response"[..], Saw::End));
                assert!(outcome.is_clean, "{:?} {:?}", outcome.of_x, outcome.of_y);
            }
        }
    })
    .await;
}

/// What a TLS peer sends behind its close_notify is read away: closed over it, the socket would reset, over what the
/// peer has yet to read.
#[tokio::test]
async fn bytes_behind_the_end_reset_nobody() {
    each(&Kind::TLS, patient(), |_, _, joined| async {
        let (mut x, mut y, outcome) = joined.parts();
        x.prank(|pranks| &pranks.keeps_fin);
        x.end().await;
        let mut socket = x.into_socket();
        socket.write_all(&[7; 30_000]).await.unwrap();
        y.write(b"response").await.unwrap();
        y.end().await;
        assert_eq!(y.rest().await, (vec![], Saw::End));
        socket.shutdown().await.unwrap();
        let mut sealed = Vec::new();
        within(socket.read_to_end(&mut sealed)).await.unwrap();
        assert!(sealed.len() > b"response".len());
        assert!(outcome.await.is_clean);
    })
    .await;
}
