#!/usr/bin/env python3
"""Checks a keytrail pack without keytrail: python3 verify.py PACK.zip --key sha256:FINGERPRINT

Needs Python 3.9 and the library `cryptography`. Checks every byte against the manifest, the manifest against the signature,
the signature against the fingerprint had from elsewhere, every raw line against the signed tree, the source and place of
each line against the header of its batch, and each row's hashes and places against the lines. Draws the sample again, and makes the population again (population.py, which
lies beside this file). Exit code 1 if anything does not hold.
"""

import argparse
import base64
import bisect
import csv
import gzip
import hashlib
import heapq
import io
import itertools
import json
import pathlib
import re
import struct
import sys
import tempfile
import zipfile
import zlib

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from population import Population, RECOMPUTED

BESIDE = {"consistency.txt", "issue.json", "issue.sig", "keys", "payload/manifest.json"}
csv.field_size_limit(1 << 30)


def sha(*parts):
    return hashlib.sha256(b"".join(parts)).digest()


def need(condition, what):
    if not condition:
        raise ValueError(what)


def exact(file, length, what):
    data = file.read(length)
    need(len(data) == length, what)
    return data


# Signed notes, as C2SP has them: a text, an empty line, and `— name base64(key id, signature)`.

def read_key(text):
    name, key_id, data = text.strip().split("+", 2)
    data = base64.b64decode(data)
    need(data[0] == 1 and len(data) == 33, "keys: no Ed25519 key")
    need(sha(name.encode(), b"\n", data)[:4].hex() == key_id, "keys: the id of a key does not fit it")
    return name, bytes.fromhex(key_id), data[1:]


def signs(key, note):
    name, key_id, public = key
    text, signatures = note.rsplit("\n\n", 1)
    for line in signatures.splitlines():
        _, signer, signature = line.split(" ", 2)
        signature = base64.b64decode(signature)
        if signer == name and signature[:4] == key_id:
            try:
                Ed25519PublicKey.from_public_bytes(public).verify(signature[4:], (text + "\n").encode())
                return True
            except InvalidSignature:
                return False
    return False


def key_chain(text):
    """The key of now, and the keys for which each vouches: (old, new, leaves, whether the old one agreed)."""
    first, _, rest = text.partition("\n")
    handovers = []
    for note in ("keytrail key handover\n" + part for part in rest.split("keytrail key handover\n")[1:]):
        _, old, new, size, _ = note.rsplit("\n\n", 1)[0].split("\n")
        old, new = read_key(old), read_key(new)
        need(signs(new, note), "keys: a handover that the new key has not signed")
        handovers.append((old, new, int(size), signs(old, note)))
    return read_key(first), handovers


def vouches(fingerprint, now, handovers):
    """Whether the key of this fingerprint is the one of now, or handed over to it."""
    known = None
    for old, new, _, agreed in handovers:
        if known is None and fingerprint_of(old) == fingerprint:
            known = old
        known = new if known == old and agreed else None
    return known == now or fingerprint_of(now) == fingerprint


def fingerprint_of(key):
    return "sha256:" + sha(key[2]).hex()


# The tree of RFC 6962.

def split(leaves):
    return 1 << ((leaves - 1).bit_length() - 1)


def between(stretches, first, end):
    """The largest parts of the tree that hold no leaf of the stretches."""
    touching = [(a, b) for a, b in stretches if a < end and b > first]
    if not touching:
        return [(first, end - first)] if first < end else []
    if touching[0][0] <= first and end <= touching[0][1]:
        return []
    middle = first + split(end - first)
    return between(touching, first, middle) + between(touching, middle, end)


class Tree:
    """Takes the parts of a tree from left to right."""

    def __init__(self):
        self.peaks = []

    def add(self, leaves, hashed):
        while self.peaks and self.peaks[-1][0] == leaves:
            count, left = self.peaks.pop()
            leaves, hashed = 2 * count, sha(b"\1", left, hashed)
        self.peaks.append((leaves, hashed))

    def root(self):
        if not self.peaks:
            return sha()
        hashed = self.peaks[-1][1]
        for _, left in self.peaks[-2::-1]:
            hashed = sha(b"\1", left, hashed)
        return hashed


