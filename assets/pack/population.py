"""Makes the rows of a pack's population again from its raw lines, by the rules as keytrail's documents state them: an
implementation of its own, in plain Python, that shares no code with keytrail. For verify.py.

Recomputed of each row: uid, request_id, time, completed, namespace, path, operation, decision, reason, outcome,
remote_address, policies_granting, and which leaves are its request and response. Asserted, since they rest on names of hashes,
on tables of the catalogue or on redaction: identity, identity_key, kind, mount, action, error.
"""

import collections
import functools
import hashlib
import json
import marshal
import re
import tempfile
from datetime import datetime, timezone

NS = 1_000_000_000
UNANSWERED_NS = 600 * NS
PENDING_MAX = 100_000
# The way in which the lines of a followed file came, as batch headers number it.
LIVE = 0
RECOMPUTED = ["time", "completed", "namespace", "path", "operation", "decision", "reason", "outcome", "remote_address",
              "policies_granting", "request_leaf", "response_leaf"]
STANDBY = re.compile(r"cannot write to readonly storage|please forward to the active node")
# What the texts of `error` are in HTTP; the first that is contained holds. Others are 500 if nothing was answered.
TEXTS = [("permission denied", 403), ("not authorized", 403), ("is expired", 403), ("invalid credentials", 400),
         ("wrapping token is not valid or does not exist", 400), ("unsupported operation", 405),
         ("unsupported path", 404), ("functionality on this path has been removed", 404), ("invalid request", 400)]
# What they send has no `data` in the log.
STREAMS = ("sys/storage/raft/snapshot", "sys/metrics", "sys/monitor", "sys/pprof")


INSTANT = re.compile(r"(\d+-\d+-\d+T\d+:\d+:\d+)(?:\.(\d+))?(Z|[+-]\d\d:\d\d)")
GLUED = re.compile(rb'{"time":"')


def instant(text):
    """Nanoseconds since 1970 of an RFC 3339 time."""
    match = INSTANT.fullmatch(text)
    if not match:
        raise ValueError(f"no RFC 3339 instant: {text}")
    return seconds(match[1] + match[3].replace("Z", "+00:00")) * NS + int((match[2] or "").ljust(9, "0")[:9])


@functools.lru_cache(maxsize=1 << 16)
def seconds(text):
    whole = datetime.fromisoformat(text) - datetime(1970, 1, 1, tzinfo=timezone.utc)
    return whole.days * 86_400 + whole.seconds


def uid(cluster, node, request_id):
    hashed = hashlib.sha256()
    for part in map(str.encode, (cluster, node, "id", request_id, "")):
        hashed.update(len(part).to_bytes(8, "big") + part)
    return hashed.digest()[:16]


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
    asked, auth, text = entry["request"], entry.get("auth") or {}, entry.get("error") or ""
    path, results = asked.get("path", ""), auth.get("policy_results") or {}
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


class Source:
    """Pairs the lines of one audit device of one node."""

    def __init__(self):
        self.waiting, self.gone, self.alone = {}, set(), {}
        # Of each way in which lines came (followed, imported) the last times: the least of them is its clock.
        self.latest = collections.defaultdict(lambda: collections.deque(maxlen=64))


class Events:
    """What lines make of each request, by its uid. In memory is little more than the uids: the rest is in a temporary file."""
    OUTSIDE, LEFT_OUT = -1, -2

    def __init__(self, start, end):
        self.within = lambda time: (start is None or start <= time) and (end is None or time < end)
        # Of each uid the place in the file of its last row, which names the one before it, or one of the two above.
        self.places, self.file, self.end = {}, tempfile.TemporaryFile(), 0
        self.left_out, self.unseen = collections.Counter(), 0

    def leave_out(self, time, word):
        self.left_out[word] += self.within(time)

    def put(self, uid, row):
        """Takes what one audit device has of a request. The first says whether it is counted, others are copies."""
        before = self.places.get(uid)
        if before is None:
            place = self.end if self.within(row[0]) else self.OUTSIDE
            if place == self.end and row[6] in ("system", "forwarded"):
                self.left_out[row[6]] += 1
                place = self.LEFT_OUT
            self.places[uid] = place
            self.unseen += place >= 0
        elif before != self.OUTSIDE:
            self.left_out["copy"] += 1
            if before >= 0:
                self.places[uid] = self.end
        if self.places[uid] == self.end:
            data = marshal.dumps((before, row))
            self.file.write(len(data).to_bytes(4, "big") + data)
            self.end += 4 + len(data)

    def pop(self, uid):
        """The rows of a request that is counted; none if there is no such, or it was asked for before."""
        place = self.places.get(uid, self.OUTSIDE)
        self.places[uid] = self.LEFT_OUT
        self.unseen -= place >= 0
        rows = []
        while place is not None and place >= 0:
            self.file.seek(place)
            place, row = marshal.loads(self.file.read(int.from_bytes(self.file.read(4), "big")))
            rows.append(row)
        return rows


