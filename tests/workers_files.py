#!/usr/bin/env python3
"""workers_files.py: captures read with several workers are judged as with one: the same output, to the last byte.  Prints TAP.

 pcaps      each capture of pcaps/, in all formats
 mix        thousands of conversations, some damaged: with options that look at frames, memory, time or text; compressed;
            several files; cut anywhere; with clocks that jump
 memory     frames stay no longer than they are needed
 pipes      a slow writer, a slow reader, a reader that goes away, signals meanwhile

What the arguments say of themselves is left out, what of many hosts was forgotten (the random key decides that), and the memory of
labels: each worker has some."""
import gzip
import os
import random
import re
import signal
import struct
import subprocess
import sys
import tempfile
import time

sys.dont_write_bytecode = True  # the source may be read-only
HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "live")]
import lab
import makecap
from makecap import ACK, FIN, PSH, RST, SYN

PCAPS = os.path.join(HERE, "..", "pcaps")
PROGRAM = os.path.abspath(os.environ.get("TCPAUDIT", "./tcpaudit"))
FORMATS = (["-T", "jsonl", "--flows", "all", "--min-severity", "info", "--transitions"], ["-T", "text", "-v"],
           ["-T", "json", "--checksum", "strict"])
RULES = """version: 1
checks:
  close-orderly: {scope: net 10.1.0.0/16}
rules:
  - id: odd-port
    on: close
    scope: portrange 20000-30000
    when: close.aborted_by == server
    title: aborted
  - id: still-there
    on: tick
    when: close.close_wait.duration > 1s
    title: waits
    limit: {count: 3, per: service, every: 1m}
"""

AT_THE_END = """version: 1
rules:
  - id: aborted
    on: close
    when: close.aborted_by == server
    title: aborted
    message: "{src_ip}:{src_port}"
    limit: {count: 5, per: service, every: 1m}
  - id: some-state
    on: close
    when: tcp.state_server == ESTABLISHED
    severity: note
    title: was open
"""

tap = lab.Tap()


def plain(output):
    return re.sub(rb'"args":\s*\[.*?\]|,\s*"([a-z]+_forgotten|memory_bytes)":\s*\d+', b"", output, flags=re.S)


def run(workers, *options, **more):
    done = subprocess.run([PROGRAM, "--workers", str(workers), "-q", *options], cwd=PCAPS, capture_output=True, check=False,
                          timeout=120, **more)
    return done.returncode, plain(done.stdout), done.stderr


def difference(one, other):
    if one == other:
        return []
    lines, others = one[1].splitlines(), other[1].splitlines()
    for i, (a, b) in enumerate(zip(lines, others)):
        if a != b:
            at = next((k for k, (x, y) in enumerate(zip(a, b)) if x != y), min(len(a), len(b)))
            return [f"line {i + 1}: {a[max(0, at - 40):at + 40]!r} is now {b[max(0, at - 40):at + 40]!r}"]
    return [f"exit {one[0]}, {other[0]}; {len(lines)} lines, {len(others)}; {one[2][-200:]!r}, {other[2][-200:]!r}"]


def same(what, *options, workers=(2,), **more):
    one = run(1, *options, **more)
    problems = [] if one[1] or one[2] else ["nothing was said: the comparison is empty"]
    for n in workers:
        other = run(n, *options, **more)
        problems += difference(one, other)
    tap.check(what, problems)
    return one


# ---- a mix ----

SAID = (makecap.HTTP, makecap.SSH, makecap.SMTP, makecap.FTP, makecap.tls())


