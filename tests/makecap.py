#!/usr/bin/env python3
"""makecap.py - makes the captures of pcaps/.

  makecap.py generate DIR    those that are written octet by octet (the same every time), and DIR/expected.json
  makecap.py record DIR      those that the kernel's own TCP takes part in (root; see tests/live)
  makecap.py replay FILE N   N short connections on Ethernet, for the test with tcpreplay; kinds on standard output

expected.json says for each capture what its maker knows: how every connection ended, the TCP packets, why the other
frames were not analysed, and which findings were built in.  Nothing in it comes from tcpaudit's output."""
import collections
import gzip
import ipaddress
import json
import os
import random
import struct
import subprocess
import sys

sys.dont_write_bytecode = True
FIN, SYN, RST, PSH, ACK = 1, 2, 4, 8, 16
START = 1_700_000_000.0


def checksum(data):
    if len(data) % 2:
        data += b"\0"
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def ip_packet(source, target, protocol, payload, identification=0, ttl=64, fragment=0x4000):
    source, target = ipaddress.ip_address(source), ipaddress.ip_address(target)
    if source.version == 6:
        return struct.pack("!IHBB", 0x60000000, len(payload), protocol, ttl) + source.packed + target.packed + payload
    head = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(payload), identification, fragment, ttl, protocol, 0) + source.packed + target.packed
    return head[:10] + struct.pack("!H", checksum(head)) + head[12:] + payload


