"""Two network namespaces with the kernel's own TCP in each, the wire between them, and tcpaudit listening.

The wire is a veth pair (Cable), or two TUN devices joined by a relay that delays and drops (Relay).  Everything is
named by the process and removed at the end; no packet leaves the namespaces.  Needs root and iproute2."""
import ctypes
import fcntl
import heapq
import json
import os
import select
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time

CLONE_NEWNET = 0x40000000
TUNSETIFF, IFF_TUN, IFF_NO_PI = 0x400454CA, 0x0001, 0x1000
ADDRESS = {4: ("198.18.7.1", "198.18.7.2"), 6: ("2001:2:0:7::1", "2001:2:0:7::2")}
PREFIX = {4: 24, 6: 64}
_libc = ctypes.CDLL(None, use_errno=True)


def own_addresses(number):
    """Addresses of their own for one of 16384 labs: for what is told apart by address, as the kernel's trace events are."""
    high, low = number >> 6 & 255, (number & 63) << 2
    ADDRESS.update({4: (f"198.19.{high}.{low + 1}", f"198.19.{high}.{low + 2}"),
                    6: (f"2001:2:0:{number & 16383:x}::1", f"2001:2:0:{number & 16383:x}::2")})
    PREFIX[4] = 30


def program():
    return os.path.abspath(os.environ.get("TCPAUDIT", "./tcpaudit"))


def why_not():
    """Why these tests cannot run here, or None."""
    if os.geteuid() != 0:
        return "needs root"
    for tool in ("ip", "tcpdump"):
        if subprocess.run(["sh", "-c", f"command -v {tool}"], stdout=subprocess.DEVNULL).returncode:
            return f"needs {tool}"
    if not os.path.exists("/dev/net/tun"):
        return "needs /dev/net/tun"
    probe = f"tcpaudit-{os.getpid()}-probe"
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    if subprocess.run(["ip", "netns", "add", probe], **quiet).returncode:
        return "may not make network namespaces"
    usable = not subprocess.run(["ip", "netns", "exec", probe, "ip", "link", "set", "lo", "up"], **quiet).returncode
    subprocess.run(["ip", "netns", "del", probe], **quiet)
    return None if usable else "may not enter network namespaces"


class Tap:
    """Counts tests and prints them."""

    def __init__(self):
        self.count = self.failed = 0

    def check(self, name, problems):
        self.count += 1
        self.failed += bool(problems)
        print(f"{'not ok' if problems else 'ok'} {self.count} - {name}")
        for problem in problems[:8]:
            print(f"# {name}: {problem}")
        sys.stdout.flush()

    def skip(self, name, reason):
        self.count += 1
        print(f"ok {self.count} - {name} # SKIP {reason}")

    def done(self):
        print(f"1..{self.count}")
        return 1 if self.failed else 0


def ip(*words):
    subprocess.run(["ip", *words], check=True)


class Backlog:
    """Room for what a busy machine cannot take at once: a veth pair loses it silently, before anybody has seen it."""
    PATH = "/proc/sys/net/core/netdev_max_backlog"

    def __enter__(self):
        try:
            with open(self.PATH) as file:
                self.was = file.read()
            with open(self.PATH, "w") as file:
                file.write("1000000")
        except OSError:
            self.was = None

    def __exit__(self, *_):
        if self.was:
            with open(self.PATH, "w") as file:
                file.write(self.was)


class Namespaces:
    """The two namespaces; `enter` moves the calling thread into one."""

    def __init__(self):
        tag = f"{os.getpid()}"
        self.name = [f"tcpaudit-{tag}-a", f"tcpaudit-{tag}-b"]
        self.device = [f"ta{tag}", f"tb{tag}"]
        made = []
        try:
            for name in self.name:
                if os.path.exists(f"/run/netns/{name}"):  # of a process before that had this number and was killed
                    ip("netns", "del", name)
                ip("netns", "add", name)
                made.append(name)
                ip("-n", name, "link", "set", "lo", "up")
        except subprocess.CalledProcessError:
            for name in made:
                ip("netns", "del", name)
            raise

    def enter(self, end):
        fd = os.open(f"/run/netns/{self.name[end]}", os.O_RDONLY)
        try:
            if _libc.setns(fd, CLONE_NEWNET):
                raise OSError(ctypes.get_errno(), "setns")
        finally:
            os.close(fd)

    def sysctl(self, end, key, value):
        path = "/proc/sys/" + key.replace(".", "/")
        subprocess.run(["ip", "netns", "exec", self.name[end], "sh", "-c", f"echo {value} > {path}"], check=True)

    def run(self, name, *command, **how):
        return subprocess.run(["ip", "netns", "exec", name, *command], stdout=subprocess.PIPE, text=True, check=True, **how).stdout

    def address(self, end):
        """Gives the device of an end its addresses and waits until they are usable."""
        for version, pair in ADDRESS.items():
            flags = ["nodad"] if version == 6 else []
            ip("-n", self.name[end], "addr", "add", f"{pair[end]}/{PREFIX[version]}", "dev", self.device[end], *flags)
        ip("-n", self.name[end], "link", "set", self.device[end], "up")

    def close(self):
        for name in self.name:
            subprocess.run(["ip", "netns", "del", name])


