#!/usr/bin/env python3
"""Tells what a run of BoGo says: tables by theme and version, and whether it got worse.

    report.py RESULTS.json [--check] [--update] [--skipped FILE]

--check   fails when a test of baseline.tsv does not pass, when a test fails that is not in
          known-failures.tsv, when one of the core tests does not pass and is not in exceptions.tsv
          with a reason (over DTLS those of known-failures.tsv are reasons, too), or when one that
          is in either of these passes.
--update  writes baseline.tsv, the names of all tests that pass, and exceptions.tsv, where the
          reason of a new entry is left to be filled in. What a filter leaves out stays as it is.
--skipped has the names of tests that were left out on purpose, one a line: nobody judges them.
"""

import json
import sys
from collections import Counter
from pathlib import Path

HERE = Path(__file__).parent
OUTCOMES = ("pass", "fail", "unimplemented", "disabled")
VERSIONS = {"3": "1.3", "2": "1.2", "1": "1.1", "0": "1.0", "s": "SSL 3", "m": "several", "-": "none"}
TRANSPORTS = {"t": "TLS", "d": "DTLS", "q": "QUIC"}


def facts():
    themes, tests = {}, {}
    for line in (HERE / "themes.tsv").read_text().splitlines():
        if line.startswith("#"):
            continue
        fields = line.split("\t")
        if fields[0] == "theme":
            themes[fields[1]] = fields[2]
        else:
            name, transport, version, theme, group, core = fields
            tests[name] = (TRANSPORTS[transport], VERSIONS[version], themes[theme], group, core == "c")
    return tests


def outcomes(path, tests):
    results = json.loads(Path(path).read_text())["tests"]
    words = {"PASS": "pass", "FAIL": "fail", "SKIP": "unimplemented"}
    outcome = {name: words[result["actual"]] for name, result in results.items()}
    # The runner says nothing of disabled tests, nor of those a filter leaves out.
    if len(outcome) > len(tests) / 2:
        for name in tests:
            outcome.setdefault(name, "disabled")
    return outcome


def table(title, rows):
    print(f"\n{title:<52}" + "".join(f"{word:>15}" for word in OUTCOMES) + f"{'all':>8}")
    for name in sorted(rows):
        counts = rows[name]
        numbers = "".join(f"{counts[word]:>15}" for word in OUTCOMES)
        print(f"{name:<52}{numbers}{sum(counts.values()):>8}")


def group(outcome, tests, key):
    rows = {}
    for name, word in outcome.items():
        label = key(tests.get(name, ("?", "?", "not in themes.tsv", "?", False)))
        if label is not None:
            rows.setdefault(label, Counter())[word] += 1
    return rows


def names_of(path):
    lines = (HERE / path).read_text().splitlines() if (HERE / path).exists() else []
    return {line.split("\t")[0]: line for line in lines if line and not line.startswith("#")}


def due(fact):
    """Core, over TCP or UDP: it has to pass, or to have a reason not to."""
    transport, _, _, _, core = fact
    return transport in ("TLS", "DTLS") and core


def known_over_dtls(tests):
    """Over DTLS a known failure has its reason in its own file."""
    return {name for name in names_of("known-failures.tsv") if name in tests and tests[name][0] == "DTLS"}


def read_exceptions():
    """The text of each reason, and the reason of each test."""
    reasons, tests = {}, {}
    for line in (HERE / "exceptions.tsv").read_text().splitlines():
        fields = line.split("\t")
        if fields[0] == "reason":
            reasons[fields[1]] = fields[2]
        elif not line.startswith("#"):
            tests[fields[0]] = fields[1]
    return reasons, tests


def core_set(outcome, tests):
    """Prints how the core tests of each transport ended, and why those that do not pass do not."""
    reasons, exceptions = read_exceptions()
    known = known_over_dtls(tests)
    for title, transport in (("core TCP", "TLS"), ("core DTLS", "DTLS")):
        rows, why = {}, Counter()
        for name, word in outcome.items():
            if name not in tests or not due(tests[name]) or tests[name][0] != transport:
                continue
            if word != "pass":
                why[exceptions.get(name, "known-failures.tsv" if name in known else "no reason given")] += 1
            rows.setdefault("all versions", Counter())[word] += 1
            rows.setdefault("  version " + tests[name][1], Counter())[word] += 1
        table(title, rows)
        for reason, count in why.most_common():
            print(f"{count:>6} {reason}: {reasons.get(reason, '')}")
        print(f"{title}, not passing and without a reason: {why['no reason given']}")


