#!/usr/bin/env python3
"""Two workers on an interface: what a run does besides auditing, while packets come.  Signals, rules that change, -c, -a, stats, an
interface that goes away, several interfaces, connections of which each worker sees one direction."""
import os
import signal
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "..")]
sys.dont_write_bytecode = True  # the source may be read-only
import lab
import line_rate
import makecap
import scenarios

CONNECTIONS, RATE = 2000, 20000
WORKERS = ("--workers", "2")
SETTLE = 0.3  # seconds until a busy machine's kernel has handed on what was sent


class Traffic:
    """The capture on its way; over when it is left."""

    def __init__(self, net, path, passes=1, rate=RATE, end=0, device=None):
        self.process = subprocess.Popen(["ip", "netns", "exec", net.name[end], line_rate.sender(), path, device or net.device[end], "2",
                                         str(passes), str(rate)], stdout=subprocess.PIPE, text=True)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.sent = int(self.process.communicate()[0].split()[0])
        time.sleep(SETTLE)


def ended(listener):
    """Its exit status and output, when it ends by itself."""
    status = listener.process.wait(20)
    listener.out.seek(0)
    listener.err.seek(0)
    return status, lab.records(listener.out.read().decode()), listener.err.read().decode()


def of_type(records, kind):
    return [r for r in records if r["event_type"] == kind]


def sums(records):
    """What every stats record and the summary owe: the rows of the workers add up."""
    problems = []
    for r in of_type(records, "stats") + of_type(records, "summary"):
        rows = r["workers"]
        for name, whole in (("packets", r["packets"]["read"]), ("connections", r["connections"]["total"]),
                            ("dropped", r["kernel"]["dropped"])):
            if sum(row[name] for row in rows) != whole:
                problems.append(f"{r['event_type']}: {name}: {rows}, together {whole}")
    return problems


def signals_and_stats(tap, net, path):
    audit = lab.audit_interface(net.name[1], net.device[1], *WORKERS, "--stats-interval", "1s")
    with Traffic(net, path, 3):
        for _ in range(20):
            audit.process.send_signal(signal.SIGUSR1)
            time.sleep(0.05)
    time.sleep(1.2)
    status, out, err = audit.stop()
    records = lab.records(out)
    stats = of_type(records, "stats")
    read = [r["packets"]["read"] for r in stats]
    tap.check("stats on USR1 and each second", [] if len(stats) >= 10 else [f"{len(stats)} records"])
    tap.check("stats grow", [] if read == sorted(read) and read and read[-1] > 0 else [f"{read}"])
    tap.check("workers add up", sums(records))
    tap.check("ledger", scenarios.judge_run(status, records, True) + ([err] if status else []))


