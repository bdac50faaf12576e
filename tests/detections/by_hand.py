#!/usr/bin/env python3
"""What the detection pack must find in the recordings, counted by hand: by_hand.py > fixtures/expected/detections.tsv

Each function takes one rule's title and description as who guards a server does, and decides by the server's own words:
path, operation, policies, error. None uses keytrail's code or the rules' conditions. Prints recording, rule and how many
requests it must fire on, `+` where a rule that counts must fire at all; what is not listed must not fire.
Exits with 1 where the HTTP status that a client was told contradicts what was read out of the lines.
"""

import collections
import gzip
import ipaddress
import json
import pathlib
import re
import sys
from datetime import datetime

FIXTURES = pathlib.Path(__file__).parent.parent.parent / "fixtures"
RULES = FIXTURES.parent / "assets/rules"
DAY_S = 86400
# What these answer is streamed and not in the log.
STREAMS = ("sys/storage/raft/snapshot", "sys/metrics")


def entries(path):
    data = path.read_bytes()
    for line in (gzip.decompress(data) if path.suffix == ".gz" else data).split(b"\n"):
        # After a crash a whole entry is glued to the torn one before it.
        for start in (0, *(match.start() for match in re.finditer(rb'{"time":"', line))):
            try:
                yield json.loads(line[start:])
                break
            except ValueError:
                pass


class Request:
    def __init__(self, request=None, response=None):
        self.has_answer = response is not None
        line = response or request
        asked, answer = line["request"], line.get("response") or {}
        self.op, self.path = asked["operation"], asked["path"]
        self.is_write = self.op in ("create", "update", "patch")
        self.is_change = self.is_write or self.op == "delete"
        self.engine = asked.get("mount_type")
        self.address = asked.get("remote_address")
        self.asked = asked.get("data") or {}
        self.corr = next(iter((asked.get("headers") or {}).get("x-correlation-id", [])), None)
        self.error = line.get("error") or ""
        self.data, self.token = answer.get("data") or {}, answer.get("auth")
        self.is_wrapped = bool(answer.get("wrap_info"))
        auth = line.get("auth") or {}
        self.is_root = "root" in auth.get("policies", [])
        self.metadata = auth.get("metadata") or {}
        self.who = auth.get("entity_id") or auth.get("display_name")
        self.refused = (auth.get("policy_results") or {}).get("allowed") is False
        whole, fraction = re.fullmatch(r"([^.]+?)(\.\d+)?Z", (request or line)["time"]).groups()
        self.time = datetime.fromisoformat(whole + "+00:00").timestamp() + float(fraction or 0)

    def handed_on(self):
        """A standby left it to the active node, which writes lines of its own."""
        return "readonly storage" in self.error or "please forward" in self.error

    def done(self):
        """Answered without an error, and what was to be read was there."""
        if not self.has_answer or self.error or "error" in self.data or self.data.get("http_status_code", 200) >= 300:
            return False
        found = self.data or self.is_wrapped or self.token or self.path in STREAMS
        return bool(found) or self.op not in ("read", "list")

    def at(self, pattern):
        return re.fullmatch(pattern, self.path) is not None

    def changed(self, pattern):
        return self.is_change and self.at(pattern) and self.done()

    def wrote(self, pattern):
        return self.is_write and self.at(pattern) and self.done()

    def deleted(self, pattern):
        return self.op == "delete" and self.at(pattern) and self.done()

    def is_login(self):
        return self.is_write and self.at(r"auth/(?!token/)[^/]+/login(/[^/]+)?")

    def logged_in(self):
        return self.is_login() and self.token is not None

    def failed(self):
        """A login that was answered without a token. A standby words its handing on `invalid request`."""
        return self.is_login() and self.has_answer and self.token is None and self.error != "invalid request"

    def name(self):
        """The account that a login names in its path."""
        return self.path.split("/login/")[1] if "/login/" in self.path else None


# One request, one alert.


def root_token_used(it):
    # Also where the log does not tell what came of it: a seal by root, a crash in the middle.
    return it.is_root and not it.handed_on()


def root_token_generated(it):
    return it.is_change and it.at(r"sys/(generate-root(-token)?|generate-recovery-token)/.*|sys/decode-token")


def audit_device_disabled(it):
    # The device that was taken away has the request line alone, since it was gone when the answer was written.
    return it.op == "delete" and it.at(r"sys/audit/[^/]+") and (it.done() or not it.has_answer and not it.error)


def audit_device_enabled(it):
    return it.wrote(r"sys/audit/[^/]+")


def audited_headers_changed(it):
    return it.changed(r"sys/config/auditing/request-headers/.+|sys/config/cors")


def seal_or_step_down(it):
    return it.at("sys/seal|sys/step-down")


