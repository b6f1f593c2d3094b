#!/usr/bin/env python3
"""command_line.py: what a user meets who mistypes, narrows down or points the output at the wrong place.  Prints TAP.

 refused    values and combinations: exit status 2, one line behind the program's name, nothing on standard output
 kept       no file that is read is overwritten; a FIFO that nobody reads ends with a signal
 early      a signal that asks for something of a run waits until there is one
 outputs    what cannot be written ends with status 5 and a line, a reader who went away without one
 begins     with the time of the first packet, whatever stands before it
 filters    what a filter picks out is told as without it
 damage     the line names the file, the offset and the reason
 incomplete what was not judged is said, though quiet"""
import fcntl
import gzip
import json
import os
import pty
import re
import signal
import struct
import subprocess
import sys
import tempfile
import termios
import time

HERE = os.path.dirname(os.path.abspath(__file__))
PCAPS = os.path.join(HERE, "..", "pcaps")
PROGRAM = os.path.abspath(os.environ.get("TCPAUDIT", "./tcpaudit"))
INCIDENT = os.path.join(PCAPS, "incident.pcapng")
done = []


def check(good, name, *why):
    done.append(good)
    print("ok" if good else "not ok", len(done), "-", name)
    for line in () if good else why:
        print("#", line)


def run(*options, **more):
    environment = dict(os.environ, TCPAUDIT_RULES_DIR="", LC_ALL="C.UTF-8")
    return subprocess.run([PROGRAM, *options], capture_output=True, check=False, env=environment, timeout=60, **more)


def refused(name, *options, says=""):
    result = run(*options, stdin=subprocess.DEVNULL)
    said = result.stderr.decode("utf-8", "replace")
    one_line = said.startswith("tcpaudit: ") and said.count("\n") == 1 and said.endswith("\n")
    plain = all(c >= " " and c != "\x7f" for c in said[:-1])
    check(result.returncode == 2 and one_line and plain and not result.stdout and says in said, "refused: " + name,
          f"status {result.returncode}", repr(said), repr(result.stdout[:200]))


def flows(*options):
    result = run("-q", "-T", "jsonl", "--min-severity", "info", "-r", INCIDENT, *options)
    return [r for r in map(json.loads, result.stdout.splitlines()) if r["event_type"] == "flow"]


def test_refused(room):
    refused("a directory as a filter file", "-F", room, "-r", INCIDENT, says="Is a directory")
    refused("two filters", "-f", "tcp", "-f", "udp", "-r", INCIDENT, says="-f twice")
    refused("two files of filters", "-F", "/dev/null", "-F", "/dev/null", "-r", INCIDENT, says="-F twice")
    refused("a timeout of nothing", "--idle-timeout", "0", "-r", INCIDENT, says="1s")
    refused("a lifetime of nothing", "--msl", "0", "-r", INCIDENT, says="1ms")
    refused("a ring that libpcap cannot have", "-B", "999G", "-i", "lo", says="2G")
    refused("a ring of nothing", "-B", "0", "-i", "lo")
    for option in ("-c", "--ladder", "--workers"):
        refused(option + " 0", option, "0", "-r", INCIDENT, says="'0' is not a number")
    refused("a duration of nothing", "-a", "duration:0", "-r", INCIDENT, says="above 0")
    for value in ("all,gre", "none,gre", "gre,all", "nonsense"):
        refused("tunnels " + value, "--tunnels", value, "-r", INCIDENT, says="ipip,6in4,gre")
    for option in ("-r", "-F", "--rules", "-o", "--tunnels", "--disable", "-T"):
        refused("an empty value of " + option, option, "", "-r", INCIDENT, says="needs a value")
    for words in ("--rules", "-"), ("--rules", "-", "--rules", "-"):
        refused("rules without an input: " + " ".join(words), *words, says="no input, and the rules are read from standard input")
    refused("a file that is not named as one", "--rules", "-", INCIDENT, says="is a file")
    primary, terminal = pty.openpty()
    for words, says in ((), "no input: "), (("--rules", "-"), "no input, and"), (("--rules", "-", "-r", "-"), "only once"):
        said = run(*words, stdin=terminal)
        check(said.returncode == 2 and says in said.stderr.decode(), "refused: on a terminal " + " ".join(words), said.stderr)
    os.close(terminal)
    os.close(primary)
    for readers in ("--rules", "-", "--rules", "-", "-r", INCIDENT), ("-r", "-", "--rules", "-"):
        refused("standard input twice: " + " ".join(readers[:4]), *readers, says="only once")
    refused("a connection that is not there", "-q", "-r", INCIDENT, "--ladder", "71", says="flow_id 71")
    refused("a name with control characters", "-r", "no\nsuch\x1b[31mfile", says="no?such?[31mfile: No such file")
    refused("a name that is no UTF-8", "-r", b"no\xff", says="no?: No such file")
    refused("an option of tshark", "-j", says="jq")
    result = run("-q", "-f", "", "-r", INCIDENT)
    check(result.returncode == 0 and result.stdout.count(b'"flow"') > 50, "an empty expression matches all")


