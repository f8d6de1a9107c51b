"""Verifies a checkpoint with OpenSSL and a hash function, and nothing of Spark's: the signature of a key that is trusted,
and the root over every leaf that the log's tiles have (C2SP signed-note, tlog-checkpoint, tlog-tiles; RFC 6962).

    checkpoint.py LOG VKEY [KEPT]     LOG is an archive's folder or a URL such as http://127.0.0.1:3003/evidence.
                                      KEPT is an older checkpoint that a witness kept: the log must go on from it.
"""

import base64
import hashlib
import json
import subprocess
import sys
import tempfile
import urllib.request
from pathlib import Path

WIDTH = 256
# What comes before an Ed25519 key in SubjectPublicKeyInfo (RFC 8410).
SPKI = bytes.fromhex("302a300506032b6570032100")


def fetch(log, path):
    if log.startswith("http"):
        with urllib.request.urlopen(f"{log}/{path}", timeout=10) as answer:
            return answer.read()
    return (Path(log) / path).read_bytes()


def verify(note, vkey):
    """The text of a note, if the key has signed it."""
    name, key_hash, key = vkey.split("+", 2)
    key = base64.b64decode(key, validate=True)
    assert key[:1] == b"\x01" and len(key) == 33
    assert hashlib.sha256(name.encode() + b"\n" + key).digest()[:4].hex() == key_hash
    text, signatures = note.rsplit("\n\n", 1)
    text += "\n"
    for line in signatures.splitlines():
        dash, signer, signature = line.split(" ")
        signature = base64.b64decode(signature, validate=True)
        if dash != "\u2014" or signer != name or signature[:4].hex() != key_hash:
            continue
        with tempfile.TemporaryDirectory() as folder:
            files = {"key.der": SPKI + key[1:], "text": text.encode(), "signature": signature[4:]}
            for file, content in files.items():
                (Path(folder) / file).write_bytes(content)
            command = "openssl pkeyutl -verify -pubin -inkey key.der -keyform DER -rawin -in text -sigfile signature"
            done = subprocess.run(command.split(), cwd=folder, capture_output=True, text=True)
            if done.returncode == 0:
                return text
            raise SystemExit(f"openssl: {done.stdout}{done.stderr}")
    raise SystemExit(f"{name} has not signed this checkpoint")


def parse(text):
    origin, size, root = text.splitlines()
    return origin, int(size), base64.b64decode(root, validate=True)


def tile_path(index):
    path = f"{index % 1000:03}"
    while index >= 1000:
        index //= 1000
        path = f"x{index % 1000:03}/{path}"
    return path


def leaves(log, size):
    """Every leaf, whose hash is held against its tile."""
    for index in range((size + WIDTH - 1) // WIDTH):
        width = min(WIDTH, size - index * WIDTH)
        path = tile_path(index) + ("" if width == WIDTH else f".p/{width}")
        bundle, tile = fetch(log, f"tile/entries/{path}"), fetch(log, f"tile/0/{path}")
        assert len(tile) == 32 * width
        for number in range(width):
            length = int.from_bytes(bundle[:2])
            leaf, bundle = bundle[2 : 2 + length], bundle[2 + length :]
            hashed = hashlib.sha256(b"\x00" + leaf).digest()
            assert hashed == tile[32 * number : 32 * number + 32], f"leaf {index * WIDTH + number}"
            yield hashed
        assert bundle == b""


def tree_hash(hashes):
    if len(hashes) <= 1:
        return hashes[0] if hashes else hashlib.sha256().digest()
    split = 1 << ((len(hashes) - 1).bit_length() - 1)
    return hashlib.sha256(b"\x01" + tree_hash(hashes[:split]) + tree_hash(hashes[split:])).digest()


def main():
    log, vkey = sys.argv[1].rstrip("/"), sys.argv[2]
    origin, size, root = parse(verify(fetch(log, "checkpoint").decode(), vkey))
    hashes = list(leaves(log, size))
    if tree_hash(hashes) != root:
        raise SystemExit("the leaves do not give the root")
    for kept in sys.argv[3:]:
        kept_origin, kept_size, kept_root = parse(verify(Path(kept).read_text(), vkey))
        if (kept_origin, tree_hash(hashes[:kept_size])) != (origin, kept_root) or kept_size > size:
            raise SystemExit(f"the log does not go on from {kept}")
    print(json.dumps({"origin": origin, "size": size, "root": root.hex()}))


if __name__ == "__main__":
    main()
