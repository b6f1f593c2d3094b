#!/usr/bin/env python3
"""A capture of known contents, sent over a veth pair as fast as it goes, audited by one worker and by two: every packet that
was sent is read, the ledger is exact, each connection is whole at one worker, and all is said as of the file.

--full (make line-rate) sends millions of packets and is a measurement: what is lost there is a finding about this machine, too.
It goes without application labels, unless --dpi asks for them: they cost more than all the rest.
Without it packets are so few that the rings hold all of them, so nothing may be lost wherever it runs."""
import argparse
import collections
import json
import os
import re
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
sys.dont_write_bytecode = True  # the source may be read-only
import lab

HERE = os.path.dirname(os.path.abspath(__file__))
WORKER = 2 ** 46  # flow_id: the number of the worker is above these
Size = collections.namedtuple("Size", "connections passes threads")
SMALL, FULL = Size(1500, 2, 2), Size(60000, 5, 2)


def sender():
    return os.path.join(os.path.dirname(lab.program()), "tests", "live", "sender")


def why_not():
    """Why this machine cannot run what sends at speed; None if it can."""
    return lab.why_not() or (None if os.path.exists(sender()) else "needs tests/live/sender")


def known_capture(directory, connections):
    """Path of a capture of so many connections, each with packets of its own."""
    path = os.path.join(directory, "known.pcap")
    subprocess.run([sys.executable, os.path.join(HERE, "..", "makecap.py"), "replay", path, str(connections)], check=True,
                   stdout=subprocess.DEVNULL)
    return path


class Run:
    """One audit of what `sender` puts on the wire."""

    def __init__(self, net, path, size, *options):
        audit = lab.audit_interface(net.name[1], net.device[1], *options)
        sent = subprocess.run(["ip", "netns", "exec", net.name[0], sender(), path, net.device[0], str(size.threads), str(size.passes)],
                              check=True, capture_output=True, text=True).stdout
        self.status, out, self.err = audit.stop()
        self.records = lab.records(out)
        self.summary = lab.summary(self.records)
        self.sent, self.seconds = (float(word) for word in re.match(r"(\d+) packets in ([\d.]+) s", sent).groups())
        self.kernel, self.packets = self.summary.get("kernel", {}), self.summary.get("packets", {})

    def lost(self):
        return int(self.sent) - self.packets.get("read", 0)

    def ledger(self):
        read = self.packets.get("read", 0)
        exact = (self.kernel.get("received") == read + self.kernel.get("dropped", 0) and
                 read == self.packets.get("tcp", 0) + sum(self.packets.get("not_analysed", {}).values()))
        return [] if exact and self.status == 0 else [f"exit status {self.status}, {self.kernel}, {self.packets}", self.err]

    def show(self, name):
        workers = self.summary.get("workers", [])
        print(f"# {name}: sent {int(self.sent)} in {self.seconds:.2f} s ({self.sent / self.seconds / 1e6:.2f} million/s), received "
              f"{self.kernel.get('received')}, dropped {self.kernel.get('dropped')}, lost {self.lost()}, ledger "
              f"{'exact' if not self.ledger() else 'WRONG'}, longest pause {self.kernel.get('longest_pause_us')} us")
        for i, worker in enumerate(workers, 1):
            print(f"#   worker {i}: {worker['packets']} packets, {worker['connections']} connections, {worker['dropped']} dropped, "
                  f"longest pause {worker['longest_pause_us']} us")
        if workers:
            print(f"#   split connections: {self.summary['connections'].get('split')}")


def expected(file, passes):
    """What the summary of so many passes must say: kinds and findings of the file, each that often."""
    end = lab.summary(file)
    multiply = lambda counts: {name: passes * n for name, n in counts.items() if n}
    return {"kinds": multiply(end["connections"]["by_close"]), "findings": multiply(end["findings"])}


def told(run):
    end = run.summary
    return {"kinds": {k: n for k, n in end.get("connections", {}).get("by_close", {}).items() if n},
            "findings": {k: n for k, n in end.get("findings", {}).items() if n}}


