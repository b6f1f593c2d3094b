#!/usr/bin/env python3
"""bench.py [--big] [--update] [--runs N] [--dir DIR]    ratios of the audit's time and memory, held against `expected`
   bench.py --profile [--big] [CAPTURE]                 where the time of a packet goes, and the longest pauses
   bench.py --tiny                                      the former with captures too small to tell anything: does it run?

Makes captures with `generate`, runs tcpaudit beside a bare libpcap loop over the same file, in turns, and prints medians of
the ratios; fails if one is more than twice as bad as the one in `expected`, whose first line names the machine.  P1, P3 and so
on are goals that are stated for large captures: --big measures those (8 GB in DIR, some minutes).  --update measures
three times, and writes the medians into `expected`."""
import argparse
import contextlib
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
PROGRAM = os.path.abspath(os.environ.get("TCPAUDIT", "./tcpaudit"))
TOOLS = os.path.join(os.path.dirname(PROGRAM), "tests", "bench")
EXPECTED = os.path.join(HERE, "expected")
LONG_PAUSE = 50  # ms
# What lies below these is noise: a ratio of 1 says that nothing grows.
LEAST = {"p3": 0.2, "labels": 1, "p8": 1, "onebyte": 1, "fragments": 1, "expire": 1, "reuse": 1, "collide": 1}
PIECEWISE = ("onebyte", "fragments")  # are told how many packets, the others how many connections
ENVIRONMENT = dict(os.environ, TCPAUDIT_RULES_DIR="")


class Sizes:
    """How large the captures are, by the word for it."""

    def __init__(self, word):
        big, tiny = word == "big", word == "tiny"
        pick = lambda small, large, least: large if big else least if tiny else small
        self.mix = pick((100000, 20000, 8), (1000000, 50000, 8), (500, 100, 8))
        self.open = pick(200000, 1000000, 100000)  # below, the memory that a process has anyway is noise
        self.flood = pick(1000000, 5000000, 5000)
        self.memcap = pick(64, 256, 64)  # MiB
        # connections open at once, and data segments each in two captures whose difference is the cost of a data packet
        self.growth = pick(((10000, 2, 34), (200000, 2, 6)), ((10000, 2, 66), (100000, 2, 10), (1000000, 2, 6)),
                           ((200, 2, 34), (2000, 2, 6)))
        self.attack = pick(50000, 250000, 1000)  # connections
        self.pieces = 5 * self.attack  # segments of an octet, fragments
        self.segments = pick((100000, 20000), (500000, 50000), (500, 100))  # for the profile's second and third capture


