use portcullis_core::AlertDescription;

use super::*;

/// Each combination of each number has a key of its own, with the labels in their order.
#[test]
fn a_key_for_each_combination() {
    let mut seen = std::collections::HashSet::new();
    for side in SIDES {
        for version in VERSIONS {
            for resumed in RESUMED {
                for result in RESULTS {
                    let key = HANDSHAKES_BY.key([side, version, resumed, result]);
                    let labels: Vec<_> = key
                        .labels()
                        .map(|label| (label.key(), label.value()))
                        .collect();
                    let expected = [
                        ("side", *side),
                        ("version", *version),
                        ("resumed", *resumed),
                        ("result", *result),
                    ];
                    assert_eq!(labels, expected);
                    assert!(seen.insert(key.to_string()));
                }
            }
        }
    }
    assert_eq!(seen.len(), 96);
}

/// What nobody has foreseen is counted with the last value, which says so.
#[test]
fn an_unknown_value_is_the_last() {
    let key = ALERTS_BY.key(["sent", "no such alert"]);
    assert_eq!(key.labels().nth(1).unwrap().value(), "other");
    for number in 0..=u8::MAX {
        let name = failure::name(AlertDescription(number));
        assert!(failure::ALERTS.contains(&name), "{name} is no label");
    }
}

/// `describe` and the tables above do not come apart: each table is that of its name.
#[test]
fn every_table_has_its_number() {
    let names: Vec<_> = METRICS.iter().map(|metric| metric.name).collect();
    assert_eq!(
        names,
        [
            HANDSHAKES,
            FAILURES,
            SECONDS,
            OPEN,
            ALERTS,
            EARLY,
            STORE,
            DISCARDED,
            FOREIGN,
            HANDED_OVER
        ]
    );
}

/// Each reason for which something is dropped has its label.
#[cfg(feature = "dtls")]
#[test]
fn every_reason_to_discard_has_a_label() {
    let mut seen = std::collections::HashSet::new();
    for why in portcullis_core::Discarded::ALL {
        let label = discarded::reason(*why);
        assert!(discarded::REASONS.contains(&label), "{label} is no label");
        assert_ne!(label, "other", "{} has no label", why.name());
        assert!(seen.insert(label));
    }
}
