"""Listens to what the aggregator derives, reads the frames of the stream, and holds both against asyncapi.yaml and the
JSON Schemas that it names.

    subscribe.py URL SCHEMAS SECONDS       prints what was seen, and what was wrong with it
"""

import asyncio
import collections
import json
import sys
from pathlib import Path

import msgpack
import yaml
from jsonschema import Draft202012Validator

import leaves as log


class Document:
    """What asyncapi.yaml says of subjects."""

    def __init__(self, folder):
        self.document = yaml.safe_load((Path(folder) / "asyncapi.yaml").read_text())
        assert self.document["asyncapi"] == "3.0.0"

    def message(self, subject):
        """How the message there is written, and its schema."""
        for channel in self.document["channels"].values():
            if self.fits(channel["address"], subject) and "messages" in channel:
                (name,) = channel["messages"]
                message = self.document["components"]["messages"][name]
                if "payload" not in message:
                    return message["contentType"], None
                return message["contentType"], Path(message["payload"]["schema"]["$ref"]).name.split(".")[0]
        return None

    @staticmethod
    def fits(address, subject):
        address, subject = address.split("."), subject.split(".")
        pairs = zip(address, subject, strict=False)
        return len(address) == len(subject) and all(word.startswith("{") or word == token for word, token in pairs)


class Checker:
    """Validates, and remembers what was wrong."""

    def __init__(self, folder):
        self.folder = Path(folder) / "json"
        self.document = Document(folder)
        self.validators = {}
        self.seen = collections.Counter()
        self.wrong = []

    def check(self, schema, value, what):
        if schema not in self.validators:
            text = (self.folder / f"{schema}.schema.json").read_text()
            Draft202012Validator.check_schema(json.loads(text))
            self.validators[schema] = Draft202012Validator(json.loads(text))
        self.seen[schema] += 1
        for error in self.validators[schema].iter_errors(value):
            self.wrong.append(f"{what}: {error.json_path}: {error.message}")


def as_json(value):
    """MessagePack's bytes as the hex digits that JSON has."""
    if isinstance(value, dict):
        return {key: as_json(item) for key, item in value.items()}
    if isinstance(value, list):
        return [as_json(item) for item in value]
    return value.hex() if isinstance(value, bytes) else value


async def derived(url, seconds):
    """The messages of some seconds, by subject."""
    connection = await log.connect(url)
    heard = collections.defaultdict(list)

    async def take(message):
        heard[message.subject].append(message.data)

    for subject in ["spark.window.>", "spark.health.>", "spark.alert.>", "spark.gate", "spark.checkpoint", "spark.json.>"]:
        await connection.subscribe(subject, cb=take)
    print("listening", file=sys.stderr, flush=True)
    await asyncio.sleep(seconds)
    await connection.close()
    return heard


def check_derived(checker, heard):
    for subject, messages in heard.items():
        said = checker.document.message(subject)
        if said is None:
            checker.wrong.append(f"asyncapi.yaml has no {subject}")
            continue
        content, schema = said
        if schema is None:
            continue
        read = json.loads if content == "application/json" else lambda data: msgpack.unpackb(data, raw=False)
        values = [read(data) for data in messages]
        for value in values:
            checker.check(schema, value, subject)
        if content == "application/json":
            continue
        sibling = "spark.json." + subject.removeprefix("spark.")
        # One of a pair may have come after the end.
        siblings = [json.loads(data) for data in heard.get(sibling, [])]
        pairs = min(len(values), len(siblings))
        if pairs == 0 or values[:pairs] != siblings[:pairs]:
            checker.wrong.append(f"{subject} and {sibling} differ")


def check_frames(checker, leaves):
    for leaf in leaves:
        if checker.document.message(leaf.subject) != ("application/msgpack", "frame"):
            checker.wrong.append(f"asyncapi.yaml has no {leaf.subject}")
        frame = as_json(msgpack.unpackb(leaf.payload, raw=False))
        checker.check("frame", frame, f"leaf {leaf.seq}")
        for event in frame["events"]:
            (kind, fields), = event.items()
            checker.check(f"event.{kind}", fields, f"leaf {leaf.seq}")


def main():
    url, folder, seconds = sys.argv[1], sys.argv[2], float(sys.argv[3])
    checker = Checker(folder)
    heard = asyncio.run(derived(url, seconds))
    check_derived(checker, dict(heard))
    check_frames(checker, asyncio.run(log.from_stream(url)))
    print(json.dumps({"seen": checker.seen, "subjects": sorted(heard), "wrong": checker.wrong[:20]}))


if __name__ == "__main__":
    main()
