#!/usr/bin/env python3
"""paths.py [--count N] [--seed N] [--show N] [--keep DIR]: the mirror against the kernel's own record, where the path misbehaves.

Drives N connections of this machine's kernel (300) through a router in a namespace of its own, along each of two paths:

hosts   two servers have the same address, as behind a load balancer or with anycast; which of them a packet reaches changes at
        random, and now and then no answer comes back.  What each server went through is not asked: together they are one end.
faults  the router rejects in either name, drops, or answers with ICMP errors, by a rule that changes at random (needs nft).

Holds the states that tcpaudit infers at the client and behind the router against the state changes that the kernel's TCP
reported (compare.py, as in truth.py), and each statement that rests on a reset against what the other capture shows: an end is not
to be blamed for certain for a reset that the router, or the other host, sent in its name.  Of a reset for a SYN nothing tells whose
it is: `refused` says what was seen.  Prints TAP, a line for each path and place.

--count N  connections of each path
--seed N   of what is drawn by lot; by default another one each time
--show N   print N of the ends that are not exact, of each capture
--keep DIR leave the recordings there
Needs root, network namespaces, the kernel's event tracing, ip, ss, tcpdump, and for faults nft; without them it skips, with exit
status 77."""
import argparse
import json
import multiprocessing
import os
import random
import re
import shutil
import socket
import struct
import sys
import tempfile
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.dont_write_bytecode = True  # the source may be read-only
sys.path.insert(0, os.path.join(HERE, "live"))
import kernel_record
import lab

PORT, FIRST_PORT = 8080, 20000
EXACT = {"hosts": {"client": 98, "behind": 97}, "faults": {"client": 90, "behind": 82}}  # percent, at least
ENDS = "crab"  # client, router, and the two servers
RULES = ("ip saddr C drop", "ip saddr S drop", "ip saddr C tcp flags & fin == fin drop", "ip saddr S tcp flags & fin == fin drop",
         "ip saddr C reject with tcp reset", "ip saddr S reject with tcp reset", "ip saddr C reject with icmp type host-unreachable",
         "ip saddr C reject with icmp type admin-prohibited", "ip saddr S reject with icmp type port-unreachable",
         "ip saddr C numgen random mod 10 < 3 drop", "ip saddr S numgen random mod 10 < 3 drop", "tcp flags & rst == rst drop",
         "ip saddr S tcp flags & syn == syn drop", "ip saddr C tcp flags & (fin|rst|psh|syn) == 0 drop",
         "tcp flags & fin == fin numgen random mod 10 < 5 reject with tcp reset", "ip saddr S tcp flags & (fin|psh) == 0 drop")


class Net(lab.Namespaces):
    """A client, a router, and two servers with one address on the router's bridge.  `number`: of the path; sockets that an earlier
    one has left behind are traced when they end, and have addresses of their own."""

    def __init__(self, number):
        tag = os.getpid()
        front, back = (f"198.19.{(tag * 4 + number * 2) % 256 + side}" for side in (0, 1))
        self.client, self.gateways, self.server = front + ".1", (front + ".254", back + ".254"), back + ".1"
        self.name = [f"tcpaudit-{tag}-{end}" for end in ENDS]
        made = []
        try:
            for name in self.name:
                lab.ip("netns", "add", name)
                made.append(name)
                lab.ip("-n", name, "link", "set", "lo", "up")
            self.wire()
        except BaseException:
            self.name = made
            self.close()
            raise

    def wire(self):
        client, router, *servers = self.name
        lab.ip("link", "add", "wire", "netns", client, "type", "veth", "peer", "name", "front", "netns", router)
        lab.ip("-n", router, "link", "add", "back", "type", "bridge")
        self.plug(client, "wire", self.client, self.gateways[0])
        self.plug(router, "front", self.gateways[0])
        self.plug(router, "back", self.gateways[1])
        self.mac = []
        for i, server in enumerate(servers):
            lab.ip("link", "add", "wire", "netns", server, "type", "veth", "peer", "name", f"port{i}", "netns", router)
            lab.ip("-n", router, "link", "set", f"port{i}", "master", "back", "up")
            self.plug(server, "wire", self.server, self.gateways[1])
            self.mac.append(self.run(server, "cat", "/sys/class/net/wire/address").strip())
        self.sysctl(1, "net.ipv4.ip_forward", 1)
        self.point_at(0)

    def plug(self, name, device, address, gateway=None):
        lab.ip("-n", name, "addr", "add", address + "/24", "dev", device)
        lab.ip("-n", name, "link", "set", device, "up")
        if gateway:
            lab.ip("-n", name, "route", "add", "default", "via", gateway)

    def point_at(self, server):
        lab.ip("-n", self.name[1], "neigh", "replace", self.server, "lladdr", self.mac[server], "dev", "back", "nud", "permanent")

    def answers(self, come):
        lab.ip("-n", self.name[1], "route", "del" if come else "add", "blackhole", self.client + "/32")

    def filter(self, rule):
        """One rule for what is forwarded; None: no rule."""
        text = "flush ruleset\n"
        if rule:
            rule = re.sub(r"\bC\b", self.client, re.sub(r"\bS\b", self.server, rule))
            text += "table ip path {\nchain forwarded {\ntype filter hook forward priority 0 ;\n" + rule + "\n}\n}\n"
        self.run(self.name[1], "nft", "-f", "-", input=text)