def check_exceptions(outcome, tests):
    reasons, exceptions = read_exceptions()
    has_reason = exceptions.keys() | known_over_dtls(tests)
    for name, word in sorted(outcome.items()):
        if name in exceptions and word == "pass":
            yield f"{name}: passes; take it out of exceptions.tsv"
        elif name not in has_reason and word != "pass" and name in tests and due(tests[name]):
            yield f"{name}: is a core test, does not pass, and is not in exceptions.tsv"
    every = facts()
    for name, reason in exceptions.items():
        if name not in every or not due(every[name]):
            yield f"{name}: is in exceptions.tsv and is no core test"
        if reason not in reasons:
            yield f"{name}: exceptions.tsv gives no reason ({reason})"


def update_exceptions(outcome, tests):
    path = HERE / "exceptions.tsv"
    head = [line for line in path.read_text().splitlines() if line.startswith(("#", "reason\t"))]
    _, exceptions = read_exceptions()
    known = known_over_dtls(tests)
    left = sorted(
        [
            name
            for name, word in outcome.items()
            if word != "pass" and name in tests and due(tests[name]) and name not in known
        ]
        + [name for name in exceptions if name not in outcome]
    )
    lines = [f"{name}\t{exceptions.get(name, '?')}" for name in left]
    path.write_text("\n".join(head + lines) + "\n")
    print(f"exceptions.tsv: {len(lines)} tests")


def check(outcome, tests):
    baseline, known = names_of("baseline.tsv"), names_of("known-failures.tsv")
    bad = []
    for name, word in sorted(outcome.items()):
        if name in baseline and word != "pass":
            bad.append(f"{name}: is in baseline.tsv, and the outcome is: {word}")
        elif word == "fail" and name not in known:
            bad.append(f"{name}: fails and is not in known-failures.tsv")
        elif word == "pass" and name in known:
            bad.append(f"{name}: passes; take it out of known-failures.tsv")
    bad.extend(check_exceptions(outcome, tests))
    for line in bad:
        print(f"WORSE: {line}")
    print(f"\ncheck: {len(bad)} complaints, {len(baseline)} tests in the baseline, {len(known)} known failures")
    return not bad


def main():
    path, options = sys.argv[1], sys.argv[2:]
    tests = facts()
    if "--skipped" in options:
        for name in Path(options[options.index("--skipped") + 1]).read_text().split():
            del tests[name]
    outcome = outcomes(path, tests)
    table("applicable, by theme", group(outcome, tests, lambda fact: fact[2] if fact[3] == "A" else None))
    table("applicable, by version", group(outcome, tests, lambda fact: f"{fact[0]} {fact[1]}" if fact[3] == "A" else None))
    core_set(outcome, tests)
    labels = {"A": "applicable", "P": "private to BoringSSL", "O": "optional"}
    table("by class", group(outcome, tests, lambda fact: labels.get(fact[3], fact[2])))
    table("whole suite", group(outcome, tests, lambda fact: "all tests"))
    failed = sorted(name for name, word in outcome.items() if word == "fail")
    if failed:
        known = names_of("known-failures.tsv")
        print("\nfailures:")
        for name in failed:
            print("  " + known.get(name, f"{name}\tnot listed").replace("\t", ": "))
    if "--update" in options:
        # What a filter has left out stays.
        kept = [name for name in names_of("baseline.tsv") if name not in outcome]
        passed = sorted(kept + [name for name, word in outcome.items() if word == "pass"])
        text = "# The tests that pass, one a line; written by tests/bogo/run.sh --update.\n"
        (HERE / "baseline.tsv").write_text(text + "\n".join(passed) + "\n")
        print(f"\nbaseline.tsv: {len(passed)} tests")
        update_exceptions(outcome, tests)
    return 0 if "--check" not in options or check(outcome, tests) else 1


sys.exit(main())