def is_consistent(older, old_root, size, root, hashes):
    """RFC 9162, 2.1.4.2."""
    if older == size:
        return not hashes and old_root == root
    if not 0 < older < size:
        return False
    hashes = ([old_root] if older & (older - 1) == 0 else []) + hashes
    if not hashes:
        return False
    node, last = older - 1, size - 1
    while node & 1:
        node, last = node >> 1, last >> 1
    old = new = hashes[0]
    for hashed in hashes[1:]:
        if last == 0:
            return False
        if node & 1 or node == last:
            old, new = sha(b"\1", hashed, old), sha(b"\1", hashed, new)
            while node and not node & 1:
                node, last = node >> 1, last >> 1
        else:
            new = sha(b"\1", new, hashed)
        node, last = node >> 1, last >> 1
    return last == 0 and old == old_root and new == root


def read_header(data, leaf, root_before):
    """Source, generation and offset of each line of a batch; see ledger-format.md of keytrail."""
    names = "version stream reader flags leaf generation parent offset arrived root source".split()
    fields = dict(zip(names, struct.unpack_from("<BBBBQQQQq32sH", data)))
    need(fields["version"] == 1 and fields["leaf"] == leaf and fields["root"] == root_before,
         f"raw/headers.txt, leaf {leaf}: no header, or one of the leaves before it was changed")
    end = 78 + fields["source"]
    (count,) = struct.unpack_from("<I", data, end)
    lengths, number, shift = [], 0, 0
    for byte in data[end + 4:]:
        number, shift = number | (byte & 0x7F) << shift, shift + 7
        if byte < 0x80:
            lengths.append(number)
            number, shift = 0, 0
    need(len(lengths) == count, f"raw/headers.txt: leaf {leaf} has another number of lines")
    places, offset = {leaf: (fields["offset"], len(data))}, fields["offset"]
    for line, length in enumerate(lengths, leaf + 1):
        places[line] = (offset, length)
        offset += length
    return data[78:end].decode(), fields["generation"], places, fields["reader"]


class Lines:
    """What was proven of each line, in a temporary file: there may be more of them than memory."""
    RECORD = struct.Struct("<32sIQQQ")

    def __init__(self):
        self.file, self.stretches, self.sources, self.count = tempfile.TemporaryFile(), [], [], 0

    def put(self, leaf, sha256, source, generation, offset, length):
        if source not in self.sources:
            self.sources.append(source)
        self.file.write(self.RECORD.pack(bytes.fromhex(sha256), self.sources.index(source), generation, offset, length))
        if not self.stretches or self.stretches[-1][1] != leaf:
            self.stretches.append([leaf, leaf, self.count])
        self.stretches[-1][1] += 1
        self.count += 1

    def get(self, leaf):
        at = bisect.bisect_right(self.stretches, [leaf, float("inf")]) - 1
        if at < 0 or leaf >= self.stretches[at][1]:
            return None
        first, _, before = self.stretches[at]
        self.file.seek((before + leaf - first) * self.RECORD.size)
        sha256, source, *numbers = self.RECORD.unpack(self.file.read(self.RECORD.size))
        return [sha256.hex(), self.sources[source], *map(str, numbers)]


def check_headers(path, zip):
    """Who reads the zip from front to back finds the files that the list at its end names, and nothing else."""
    with open(path, "rb") as file:
        end = 0
        for of in sorted(zip.infolist(), key=lambda of: of.header_offset):
            file.seek(end)
            mark, _, flags, method, _, _, crc, packed, size, name, extra = struct.unpack("<4s5H3L2H", exact(file, 30, f"{path}: cut off"))
            name, extra = file.read(name).decode("utf-8" if flags & 0x800 else "cp437"), file.read(extra)
            if (packed, size) == (0xFFFFFFFF,) * 2 and extra[:4] == b"\1\0\x10\0":
                size, packed = struct.unpack_from("<QQ", extra, 4)
            need((of.header_offset, mark, flags, name, method, crc, packed, size) == (end, b"PK\3\4", of.flag_bits, of.orig_filename,
                 of.compress_type, of.CRC, of.compress_size, of.file_size),
                 f"{path}: not the zip file that was issued, ask for that one: at byte {end} is not what its list says of {of.filename!r}")
            end = file.tell() + packed
        need(zip.start_dir == end and not zip.comment, f"{path}: not the zip file that was issued, ask for that one: "
             "there is something behind its last file, or a comment")