def difference(wanted, got):
    return [] if wanted == got else [f"expected {wanted}", f"got {got}"]


def verdict(flow):
    close = flow["close"]
    return (close["kind"], close["closed_first"], close["confidence"], close.get("aborted_by"), tuple(flow["tcp"]["state_client"]),
            tuple(flow["tcp"]["state_server"]), tuple(sorted(flow["findings"])), flow["flow"]["pkts_toserver"],
            flow["flow"]["pkts_toclient"])


def by_pair(flows):
    return {(f["src_ip"], f["src_port"], f["dest_ip"], f["dest_port"]): verdict(f) for f in flows}


def same_verdicts(file, run, passes):
    """Each connection of the file, and those of the first pass; the others have other addresses."""
    wanted, got = by_pair(lab.flows(file)), by_pair(lab.flows(run.records))
    wrong = [f"{pair}: expected {v}, got {got.get(pair)}" for pair, v in wanted.items() if got.get(pair) != v]
    problems = wrong[:3] + ([f"{len(wrong)} connections differ"] if wrong else [])
    return problems if len(got) == passes * len(wanted) else problems + [f"{len(got)} connections, not {passes * len(wanted)}"]


def whole(run, workers):
    """Each connection at one worker, all of them at work, and no flow_id twice."""
    ids = [f["flow_id"] for f in lab.flows(run.records)]
    seats = collections.Counter(flow_id // WORKER for flow_id in ids)
    problems = [] if len(ids) == len(set(ids)) else ["a flow_id occurs twice"]
    if sorted(seats) != list(range(1, workers + 1)):
        problems.append(f"connections per worker: {dict(seats)}")
    rows = [w["connections"] for w in run.summary.get("workers", [])]
    if rows != [seats[i] for i in range(1, workers + 1)]:
        problems.append(f"workers say {rows}, flow records {dict(seats)}")
    if run.summary.get("connections", {}).get("split") != 0:
        problems.append(f"split: {run.summary.get('connections')}")
    return problems


def check(tap, name, run, size, file, workers, every_flow):
    run.show(name)
    tap.check(f"{name}: every packet that was sent was read", [f"{run.lost()} lost, {run.kernel}"] if run.lost() else [])
    tap.check(f"{name}: ledger", run.ledger())
    tap.check(f"{name}: kinds and findings as in the file", difference(expected(file, size.passes), told(run)))
    if every_flow:
        tap.check(f"{name}: each connection as in the file", same_verdicts(file, run, size.passes))
        if workers > 1:
            tap.check(f"{name}: each connection at one worker", whole(run, workers))


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--full", action="store_true", help="millions of packets")
    parser.add_argument("--connections", type=int)
    parser.add_argument("--passes", type=int)
    parser.add_argument("--threads", type=int, help="of the sender")
    parser.add_argument("--dpi", action="store_true", help="with --full: look for applications, too")
    options = parser.parse_args()
    reason = why_not()
    if reason:
        print(f"1..0 # SKIP {reason}")
        return 0
    size = FULL if options.full else SMALL
    size = Size(*(getattr(options, name) or getattr(size, name) for name in Size._fields))
    tap, net = lab.Tap(), lab.silent_cable()
    try:
        with tempfile.TemporaryDirectory() as directory, lab.Backlog():
            path = known_capture(directory, size.connections)
            _, file = lab.audit_file(path)
            for workers in (1, 2):
                words = ["--workers", str(workers)] + (["--no-dpi"] if options.full and not options.dpi else [])
                if options.full:
                    run = Run(net, path, size, *words, "--flows", "flagged")
                    check(tap, f"{workers} worker{'s' * (workers > 1)}", run, size, file, workers, False)
                run = Run(net, path, size, *words, "--flows", "all")
                check(tap, f"{workers} worker{'s' * (workers > 1)}, every flow", run, size, file, workers, True)
    finally:
        net.close()
    return tap.done()


if __name__ == "__main__":
    sys.exit(main())
