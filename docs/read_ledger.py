#!/usr/bin/env python3
"""Reads a keytrail ledger (ledger-format.md) without keytrail: python3 read_ledger.py DATA [SOURCE] > lines

Writes the lines of one source (cluster/node/device, or "keytrail" for our own), or of all servers in the order of the ledger, to
standard output; recomputes every leaf and the root, and compares that with the checkpoint. Exit code 0: the lines are those
of the checkpoint; 1: they are not. The signature is left to tools that read C2SP signed notes (keys/verifier.key). Needs Python 3.9 and zstd: Python 3.14's own, the module zstandard, or the program.
"""
import base64, hashlib, itertools, struct, subprocess, sys, zlib
from pathlib import Path

try:
    from compression.zstd import decompress
except ImportError:
    try:
        decompress = __import__("zstandard").ZstdDecompressor().decompress
    except ImportError:
        def decompress(data):
            return subprocess.run(["zstd", "-dcq"], input=data, stdout=subprocess.PIPE, check=True).stdout


def batches(folder):
    """Yields (header bytes, its fields, lines or their hashes, lines gone?) of one stream, in the order of their leaves."""
    for path in sorted(folder.glob("[0-9]*.zst")):
        with open(path, "rb") as file:
            while start := file.read(8):
                magic, size = struct.unpack("<II", start)
                table = file.read(size)
                if magic != 0x184D2A5B:
                    continue  # another skippable frame: nothing of the ledger
                crc, version, coding, count, _, length, data_crc, _ = struct.unpack_from("<IBBxxIIIII", table)
                data = file.read(length)
                if version not in (1, 2) or crc != zlib.crc32(table[4:]) or data_crc != zlib.crc32(data):
                    raise ValueError(f"{path} before byte {file.tell()}")
                headers = decompress(table[28:]) if coding else table[28:]
                lines = decompress(data) if version == 1 else data[8:]  # or the hashes of removed lines
                for _ in range(count):
                    (size,) = struct.unpack_from("<I", headers)
                    header, headers = headers[4 : 4 + size], headers[4 + size :]
                    fields = parse(header)
                    size = sum(fields["lengths"]) if version == 1 else 32 * len(fields["lengths"])
                    yield header, fields, lines[:size], version == 2
                    lines = lines[size:]


def parse(header):
    names = "version stream reader flags leaf generation parent offset arrived root_before source".split()
    fields = dict(zip(names, struct.unpack_from("<BBBBQQQQq32sH", header)))
    source_end = 78 + fields["source"]
    fields["source"] = header[78:source_end].decode()
    fields["lengths"], number, shift = [], 0, 0
    for byte in header[source_end + 4 :]:
        number, shift = number | (byte & 0x7F) << shift, shift + 7
        if byte < 0x80:
            fields["lengths"].append(number)
            number, shift = 0, 0
    return fields


def root(peaks):
    hashed = peaks[-1][1] if peaks else hashlib.sha256().digest()
    for _, left in peaks[-2::-1]:
        hashed = hashlib.sha256(b"\1" + left + hashed).digest()
    return hashed


def main(data, source=None):
    ledger = Path(data) / "ledger"
    origin, size, signed = (ledger / "checkpoint").read_text().split("\n")[:3]
    streams = [batches(ledger / name) for name in ("lines", "own")]
    heads = [next(stream, None) for stream in streams]
    leaf, removed, peaks = 0, 0, []  # (leaves, hash) of each complete subtree, the largest first
    while leaf < int(size):
        turn = next((i for i, head in enumerate(heads) if head and head[1]["leaf"] == leaf), None)
        if turn is None or heads[turn][1]["root_before"] != root(peaks):
            raise ValueError(f"leaf {leaf} is missing, or one before it is wrong")
        header, fields, lines, gone = heads[turn]
        lengths = [32 for _ in fields["lengths"]] if gone else fields["lengths"]
        ends = [0, *itertools.accumulate(lengths)]
        for content in (header, *(lines[start:end] for start, end in zip(ends, ends[1:]))):
            peak = (1, content if gone and content is not header else hashlib.sha256(b"\0" + content).digest())
            while peaks and peaks[-1][0] == peak[0]:
                count, left = peaks.pop()
                peak = (2 * count, hashlib.sha256(b"\1" + left + peak[1]).digest())
            peaks.append(peak)
        leaf, removed = leaf + len(ends), removed + gone * (len(ends) - 1)
        heads[turn] = next(streams[turn], None)
        if not gone and (fields["source"] == source or (source is None and turn == 0)):
            sys.stdout.buffer.write(lines)
    same = (str(leaf), computed := base64.b64encode(root(peaks)).decode()) == (size, signed)
    verdict = "as in the checkpoint" if same else f"NOT as in the checkpoint: {size} leaves, {signed}"
    print(origin, leaf, computed, verdict, *[f"{removed} lines removed by retention"][: removed], sep="\n", file=sys.stderr)
    return 0 if same else 1


if __name__ == "__main__":
    try:
        sys.exit(main(*sys.argv[1:3]))
    except (ValueError, struct.error) as error:
        sys.exit(f"damaged: {error}")
