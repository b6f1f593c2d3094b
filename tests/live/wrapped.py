#!/usr/bin/env python3
"""Connections in tags, labels and tunnels, both directions alike or not, and those that a router refuses, shared among workers: all of
each is judged by one of them, as in a file; where it is received, where it is sent, and on `any`."""
import collections
import os
import socket
import struct
import sys
import tempfile
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "..")]
sys.dont_write_bytecode = True  # the source may be read-only
import lab
import line_rate
import makecap

CONNECTIONS, REFUSED = 600, 200
GAP = 0.0001  # seconds between frames: more than a busy machine needs for one


def over_udp(port, header, outer=makecap.OUTER):
    """In a tunnel whose outer source port goes by the direction, as kernels choose it."""
    def wrap(packet, frame):
        source = 49152 + (sum(frame) * 31 + frame[-1]) % 16000
        return makecap.ethernet(makecap.udp_packet(*outer, (source, port), header + frame))
    return lambda packet: wrap(packet, makecap.ethernet(packet))


vxlan = over_udp(4789, struct.pack("!II", 0x08000000, 42 << 8))
geneve = over_udp(6081, struct.pack("!BBHI", 0, 0, 0x6558, 43 << 8))
plain = makecap.ethernet
tag = makecap.tagged((0x8100, 10))
double = makecap.tagged((0x88A8, 20), (0x8100, 30))


def gre_in_vxlan(packet):
    return vxlan(makecap.gre(packet)[14:])


def gtp_u_extended(packet):
    header = struct.pack("!BBHIHBB", 0x34, 0xFF, 8 + len(packet), 7, 1, 0, 0x85) + bytes([1, 0x10, 9, 0])
    return makecap.ethernet(makecap.udp_packet(*makecap.OUTER, (2152, 2152), header + packet))


def segment_routed(packet):
    """RFC 8754, as the first router wraps it: the outer hosts say nothing of the connection."""
    header = bytes([4 if packet[0] >> 4 == 4 else 41, 2, 4, 0, 0, 0, 0, 0]) + socket.inet_pton(socket.AF_INET6, "2001:db8:2::5")
    return makecap.ethernet(makecap.ip_packet(f"2001:db8:3::{packet[-1]:x}", "2001:db8:2::5", 43, header + packet))


# Of the client's packets, of the server's.
WAYS = [(plain, plain), (tag, tag), (tag, plain), (double, plain), (makecap.mpls, makecap.mpls), (makecap.mpls, plain),
        (makecap.pppoe, makecap.pppoe), (makecap.ipip, makecap.ipip), (makecap.gre, makecap.gre), (vxlan, vxlan), (geneve, geneve),
        (vxlan, plain), (makecap.gtp_u, makecap.gtp_u), (gre_in_vxlan, gre_in_vxlan), (gtp_u_extended, makecap.gtp_u), (segment_routed, plain)]


def addresses(i):
    client, server = f"10.{i % 7}.{i // 250}.{i % 250 + 1}", f"172.16.{i % 3}.{i % 11 + 1}"
    return (client, server) if i % 4 else (f"2001:db8::{i + 1:x}", f"2001:db8:1::{i % 11 + 1:x}")


def is_of_client(packet, client):
    six = packet[0] >> 4 == 6
    return socket.inet_ntop(socket.AF_INET6 if six else socket.AF_INET, packet[8:24] if six else packet[12:16]) == client


def closes():
    for i in range(CONNECTIONS):
        client, server = addresses(i)
        connection = makecap.Connection(client, server, 20000 + i, clock=makecap.Clock(makecap.START + i * 0.0003)).open().exchange().four_way(i % 2)
        way = WAYS[i % len(WAYS)]
        for when, packet in connection.out:
            yield when, way[not is_of_client(packet, client)](packet)


def refusals():
    """A SYN, and what a router says of it: port unreachable, or for IPv6 administratively prohibited."""
    for i in range(REFUSED):
        client, server = addresses(i)
        when, packet = makecap.Connection(client, server, 30000 + i, clock=makecap.Clock(makecap.START + i * 0.0007)).send(0, makecap.SYN).out[0]
        yield when, plain(packet)
        if packet[0] >> 4 == 6:
            body = bytes([1, 1, 0, 0, 0, 0, 0, 0]) + packet
            yield when + 0.002, plain(makecap.ip_packet("2001:db8:ffff::1", client, 58, body))
        else:
            body = bytes([3, 3, 0, 0, 0, 0, 0, 0]) + packet[:28]
            body = body[:2] + struct.pack("!H", makecap.checksum(body)) + body[4:]
            yield when + 0.002, plain(makecap.ip_packet("192.0.2.99", client, 1, body))


def send(net, frames):
    """By the usual way, so that whoever captures here sees them, too."""
    def run():
        net.enter(0)
        out = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
        out.bind((net.device[0], 0))
        for frame in frames:
            out.send(frame)
            time.sleep(GAP)
    thread = threading.Thread(target=run)
    thread.start()
    thread.join()


def is_double(flow):
    """On `any`, Linux (6.18) says of a packet with two tags that it is IP, and hands it over with the second tag in front."""
    return double in WAYS[(flow["src_port"] - 20000) % len(WAYS)] and flow["src_port"] < 30000


def kinds(records, doubles=True):
    return dict(collections.Counter(f["close"]["kind"] for f in lab.flows(records) if doubles or not is_double(f)))


def judge(status, records, err, file, workers, sent, doubles):
    end = lab.summary(records)
    seats = collections.Counter(f["flow_id"] // line_rate.WORKER for f in lab.flows(records))
    problems = [] if status == 0 and end["packets"]["read"] == sent else [f"exit status {status}, {end['packets']} of {sent}", err]
    problems += line_rate.difference(kinds(file, doubles), kinds(records, doubles))
    if end["connections"]["split"]:
        problems.append(f"{end['connections']['split']} connections were split")
    share = (CONNECTIONS + REFUSED) / workers
    if sorted(seats) != list(range(1, workers + 1)) or not all(share * 0.6 < n < share * 1.5 for n in seats.values()):
        problems.append(f"connections per worker: {dict(seats)}")
    return problems


def main():
    reason = lab.why_not()
    if reason:
        print(f"1..0 # SKIP {reason}")
        return 0
    tap, net = lab.Tap(), lab.silent_cable()
    timed = sorted([*closes(), *refusals()], key=lambda frame: frame[0])
    frames = [frame for _, frame in timed]
    try:
        with tempfile.TemporaryDirectory() as directory, lab.Backlog():
            path = os.path.join(directory, "wrapped.pcap")
            makecap.pcap(path, timed)
            file = lab.audit_file(path, "--flows", "all")[1]
            tap.check("a file", line_rate.difference({"four-way": CONNECTIONS, "refused-icmp": REFUSED}, kinds(file)))
            runs = [("received", 1, net.device[1], 2), ("received, three workers", 1, net.device[1], 3),
                    ("received, any", 1, "any", 2), ("sent", 0, net.device[0], 2)]
            audits = [lab.audit_interface(net.name[end], device, "--workers", str(workers)) for _, end, device, workers in runs]
            send(net, frames)
            time.sleep(0.5)
            for (name, _, device, workers), audit in zip(runs, audits):
                status, out, err = audit.stop()
                tap.check(name, judge(status, lab.records(out), err, file, workers, len(frames), device != "any"))
    finally:
        net.close()
    return tap.done()


if __name__ == "__main__":
    sys.exit(main())