class Cable(Namespaces):
    """A veth pair."""

    def __init__(self):
        super().__init__()
        try:
            ip("link", "add", self.device[0], "netns", self.name[0], "type", "veth", "peer", "name", self.device[1],
               "netns", self.name[1])
            self.address(0)
            self.address(1)
            for _ in range(100):
                if "LOWER_UP" in subprocess.run(["ip", "-n", self.name[0], "link", "show", self.device[0]],
                                                capture_output=True, text=True).stdout:
                    break
                time.sleep(0.02)
        except BaseException:
            self.close()
            raise


SIOCETHTOOL = 0x8946
OFFLOADS = {"rx-checksum": 0x15, "tx-checksum": 0x17, "tso": 0x1F, "gso": 0x24, "gro": 0x2C}  # ETHTOOL_S... commands


def offload(net, end, on):
    """Switches the offloads of an end's device; False where the device cannot."""
    result = []

    def switch():
        net.enter(end)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            for command in OFFLOADS.values():
                value = ctypes.create_string_buffer(struct.pack("II", command, on))
                request = struct.pack("16sP16x", net.device[end].encode(), ctypes.addressof(value))
                try:
                    fcntl.ioctl(sock, SIOCETHTOOL, request)
                    result.append(True)
                except OSError:
                    result.append(False)

    thread = threading.Thread(target=switch)  # a namespace is a thread's own
    thread.start()
    thread.join()
    return len(result) == len(OFFLOADS) and all(result)


def tun(net, end):
    """A TUN device as an end's only one, with its addresses: the descriptor."""
    fd = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
    fcntl.ioctl(fd, TUNSETIFF, struct.pack("16sH22x", net.device[end].encode(), IFF_TUN | IFF_NO_PI))
    ip("link", "set", net.device[end], "netns", net.name[end])
    net.address(end)
    return fd


