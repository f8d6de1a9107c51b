"""Asks a running Prometheus every expression of every dashboard; each must return something.

    python3 dashboards.py URL FOLDER

A dashboard's variables are filled in as for "all". Exits with 1 and names the expressions without data.
"""

import json
import pathlib
import re
import sys
import urllib.parse
import urllib.request


def expressions(dashboard):
    """Each panel's title with its expressions, also of panels in rows."""
    for panel in dashboard["panels"]:
        for query in panel.get("targets", []):
            yield panel["title"], query["expr"]
        yield from expressions({"panels": panel.get("panels", [])})


def filled_in(expression, dashboard):
    for variable in dashboard["templating"]["list"]:
        every = variable.get("allValue", ".*")
        expression = re.sub(r"\$\{?" + variable["name"] + r"\b\}?", every, expression)
    return expression


def ask(url, expression):
    query = urllib.parse.urlencode({"query": expression})
    with urllib.request.urlopen(f"{url}/api/v1/query?{query}", timeout=5) as answer:
        return json.load(answer)["data"]["result"]


def main(url, folder):
    asked, empty = 0, []
    for path in sorted(pathlib.Path(folder).glob("*.json")):
        dashboard = json.loads(path.read_text())
        for title, expression in expressions(dashboard):
            asked += 1
            expression = filled_in(expression, dashboard)
            samples = [float(series["value"][1]) for series in ask(url, expression)]
            # NaN is Spark's way of saying "no data".
            if not any(sample == sample for sample in samples):
                empty.append(f"{path.name}: {title}: {expression}")
    print("\n".join(empty + [f"{asked - len(empty)} of {asked} expressions have data"]))
    return 1 if empty or not asked else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
