"""segments.py: TCP conversations as lists of segments: read from captures, changed, and written with right checksums."""
import copy
import socket
import struct

FIN, SYN, RST, PSH, ACK, URG, ECE, CWR = 1, 2, 4, 8, 16, 32, 64, 128
MASK = 0xFFFFFFFF


class Segment:
    """side: 0 is who sent the first SYN"""

    def __init__(self, time, side, flags, seq, ack=0, data=b"", window=0, options=None, ttl=64, ip_id=0, reserved=0):
        self.time, self.side, self.flags, self.seq, self.ack, self.data = time, side, flags, seq & MASK, ack & MASK, data
        self.window, self.options, self.ttl, self.ip_id, self.reserved = window, options or [], ttl, ip_id, reserved

    @property
    def length(self):
        return len(self.data) + bool(self.flags & SYN) + bool(self.flags & FIN)

    @property
    def end(self):
        return (self.seq + self.length) & MASK

    def option(self, kind):
        return next((value for k, value in self.options if k == kind), None)

    def without(self, kind):
        self.options = [(k, value) for k, value in self.options if k != kind]
        return self

    def tsval(self):
        return struct.unpack("!I", self.option(8)[:4])[0] if self.option(8) else None

    def stamp(self, tsval, tsecr):
        self.without(8).options.append((8, struct.pack("!II", tsval & MASK, tsecr & MASK)))
        return self


def distance(a, b):
    """a - b on the circle"""
    return (a - b + 2**31) % 2**32 - 2**31


class Conversation:
    def __init__(self, version, segments, name=""):
        self.version, self.segments, self.name = version, segments, name

    def copy(self):
        return copy.deepcopy(self)

    # -- what there is --
    def first(self, side, test, after=-1):
        return next((i for i, s in enumerate(self.segments) if i > after and s.side == side and test(s)), None)

    def fin(self, side):
        return self.first(side, lambda s: s.flags & FIN)

    def u(self, side):
        s = self.segments[self.fin(side)]
        return (s.seq + len(s.data)) & MASK

    def fin_acked(self, side):
        """The peer's first segment that acknowledges the FIN of this side."""
        u = self.u(side)
        return self.first(1 - side, lambda s: s.flags & ACK and distance(s.ack, u) > 0, self.fin(side))

    def closer(self):
        return 0 if self.fin(0) is not None and (self.fin(1) is None or self.fin(0) < self.fin(1)) else 1

    def nxt(self, side, before=None):
        """SND.NXT of a side in front of segment `before`."""
        value = None
        for s in self.segments[:before]:
            if s.side == side and not s.flags & RST and (value is None or distance(s.end, value) > 0):
                value = s.end
        return value

    def last(self, side, before=None):
        return next((s for s in reversed(self.segments[:before]) if s.side == side and not s.flags & RST), None)

    def stamped(self):
        return all(s.option(8) for s in self.segments if not s.flags & RST)

    def end_time(self):
        return max(s.time for s in self.segments)

    # -- changes --
    def cut(self, at):
        """Without segment `at` and all behind it."""
        self.segments = self.segments[:at]
        return self

    def add(self, side, flags, gap=0.01, seq=None, ack=None, data=b"", at=None, time=None, window=None, ttl=None, stamp=True,
            tsval=None, tsecr=None, ip_id=None):
        """A segment that this side could have sent there, but for what the arguments say.  Behind all others unless `at`."""
        at = len(self.segments) if at is None else at
        before, peer = self.last(side, at), self.last(1 - side, at)
        if time is None:
            time = self.segments[at - 1].time + gap
        own = before or peer
        s = Segment(time, side, flags, self.nxt(side, at) if seq is None else seq,
                    (self.nxt(1 - side, at) if ack is None else ack) if flags & ACK else 0, data,
                    own.window if window is None else window, [], own.ttl if ttl is None else ttl)
        if before and before.ip_id:
            s.ip_id = (before.ip_id + 1) & 0xFFFF
        if ip_id is not None:
            s.ip_id = ip_id
        if before and before.flags & SYN:
            s.window = own.window if window is None else window
        if stamp and before and before.option(8) and (not flags & RST or flags & ACK):
            s.stamp(before.tsval() + int((time - before.time) * 1000) + 1 if tsval is None else tsval,
                    (peer.tsval() if peer and peer.option(8) else 0) if tsecr is None else tsecr)
        self.segments.insert(at, s)
        return s

    def delay(self, at, seconds):
        """Segment `at` and all behind it come later."""
        for s in self.segments[at:]:
            s.time += seconds
        return self

    def shift(self, side, at, octets):
        """From segment `at` on, the stream of a side stands further ahead: text was put in before."""
        for s in self.segments[at:]:
            if s.side == side:
                s.seq = (s.seq + octets) & MASK
            elif s.flags & ACK:
                s.ack = (s.ack + octets) & MASK
        return self

    def order(self):
        self.segments.sort(key=lambda s: s.time)
        return self


# ---- frames ----

def _sum(data):
    if len(data) % 2:
        data += b"\0"
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return total


def _options(options):
    raw = b""
    for kind, value in options:
        raw += bytes([kind]) if kind < 2 else bytes([kind, 2 + len(value)]) + value
    return raw + b"\1" * (-len(raw) % 4)