class Relay(Namespaces):
    """Two TUN devices and a thread that carries packets between them.

    `policy(direction, packet)` says after how many seconds a packet arrives, None for never, or what must be true for it to
    go on (a function that is asked when others have come); direction 0 is from the client.  What passes the middle is written to `path` (raw IP), dropped packets too: they were lost after it."""

    def __init__(self, policy, path):
        super().__init__()
        self.policy, self.running = policy, True
        self.tun = []
        try:
            for end in (0, 1):
                self.tun.append(tun(self, end))
            self.file = open(path, "wb")
            self.file.write(struct.pack("<IHHiIII", 0xA1B23C4D, 2, 4, 0, 0, 262144, 101))
        except BaseException:
            self.close()
            raise
        self.thread = threading.Thread(target=self._carry)
        self.thread.start()

    def _carry(self):
        waiting, held, count = [], [], 0
        while self.running or waiting:
            now = time.monotonic()
            for item in [item for item in held if item[0]()]:
                held.remove(item)
                heapq.heappush(waiting, (now, *item[1:]))
            while waiting and waiting[0][0] <= now:
                _, _, direction, packet = heapq.heappop(waiting)
                try:
                    os.write(self.tun[not direction], packet)
                except OSError:
                    pass  # the other device is gone
            timeout = max(0, min(0.05, waiting[0][0] - now)) if waiting else 0.05
            for fd in select.select(self.tun, [], [], timeout)[0]:
                direction = self.tun.index(fd)
                try:
                    packet = os.read(fd, 65536)
                except OSError:
                    continue
                if not is_tcp(packet):
                    continue
                stamp = time.time_ns()
                self.file.write(struct.pack("<IIII", stamp // 10**9, stamp % 10**9, len(packet), len(packet)) + packet)
                delay = self.policy(direction, packet)
                count += 1
                if callable(delay):
                    held.append((delay, count, direction, packet))
                elif delay is not None:
                    heapq.heappush(waiting, (time.monotonic() + delay, count, direction, packet))

    def settle(self):
        """Stops carrying and completes the file."""
        self.running = False
        if getattr(self, "thread", None):
            self.thread.join()
            self.file.close()
            self.thread = None

    def close(self):
        self.settle()
        for fd in self.tun:
            os.close(fd)
        super().close()


def tcp_header(packet):
    return packet[(packet[0] & 15) * 4:] if packet[0] >> 4 == 4 else packet[40:]


def is_tcp(packet):
    return packet[9] == 6 if packet[0] >> 4 == 4 else packet[0] >> 4 == 6 and packet[6] == 6


def numbers(packet):
    """Ports, seq, ack, flags and length of the text of a raw IP packet."""
    tcp = tcp_header(packet)
    source, target, seq, ack, offset, flags = struct.unpack_from("!HHIIBB", tcp)
    return source, target, seq, ack, flags, len(tcp) - (offset >> 4) * 4


def checksum(octets):
    total = sum(struct.unpack(f"!{len(octets) // 2}H", octets))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def rejection(packet):
    """The reset that a router answers a segment with, in the name of whom it was sent to (RFC 9293 3.10.7.1)."""
    source, target, _, ack, _, _ = numbers(packet)
    size = 4 if packet[0] >> 4 == 4 else 16
    at = 12 if size == 4 else 8
    own, peer = packet[at + size:at + 2 * size], packet[at:at + size]
    tcp = struct.pack("!HHIIBBHHH", target, source, ack, 0, 5 << 4, 4, 0, 0, 0)
    tcp = tcp[:16] + struct.pack("!H", checksum(own + peer + struct.pack("!II", len(tcp), 6) + tcp)) + tcp[18:]
    if size == 16:
        return struct.pack("!IHBB", 6 << 28, len(tcp), 6, 64) + own + peer + tcp
    header = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(tcp), 0, 0x4000, 64, 6, 0) + own + peer
    return header[:10] + struct.pack("!H", checksum(header)) + header[12:] + tcp


def listeners(namespace):
    """Packet sockets of a namespace that are bound and running (the sixth column of /proc/net/packet)."""
    out = subprocess.run(["ip", "netns", "exec", namespace, "cat", "/proc/net/packet"], capture_output=True, text=True)
    return sum(line.split()[5] == "1" for line in out.stdout.splitlines()[1:])


def silent_cable():
    """Without neighbour discovery among the packets."""
    net = Cable()
    for end in (0, 1):
        net.sysctl(end, "net.ipv6.conf.all.disable_ipv6", 1)
    return net


class Listener:
    """A program that captures in a namespace until it is stopped."""

    def __init__(self, namespace, command, out=None):
        before = listeners(namespace)
        self.out, self.err = out or tempfile.TemporaryFile(), tempfile.TemporaryFile()
        self.process = subprocess.Popen(["ip", "netns", "exec", namespace, *command], stdout=self.out, stderr=self.err)
        quiet = "-q" in command
        for _ in range(500):  # both tcpaudit and tcpdump say when nothing will be missed any more
            said = listeners(namespace) > before if quiet else b"listening on" in os.pread(self.err.fileno(), 4096, 0)
            if said or self.process.poll() is not None:
                break
            time.sleep(0.02)
        time.sleep(0.4 if quiet else 0.1)  # from the socket to its ring and filter

    def end(self):
        """Exit status."""
        self.process.send_signal(signal.SIGINT)
        try:
            return self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            return self.process.wait()

    def stop(self):
        """(exit status, standard output, standard error)"""
        status, texts = self.end(), []
        for file in (self.out, self.err):
            file.seek(0)
            texts.append(file.read().decode())
            file.close()
        return status, texts[0], texts[1]


def audit_interface(namespace, device, *options, out=None):
    return Listener(namespace, [program(), "-i", device, "-T", "jsonl", "--flows", "all", *options], out)


def audit_file(path, *options):
    """(exit status, records) of tcpaudit over a file."""
    run = subprocess.run([program(), "-r", path, "-T", "jsonl", *options], capture_output=True, text=True)
    return run.returncode, records(run.stdout)


def records(text):
    return [json.loads(line) for line in text.splitlines()]


def flows(all_records):
    return [r for r in all_records if r["event_type"] == "flow"]


def summary(all_records):
    return all_records[-1] if all_records and all_records[-1]["event_type"] == "summary" else {}


class Server(threading.Thread):
    """Listens in namespace B, gives each accepted socket to `serve`, as often as `times` says."""

    def __init__(self, lab, version, port, serve, times=1, patience=10):
        super().__init__()
        self.lab, self.version, self.port, self.serve, self.times, self.patience = lab, version, port, serve, times, patience
        self.error, self.ready = None, threading.Event()
        self.start()
        self.ready.wait()

    def run(self):
        try:
            self.lab.enter(1)
            with socket.socket(socket.AF_INET if self.version == 4 else socket.AF_INET6) as listening:
                listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                listening.bind((ADDRESS[self.version][1], self.port))
                listening.listen(8)
                listening.settimeout(self.patience)
                self.ready.set()
                for _ in range(self.times):
                    accepted = listening.accept()[0]
                    with accepted:
                        accepted.settimeout(10)
                        self.serve(accepted)
        except Exception as error:  # reported by the test, not by the thread
            self.error = error
        finally:
            self.ready.set()


def connect(version, port, local_port=0, reuse=False):
    """A client's socket, connected; the calling thread is in namespace A."""
    client = socket.socket(socket.AF_INET if version == 4 else socket.AF_INET6)
    client.settimeout(10)
    if reuse:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        client.bind((ADDRESS[version][0], local_port))
        client.connect((ADDRESS[version][1], port))
    except OSError:
        client.close()
        raise
    return client


def linger_zero(sock):
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def read_all(sock):
    parts = []
    while part := sock.recv(65536):
        parts.append(part)
    return b"".join(parts)


def read_exactly(sock, n):
    got = b""
    while len(got) < n:
        part = sock.recv(n - len(got))
        if not part:
            raise OSError("closed early")
        got += part
    return got
