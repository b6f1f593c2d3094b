#!/usr/bin/env python3
"""lwip.py [--count N] [--clean N] [--seed N] [--show N] [--keep DIR]: the mirror against another stack's own record.

The kernel under us is one make of stack.  lwIP is another one, found in many small devices: it answers from CLOSED with ACK set, waits three
seconds for an acknowledgment, numbers its ISNs one after the other, and has neither timestamps nor SACK.  N connections over a path
that loses, doubles and swaps, and a smaller number over one that only delays, are driven with lwIP at the server, at the client and at both
ends (tests/live/lwip_end.c), and with this machine's kernel at the other.  The states that tcpaudit infers at the client, mid-path and
at the server are held against what both stacks went through (compare.py, as in truth.py); and none of it is wrong, so no error
and no warning may be told but of lwIP's ISNs, which can be told in advance.

--count N  connections over an impaired path, of each pair of ends (400)
--clean N  connections over a clean path, of each pair (200)
--seed N   of what is drawn by lot; by default another one each time
--show N   print N of the ends that are not exact, of each capture
--keep DIR leave the recordings there
Prints TAP, a line for each pair, path and place.  Needs liblwip-dev, pkg-config and a C compiler; with the kernel at an end also root,
network namespaces, /dev/net/tun, ss and the kernel's event tracing.  Without lwIP it skips, with exit status 77."""
import argparse
import heapq
import json
import multiprocessing
import os
import random
import select
import shlex
import shutil
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.dont_write_bytecode = True  # the source may be read-only
sys.path.insert(0, os.path.join(HERE, "live"))
import kernel_record
import lab

PORT, FIRST_PORT = 8080, 20000  # as in lwip_end.c
AT_ONCE = 40
PATIENCE = 8  # s, likewise
PLACES = ("client", "mid", "server")
PAIRS = {"server": (1,), "client": (0,), "both": (0, 1)}  # at which ends lwIP is
LINGERS = (2, 10)  # s, until what was closed has been settled, over a clean path or an impaired one
EXACT = {"clean": 100, "impaired": 94}  # percent, at least
EXPECTED = {"syn-isn-weak"}


# ---- the path ----