def conversation(rng, number, start, ports=None):
    """Frames of one connection with times, none of them rare: opened, some text, closed in one of several ways."""
    ports = ports or (1024 + rng.randrange(40000), rng.choice((80, 443, 25000, 5432)))
    client = f"10.{number % 3}.0.{number % 20 + 1}"
    server, at = f"192.0.2.{number % 3 + 1}", start
    ends, seq = ((client, ports[0]), (server, ports[1])), [rng.randrange(2**32), rng.randrange(2**32)]
    frames = []

    def say(side, flags, text=b"", ahead=0):
        nonlocal at
        at += rng.choice((0.0001, 0.002, 0.05, 0.3))
        (a, p), (b, q) = ends[side], ends[1 - side]
        segment = makecap.tcp_segment(a, b, (p, q), seq[side] + ahead, seq[1 - side] if flags & ACK else 0, flags, 64000, b"", text)
        packet = makecap.ip_packet(a, b, 6, segment, identification=rng.randrange(65536))
        if text and rng.random() < 0.03 and len(segment) > 600:
            frames.extend((at + k * 1e-5, makecap.ethernet(part)) for k, part in
                          enumerate(makecap.fragments_of(packet, 512, rng.randrange(65536))))
        else:
            frames.append((at, makecap.ethernet(packet)))
        if rng.random() < 0.02:
            frames.append((at + 0.2, frames[-1][1]))
        seq[side] = seq[side] + len(text) + bool(flags & (SYN | FIN)) & 0xFFFFFFFF

    if rng.random() < 0.9:
        say(0, SYN)
        if rng.random() < 0.1:
            if rng.random() < 0.5:
                say(1, RST | ACK)
            return frames
        say(1, SYN | ACK)
        say(0, ACK)
    if rng.random() < 0.3:  # an application's first words, perhaps in pieces
        at_once = rng.choice((5, 10000))
        for side, words in rng.choice(SAID)[:2]:
            for k in range(0, min(len(words), 8 * at_once), at_once):
                say(side, PSH | ACK, words[k:k + at_once])
    for _ in range(rng.randrange(5)):
        say(rng.randrange(2), PSH | ACK, rng.randbytes(rng.choice((1, 40, 700, 1400))))
    first, how = rng.randrange(2), rng.random()
    if how < 0.1:
        say(first, RST | ACK)
    elif how < 0.9:
        say(first, FIN | ACK)
        say(1 - first, ACK)
        if how < 0.8:
            say(1 - first, FIN | ACK)
            say(first, ACK)
        elif how < 0.85:
            say(1 - first, RST | ACK)
    if rng.random() < 0.05:
        say(1 - first, PSH | ACK, b"late")
    if rng.random() < 0.02:
        old = [frame for _, frame in frames[:3]]
        frames.extend((at + 90 + k, frame) for k, frame in enumerate(old))
    return frames


def mix(path, seed, connections, start=makecap.START, jump_at=997, jumps=(-2.0, 86400.0)):
    rng = random.Random(seed)
    frames = [frame for i in range(connections) for frame in conversation(rng, i, start + i * 0.01)]
    frames += [(start + i * 0.3, makecap.ethernet(makecap.udp_packet("10.0.0.1", "10.0.0.2", (53, 53), b"?"))) for i in range(99)]
    frames.sort(key=lambda frame: frame[0])
    for i in range(0, len(frames), jump_at):  # clocks that jump
        frames[i] = (frames[i][0] + rng.choice(jumps), frames[i][1])
    return makecap.pcap(path, frames)


def try_pcaps():
    for name in sorted(name for name in os.listdir(PCAPS) if ".pcap" in name):
        for options in FORMATS:
            same(f"{name} {options[1]}", *options, "-r", name, workers=(2, 4))
            same(f"{name} {options[1]}, in parts", *options, "--no-dpi", "-r", name, workers=(3,))


