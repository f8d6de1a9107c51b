"""Reads what Spark recorded, with none of Spark's code: leaves from an archive's files, or from the stream in NATS."""

import hashlib
from pathlib import Path
from typing import NamedTuple

import msgpack
import nats
from nats.js.api import ConsumerConfig, DeliverPolicy

BUNDLE = 256


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
        if path.is_file() and path.suffix != ".tmp":
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


async def from_stream(url, stream="EVENTS"):
    """The leaves that a recorder of the stream would write."""
    connection = await nats.connect(url)
    jetstream = connection.jetstream()
    state = (await jetstream.stream_info(stream)).state
    config = ConsumerConfig(deliver_policy=DeliverPolicy.ALL)
    reader = await jetstream.subscribe("spark.evt.>", stream=stream, ordered_consumer=True, config=config)
    leaves = []
    while len(leaves) < state.messages:
        message = await reader.next_msg(timeout=10)
        meta = message.metadata
        msg_id = (message.headers or {}).get("Nats-Msg-Id", "")
        received_ns = int(meta.timestamp.timestamp()) * 10**9 + meta.timestamp.microsecond * 1000
        leaves.append(Leaf(meta.sequence.stream, received_ns, message.subject, msg_id, message.data))
    await connection.close()
    return leaves
