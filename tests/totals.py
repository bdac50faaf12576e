#!/usr/bin/env python3
"""Totals of an audit log by the rules that the design states, worked out without keytrail: for its tests.

  totals.py [--cluster default] [--device file] [--from T] [--to T] NODE=FILE[,FILE…] …

Files of one node in order, plain or .gz. Prints JSON: totals and, by identity, path and decision, rows with
`requests`, `access` (allowed and success), `decisions` ("decision/reason/outcome": requests), `first` and `last` (as the
server wrote them), over what belongs to [from, to); and `left_out`, what was not counted, by why.
"""

import argparse
import collections
import gzip
import json
import re
import sys
from datetime import datetime, timezone

NS = 1_000_000_000
UNANSWERED_NS = 600 * NS
STANDBY = re.compile(r"cannot write to readonly storage|please forward to the active node")
# What the texts of `error` are in HTTP; the first that is contained holds. Others are 500 if nothing was answered.
TEXTS = [("permission denied", 403), ("not authorized", 403), ("is expired", 403), ("invalid credentials", 400),
         ("wrapping token is not valid or does not exist", 400), ("unsupported operation", 405),
         ("unsupported path", 404), ("functionality on this path has been removed", 404), ("invalid request", 400)]
# What they send has no `data` in the log.
STREAMS = ("sys/storage/raft/snapshot", "sys/metrics", "sys/monitor", "sys/pprof")


def instant(text):
    """Nanoseconds since 1970 of an RFC 3339 time."""
    match = re.fullmatch(r"(\d+-\d+-\d+T\d+:\d+:\d+)(?:\.(\d+))?(Z|[+-]\d\d:\d\d)", text)
    if not match:
        sys.exit(f"no RFC 3339 instant: {text}")
    whole = datetime.fromisoformat(match[1] + match[3].replace("Z", "+00:00"))
    return int((whole - datetime(1970, 1, 1, tzinfo=timezone.utc)).total_seconds()) * NS + int((match[2] or "").ljust(9, "0"))


def lines(files):
    for file in files:
        with (gzip.open if file.endswith(".gz") else open)(file, "rb") as log:
            for line in log:
                # After a crash a whole entry is glued to the torn one before it.
                starts = [0, *(match.start() for match in re.finditer(rb'{"time":"', line) if match.start())]
                for start in starts:
                    try:
                        yield json.loads(line[start:])
                        break
                    except ValueError:
                        if start == 0:
                            yield None


def requests(files, left_out):
    """(request line, response line, whether it was given up) of each request of one node; responses that came later
    than that are counted in `left_out`."""
    waiting, gone, latest = {}, set(), collections.deque(maxlen=64)
    for entry in lines(files):
        if entry is None:
            left_out["undecodable"] += 1
            continue
        id_ = entry["request"].get("id")
        latest.append(instant(entry["time"]))
        if entry["type"] == "request":
            waiting[id_] = entry
        elif id_ in gone:
            yield None, entry, "late"
        else:
            yield waiting.pop(id_, None), entry, None
        while waiting and instant((oldest := next(iter(waiting.values())))["time"]) + UNANSWERED_NS < min(latest):
            id_ = oldest["request"]["id"]
            gone.add(id_)
            yield waiting.pop(id_), None, "unanswered"
    for entry in waiting.values():
        yield entry, None, "pending"


def status(entry, text):
    """The HTTP status that the client got."""
    response = entry.get("response") or {}
    data = response.get("data") or {}
    for part, code in TEXTS:
        if part in text:
            return code
    if text:
        return 400 if "error" in data else 500
    if "http_status_code" in data:
        return data["http_status_code"]
    # A secret of version 1 may have a field of that name.
    if "error" in data and not (entry["request"].get("mount_type") == "kv" and entry["request"]["operation"] == "read"):
        return 400
    empty = not any(response.get(part) for part in ("data", "auth", "secret", "wrap_info"))
    if entry["request"]["operation"] in ("read", "list", "scan", "header") and empty:
        return 200 if entry["request"]["path"].startswith(STREAMS) else 404
    return 200