# ---- what changes on the way ----

def switch_hosts(net, draw, over):
    while not over.is_set():
        net.point_at(draw.randrange(2))
        over.wait(draw.choice((.01, .05, .2, .5, 1)))
        if draw.random() < .15:
            net.answers(False)
            over.wait(draw.random() * .3)
            net.answers(True)


def switch_faults(net, draw, over):
    while not over.is_set():
        net.filter(draw.choice(RULES))
        over.wait(draw.choice((.05, .2, .5, 1)))
        net.filter(None)
        over.wait(draw.choice((.01, .05, .2)))


PATHS = {"hosts": switch_hosts, "faults": switch_faults}


# ---- the applications: a process for each host ----

def answer(accepted, seed):
    draw = random.Random(seed)
    once = draw.random() < .2
    with accepted:
        try:
            while part := accepted.recv(65536):
                time.sleep(draw.random() * .2)
                accepted.sendall(part * 2)
                if once:
                    break
            time.sleep(draw.random() * .3)
        except OSError:
            pass


def serve(net, end, seed, ready):
    net.enter(end)
    draw = random.Random(seed)
    with socket.create_server((net.server, PORT), backlog=512) as listening:
        ready.set()
        while True:
            threading.Thread(target=answer, args=(listening.accept()[0], draw.random()), daemon=True).start()


def ask(net, number, seed):
    draw = random.Random(seed)
    with socket.socket() as client:
        client.settimeout(9)
        try:
            client.bind((net.client, FIRST_PORT + number))  # the kernel traces SYN-SENT before it chooses a port
            client.connect((net.server, PORT))
            for _ in range(draw.randint(0, 3)):
                client.sendall(b"a" * draw.randint(1, 3000))
                time.sleep(draw.random() * .3)
                if draw.random() < .6:
                    client.recv(65536)
            if draw.random() < .3:
                client.shutdown(socket.SHUT_WR)
                client.recv(65536)
                client.recv(10)
            if draw.random() < .1:
                lab.linger_zero(client)
        except OSError:
            pass


def drive(net, count, seed):
    net.enter(0)
    draw = random.Random(seed)
    threads = []
    for number in range(count):
        threads.append(threading.Thread(target=ask, args=(net, number, draw.random())))
        threads[-1].start()
        time.sleep(draw.random() * .08)
    for thread in threads:
        thread.join()


# ---- recordings ----

def frames(path):
    """IP packets of an Ethernet capture: [(the record's header but its lengths, packet)]"""
    with open(path, "rb") as f:
        octets = f.read()
    found, at = [], 24
    while at + 16 <= len(octets):
        caplen = struct.unpack_from("<I", octets, at + 8)[0]
        found.append((octets[at:at + 8], octets[at + 30:at + 16 + caplen]))
        at += 16 + caplen
    return octets[:20], found


def strip(source, target):
    """compare.py reads raw IP."""
    header, found = frames(source)
    with open(target, "wb") as f:
        f.write(header + struct.pack("<I", 101))
        for stamp, packet in found:
            if lab.is_tcp(packet):
                f.write(stamp + struct.pack("<II", len(packet), len(packet)) + packet)


