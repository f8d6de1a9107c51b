"""Prints nanoseconds since the epoch as RFC 3339, exactly."""

import datetime
import sys

seconds, ns = divmod(int(sys.argv[1]), 10**9)
instant = datetime.datetime.fromtimestamp(seconds, datetime.UTC)
print(f"{instant:%Y-%m-%dT%H:%M:%S}.{ns:09}Z")