class Bench:
    def __init__(self, folder, word, runs):
        self.folder, self.sizes, self.runs = folder, Sizes(word), runs

    @contextlib.contextmanager
    def capture(self, *arguments):
        """A capture, for as long as it is needed."""
        path = os.path.join(self.folder, "-".join(map(str, arguments)) + ".pcap")
        subprocess.run([os.path.join(TOOLS, "generate"), "-o", path, *map(str, arguments)], check=True, stderr=subprocess.PIPE)
        try:
            yield path
        finally:
            os.remove(path)

    def run(self, command):
        """-> wall seconds, peak resident octets"""
        begun = time.monotonic()
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stdin=subprocess.DEVNULL, env=ENVIRONMENT)
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            sys.exit(f"bench: exit {process.returncode}: {' '.join(command)}")
        return time.monotonic() - begun, usage.ru_maxrss * 1024

    def audit(self, path, *options):
        return [PROGRAM, "-q", "--no-dpi", *(options or ("-T", "text")), "-r", path]

    def loop(self, path):
        return [os.path.join(TOOLS, "loop"), path]

    def against(self, mine, other):
        """Median of the ratios of their times, run in turns."""
        self.run(mine)
        return statistics.median(self.run(mine)[0] / self.run(other)[0] for _ in range(self.runs))

    def engine(self, *paths):
        """-> for each capture: packets, ns a packet, longest pause in ms, ms at the end"""
        out = subprocess.run([os.path.join(TOOLS, "profile"), "-n", str(max(2, self.runs // 2)), "-a", *paths], check=True,
                             stdout=subprocess.PIPE, text=True).stdout
        return [tuple(map(float, line.split()[:4])) for line in out.splitlines()]

    # Each yields rows: name, value, what it is.

    def closed(self):
        with self.capture("mix", *self.sizes.mix) as mix:
            text = self.audit(mix)
            yield "p1", self.against(text, self.loop(mix)), "text report of a mix, to a bare libpcap loop"
            yield "p2", self.against([*text, "--workers", "2"], self.loop(mix)), "the same by two workers"
            if labels_there():
                labelled = [PROGRAM, "-q", "-T", "text", "-r", mix]
                yield "labels", self.against([*labelled, "--workers", "2"], labelled), "with application labels: two workers to one"
            json = self.audit(mix, "-T", "jsonl", "--flows", "all", "-o", os.path.join(self.folder, "out.jsonl"))
            yield "p3", self.against(json, text) - 1, "added by JSON Lines of every connection, to that report"
        os.remove(os.path.join(self.folder, "out.jsonl"))

    def memory(self):
        few = 100
        with self.capture("open", few) as small, self.capture("open", self.sizes.open, self.sizes.open, 2) as large:
            grown = statistics.median(self.run(self.audit(large))[1] for _ in range(2)) - self.run(self.audit(small))[1]
        yield "p6", grown / (self.sizes.open - few), f"octets a connection, {self.sizes.open:,} of them open"

    def flooded(self):
        with self.capture("flood", self.sizes.flood) as flood:
            command = self.audit(flood, "-T", "text", "--memcap", f"{self.sizes.memcap}M")
            peak = self.run(command)[1] / (self.sizes.memcap << 20)
            yield "p7-memory", peak, f"peak memory over {self.sizes.flood:,} SYNs, to --memcap {self.sizes.memcap}M"
            yield "p7-time", self.against(command, self.loop(flood)), "their time, to a bare libpcap loop"

    def growth(self):
        costs = []
        for count, few, many in self.sizes.growth:
            seconds, packets = [], []
            for segments in (few, many):
                with self.capture("open", count, count, segments) as path:
                    seconds.append(min(self.run(self.audit(path))[0] for _ in range(self.runs)))
                    packets.append(int(subprocess.run(self.loop(path), check=True, stdout=subprocess.PIPE).stdout))
            costs.append(max((seconds[1] - seconds[0]) / (packets[1] - packets[0]) * 1e9, 1))
        counts = " -> ".join(f"{count:,}" for count, _, _ in self.sizes.growth)
        nanoseconds = " -> ".join(f"{cost:.0f}" for cost in costs)
        yield "p8", max(costs) / min(costs), f"a data packet with {counts} open: {nanoseconds} ns"

    def attacks(self):
        for kind in ("onebyte", "fragments", "expire", "reuse"):
            few = self.sizes.pieces if kind in PIECEWISE else self.sizes.attack
            many = 4 * few
            with self.capture(kind, few) as small, self.capture(kind, many) as large:
                (_, before, _, _), (_, after, pause, _) = self.engine(small, large)
            yield kind, after / before, f"a packet at {many:,} to one at {few:,}: {before:.0f} -> {after:.0f} ns{note(pause)}"
        many = 4 * self.sizes.attack
        with self.capture("open", many, many, 4) as plain, self.capture("collide", many, many, 4) as crafted:
            (_, before, _, _), (_, after, pause, _) = self.engine(plain, crafted)
        yield "collide", after / before, f"a packet of crafted socket pairs to one of others: {after:.0f} ns{note(pause)}"

    def rows(self):
        for part in (self.closed, self.memory, self.flooded, self.growth, self.attacks):
            yield from part()


def labels_there():
    return subprocess.run([PROGRAM, "--version"], check=True, stdout=subprocess.PIPE, text=True).stdout.count("with nDPI") > 0


def note(pause):
    return f"; pause {pause:.1f} ms" + (" (TOO LONG)" if pause > LONG_PAUSE else "")


def machine():
    """What the figures depend on."""
    model = "unknown processor"
    with contextlib.suppress(OSError), open("/proc/cpuinfo", encoding="utf-8") as info:
        model = next((line.split(":", 1)[1].strip() for line in info if line.startswith("model name")), model)
    return f"{model}, {os.cpu_count()} processors, {platform.system()} {platform.release().split('-')[0]}"


def expectations(path):
    with open(path, encoding="utf-8") as lines:
        pairs = [line.split() for line in lines if line.strip() and not line.startswith("#")]
    return {name: float(value) for name, value in pairs}


def remember(path, measured):
    """What is not measured now stays as it was."""
    known = expectations(path) if os.path.exists(path) else {}
    known.update(measured)
    with open(path, "w", encoding="utf-8") as out:
        out.write(f"# {machine()}\n# bench.py --update: medians; smaller is better\n")
        out.writelines(f"{name} {value:.3g}\n" for name, value in known.items())


def compare(bench, prefix, expected):
    """Prints the table; -> what was measured, and the names of what is twice as bad as it was."""
    measured, bad = {}, []
    print(f"{machine()}\n{'':12}{'now':>8}{'committed':>11}")
    for name, value, what in bench.rows():
        measured[prefix + name] = value
        before = expected.get(prefix + name)
        print(f"{name:12}{value:8.2f}{'' if before is None else f'{before:.2f}':>11}  {what}", flush=True)
        if before is not None and value > 2 * max(before, LEAST.get(name, 0)):
            bad.append(name)
            print(f"{'':12}^ more than twice as bad as {before:g}")
    return measured, bad


def profile(bench, word, path):
    program = [os.path.join(TOOLS, "profile"), "-p", PROGRAM, "-n", "1" if word == "tiny" else "5"]
    if path:
        return subprocess.run([*program, path], check=False).returncode
    count, concurrent = bench.sizes.segments
    with bench.capture("mix", *bench.sizes.mix) as mix, bench.capture("mix", count, concurrent, 2) as few, \
            bench.capture("mix", count, concurrent, 18) as many:
        status = subprocess.run([*program, mix, few, many], check=False).returncode
    print("\nengine              packets  ns/packet   pause ms     end ms  (least of some runs)", flush=True)
    for kind in ("open", "flood", "collide", "onebyte", "fragments", "expire", "reuse"):
        with bench.capture(kind, 4 * (bench.sizes.pieces if kind in PIECEWISE else bench.sizes.attack)) as capture:
            packets, cost, pause, end = bench.engine(capture)[0]
        print(f"{kind:16}{packets:11,.0f}{cost:11.1f}{pause:11.2f}{end:11.2f}" + ("  TOO LONG" if pause > LONG_PAUSE else ""),
              flush=True)
    return status


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--big", action="store_true")
    parser.add_argument("--tiny", action="store_true")
    parser.add_argument("--profile", action="store_true")
    parser.add_argument("--update", action="store_true")
    parser.add_argument("--expected", metavar="FILE", help="instead of that beside this script; --tiny has none")
    parser.add_argument("--runs", type=int)
    parser.add_argument("--dir")
    parser.add_argument("capture", nargs="?")
    given = parser.parse_args()
    word = "big" if given.big else "tiny" if given.tiny else "small"
    with tempfile.TemporaryDirectory(dir=given.dir, prefix="tcpaudit-bench-") as folder:
        bench = Bench(folder, word, given.runs or (1 if given.tiny else 5))
        if given.profile:
            return profile(bench, word, given.capture)
        path = given.expected or (None if given.tiny else EXPECTED)
        expected = {} if given.update or not path else expectations(path)
        turns = [compare(bench, "big-" if given.big else "", expected) for _ in range(3 if given.update else 1)]
    measured, bad = turns[0]
    if given.update and path:
        remember(path, {name: statistics.median(turn[name] for turn, _ in turns) for name in measured})
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