def rules_change(tap, net, path):
    """A rule of the site appears while both workers are at work: findings of it, from both."""
    with tempfile.TemporaryDirectory() as directory:
        rules = os.path.join(directory, "rules.yaml")
        write = lambda text: open(rules, "w").write(text)
        write("checks:\n  rst-instead-of-fin:\n    severity: warning\n")
        audit = lab.audit_interface(net.name[1], net.device[1], *WORKERS, "--rules", rules)
        with Traffic(net, path, 4):
            time.sleep(0.3)
            for i in range(10):
                write("checks:\n  rst-instead-of-fin:\n    enabled: false\n"
                      f"rules:\n  - id: local-port-80-{i % 3}\n    on: close\n    when: dest_port == 80\n    severity: note\n"
                      f"    title: a connection to port 80, rule {i % 3}\n    scope: tcp port 80\n")
                audit.process.send_signal(signal.SIGHUP)
                time.sleep(0.1)
            write("rules: 7\n")  # a bad file keeps the rules of before
            audit.process.send_signal(signal.SIGHUP)
        status, out, err = audit.stop()
    records = lab.records(out)
    findings = of_type(records, "finding")
    own = {f["flow_id"] // line_rate.WORKER for f in findings if f["rule_id"].startswith("local-port-80")}
    problems = [] if own == {1, 2} else [f"findings of workers {own}"]
    if err.count("the rules were read again") < 5 or err.count("the old rules stay") != 1:
        problems.append(err)
    tap.check("rules change", problems + ([f"exit status {status}"] if status else []))


def count_stops(tap, net, path):
    audit = lab.audit_interface(net.name[1], net.device[1], *WORKERS, "-c", "5000")
    with Traffic(net, path):
        status, records, err = ended(audit)
    packets = lab.summary(records)["packets"]
    judged = packets["read"] - packets["not_analysed"].get("after-stop", 0)
    tap.check("-c counts over both", ([] if judged == 5000 else [f"{packets}"]) + scenarios.judge_run(status, records, True))


def time_stops(tap, net, path):
    audit = lab.audit_interface(net.name[1], net.device[1], *WORKERS, "-a", "duration:1.5")
    with Traffic(net, path, 3):
        status, records, err = ended(audit)
    tap.check("-a stops both", scenarios.judge_run(status, records, True))
    tap.check("-a: workers add up", sums(records))


def pinned(tap, net, path):
    processor = min(os.sched_getaffinity(0))
    audit = lab.audit_interface(net.name[1], net.device[1], *WORKERS, "--pin", str(processor))
    threads = [os.sched_getaffinity(int(t)) for t in os.listdir(f"/proc/{audit.process.pid}/task")]
    status, out, err = audit.stop()
    tap.check("--pin", [] if threads.count({processor}) >= 2 and status == 0 else [f"{threads}", err])


def halves(tap, net, path):
    """One direction deeper in tunnels than the kernel looks: what that parts is counted, and accused of nothing."""
    made = os.path.join(os.path.dirname(path), "deep.pcap")
    with open(path, "rb") as source, open(made, "wb") as target:
        data, at = source.read(), 24
        target.write(data[:24])
        while at < len(data):
            length = int.from_bytes(data[at + 8:at + 12], "little")
            frame = data[at + 16:at + 16 + length]
            for _ in range(4 if is_towards(frame) else 0):
                frame = vxlan(frame)
            size = len(frame).to_bytes(4, "little")
            target.write(data[at:at + 8] + size + size + frame)
            at += 16 + length
    audit = lab.audit_interface(net.name[1], net.device[1], *WORKERS)
    with Traffic(net, made):
        pass
    status, out, err = audit.stop()
    records = lab.records(out)
    end = lab.summary(records)["connections"]
    whole = sum(n for kind, n in end["by_close"].items() if not kind.startswith("oneway"))
    pairs = {}
    for f in lab.flows(records):
        ends = frozenset([(f["src_ip"], f["src_port"]), (f["dest_ip"], f["dest_port"])])
        pairs.setdefault(ends, set()).add(f["flow_id"] // line_rate.WORKER)
    split = sum(len(workers) > 1 for workers in pairs.values())
    problems = [] if 0 < split == end["split"] and f"{split} connections were seen by two workers" in err else [
        f"{split} pairs of sockets at two workers, split {end['split']}, {whole} whole", err]
    problems += [f"a severe finding of half a connection: {f['rule_id']}" for f in of_type(records, "finding")
                 if f["severity"] in ("warning", "error")][:3]
    tap.check(f"{split} connections seen by two workers, and counted", problems + ([f"status {status}"] if status else []))


def is_towards(frame):
    """From the lower address to the higher one."""
    return frame[26:30] < frame[30:34]


def vxlan(frame):
    return makecap.ethernet(makecap.udp_packet("192.0.2.1", "192.0.2.2", (49152, 4789), b"\x08\0\0\0\0\0\x07\0" + frame))


def several_interfaces(tap, net, path):
    """Every packet is seen twice, on the interface and on `any`."""
    audit = lab.audit_interface(net.name[1], net.device[1], *WORKERS, "-i", "any")
    with Traffic(net, path) as traffic:
        pass
    status, out, err = audit.stop()
    records = lab.records(out)
    end = lab.summary(records)
    seen = [row["packets"] for row in end["inputs"]]
    tap.check("two interfaces", ([] if seen == [traffic.sent, traffic.sent] and not end["kernel"]["dropped"] else
                                 [f"sent {traffic.sent}, seen {seen}", err]) + ([f"status {status}"] if status else []) + sums(records))


def kinds_of(flows):
    """By socket pair, in order: how each connection closed, and its octets of text."""
    return sorted((f["src_ip"], f["src_port"], f["dest_ip"], f["dest_port"], f["close"]["kind"], f["tcp"]["text_toserver"], f["tcp"]["text_toclient"])
                  for f in flows)


def headers(tap, net, path):
    """Nobody looks at text: so none is captured, and the report says what cannot be told without."""
    blind = ("--no-dpi", "--checksum", "off")
    file = lab.flows(lab.audit_file(path, "--flows", "all", *blind)[1])
    for option, snaplen, cut in (((), 256, ["rst-ts-missing", "cap-checksum-bad", "cap-fragments"]), (("-s", "0"), 262144, [])):
        audit = lab.audit_interface(net.name[1], net.device[1], *WORKERS, *blind, *option)
        with Traffic(net, path):
            pass
        status, out, err = audit.stop()
        records = lab.records(out)
        meta = records[0]
        problems = scenarios.judge_run(status, records, False)
        if meta["snaplen"] != snaplen or meta.get("checks_cut") != cut:
            problems.append(f"snaplen {meta['snaplen']}, cut {meta.get('checks_cut')}")
        if kinds_of(lab.flows(records)) != kinds_of(file):
            problems.append("other connections than in the file")
        if cut and not any("cap-snaplen" in f["capture"] for f in lab.flows(records)):
            problems.append("nothing was cut")
        tap.check("headers alone" if cut else "all of each packet, when it is asked for", problems)


def packets_of(flows):
    """By socket pair: how many packets were seen, and whether it is noted that some are missing.  Where the first ones are, it was
    not there yet when they were dropped."""
    seen, notes = {}, {"cap-drops", "cap-midstream", "cap-handshake-part"}
    for f in flows:
        ends = frozenset([(f["src_ip"], f["src_port"]), (f["dest_ip"], f["dest_port"])])
        count, noted = seen.get(ends, (0, False))
        count += f["flow"]["pkts_toserver"] + f["flow"]["pkts_toclient"]
        seen[ends] = count, noted or not notes.isdisjoint(f["capture"])
    return seen


def overload(tap, net, path):
    """Stopped now and then, it loses packets: all are counted, whoever lost some says so, and nobody is accused."""
    _, file = lab.audit_file(path)
    audit = lab.audit_interface(net.name[1], net.device[1], *WORKERS, "-B", "128", "-s", "256")
    with Traffic(net, path, rate=40000):
        for _ in range(5):
            audit.process.send_signal(signal.SIGSTOP)
            time.sleep(0.08)
            audit.process.send_signal(signal.SIGCONT)
            time.sleep(0.03)
    status, out, err = audit.stop()
    records = lab.records(out)
    end = lab.summary(records)
    dropped = end["kernel"]["dropped"]
    if not dropped:
        tap.skip("overload", "nothing was dropped")
        return
    whole, seen = packets_of(lab.flows(file)), packets_of(lab.flows(records))
    torn = [noted for ends, (count, noted) in seen.items() if count < whole[ends][0]]
    problems = scenarios.judge_run(status, records, False)  # no warnings, no errors
    if end["kernel"]["received"] != end["packets"]["read"] + dropped or end["verdict"] != "incomplete":
        problems.append(f"{end['verdict']}: {end['kernel']}, {end['packets']['read']} read")
    if not all(torn):
        problems.append(f"of {len(torn)} connections that lost packets {torn.count(False)} do not say so")
    if "dpi" in end and not end["dpi"]["shed"]:
        problems.append(f"labels were made while packets were lost: {end['dpi']}")
    tap.check("overload: ledger, drops are noted, nobody is accused", problems + sums(records))
    print(f"# {dropped} packets dropped, {len(torn)} connections lost some, {torn.count(True)} say so; labels: {end.get('dpi')}")


def standing_still(tap, net, _path):
    """What was due while the program stood still is not made up for."""
    problems = []
    for options in (), WORKERS:
        audit = lab.audit_interface(net.name[1], net.device[1], "--stats-interval", "1s", *options)
        audit.process.send_signal(signal.SIGSTOP)
        time.sleep(8)
        audit.process.send_signal(signal.SIGCONT)
        time.sleep(3)
        count = sum(r["event_type"] == "stats" for r in lab.records(audit.stop()[1]))
        if not 2 <= count <= 6:
            problems.append(f"{count} stats records")
    tap.check("stats after a standstill", problems)


def interface_down(tap, net, path):
    """It is there all the while: said when it goes down and when it is up again, to whoever asks for quiet, too; and the run goes on."""
    for options in (), WORKERS, ("-q",):
        audit = lab.audit_interface(net.name[1], net.device[1], *options)
        for state in "down", "up":
            time.sleep(1)
            lab.ip("-n", net.name[1], "link", "set", net.device[1], state)
        time.sleep(1)
        with Traffic(net, path):
            pass
        status, out, err = audit.stop()
        said = [line for line in err.splitlines() if net.device[1] + ": the interface" in line]
        end = lab.summary(lab.records(out))
        problems = [] if said == [f"tcpaudit: {net.device[1]}: the interface went down: nothing comes until it is up again",
                                  f"tcpaudit: {net.device[1]}: the interface is up again"] else [err]
        if status != 0 or not end["packets"]["read"]:
            problems.append(f"exit status {status}, {end['packets']['read']} read")
        tap.check(f"an interface that goes down {' '.join(options)}", problems)


def interface_gone(tap, net, path):
    audit = lab.audit_interface(net.name[1], net.device[1], *WORKERS)
    with Traffic(net, path):
        pass
    lab.ip("-n", net.name[0], "link", "del", net.device[0])
    status, records, err = ended(audit)
    end = lab.summary(records)
    problems = [] if status == 4 and err.count("the interface disappeared") == 1 else [f"exit status {status}: {err}"]
    read = end["packets"]["read"]
    if end["kernel"]["received"] != read + end["kernel"]["dropped"] or not read:
        problems.append(f"ledger: {end['kernel']}, {read} read")
    tap.check("an interface that goes away", problems)


def interface_of_several_gone(tap, net, path):
    """The run goes on with the others, and says so when it happens."""
    problems = []
    for options in (), WORKERS:
        lab.ip("-n", net.name[1], "link", "add", "spare0", "type", "veth", "peer", "name", "spare1")
        lab.ip("-n", net.name[1], "link", "set", "spare0", "up")
        audit = lab.audit_interface(net.name[1], net.device[1], "-i", "spare0", *options)
        time.sleep(1)
        lab.ip("-n", net.name[1], "link", "del", "spare0")
        time.sleep(1)
        with Traffic(net, path):
            pass
        said = os.pread(audit.err.fileno(), 4096, 0).decode()
        status, out, err = audit.stop()
        if said.count("spare0: the interface is gone: nothing comes from it any more\n") != 1 or status != 4:
            problems.append(f"exit status {status}: {err}")
        if not lab.summary(lab.records(out))["packets"]["read"]:
            problems.append("the others did not go on")
    tap.check("one of several interfaces goes away", problems)


def split(path):
    """Two captures: what comes before the middle, and after it."""
    with open(path, "rb") as source:
        data = source.read()
    at, records = 24, []
    while at < len(data):
        end = at + 16 + int.from_bytes(data[at + 8:at + 12], "little")
        records.append(data[at:end])
        at = end
    parts = []
    for name, some in ("first", records[:len(records) // 2]), ("second", records[len(records) // 2:]):
        parts.append(os.path.join(os.path.dirname(path), name + ".pcap"))
        with open(parts[-1], "wb") as target:
            target.write(data[:24] + b"".join(some))
    return parts


def interface_down_meanwhile(tap, net, path):
    """What was sent while there was no link, nobody has seen: no connection that was open is judged as if there had been silence."""
    problems = []
    first, second = split(path)
    for options in (), WORKERS:
        for flaps in False, True:
            audit = lab.audit_interface(net.name[1], net.device[1], *options)
            with Traffic(net, first):
                pass
            for state in ("down", "up") if flaps else ():
                lab.ip("-n", net.name[1], "link", "set", net.device[1], state)
            time.sleep(1)
            with Traffic(net, second):
                pass
            status, out, err = audit.stop()
            flows = lab.flows(lab.records(out))
            noted = sum("cap-drops" in flow["capture"] for flow in flows)
            if status != 0 or (noted > 0) != flaps or noted == len(flows):
                problems.append(f"{'with' if flaps else 'without'} a gap {options}: {noted} of {len(flows)} noted, {err}")
    tap.check("an interface that was down for a moment", problems)


def interface_renamed(tap, net, path):
    """It is the same one under any name: nothing is lost, and nothing else is said of it."""
    problems = []
    for options in (), WORKERS:
        lab.ip("-n", net.name[1], "link", "add", "spare0", "type", "veth", "peer", "name", "spare1")
        for device in "spare0", "spare1":
            lab.ip("-n", net.name[1], "link", "set", device, "up")
        audit = lab.audit_interface(net.name[1], net.device[1], "-i", "spare0", *options)
        time.sleep(1)
        lab.ip("-n", net.name[1], "link", "set", "spare0", "down")
        lab.ip("-n", net.name[1], "link", "set", "spare0", "name", "spare2")
        with Traffic(net, path):
            pass
        lab.ip("-n", net.name[1], "link", "set", "spare2", "up")
        time.sleep(1)
        with Traffic(net, path, end=1, device="spare1"):
            pass
        status, out, err = audit.stop()
        end = lab.summary(lab.records(out))
        read = [i["packets"] for i in end["inputs"]]
        if status != 0 or "disappeared" in err:
            problems.append(f"exit status {status}: {err}")
        if read[1] < read[0] or end["kernel"]["received"] != sum(read) + end["kernel"]["dropped"]:
            problems.append(f"ledger: {end['kernel']}, {read} read")
        lab.ip("-n", net.name[1], "link", "del", "spare2")
    tap.check("an interface that gets another name", problems)


def main():
    reason = line_rate.why_not()
    if reason:
        print(f"1..0 # SKIP {reason}")
        return 0
    tap, net = lab.Tap(), lab.silent_cable()
    try:
        with tempfile.TemporaryDirectory() as directory, lab.Backlog():
            path = line_rate.known_capture(directory, CONNECTIONS)
            for part in (signals_and_stats, rules_change, count_stops, time_stops, pinned, halves, several_interfaces, headers, overload, standing_still, interface_down, interface_down_meanwhile, interface_renamed, interface_of_several_gone, interface_gone):
                part(tap, net, path)
    finally:
        net.close()
    return tap.done()


if __name__ == "__main__":
    sys.exit(main())
