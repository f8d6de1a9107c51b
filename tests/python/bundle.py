"""Verifies a day's evidence with nothing of Spark's: DSSE by securesystemslib, checkpoints by OpenSSL, the tree by hand
and, where the bundle begins with the log, by pymerkle. It follows docs/evidence.md, but for the replay.

    bundle.py DIRECTORY VKEY
"""

import base64
import hashlib
import json
import sys
from pathlib import Path

from pymerkle import InmemoryTree
from securesystemslib.dsse import Envelope
from securesystemslib.signer import SSlibKey

from checkpoint import WIDTH, parse, tile_path, verify

FILES = ["report.json", "report.html", "checkpoint", "SHA256SUMS"]


def sslib_key(vkey):
    public = base64.b64decode(vkey.split("+", 2)[2])[1:].hex()
    description = {"keytype": "ed25519", "keyval": {"public": public}, "scheme": "ed25519"}
    keyid = hashlib.sha256(json.dumps(description, sort_keys=True, separators=(",", ":")).encode()).hexdigest()
    return SSlibKey(keyid, "ed25519", "ed25519", {"public": public})


def sha256(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


def statements(folder, vkey):
    for line in (folder / "attestations.intoto.jsonl").read_text().splitlines():
        envelope = Envelope.from_dict(json.loads(line))
        assert envelope.payload_type == "application/vnd.in-toto+json"
        envelope.verify([sslib_key(vkey)], 1)
        statement = json.loads(envelope.payload)
        assert statement["_type"] == "https://in-toto.io/Statement/v1"
        yield statement


def check_files(folder, statement):
    subjects = {subject["name"]: subject["digest"]["sha256"] for subject in statement["subject"]}
    assert subjects == {name: sha256(folder / name) for name in FILES}
    listed = dict(reversed(line.split("  ", 1)) for line in (folder / "SHA256SUMS").read_text().splitlines())
    there = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
    assert there == listed.keys() | {"SHA256SUMS", "attestations.intoto.jsonl"}
    for name, digest in listed.items():
        assert sha256(folder / name) == digest, name


def leaves(folder, first, size):
    for index in range(first // WIDTH, -(-size // WIDTH)):
        data = (folder / "entries" / tile_path(index)).read_bytes()
        for _ in range(max(first, index * WIDTH), min(size, (index + 1) * WIDTH)):
            length = int.from_bytes(data[:2])
            yield data[2 : 2 + length]
            data = data[2 + length :]
        assert data == b""


def node(left, right):
    return hashlib.sha256(b"\x01" + left + right).digest()


def root(subtrees):
    """Of subtrees (number of leaves, hash), the largest first."""
    hashes = [hash for _, hash in subtrees]
    while len(hashes) > 1:
        right = hashes.pop()
        hashes.append(node(hashes.pop(), right))
    return hashes[0]


def push(subtrees, leaf):
    subtrees.append((1, hashlib.sha256(b"\x00" + leaf).digest()))
    while len(subtrees) > 1 and subtrees[-1][0] == subtrees[-2][0]:
        (width, right), (_, left) = subtrees.pop(), subtrees.pop()
        subtrees.append((2 * width, node(left, right)))


def main():
    folder, vkey = Path(sys.argv[1]), sys.argv[2]
    about_report, *about_verdicts = statements(folder, vkey)
    assert about_report["predicateType"] == "https://spark.dev/attestation/risk-report/v1"
    assert all(one["predicateType"] == "https://in-toto.io/attestation/test-result/v0.1" for one in about_verdicts)
    check_files(folder, about_report)

    origin, size, tree_root = parse(verify((folder / "checkpoint").read_text(), vkey))
    report = json.loads((folder / "report.json").read_text())
    log = report["log"]
    assert (log["origin"], int(log["to"]["size"]), log["to"]["root"]) == (origin, size, tree_root.hex())
    first, subtrees = int(log["from"]["size"]), []
    if first:
        before = parse(verify((folder / "checkpoint.from").read_text(), vkey))
        frontier = (folder / "frontier.from").read_bytes()
        widths = [1 << bit for bit in reversed(range(first.bit_length())) if first >> bit & 1]
        subtrees = [(width, frontier[32 * n : 32 * n + 32]) for n, width in enumerate(widths)]
        assert len(frontier) == 32 * len(widths)
        assert before == (origin, first, root(subtrees))
    library = InmemoryTree(algorithm="sha256")
    for leaf in leaves(folder, first, size):
        push(subtrees, leaf)
        library.append_entry(leaf)
    assert root(subtrees) == tree_root, "the leaves do not give the root"
    if not first:
        assert library.get_root() == tree_root, "pymerkle has another root"
    print(json.dumps({"date": report["date"], "risk": report["risk"]["level"], "leaves": size - first,
                      "verdicts": [one["predicate"]["result"] for one in about_verdicts]}))


if __name__ == "__main__":
    main()
