#!/usr/bin/env python3
"""stacks.py [--quick] [--count N] [--clean N] [--seed N] [--show N] [--keep DIR]: stacks of other makes, and nothing accused.

The kernel under us is one make of stack, and tests/truth.py knows its record.  Here both ends are simulated (stack.py): each does what
RFC 9293 says, and what it leaves open as the lot has it.  N conversations of many kinds, over clean paths and over paths that lose,
double and swap, are captured at the client, in the middle and at the server; what tcpaudit says of each capture, and of the client's
and the server's together, is held against the record of the ends themselves:

- ends whose states are told as they were, and transitions that are called proven and never happened (as tests/truth.py has them; ends
  whose machine died are left out),
- who closed first, where the report is certain,
- accusations: errors and warnings, and notes from `likely` on of what a stack must or should do.

--quick    a small run of one seed, for `make check`
--count N  conversations over impaired paths (2000; quick 250)
--clean N  conversations over clean paths (1000; quick 150)
--seed N   by default another one each time; quick always has the same
--show N   print N of the ends that are told otherwise, of each capture
--keep DIR leave the captures there
Prints TAP."""
import argparse
import collections
import json
import os
import random
import shutil
import struct
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
sys.dont_write_bytecode = True  # the source may be read-only
from makecap import checksum  # noqa: E402
from stack import ACK, FIN, MASK, Endpoint, Hop, Make, World  # noqa: E402

SIDES = ("client", "server")
TAPS = ("client", "mid", "server")
VANTAGES = {"client": ("client",), "mid": ("mid",), "server": ("server",), "both": ("client", "server")}
START = 1_700_000_000
UNTIL = 420  # s: the last conversation has begun after 60
TAIL = ("TIME-WAIT", "CLOSED")  # no frame shows when they end
# percent of the ends, at least; percent of the conversations that may be told wrong, or accused
LIMITS = {"clean": {"exact": 99.0, "wrong": 0.0}, "impaired": {"exact": 98.5, "wrong": 1.0}}
KINDS = ("client", "client", "server", "server", "both", "half", "half", "nobody", "abort-client", "abort-server", "refused", "unread",
         "slow", "slow", "late", "die-client", "die-server", "reboot-client", "reboot-server")


