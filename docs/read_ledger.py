#!/usr/bin/env python3
"""Reads a keytrail ledger without keytrail: python3 read_ledger.py DATA [SOURCE] > lines

Writes the lines of one source (cluster/node/device, or "keytrail"), or of all in the order of the ledger,
to standard output; recomputes every leaf hash and the root of the tree, and compares that with the
checkpoint. Exit code 0: the lines are those of the checkpoint; 1: they are not. The checkpoint's
signature is not checked here: any tool that reads C2SP signed notes does so, given keys/verifier.key.
Needs Python 3.9 and zstd: Python 3.14's own, the module zstandard, or the program zstd. The format is
described in ledger-format.md.
"""
import base64, hashlib, struct, subprocess, sys, zlib
from pathlib import Path

try:
    from compression.zstd import decompress
except ImportError:
    try:
        from zstandard import ZstdDecompressor
        decompress = ZstdDecompressor().decompress
    except ImportError:
        def decompress(data):
            return subprocess.run(["zstd", "-dcq"], input=data, stdout=subprocess.PIPE, check=True).stdout


class Damaged(Exception):
    pass


def batches(folder):
    """Yields (header bytes, its fields, lines) of one stream, in the order of their leaves."""
    for path in sorted(folder.glob("[0-9]*.zst")):
        with open(path, "rb") as file:
            while start := file.read(8):
                magic, size = struct.unpack("<II", start)
                table = file.read(size)
                if magic != 0x184D2A5B:  # another skippable frame: nothing of the ledger
                    continue
                crc, version, coding, count, _, length, data_crc, _ = struct.unpack_from("<IBBxxIIIII", table)
                data = file.read(length)
                if version != 1 or crc != zlib.crc32(table[4:]) or data_crc != zlib.crc32(data):
                    raise Damaged(f"{path} before byte {file.tell()}")
                headers, lines = table[28:] if coding == 0 else decompress(table[28:]), decompress(data)
                for _ in range(count):
                    (size,) = struct.unpack_from("<I", headers)
                    header, headers = headers[4 : 4 + size], headers[4 + size :]
                    yield header, (fields := parse(header)), lines[: sum(fields["lengths"])]
                    lines = lines[sum(fields["lengths"]) :]


def parse(header):
    names = "version stream reader flags leaf generation parent offset arrived root_before source"
    fields = dict(zip(names.split(), struct.unpack_from("<BBBBQQQQq32sH", header)))
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
    leaf, peaks = 0, []  # peaks: (leaves, hash) of each complete subtree, the largest first
    while leaf < int(size):
        turn = next((i for i, head in enumerate(heads) if head and head[1]["leaf"] == leaf), None)
        if turn is None or heads[turn][1]["root_before"] != root(peaks):
            raise Damaged(f"leaf {leaf} is missing, or one before it is wrong")
        header, fields, lines = heads[turn]
        leaves, at = [header], 0
        for length in fields["lengths"]:
            leaves.append(lines[at : at + length])
            at += length
        for content in leaves:
            peak = (1, hashlib.sha256(b"\0" + content).digest())
            while peaks and peaks[-1][0] == peak[0]:
                count, left = peaks.pop()
                peak = (2 * count, hashlib.sha256(b"\1" + left + peak[1]).digest())
            peaks.append(peak)
        leaf += len(leaves)
        if source in (None, fields["source"]):
            sys.stdout.buffer.write(lines)
        heads[turn] = next(streams[turn], None)
    computed = base64.b64encode(root(peaks)).decode()
    same = leaf == int(size) and computed == signed
    print(f"{origin}\n{leaf}\n{computed}", file=sys.stderr)
    print("as in the checkpoint" if same else f"NOT as in the checkpoint: {size} leaves, {signed}", file=sys.stderr)
    return 0 if same else 1


if __name__ == "__main__":
    try:
        sys.exit(main(*sys.argv[1:3]))
    except (Damaged, struct.error) as error:
        sys.exit(f"damaged: {error}")