class Capture:
    def __init__(self, path):
        self.file = open(path, "wb")
        self.file.write(struct.pack("<IHHiIII", 0xA1B23C4D, 2, 4, 0, 0, 262144, 101))

    def add(self, packet):
        now = time.time_ns()
        self.file.write(struct.pack("<IIII", now // 10**9, now % 10**9, len(packet), len(packet)) + packet)


class Path(threading.Thread):
    """Carries packets between two descriptors, by a habit of its own for each connection, and captures at three places.  What is lost is
    lost on either side of the middle."""

    def __init__(self, ends, directory, draw, impaired):
        super().__init__()
        self.ends, self.draw, self.impaired = ends, draw, impaired
        self.capture = {place: Capture(f"{directory}/{place}.pcap") for place in PLACES}
        self.habits, self.waiting, self.order, self.over = {}, [], 0, threading.Event()
        self.start()

    def habit(self, number):
        if number not in self.habits:
            pick = self.draw.choice
            self.habits[number] = {"loss": pick((0, 0, .02, .1, .25)), "twice": pick((0, 0, .05)), "delay": pick((0, .001, .01, .03)),
                                   "jitter": pick((0, 0, .002, .015))} if self.impaired else \
                                  {"loss": 0, "twice": 0, "delay": pick((0, .0005, .005, .02)), "jitter": 0}
        return self.habits[number]

    def send(self, habit, stage, end, packet):
        """Towards the middle (stage 0) or from there (1)."""
        if self.draw.random() < habit["loss"]:
            return
        for _ in range(1 + (not stage and self.draw.random() < habit["twice"])):
            self.order += 1
            at = time.monotonic() + habit["delay"] + habit["jitter"] * self.draw.random()
            heapq.heappush(self.waiting, (at, self.order, stage, end, packet, habit))

    def run(self):
        while not self.over.is_set() or self.waiting:
            now = time.monotonic()
            while self.waiting and self.waiting[0][0] <= now:
                _, _, stage, end, packet, habit = heapq.heappop(self.waiting)
                if not stage:
                    self.capture["mid"].add(packet)
                    self.send(habit, 1, end, packet)
                    continue
                self.capture["client" if end else "server"].add(packet)
                try:
                    os.write(self.ends[not end], packet)
                except OSError:
                    pass  # gone
            timeout = min(.05, max(0, self.waiting[0][0] - now)) if self.waiting else .05
            for fd in select.select(self.ends, [], [], timeout)[0]:
                end = self.ends.index(fd)
                try:
                    packet = os.read(fd, 65536)
                except OSError:
                    continue
                if packet and packet[0] >> 4 == 4 and lab.is_tcp(packet):
                    self.capture["server" if end else "client"].add(packet)
                    self.send(self.habit(lab.numbers(packet)[end]), 0, end, packet)
        for capture in self.capture.values():
            capture.file.close()

    def stop(self):
        self.over.set()
        self.join()


# ---- the ends ----

class Lwip:
    """lwip_end at one end."""

    def __init__(self, program, directory, end, count, seed, addresses):
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
        for side in (ours, theirs):
            side.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4 << 20)
        ours.setblocking(False)
        self.socket, self.fd, self.files = ours, ours.fileno(), [f"{directory}/{end}.{what}" for what in ("states", "held")]
        self.command = [program, str(theirs.fileno()), str(seed), str(count), ("client", "server")[end], addresses[end],
                        addresses[not end], *self.files]
        self.theirs, self.process = theirs, None

    def begin(self):
        self.process = subprocess.Popen(self.command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, pass_fds=[self.theirs.fileno()])
        self.wait()

    def wait(self):
        """Until it is ready, and then, at the client, until it is through."""
        self.process.stdout.readline()

    def stop(self):
        """(its changes of state, its ends that were in TIME-WAIT)"""
        if self.process:
            self.process.stdin.close()
            self.process.wait(20)
            self.process.stdout.close()
        self.theirs.close()
        self.socket.close()
        if not self.process or self.process.returncode:
            return None, []
        with open(self.files[0]) as states, open(self.files[1]) as held:
            return states.read(), [(own, int(port), peer, int(other)) for own, port, peer, other in map(str.split, held)]


def plan(draw):
    """What an application does: (what, of how much)"""
    steps = [draw.choice((("send", draw.choice((1, 100, 1460, 5000, 40000))), ("receive", draw.choice((1, 1000, 40000))),
                          ("nap", draw.choice((0, .001, .01, .06))))) for _ in range(draw.randrange(5))]
    return steps + list(draw.choice(((), (), (), (("shut", 0), ("read", 0)), (("shut", 0), ("read", 0)), (("shut", 0), ("nap", .2)),
                                     (("reset", 0),), (("read", 0),), (("read", 0),), (("both", 0),), (("shut", 0),))))


def play(connection, steps):
    connection.settimeout(PATIENCE)
    with connection:
        try:
            for what, of in steps:
                if what == "send":
                    connection.sendall(b"k" * of)
                elif what == "receive":
                    connection.recv(of)
                elif what == "nap":
                    time.sleep(of)
                elif what == "reset":
                    lab.linger_zero(connection)
                elif what == "read":
                    while connection.recv(65536):
                        pass
                else:
                    connection.shutdown(socket.SHUT_WR if what == "shut" else socket.SHUT_RDWR)
        except OSError:
            pass


def serve(net, address, seed, ready):
    net.enter(1)
    draw = random.Random(seed)
    with socket.create_server((address, PORT), backlog=512) as listening:
        ready.set()
        while True:
            threading.Thread(target=play, args=(listening.accept()[0], plan(draw)), daemon=True).start()


def connect(pair, number, steps, room):
    with room, socket.socket() as client:
        client.bind((pair[0], FIRST_PORT + number))
        client.settimeout(12)
        try:
            client.connect((pair[1], PORT))
            play(client, steps)
        except OSError:
            pass


def drive(net, pair, count, seed):
    net.enter(0)
    draw, room = random.Random(seed), threading.Semaphore(AT_ONCE)
    threads = [threading.Thread(target=connect, args=(pair, number, plan(draw), room)) for number in range(count)]
    for thread in threads:
        thread.start()
        time.sleep(.002)
    for thread in threads:
        thread.join()


class Kernel:
    """This machine's kernel at one end, in a namespace with a TUN device."""

    def __init__(self, directory, end, count, seed):
        self.end, self.count, self.seed, self.directory, self.addresses = end, count, seed, directory, lab.ADDRESS[4]
        self.net, self.trace, self.holders, self.process = lab.Namespaces(), None, None, None
        try:
            self.fd = lab.tun(self.net, end)
            self.trace = kernel_record.Trace()
        except BaseException:
            self.stop()
            raise

    def begin(self):
        if self.end:
            ready = multiprocessing.Event()
            self.process = multiprocessing.Process(target=serve, args=(self.net, self.addresses[1], self.seed, ready), daemon=True)
            self.process.start()
            ready.wait(10)
        else:
            self.process = multiprocessing.Process(target=drive, args=(self.net, self.addresses, self.count, self.seed))
            self.process.start()
        self.holders = kernel_record.Holders(self.net, (self.end,))

    def wait(self):
        self.process.join()

    def stop(self):
        held = self.holders.stop() if self.holders else []
        if self.process:
            self.process.kill()
            self.process.join()
        text = ""
        if self.trace:
            self.trace.write("events/sock/inet_sock_set_state/enable", "0")
            self.trace.store(f"{self.directory}/{self.end}.states", (self.addresses[self.end],))
            self.trace.close()
            with open(f"{self.directory}/{self.end}.states") as states:
                text = states.read()
        self.net.close()
        return text, held


# ---- recordings ----

def record(program, directory, pair, impaired, count, seed):
    os.makedirs(directory, exist_ok=True)
    draw, ends, path = random.Random(seed), [], None
    lab.own_addresses(os.getpid() * 8 + draw.randrange(8))
    try:
        for end in (0, 1):
            own = draw.randrange(1, 100000)
            ends.append(Lwip(program, directory, end, count, own, lab.ADDRESS[4]) if end in PAIRS[pair] else
                        Kernel(directory, end, count, own))
        path = Path([end.fd for end in ends], directory, draw, impaired)
        ends[1].begin()
        ends[0].begin()
        ends[0].wait()
        time.sleep(LINGERS[impaired])
    finally:
        if path:
            path.stop()
        told = [end.stop() for end in ends]
    if not all(text for text, _ in told):
        raise RuntimeError("an end left no record")
    with open(f"{directory}/kernel.jsonl", "w") as states, open(f"{directory}/timewait.json", "w") as holders:
        states.write("".join(text for text, _ in told))
        json.dump(sorted(held for _, some in told for held in some), holders)


def build(directory):
    """The program that is one end, or None without lwIP."""
    if not shutil.which("pkg-config") or subprocess.run(["pkg-config", "--exists", "lwip"]).returncode:
        return None
    words = {what: shlex.split(subprocess.run(["pkg-config", what, "lwip"], capture_output=True, text=True).stdout)
             for what in ("--cflags", "--libs")}
    program = os.path.join(directory, "lwip_end")
    compiler = shlex.split(os.environ.get("CC", "cc"))
    subprocess.run([*compiler, "-std=gnu11", "-O1", "-g", "-Wall", "-Wextra", *(word.replace("-I", "-isystem", 1) for word in words["--cflags"]),
                    "-o", program, os.path.join(HERE, "live", "lwip_end.c"), *words["--libs"], "-pthread"], check=True)
    return program


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=400)
    parser.add_argument("--clean", type=int, default=200)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1000, 100000))
    parser.add_argument("--show", type=int, default=0)
    parser.add_argument("--keep")
    o = parser.parse_args()
    tools, directory = kernel_record.shared(), o.keep or tempfile.mkdtemp(prefix="lwip-")
    tap = lab.Tap()
    try:
        os.makedirs(directory, exist_ok=True)
        program = build(directory)
        if not tools or not program:
            print(f"1..0 # SKIP needs {'lwIP (liblwip-dev)' if tools else 'compare.py (TCPAUDIT_SHARED names its folder)'}")
            return 77
        no_kernel = lab.why_not() or kernel_record.why_not()
        print(f"# seed {o.seed}")
        for kind, count in (("clean", o.clean), ("impaired", o.count)):
            for number, pair in enumerate(PAIRS):
                if no_kernel and pair != "both":
                    tap.skip(f"{kind}, lwIP at {pair}", no_kernel)
                    continue
                recording = os.path.join(directory, f"{kind}-{pair}")
                record(program, recording, pair, kind == "impaired", count, o.seed + number)
                for place in PLACES:
                    wrong, figures, _ = kernel_record.judge(tools, recording, place, f"{place}.pcap", EXACT[kind], o.show, EXPECTED)
                    tap.check(f"{kind}, lwIP at {pair}, {place}: {figures}", wrong)
    finally:
        if not o.keep:
            shutil.rmtree(directory, ignore_errors=True)
    return tap.done()


if __name__ == "__main__":
    sys.exit(main())
