#!/usr/bin/env python3
"""quiet.py [--quick] [--count N] [--seed N] [--keep DIR]: on clean traffic nothing is accused.

Drives N connections of this machine's kernel, of many behaviours, through a veth pair with segmentation and checksum
offload, one without, a relay that delays, and one that also drops, duplicates and reorders; audits what each host and
the middle captured, and the hosts' captures a second time with --vantage typed.  Then gentraffic's mixes, where the
shared folder is.  Prints the findings of each check, and fails on every error or warning that is not in TRUE.  Prints
TAP; what it cannot do here, it skips with the reason.

--quick    a small run, for `make check`
--count N  connections to try (20500, so that 20,000 begin; quick 600)
--seed N   by default another one each time
--keep DIR leave the captures there"""
import argparse
import collections
import concurrent.futures
import heapq
import json
import os
import random
import select
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
import lab

SHARED = os.environ.get("TCPAUDIT_SHARED", os.path.join(HERE, "..", "..", "shared"))
PARTS = ("veth, offload on", "veth, offload off", "relay, delayed", "relay, impaired")
LOUD = ("error", "warning")
# Errors and warnings that are true of this traffic, if the finding names the stack that does so on purpose: quiet.md says why.
TRUE = {"tw-active-reopen"}


class Path(lab.Relay):
    """A relay with a path on either side of the middle, each with delay, jitter, loss and duplication by connection."""

    def __init__(self, seed, impaired, path):
        self.rng, self.impaired, self.plans = random.Random(seed), impaired, {}
        super().__init__(None, path)

    def plan(self, packet, direction):
        source, target = struct.unpack_from("!HH", lab.tcp_header(packet))
        key = (packet[0], source, target) if direction == 0 else (packet[0], target, source)
        if key not in self.plans:
            choose = self.rng.choice
            self.plans[key] = (choose((0, 0.001, 0.008)), *((choose((0, 0, 0.002, 0.01)), choose((0, 0, 0.02, 0.08, 0.2)),
                               choose((0, 0, 0.05))) if self.impaired else (0, 0, 0)))
        return self.plans[key]

    def _carry(self):
        waiting, count, poll = [], 0, select.poll()
        for fd in self.tun:
            poll.register(fd, select.POLLIN)
        rng = self.rng

        def send(hop, direction, packet, plan, again=True):
            nonlocal count
            delay, jitter, loss, copies = plan
            if loss and rng.random() < loss:
                return
            for _ in range(2 if again and copies and rng.random() < copies else 1):
                count += 1
                heapq.heappush(waiting, (time.monotonic() + delay + rng.random() * jitter, count, hop, direction, packet, plan))

        while self.running or waiting:
            while waiting and waiting[0][0] <= time.monotonic():
                _, _, hop, direction, packet, plan = heapq.heappop(waiting)
                if hop == "middle":
                    stamp = time.time_ns()
                    self.file.write(struct.pack("<IIII", stamp // 10**9, stamp % 10**9, len(packet), len(packet)) + packet)
                    send("end", direction, packet, plan, False)
                else:
                    try:
                        os.write(self.tun[not direction], packet)
                    except OSError:
                        pass  # the other device is gone
            timeout = max(0, min(50, (waiting[0][0] - time.monotonic()) * 1000)) if waiting else 50
            for fd, _ in poll.poll(timeout):
                direction = self.tun.index(fd)
                for _ in range(16):
                    try:
                        packet = os.read(fd, 65536)
                    except OSError:
                        break
                    if lab.is_tcp(packet):
                        send("middle", direction, packet, self.plan(packet, direction))


def crowd(net, end, role, seed, count):
    return subprocess.Popen(["ip", "netns", "exec", net.name[end], sys.executable, os.path.join(HERE, "live", "crowd.py"),
                             role, str(os.getpid()), str(seed), str(count)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def captured(listener):
    """What tcpdump lost, by its own account."""
    _, _, err = listener.stop()
    lost = [int(line.split()[0]) for line in err.splitlines() if "dropped" in line]
    return sum(lost) if lost else None


def record(part, seed, count, directory):
    """Runs one part; returns ([(where, path, complete)], complaints)."""
    os.makedirs(directory, exist_ok=True)
    lab.own_addresses(os.getpid())
    relayed, middle = part.startswith("relay"), os.path.join(directory, "middle.pcap")
    net = Path(seed, "impaired" in part, middle) if relayed else lab.Cable()
    complaints, processes, listeners, paths = [], [], [], []
    try:
        if not relayed and not all([lab.offload(net, end, "on" in part) for end in (0, 1)]):
            complaints.append("the device's offloads cannot be switched")
        for end in (0, 1):
            for key, value in (("net.ipv4.tcp_fastopen", 3), ("net.ipv4.tcp_tw_reuse", 1)):
                net.sysctl(end, key, value)
            paths.append(os.path.join(directory, ("client", "server")[end] + ".pcap"))
            listeners.append(lab.Listener(net.name[end], ["tcpdump", "-i", net.device[end], "-B", "65536", "-w", paths[end], "tcp"]))
        processes.append(crowd(net, 1, "server", seed, 0))
        processes[0].stdout.readline()
        for half, (timestamps, ecn) in enumerate(((1, 0), (0, 1))):
            for end in (0, 1):
                net.sysctl(end, "net.ipv4.tcp_timestamps", timestamps)
                net.sysctl(end, "net.ipv4.tcp_ecn", ecn)
            client = crowd(net, 0, "client", seed * 2 + half, (count + half) // 2)
            processes.append(client)
            _, err = client.communicate()
            if client.returncode:
                complaints.append(err.strip().splitlines()[-1])
        time.sleep(6 if "impaired" in part else 2)
        lost = [captured(listener) for listener in listeners]
        listeners = []
        if relayed:
            net.settle()
        found = [(where, path, lost[i] == 0) for i, (where, path) in enumerate(zip(("client", "server"), paths))]
        return found + ([("middle", middle, True)] if relayed else []), complaints
    finally:
        for process in processes:
            process.kill()
            process.communicate()
        for listener in listeners:
            listener.stop()
        net.close()


def endpoints(record):
    return f"{record['src_ip']}:{record['src_port']} {record['dest_ip']}:{record['dest_port']}"


def audit(path, *options):
    """(connections, {(severity, check): findings}, descriptions of the loud ones)"""
    run = subprocess.Popen([lab.program(), "-r", path, "-T", "jsonl", "--flows", "none", *options], stdout=subprocess.PIPE, text=True)
    counts, loud, flows = collections.Counter(), [], 0
    for line in run.stdout:
        event = json.loads(line)
        if event["event_type"] == "finding":
            counts[(event["severity"], event["rule_id"])] += 1
            if event["severity"] in LOUD and not (event["rule_id"] in TRUE and "deliberate" in event):
                frames = " ".join(str(e["frame"]) for e in event["evidence"])
                loud.append(f"{event['severity']} {event['rule_id']} flow {event['flow_id']} {endpoints(event)} frames {frames}: "
                            f"{event['title']}, {event['confidence']}, expected {event.get('expected')}, observed {event.get('observed')}")
        elif event["event_type"] == "summary":
            flows = event["connections"]["total"]
    return (flows, counts, loud) if run.wait() in (0, 1) else (flows, counts, loud + [f"exit status {run.returncode}"])


def play(part, seed, count, directory):
    """One part, in a process of its own: (complaints, [(name, flows, counts, loud)])"""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    try:
        captures, complaints = record(part, seed, count, directory)
        results = []
        for where, path, complete in captures:
            for typed in [None] + ([where] if where != "middle" and complete else []):
                options = ["--vantage", typed] if typed else []
                results.append((f"{part}, at the {where}" + (", typed" if typed else ""), *audit(path, *options)))
        return complaints, results
    except Exception as error:  # a problem of the test, reported as such
        return [repr(error)], []


def gentraffic(directory, quick):
    """gentraffic's captures, one at a time: (name, path)"""
    tool = os.path.join(directory, "gentraffic")
    subprocess.run([os.environ.get("CC", "cc").split()[0], "-O2", "-o", tool, os.path.join(SHARED, "bench", "gentraffic.c")], check=True)
    mixes = [("mix", 20000, 200, 10, 100), ("mix", 5000, 5000, 0, 1), ("mix", 2000, 10, 60, 1400), ("mix", 70000, 1000, 4, 300),
             ("open", 2000, 2000, 6, 100), ("synflood", 5000, 5000, 1, 0)]
    for seed in (1,) if quick else (1, 2, 3, 99):
        for mix in mixes[:2] if quick else mixes:
            words = [str(w) for w in (*mix, seed)]
            path = os.path.join(directory, "gentraffic.pcap")
            with open(path, "wb") as f:
                subprocess.run([tool, *words], stdout=f, stderr=subprocess.DEVNULL, check=True)
            yield "gentraffic " + " ".join(words), path


class Report:
    def __init__(self):
        self.tap, self.total, self.connections = lab.Tap(), collections.Counter(), 0

    def judge(self, name, flows, counts, loud):
        self.total += counts
        shown = ", ".join(f"{check} {n} ({severity})" for (severity, check), n in sorted(counts.items(), key=lambda x: -x[1])
                          if severity in LOUD)
        self.tap.check(f"{name}: {flows} connections, {sum(counts.values())} findings, {len(loud)} false", loud[:20] or
                       ([] if flows else ["no connection was found"]))
        if shown:
            print(f"# {name}: {shown}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--count", type=int)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1000, 1000000))
    parser.add_argument("--keep")
    o = parser.parse_args()
    count, started = o.count or (600 if o.quick else 20500), time.time()
    directory, report = o.keep or tempfile.mkdtemp(prefix="quiet-"), Report()
    os.makedirs(directory, exist_ok=True)
    print(f"# seed {o.seed}")
    try:
        reason = lab.why_not()
        if reason:
            report.tap.skip("connections of the kernel", reason)
        else:
            seen = 0
            with concurrent.futures.ProcessPoolExecutor(len(PARTS) if o.quick else 3) as pool:
                jobs = [pool.submit(play, part, o.seed + i, count // len(PARTS), os.path.join(directory, part.replace(", ", "-").replace(" ", "-")))
                        for i, part in enumerate(PARTS)]
                for part, job in zip(PARTS, jobs):
                    complaints, results = job.result()
                    report.tap.check(part, complaints)
                    seen += max((flows for _, flows, _, _ in results), default=0)
                    for result in results:
                        report.judge(*result)
            report.tap.check(f"{seen} connections of the kernel", [] if seen >= count * 0.95 else [f"wanted {count}"])
        if not os.path.exists(os.path.join(SHARED, "bench", "gentraffic.c")):
            report.tap.skip("gentraffic's mixes", "no shared folder")
        else:
            for name, path in gentraffic(directory, o.quick):
                for options in ([], ["--vantage", "client"], ["--vantage", "server"]):
                    report.judge(" ".join([name, *options]), *audit(path, *options))
    finally:
        if not o.keep:
            shutil.rmtree(directory, ignore_errors=True)
    print("# findings by check: " + ", ".join(f"{check} {n} {severity}" for (severity, check), n in
                                              sorted(report.total.items(), key=lambda x: -x[1])))
    print(f"# {time.time() - started:.0f} s")
    return report.tap.done()


if __name__ == "__main__":
    sys.exit(main())
