#!/usr/bin/env python3
"""Holds `fixtures/controls/*/expected.toml` against the raw lines, without keytrail.

  controls_fixtures.py FOLDER

Every entry has to select as many requests as it says, and every request has to be selected by exactly one entry;
so no expectation speaks of what was not recorded, and nothing was recorded of which no expectation speaks.
Prints the faults and exits with 1; else prints what it read.
"""

import gzip
import json
import pathlib
import re
import sys
import tomllib

SELECTING = {"identity", "paths", "ops", "addresses", "allowed", "count", "what"}
ABOUT = {"rule", "first_path", "claimed", "policy", "mount", "lease_prefix", "severity", "unrenewed"}
FIELDS = {"raising": SELECTING | ABOUT, "near_miss": SELECTING, "background": SELECTING}


def requests(file):
    """The requests of a log in the order of their first lines, with what stands in either line."""
    found = {}
    for line in gzip.open(file):
        entry = json.loads(line)
        found.setdefault(entry["request"]["id"], []).append(entry)
    return [read(entries) for entries in found.values()]


def read(entries):
    last = entries[-1]
    auth, request = last["auth"], last["request"]
    known = auth.get("metadata") or {}
    name = known.get("username") or known.get("role_name")
    if not name:
        name = "root" if auth.get("policies") == ["root"] else auth.get("display_name") or "anonymous"
    failed = any(e.get("error") or "error" in ((e.get("response") or {}).get("data") or {}) for e in entries)
    return {"identity": name, "path": request["path"], "op": request["operation"],
            "address": request.get("remote_address", ""), "allowed": not failed}


def pattern(path):
    words = re.split(r"(\*\*|\*)", path)
    return re.compile("".join({"**": ".*", "*": "[^/]*"}.get(w) or re.escape(w) for w in words))


def fits(entry, request):
    return (
        entry["identity"] == request["identity"]
        and any(pattern(path).fullmatch(request["path"]) for path in entry["paths"])
        and request["op"] in entry.get("ops", [request["op"]])
        and request["address"] in entry.get("addresses", [request["address"]])
        and entry.get("allowed", request["allowed"]) == request["allowed"])


def faults(folder):
    expected = tomllib.loads((folder / "expected.toml").read_text())
    if expected["control"] != "KT-" + folder.name.upper():
        yield f"control = {expected['control']!r} in the folder of another"
    entries = [(kind, entry) for kind in FIELDS for entry in expected.get(kind, [])]
    for kind in ("raising", "near_miss"):
        if not expected.get(kind):
            yield f"no [[{kind}]]: it does not show that the control tells them apart"
    recorded = requests(folder / "audit.jsonl.gz")
    for kind, entry in entries:
        strange = entry.keys() - FIELDS[kind]
        if strange:
            yield f"{kind}: unknown field {', '.join(strange)}: {entry['what']}"
        chosen = [request for request in recorded if fits(entry, request)]
        if len(chosen) != entry["count"]:
            yield f"{kind}: {len(chosen)} requests, not {entry['count']}: {entry['what']}"
        if chosen and kind == "raising" and chosen[0]["path"] != entry["first_path"]:
            yield f"{kind}: first_path is {chosen[0]['path']}: {entry['what']}"
    for request in recorded:
        by = [entry["what"] for _, entry in entries if fits(entry, request)]
        if len(by) != 1:
            yield f"selected by {len(by)} entries {by}: {request}"


def main():
    folders = sorted(path.parent for path in pathlib.Path(sys.argv[1]).glob("*/audit.jsonl.gz"))
    found = [f"{folder.name}: {fault}" for folder in folders for fault in faults(folder)]
    print("\n".join(found) if found else json.dumps({"folders": [folder.name for folder in folders]}))
    sys.exit(1 if found or not folders else 0)


if __name__ == "__main__":
    main()