def decide(request, response, state):
    """Decision, reason, outcome: the first row of the design's table that fits."""
    entry = response or request
    asked, auth, text = entry["request"], entry["auth"], entry.get("error") or ""
    path, results = asked["path"], auth.get("policy_results") or {}
    mount = asked.get("mount_point", "").removeprefix(asked.get("namespace", {}).get("path", ""))
    answer = (response or {}).get("response") or {}
    is_login = (path.startswith("auth/") and mount not in ("", "auth/token/")
                and path.removeprefix(mount).split("/")[0] == "login")
    if path == "sys/audit/test" and not response or entry["type"] not in ("request", "response"):
        return "unknown", "system", "system"
    if STANDBY.search(text) or is_login and text == "invalid request" and response and not answer.get("auth"):
        return "unknown", "forwarded", "forwarded"
    if path in ("sys/seal", "sys/step-down"):
        return "unknown", "not_recorded", "unknown"
    if "quota exceeded" in text:
        return "denied", "quota", "throttled"
    if "wrapping token is not valid or does not exist" in text:
        return "denied", "wrapping", "refused"
    if results.get("allowed") is False:
        return "denied", "policy", "refused"
    if "permission denied" in text and not results and not is_login:
        return "denied", "token", "refused"
    if response is None:
        granted = results.get("allowed") and results.get("granting_policies")
        return "allowed" if granted else "unknown", state, "unknown"
    code = status(entry, text)
    if is_login:
        if answer.get("auth"):
            return "allowed", "login", "success"
        return ("unknown", "login", "server_error") if code >= 500 else ("denied", "login", "refused")
    outcome = ("success" if code < 400 else "not_found" if code == 404
               else "client_error" if code < 500 else "server_error")
    if "root" in (auth.get("policies") or []):
        return "allowed", "root", outcome
    return "allowed", "policy" if results.get("granting_policies") else "open", outcome


def identity(cluster, device, auth, asked):
    """The key of who did it; none where the log names nobody."""
    if not (auth.get("policies") or auth.get("display_name")):
        return None
    if auth.get("entity_id"):
        return f"{cluster}/entity/{auth['entity_id']}"
    if "root" in (auth.get("policies") or []):
        return f"{cluster}/root"
    for kind, field in (("accessor", "accessor"), ("token", "client_token")):
        if auth.get(field):
            return f"{cluster}/{kind}/{device}/{auth[field]}"
    sys.exit(f"no rule for the identity of request {asked['id']}")


class Rows(dict):
    def add(self, key, decision, entry):
        row = self.setdefault(key, {"requests": 0, "access": 0, "decisions": collections.Counter(), "times": []})
        row["requests"] += 1
        row["access"] += decision[0] == "allowed" and decision[2] == "success"
        row["decisions"]["/".join(decision)] += 1
        row["times"].append(entry["time"])

    def told(self):
        for row in self.values():
            times = sorted(row.pop("times"), key=instant)
            row["first"], row["last"] = times[0], times[-1]
        return dict(self)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("--cluster", "--device", "--from", "--to"):
        parser.add_argument(name, default={"--cluster": "default", "--device": "file"}.get(name))
    parser.add_argument("nodes", nargs="+")
    asked = vars(parser.parse_args())
    start, end = (instant(asked[name]) if asked[name] else edge for name, edge in (("from", 0), ("to", 1 << 63)))
    left_out, by = collections.Counter(), {name: Rows() for name in ("totals", "identity", "path", "decision")}
    for node in asked["nodes"]:
        for request, response, state in requests(node.partition("=")[2].split(","), left_out):
            entry, last = request or response, response or request
            if not start <= instant(entry["time"]) < end:
                continue
            decision = decide(request, response, state)
            if state == "late" or decision[1] in ("system", "forwarded"):
                left_out["late" if state == "late" else decision[1]] += 1
                continue
            namespace = last["request"].get("namespace", {}).get("path", "")
            who = identity(asked["cluster"], asked["device"], last["auth"], last["request"])
            for name, key in (("totals", ""), ("identity", who or ""), ("path", namespace + last["request"]["path"]),
                              ("decision", decision[0])):
                by[name].add(key, decision, entry)
    print(json.dumps({**{name: rows.told() for name, rows in by.items()}, "left_out": left_out}))


if __name__ == "__main__":
    main()
