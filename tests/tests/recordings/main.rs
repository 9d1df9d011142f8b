//! Connections with OpenSSL, GnuTLS and Erlang, and over datagrams with wolfSSL and BoringSSL, that were recorded: what the peer sent is read again, and what this
//! side says to it is, byte for byte, what it has said then.
//!
//! The files are in `recordings/`. Whoever changes what this side says on purpose records all of them again:
//!
//! ```sh
//! cargo test -p portcullis-tests --features interop --test recordings -- --ignored
//! ```

mod conversation;
mod datagrams;
mod file;
#[cfg(feature = "interop")]
mod record;
#[cfg(feature = "interop")]
mod record_datagrams;
mod wire;

use std::path::{Path, PathBuf};

use conversation::{Materials, Scenario, converse};
use wire::Script;

/// Where the recordings are.
fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("recordings")
}

#[test]
fn every_recording_comes_to_the_same_result() {
    let materials = Materials::read(&folder());
    for scenario in Scenario::all() {
        let recording = file::read(&folder(), &scenario.name());
        let mut script = Script::new(scenario.name(), recording.said);
        let result = converse(&scenario, &materials, recording.now, &mut script);
        script.is_over();
        assert_eq!(result, recording.result, "{}", scenario.name());
    }
}

#[test]
fn every_recording_over_datagrams_comes_to_the_same_result() {
    let materials = Materials::read(&folder());
    for scenario in datagrams::Scenario::all() {
        let name = scenario.name();
        let recording = file::read(&folder(), &name);
        let mut script = Script::new(name.clone(), recording.said);
        let result = datagrams::converse(scenario, &materials, recording.now, &mut script);
        script.is_over();
        assert_eq!(result, recording.result, "{name}");
    }
}

/// A byte of the peer's that is another one costs the connection: nothing here is passed over.
#[test]
fn a_recording_with_another_byte_does_not() {
    let materials = Materials::read(&folder());
    let scenarios = Scenario::all();
    let scenario = scenarios.first().expect("a scenario");
    let recording = file::read(&folder(), &scenario.name());
    // In its first flight, and in the record behind the handshake.
    for nth in [0, 2] {
        let mut said = recording.said.clone();
        wire::change(&mut said, nth);
        let result = std::panic::catch_unwind(|| {
            let mut script = Script::new(scenario.name(), said);
            converse(scenario, &materials, recording.now, &mut script)
        });
        assert!(result.is_err(), "{nth}");
    }
}

/// Nor over datagrams, where one that is broken is dropped: it is missed, or what is said to it is something else.
#[test]
fn a_recording_over_datagrams_with_another_byte_does_not() {
    let materials = Materials::read(&folder());
    for scenario in datagrams::Scenario::all() {
        let name = scenario.name();
        let mut recording = file::read(&folder(), &name);
        wire::change(&mut recording.said, 1);
        let result = std::panic::catch_unwind(|| {
            let mut script = Script::new(name.clone(), recording.said);
            datagrams::converse(scenario, &materials, recording.now, &mut script)
        });
        assert!(result.is_err(), "{name}");
    }
}

#[test]
fn no_file_is_without_its_scenario() {
    let mut names: Vec<_> = Scenario::all().iter().map(Scenario::name).collect();
    names.extend(datagrams::Scenario::all().map(datagrams::Scenario::name));
    for entry in folder().read_dir().expect("recordings") {
        let path = entry.expect("a file").path();
        if path.extension().is_some_and(|extension| extension == "txt") {
            let name = path
                .file_stem()
                .expect("a name")
                .to_string_lossy()
                .into_owned();
            assert!(names.contains(&name), "{name}");
        }
    }
}
