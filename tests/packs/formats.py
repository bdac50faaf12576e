#!/usr/bin/env python3
"""Reads what a pack hands to other programs by their own libraries: formats.py PACK.zip

OSCAL by compliance-trestle, OCSF by py-ocsf-models and ocsf-json-schema, workbooks by openpyxl. Prints what it found as JSON.
"""

import csv
import io
import json
import pathlib
import re
import subprocess
import sys
import tempfile
import zipfile

import jsonschema
import openpyxl
from ocsf_json_schema import OcsfJsonSchemaEmbedded, get_ocsf_schema
from py_ocsf_models.events.findings.compliance_finding import ComplianceFinding
from trestle.oscal.assessment_results import AssessmentResults

pack = zipfile.ZipFile(sys.argv[1])
read = lambda path: pack.read("payload/" + path)
table = lambda path: list(csv.DictReader(io.StringIO(read(path).decode(), newline="")))
manifest = {entry["path"]: entry for entry in json.loads(read("manifest.json"))}
PATH = "oscal/assessment-results.json"


def walk(value, name=None):
    yield name, value
    for key, part in value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ():
        yield from walk(part, name if isinstance(key, int) else key)


# OSCAL: trestle reads and validates it, and what it does not look at: every reference has its target, once.
document = json.loads(read(PATH))
uuids = [value for name, value in walk(document) if name == "uuid"]
assert len(uuids) == len(set(uuids)), "a uuid is given twice"
assert all(re.fullmatch(r"[0-9a-f]{8}-[0-9a-f]{4}-5[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}", uuid) for uuid in uuids)
references = [(name, value) for name, value in walk(document) if isinstance(name, str) and name.endswith("-uuid")]
references += [(name, value[1:]) for name, value in walk(document) if name == "href" and value.startswith("#")]
assert references and all(value in uuids for _, value in references), [it for it in references if it[1] not in uuids]
for name, value in walk(document):
    # A file beside it is there, with the hash that is told.
    if name == "href" and value.startswith("../"):
        assert value[3:] in manifest, value
for observation in document["assessment-results"]["results"][0]["observations"]:
    for evidence in observation["relevant-evidence"]:
        told, = (prop["value"] for prop in evidence["props"] if prop["name"] == "sha256")
        assert told == manifest[evidence["href"][3:]]["sha256"]
with tempfile.TemporaryDirectory() as folder:
    workspace = pathlib.Path(folder)
    (workspace / "results.json").write_bytes(read(PATH))
    AssessmentResults.oscal_read(workspace / "results.json")
    trestle = [str(pathlib.Path(sys.executable).parent / "trestle")]
    (workspace / "in").mkdir()
    for command in (["init", "--local"], ["import", "-f", str(workspace / "results.json"), "-o", "q"], ["validate", "-t", "assessment-results", "-n", "q"]):
        run = subprocess.run(trestle + command, cwd=workspace / "in", capture_output=True, text=True)
        assert run.returncode == 0, (command, run.stdout, run.stderr)
    assert "VALID" in run.stdout + run.stderr, run
    assert "not in resources" not in run.stdout + run.stderr, run

# OCSF: both libraries, and no pass where there is no data.
schema = OcsfJsonSchemaEmbedded(get_ocsf_schema(version="1.8.0")).get_class_schema("compliance_finding")
lines = [json.loads(line) for line in read("ocsf/findings.jsonl").splitlines()]
for line in lines:
    ComplianceFinding(**line)
    jsonschema.validate(line, schema)

# Each control says the same in all of them.
findings = {row["control"]: row["finding_of_keytrail"] for row in table("controls/findings.csv")}
result = document["assessment-results"]["results"][0]
states = {it["target"]["target-id"]: it["target"]["status"] for it in result["findings"]}
ocsf = {line["compliance"]["control"]: line["compliance"]["status_id"] for line in lines}
assert set(ocsf) == set(findings) and set(states) == {id for id, words in findings.items() if "not applicable" not in words}
for control, words in findings.items():
    if words == "no exceptions found":
        assert (states[control]["reason"], ocsf[control]) == ("pass", 1), control
    elif words.startswith("exceptions"):
        assert ocsf[control] == 3 and states[control]["state"] == "not-satisfied", control
        assert (states[control]["reason"] == "fail") == (not words.startswith("exceptions (0 open")), control
    elif not words.startswith("not applicable"):
        assert (states[control]["reason"], ocsf[control]) == ("other", 2), control
exceptions = {row["exception"]: row for row in table("controls/exceptions.csv")}
risks = {next(prop["value"] for prop in risk["props"] if prop["name"] == "exception"): risk for risk in result["risks"]}
assert set(risks) == set(exceptions)
said = table("controls/dispositions.csv")
entries = [entry for risk in risks.values() for entry in risk.get("risk-log", {}).get("entries", [])]
assert len(entries) == len(said)

# Workbooks: as many rows as the manifest says, the cells of the table beside them, and nothing that a program would run.
rows = {}
for path, entry in manifest.items():
    if not path.endswith(".xlsx") or path == "controls/controls.xlsx":
        continue
    book = openpyxl.load_workbook(io.BytesIO(read(path)), read_only=True)
    cells = list(book.worksheets[1].iter_rows(values_only=True))
    assert len(cells) - 1 == entry["rows"], path
    rows.setdefault(re.sub(r"(-\d{4})?\.xlsx$", "", path), []).extend(cells[1:])
    assert entry["bytes"] < 25_000_000
for stem, cells in rows.items():
    told = [row for path in sorted(manifest) if re.fullmatch(re.escape(stem) + r"(-\d{4})?\.csv", path) for row in table(path)]
    assert len(told) == len(cells), stem
    for row, line in zip(told, cells):
        for text, cell in zip(row.values(), line):
            text = text.removeprefix("'") if text[1:2] in ("=", "+", "-", "@", "\t") else text
            assert text.replace("; ", ", ") == ("" if cell is None else str(cell)).replace("; ", ", "), (stem, text, cell)
book = openpyxl.load_workbook(io.BytesIO(read("controls/controls.xlsx")))
for sheet, path in (("Findings", "findings"), ("Exceptions", "exceptions"), ("Requirements", "requirements"), ("Dispositions", "dispositions")):
    assert book[sheet].max_row - 1 == len(table(f"controls/{path}.csv")), sheet
    assert all(cell.data_type != "f" for row in book[sheet].iter_rows() for cell in row)
print(json.dumps({"findings": len(states), "risks": len(risks), "entries": len(entries), "statuses": sorted({risk["status"] for risk in risks.values()})}))
