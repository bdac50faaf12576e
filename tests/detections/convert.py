#!/usr/bin/env python3
"""Converts exported rules by pySigma to the queries of SIEMs: convert.py FOLDER

Each rule to Splunk, Elasticsearch (Lucene, ES|QL), OpenSearch and Loki, by the pipeline of the format that goes there. What a backend cannot say is listed here;
everything else must convert, and no field may keep the name that it has in the format `event`. pySigma's own validators find nothing. Prints how many queries were made for what.
"""

import collections
import json
import pathlib
import re
import sys

from sigma.backends.elasticsearch import ESQLBackend, LuceneBackend
from sigma.backends.loki import LogQLBackend
from sigma.backends.opensearch import OpensearchLuceneBackend
from sigma.backends.splunk import SplunkBackend
from sigma.collection import SigmaCollection
from sigma.correlations import SigmaCorrelationRule, SigmaCorrelationType
from sigma.exceptions import SigmaError
from sigma.plugins import InstalledSigmaPlugins
from sigma.processing.pipeline import ProcessingPipeline
from sigma.rule import SigmaLevel
from sigma.validation import SigmaValidator

TARGETS = {
    "splunk": (SplunkBackend, "splunk"),
    "lucene": (LuceneBackend, "ecs"),
    "opensearch": (OpensearchLuceneBackend, "ecs"),
    "esql": (ESQLBackend, "ecs"),
    "loki": (LogQLBackend, "loki"),
}
folder = pathlib.Path(sys.argv[1])


def cannot(target, correlations):
    """Lucene counts nothing, and no backend knows an order."""
    ordered = any(it.type == SigmaCorrelationType.TEMPORAL_ORDERED for it in correlations)
    return bool(correlations) and (target in ("lucene", "opensearch") or ordered)


made = collections.Counter()
ids = []
files = sorted(folder.glob("*.yml"))
for path in files:
    for target, (backend, pipeline) in TARGETS.items():
        text = (folder / "pipelines" / f"{pipeline}.yml").read_text()
        fields = re.findall(r"^ {10}(\S+): (\S+)$", text, re.M)
        assert len(fields) >= 5, text
        rules = SigmaCollection.from_yaml(path.read_text())
        assert not rules.errors, (path, rules.errors)
        correlations = [it for it in rules if isinstance(it, SigmaCorrelationRule)]
        if target == "splunk":
            ids += [it.id for it in rules]
            first = (correlations or list(rules))[0]
            assert first.level >= SigmaLevel.LOW and first.tags and first.falsepositives, path
            assert len(first.custom_attributes["runbook"]) > 80, path
        try:
            queries = backend(processing_pipeline=ProcessingPipeline.from_yaml(text)).convert(rules)
        except (SigmaError, NotImplementedError) as error:
            assert cannot(target, correlations), (path.name, target, error)
            continue
        assert not cannot(target, correlations), f"{path.name}: {target} can by now: take it off the list"
        assert len(queries) == 1, (path.name, target, queries)
        for name, _ in fields:
            # Within a value, `.` and `_` may stand before it.
            kept = re.search(rf"(?<![\w.]){re.escape(name)}(==|=~|=|:| IN |!=)", queries[0])
            assert not kept or name in dict(fields).values(), (path.name, target, kept, queries[0])
        made[target] += 1
assert len(ids) == len(set(ids)), "an id is given twice"
# But those that ask the network for ATT&CK's newest list.
validators = {name: it for name, it in InstalledSigmaPlugins.autodiscover().validators.items() if not re.search("attack|d3fend|tag", name)}
assert len(validators) > 15, validators
every = SigmaCollection.merge([SigmaCollection.from_yaml(path.read_text()) for path in files])
issues = SigmaValidator(validators.values()).validate_rules(every.rules)
assert not issues, issues
print(json.dumps({"files": len(files), "queries": made}))
