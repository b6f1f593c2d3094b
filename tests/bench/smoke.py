#!/usr/bin/env python3
"""smoke.py: captures of `generate` are what they claim, and `make profile` and `make bench` run.  Prints TAP.

How long anything takes is not judged here: other tests run beside this one."""
import json
import os
import re
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
PROGRAM = os.path.abspath(os.environ.get("TCPAUDIT", "./tcpaudit"))
TOOLS = os.path.join(os.path.dirname(PROGRAM), "tests", "bench")
TESTS = []


def test(function):
    TESTS.append(function)
    return function


def generate(folder, *arguments):
    """-> path, what the generator says it wrote"""
    path = os.path.join(folder, "-".join(map(str, arguments)) + ".pcap")
    said = subprocess.run([os.path.join(TOOLS, "generate"), "-o", path, *map(str, arguments)], check=True,
                          stderr=subprocess.PIPE, text=True).stderr.split()
    return path, dict(zip(said[::2], map(int, said[1::2])))


def audit(path, *options):
    """-> records, by their type"""
    out = subprocess.run([PROGRAM, "-q", "--no-dpi", "--checksum", "strict", "-T", "jsonl", "--flows", "all", *options, "-r", path],
                         check=True, stdout=subprocess.PIPE, text=True).stdout
    records = {}
    for line in out.splitlines():
        record = json.loads(line)
        records.setdefault(record["event_type"], []).append(record)
    return records