def test_memcap(room):
    """One that cannot be kept is refused, and what the line says is the least is accepted."""
    for what, words in ("a file", ("-r", INCIDENT)), ("workers of an interface", ("--workers", "3", "-i", "no-such-interface")):
        refused("too little memory for " + what, *words, "--memcap", "1", says="K is the least")
        least = re.search(rb"(\d+)K is the least", run(*words, "--memcap", "1").stderr)
        if least is None:
            continue
        refused("almost enough memory for " + what, *words, "--memcap", f"{int(least[1]) - 1}K", says=least[0].decode())
        said = run("-q", *words, "--memcap", f"{int(least[1])}K", "-o", os.path.join(room, "out")).stderr
        check(b"memcap" not in said, "enough memory for " + what, said)
    refused("as little for two workers as one needs", "-i", "no-such-interface", "--workers", "2", "--memcap", "4M", says="for 2 workers")


def test_many():
    """A half-close may be kept on purpose: of one connection a leak is possible; from the fifth of a service on, likely."""
    for workers in "1", "3":
        result = run("-q", "-T", "jsonl", "--workers", workers, "-r", INCIDENT)
        leaks = [r for r in map(json.loads, result.stdout.splitlines()) if r.get("rule_id") == "close-wait-leak"]
        told = {port: [(r["severity"], r["confidence"]) for r in leaks if r["dest_port"] == port] for port in (443, 5432)}
        check(told == {443: [("note", "possible")] * 3, 5432: [("note", "possible")] * 4 + [("note", "likely")] * 2},
              f"close-wait-leak is likely from the fifth on, {workers} workers", told)


def test_nothing():
    """0 is no limit where that makes sense, and refused where not (test_refused)."""
    whole = run("-q", "-T", "jsonl", "-r", INCIDENT, "--workers", "1").stdout.splitlines()[1:]
    for words in (["--memcap", "0"], ["--max-flows", "0"], ["--stats-interval", "0"]):
        for workers in "1", "2":
            result = run("-q", "-T", "jsonl", "-r", INCIDENT, "--workers", workers, *words)
            check(result.returncode == 0 and result.stdout.splitlines()[1:-1] == whole[:-1], f"{words[0]} 0 is none, {workers} workers", result.stderr)


def test_empty(room):
    """A capture without a frame is one, and its records are as the schema says."""
    schema = json.loads(run("--schema").stdout)["$defs"]
    for name, octets in (("pcap", struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 1)),
                         ("pcapng", struct.pack("<IIIHHqI", 0x0A0D0D0A, 28, 0x1A2B3C4D, 1, 0, -1, 28))):
        path = os.path.join(room, "empty." + name)
        with open(path, "wb") as file:
            file.write(octets)
        result = run("-q", "-T", "jsonl", "-r", path)
        records = [json.loads(line) for line in result.stdout.splitlines()]
        check(result.returncode == 0 and [r["event_type"] for r in records] == ["meta", "summary"] and
              {r["timestamp"] for r in records} == {"1970-01-01T00:00:00.000000Z"} and records[1]["verdict"] == "ok",
              f"an empty {name}", result.returncode, records[1:])
        for r in records:
            known = schema[r["event_type"]]
            check(set(known["required"]) <= set(r) <= set(known["properties"]), f"an empty {name}: {r['event_type']} as in the schema",
                  set(known["required"]) - set(r), set(r) - set(known["properties"]))
        whole = json.loads(run("-q", "-T", "json", "-r", path).stdout)
        check(whole["flows"] == [] and whole["findings"] == [], f"an empty {name} as one object", whole)


