"""Checks what keytrail wrote with aics-tlog (PyPI), an implementation of the C2SP formats of its own.

    tlog_peer.py tiles LEDGER KEY OLD         checkpoint and tiles, and that they extend an older checkpoint
    tlog_peer.py inclusion PROOF DATA KEY     a c2sp.org/tlog-proof@v1 of these leaf data
    tlog_peer.py consistency PROOF OLD NEW KEY

Exit code 0: right; 1: wrong.
"""

import base64
import sys
from pathlib import Path

import aics_tlog as tlog


class Folder:
    """A ledger's tiles, which stand in `tiles` where C2SP has `tile`."""

    def __init__(self, ledger):
        self.ledger = Path(ledger)

    def read_tile(self, level, index, width):
        path = tlog.tiles.tile_path(level, index, width).replace("tile/", "tiles/", 1)
        path = self.ledger / path
        return path.read_bytes() if path.is_file() else None

    def read_entry_bundle(self, index, width):
        return None


def checkpoint(text, key):
    note = tlog.parse_note(text)
    result = tlog.verify_checkpoint(note, tlog.parse_vkey(Path(key).read_text().strip()))
    if not result.ok:
        sys.exit(f"the checkpoint is not good: {result}")
    return tlog.parse_checkpoint(note.text)


def tiles(ledger, key, old):
    head = checkpoint((Path(ledger) / "checkpoint").read_text(), key)
    older = checkpoint(Path(old).read_text(), key)
    folder = Folder(ledger)
    tlog.audit_tiles(folder, head.size, head.root, entries=False)
    proof = tlog.consistency_proof_from_tiles(folder, older.size, head.size)
    return tlog.verify_consistency(older.size, head.size, older.root, head.root, proof)


def inclusion(path, data, key):
    proof, signed = Path(path).read_text().split("\n\n", 1)
    magic, *lines = proof.split("\n")
    if lines[0].startswith("extra "):
        lines = lines[1:]
    word, index = lines[0].split(" ")
    if (magic, word) != ("c2sp.org/tlog-proof@v1", "index"):
        sys.exit("no tlog-proof")
    head = checkpoint(signed, key)
    hashes = [base64.b64decode(line, validate=True) for line in lines[1:]]
    return tlog.verify_leaf_inclusion(Path(data).read_bytes(), int(index), head.size, hashes, head.root)


def consistency(path, old, new, key):
    old, new = (checkpoint(Path(note).read_text(), key) for note in (old, new))
    hashes = [base64.b64decode(line, validate=True) for line in Path(path).read_text().split()]
    return tlog.verify_consistency(old.size, new.size, old.root, new.root, hashes)


if __name__ == "__main__":
    command = {"tiles": tiles, "inclusion": inclusion, "consistency": consistency}[sys.argv[1]]
    sys.exit(0 if command(*sys.argv[2:]) else 1)
