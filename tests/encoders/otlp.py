#!/usr/bin/env python3
"""Reads log records by OpenTelemetry's own classes, and compares what they say with the event: otlp.py FILE

FILE has a record and its resource in hexadecimal digits, and the AuditEvent it was made of, a line each. A name that does not begin
with `keytrail.` must be one of the semantic conventions. Prints how many records it read and which names they had.
"""

import calendar
import importlib
import json
import pkgutil
import sys
import time

from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord, SeverityNumber
from opentelemetry.proto.resource.v1.resource_pb2 import Resource
from opentelemetry.semconv._incubating import attributes

KNOWN = set()
for module in pkgutil.iter_modules(attributes.__path__):
    names = vars(importlib.import_module(f"{attributes.__name__}.{module.name}"))
    KNOWN |= {value for name, value in names.items() if name.isupper() and isinstance(value, str)}


def plain(value):
    kind = value.WhichOneof("value")
    return [plain(it) for it in value.array_value.values] if kind == "array_value" else getattr(value, kind)


def named(pairs):
    read = {pair.key: plain(pair.value) for pair in pairs}
    assert len(read) == len(pairs), "a name is there twice"
    return read


def unix_ns(text):
    """Nanoseconds since 1970 of RFC 3339 in UTC."""
    whole, _, fraction = text.rstrip("Z").partition(".")
    return calendar.timegm(time.strptime(whole, "%Y-%m-%dT%H:%M:%S")) * 10**9 + int(fraction.ljust(9, "0")[:9] or 0)


seen, count = set(), 0
lines = iter(open(sys.argv[1], encoding="utf-8", newline="\n"))
for line in lines:
    record, resource = (bytes.fromhex(part) for part in line.split())
    record, resource, event = LogRecord.FromString(record), Resource.FromString(resource), json.loads(next(lines))
    told, of = named(record.attributes), named(resource.attributes)
    assert of == {"service.name": "openbao", "service.namespace": event["cluster"], "service.instance.id": event["node"]}, of
    body = json.loads(record.body.string_value)
    for key in event:
        assert body[key] == event[key], (key, body[key], event[key])
    at = event["time"] or event["completed"]
    if at and at.endswith("Z"):
        assert record.time_unix_nano == unix_ns(at), (record.time_unix_nano, at)
    assert record.observed_time_unix_nano > 0 and record.event_name == "keytrail.audit_event"
    assert (event["decision"] == "denied") <= (record.severity_number >= SeverityNumber.SEVERITY_NUMBER_WARN), line
    identity = event["identity"]
    user = identity["name"] or identity["claimed"] or identity["former_name"] or identity["kind"]
    for name, value in {
        "log.record.uid": event["uid"],
        "user.name": user,
        "user.id": identity["entity_id"],
        "client.address": event["remote_address"],
        "client.port": event["remote_port"],
        "keytrail.path": event["path"],
        "keytrail.decision": event["decision"],
        "keytrail.policies": event["policies"],
        "keytrail.leaves": event["leaves"],
    }.items():
        assert told.get(name) == (value or None), (name, told.get(name), value)
    assert ("error.type" in told) == (event["outcome"] not in ("success", "unknown", "forwarded", "system")), told
    for name in told.keys() | of.keys():
        assert name.startswith("keytrail.") or name in KNOWN, f"{name} is none of the conventions' names"
    seen |= told.keys()
    count += 1
print(json.dumps({"events": count, "attributes": sorted(seen)}))
