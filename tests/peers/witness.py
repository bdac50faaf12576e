"""A witness as C2SP tlog-witness describes it, made of aics-tlog. For tests: it forgets all when it ends.

    witness.py LOG-KEY-FILE...    prints its own key and port; then one line for each request
"""

import base64
import sys
import time
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import aics_tlog as tlog
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

NAME = "witness.example/w1"
SECRET = Ed25519PrivateKey.from_private_bytes(bytes([8]) * 32)


class Witness(BaseHTTPRequestHandler):
    keys = {}
    seen = {}

    def log_message(self, *arguments):
        pass

    def answer(self, status, text="", kind="text/plain"):
        print(status, text.strip(), flush=True)
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(text.encode())))
        self.end_headers()
        self.wfile.write(text.encode())

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        proof, signed = body.split("\n\n", 1)
        first, *lines = proof.split("\n")
        word, old = first.split(" ")
        if self.path != "/w/add-checkpoint" or word != "old" or str(int(old)) != old:
            return self.answer(400)
        old, note = int(old), tlog.parse_note(signed)
        head = tlog.parse_checkpoint(note.text)
        if head.origin not in self.keys:
            return self.answer(404)
        if not tlog.verify_checkpoint(note, self.keys[head.origin]).ok:
            return self.answer(403)
        if old > head.size or len(lines) > 63:
            return self.answer(400)
        size, root = self.seen.get(head.origin, (0, tlog.EMPTY_HASH))
        if old != size:
            return self.answer(409, f"{size}\n", "text/x.tlog.size")
        if size == head.size and root != head.root:
            return self.answer(409)
        hashes = [base64.b64decode(line, validate=True) for line in lines]
        if not tlog.verify_consistency(old, head.size, root, head.root, hashes):
            return self.answer(422)
        self.seen[head.origin] = (head.size, head.root)
        _, line = tlog.sign_cosignature(SECRET, NAME, int(time.time()), head.origin, head.size, head.root)
        cosigned = tlog.Note(text=note.text, signatures=(line,)).to_bytes().decode()
        self.answer(200, cosigned.split("\n\n", 1)[1])


if __name__ == "__main__":
    for path in sys.argv[1:]:
        key = tlog.parse_vkey(Path(path).read_text().strip())
        Witness.keys[key.name] = key
    server = HTTPServer(("127.0.0.1", 0), Witness)
    vkey = tlog.format_vkey(tlog.cosignature_vkey(NAME, SECRET.public_key()))
    print(vkey, server.server_address[1], flush=True)
    server.serve_forever()