def record(path, directory, count, seed):
    os.makedirs(directory, exist_ok=True)
    os.chmod(directory, 0o777)  # tcpdump writes as somebody else
    net, draw, over, processes, listeners = Net(list(PATHS).index(path)), random.Random(seed), threading.Event(), [], []
    trace = holders = None
    try:
        trace = kernel_record.Trace()
        for place, name, device in (("client", net.name[0], "wire"), ("behind", net.name[1], "back")):
            listeners.append(lab.Listener(name, ["tcpdump", "-B", "65536", "-s", "0", "--time-stamp-precision=nano", "-i", device, "-w",
                                                 f"{directory}/{place}.eth.pcap", "tcp or icmp"]))
        for end in (2, 3):
            ready = multiprocessing.Event()
            processes.append(multiprocessing.Process(target=serve, args=(net, end, draw.random(), ready), daemon=True))
            processes[-1].start()
            ready.wait(10)
        driver = multiprocessing.Process(target=drive, args=(net, count, draw.random()))
        driver.start()  # before the threads: a child would keep the pipes open that they read from their commands
        holders = kernel_record.Holders(net, (0,) if path == "hosts" else (0, 2))
        switching = threading.Thread(target=PATHS[path], args=(net, random.Random(draw.random()), over))
        switching.start()
        driver.join(60 + count)
        time.sleep(3)
        over.set()
        switching.join()
        time.sleep(1.5)  # what tcpdump still has in its ring comes within a second
    finally:
        over.set()
        for listener in listeners:
            listener.stop()
        if holders:  # looks once more behind the captures' last frame
            with open(f"{directory}/timewait.json", "w") as f:
                json.dump(holders.stop(), f)
        for process in processes:
            process.kill()
            process.join()
        if trace:
            trace.write("events/sock/inet_sock_set_state/enable", "0")
            trace.store(f"{directory}/kernel.jsonl", (net.client,) if path == "hosts" else (net.client, net.server))
            trace.close()
        net.close()
    for place in ("client", "behind"):
        strip(f"{directory}/{place}.eth.pcap", f"{directory}/{place}.pcap")


# ---- judging ----

def resets(path):
    """What identifies each reset, and each packet by its place in the file."""
    numbered = []
    for _, packet in frames(path)[1]:
        source, target, seq, ack, flags, _ = lab.numbers(packet) if lab.is_tcp(packet) else (0, 0, 0, 0, 0, 0)
        numbered.append((socket.inet_ntoa(packet[12:16]), source, target, seq, ack, flags) if flags & 4 else None)
    return numbered


def wrongly_blamed(directory, place, records):
    """Statements, certain, that blame the client for a reset that is not in the capture at its own host."""
    here = resets(f"{directory}/{place}.eth.pcap")
    sent = set(filter(None, resets(f"{directory}/client.eth.pcap")))
    blamed = []
    for record in records:
        if record["event_type"] == "flow" and record["close"].get("aborted_by") == "client":
            what, confidence, frame = record["close"]["kind"], record["close"]["confidence"], record["close"]["reset_frame"]
        elif record["event_type"] == "finding" and record.get("endpoint") == "client" and record["evidence"] and \
                "RST" in record["evidence"][-1]["flags"]:
            what, confidence, frame = record["rule_id"], record["confidence"], record["evidence"][-1]["frame"]
        else:
            continue
        reset = here[frame - 1]
        if confidence == "certain" and reset and reset[0] == record["src_ip"] and reset not in sent:
            blamed.append(f"{record['src_port']}: {what}, frame {frame}")
    return blamed


def judge(tools, path, directory, place, show):
    """(what is wrong, the figures)"""
    wrong, figures, records = kernel_record.judge(tools, directory, place, f"{place}.eth.pcap", EXACT[path][place], show)
    return wrong + [f"blames for another's reset: {what}" for what in wrongly_blamed(directory, place, records)], figures


def why_not(tools):
    if not tools:
        return "compare.py is not here (TCPAUDIT_SHARED names its folder)"
    return lab.why_not() or kernel_record.why_not()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=300)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1000, 100000))
    parser.add_argument("--show", type=int, default=0)
    parser.add_argument("--keep")
    o = parser.parse_args()
    tools = kernel_record.shared()
    reason = why_not(tools)
    if reason:
        print(f"1..0 # SKIP {reason}")
        return 77
    tap, directory = lab.Tap(), o.keep or tempfile.mkdtemp(prefix="paths-")
    print(f"# seed {o.seed}")
    try:
        for path in PATHS:
            if path == "faults" and not shutil.which("nft"):
                tap.skip(path, "needs nft")
                continue
            recording = os.path.join(directory, path)
            record(path, recording, o.count, o.seed)
            for place in ("client", "behind"):
                wrong, figures = judge(tools, path, recording, place, o.show)
                tap.check(f"{path} {place}: {figures}", wrong)
    finally:
        if not o.keep:
            shutil.rmtree(directory, ignore_errors=True)
    return tap.done()


if __name__ == "__main__":
    sys.exit(main())
