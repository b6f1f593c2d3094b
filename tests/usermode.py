#!/usr/bin/env python3
"""usermode.py [--count N] [--seed N] [--show N] [--keep DIR]: the mirror against the kernel's own record, with a user-mode stack opposite.

Containers without root, and virtual machines, reach the network through a program that ends their connections and opens others in their
place: slirp4netns (libslirp, which QEMU has, too; BSD's stack in its youth) and pasta (passt, which has no TIME-WAIT).  N connections
through each, begun by this machine's kernel and by the program, are captured between the two; for slirp4netns also with a firewall in the
kernel's namespace that drops a tenth of what comes and of what goes (pasta of 2023 then repeats text without end).  The states that
tcpaudit infers of the kernel's end are held against the state changes that it reported (compare.py, as in truth.py).  libslirp forgets text
that waits to be acknowledged when a SYN-ACK is repeated, and sends its FIN again where that text began: so fin-moved may be told of it,
and nothing else is to be an error or a warning.

--count N  connections of each kind (300)
--seed N   of what is drawn by lot; by default another one each time
--show N   print N of the ends that are not exact, of each capture
--keep DIR leave the recordings there
Prints TAP, a line for each program, role and path.  Needs root, network namespaces, the kernel's event tracing, ip, ss, tcpdump, nft, and
slirp4netns or pasta; without them it skips, with exit status 77."""
import argparse
import json
import multiprocessing
import os
import random
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.dont_write_bytecode = True  # the source may be read-only
sys.path[:0] = [os.path.join(HERE, "live"), HERE]
import kernel_record
import lab
import lwip
import paths

PORT, FORWARDED, FIRST_PORT = 8080, 8081, 20000
EXACT = {"clean": 97, "dropping": 94}  # percent, at least
LINGERS = {"clean": 3, "dropping": 10}  # s, until what was closed has been settled
DROPS = "table ip path {\n" + "".join(
    f"chain {hook} {{\ntype filter hook {hook} priority 0;\n{way} lo accept\nip protocol tcp numgen random mod 100 < 10 drop\n}}\n"
    for hook, way in (("input", "iif"), ("output", "oif"))) + "}\n"
DEVICE, MOST = "tap0", "2000000"  # packets


class Program:
    """One end of the kernel's connections; `net`: the kernel's namespace, and the one that the program itself opens connections in."""
    expected, paths = set(), ("clean",)

    def __init__(self, net, number, directory):
        self.net, self.directory = net, directory
        self.own, self.gateway, self.outside = (f"10.{number}.{host}" for host in ("2.100", "2.2", "9.1"))
        with open(f"{directory}/program.log", "w") as log:
            self.process = subprocess.Popen(["ip", "netns", "exec", net.name[1], *self.command()], stdout=log, stderr=log)
        until = time.monotonic() + 10
        while self.own not in net.run(net.name[0], "ip", "-4", "addr"):
            if time.monotonic() > until:
                self.process.kill()
                raise RuntimeError(f"{self.command()[0]} does not begin")
            time.sleep(.1)
        time.sleep(.5)

    def stop(self):
        self.process.kill()
        self.process.wait()


class Slirp(Program):
    needs, expected, paths = "slirp4netns", {"fin-moved"}, ("clean", "dropping")

    def command(self):
        return [self.needs, "--netns-type=path", f"--cidr={self.own.rsplit('.', 1)[0]}.0/24", "--configure", "--mtu=1500",
                f"--api-socket={self.directory}/api", f"/run/netns/{self.net.name[0]}", DEVICE]

    def forwards_at(self):
        """Where connections to the kernel's listener begin."""
        with socket.socket(socket.AF_UNIX) as api:
            api.connect(f"{self.directory}/api")
            api.sendall(json.dumps({"execute": "add_hostfwd", "arguments": {
                "proto": "tcp", "host_addr": "127.0.0.1", "host_port": FORWARDED, "guest_addr": self.own, "guest_port": PORT}}).encode())
            api.shutdown(socket.SHUT_WR)
            if b"return" not in api.recv(1000):
                raise RuntimeError("slirp4netns does not forward")
        return "127.0.0.1"


class Pasta(Program):
    needs = "pasta"

    def command(self):
        outer = self.net.name[1]
        lab.ip("-n", outer, "link", "add", "out", "type", "veth", "peer", "name", "nowhere")
        lab.ip("-n", outer, "addr", "add", f"{self.outside}/24", "dev", "out")
        for device in ("out", "nowhere"):
            lab.ip("-n", outer, "link", "set", device, "up")
        lab.ip("-n", outer, "route", "add", "default", "via", self.outside.rsplit(".", 1)[0] + ".9")
        return [self.needs, "--foreground", "--runas", "0:0", "--config-net", "--ns-ifname", DEVICE, "--interface", "out",
                "--address", self.own, "--netmask", "24", "--gateway", self.gateway, "--mtu", "1500",
                "--tcp-ports", f"{FORWARDED}:{PORT}", "--tcp-ns", "none", "--udp-ports", "none", "--udp-ns", "none", "--ipv4-only",
                "--netns-only", "--netns", f"/run/netns/{self.net.name[0]}"]

    def forwards_at(self):
        return self.outside