class Pack:
    """One zip file, or the parts that it was handed over in: one of them, or their folder, is enough."""

    def __init__(self, path):
        path = pathlib.Path(path)
        if path.is_dir():
            paths = sorted(path.glob("*.zip"))
        elif part := re.fullmatch(r"(.*\.part-)\d+\.zip", path.name):
            paths = sorted(one for one in path.parent.iterdir() if one.name.startswith(part[1]))
        else:
            paths = [path]
        self.zips, names = {}, []
        for path in paths:
            zip = zipfile.ZipFile(path)
            check_headers(path, zip)
            names += zip.namelist()
            self.zips.update(dict.fromkeys(zip.namelist(), zip))
        self.registers, self.reviews = (None, {}), {}
        self.manifest = json.loads(self.read("payload/manifest.json"))
        paths = [entry["path"] for entry in self.manifest]
        need(len(set(paths)) == len(paths), "payload/manifest.json: a path is named twice")
        expected = BESIDE | {"payload/" + path for path in paths}
        need(len(set(names)) == len(names) and set(names) == expected,
             f"files that the manifest does not name, or that are missing: {sorted(set(names) ^ expected)}")

    def read(self, name):
        need(name in self.zips, f"{name}: the file is missing")
        return self.zips[name].read(name)

    def text(self, name):
        return self.read(name).decode()

    def open(self, path):
        return self.zips["payload/" + path].open("payload/" + path)

    def parts(self, stem, extension):
        """A long file goes on in others with a number: all their paths."""
        for part in itertools.count(1):
            path = f"{stem}.{extension}" if part == 1 else f"{stem}-{part:04}.{extension}"
            if "payload/" + path not in self.zips:
                return
            yield path

    def rows(self, stem):
        done, of = 0, sum(entry.get("rows", 0) for entry in self.manifest if entry["path"].startswith(stem) and entry["path"].endswith(".csv"))
        for path in self.parts(stem, "csv"):
            with self.open(path) as file:
                rows = csv.reader(io.TextIOWrapper(file, "utf-8", newline=""))
                names = next(rows, [])
                need(stem != "raw/leaves" or "part" in names, f"{path}: other columns than a pack has")
                for row in rows:
                    need(len(row) == len(names), f"{path}, line {rows.line_num}: {len(row)} cells, not {len(names)}")
                    yield dict(zip(names, row))
                    done += 1
                    if done % 10_000 == 0 and sys.stderr.isatty():
                        print(f"\r{stem}: {done} of {of} rows ", end="\n" if done + 10_000 > of else "", file=sys.stderr)

    def check_bytes(self):
        for entry in self.manifest:
            hashed, count = hashlib.sha256(), 0
            with self.open(entry["path"]) as file:
                while part := file.read(1 << 20):
                    hashed.update(part)
                    count += len(part)
                    need(count <= entry["bytes"], f"{entry['path']}: more bytes than manifest.json says")
            need((count, hashed.hexdigest()) == (entry["bytes"], entry["sha256"]),
                 f"{entry['path']}: the bytes are not those of manifest.json")

    def check_signature(self, now):
        note = self.text("issue.sig")
        signed = [hashlib.sha256(self.read(name)).hexdigest() for name in ("payload/manifest.json", "issue.json")]
        need(note.rsplit("\n\n", 1)[0].split("\n") == ["keytrail pack", *signed],
             "issue.sig: signed are other bytes than those of payload/manifest.json and issue.json")
        need(signs(now, note), "issue.sig: not signed by the key in keys")

    def check_raw(self, scope, population):
        """Proves the raw lines; returns what rows must say of each. What is proven goes on to `population`."""
        proof, tree = self.text("payload/raw/proof.txt").split("\n\n", 1)
        proof = proof.split("\n")[1:]
        origin, size, root = tree.split("\n")[:3]
        need((origin, int(size)) == (scope["origin"], scope["at"]), "raw/proof.txt: it is for another tree")
        stretches = [tuple(map(int, line.split(" ")[1:])) for line in proof if line.startswith("leaves ")]
        need(all(a < b for a, b in stretches) and all(one[1] < two[0] for one, two in zip(stretches, stretches[1:])),
             "raw/proof.txt: its stretches of leaves do not ascend")
        given = [line.split(" ") for line in proof if not line.startswith("leaves ")]
        given = [(int(first), int(count), base64.b64decode(hashed)) for first, count, hashed in given]
        need([part[:2] for part in given] == between(stretches, 0, int(size)),
             "raw/proof.txt: it does not hold the hashes that its leaves need")
        headers = (line.decode().split(" ") for path in self.parts("raw/headers", "txt") for line in self.open(path))
        rows, tree, lines, batch = self.rows("raw/leaves"), Tree(), Lines(), None
        files = {"own": (None, None), "line": (None, None)}
        for leaf in (leaf for a, b in stretches for leaf in range(a, b)):
            while given and given[0][0] < leaf:
                tree.add(*given.pop(0)[1:])
            row = next(rows, None)
            need(row and row["leaf"] == str(leaf), f"raw/leaves.csv: leaf {leaf} is missing")
            what, part = row["what"], row["part"]
            if what == "header":
                number, data = next(headers, ("", ""))
                need(number == str(leaf), f"raw/headers.txt: leaf {leaf} is missing")
                data = base64.b64decode(data)
                batch = read_header(data, leaf, tree.root())
            else:
                need(what in files and (what == "own") == (row["source"] == "keytrail"), f"raw/leaves.csv, leaf {leaf}: it is {what!r}")
                if files[what][0] != part:
                    files[what] = part, self.lines_file(what, int(part))
                data = exact(files[what][1], int(row["length"]), f"raw/leaves.csv: leaf {leaf} is longer than what is left of its part")
            need(sha(data).hex() == row["sha256"], f"raw/leaves.csv, leaf {leaf}: its part holds other bytes")
            need(batch and leaf in batch[2], f"raw/leaves.csv, leaf {leaf}: no batch header names it")
            told = row["source"], int(row["generation"]), (int(row["offset"]), int(row["length"]))
            need(told == (batch[0], batch[1], batch[2][leaf]), f"raw/leaves.csv, leaf {leaf}: its batch header says otherwise")
            if what != "header":
                lines.put(leaf, row["sha256"], told[0], told[1], *told[2])
            if what == "own":
                self.take_own(leaf, data, population)
            if what == "line":
                population.line(row["source"], batch[3], leaf, data)
            tree.add(1, sha(b"\0", data))
        for _, count, hashed in given:
            tree.add(count, hashed)
        need(next(rows, None) is None, "raw/leaves.csv: more leaves than raw/proof.txt names")
        need(tree.root() == base64.b64decode(root),
             "raw/proof.txt: the leaves do not make the root of the tree: one of them, or the proof, was changed")
        return int(size), tree.root(), lines

    def lines_file(self, what, part):
        if what == "line":
            return gzip.open(self.open(f"raw/lines-{part:04}.jsonl.gz"))
        return self.open("own/lines.jsonl" if part == 1 else f"own/lines-{part:04}.jsonl")

    def take_own(self, leaf, data, population):
        """Keeps what keytrail's own lines say of registers and of what reviewers decided."""
        try:
            line = json.loads(data)
        except ValueError:
            return
        if line.get("type") == "tick":
            population.tick(line["source"], line["idle_ns"])
        if line.get("type") == "registers_changed":
            self.registers = leaf, {of["name"]: of.get("sha256") for of in line["registers"] if of.get("sha256")}
        if line.get("type") == "exception_reviewed":
            self.reviews[line["exception"], leaf] = line

    def check_findings(self, scope):
        """Registers, catalogue and what reviewers said are as keytrail's own lines tell."""
        hashes = {entry["path"]: entry["sha256"] for entry in self.manifest}
        need(hashes.get("catalogue/catalogue.json") == scope["catalogue"], "catalogue/catalogue.json: controls were run with another")
        leaf, registers = self.registers
        told = {of["name"]: of.get("sha256") for of in scope["registers"]["registers"] if of.get("sha256")}
        there = {path[10:-4]: sha256 for path, sha256 in hashes.items() if path.startswith("registers/")}
        need(scope["registers"]["leaf"] == leaf and told == registers, "scope.json: its registers are not those of keytrail's own line")
        changed = sorted(name for name in registers.keys() | there.keys() if registers.get(name) != there.get(name))
        need(not changed, f"registers/: not those of which keytrail's own line tells: {changed}")
        exceptions, told = {row["exception"] for row in self.rows("controls/exceptions")}, set()
        for number, row in enumerate(self.rows("controls/dispositions"), 1):
            line = self.reviews.get((row["exception"], int(row["leaf"])), {})
            said = [line.get(name) or "" for name in ("state", "by", "reason")]
            # A text that a spreadsheet would run begins with ' in a table.
            need([row[name].removeprefix("'") for name in ("state", "by", "reason")] == [text.removeprefix("'") for text in said],
                 f"controls/dispositions.csv, row {number}: keytrail's own line {row['leaf']} says otherwise")
            told.add((row["exception"], int(row["leaf"])))
        missing = sorted(leaf for exception, leaf in self.reviews if exception in exceptions and (exception, leaf) not in told)
        need(not missing, f"controls/dispositions.csv: what keytrail's own lines {missing} say is missing")

    def check_consistency(self, size, root, now, handovers):
        proof, checkpoint = self.text("consistency.txt").split("\n\n", 1)
        proof = proof.split("\n")
        origin, signed_size, signed_root = checkpoint.split("\n")[:3]
        hashes = [base64.b64decode(line) for line in proof[1:]]
        need(proof[0] == f"old {size}" and is_consistent(size, root, int(signed_size), base64.b64decode(signed_root), hashes),
             "consistency.txt: the signed tree does not begin with the tree of raw/proof.txt")
        keys = [now] + [old for old, _, leaves, _ in handovers if int(signed_size) <= leaves]
        need(any(key[0] == origin and signs(key, checkpoint) for key in keys),
             "consistency.txt: the checkpoint is not signed by the key in keys")

    def check_rows(self, path, lines, every):
        for number, row in enumerate(self.rows(path.removesuffix(".csv")), 1):
            need(row["request_leaf"] or row["response_leaf"], f"{path}, row {number}: it names no line")
            for half in ("request", "response"):
                leaf = row[half + "_leaf"]
                line = lines.get(int(leaf)) if leaf else None
                if not leaf or not (line or every):
                    continue
                told = [row[f"{half}_{name}"] for name in ("sha256", "source", "generation", "offset", "length")]
                need(line == told, f"{path}, row {number}: its {half} is not what leaf {leaf} is")

    def check_sample(self, scope):
        """Draws the sample again out of the population."""
        sample = scope["sample"]
        rank = lambda uid: sha(sample["seed"].encode(), b"\n", uid.encode())
        drawn = set(heapq.nsmallest(sample["wanted"], (row["uid"] for row in self.rows("populations/events")), key=rank))
        listed = [row["uid"] for row in self.rows("populations/events") if row["uid"] in drawn]
        need([row["uid"] for row in self.rows("samples/sample")] == listed, "samples/sample.csv: the seed draws other rows")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pack")
    parser.add_argument("--key", help="sha256: and 64 hex digits, had from elsewhere than this pack")
    asked = parser.parse_args()
    pack = Pack(asked.pack)
    now, handovers = key_chain(pack.text("keys"))
    pack.check_bytes()
    pack.check_signature(now)
    scope = json.loads(pack.text("payload/scope.json"))
    population = Population(scope)
    size, root, lines = pack.check_raw(scope, population)
    pack.check_consistency(size, root, now, handovers)
    paths = {entry["path"] for entry in pack.manifest}
    for path in ("populations/events.csv", "samples/sample.csv", "controls/exception-events.csv"):
        if path in paths:
            pack.check_rows(path, lines, scope["raw"] == "all" or not path.startswith("populations"))
    if scope["framework"]:
        pack.check_findings(scope)
    if scope["raw"] == "all":
        population.finish()
        made = population.check(pack.rows("populations/events"), need)
    elif scope["population"]:
        made = "asserted, not recomputed: the pack holds the lines of the sample only"
    else:
        made = "none: the pack holds single rows"
    if scope["sample"] and scope["sample"]["wanted"]:
        pack.check_sample(scope)
    known = asked.key is not None and vouches(asked.key.lower(), now, handovers)
    print(f"intact       yes\ntree         {scope['origin']} at {size} leaves\nlines        {lines.count} proven")
    print("signer      ", "known: the key given has signed the pack, or handed over to the one that has" if known
          else "signer not established: NOT the key given" if asked.key else "signer not established: give the fingerprint that you had beforehand with --key")
    if scope["framework"]:
        print("findings     asserted; what reviewers said, registers and catalogue are those of keytrail's own lines")
    print(f"population   {made}\n             recomputed columns: uid, request_id, {', '.join(RECOMPUTED)}; the others are asserted, `keytrail verify` makes them again" if scope["raw"] == "all"
          else f"population   {made}")
    return 0 if known or asked.key is None else 1


if __name__ == "__main__":
    try:
        sys.exit(main())
    except (ValueError, LookupError, TypeError, AttributeError, StopIteration, RuntimeError, EOFError, OSError, csv.Error, struct.error,
            zipfile.BadZipFile, zlib.error) as error:
        print(f"intact       no\nproblem      {error}")
        sys.exit(1)