def bench(*options, status=0):
    environment = dict(os.environ, TCPAUDIT=PROGRAM)
    ran = subprocess.run([sys.executable, "-B", os.path.join(HERE, "bench.py"), "--tiny", *options], env=environment, check=False,
                         stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    expect(f"status of bench.py {options}: {ran.stderr[-300:]}", ran.returncode, status)
    return ran.stdout


def close_kinds(records):
    kinds = {}
    for flow in records.get("flow", ()):
        kinds[flow["close"]["kind"]] = kinds.get(flow["close"]["kind"], 0) + 1
    return kinds


def loud(records):
    return [f["rule_id"] for f in records.get("finding", ()) if f["severity"] in ("warning", "error")]


def expect(what, got, wanted):
    if got != wanted:
        raise AssertionError(f"{what}: {got}, not {wanted}")


@test
def a_mix_closes_as_its_maker_says(folder):
    path, said = generate(folder, "mix", 2000, 300, 5)
    records = audit(path)
    packets = said.pop("packets")
    said.pop("bytes")
    expect("kinds", close_kinds(records), said)
    expect("packets", records["summary"][0]["packets"]["tcp"], packets)
    expect("warnings and errors", loud(records), [])


@test
def every_checksum_is_right(folder):
    for arguments in (("mix", 200, 20, 3, 99), ("open", 50, 50, 2, 1400), ("flood", 100), ("onebyte", 160)):
        path, said = generate(folder, *arguments)
        packets = audit(path)["summary"][0]["packets"]
        expect(f"{arguments[0]}: segments", packets["tcp"], said["packets"])
        expect(f"{arguments[0]}: not usable", {k: v for k, v in packets["tcp_unusable"].items() if v}, {})


@test
def the_same_seed_gives_the_same_capture(folder):
    def octets(*options):
        return subprocess.run([os.path.join(TOOLS, "generate"), *options, "mix", "300", "30", "4"], check=True,
                              stdout=subprocess.PIPE, stderr=subprocess.DEVNULL).stdout

    expect("twice seed 7", octets("-s", "7") == octets("-s", "7"), True)
    expect("seeds 7 and 8", octets("-s", "7") == octets("-s", "8"), False)


@test
def the_other_kinds_are_what_they_are_called(folder):
    for kind, count, kinds in (("open", 400, {"open-active": 400}), ("collide", 400, {"open-active": 400}),
                               ("flood", 400, {"syn-pending": 400}), ("onebyte", 1600, {"four-way": 8}), ("fragments", 1000, {}),
                               ("expire", 400, {"three-way": 400, "open-active": 1}), ("reuse", 400, {"abort-client": 400})):
        path, said = generate(folder, kind, count)
        records = audit(path)
        expect(kind, close_kinds(records), kinds)
        expect(f"{kind}: packets", records["summary"][0]["packets"]["read"], said["packets"])
        expect(f"{kind}: warnings and errors", loud(records), [])


@test
def colliding_pairs_are_all_different(folder):
    path, _ = generate(folder, "collide", 3000, 3000, 0)
    tuples = {(f["src_ip"], f["src_port"], f["dest_ip"], f["dest_port"]) for f in audit(path)["flow"]}
    expect("connections", len(tuples), 3000)


@test
def the_loop_reads_every_packet(folder):
    path, said = generate(folder, "mix", 100, 10, 3)
    out = subprocess.run([os.path.join(TOOLS, "loop"), path], check=True, stdout=subprocess.PIPE, text=True).stdout
    expect("packets", int(out), said["packets"])


@test
def the_profile_has_every_stage(folder):
    path, said = generate(folder, "mix", 4000, 500, 8)
    out = bench("--profile", path)
    expect("packets", f"{said['packets']} packets, 4000 connections" in out, True)
    sums = {m[1].strip(): float(m[2]) for m in re.finditer(r"^(\w[\w, ]*?)  +-?[\d.]+ +(-?[\d.]+) +-?[\d.]+ %", out, re.M)}
    expect("stages", sorted(sums),
           sorted(("read", "decode", "key and hash", "lookup, mirror", "checks", "accounts, text", "JSON instead")))
    expect("reading takes a nanosecond at least, and the engine longer", 1 < sums["read"] < sums["lookup, mirror"] < 1e6, True)
    expect("lines fit", [line for line in out.splitlines() if len(line) > 80], [])


@test
def the_profile_tells_segments_and_pauses(_):
    out = bench("--profile")
    expect("columns", "ns/segment" in out and "ns/connection" in out, True)
    attacks = {m[1]: tuple(map(float, m[2].split())) for m in re.finditer(r"^([a-z]+) +([\d, .]+)$", out.replace(",", ""), re.M)}
    expect("attacks", sorted(attacks), ["collide", "expire", "flood", "fragments", "onebyte", "open", "reuse"])
    for kind, (packets, cost, pause, _) in attacks.items():
        expect(f"{kind}: plausible", packets >= 1000 and 1 < cost < 1e6 and pause > 0, True)


@test
def the_bench_measures_everything_that_is_committed(_):
    rows = dict(re.findall(r"^([a-z][\w-]+) +(-?[\d.]+)  ", bench(), re.M))
    with open(os.path.join(HERE, "expected"), encoding="utf-8") as lines:
        committed = [line.split()[0] for line in lines if not line.startswith("#")]
    expect("rows", sorted(rows), sorted(name for name in committed if not name.startswith("big-")))
    expect("octets a connection are some", float(rows["p6"]) > 10, True)


@test
def the_bench_fails_on_what_is_twice_as_bad(folder):
    expected = os.path.join(folder, "expected")
    for octets, status in ((1, 1), (1000000, 0)):
        with open(expected, "w", encoding="utf-8") as out:
            out.write(f"# nobody's machine\np6 {octets}\n")
        out = bench("--expected", expected, status=status)
        expect("says so", "more than twice as bad as 1" in out, status == 1)


def main():
    failed = 0
    for number, function in enumerate(TESTS, 1):
        with tempfile.TemporaryDirectory(prefix="tcpaudit-smoke-") as folder:
            try:
                function(folder)
                print(f"ok {number} - {function.__name__.replace('_', ' ')}", flush=True)
            except Exception as error:
                failed += 1
                print(f"not ok {number} - {function.__name__.replace('_', ' ')}")
                print("\n".join("# " + line for line in f"{type(error).__name__}: {error}"[:2000].splitlines()), flush=True)
    print(f"1..{len(TESTS)}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