def try_mix(folder):
    path, other, rules, at_the_end = (os.path.join(folder, name) for name in ("mix.pcap", "other.pcap", "rules.yaml", "end.yaml"))
    with open(at_the_end, "w") as file:
        file.write(AT_THE_END)
    data = mix(path, 1, 3000)
    mix(other, 2, 500, makecap.START + 3.0000017)
    with open(rules, "w") as file:
        file.write(RULES)
    packed = path + ".gz"
    with gzip.open(packed, "wb", compresslevel=1) as file:
        file.write(data)
    everything = FORMATS[0]
    whole = same("mix", *everything, "-r", path, workers=(2, 3, 4))
    tap.check("mix is worth it", [] if whole[1].count(b'"event_type":"finding"') > 500 else ["hardly any findings"])
    labelled = whole[1].count(b'"app_proto"') > 500 or b'"dpi_library"' not in whole[1]
    tap.check("labels of mix are worth it", [] if labelled else ["hardly any labels"])
    for options in FORMATS[1:]:
        same(f"mix {options[1]}", *options, "-r", path)
    for options in FORMATS:
        same(f"mix {options[1]}, in parts", *options, "--no-dpi", "-r", path, workers=(2, 3, 4, 9))
    ragged = os.path.join(folder, "ragged.pcap")
    mix(ragged, 4, 1500, jump_at=2, jumps=(-3.0, -1.0, -0.6, -0.4, 0.5))
    for what, options in (("", []), (", short idle", ["--idle-timeout", "1"]), (" beside others", ["-r", other])):
        same(f"clocks that jump often{what}", *everything, "--no-dpi", *options, "-r", ragged, workers=(2, 3, 5))
    flow = max(map(int, re.findall(rb'"flow_id":(\d+)', whole[1])))
    for what, options in (
            ("without labels", ["--no-dpi"]), ("no checksums", ["--checksum", "off"]), ("a filter", ["-f", "tcp port 80 or udp"]),
            ("-c", ["-c", "5003"]), ("-c and a filter", ["-c", "777", "-f", "port 443"]), ("few flows", ["--max-flows", "50"]),
            ("little memory", ["--memcap", "3200K"]), ("rules", ["--rules", rules]), ("rules on close", ["--rules", at_the_end]), ("short idle", ["--idle-timeout", "1"]),
            ("no tunnels", ["--tunnels", "none"]), ("another end", ["--vantage", "client", "--msl", "1"])):
        same(f"mix, {what}", *everything, *options, "-r", path)
        same(f"mix, {what}, in parts", *everything, "--no-dpi", *options, "-r", path, workers=(2, 4))
    same("mix, ladder", "-T", "text", "--ladder", str(flow), "-r", path)
    same("mix, packed", *everything, "-r", packed)
    for more in [], ["--no-dpi"]:
        same(f"mix, two files {more}", *everything, *more, "-r", path, "-r", other, "-r", "sections.pcapng", "-r", packed, workers=(2, 4))
    rng = random.Random(3)
    for i in range(6):
        cut = os.path.join(folder, f"cut{i}.pcap")
        with open(cut, "wb") as file:
            file.write(data[:rng.randrange(len(data))])
        same(f"mix, cut {i}", *everything, "-r", cut)
        same(f"mix, cut {i}, in parts", *everything, "--no-dpi", "-r", cut, workers=(2 + i % 3,))
    with open(packed, "rb") as file:
        torn = file.read()
    with open(packed, "wb") as file:
        file.write(torn[:len(torn) // 2] + b"\0" * 99 + torn[len(torn) // 2:])
    same("mix, packed and torn", *everything, "-r", packed)
    same("mix, packed and torn, in parts", *everything, "--no-dpi", "-r", packed, workers=(2, 4))
    try_order(folder)
    return path, data


def try_order(folder):
    """What makes reports wait, or come out of turn: sockets used again and again, hours without a frame, clocks that differ."""
    rng, frames, path = random.Random(5), [], os.path.join(folder, "order.pcap")
    for i in range(1500):
        start = makecap.START + i * 0.05 + (i // 300) * 9000
        behind = 0 if i % 7 else rng.choice((2, 4000, 20000))
        frames += [(at, at - behind, frame) for at, frame in conversation(rng, i % 60, start, (4000 + i % 60, 80))]
    frames.sort(key=lambda frame: frame[0])
    makecap.pcap(path, [(stamp, frame) for _, stamp, frame in frames])
    told = [same(f"order {options[1]}", *options, "--no-dpi", "-r", path, workers=(2, 3, 8)) for options in FORMATS]
    tap.check("order is worth it", [] if told[0][1].count(b'"reuse') > 100 else ["hardly any sockets were used again"])
    same("order, short idle", *FORMATS[0], "--no-dpi", "--idle-timeout", "1", "-r", path, workers=(2, 5))


# The memory of a child begins with that of its parent, so the parent must be small.
PEAK = "import os, sys; print(os.wait4(os.spawnv(os.P_NOWAIT, sys.argv[1], sys.argv[1:]), 0)[2].ru_maxrss)"


def peak(workers, *options):
    """Memory at most, in MB."""
    words = [sys.executable, "-c", PEAK, PROGRAM, "--workers", str(workers), "-q", "-T", "text", "-o", "/dev/null", *options]
    return int(subprocess.run(words, stdout=subprocess.PIPE, check=True).stdout) / 1024


def try_memory(folder, data):
    """Frames stay until they have been judged: not what nobody judges."""
    many, skipped = os.path.join(folder, "many.pcap.gz"), os.path.join(folder, "skipped.pcapng.gz")
    with gzip.open(many, "wb", compresslevel=1) as file:
        file.write(data)
        for _ in range(24):
            file.write(data[24:])
    with open(os.path.join(PCAPS, "sections.pcapng"), "rb") as file:
        sections = file.read()
    block = struct.pack("<II", 0x80000001, 60_000_000) + bytes(60_000_000 - 12) + struct.pack("<I", 60_000_000)
    with gzip.open(skipped, "wb", compresslevel=1) as file:
        file.write(sections)
        file.write(struct.pack("<IIIHHqI", 0x0A0D0D0A, 28, 0x1A2B3C4D, 1, 0, -1, 28))
        for _ in range(3):
            file.write(block)
    for what, options in (("a filter that passes nothing", ["-f", "tcp port 1", "-r", many]), ("blocks that are skipped", ["-r", skipped])):
        one, other = peak(1, *options), peak(2, *options)
        tap.check(f"memory: {what}", [] if other < one + 70 else [f"one worker {one:.0f} MB, two {other:.0f} MB"])
    same("blocks that are skipped", *FORMATS[0], "-r", skipped)


def through_pipes(workers, data, write_slowly, read_slowly, signals=()):
    program = subprocess.Popen([PROGRAM, "--workers", str(workers), "-q", *FORMATS[0], "-r", "-"], cwd=PCAPS,
                               stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    if os.fork() == 0:
        program.stdout.close()
        step = 1 << 16
        for k, at in enumerate(range(0, len(data), step)):
            program.stdin.write(data[at:at + step])
            program.stdin.flush()
            time.sleep(0.02 if write_slowly else 0)
            for number in signals if k % 5 == 4 else ():
                os.kill(program.pid, number)
        os._exit(0)
    program.stdin.close()
    output = b""
    while piece := os.read(program.stdout.fileno(), 1 << 15):
        output += piece
        time.sleep(0.01 if read_slowly else 0)
    os.wait()
    return program.wait(timeout=60), plain(output), b""


def sleeps_of_threads(data, *options):
    """How often each thread but the first has gone to sleep and come back, when all of `data` has been judged."""
    program = subprocess.Popen([PROGRAM, "--workers", "4", "-q", "-T", "text", *options, "-r", "-"], stdin=subprocess.PIPE,
                               stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    program.stdin.write(data)
    program.stdin.flush()
    time.sleep(1)
    sleeps = []
    for task in sorted(os.listdir(f"/proc/{program.pid}/task"), key=int)[1:]:
        with open(f"/proc/{program.pid}/task/{task}/status") as file:
            sleeps.append(int(re.search(r"^voluntary_ctxt_switches:\s*(\d+)", file.read(), re.M)[1]))
    program.stdin.close()
    program.wait(timeout=60)
    return sorted(sleeps)


def try_threads(data):
    """Otherwise whatever is compared here might be one engine with itself.  Without parts, a thread is only woken when there is room
    for batches again."""
    split, whole = sleeps_of_threads(data, "--no-dpi"), sleeps_of_threads(data, "--no-dpi", "--max-flows", "1000000")
    tap.check("all threads have something to do", [] if len(split) == 3 and split[1] > 15 else [f"they slept {split} times"])
    tap.check("but where one engine must see everything", [] if len(whole) == 3 and whole[1] <= 15 else [f"they slept {whole} times"])


def in_any_order(result):
    """How frames come out of a pipe is up to its writer; what is due at the same time may be told in another order then."""
    lines = sorted(re.sub(rb'"output":\{.*?\}', b"", result[1]).splitlines())
    return result[0], b"\n".join(lines), result[2]


def try_pipes(path, data):
    try_threads(data)
    one = through_pipes(1, data, False, False)
    tap.check("a pipe", difference(in_any_order(one), in_any_order(through_pipes(2, data, False, False))))
    tap.check("a slow writer", difference(in_any_order(one), in_any_order(through_pipes(2, data, True, False))))
    tap.check("a slow reader", difference(in_any_order(one), in_any_order(through_pipes(2, data, False, True))))

    status, output, _ = through_pipes(2, data, True, False, (signal.SIGUSR1, signal.SIGHUP))
    lines = [line for line in output.splitlines() if b'"event_type":"stats"' not in line and b'"event_type":"rules"' not in line]
    asked = output.count(b'"event_type":"stats"') - one[1].count(b'"event_type":"stats"')
    before = [line for line in one[1].splitlines() if b'"event_type":"stats"' not in line]
    problems = [] if asked > 0 else ["no statistics came"]
    tap.check("signals meanwhile", problems + difference(in_any_order((one[0], b"\n".join(before), b"")),
                                                      in_any_order((status, b"\n".join(lines), b""))))

    program = subprocess.Popen([PROGRAM, "--workers", "2", "-q", *FORMATS[0], "-r", path], stdout=subprocess.PIPE,
                               stderr=subprocess.PIPE)
    program.stdout.read(1000)
    program.stdout.close()
    problems = [] if program.wait(timeout=60) is not None else ["it did not end"]
    said = program.stderr.read()
    program.stderr.close()
    tap.check("a reader that goes away", problems + ([f"said {said!r}"] if said else []))


def main():
    try_pcaps()
    with tempfile.TemporaryDirectory() as folder:
        path, data = try_mix(folder)
        try_memory(folder, data)
        try_pipes(path, data)
    return tap.done()


sys.exit(main())
