"""An account of the log from the raw frames: sums, runs of agents, and whether every slot is there exactly once.

    account.py archive FOLDER     account.py stream URL     [--until SEQ] [--window TARGET AT_NS]
        [--before FOLDER]...      archives of the stream's earlier incarnations, in their order
        [--at SEQ,SEQ,…]          also the sums at these positions, under "at"
"""

import argparse
import asyncio
import collections
import json

import leaves as log

SECOND = 10**9
# A frame that speaks of a slot this far ahead of its arrival is rejected as a whole: its agent's clock can't be right.
AHEAD_MAX = 300 * SECOND


class Account:
    """What was counted. A frame that comes again counts once."""

    def __init__(self):
        self.frames = self.observations = self.failed = self.missed = self.duplicates = 0
        self.rejected = self.rejected_slots = 0
        self.runs = collections.defaultdict(set)
        self.observed_in_run = collections.Counter()
        self.slots = collections.defaultdict(list)
        self.schedules = collections.defaultdict(list)
        self.observed = collections.defaultdict(list)
        self.kinds = collections.Counter()

    def add(self, leaf):
        root, evt, _partition, agent, kind = leaf.subject.split(".")
        assert (root, evt) == ("spark", "evt"), leaf.subject
        try:
            frame = log.decode(leaf.payload)
        except ValueError:  # No frame: no figure counts it, but its number is taken.
            boot, seq = leaf.msg_id.split("-")[:2]
            self.runs[agent, kind, boot].add(int(seq))
            self.rejected += 1
            return
        assert frame["agent"] == agent, f"{leaf.subject} carries a frame of {frame['agent']}"
        run = (agent, kind, frame["boot"].hex())
        assert leaf.msg_id.split("-")[:2] == [run[2], str(frame["seq"])], leaf.msg_id
        if frame["seq"] in self.runs[run]:
            self.duplicates += 1
            return
        self.runs[run].add(frame["seq"])
        told = [self.tell(run, *item) for event in frame["events"] for item in event.items()]
        if max((slots[-1] for slots in told if slots), default=0) > leaf.received_ns + AHEAD_MAX:
            self.rejected += 1
            self.rejected_slots += sum(map(len, told))
            return
        self.frames += 1
        for event in frame["events"]:
            (name, fields), = event.items()
            self.kinds[name] += 1
            self.take(run, name, fields)

    def tell(self, run, name, fields):
        """The slots that an event accounts for, also when its frame is then rejected."""
        slots = []
        if name == "observed":
            slots = [fields["slot_ns"]]
        elif name == "missed":
            step = fields["interval_us"] * 1000
            slots = range(fields["first_slot_ns"], fields["first_slot_ns"] + fields["slots"] * step, step)
        if slots:
            self.slots[run[0], fields["target"]].extend(slots)
        return slots

    def take(self, run, name, fields):
        if name == "observed":
            failed = fields["outcome"] == "fail"
            self.observations += 1
            self.failed += failed
            self.observed_in_run[run] += 1
            self.observed[fields["target"]].append((fields["slot_ns"], failed))
        elif name == "missed":
            self.missed += fields["slots"]
        elif name == "targets":
            for schedule in fields["targets"]:
                entry = (fields["from_ns"], schedule["interval_us"] * 1000, schedule["offset_us"] * 1000)
                self.schedules[run[0], schedule["target"]].append(entry)

    def coverage(self, series):
        """Holds the slots that were told against the schedule, which must have stayed the same."""
        told = collections.Counter(self.slots[series])
        steps = {(step, offset) for _, step, offset in self.schedules[series]}
        assert len(steps) == 1, f"{series}: the schedule changed: {steps}"
        (step, offset), = steps
        began = min(from_ns for from_ns, _, _ in self.schedules[series])
        first = offset + -(-(began - offset) // step) * step
        wanted = set(range(first, max(told, default=first - step) + 1, step))
        return {
            "observed": len(self.observed[series[1]]),
            "failed": sum(failed for _, failed in self.observed[series[1]]),
            "slots": len(wanted),
            "twice": sorted(slot for slot, times in told.items() if times > 1)[:5],
            "holes": sorted(wanted - set(told))[:5],
            "astray": sorted(set(told) - wanted)[:5],
            "last_slot_ns": max(told, default=0),
            "interval_ns": step,
        }

    def holes(self):
        """Frame numbers that are missing below the highest of their run."""
        return sum(max(seqs) + 1 - len(seqs) for seqs in self.runs.values())

    def window(self, target, at_ns):
        """The 5-minute window: whole buckets of ten seconds that start after its edge, up to the one that `at` is in."""
        width = 10 * SECOND
        first = ((at_ns - 300 * SECOND) // width + 1) * width
        end = (at_ns // width + 1) * width
        inside = [failed for slot, failed in self.observed[target] if first <= slot < end]
        return {"count": len(inside), "failed": sum(inside)}

    def totals(self):
        return {
            "frames": self.frames,
            "observations": self.observations,
            "missed": self.missed,
            "duplicates": self.duplicates,
            "rejected": self.rejected,
            "gaps": self.holes(),
        }

    def sums(self):
        runs = sorted(self.runs)
        return self.totals() | {
            "failed": self.failed,
            "rejected_slots": self.rejected_slots,
            "kinds": self.kinds,
            "agents": [
                {
                    "agent": run[0],
                    "class": run[1],
                    "boot": run[2],
                    "next_seq": max(self.runs[run]) + 1,
                    "observations": self.observed_in_run[run],
                }
                for run in runs
            ],
            "targets": {target: self.coverage((agent, target)) for agent, target in sorted(self.schedules)},
        }


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("source", choices=["archive", "stream"])
    parser.add_argument("place")
    parser.add_argument("--before", action="append", default=[], metavar="FOLDER")
    parser.add_argument("--until", type=int)
    parser.add_argument("--at", type=lambda text: [int(part) for part in text.split(",")], default=[])
    parser.add_argument("--window", nargs=2, metavar=("TARGET", "AT_NS"))
    said = parser.parse_args()
    recorded = log.from_archive(said.place) if said.source == "archive" else asyncio.run(log.from_stream(said.place))
    account = Account()
    for folder in said.before:
        for leaf in log.from_archive(folder):
            account.add(leaf)
    at = {}
    positions = sorted(set(said.at))
    for leaf in recorded:
        while positions and positions[0] < leaf.seq:
            at[positions.pop(0)] = account.totals()
        if said.until is None or leaf.seq <= said.until:
            account.add(leaf)
    at.update((position, account.totals()) for position in positions)
    if said.window:
        print(json.dumps(account.window(said.window[0], int(said.window[1]))))
    else:
        print(json.dumps(account.sums() | {"at": at, "last_seq": recorded[-1].seq if recorded else 0}))


if __name__ == "__main__":
    main()