class Tap:
    """A capture of raw IP, with nanoseconds."""

    def __init__(self, path):
        self.file = open(path, "wb")
        self.file.write(struct.pack("<IHHiIII", 0xA1B23C4D, 2, 4, 0, 0, 65535, 101))

    def take(self, now, packet):
        ns = int(now * 1e9)
        self.file.write(struct.pack("<IIII", START + ns // 10**9, ns % 10**9, len(packet), len(packet)) + packet)


def packet_of(s, source, target, hops):
    """The segment as it is `hops` routers behind its sender."""
    options, text = s.options(), bytes((s.seq + i) & 0xFF for i in range(s.len))
    length = 20 + len(options) + len(text)
    tcp = struct.pack("!HHIIBBHHH", source[1], target[1], s.seq, s.ack, (20 + len(options)) << 2, s.flags, s.window, 0, 0) + options + text
    tcp = tcp[:16] + struct.pack("!H", checksum(source[0] + target[0] + struct.pack("!HH", 6, length) + tcp)) + tcp[18:]
    ip = struct.pack("!BBHHHBBH", 0x45, 0, 20 + length, s.ip_id, 0x4000, s.ttl - hops, 6, 0) + source[0] + target[0]
    return ip[:10] + struct.pack("!H", checksum(ip)) + ip[12:] + tcp


class Incarnation:
    """The record of one connection on its sockets: its ends, what was played, and of each tap the first FIN of each side (its
    acknowledgment, and the number behind it)."""

    def __init__(self, ends, kind):
        self.ends, self.kind, self.first_fin = ends, kind, [{} for _ in TAPS]

    def lost(self, side):
        """Its machine died: what it was after that, nobody can know."""
        return self.kind in (f"die-{SIDES[side]}", f"reboot-{SIDES[side]}")

    def closed_first(self):
        """By who had not had the other's FIN; None: a machine died, or nobody."""
        first = [side for side in range(2) if "FIN-WAIT-1" in self.ends[side].states]
        return None if self.lost(0) or self.lost(1) or not first else "both" if len(first) == 2 else SIDES[first[0]]

    def on_wire(self, side, taps):
        """The states of an end as far as frames can tell: a close counts from the first FIN that was captured."""
        states = self.ends[side].states
        fins = {x: self.first_fin[tap][x] for tap in reversed(taps) for x in range(2) if x in self.first_fin[tap]}
        if side not in fins:
            return collapse("CLOSE-WAIT" if s == "CLOSING" else s for s in states if s not in ("FIN-WAIT-1", "LAST-ACK"))
        if "CLOSING" in states and 1 - side in fins and fins[side][0] == fins[1 - side][1]:
            return collapse({"FIN-WAIT-1": "CLOSE-WAIT", "CLOSING": "LAST-ACK"}.get(s, s) for s in states)
        return states


class Conversation:
    """Two endpoints, the path between them, and what their applications do."""

    def __init__(self, world, taps, number, impaired):
        rng = world.rng
        self.world, self.taps, self.number = world, taps, number
        self.socket = [(bytes((10, 1, number >> 8, number & 255)), 1024 + rng.randrange(60000)),
                       (bytes((10, 2, number >> 8, number & 255)), rng.choice((80, 443, 8080)))]
        delay, bad = rng.choice((0.0002, 0.002, 0.02, 0.08)), impaired and rng.random() < 0.8
        jitter, loss = rng.choice((0, 0, delay, 4 * delay)) * bad, rng.choice((0, 0.01, 0.05, 0.2)) * bad
        twice = rng.choice((0, 0, 0.03)) * bad
        self.hops = [[Hop(world, delay * rng.random(), jitter, loss, twice) for _ in range(2)] for _ in range(2)]
        self.busy, self.got = [0, 0], [0, 0]
        self.kind = rng.choice(KINDS)
        self.request, self.response = rng.choice((1, 100, 1000, 5000)), rng.choice((0, 1, 100, 1000, 5000, 20000))
        self.think = rng.choice((0, 0, 0.01, 0.05, 0.5, 3))
        self.both_ways = rng.choice((False, True))  # close() or shutdown()
        self.rest = rng.choice((0, 0, 0, 700))  # octets behind the peer's FIN
        self.ends = [Endpoint(world, Make(rng), lambda s, side=side: self.leaves(s, side), self.happens) for side in range(2)]
        self.client, self.server = self.ends
        self.server.listens = self.kind != "refused"
        if self.kind == "slow":
            self.server.make.window = self.client.make.window = rng.choice((500, 1000, 4000))
        self.incarnations = [Incarnation(self.ends, self.kind)]
        self.again = rng.random() < 0.3 and self.kind not in ("nobody", "refused")  # the client opens the same port again
        world.at(rng.random() * 60, self.client.open)
        if self.again:
            world.at(70 + rng.random() * 60, self.try_again)

    # -- the path --
    def leaves(self, s, side):
        s.side = side
        self.show(2 * side, s, 0)
        self.hops[side][0].carry(s, self.passes)

    def passes(self, s):
        self.show(1, s, 1)
        self.hops[s.side][1].carry(s, self.comes)

    def begin(self, side, **how):
        return Endpoint(self.world, self.ends[side].make, lambda s: self.leaves(s, side), self.happens, **how)

    def try_again(self):
        """Opens the port again, once nothing of the connection before is left at the client (MUST-13)."""
        if self.client.state != "CLOSED":
            self.world.after(5, self.try_again)
            return
        self.again, self.kind, self.got = False, "client", [0, 0]
        self.client = self.begin(0, before=self.client)
        self.ends = [self.client, self.server]
        self.incarnations.append(Incarnation(self.ends, self.kind))
        self.client.open()

    def listen_again(self):
        self.server = self.ends[1] = self.begin(1, before=self.ends[1], listens=True)

    def comes(self, s):
        to = 1 - s.side
        self.show(2 * to, s, 2)
        self.busy[to] = max(self.busy[to], self.world.now) + self.world.rng.uniform(5e-6, 1e-4)
        self.world.at(self.busy[to], self.arrives, s, to)

    def arrives(self, s, to):
        old = len(self.incarnations) > 1 and self.server is self.incarnations[-2].ends[1]
        if old and to == 1 and (self.server.yields_to(s) or self.server.state == "CLOSED"):
            self.server.leave()
            self.listen_again()
        self.ends[to].arrives(s)

    def show(self, tap, s, hops):
        if s.flags & FIN:
            self.incarnations[-1].first_fin[tap].setdefault(s.side, (s.ack, (s.seq + s.len + 1) & MASK))
        self.taps[tap].take(self.world.now, packet_of(s, self.socket[s.side], self.socket[1 - s.side], hops))

    # -- the applications --
    def later(self, what, *arguments, delay=None):
        self.world.after(self.think if delay is None else delay, what, *arguments)

    def finish(self, end):
        end.close() if self.both_ways else end.shutdown()

    def happens(self, what, end, octets):
        if end not in self.ends:  # of the connection before
            if what == "end":
                self.later(end.close)
        elif what == "text":
            side = 1 - self.ends.index(end)  # whose text it was
            before, self.got[side] = self.got[side], self.got[side] + octets
            if end is self.server and before < self.request <= self.got[side]:
                self.answer()
            if end is self.client and before < self.response <= self.got[side] and self.kind in ("client", "slow", "late"):
                self.later(self.finish, end)
        elif what == "end":
            self.at_end(end)
        elif end is self.client:
            self.client_opens()
        else:
            self.server_opens()

    def client_opens(self):
        self.client.write(self.request)
        if self.kind == "half":
            self.client.shutdown()
        elif self.kind == "abort-client":
            self.later(self.client.abort)
        elif self.kind in ("die-client", "reboot-client"):
            self.lose_machine(self.client)

    def server_opens(self):
        if self.kind == "slow":
            self.server.read(False)
            self.later(self.server.read, True, delay=self.world.rng.choice((0.3, 2, 20)))
        elif self.kind == "unread":
            self.server.read(False)
            self.later(self.server.close, delay=self.think + 0.2)

    def answer(self):
        self.server.write(self.response)
        if self.kind in ("server", "half") or (self.kind in ("client", "slow", "late") and not self.response):
            self.later(self.finish, self.server)
        elif self.kind == "both":
            for end in self.ends:
                self.later(self.finish, end, delay=self.think + 0.5)
        elif self.kind == "abort-server":
            self.later(self.server.abort)
        elif self.kind in ("die-server", "reboot-server"):
            self.lose_machine(self.server)
            self.later(self.client.write, 500, delay=self.think + 1)
            self.later(self.finish, self.client, delay=self.think + 5)

    def lose_machine(self, end):
        self.later(end.die)
        if self.kind.startswith("reboot"):
            self.later(end.revive, delay=self.think + 2)

    def at_end(self, end):
        if self.kind == "nobody" or (self.kind == "half" and end is self.server):
            return
        if self.rest:
            end.write(self.rest)
        self.later(end.close, delay=20 if self.kind == "late" else None)


def collapse(states):
    out = []
    for state in states:
        if not out or out[-1] != state:
            out.append(state)
    return out


def without_tail(states):
    states = list(states)
    while states and states[-1] in TAIL:
        states.pop()
    return states


def never_happened(truth, told):
    """States that are called proven, and were not entered in that order."""
    rest, wrong = list(truth), []
    for state, proven in told:
        if not proven or state in ("LISTEN", "CLOSED"):
            continue
        if state in rest:
            rest = rest[rest.index(state):]
        else:
            wrong.append(state)
    return wrong


class Figures:
    """What one capture, or two together, come to."""

    def __init__(self):
        self.ends = self.exact = self.contradicted = 0
        self.wrong_first, self.accused, self.otherwise = [], collections.defaultdict(list), []

    def hold_end(self, number, incarnation, side, taps, flow):
        told = [(t["to"], t["proven_by"] is not None) for t in flow["transitions"] if t["end"] == SIDES[side]]
        own, wire = collapse(incarnation.ends[side].states), incarnation.on_wire(side, taps)
        wrong = min(never_happened(own, told), never_happened(wire, told), key=len)
        mine = without_tail(collapse(state for state, _ in told if state != "LISTEN"))
        self.contradicted += len(wrong)
        if incarnation.lost(side):
            return
        self.ends += 1
        if mine in (without_tail(own), without_tail(wire)):
            self.exact += 1
        if wrong or mine not in (without_tail(own), without_tail(wire)):
            self.otherwise.append((bool(wrong), f"{number} {incarnation.kind} {SIDES[side]}: {' '.join(wire)}; told "
                                   f"{' '.join(s + ('!' if p else '?') for s, p in told)}"))

    def hold_close(self, number, incarnation, flow):
        close, truth = flow["close"], incarnation.closed_first()
        if close["confidence"] == "certain" and close["closed_first"] in (*SIDES, "both") and truth not in (None, close["closed_first"]):
            self.wrong_first.append(f"{number} {close['kind']}: {close['closed_first']}, and it was {truth}")

    def hold_finding(self, number, finding):
        loud = finding["severity"] in ("error", "warning")
        if loud or (finding["severity"] == "note" and finding["confidence"] != "possible" and finding["normative"] != "risk"):
            self.accused[finding["rule_id"], finding["severity"], finding["confidence"]].append(number)


def hold(program, conversations, folder, names):
    """Audits the captures as one and holds what is told against the record."""
    command = [program, "-T", "jsonl", "--flows", "all", "--transitions", "--no-dpi"]
    for name in names:
        command += ["-r", f"{folder}/{name}.pcap"]
    told = subprocess.run(command, stdout=subprocess.PIPE, check=True, text=True).stdout
    figures, flows, number_of, findings = Figures(), collections.defaultdict(list), {}, []
    for line in told.splitlines():
        record = json.loads(line)
        if record["event_type"] == "flow":
            address = record["src_ip"].split(".")
            number_of[record["flow_id"]] = int(address[2]) * 256 + int(address[3])
            flows[number_of[record["flow_id"]]].append(record)
        elif record["event_type"] == "finding":
            findings.append(record)
    for finding in findings:
        figures.hold_finding(number_of[finding["flow_id"]], finding)
    for conversation in conversations:
        number, told = conversation.number, sorted(flows[conversation.number], key=lambda flow: flow["flow_id"])
        if len(told) != len(conversation.incarnations):
            figures.ends += 2 * len(conversation.incarnations)
            figures.otherwise.append((False, f"{number}: {len(told)} connections told, and it was {len(conversation.incarnations)}"))
            continue
        for incarnation, flow in zip(conversation.incarnations, told):
            figures.hold_close(number, incarnation, flow)
            for side in range(2):
                figures.hold_end(number, incarnation, side, [TAPS.index(name) for name in names], flow)
    return figures


def play(seed, count, impaired, folder):
    """-> the conversations, when all of them have had their time."""
    os.makedirs(folder, exist_ok=True)
    world = World(random.Random(seed))
    taps = [Tap(f"{folder}/{name}.pcap") for name in TAPS]
    conversations = [Conversation(world, taps, number, impaired) for number in range(count)]
    world.run(UNTIL)
    for tap in taps:
        tap.file.close()
    return conversations


class Tests:
    def __init__(self):
        self.count = self.failed = 0

    def result(self, holds, name, details=()):
        self.count += 1
        self.failed += not holds
        print(f"{'ok' if holds else 'not ok'} {self.count} - {name}")
        for line in details:
            print(f"# {line}")
        sys.stdout.flush()


def judge(tests, path, vantage, figures, conversations, show):
    limits, name = LIMITS[path], f"{path} {vantage}"
    share, most = 100 * figures.exact / max(1, figures.ends), int(conversations * limits["wrong"] / 100)
    tests.result(share >= limits["exact"] and not figures.contradicted,
                 f"{name}: ends {figures.ends} exact {share:.2f}% contradicted {figures.contradicted}",
                 [text for wrong, text in sorted(figures.otherwise, reverse=True) if wrong][:5] +
                 [text for wrong, text in figures.otherwise if not wrong][:show])
    tests.result(len(figures.wrong_first) <= most, f"{name}: certain of who closed first, and wrong: {len(figures.wrong_first)}",
                 figures.wrong_first[:max(show, 5 if len(figures.wrong_first) > most else 0)])
    loud = [key for key in figures.accused if key[1] != "note"]
    notes = sum(len(numbers) for key, numbers in figures.accused.items() if key[1] == "note")
    tests.result(not loud and notes <= most, f"{name}: accused: {len(loud)} loudly, {notes} in notes",
                 [f"{rule} {severity} {confidence}: {len(numbers)}, {numbers[:5]}"
                  for (rule, severity, confidence), numbers in sorted(figures.accused.items())])


def main():
    parser = argparse.ArgumentParser(usage=__doc__)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--count", type=int)
    parser.add_argument("--clean", type=int)
    parser.add_argument("--seed", type=int)
    parser.add_argument("--show", type=int, default=0)
    parser.add_argument("--keep")
    options = parser.parse_args()
    program = os.path.abspath(os.environ.get("TCPAUDIT", "./tcpaudit"))
    count = {"clean": options.clean or (150 if options.quick else 1000), "impaired": options.count or (250 if options.quick else 2000)}
    seed = options.seed if options.seed is not None else 9293 if options.quick else random.randrange(10**6)
    tests, folder = Tests(), options.keep or tempfile.mkdtemp(prefix="stacks-")
    print(f"1..{len(count) * len(VANTAGES) * 3}\n# seed {seed}")
    try:
        for path in count:
            conversations = play(seed, count[path], path == "impaired", f"{folder}/{path}")
            for vantage, names in VANTAGES.items():
                judge(tests, path, vantage, hold(program, conversations, f"{folder}/{path}", names), count[path], options.show)
    finally:
        if not options.keep:
            shutil.rmtree(folder)
    return 1 if tests.failed else 0


if __name__ == "__main__":
    sys.exit(main())
