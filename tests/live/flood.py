#!/usr/bin/env python3
"""flood.py [SECONDS]: a flood of SYNs, each from another socket, at the speed of a veth pair, beside 100 connections of the kernel's.
Under a memory limit that the flood fills many times over, these are reported as their sockets ended them, and as without the flood."""
import os
import struct
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
sys.dont_write_bytecode = True  # the source may be read-only
import lab
import line_rate
import scenarios

CONNECTIONS, SYNS, MEMCAP, ATTEMPTS = 100, 40000, 64, 3


def folded(data):
    total = sum(struct.unpack(f">{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return 0xFFFF ^ total


def syn(number):
    """An Ethernet frame that no kernel takes for its own: it goes to another station."""
    src, dst = struct.pack(">I", 0x0A000000 | number * 2654435761 & 0xFFFFFF), bytes((203, 0, 113, 9))
    port = 1024 + number % 60000
    tcp = struct.pack(">HHIIBBHHH", port, 443, number * 40503 & 0xFFFFFFFF, 0, 5 << 4, 2, 65535, 0, 0)
    tcp = tcp[:16] + struct.pack(">H", folded(src + dst + struct.pack(">HH", 6, len(tcp)) + tcp)) + tcp[18:]
    head = struct.pack(">BBHHHBBH", 0x45, 0, 20 + len(tcp), 0, 0x4000, 64, 6, 0) + src + dst
    head = head[:10] + struct.pack(">H", folded(head)) + head[12:]
    return b"\x02\0\0\0\0\x77" + b"\x02\0\0\0\0\x66" + b"\x08\0" + head + tcp


def write_flood(path):
    with open(path, "wb") as file:
        file.write(struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 1))
        for number in range(SYNS):
            frame = syn(number)
            file.write(struct.pack("<IIII", 1700000000, number, len(frame), len(frame)) + frame)


def shape(flow):
    """What a flow record says that time and load do not change."""
    return flow["close"]["kind"], flow["close"]["closed_first"], flow["close"]["confidence"], tuple(sorted(flow["findings"]))


def write_rules(path):
    """Flags the kernel's connections: millions of others need no record."""
    with open(path, "w") as file:
        file.write("rules: [{id: real, on: close, when: dest_port >= 20000, severity: note, title: a connection of the kernel's}]\n")


def run(net, directory, flood, seconds, first_port):
    """(records, problems of the sockets, [shape of each real connection by its port], packets of the flood)."""
    kinds = [s for s in scenarios.ON_A_CABLE if s.times == 1 and s.serve]
    plan = [(4, first_port + i, kinds[i % len(kinds)]) for i in range(CONNECTIONS)]
    audit = lab.audit_interface(net.name[1], net.device[1], "--memcap", f"{MEMCAP}M", "--flows", "flagged", "--min-severity", "note",
                                "--rules", os.path.join(directory, "real.yaml"))
    sender, sent, begun = None, 0, time.monotonic()
    if flood:
        sender = subprocess.Popen(["ip", "netns", "exec", net.name[0], "timeout", "-s", "INT", str(seconds), line_rate.sender(), flood,
                                   net.device[0], "1", "1000000"], stdout=subprocess.PIPE, text=True)
        time.sleep(min(1, seconds / 4))
    problems = []
    for at in range(0, CONNECTIONS, 20):  # over the length of the flood
        problems += scenarios.run_all(net, plan[at:at + 20])
        if flood:
            time.sleep(max(0, begun + seconds * (at + 20) / (CONNECTIONS + 20) - time.monotonic()))
    if sender:
        sender.wait()
    memory = own_memory(audit)
    status, out, _ = audit.stop()
    records = lab.records(out)
    real = {f["dest_port"]: f for f in lab.flows(records) if f["dest_port"] in {port for _, port, _ in plan}}
    for (version, port, scenario), trouble in zip(plan, problems):
        trouble += scenarios.judge(list(real.values()), version, port, scenario)
    return status, records, [p for trouble in problems for p in trouble], {port - first_port: shape(f) for port, f in real.items()}, memory


def own_memory(audit):
    """MiB, without the ring, which is the kernel's; what an engine has taken it keeps."""
    with open(f"/proc/{audit.process.pid}/status") as status:
        return next(int(line.split()[1]) / 1024 for line in status if line.startswith("RssAnon"))


def whatever_was_dropped(records, end, memory):
    """What holds in each flood, by name: problems."""
    kernel, read = end["kernel"], end["packets"]["read"]
    limit = MEMCAP * 1.05 + 16  # the program itself, and nDPI's tables
    return {"ledger": [] if kernel["received"] == read + kernel["dropped"] else [str(kernel), str(read)],
            "SYNs give way to SYNs": [] if end["connections"]["evicted"] > SYNS else [str(end["connections"])],
            "nobody is accused": [f for f in end["findings"] if any(
                r["severity"] in ("warning", "error") for r in records if r.get("rule_id") == f)],
            "memory": [] if memory <= limit else [f"{memory:.0f} MiB, the limit is {limit:.0f}"]}


def main():
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 4
    reason = line_rate.why_not()
    if reason:
        print(f"1..0 # SKIP {reason}")
        return 0
    tap, net = lab.Tap(), lab.Cable()
    try:
        with tempfile.TemporaryDirectory() as directory, lab.Backlog():
            flood = os.path.join(directory, "flood.pcap")
            write_flood(flood)
            write_rules(os.path.join(directory, "real.yaml"))
            _, _, trouble, quiet, _ = run(net, directory, None, 0, 20000)
            tap.check(f"quiet: {CONNECTIONS} connections as their sockets ended them", trouble)
            always = {}
            for attempt in range(ATTEMPTS):  # processors that others use meanwhile may be too slow for a link
                _, records, trouble, flooded, memory = run(net, directory, flood, seconds, 21000 + 1000 * attempt)
                end = lab.summary(records)
                for what, problems in whatever_was_dropped(records, end, memory).items():
                    always.setdefault(what, []).extend(problems)
                print(f"# {end['packets']['read']} packets in {seconds:.0f} s, {end['kernel']['dropped']} dropped, "
                      f"{end['connections']['evicted']} SYNs evicted, {memory:.0f} MiB, longest pause "
                      f"{end['kernel']['longest_pause_us']} us")
                if not end["kernel"]["dropped"]:
                    break
            tap.check(f"in a flood: {CONNECTIONS} connections as their sockets ended them", trouble)
            tap.check("and as without it", [f"{i}: {quiet.get(i)} was quiet, {flooded.get(i)}" for i in range(CONNECTIONS)
                                            if quiet.get(i) != flooded.get(i)])
            for what, problems in always.items():
                tap.check(what, problems)
    finally:
        net.close()
    return tap.done()


if __name__ == "__main__":
    sys.exit(main())
