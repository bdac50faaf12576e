#!/usr/bin/env python3
"""Validates events against OCSF 1.8.0 by ocsf-json-schema: ocsf.py FILE

FILE has an encoded event and the AuditEvent it was made of, a line each. Prints how many events of which class it read.
"""

import collections
import json
import sys

import jsonschema
from ocsf_json_schema import OcsfJsonSchemaEmbedded, get_ocsf_schema

NAMES = {6003: "api_activity", 3002: "authentication", 3004: "entity_management", 1008: "event_log_actvity"}
schemas = OcsfJsonSchemaEmbedded(get_ocsf_schema(version="1.8.0"))
validators = {}
for uid, name in NAMES.items():
    schema = schemas.get_class_schema(name, profiles=["security_control"])
    validators[uid] = jsonschema.validators.validator_for(schema)(schema)


def errors_of(event):
    return [f"{'.'.join(map(str, error.path))}: {error.message}" for error in validators[event["class_uid"]].iter_errors(event)]


found = collections.Counter()
lines = iter(open(sys.argv[1], encoding="utf-8"))
for line in lines:
    sent, event = json.loads(line), json.loads(next(lines))
    uid = sent["class_uid"]
    errors = errors_of(sent)
    assert not errors, (errors, line)
    # What is wrong is seen.
    for wrong in ({"more": 1}, {"time": "now"}, {"severity_id": 77}, {"metadata": {}}):
        assert found or errors_of({**sent, **wrong}), wrong
    assert sent["type_uid"] == uid * 100 + sent["activity_id"]
    if uid == 1008:
        assert sent["metadata"]["event_code"] == "keytrail.control_total", line
        found[NAMES[uid]] += 1
        continue
    # A refusal is never a success, and what is not known is neither.
    assert (sent["action_id"] == 2) == (event["decision"] == "denied"), line
    assert (sent["status_id"] == 1) == (event["outcome"] == "success"), line
    assert (uid == 3002) == (event["action"] in ("auth.login", "auth.start", "token.create", "token.renew", "token.revoke")), line
    found[NAMES[uid]] += 1
print(json.dumps({"events": found.total(), "classes": found}))
