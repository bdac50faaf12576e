"""Prints what stands in ledgers, or what is wrong with them, one JSON object a line: python3 dump_ledgers.py DOCS DATA…

DOCS is the folder of read_ledger.py, which reads and checks the ledgers here; nothing of keytrail is asked.
Bytes are printed as text in which each character is one byte.
"""
import contextlib, io, json, sys
from pathlib import Path

sys.path.insert(0, sys.argv[1])
import read_ledger


class Captured:
    """Standard output for read_ledger: keeps the bytes."""

    def __init__(self):
        self.buffer = io.BytesIO()

    def write(self, _):
        raise ValueError("text on standard output")


def text(data):
    return data.decode("latin-1")


def dump(data):
    captured = Captured()
    with contextlib.redirect_stdout(captured), contextlib.redirect_stderr(io.StringIO()) as verdict:
        code = read_ledger.main(data)
    if code:
        return {"wrong": verdict.getvalue()}
    batches = []
    for _, fields, lines, _ in read_ledger.batches(Path(data) / "ledger" / "lines"):
        start, pieces = 0, []
        for length in fields["lengths"]:
            pieces.append(text(lines[start : start + length]))
            start += length
        batch = {name: fields[name] for name in ("leaf", "generation", "parent", "offset", "flags")}
        batches.append(batch | {"lines": pieces})
    if text(captured.buffer.getvalue()) != "".join(piece for batch in batches for piece in batch["lines"]):
        return {"wrong": "not all batches are below the checkpoint"}
    own = [text(lines) for _, _, lines, _ in read_ledger.batches(Path(data) / "ledger" / "own")]
    return {"batches": batches, "own": "".join(own)}


for data in sys.argv[2:]:
    print(json.dumps(dump(data)))
