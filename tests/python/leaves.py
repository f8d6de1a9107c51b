"""Reads what Spark recorded, with none of Spark's code: leaves from an archive's files, or from the stream in NATS."""

import hashlib
import json
import os
from pathlib import Path
from typing import NamedTuple

import msgpack
import nats

BUNDLE = 256
# How many messages a pull asks for.
BATCH = 1000


class Leaf(NamedTuple):
    """One recorded frame."""

    seq: int
    received_ns: int
    subject: str
    msg_id: str
    payload: bytes


def decode(data):
    return msgpack.unpackb(data, raw=False, strict_map_key=True)


def from_archive(folder):
    """The leaves in order. What is in a bundle and in a segment must be the same."""
    folder = Path(folder)
    leaves = {}
    entries = folder / "tile" / "entries"
    for path in sorted(entries.rglob("*")) if entries.exists() else []:
        # A part of a bundle that is not full, for readers of a checkpoint, says nothing new.
        if path.is_file() and path.suffix != ".tmp" and path.parent.suffix != ".p":
            first = bundle_number(path.relative_to(entries)) * BUNDLE
            leaves.update(enumerate(bundle(path.read_bytes()), first))
    for path in sorted((folder / "wal").iterdir()):
        for number, leaf in enumerate(segment(path.read_bytes(), path), int(path.name)):
            if leaves.setdefault(number, leaf) != leaf:
                raise SystemExit(f"{path}: leaf {number} differs from its bundle")
    if sorted(leaves) != list(range(len(leaves))):
        raise SystemExit(f"{folder}: {len(leaves)} leaves, but the last has number {max(leaves)}")
    return [Leaf(*decode(leaves[number])) for number in range(len(leaves))]


def bundle_number(path):
    """`x001/x234/067` is 1234067 (C2SP tlog-tiles)."""
    return int("".join(part.removeprefix("x") for part in path.parts))


def bundle(data):
    while data:
        length = int.from_bytes(data[:2])
        yield data[2 : 2 + length]
        data = data[2 + length :]


def segment(data, path):
    """A record is its leaf's length, the leaf and its hash; length 0 is a mark of 40 more bytes."""
    offset = 0
    while offset < len(data):
        length = int.from_bytes(data[offset : offset + 2])
        if length == 0:
            offset += 2 + 8 + 32
            continue
        leaf = data[offset + 2 : offset + 2 + length]
        digest = data[offset + 2 + length : offset + 2 + length + 32]
        if digest != hashlib.sha256(b"\0" + leaf).digest():
            raise SystemExit(f"{path}: byte {offset} does not begin a whole record")
        yield leaf
        offset += 2 + length + 32


async def connect(url):
    """With the auditor's key, when NATS_NKEY names its file."""
    seed = os.environ.get("NATS_NKEY")
    user = {"nkeys_seed": seed, "inbox_prefix": b"_INBOX_auditor"} if seed else {}
    return await nats.connect(url.split(","), **user)


async def from_stream(url, stream="EVENTS"):
    """The leaves that a recorder of the stream would write, asked for in the plainest way that JetStream has."""
    connection = await connect(url)

    async def ask(request, question):
        answer = json.loads((await connection.request(f"$JS.API.{request}", json.dumps(question).encode())).data)
        if "error" in answer:
            raise SystemExit(f"{request}: {answer['error']}")
        return answer

    count = (await ask(f"STREAM.INFO.{stream}", {}))["state"]["messages"]
    config = {"deliver_policy": "all", "ack_policy": "none", "mem_storage": True, "inactive_threshold": 60 * 10**9}
    consumer = await ask(f"CONSUMER.CREATE.{stream}", {"stream_name": stream, "config": config})
    inbox = connection.new_inbox()
    reader = await connection.subscribe(inbox, pending_msgs_limit=-1, pending_bytes_limit=-1)
    leaves = []
    owed = 0
    while len(leaves) < count:
        if owed == 0:
            owed = min(BATCH, count - len(leaves))
            pull = json.dumps({"batch": owed, "expires": 10 * 10**9}).encode()
            await connection.publish(f"$JS.API.CONSUMER.MSG.NEXT.{stream}.{consumer['name']}", pull, reply=inbox)
        message = await reader.next_msg(timeout=20)
        if not message.reply.startswith("$JS.ACK."):
            raise SystemExit(f"the server ended the delivery: {message.headers}")
        owed -= 1
        # $JS.ACK.<stream>.<consumer>.<delivered>.<stream seq>.<consumer seq>.<time>.<pending>, or a longer form.
        tokens = message.reply.split(".")
        first = 5 if len(tokens) == 9 else 7
        seq, received_ns = int(tokens[first]), int(tokens[first + 2])
        msg_id = (message.headers or {}).get("Nats-Msg-Id", "")
        leaves.append(Leaf(seq, received_ns, message.subject, msg_id, message.data))
    await connection.close()
    return leaves