def tcp_segment(source, target, ports, seq, ack, flags, window, options, text):
    a, b = ipaddress.ip_address(source).packed, ipaddress.ip_address(target).packed
    options += b"\1" * (-len(options) % 4)
    head = struct.pack("!HHIIBBHHH", *ports, seq & 0xFFFFFFFF, ack & 0xFFFFFFFF, (5 + len(options) // 4) << 4, flags, window, 0, 0)
    body = head + options + text
    pseudo = a + b + (struct.pack("!BBH", 0, 6, len(body)) if len(a) == 4 else struct.pack("!II", len(body), 6))
    return body[:16] + struct.pack("!H", checksum(pseudo + body)) + body[18:]


def udp_packet(source, target, ports, payload, identification=0):
    return ip_packet(source, target, 17, struct.pack("!HHHH", *ports, 8 + len(payload), 0) + payload, identification)


class Clock:
    """Packet times: each step waits a little."""

    def __init__(self, now=START, step=0.010):
        self.now, self.step = now, step

    def tick(self, wait=None):
        self.now += self.step if wait is None else wait
        return self.now


class Connection:
    """Both ends of one connection; every method appends packets (time, IP packet) to `out`."""

    def __init__(self, client, server, port, service=80, seed=1, clock=None):
        rng = random.Random(f"{client}{server}{port}{service}{seed}")
        self.address, self.port = (client, server), (port, service)
        self.nxt = [rng.getrandbits(32), rng.getrandbits(32)]
        self.una = list(self.nxt)          # what the other end has acknowledged
        self.rcv = [0, 0]                  # what each end acknowledges
        self.id = [rng.getrandbits(15), rng.getrandbits(15)]
        self.clock, self.out = clock or Clock(), []

    def send(self, end, flags, text=b"", seq=None, ack=None, wait=None, window=512, arrives=True, syn_ack=False):
        """One segment.  seq and ack override what the end would send; a segment that does not arrive is captured."""
        options = struct.pack("!BBHBBBBBB", 2, 4, 1460, 4, 2, 1, 3, 3, 7) if flags & SYN else b""
        number = self.nxt[end] if seq is None else seq
        packet = ip_packet(self.address[end], self.address[not end], 6, tcp_segment(
            self.address[end], self.address[not end], (self.port[end], self.port[not end]), number,
            (self.rcv[end] if ack is None else ack) if flags & ACK else 0, flags, 65535 if flags & SYN else window, options, text),
            self.id[end])
        self.id[end] = (self.id[end] + 1) & 0xFFFF
        self.out.append((self.clock.tick(wait), packet))
        if seq is None:
            self.nxt[end] = (self.nxt[end] + len(text) + bool(flags & SYN) + bool(flags & FIN)) & 0xFFFFFFFF
            if arrives:
                self.rcv[not end] = self.nxt[end]
        return self

    def open(self):
        return self.send(0, SYN).send(1, SYN | ACK).send(0, ACK)

    def exchange(self, request=120, answer=700):
        self.send(0, PSH | ACK, b"q" * request).send(1, PSH | ACK, b"a" * answer)
        return self.send(0, ACK)

    # closes; `x` is the end that closes first
    def four_way(self, x=0):
        return self.send(x, FIN | ACK).send(not x, ACK).send(not x, FIN | ACK).send(x, ACK)

    def three_way(self, x=0):
        return self.send(x, FIN | ACK).send(not x, FIN | ACK).send(x, ACK)

    def simultaneous(self):
        before = self.rcv[1]
        self.send(0, FIN | ACK).send(1, FIN | ACK, seq=self.nxt[1], ack=before, wait=0.0005)
        self.nxt[1] = (self.nxt[1] + 1) & 0xFFFFFFFF
        self.rcv[0] = self.nxt[1]
        return self.send(0, ACK).send(1, ACK, wait=0.0005)

    def half_close(self, x=0, answer=3000):
        self.send(x, FIN | ACK).send(not x, ACK)
        for i in range(0, answer, 1000):
            self.send(not x, PSH | ACK, b"s" * min(1000, answer - i), wait=0.2).send(x, ACK)
        return self.send(not x, FIN | ACK).send(x, ACK)

    def abort(self, x=0):
        return self.send(x, RST | ACK)

    def half_closed(self, x=0):
        return self.send(x, FIN | ACK).send(not x, ACK)

    def ack_beyond(self, x=0):
        """The other end acknowledges one number past the FIN."""
        self.send(x, FIN | ACK)
        wrong = (self.nxt[x] + 1) & 0xFFFFFFFF
        return self.send(not x, ACK, ack=wrong)

    def last_ack_lost(self, x=0):
        self.send(x, FIN | ACK).send(not x, ACK).send(not x, FIN | ACK)
        fin, end = (self.nxt[not x] - 1) & 0xFFFFFFFF, self.nxt[not x]
        self.send(x, ACK)
        self.send(not x, FIN | ACK, seq=fin, wait=0.25)
        return self.send(x, ACK, ack=end)

    def time_wait_gone(self, x=0):
        """The last acknowledgment is lost, and the repeated FIN meets a reset instead of another one."""
        self.send(x, FIN | ACK).send(not x, ACK).send(not x, FIN | ACK)
        fin = (self.nxt[not x] - 1) & 0xFFFFFFFF
        self.send(x, ACK).send(not x, FIN | ACK, seq=fin, wait=1.0)
        return self.send(x, RST, window=0)

    def refused(self):
        self.send(0, SYN)
        self.out.append((self.clock.tick(), ip_packet(self.address[1], self.address[0], 6, tcp_segment(
            self.address[1], self.address[0], (self.port[1], self.port[0]), 0, self.nxt[0], RST | ACK, 0, b"", b""))))
        return self

    def unanswered(self, tries=3):
        self.send(0, SYN)
        for i in range(1, tries):
            self.send(0, SYN, seq=self.nxt[0] - 1, wait=2 ** (i - 1))
        return self


def in_time(*connections):
    return sorted((packet for connection in connections for packet in connection.out), key=lambda packet: packet[0])


# ---- link layers and tunnels: each takes an IP packet ----

MAC = b"\x02\0\0\0\0\x0b", b"\x02\0\0\0\0\x0a"


def ethertype(packet):
    return struct.pack("!H", 0x86DD if packet[0] >> 4 == 6 else 0x0800)


def ethernet(packet, tags=b""):
    frame = MAC[0] + MAC[1] + tags + ethertype(packet) + packet
    return frame + b"\0" * (60 - len(frame))  # padding, which is not text


def tagged(*tags):
    return lambda packet: ethernet(packet, b"".join(struct.pack("!HH", kind, vlan) for kind, vlan in tags))


def ethernet_with(kind, body):
    return MAC[0] + MAC[1] + struct.pack("!H", kind) + body


def mpls(packet):
    return ethernet_with(0x8847, struct.pack("!II", 17 << 12 | 64, 18 << 12 | 0x100 | 64) + packet)


def pppoe(packet):
    ppp = struct.pack("!H", 0x0057 if packet[0] >> 4 == 6 else 0x0021) + packet
    return ethernet_with(0x8864, struct.pack("!BBHH", 0x11, 0, 1, len(ppp)) + ppp)


def cooked_v1(packet):
    return struct.pack("!HHH8s", 0, 1, 6, MAC[1] + b"\0\0") + ethertype(packet) + packet


def cooked_v2(packet):
    return ethertype(packet) + struct.pack("!HIHBB8s", 0, 2, 1, 0, 6, MAC[1] + b"\0\0") + packet


def null_little(packet):
    return struct.pack("<I", 30 if packet[0] >> 4 == 6 else 2) + packet


def loop(packet):
    return struct.pack("!I", 30 if packet[0] >> 4 == 6 else 2) + packet


def ppp(packet):
    return b"\xff\x03" + struct.pack("!H", 0x0057 if packet[0] >> 4 == 6 else 0x0021) + packet


def wifi(packet):
    data = b"\x08\x01\0\0" + MAC[0] + MAC[1] + MAC[0] + b"\0\0"  # to the distribution system
    return data + b"\xaa\xaa\x03\0\0\0" + ethertype(packet) + packet


def radiotap(packet):
    return struct.pack("<BBHI", 0, 0, 8, 0) + wifi(packet)


OUTER = "192.0.2.1", "192.0.2.2"


def ipip(packet):
    return ethernet(ip_packet(*OUTER, 41 if packet[0] >> 4 == 6 else 4, packet))


def gre(packet):
    return ethernet(ip_packet(*OUTER, 47, struct.pack("!H", 0x2000) + ethertype(packet) + struct.pack("!I", 99) + packet))


def vxlan(packet):
    return ethernet(udp_packet(*OUTER, (51000, 4789), struct.pack("!II", 0x08000000, 42 << 8) + ethernet(packet)))


def geneve(packet):
    return ethernet(udp_packet(*OUTER, (51001, 6081), struct.pack("!BBHI", 0, 0, 0x6558, 43 << 8) + ethernet(packet)))


def gtp_u(packet):
    return ethernet(udp_packet(*OUTER, (2152, 2152), struct.pack("!BBHI", 0x30, 0xFF, len(packet), 7) + packet))


# ---- files ----

def pcap(path, frames, linktype=1, big=False, nanoseconds=False, snaplen=262144):
    order, unit = ">" if big else "<", 10**9 if nanoseconds else 10**6
    parts = [struct.pack(order + "IHHiIII", 0xA1B23C4D if nanoseconds else 0xA1B2C3D4, 2, 4, 0, 0, snaplen, linktype)]
    for time, frame in frames:
        ticks = round(time * unit)
        parts.append(struct.pack(order + "IIII", ticks // unit, ticks % unit, min(len(frame), snaplen), len(frame)) + frame[:snaplen])
    data = b"".join(parts)
    with open(path, "wb") as file:
        file.write(data)
    return data


class Pcapng:
    """Blocks of one file; a section begins with section()."""

    def __init__(self):
        self.data, self.order = b"", "<"

    def block(self, kind, body):
        body += b"\0" * (-len(body) % 4)
        self.data += struct.pack(self.order + "II", kind, 12 + len(body)) + body + struct.pack(self.order + "I", 12 + len(body))

    def options(self, *options):
        out = b""
        for code, value in options:
            out += struct.pack(self.order + "HH", code, len(value)) + value + b"\0" * (-len(value) % 4)
        return out + struct.pack(self.order + "HH", 0, 0) if out else b""

    def section(self, order="<", comment=None):
        self.order = order
        self.block(0x0A0D0D0A, struct.pack(order + "IHHq", 0x1A2B3C4D, 1, 0, -1) + self.options(*([(1, comment)] if comment else [])))

    def interface(self, linktype, name=b"eth0", resolution=6, snaplen=262144):
        self.block(1, struct.pack(self.order + "HHI", linktype, 0, snaplen) + self.options((2, name), (9, bytes([resolution]))))

    def packet(self, interface, time, frame, resolution=6, drops=None):
        ticks = round(time * 10**resolution)
        options = self.options((4, struct.pack(self.order + "Q", drops))) if drops is not None else b""
        self.block(6, struct.pack(self.order + "IIIII", interface, ticks >> 32, ticks & 0xFFFFFFFF, len(frame), len(frame)) +
                   frame + b"\0" * (-len(frame) % 4) + options)

    def simple_packet(self, frame):
        self.block(3, struct.pack(self.order + "I", len(frame)) + frame)

    def obsolete_packet(self, interface, time, frame, drops=0):
        ticks = round(time * 10**6)
        self.block(2, struct.pack(self.order + "HHIIII", interface, drops, ticks >> 32, ticks & 0xFFFFFFFF, len(frame), len(frame)) + frame)

    def statistics(self, interface, time, received, dropped):
        ticks = round(time * 10**6)
        self.block(5, struct.pack(self.order + "III", interface, ticks >> 32, ticks & 0xFFFFFFFF) +
                   self.options((4, struct.pack(self.order + "Q", received)), (5, struct.pack(self.order + "Q", dropped))))

    def names(self):
        self.block(4, struct.pack(self.order + "HH", 1, 16) + b"\xc0\0\x02\x02example.org" + b"\0" + struct.pack(self.order + "HH", 0, 0))

    def secrets(self):
        text = b"# no secrets here\n"
        self.block(10, struct.pack(self.order + "II", 0x544C534B, len(text)) + text)

    def custom(self, copied=True):
        self.block(0x00000BAD if copied else 0x40000BAD, struct.pack(self.order + "I", 32473) + b"custom")

    def write(self, path):
        with open(path, "wb") as file:
            file.write(self.data)


class Maker:
    """Writes captures into a folder and remembers what is known of them."""

    def __init__(self, folder):
        self.folder, self.expected = folder, {}
        os.makedirs(folder, exist_ok=True)

    def path(self, name):
        return os.path.join(self.folder, name)

    def known(self, name, kinds, tcp, findings=(), status=0, verdict="ok", **not_analysed):
        self.expected[name] = {
            "by_close": dict(sorted(collections.Counter(kinds).items())), "tcp": tcp,
            "not_analysed": {key.replace("_", "-"): n for key, n in sorted(not_analysed.items())},
            "findings": dict(sorted(collections.Counter(findings).items())), "exit_status": status, "verdict": verdict}

    def finish(self):
        with open(self.path("expected.json"), "w") as file:
            json.dump(self.expected, file, indent=1, sort_keys=True)
            file.write("\n")


def a_close(port, six=False, clock=None):
    client, server = ("2001:db8::1", "2001:db8::2") if six else ("198.51.100.1", "198.51.100.2")
    return Connection(client, server, port, clock=clock).open().exchange().four_way()


A_CLOSE = 10  # segments of a_close


# Every link type and encapsulation, IPv4 and IPv6.
LINKS = [(1, ethernet), (113, cooked_v1), (276, cooked_v2), (101, bytes), (0, null_little), (108, loop), (9, ppp), (105, wifi), (127, radiotap)]


def make_link_types(make):
    file, kinds = Pcapng(), []
    file.section()
    for linktype, _ in LINKS:
        file.interface(linktype, b"if%d" % linktype)
    file.interface(147, b"user0")
    for i, (_, wrap) in enumerate(LINKS):
        for six in (False, True):
            for time, packet in a_close(10000 + i, six, Clock(START + i)).out:
                file.packet(i, time, wrap(packet))
            kinds.append("four-way")
    file.packet(len(LINKS), START + 20, b"a link type of somebody's own")
    file.write(make.path("link-types.pcapng"))
    make.known("link-types.pcapng", kinds, A_CLOSE * len(kinds), verdict="incomplete", linktype=1)


def make_encapsulations(make):
    wraps = [tagged((0x8100, 10)), tagged((0x88A8, 20), (0x8100, 30)), mpls, pppoe]
    frames = [(time, wrap(packet)) for i, wrap in enumerate(wraps) for six in (False, True)
              for time, packet in a_close(11000 + i, six, Clock(START + i)).out]
    frames.append((START + 9, ethernet_with(0x0806, b"\0\1\x08\0\6\4\0\1" + MAC[1] + b"\xc6\x33\x64\1" + b"\0" * 6 + b"\xc6\x33\x64\2" + b"\0" * 18)))
    frames.append((START + 9.1, ethernet(udp_packet("198.51.100.1", "198.51.100.2", (53, 53), b"not TCP"))))
    pcap(make.path("encapsulations.pcap"), frames, big=True)
    make.known("encapsulations.pcap", ["four-way"] * 8, 8 * A_CLOSE, not_ip=1, not_tcp=1)


def make_tunnels(make):
    wraps = [ipip, gre, vxlan, geneve, gtp_u]
    frames = [(time, wrap(packet)) for i, wrap in enumerate(wraps) for six in (False, True)
              for time, packet in a_close(12000 + i, six, Clock(START + i)).out]
    pcap(make.path("tunnels.pcap"), frames, nanoseconds=True)
    make.known("tunnels.pcap", ["four-way"] * 10, 10 * A_CLOSE)


def fragments_of(packet, size, identification):
    """The fragments of an IP packet."""
    six = packet[0] >> 4 == 6
    head, body = (packet[:40], packet[40:]) if six else (packet[:20], packet[20:])
    source, target = (head[8:24], head[24:40]) if six else (head[12:16], head[16:20])
    for at in range(0, len(body), size):
        more = at + size < len(body)
        if six:
            part = struct.pack("!BBHI", 6, 0, at | more, identification) + body[at:at + size]
            yield ip_packet(ipaddress.ip_address(source), ipaddress.ip_address(target), 44, part)
        else:
            yield ip_packet(ipaddress.ip_address(source), ipaddress.ip_address(target), 6, body[at:at + size], identification,
                            fragment=at // 8 | 0x2000 * more)


def make_fragments(make):
    """The answer of each connection travels in three fragments: in order, backwards, and with one that is lost."""
    frames, extra = [], 0
    for i, six in enumerate((False, True)):
        for j, order in enumerate(((0, 1, 2), (2, 1, 0))):
            for n, (time, packet) in enumerate(a_close(13000 + 10 * i + j, six, Clock(START + i + j * 5)).out):
                if n != 4:
                    frames.append((time, ethernet(packet)))
                    continue
                parts = list(fragments_of(packet, 256, 77 + j))
                frames += [(time + k * 0.0001, ethernet(parts[part])) for k, part in enumerate(order)]
                extra += len(parts) - 1
    lost = list(fragments_of(a_close(13100).out[4][1], 256, 99))[:2]
    frames += [(START + 10 + k * 0.0001, ethernet(part)) for k, part in enumerate(lost)]
    frames += [(START + 60, ethernet(udp_packet("198.51.100.1", "198.51.100.2", (53, 53), b"long after")))]
    pcap(make.path("fragments.pcap"), frames)
    make.known("fragments.pcap", ["four-way"] * 4, 4 * A_CLOSE, fragment=extra, fragment_lost=2, not_tcp=1)


def make_sections(make):
    """Two sections in different byte orders, with every kind of block between the packets."""
    file = Pcapng()
    file.section("<", b"first section")
    file.interface(1, b"eth0", 6)
    file.names()
    for n, (time, packet) in enumerate(a_close(14000).out):
        file.packet(0, time, ethernet(packet), drops=0 if n == 0 else None)
    file.custom()
    file.secrets()
    file.statistics(0, START + 1, 10, 0)
    file.section(">", b"second section")
    file.interface(101, b"tun0", 9)
    file.interface(1, b"eth1", 6)
    clock = Clock(START + 5)
    for n, (time, packet) in enumerate(a_close(14001, True, clock).out):
        if n == 3:
            file.custom(copied=False)
        file.packet(0, time, packet, resolution=9)
    for time, packet in a_close(14002, False, clock).out:
        file.obsolete_packet(1, time, ethernet(packet))
    file.block(0x12345678, b"a block that nobody knows")
    file.statistics(1, START + 9, 13, 3)
    file.write(make.path("sections.pcapng"))
    make.known("sections.pcapng", ["four-way"] * 3, 3 * A_CLOSE, verdict="incomplete", not_packet=2)


def make_compressed(make):
    data = pcap(make.path("plain.pcap"), [(time, ethernet(packet)) for time, packet in a_close(15000).out])
    os.remove(make.path("plain.pcap"))
    with open(make.path("four-way.pcap.gz"), "wb") as file:
        file.write(gzip.compress(data, mtime=0))
    with open(make.path("four-way.pcap.zst"), "wb") as file:
        file.write(subprocess.run(["zstd", "-q", "-c"], input=data, stdout=subprocess.PIPE, check=True).stdout)
    for name in ("four-way.pcap.gz", "four-way.pcap.zst"):
        make.known(name, ["four-way"], A_CLOSE)
    with open(make.path("cut.pcap"), "wb") as file:
        file.write(data[:-30])  # inside the record of the last acknowledgment
    make.known("cut.pcap", ["last-ack-missing"], A_CLOSE - 1, status=3, verdict="incomplete")


def make_snaplen(make):
    connection = Connection("198.51.100.1", "198.51.100.2", 16000).open().exchange(900, 1400).half_close()
    pcap(make.path("snaplen.pcap"), [(time, ethernet(packet)) for time, packet in connection.out], snaplen=60)
    make.known("snaplen.pcap", ["half-close"], len(connection.out))


def make_wrap(make):
    """Sequence numbers pass zero in the text, at the FIN, and right behind the SYN."""
    connections = []
    for i, (client, server) in enumerate(((0xFFFFFFFF, 0xFFFFFFFE), (0xFFFFFFFF - 120, 0xFFFFFFFF - 700), (0xFFFFFFC0, 0xFFFFFF00))):
        connection = Connection("198.51.100.1", "198.51.100.2", 17000 + i, clock=Clock(START + i))
        connection.nxt = [client, server]
        connections.append(connection.open().exchange().four_way(i % 2))
    pcap(make.path("wrap.pcap"), in_time(*connections), linktype=101)
    make.known("wrap.pcap", ["four-way"] * 3, 3 * A_CLOSE)


# ---- what applications say first: (end, text) in turn ----

def tls_record(kind, body):
    return struct.pack("!BHH", kind, 0x0303, len(body)) + body


def handshake(kind, body):
    return tls_record(22, struct.pack("!I", kind << 24 | len(body)) + body)


def tls_extension(kind, body):
    return struct.pack("!HH", kind, len(body)) + body


def tls(name=b"www.example.com", padding=0):
    """RFC 8446 4.1.2, 4.1.3: both hellos, and what follows them sealed."""
    extensions = tls_extension(0, struct.pack("!HBH", len(name) + 3, 0, len(name)) + name) + \
        tls_extension(10, struct.pack("!HHH", 4, 29, 23)) + tls_extension(13, struct.pack("!HHHH", 6, 0x0403, 0x0804, 0x0401)) + \
        tls_extension(43, struct.pack("!BHH", 4, 0x0304, 0x0303)) + tls_extension(21, b"\0" * padding)
    client = b"\x03\x03" + bytes(range(32)) + b"\x20" + bytes(range(32, 64)) + struct.pack("!HHHH", 6, 0x1301, 0x1302, 0xC02F) + \
        b"\1\0" + struct.pack("!H", len(extensions)) + extensions
    chosen = tls_extension(43, struct.pack("!H", 0x0304))
    server = b"\x03\x03" + bytes(range(64, 96)) + b"\x20" + bytes(range(32, 64)) + struct.pack("!HB", 0x1301, 0) + \
        struct.pack("!H", len(chosen)) + chosen
    sealed = bytes((i * 167 + 13) & 0xFF for i in range(256))
    return [(0, handshake(1, client)), (1, handshake(2, server) + tls_record(20, b"\1") + tls_record(23, sealed)),
            (0, tls_record(23, sealed[:90])), (1, tls_record(23, sealed[:200]))]


HTTP = [(0, b"GET /index.html HTTP/1.1\r\nHost: www.example.com\r\nUser-Agent: makecap\r\nAccept: */*\r\n\r\n"),
        (1, b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 40\r\n\r\n<html><body>nothing here</body></html>\r\n")]
SSH = [(1, b"SSH-2.0-OpenSSH_9.2p1\r\n"), (0, b"SSH-2.0-OpenSSH_9.6\r\n"), (0, struct.pack("!IBB", 108, 6, 20) + bytes(106)),
       (1, struct.pack("!IBB", 108, 6, 20) + bytes(106))]
SMTP = [(1, b"220 mail.example.com ESMTP ready\r\n"), (0, b"EHLO client.example.com\r\n"), (1, b"250-mail.example.com\r\n250 SIZE 1000000\r\n"),
        (0, b"MAIL FROM:<a@example.com>\r\n"), (1, b"250 2.1.0 Ok\r\n"), (0, b"QUIT\r\n"), (1, b"221 2.0.0 Bye\r\n")]

FTP = [(1, b"220 files.example.com FTP server ready, and nobody is to ask it for anything but files\r\n"), (0, b"USER anonymous\r\n"),
       (1, b"331 Any password will do\r\n"), (0, b"PASS none\r\n"), (1, b"230 Logged in\r\n"), (0, b"QUIT\r\n"), (1, b"221 Bye\r\n")]


def postgres_message(kind, body):
    return kind + struct.pack("!I", len(body) + 4) + body


POSTGRES = [(0, postgres_message(b"", struct.pack("!I", 196608) + b"user\0app\0database\0shop\0\0")),
            (1, postgres_message(b"R", struct.pack("!I", 5) + b"salt")), (0, postgres_message(b"p", b"md5" + b"0" * 32 + b"\0")),
            (1, postgres_message(b"R", struct.pack("!I", 0)) + postgres_message(b"S", b"client_encoding\0UTF8\0") +
             postgres_message(b"Z", b"I")),
            (0, postgres_message(b"Q", b"select 1\0")), (1, postgres_message(b"C", b"SELECT 1\0") + postgres_message(b"Z", b"I"))]
POSTGRES_TLS = [(0, struct.pack("!II", 8, 80877103)), (1, b"S")]
NOBODY = [(i % 2, bytes((j * 37 + i * 11 + 129) & 0xFF for j in range(90))) for i in range(16)]


def speak(connection, texts, mss=1400):
    for end, text in texts:
        for at in range(0, len(text), mss):
            connection.send(end, PSH | ACK, text[at:at + mss])
        connection.send(not end, ACK)
    return connection


def make_applications(make):
    """Each application closes in its own way; ports and addresses give no hint."""
    connections, kinds, labels, findings, frames = [], [], {}, [], []

    def add(label, kind, texts, play, service, six=False, wrap=ethernet, mss=1400):
        port = 18000 + len(connections)
        client, server = ("2001:db8::11", "2001:db8::80") if six else ("198.51.100.11", "198.51.100.80")
        connection = Connection(client, server, port, service, clock=Clock(START + len(connections)))
        play(speak(connection.open(), texts, mss))
        connections.append(connection)
        kinds.append(kind)
        labels[str(port)] = label
        frames.extend((time, wrap(packet)) for time, packet in connection.out)

    def repeated(texts):  # the first segment comes twice, and the second time with what follows
        def play(connection):
            first, rest = texts[0][1][:20], texts[0][1][20:]
            connection.send(0, PSH | ACK, first).send(0, PSH | ACK, first, seq=connection.nxt[0] - 20, wait=0.3)
            connection.send(0, PSH | ACK, first + rest, seq=connection.nxt[0] - 20, wait=0.3)
            connection.nxt[0] = (connection.nxt[0] + len(rest)) & 0xFFFFFFFF
            connection.rcv[1] = connection.nxt[0]
            speak(connection.send(1, ACK), texts[1:]).four_way(1)
        return play

    four, three, abort, half = (lambda c: c.four_way()), (lambda c: c.three_way(1)), (lambda c: c.abort()), (lambda c: c.half_close(0, 2000))
    add("HTTP", "four-way", HTTP, lambda c: c.four_way(1), 80)
    add("HTTP", "three-way", HTTP, three, 9191, six=True)
    add("HTTP", "half-close", HTTP[:1], half, 8888)
    add("HTTP", "four-way", [], repeated(HTTP), 8081)
    add("TLS", "three-way", tls(), three, 443)
    add("TLS", "abort-client", tls(), abort, 4433, six=True)
    add("TLS", "abort-client", tls(padding=1600), abort, 443)
    add("TLS", "four-way", tls(), four, 18443, wrap=vxlan)
    add("SSH", "four-way", SSH, four, 22)
    add("SSH", "four-way", SSH, four, 443)
    add("PostgreSQL", "four-way", POSTGRES, four, 5432)
    add("PostgreSQL", "abort-client", POSTGRES_TLS + tls(), abort, 6543)
    add("SMTP", "four-way", SMTP, lambda c: c.four_way(1), 25)
    add(None, "four-way", NOBODY, four, 80)
    add(None, "four-way", NOBODY[:2], four, 443)
    add(None, "four-way", [], four, 22)
    add("FTP_CONTROL", "four-way", FTP, lambda c: c.four_way(1), 2121)
    add("FTP_CONTROL", "four-way", FTP, lambda c: c.four_way(1), 21, mss=40)
    frames.sort(key=lambda frame: frame[0])
    pcap(make.path("applications.pcap"), frames)
    make.known("applications.pcap", kinds, len(frames), ["rst-instead-of-fin"] * kinds.count("abort-client"), verdict="ok")
    make.expected["applications.pcap"]["labels"] = labels


class Incident:
    """A morning at a small service: most of it goes well."""

    def __init__(self):
        self.rng, self.port, self.connections, self.kinds, self.findings = random.Random(7), 40000, [], [], []

    def add(self, kind, client, server, service, play, findings=(), at=None):
        self.port += self.rng.randint(1, 40)
        clock = Clock(START + (self.rng.uniform(0, 280) if at is None else at), self.rng.uniform(0.004, 0.03))
        connection = Connection(client, server, self.port, service, clock=clock)
        play(connection)
        self.connections.append(connection)
        self.kinds.append(kind)
        self.findings += findings

    def client(self):
        return f"192.0.2.{self.rng.randint(20, 60)}"


WEB, DATABASE, SORTER, BALANCER = "198.51.100.10", "198.51.100.20", "198.51.100.30", "198.51.100.7"


def make_incident(make):
    day = Incident()
    sizes = lambda: (day.rng.randint(40, 200), day.rng.randint(100, 500))
    for i in range(17):
        day.add("four-way", day.client(), WEB, 443, lambda c: c.open().exchange(*sizes()).exchange(*sizes()).four_way(i % 3 == 0))
    for i in range(8):
        day.add("three-way", day.client(), WEB, 443, lambda c: c.open().exchange(*sizes()).three_way(i % 2))
    for i in range(3):
        day.add("four-way", f"2001:db8::{i + 5}", "2001:db8::443", 443, lambda c: c.open().exchange(*sizes()).four_way(1))
    for i in range(4):
        day.add("half-close", day.client(), SORTER, 7007, lambda c: c.open().send(0, PSH | ACK, b"x" * 800).send(1, ACK).half_close(0, 2000))
    day.add("simultaneous", day.client(), WEB, 443, lambda c: c.open().exchange(*sizes()).simultaneous())
    day.add("four-way", day.client(), WEB, 443, lambda c: c.open().exchange(*sizes()).last_ack_lost())
    for i in range(4):
        day.add("abort-client", day.client(), WEB, 443, lambda c: c.open().exchange(*sizes()).abort(), ["rst-instead-of-fin"])
    for i in range(2):
        day.add("abort-server", day.client(), DATABASE, 5432, lambda c: c.open().exchange(*sizes()).abort(1), ["rst-instead-of-fin"])
    for i in range(6):  # the database's clients leave, and nobody closes behind them
        day.add("half-closed", day.client(), DATABASE, 5432, lambda c: c.open().exchange(*sizes()).half_closed(), ["close-wait-leak"], at=20 + 20 * i)
    for i in range(3):  # a balancer that counts the FIN twice
        day.add("half-closed", day.client(), BALANCER, 443, lambda c: c.open().exchange(*sizes()).ack_beyond(), ["fin-ack-beyond", "close-wait-leak"])
    day.add("refused", day.client(), DATABASE, 5433, lambda c: c.refused())
    day.add("refused", day.client(), DATABASE, 5433, lambda c: c.refused())
    # a host that forgets its TIME-WAIT
    day.add("four-way", "192.0.2.77", WEB, 443, lambda c: c.open().exchange(*sizes()).time_wait_gone(), ["tw-early-gone"])
    day.add("syn-timeout", day.client(), "198.51.100.99", 22, lambda c: c.unanswered(5), at=60)
    day.add("open-idle", day.client(), WEB, 443, lambda c: c.open().exchange(*sizes()), at=100)
    day.add("open-active", day.client(), WEB, 443, lambda c: c.open().exchange(*sizes()), at=290)
    file = Pcapng()
    file.section("<", b"made by tests/makecap.py; nobody was harmed")
    file.interface(1, b"eth0")
    packets = in_time(*day.connections)
    for time, packet in packets:
        file.packet(0, time, ethernet(packet))
    file.statistics(0, START + 300, len(packets), 0)
    file.write(make.path("incident.pcapng"))
    make.known("incident.pcapng", day.kinds, len(packets), day.findings, verdict="findings")


def generate(folder):
    make = Maker(folder)
    for step in (make_link_types, make_encapsulations, make_tunnels, make_fragments, make_sections, make_compressed, make_snaplen,
                 make_wrap, make_applications, make_incident):
        step(make)
    make.finish()


# ---- recorded ----

def record(folder):
    """One file for each scenario of tests/live, an IPv4 and an IPv6 connection in each."""
    sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "live"))
    import lab
    import scenarios
    reason = lab.why_not()
    if reason:
        sys.exit(f"makecap.py: {reason}")
    os.makedirs(folder, exist_ok=True)
    expected, raw = {}, os.path.join(folder, "raw.tmp")
    net = lab.Cable()
    try:
        net.sysctl(0, "net.ipv4.tcp_tw_reuse", 1)
        dump = lab.Listener(net.name[1], ["tcpdump", "-i", net.device[1], "-U", "-w", raw])
        plan = [(version, 7000 + i, scenario) for version in (4, 6) for i, scenario in enumerate(scenarios.ON_A_CABLE)]
        troubles = scenarios.run_all(net, plan)
        dump.stop()
    finally:
        net.close()
    if any(troubles):
        sys.exit(f"makecap.py: {troubles}")
    frames = read_pcap(raw)
    os.remove(raw)
    for i, scenario in enumerate(scenarios.ON_A_CABLE):
        mine = [(time, frame) for time, frame in frames
                if frame[12:14] in (b"\x08\0", b"\x86\xdd") and lab.is_tcp(frame[14:]) and 7000 + i in lab.numbers(frame[14:])[:2]]
        save(folder, expected, scenario, mine, 1)
    for i in range(len(scenarios.on_a_relay())):
        mine = []
        for version in (4, 6):
            policy, scenario = scenarios.on_a_relay()[i]
            net = lab.Relay(policy, raw)
            try:
                troubles = scenarios.run_all(net, [(version, 7100 + i, scenario)])
            finally:
                net.close()
            if any(troubles):
                sys.exit(f"makecap.py: {troubles}")
            mine += read_pcap(raw)
        os.remove(raw)
        save(folder, expected, scenario, mine, 101)
    with open(os.path.join(folder, "recorded.json"), "w") as file:
        json.dump(expected, file, indent=1, sort_keys=True)
        file.write("\n")


def save(folder, expected, scenario, frames, linktype):
    name = "kernel-" + "-".join("".join(c if c.isalnum() else " " for c in scenario.name.lower()).split()) + ".pcap"
    pcap(os.path.join(folder, name), frames, linktype, nanoseconds=True)
    expected[name] = {"by_close": {scenario.expect["kind"]: 2 * scenario.times}, "tcp": len(frames), "not_analysed": {},
                      "findings": {note: 2 * scenario.times for note in scenario.notes}, "exit_status": 0, "verdict": "ok"}


def read_pcap(path):
    with open(path, "rb") as file:
        data = file.read()
    unit = {0xA1B2C3D4: 10**6, 0xA1B23C4D: 10**9}[struct.unpack_from("<I", data)[0]]
    frames, at = [], 24
    while at + 16 <= len(data):
        seconds, fraction, length, _ = struct.unpack_from("<IIII", data, at)
        frames.append((seconds + fraction / unit, data[at + 16:at + 16 + length]))
        at += 16 + length
    return frames


def replay(path, count):
    rng, connections, kinds = random.Random(11), [], collections.Counter()
    plays = {"four-way": lambda c: c.four_way(), "three-way": lambda c: c.three_way(1), "half-close": lambda c: c.half_close(),
             "simultaneous": lambda c: c.simultaneous(), "abort-client": lambda c: c.abort(), "half-closed": lambda c: c.half_closed()}
    for i in range(count):
        kind = rng.choice(list(plays))
        clock = Clock(START + rng.uniform(0, 2), 0.0004)
        connection = Connection(f"198.51.100.{i % 200 + 1}", "198.51.101.1", 1024 + i, clock=clock).open().exchange()
        clock.step = 0.0004
        plays[kind](connection)
        connections.append(connection)
        kinds[kind] += 1
    pcap(path, [(time, ethernet(packet)) for time, packet in in_time(*connections)])
    print(json.dumps(kinds))


def main():
    if len(sys.argv) == 3 and sys.argv[1] == "generate":
        generate(sys.argv[2])
    elif len(sys.argv) == 3 and sys.argv[1] == "record":
        record(sys.argv[2])
    elif len(sys.argv) == 4 and sys.argv[1] == "replay":
        replay(sys.argv[2], int(sys.argv[3]))
    else:
        sys.exit(__doc__)


if __name__ == "__main__":
    main()
