#!/usr/bin/env python3
"""truth.py [--quick] [--count N] [--clean N] [--seed N] [--show N] [--keep DIR]: the mirror against the kernel's own record.

Drives N fresh connections of this machine's kernel through a relay that delays, drops, duplicates and reorders, and a
smaller number through one that only delays; holds the states that tcpaudit infers at the client, mid-path, at the server,
of both ends' captures together, and of those with the server's clock 0.3 s ahead, against the state changes that the kernel's
TCP reported; prints the figures, a line each, and fails below the thresholds.  record.py and compare.py do the work: they are shared with whoever accepts, and are found by
$TCPAUDIT_SHARED or beside the source tree.  What cannot be exact, and why, is told in truth.md.

--quick    a small run, for `make check`
--count N  connections over impaired paths (1000; quick 120)
--clean N  connections over clean paths (300; quick 60)
--seed N   of the first recording; by default another one each time
--show N   print N of the ends that are not exact, of each capture
--keep DIR leave the recordings there
Prints TAP.  Needs root, network namespaces, /dev/net/tun and the kernel's event tracing; without them it skips (exit
status 77, with --quick 0, as `make check` wants it)."""
import argparse
import collections
import os
import random
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "live"))
sys.dont_write_bytecode = True  # the source may be read-only
import kernel_record
VANTAGES = ("client", "mid", "server", "both", "apart")
TOGETHER = {"both": 0, "apart": .3}  # two captures as one: by how much the server's clock is ahead, s
AT_ONCE = 1000  # connections of one recording: a short one cuts off more of what is still going on when it ends
RECORDERS = 3
# the least share of exact ends, percent: (full run, quick run)
EXACT = {"clean": {"client": (100, 100), "mid": (100, 100), "server": (100, 100), "both": (99, 97), "apart": (97, 94)},
         "impaired": {"client": (98, 95), "mid": (97, 95), "server": (98, 95), "both": (98, 95), "apart": (95, 91)}}
PROVEN = 75


def program():
    for path in (os.environ.get("TCPAUDIT", ""), "./tcpaudit"):
        if path and os.access(path, os.X_OK):
            return os.path.abspath(path)
    return None


def why_not(tools):
    """What is missing for a run; None if nothing."""
    if not tools:
        return "record.py and compare.py are not here (TCPAUDIT_SHARED names their folder)"
    if not program():
        return "no tcpaudit (TCPAUDIT names it)"
    if os.geteuid() != 0:
        return "needs root"
    for tool in ("ip", "ss"):
        if not shutil.which(tool):
            return f"needs {tool}"
    if not os.path.exists("/dev/net/tun"):
        return "needs /dev/net/tun"
    name = f"truth-probe-{os.getpid()}"
    if subprocess.run(["ip", "netns", "add", name], stderr=subprocess.DEVNULL, check=False).returncode:
        return "needs network namespaces"
    subprocess.run(["ip", "netns", "del", name], check=False)
    if not os.path.isdir("/sys/kernel/tracing"):
        return "needs the kernel's event tracing"
    return None


class Recording:
    """One run of record.py: it refuses a seed whose addresses another one uses, so the next is tried."""

    def __init__(self, tools, directory, seed, count, path):
        self.tools, self.directory, self.count, self.path = tools, directory, count, path
        self.seed, self.tries = seed, 0
        self.start()

    def start(self):
        self.out = os.path.join(self.directory, f"{self.path}-{self.seed}")
        command = [sys.executable, os.path.join(self.tools, "record.py"), self.out, str(self.seed), str(self.count)]
        self.errors = tempfile.TemporaryFile()
        self.process = subprocess.Popen(command + (["impaired"] if self.path == "impaired" else []),
                                        stdout=subprocess.DEVNULL, stderr=self.errors, cwd=self.directory)

    def done(self):
        status = self.process.poll()
        if status is None:
            return False
        if status:
            self.errors.seek(0)
            why = self.errors.read().decode(errors="replace").strip().split("\n")[-1]
            self.tries += 1
            if "take another seed" not in why or self.tries > 20:
                raise RuntimeError(f"record.py with seed {self.seed}: {why}")
            self.seed += 1
            self.start()
            return False
        return True

    def stop(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)  # it removes its namespaces then
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                self.process.kill()


def record(tools, directory, seed, wanted):
    """Records what is wanted, [(path, connections)], a few at a time; returns the finished recordings."""
    running, finished, left = [], [], list(wanted)
    try:
        while left or running:
            while left and len(running) < RECORDERS:
                path, count = left.pop(0)
                running.append(Recording(tools, directory, seed, count, path))
                seed += 25  # room for the seeds that are taken
            time.sleep(.2)
            over = [r for r in running if r.done()]
            finished += over
            running = [r for r in running if r not in over]
    finally:
        for r in running:
            r.stop()
    return finished


NS = 1000000000


def packets(path):
    """The header of record.py's capture, and [(time, ns; record behind its time)]."""
    with open(path, "rb") as f:
        octets = f.read()
    if octets[:4] != struct.pack("<I", 0xa1b23c4d):
        raise RuntimeError(f"{path} is no pcap with nanoseconds")
    found, at = [], 24
    while at + 16 <= len(octets):
        seconds, ns, caplen = struct.unpack_from("<III", octets, at)
        found.append((seconds * NS + ns, octets[at + 8:at + 16 + caplen]))
        at += 16 + caplen
    return octets[:24], found


