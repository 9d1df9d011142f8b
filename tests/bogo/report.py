#!/usr/bin/env python3
"""Tells what a run of BoGo says: tables by theme and version, and whether it got worse.

    report.py RESULTS.json [--check] [--update]

--check   fails when a test of baseline.tsv does not pass, when a test fails that is not in
          known-failures.tsv, or when one that is there passes.
--update  writes baseline.tsv: the names of all tests that pass.
"""

import json
import sys
from collections import Counter
from pathlib import Path

HERE = Path(__file__).parent
OUTCOMES = ("pass", "fail", "unimplemented", "disabled")
VERSIONS = {"3": "1.3", "2": "1.2", "1": "1.1", "0": "1.0", "s": "SSL 3", "m": "several", "-": "none"}
TRANSPORTS = {"t": "TLS", "d": "DTLS", "q": "QUIC"}
# Not built yet; everything else of TLS 1.3 over TCP has to pass.
LATER = {
    "Raw public keys",
    "OCSP",
    "TLS1.3 external PSK (importer)",
    "ECH",
    "Early data (0-RTT)",
    "Tickets & resumption",
    "Cert compression",
    "NPN",
    "Renegotiation",
}


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
    """TLS 1.3 over TCP, core, outside what comes later."""
    transport, version, theme, _, core = fact
    if transport != "TLS" or not core or theme in LATER or version not in ("1.3", "several", "none"):
        return None
    return "due now, version 1.3" if version == "1.3" else "due now, several versions or none named"


def check(outcome):
    baseline, known = names_of("baseline.tsv"), names_of("known-failures.tsv")
    bad = []
    for name, word in sorted(outcome.items()):
        if name in baseline and word != "pass":
            bad.append(f"{name}: is in baseline.tsv, and the outcome is: {word}")
        elif word == "fail" and name not in known:
            bad.append(f"{name}: fails and is not in known-failures.tsv")
        elif word == "pass" and name in known:
            bad.append(f"{name}: passes; take it out of known-failures.tsv")
    for line in bad:
        print(f"WORSE: {line}")
    print(f"\ncheck: {len(bad)} complaints, {len(baseline)} tests in the baseline, {len(known)} known failures")
    return not bad


def main():
    path, options = sys.argv[1], sys.argv[2:]
    tests = facts()
    outcome = outcomes(path, tests)
    table("applicable, by theme", group(outcome, tests, lambda fact: fact[2] if fact[3] == "A" else None))
    table("applicable, by version", group(outcome, tests, lambda fact: f"{fact[0]} {fact[1]}" if fact[3] == "A" else None))
    table("core TLS 1.3 over TCP", group(outcome, tests, due))
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
        passed = sorted(name for name, word in outcome.items() if word == "pass")
        text = "# The tests that pass, one a line; written by tests/bogo/run.sh --update.\n"
        (HERE / "baseline.tsv").write_text(text + "\n".join(passed) + "\n")
        print(f"\nbaseline.tsv: {len(passed)} tests")
    return 0 if "--check" not in options or check(outcome) else 1


sys.exit(main())