def frame(segment, version, addresses, ports):
    """A raw IP packet.  addresses, ports: of side 0 and 1"""
    options = _options(segment.options)
    source, target = addresses[segment.side], addresses[1 - segment.side]
    tcp = struct.pack("!HHIIHHHH", ports[segment.side], ports[1 - segment.side], segment.seq, segment.ack,
                      (20 + len(options)) // 4 << 12 | segment.reserved << 9 | segment.flags, segment.window, 0, 0) + options + segment.data
    pseudo = source + target + struct.pack("!I", len(tcp)) + struct.pack("!I", 6)
    tcp = tcp[:16] + struct.pack("!H", ~_sum(pseudo + tcp) & 0xFFFF) + tcp[18:]
    if version == 6:
        return struct.pack("!IHBB", 6 << 28, len(tcp), 6, segment.ttl) + source + target + tcp
    ip = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(tcp), segment.ip_id, 0x4000, segment.ttl, 6, 0) + source + target
    return ip[:10] + struct.pack("!H", ~_sum(ip) & 0xFFFF) + ip[12:] + tcp


def _segment(time, packet):
    """(version, addresses, ports, Segment) of a raw IP packet, None if it holds no whole TCP segment"""
    version = packet[0] >> 4
    if version == 4 and packet[9] == 6 and not struct.unpack_from("!H", packet, 6)[0] & 0x3FFF:
        header, addresses, ttl, ip_id = 4 * (packet[0] & 15), (packet[12:16], packet[16:20]), packet[8], struct.unpack_from("!H", packet, 4)[0]
        packet = packet[:struct.unpack_from("!H", packet, 2)[0]]
    elif version == 6 and packet[6] == 6:
        header, addresses, ttl, ip_id = 40, (packet[8:24], packet[24:40]), packet[7], 0
        packet = packet[:40 + struct.unpack_from("!H", packet, 4)[0]]
    else:
        return None
    tcp = packet[header:]
    if len(tcp) < 20:
        return None
    source, target, seq, ack, flags, window = struct.unpack_from("!HHIIHH", tcp)
    offset, options, at = 4 * (flags >> 12), [], 20
    while at < offset and tcp[at]:
        if tcp[at] == 1:
            at += 1
            continue
        options.append((tcp[at], tcp[at + 2:at + tcp[at + 1]]))
        at += max(2, tcp[at + 1])
    segment = Segment(time, 0, flags & 0x1FF, seq, ack, tcp[offset:], window, options, ttl, ip_id)
    return version, addresses, (source, target), segment


def read(path):
    """[Conversation] of a pcap file of raw IP or Ethernet frames, in the order of their first segments; only those that begin with
    a SYN.  Times are seconds since the first frame."""
    with open(path, "rb") as file:
        data = file.read()
    order, unit = {b"\xd4\xc3\xb2\xa1": ("<", 1e6), b"\x4d\x3c\xb2\xa1": ("<", 1e9), b"\xa1\xb2\xc3\xd4": (">", 1e6),
                   b"\xa1\xb2\x3c\x4d": (">", 1e9)}[data[:4]]
    link = struct.unpack_from(order + "I", data, 20)[0] & 0xFFFF
    found, at, start = {}, 24, None
    while at + 16 <= len(data):
        seconds, fraction, length, _ = struct.unpack_from(order + "IIII", data, at)
        packet = data[at + 16:at + 16 + length]
        at += 16 + length
        if link == 1:
            if packet[12:14] not in (b"\x08\0", b"\x86\xdd"):
                continue
            packet = packet[14:]
        start = seconds if start is None else start
        parsed = _segment(seconds - start + fraction / unit, packet) if len(packet) >= 40 else None
        if not parsed:
            continue
        version, addresses, ports, segment = parsed
        ends = list(zip(addresses, ports))
        key = tuple(sorted(ends))
        if key not in found:
            if segment.flags & (SYN | ACK) != SYN:
                continue
            found[key] = (ends[0], Conversation(version, []))
        opener, conversation = found[key]
        segment.side = int(ends[0] != opener)
        conversation.segments.append(segment)
    return [conversation for _, conversation in found.values()]


def addresses(version, number):
    """Two addresses of the benchmarking networks, by a number."""
    if version == 6:
        return [socket.inet_pton(socket.AF_INET6, f"2001:2:{side}::{number:x}") for side in (1, 2)]
    return [bytes([198, 18 + side, number >> 8 & 255, number & 255]) for side in (0, 1)]


def write(path, conversations, start=1700000000.0):
    """A pcap file of raw IP with all of them, in time.  Conversation n has addresses(version, n + 1) and the ports 40000 and 443."""
    frames = []
    for number, conversation in enumerate(conversations, 1):
        where = addresses(conversation.version, number)
        for segment in conversation.segments:
            frames.append((segment.time, len(frames), frame(segment, conversation.version, where, (40000, 443))))
    frames.sort(key=lambda f: f[:2])
    with open(path, "wb") as file:
        file.write(struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 262144, 101))
        for time, _, packet in frames:
            stamp = start + time
            file.write(struct.pack("<IIII", int(stamp), int(stamp % 1 * 1e6), len(packet), len(packet)) + packet)