def write_packets(path, header, records):
    with open(path, "wb") as f:
        f.write(header)
        for ns, rest in records:
            f.write(struct.pack("<II", ns // NS, ns % NS) + rest)


def captures(out, vantage):
    """What tcpaudit reads for a vantage point; compare.py looks for FINs in VANTAGE.pcap, so there is one."""
    if vantage not in TOGETHER:
        return [f"{vantage}.pcap"]
    ahead = int(TOGETHER[vantage] * NS)
    (header, client), (_, server) = packets(f"{out}/client.pcap"), packets(f"{out}/server.pcap")
    write_packets(f"{out}/{vantage}.pcap", header, sorted(client + server, key=lambda packet: packet[0]))
    write_packets(f"{out}/server-{vantage}.pcap", header, [(ns + ahead, rest) for ns, rest in server])
    return ["client.pcap", f"server-{vantage}.pcap"]


def compare(tools, recording, vantage, show):
    """(ends, exact, contradicted, missing, proven percent), and what compare.py printed before"""
    files = [word for name in captures(recording.out, vantage) for word in ("-r", os.path.join(recording.out, name))]
    audit = subprocess.Popen([program(), *files, "-T", "jsonl", "--flows", "all", "--transitions"], stdout=subprocess.PIPE)
    judged = subprocess.run([sys.executable, os.path.join(tools, "compare.py"), recording.out, vantage, "--show", str(show)],
                            stdin=audit.stdout, stdout=subprocess.PIPE, text=True, check=False)
    audit.stdout.close()
    if audit.wait() not in (0, 1):
        raise RuntimeError(f"tcpaudit ended with status {audit.returncode}")
    lines = judged.stdout.strip().split("\n")
    figures = kernel_record.RESULT.fullmatch(lines[-1])
    if not figures:
        raise RuntimeError(f"compare.py said: {lines[-1]}")
    return tuple(map(int, figures.groups())), lines[:-1]


def shares(total):
    """Connections of each recording, as alike as can be."""
    n = -(-total // AT_ONCE)
    return [total // n + (i < total % n) for i in range(n)] if n else []


def judge(path, vantage, figures, quick):
    """Complaints about one vantage point of one kind of path."""
    ends, exact, contradicted, missing, proven = figures
    least = EXACT[path][vantage][quick]
    if not ends:
        yield "nothing was recorded"
    if exact * 100 < least * ends:
        yield f"less than {least} % are exact"
    if contradicted:
        yield "a proven transition never happened"
    if missing and path == "clean":
        yield "an end was not reported"
    if proven < PROVEN:
        yield f"less than {PROVEN} % are proven"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--count", type=int)
    parser.add_argument("--clean", type=int)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1000, 100000))
    parser.add_argument("--show", type=int, default=0)
    parser.add_argument("--keep")
    o = parser.parse_args()
    count = o.count if o.count is not None else 120 if o.quick else 1000
    clean = o.clean if o.clean is not None else 60 if o.quick else 300
    tools = kernel_record.shared()
    reason = why_not(tools)
    if reason:
        print(f"1..0 # SKIP {reason}")
        return 0 if o.quick else 77
    wanted = [("impaired", n) for n in shares(count)] + [("clean", n) for n in shares(clean)]
    paths = [p for p in ("clean", "impaired") if any(path == p for path, _ in wanted)]
    directory = o.keep or tempfile.mkdtemp(prefix="truth-")
    os.makedirs(directory, exist_ok=True)
    failed = 0
    try:
        kernel_record.mount_tracing()  # before several recorders want to
        recordings = record(tools, directory, o.seed, wanted)
        print(f"1..{len(paths) * len(VANTAGES)}")
        print("# seeds " + " ".join(f"{r.path}:{r.seed}" for r in recordings))
        for i, path in enumerate(paths):
            for k, vantage in enumerate(VANTAGES):
                totals = collections.Counter()
                proven = 0
                for r in (r for r in recordings if r.path == path):
                    (ends, exact, contradicted, missing, percent), lines = compare(tools, r, vantage, o.show)
                    totals.update(ends=ends, exact=exact, contradicted=contradicted, missing=missing)
                    proven += percent * ends
                    for line in lines:
                        print("# " + line)
                ends = totals["ends"]
                percent = proven / max(ends, 1)
                wrong = list(judge(path, vantage, (ends, totals["exact"], totals["contradicted"], totals["missing"], percent), o.quick))
                failed += bool(wrong)
                print(f"{'not ok' if wrong else 'ok'} {i * len(VANTAGES) + k + 1} - {path} {vantage}: ends {ends} exact "
                      f"{totals['exact']} ({100 * totals['exact'] / max(ends, 1):.2f}%) contradicted {totals['contradicted']} "
                      f"missing {totals['missing']} proven {percent:.0f}%")
                for line in wrong:
                    print("# " + line)
    finally:
        if not o.keep:
            shutil.rmtree(directory, ignore_errors=True)
    return 1 if failed else 0


sys.exit(main())