def rekey_or_rotation(it):
    # A rotation that a policy refused has begun nothing.
    return it.is_change and it.at(r"sys/rekey(-recovery-key)?/.*|sys/rotate(/.*)?") and not it.refused


def raw_storage_accessed(it):
    return it.at(r"sys/raw(/.*)?") and it.has_answer and not it.refused


def policy_changed(it):
    return it.changed(r"sys/policy/.+|sys/policies/(acl|rgp|egp)/.+")


def auth_method_changed(it):
    return it.changed(r"sys/auth/.+|sys/mounts/auth/.+/tune|auth/(?!token/)[^/]+/config(/.*)?")


def secrets_engine_disabled(it):
    return it.deleted(r"sys/mounts/.+") or it.wrote("sys/remount")


def secrets_engine_enabled(it):
    # Settings of authorities are pki_authority_changed's.
    settings = it.changed(r"(?!sys/|auth/|identity/)[^/]+/config(/.*)?") and it.engine not in ("pki", "ssh")
    return settings or it.wrote(r"sys/mounts/(?!auth/).+")


def plugin_catalogue_changed(it):
    return it.changed(r"sys/plugins/(catalog|reload)/.+")


def snapshot_taken(it):
    return it.op == "read" and it.at("sys/storage/raft/snapshot") and it.done()


def snapshot_restored(it):
    return it.wrote(r"sys/storage/raft/snapshot(-force)?")


def service_account_from_outside(it):
    if not (it.has_answer and not it.refused and it.address):
        return False
    metadata = it.token.get("metadata") or {} if it.logged_in() else it.metadata
    return "service_account_name" in metadata and not ipaddress.ip_address(it.address).is_private


def unusual_token_created(it):
    # An explicit_max_ttl is a bound, and no token's vice.
    asked = {"no_parent", "period", "no_default_policy"} & it.asked.keys()
    has_no_end = it.token is not None and not it.token.get("token_ttl")
    return it.wrote("auth/token/create-orphan") or (it.wrote(r"auth/token/create(/.+)?") and (bool(asked) or has_no_end))


def long_lived_token_created(it):
    gives = it.is_login() or it.at(r"auth/token/create(-orphan|/.+)?")
    return gives and it.token is not None and (it.token.get("token_ttl") or 0) > 32 * DAY_S


def identity_merged(it):
    return it.wrote("identity/entity/merge") or it.changed(r"identity/(entity|group)-alias(/.+)?")


def wrapping_token_refused(it):
    return "wrapping token is not valid" in it.error


def pki_authority_changed(it):
    made = r"root|root/(generate|rotate|replace|sign).*|intermediate/.+|issuers/.+|issuer/.*|keys/.+|config/.+|crl/rotate"
    issues = re.search(r"/issuer/[^/]+/(issue|sign)/", it.path)
    ssh = it.engine == "ssh" and it.changed(r"[^/]+/config/.+")
    return ssh or (it.engine == "pki" and it.changed(rf"[^/]+/({made})") and not issues)


def pki_role_changed(it):
    return it.engine == "pki" and it.changed(r"[^/]+/(roles/.+|(issuer/.+/)?sign-verbatim(/.+)?)")


def transit_key_exposed(it):
    out = it.at(r"[^/]+/(export|byok-export|backup|restore)(/.+)?") and it.done()
    key = it.wrote(r"[^/]+/keys/[^/]+/(config|trim|soft-delete)") or it.deleted(r"[^/]+/keys/[^/]+")
    return it.engine == "transit" and (out or key)


def database_root_rotated(it):
    return it.wrote(r"[^/]+/rotate-root(/.+)?")


def leases_revoked_by_prefix(it):
    return it.wrote(r"sys/(leases/)?revoke-(prefix|force)/.+")


def secret_destroyed(it):
    # Version 2 deletes below data/, which can be undone; version 1 anywhere, which cannot.
    return it.engine == "kv" and (it.deleted(r"[^/]+/(?!data/).+") or it.wrote(r"[^/]+/destroy/.+"))


def request_without_answer(it):
    # Whoever was turned away at the door has his error in the request line. A device's probe, a seal and a step-down
    # never have an answer.
    return not it.has_answer and not it.error and not it.at("sys/audit/test|sys/seal|sys/step-down")


# Many requests, one alert.


def within(requests, seconds, number, group, value=None):
    """Do so many of a group, or so many values of them, fall into one stretch of so many seconds?"""
    groups = collections.defaultdict(list)
    for it in requests:
        if group(it) is not None:
            groups[group(it)].append(it)
    for some in groups.values():
        for first in some:
            stretch = [it for it in some if 0 <= it.time - first.time <= seconds]
            if len({value(it) for it in stretch} if value else stretch) >= number:
                return True
    return False


def who(it):
    return it.who


def path(it):
    return it.path


def address(it):
    return it.address