def test_begins_with_a_packet(room):
    """Blocks that are no packets have no time: the report begins with the first that is one."""
    with open(INCIDENT, "rb") as file:
        octets = file.read()
    section = struct.unpack("<I", octets[4:8])[0]
    at = section + struct.unpack("<I", octets[section + 4:section + 8])[0]
    custom = struct.pack("<IIIII", 0xBAD, 24, 32473, 0, 0) + struct.pack("<I", 24)
    path = os.path.join(room, "custom.pcapng")
    begun = []
    for blocks in 0, 1, 20:
        with open(path, "wb") as file:
            file.write(octets[:at] + blocks * custom + octets[at:])
        result = run("-q", "-T", "jsonl", "-r", path)
        records = [json.loads(line) for line in result.stdout.splitlines()]
        begun.append((records[0]["timestamp"], records[-1]["packets"]["not_analysed"].get("not-packet", 0)))
    check(begun[0][0].startswith("2023-") and begun == [(begun[0][0], blocks) for blocks in (0, 1, 20)],
          "the time of the first packet", begun)


def test_kept(room):
    capture, other = os.path.join(room, "a.pcapng"), os.path.join(room, "other")
    with open(INCIDENT, "rb") as file:
        whole = file.read()
    for kind in ("-r", "-r -", "-F", "--rules"):
        read = capture if kind.startswith("-r") else other
        content = whole if kind.startswith("-r") else b"tcp\n" if kind == "-F" else b"version: 1\n"
        with open(read, "wb") as file:
            file.write(content)
        words = {"-r": ["-r", capture], "-r -": ["-r", "-"]}.get(kind, ["-r", INCIDENT, kind, other])
        with open(capture if kind == "-r -" else "/dev/null", "rb") as stdin:
            result = run("-q", *words, "-o", read, stdin=stdin)
        with open(read, "rb") as file:
            check(result.returncode == 2 and file.read() == content and b"also an input" in result.stderr,
                  "kept: what is read by " + kind, result.stderr.decode())
    site = os.path.join(room, "site")
    os.mkdir(site)
    rules = os.path.join(site, "own.yaml")
    for words, places in ((["--rules", site], {}), ([], {"TCPAUDIT_RULES_DIR": site})):
        with open(rules, "w") as file:
            file.write("version: 1\n")
        result = subprocess.run([PROGRAM, "-q", "-r", INCIDENT, *words, "-o", rules], capture_output=True, env={**os.environ, **places}, timeout=60)
        with open(rules) as file:
            check(result.returncode == 2 and file.read() == "version: 1\n" and b"also an input" in result.stderr,
                  f"kept: rules of a directory {words[:1]}", result.stderr.decode())
    told = os.path.join(room, "told")
    ladder = ("-q", "-r", INCIDENT, "-o", told, "--ladder")
    status = run(*ladder, "71").returncode
    check(status == 2 and not os.path.exists(told), "kept: no file of a ladder that is not drawn", status)
    for content in b"", b"of another run\n" * 9999:
        with open(told, "wb") as file:
            file.write(content)
        status = run(*ladder, "71").returncode
        with open(told, "rb") as file:
            check(status == 2 and file.read() == content, f"kept: {len(content)} octets, of a ladder that is not drawn", status)
    status = run(*ladder, "32").returncode
    with open(told, "rb") as file:
        check(status == 0 and file.read() == run(*ladder[:3], "--ladder", "32").stdout, "of a ladder that is drawn, nothing else is there", status)
    fifo = os.path.join(room, "fifo")
    os.mkfifo(fifo)
    with subprocess.Popen([PROGRAM, "-q", "-r", INCIDENT, "-o", fifo], stderr=subprocess.PIPE) as program:
        time.sleep(0.5)
        program.send_signal(signal.SIGTERM)
        said = program.communicate(timeout=20)[1]
    check(program.returncode == 2 and b"interrupted" in said, "a FIFO that nobody reads ends with a signal", said)