class Population:
    """Takes the lines in the ledger's order."""

    def __init__(self, scope):
        self.scope, self.sources = scope, collections.defaultdict(Source)
        self.events = Events(scope.get("from_unix_ns"), scope.get("to_unix_ns"))

    def line(self, source, reader, leaf, data):
        of = self.sources[source]
        for entry in entries(data):
            id_, time = entry["request"].get("id"), instant(entry["time"])
            of.latest[reader].append(time)
            if id_ is None:
                self.events.leave_out(time, "system")
            elif entry["type"] == "request":
                answer = of.alone.pop(id_, None)
                if answer:
                    self.issue(source, (leaf, entry), answer, None)
                else:
                    of.waiting[id_] = leaf, entry, reader, time
            elif id_ in of.gone:
                self.events.leave_out(time, "late")
            elif id_ in of.waiting:
                self.issue(source, of.waiting.pop(id_)[:2], (leaf, entry), None)
            else:
                of.alone[id_] = leaf, entry
            self.give_up(source, of, reader, 0)

    def tick(self, source, idle_ns):
        """A followed source had no line for so long."""
        self.give_up(source, self.sources[source], LIVE, idle_ns)

    def give_up(self, source, of, reader, idle_ns):
        now = min(of.latest[reader], default=None)
        if now is None:
            return
        while of.waiting:
            id_, (leaf, entry, came, time) = next(iter(of.waiting.items()))
            if len(of.waiting) <= PENDING_MAX and (came != reader or time + UNANSWERED_NS >= now + idle_ns):
                return
            del of.waiting[id_]
            of.gone.add(id_)
            self.issue(source, (leaf, entry), None, "unanswered")

    def issue(self, source, request, response, state):
        leaf, entry = request or response
        last = (response or request)[1]
        cluster, node, _ = source.split("/")
        asked, results = entry["request"], (last.get("auth") or {}).get("policy_results") or {}
        policies = sorted(policy["name"] for policy in results.get("granting_policies") or [] if policy.get("name"))
        words = decide(request and request[1], response and response[1], state)
        row = (instant(entry["time"]), response and instant(response[1]["time"]), asked.get("namespace", {}).get("path", ""),
               asked.get("path", ""), asked.get("operation", ""), *words, asked.get("remote_address", ""), "; ".join(policies),
               str(request[0]) if request else "", str(response[0]) if response else "")
        self.events.put(uid(cluster, node, asked["id"]), row)

    def finish(self):
        # What waits for its response is in no population: it may be answered yet.
        for source, of in self.sources.items():
            for answer in of.alone.values():
                self.issue(source, None, answer, None)

    def check(self, rows, need):
        """Compares the rows told with those made; says in words what was compared."""
        scope, left = self.scope, self.events.left_out
        matched = sum(left.values()) + self.events.unseen
        count = 0
        for count, row in enumerate(rows, 1):
            at = f"populations/events.csv, row {count}"
            id_ = bytes.fromhex(row["uid"])
            variants = self.events.pop(id_)
            need(variants, f"{at}: the raw lines give no such event")
            told = [told_as(name, row[name]) for name in RECOMPUTED]
            best = max(variants, key=lambda made: sum(one == other for one, other in zip(told, made)))
            for name, one, other in zip(RECOMPUTED, told, best):
                need(one == other, f"{at}: the raw lines give {other!r} in {name}, not {row[name]!r}")
            need(uid(*row["request_source" if row["request_leaf"] else "response_source"].split("/")[:2], row["request_id"]) == id_,
                 f"{at}: its uid is not that of its request_id")
        need(count == scope["population"]["rows"], f"scope.json: it tells of {scope['population']['rows']} rows, there are {count}")
        told = scope["population"]["left_out"]
        if scope["filter"]:
            # What a filter keeps is for keytrail to say; how many events it chose from is not.
            total = scope["tie_out"][0]["left"]
            need(total == matched, f"scope.json: it tells of {total} events in the period, the raw lines give {matched}")
            return f"recomputed: {count} rows are among {matched} events of the period; that the filter keeps just these is asserted"
        more = next((uid.hex() for uid, place in self.events.places.items() if place >= 0), "")
        need(not self.events.unseen, f"populations/events.csv: the raw lines give {self.events.unseen} more rows, as of uid {more}")
        need(sum(told.values()) == sum(left.values()), f"scope.json: left out are {told}, the raw lines give {dict(left)}")
        return f"recomputed: {count} rows, one for each request that counts, and {sum(left.values())} left out"


def told_as(name, text):
    """A cell as it was before it was written."""
    if name in ("time", "completed"):
        return instant(text) if text else None
    return text[1:] if text[:1] == "'" and text[1:2] in tuple("=+-@\t\r\n") else text


def entries(data):
    """The entries of a line; after a crash a whole one is glued to the torn one before it."""
    for start in [0, *(match.start() for match in GLUED.finditer(data) if match.start())]:
        try:
            entry = json.loads(data[start:])
        except ValueError:
            continue
        if isinstance(entry, dict) and isinstance(entry.get("request"), dict) and "time" in entry:
            yield entry
        return