def denied_burst(all):
    return within([it for it in all if it.refused], 300, 20, who)


def many_secrets_read(all):
    # Version 2 has its secrets below data/, version 1 anywhere.
    other = r"[^/]+/(metadata|subkeys|config)(/.*)?"
    read = [it for it in all if it.engine == "kv" and it.op == "read" and not it.at(other) and it.done()]
    return within(read, 600, 50, who, path)


def list_sweep(all):
    listed = [it for it in all if it.engine == "kv" and it.op in ("list", "scan") and it.done()]
    return within(listed, 300, 30, who, path)


def password_guessing(all):
    return within([it for it in all if it.failed()], 300, 10, Request.name)


def password_spraying(all):
    return within([it for it in all if it.failed() and it.name()], 600, 10, address, Request.name)


def login_after_failures(all):
    bad, good = [it for it in all if it.failed()], [it for it in all if it.logged_in()]
    return any(it.address == before.address and 0 <= it.time - before.time <= 300 for it in good for before in bad)


def secret_ids_mass_created(all):
    made = [it for it in all if it.wrote(r"auth/[^/]+/role/[^/]+/(custom-)?secret-id")]
    return within(made, 3600, 20, who)


def decrypt_burst(all):
    return within([it for it in all if it.engine == "transit" and it.wrote(r"[^/]+/decrypt/.+")], 60, 40, who)


def many_addresses(all):
    # What the metadata of workloads have; they run on many machines.
    workload = {"role", "role_name", "service_account_name"}
    some = [it for it in all if not it.is_root and not workload & it.metadata.keys()]
    return within([it for it in some if it.has_answer and not it.refused], 3600, 5, who, address)


ONE = [
    root_token_used, root_token_generated, audit_device_disabled, audit_device_enabled, audited_headers_changed,
    seal_or_step_down, rekey_or_rotation, raw_storage_accessed, policy_changed, auth_method_changed,
    secrets_engine_disabled, secrets_engine_enabled, plugin_catalogue_changed, snapshot_taken, snapshot_restored,
    service_account_from_outside, unusual_token_created, long_lived_token_created, identity_merged,
    wrapping_token_refused, pki_authority_changed, pki_role_changed, transit_key_exposed, database_root_rotated,
    leases_revoked_by_prefix, secret_destroyed, request_without_answer]
MANY = [
    denied_burst, many_secrets_read, list_sweep, password_guessing, password_spraying, login_after_failures,
    secret_ids_mass_created, decrypt_burst, many_addresses]


def recordings():
    """Every log of a device that hashes, and its requests."""
    for file in sorted(FIXTURES.rglob("*")):
        name = str(file.relative_to(FIXTURES))
        if not (".jsonl" in name or name.endswith(".ndjson")) or "raw" in name or "truth" in name:
            continue
        pairs = {}
        for entry in entries(file):
            pairs.setdefault(entry["request"]["id"], {})[entry["type"]] = entry
        yield name, {id: Request(**pair) for id, pair in pairs.items()}


def told():
    """The HTTP status that clients were told: by recording, by correlation id or request id."""
    rows = [json.loads(line) for line in gzip.open(FIXTURES / "openbao-2.7.2/truth.jsonl.gz")]
    main = {row["corr"]: row["status"] for row in rows if row["client"] == "http" and row["audited"]}
    labels = (FIXTURES / "samples/openbao-2.7.2-recorded/labels.tsv").read_text().splitlines()[1:]
    single = {id: int(status) for id, _, _, status, _ in (line.split("\t") for line in labels)}
    return {
        "openbao-2.7.2/audit.jsonl.1.gz": main, "openbao-2.7.2/audit.jsonl.gz": main,
        "samples/openbao-2.7.2-recorded/hashed.ndjson": single}


def main():
    missing = {file.stem for file in RULES.glob("*.yml")} ^ {rule.__name__ for rule in ONE + MANY}
    if missing:
        sys.exit(f"either rule or reading is missing: {missing}")
    statuses, compared, rows = told(), 0, []
    for name, requests in recordings():
        all = list(requests.values())
        counts = [(rule, sum(map(rule, all))) for rule in ONE]
        rows += [f"{name}\t{rule.__name__}\t{count}" for rule, count in counts if count]
        rows += [f"{name}\t{rule.__name__}\t+" for rule in MANY if rule(all)]
        for id, it in requests.items():
            status = statuses.get(name, {}).get(it.corr or id)
            if status and it.has_answer:
                compared += 1
                if it.done() != (status in (200, 202, 204)):
                    sys.exit(f"{name}: {id}: {it.op} {it.path}: the client was told {status}")
    if compared < 2900:
        sys.exit(f"only {compared} requests were compared with what clients were told")
    print("\n".join(sorted(rows)))


if __name__ == "__main__":
    main()