def test_early_signals(room):
    """What asks for something of a run waits until there is one."""
    capture, rules = os.path.join(room, "late.pcapng"), os.path.join(room, "late.yaml")
    os.mkfifo(capture)
    os.mkfifo(rules)
    with subprocess.Popen([PROGRAM, "-q", "-T", "jsonl", "-r", capture, "--rules", rules], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as program:
        for fifo, content in ((rules, b"version: 1\n"), (capture, open(INCIDENT, "rb").read())):
            time.sleep(0.3)
            program.send_signal(signal.SIGUSR1)
            program.send_signal(signal.SIGHUP)
            time.sleep(0.1)
            with open(fifo, "wb") as file:
                file.write(content)
        out, said = program.communicate(timeout=30)
    kinds = [json.loads(line)["event_type"] for line in out.splitlines()]
    check(program.returncode == 0 and kinds[-1:] == ["summary"] and "stats" in kinds and b"the old rules stay" in said,
          "SIGUSR1 and SIGHUP while the program waits for its files", program.returncode, said, set(kinds))


def test_outputs(room):
    """What cannot be written is an error, and said; a reader who has seen enough is not spoken of."""
    for words in (["-T", "jsonl"], ["-T", "json"], ["-T", "text"], ["--ladder", "32"]):
        for how, reason in ((">&-", "Bad file descriptor"), ("-o - >&-", "Bad file descriptor"), (">/dev/full", "No space left on device")):
            line = " ".join(["exec", PROGRAM, "-q", "-r", INCIDENT, *words, how])
            result = subprocess.run(["sh", "-c", line], capture_output=True, check=False, timeout=60)
            said = result.stderr.decode()
            check(result.returncode == 5 and said.startswith("tcpaudit: standard output: ") and said.endswith(f"lost: {reason}\n")
                  and said.count("\n") == 1, f"{how} with {words[0]} {words[1]}", result.returncode, said)
    for words in ("--help", "--version", "--schema", "--list-checks"):
        result = subprocess.run(["sh", "-c", f"exec {PROGRAM} {words} >&-"], capture_output=True, check=False, timeout=60)
        check(result.returncode == 5 and result.stderr == b"tcpaudit: standard output: Bad file descriptor\n", f"{words} >&-", result)
    read, write = os.pipe()
    os.close(read)
    result = subprocess.run([PROGRAM, "-q", "-r", INCIDENT, "-T", "jsonl"], stdout=write, stderr=subprocess.PIPE, check=False, timeout=60)
    os.close(write)
    check(result.returncode == 5 and result.stderr == b"", "a reader who has seen enough", result)
    out = os.path.join(room, "closed.jsonl")
    result = subprocess.run(["sh", "-c", f"exec {PROGRAM} -q -r {INCIDENT} -o {out} >&- 2>&- <&-"], check=False, timeout=60)
    with open(out, "rb") as file:
        check(result.returncode == 0 and file.read().endswith(b"}\n"), "-o does not need standard streams", result)


def progress(width, term):
    """What comes to a terminal on standard error while a capture comes slowly."""
    with open(INCIDENT, "rb") as file:
        whole = file.read()
    outer, inner = pty.openpty()
    fcntl.ioctl(inner, termios.TIOCSWINSZ, struct.pack("HHHH", 24, width, 0, 0))
    with subprocess.Popen([PROGRAM, "-r", "-", "-o", "/dev/null"], stdin=subprocess.PIPE, stderr=inner,
                          env=dict(os.environ, TERM=term)) as program:
        program.stdin.write(whole[:20000])
        program.stdin.flush()
        time.sleep(1.2)
        program.communicate(whole[20000:], timeout=20)
    os.write(inner, b"end")
    os.close(inner)
    said = b""
    while not said.endswith(b"end"):
        said += os.read(outer, 65536)
    os.close(outer)
    return said[:-3].decode()


def test_progress():
    """It never takes more than a line of the terminal: what wraps could not be taken away, and nothing can on a dumb one."""
    for width in 30, 100:
        said = progress(width, "xterm")
        lines = [line for line in said.replace("\x1b[K", "").split("\r") if line]
        check(lines and max(map(len, lines)) < width and (width < 100 or "findings" in lines[0]), f"progress in {width} columns", repr(said))
    said = progress(100, "dumb")
    check(said == "", "no progress on a dumb terminal", repr(said))


def test_narrow():
    """Sixty columns are the least: no line is longer, none is torn."""
    for name in "tunnels.pcap", "incident.pcapng", "wrap.pcap", "fragments.pcap":
        result = subprocess.run([PROGRAM, "-q", "-v", "-T", "text", "-r", os.path.join(PCAPS, name)], capture_output=True, check=False,
                                env=dict(os.environ, TCPAUDIT_RULES_DIR="", LC_ALL="C.UTF-8", COLUMNS="40"), timeout=60)
        lines = result.stdout.decode().split("\n")
        odd = [line for line in lines if len(line) > 60 or line.endswith(" ")]
        check(len(lines) > 10 and not odd and "flow, client, server, kind, closed by, duration" in
              " ".join(" ".join(lines).split()), f"{name} in 40 columns", odd)


def test_filters():
    alone = {}
    everything = {f["src_port"]: f for f in flows()}
    for port in everything:
        found = flows(f"port {port}")
        alone[port] = found[0] if len(found) == 1 else None
    odd = [port for port, flow in everything.items() if flow != alone[port]]
    check(len(everything) > 40 and not odd, "filters: each connection is told as without one", f"not the same: {odd}")
    whole = json.loads(run("-q", "-T", "jsonl", "-r", INCIDENT).stdout.splitlines()[-1])["packets"]["read"]
    own = everything[41004]["flow"]["pkts_toserver"] + everything[41004]["flow"]["pkts_toclient"]
    for workers in "1", "2":
        result = run("-q", "-T", "jsonl", "--workers", workers, "-r", INCIDENT, "port 41004")
        summary = json.loads(result.stdout.splitlines()[-1])
        check(summary["packets"]["read"] == whole and summary["packets"]["not_analysed"]["filter"] == whole - own,
              f"filters: what is rejected is counted, {workers} workers", summary["packets"])


def test_damage(room):
    torn = os.path.join(room, "torn.pcapng")
    with open(INCIDENT, "rb") as file, open(torn, "wb") as to:
        to.write(file.read()[:3000])
    result = run("-q", "-r", torn)
    check(result.returncode == 3 and result.stderr.decode() == f"tcpaudit: {torn}: offset 2712: ends inside a block, 288 of 440 bytes\n",
          "damage: the file, the offset, the reason", result.stderr)
    with open(torn, "rb") as stdin:
        result = run("-q", "-r", "-", stdin=stdin)
    check(result.returncode == 3 and result.stderr ==
          b"tcpaudit: standard input: offset 2712: ends inside a block, 288 of 440 bytes\n",
          "damage: of standard input", result.stderr)

    for name, pack in (("gz", gzip.compress), ("zst", None)):
        packed = torn + "." + name
        with open(torn, "rb") as file, open(packed, "wb") as to:
            if pack:
                to.write(pack(file.read()))
            elif subprocess.run(["zstd", "-q", "-c"], stdin=file, stdout=to, check=False).returncode:
                continue
        result = run("-q", "-r", packed)
        check(result.returncode == 3 and result.stderr.decode() ==
              f"tcpaudit: {packed}: offset 2712 of the unpacked data: ends inside a block, 288 of 440 bytes\n",
              f"damage: of {name}, in what it unpacks to", result.stderr)
        text = b" ".join(run("-q", "-T", "text", "-r", packed).stdout.split())
        check(b"damaged at offset 2,712 of the unpacked data: ends" in text, f"damage: of {name}, in the text", text[:400])


def test_gaps(room):
    said = run("-q", "-r", os.path.join(PCAPS, "link-types.pcapng"), "-o", os.path.join(room, "out")).stderr.decode()
    check(said == "tcpaudit: incomplete: packets of a link type that is not read: 1\n", "incomplete: a link type, though quiet", repr(said))
    said = run("-q", "-r", INCIDENT, "--max-flows", "1", "-o", os.path.join(room, "out")).stderr.decode()
    check("given up for want of memory" in said, "incomplete: memory, though quiet", repr(said))
    rules = os.path.join(room, "rules.yaml")
    with open(rules, "wb") as file:
        file.write(b"version: 1\n\nsettings: {msl: \"\xff\"}\n")
    refused("octets that are no text, in line and column", "--rules", rules, "-r", INCIDENT, says=rules + ":3:18: ")


def main():
    with tempfile.TemporaryDirectory() as room:
        test_refused(room)
        test_memcap(room)
        test_many()
        test_nothing()
        test_empty(room)
        test_begins_with_a_packet(room)
        test_kept(room)
        test_early_signals(room)
        test_outputs(room)
        test_narrow()
        test_progress()
        test_filters()
        test_damage(room)
        test_gaps(room)
    print(f"1..{len(done)}")
    sys.exit(not all(done))


main()
