#!/usr/bin/env python3
"""Reads CEF by pycef and RFC 5424 by syslog-rfc5424-parser, and compares what they say with the event: lines.py FILE

FILE has an encoded event and the AuditEvent it was made of, a line each; its name is the format. Prints how many it read.
"""

import json
import pathlib
import sys

import pycef
from syslog_rfc5424_parser import SyslogMessage


def spaced(text):
    """A control character stands as a space."""
    return "".join(" " if ord(it) < 32 or 127 <= ord(it) < 160 else it for it in text or "")


def cef(line):
    read = pycef.parse(line)
    return {
        "uid": read["externalId"],
        "action": read["DeviceEventClassID"],
        "outcome": read["outcome"],
        "path": read.get("request", "").replace("\\n", "\n").replace("\\r", "\r"),
        "request_id": read.get("cs1" if "cs1" in read else "requestId", ""),
        "address": read.get("src", read.get("shost", read.get("c6a2", read.get("Source IPv6 Address", "")))),
        "user": None,
    }


def syslog(line):
    read = SyslogMessage.parse(line)
    assert read.appname == "keytrail" and read.facility.name == "audit", read
    parts = {name.split("@")[0]: part for name, part in read.sd.items()}
    assert read.hostname and read.msgid == parts["event"]["action"][:32]
    return {
        "uid": parts["event"]["uid"],
        "action": parts["event"]["action"],
        "outcome": parts["event"]["outcome"],
        "path": parts["event"].get("path", ""),
        "request_id": parts["event"].get("requestId", ""),
        "address": parts["event"].get("src", ""),
        "user": parts["identity"]["user"],
    }


read = {"cef": cef, "syslog": syslog}[pathlib.Path(sys.argv[1]).name]
count = 0
lines = iter(open(sys.argv[1], encoding="utf-8", newline="\n"))
for line in lines:
    sent, event = read(line.rstrip("\n")), json.loads(next(lines))
    identity = event["identity"]
    user = identity["name"] or identity["claimed"] or identity["former_name"] or identity["kind"]
    told = {
        "uid": event["uid"],
        "action": event["action"],
        "outcome": event["outcome"],
        "path": spaced(event["path"]),
        "request_id": event["request_id"] or "",
        "address": event["remote_address"] or "",
        "user": spaced(user) if sent["user"] is not None else None,
    }
    sent["path"] = spaced(sent["path"])
    assert sent == told, (sent, told, line)
    count += 1
print(json.dumps({"events": count}))
