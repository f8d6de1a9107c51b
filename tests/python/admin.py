"""What an administrator can do to the log in NATS, by software that is not Spark's.

    admin.py delete-consumers URL     admin.py delete-stream URL
"""

import asyncio
import json
import sys

import nats
from nats.js.errors import NotFoundError

STREAM = "EVENTS"


async def delete_consumers(jetstream):
    """Every consumer that the stream has now; one that went by itself meanwhile does not count."""
    deleted = 0
    for consumer in await jetstream.consumers_info(STREAM):
        try:
            await jetstream.delete_consumer(STREAM, consumer.name)
            deleted += 1
        except NotFoundError:
            pass
    return {"deleted": deleted}


async def delete_stream(jetstream):
    """The stream with all its messages."""
    await jetstream.delete_stream(STREAM)
    return {"deleted": 1}


async def main():
    what, url = sys.argv[1:]
    connection = await nats.connect(url)
    doing = {"delete-consumers": delete_consumers, "delete-stream": delete_stream}[what]
    print(json.dumps(await doing(connection.jetstream())))
    await connection.close()


if __name__ == "__main__":
    asyncio.run(main())