def serve(net, end, address, seed, ready):
    net.enter(end)
    draw = random.Random(seed)
    with socket.create_server((address, PORT), backlog=512) as listening:
        ready.set()
        while True:
            threading.Thread(target=lwip.play, args=(listening.accept()[0], lwip.plan(draw)), daemon=True).start()


def connect(own, number, target, steps, room):
    with room, socket.socket() as client:
        client.settimeout(12)
        try:
            client.bind((own, FIRST_PORT + number))  # no port twice; and the kernel traces SYN-SENT before it chooses one
            client.connect(target)
            lwip.play(client, steps)
        except OSError:
            pass


def drive(net, end, own, target, count, seed):
    net.enter(end)
    draw, room = random.Random(seed), threading.Semaphore(lwip.AT_ONCE)
    threads = [threading.Thread(target=connect, args=(own, number, target, lwip.plan(draw), room)) for number in range(count)]
    for thread in threads:
        thread.start()
        time.sleep(.004)
    for thread in threads:
        thread.join()


def record(kind, role, path, number, directory, count, seed):
    os.makedirs(directory, exist_ok=True)
    os.chmod(directory, 0o777)  # tcpdump writes as somebody else
    net, draw, program, trace, holders, listener, processes = lab.Namespaces(), random.Random(seed), None, None, None, None, []
    try:
        trace = kernel_record.Trace()
        program = kind(net, number, directory)
        listener = lab.Listener(net.name[0], ["tcpdump", "-c", MOST, "-B", "65536", "-s", "0", "--time-stamp-precision=nano", "-i", DEVICE,
                                              "-w", f"{directory}/{role}.eth.pcap", "tcp or icmp"])
        ready = multiprocessing.Event()
        begins = role == "client"
        server = (1, "127.0.0.1") if begins else (0, program.own)
        client = (0, program.own, (program.gateway, PORT)) if begins else (1, "", (program.forwards_at(), FORWARDED))
        if path == "dropping":
            net.run(net.name[0], "nft", "-f", "-", input=DROPS)
        processes.append(multiprocessing.Process(target=serve, args=(net, *server, draw.random(), ready), daemon=True))
        processes[0].start()
        ready.wait(10)
        processes.append(multiprocessing.Process(target=drive, args=(net, *client, count, draw.random())))
        processes[1].start()  # before the threads: a child would keep the pipes open that they read from their commands
        holders = kernel_record.Holders(net, (0,))
        processes[1].join(60 + count)
        time.sleep(LINGERS[path] + 1.5)  # what tcpdump still has in its ring comes within a second
    finally:
        if listener:
            listener.stop()
        if holders:
            with open(f"{directory}/timewait.json", "w") as f:
                json.dump(holders.stop(), f)
        for process in processes:
            process.kill()
            process.join()
        if trace:
            trace.write("events/sock/inet_sock_set_state/enable", "0")
            if program:
                trace.store(f"{directory}/kernel.jsonl", (program.own,))
            trace.close()
        if program:
            program.stop()
        net.close()
    paths.strip(f"{directory}/{role}.eth.pcap", f"{directory}/{role}.pcap")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=300)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1000, 100000))
    parser.add_argument("--show", type=int, default=0)
    parser.add_argument("--keep")
    o = parser.parse_args()
    tools = kernel_record.shared()
    reason = paths.why_not(tools) or (not shutil.which("nft") and "needs nft")
    kinds = [kind for kind in (Slirp, Pasta) if shutil.which(kind.needs)]
    if reason or not kinds:
        print(f"1..0 # SKIP {reason or 'needs slirp4netns or pasta'}")
        return 77
    tap, directory, number = lab.Tap(), o.keep or tempfile.mkdtemp(prefix="usermode-"), os.getpid() * 8 % 248
    print(f"# seed {o.seed}")
    try:
        for kind in kinds:
            for role in ("client", "server"):
                for path in kind.paths:
                    number = number % 254 + 1  # sockets that an earlier one has left behind are traced when they end
                    recording = os.path.join(directory, f"{kind.needs}-{role}-{path}")
                    record(kind, role, path, number, recording, o.count, o.seed + number)
                    wrong, figures, _ = kernel_record.judge(tools, recording, role, f"{role}.eth.pcap", EXACT[path], o.show, kind.expected)
                    tap.check(f"{kind.needs}, the kernel is {role}, {path}: {figures}", wrong)
    finally:
        if not o.keep:
            shutil.rmtree(directory, ignore_errors=True)
    return tap.done()


if __name__ == "__main__":
    sys.exit(main())
