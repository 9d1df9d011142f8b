//! Every committed input, on any toolchain: `cargo test --manifest-path fuzz/Cargo.toml`.

use std::fs;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

use portcullis_fuzz::bytes_from_peer::{self, VARIANTS};
use portcullis_fuzz::end::Ours;
use portcullis_fuzz::plan::{MAX_OPERATIONS, Plan, What};
use portcullis_fuzz::{certificate, codec, conversation, differential, hello_view, record};

/// The heap is measured: one test at a time.
static TURN: Mutex<()> = Mutex::new(());

fn turn() -> MutexGuard<'static, ()> {
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

fn each(target: &str, run: impl Fn(&[u8])) {
    let _turn = turn();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("corpus")
        .join(target);
    let mut count = 0;
    for entry in fs::read_dir(folder).expect("the corpus is there") {
        let path = entry.expect("it can be read").path();
        println!("{}", path.display());
        run(&fs::read(path).expect("it can be read"));
        count += 1;
    }
    assert!(count > 3, "{target} has {count} inputs");
}

#[test]
fn certificates() {
    each("certificate", certificate::run);
}

#[test]
fn clients() {
    each("client", bytes_from_peer::client);
}

#[test]
fn codecs() {
    each("codec", codec::run);
}

#[test]
fn conversations() {
    each("conversation", |data| {
        conversation::run(&Plan::decode(data));
    });
}

#[test]
fn differentials() {
    each("differential", |data| {
        differential::run(&Plan::decode(data))
    });
}

#[test]
fn views_of_hellos() {
    each("hello_view", hello_view::run);
}

#[test]
fn records() {
    each("record", record::run);
}

#[test]
fn servers() {
    each("server", bytes_from_peer::server);
}

/// The committed seeds are what the ends say today, and lead to connected ends.
#[test]
fn recorded_handshakes_connect() {
    let _turn = turn();
    for (variant, (name, _)) in VARIANTS.into_iter().enumerate() {
        let [to_server, to_client] = bytes_from_peer::recorded(variant);
        assert!(bytes_from_peer::feed(&to_server, Ours::server), "{name}");
        assert!(bytes_from_peer::feed(&to_client, Ours::client), "{name}");
        for (target, bytes) in [("server", to_server), ("client", to_client)] {
            let path = Path::new(env!("CARGO_MANIFEST_DIR"))
                .join("corpus")
                .join(target)
                .join(name);
            assert!(
                fs::read(&path).is_ok_and(|seed| seed == bytes),
                "{} is not what is recorded: run the example `seeds`",
                path.display()
            );
        }
    }
}

#[test]
fn plans_are_read_as_written() {
    let _turn = turn();
    let mut plan = Plan::decode(&[]);
    assert!(plan.operations.is_empty());
    for (at, what) in What::ALL.iter().take(MAX_OPERATIONS).enumerate() {
        let (position, value) = (at as u16 * 1_000, at as u8);
        plan.operations.push(portcullis_fuzz::plan::Operation {
            what: *what,
            writer: at % 2,
            unit: at % 16,
            position,
            value,
        });
    }
    let again = Plan::decode(&plan.encode());
    assert_eq!(format!("{again:?}"), format!("{plan:?}"));
}
