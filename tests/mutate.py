#!/usr/bin/env python3
"""mutate.py [COUNT [SEED]]: damaged captures must neither crash nor fool the program.

Takes captures of pcaps/, changes 0.1 to 10 % of their octets, cuts some short, and runs tcpaudit over each: exit status
0, 2 or 3, valid JSON Lines, an exact ledger, within a minute and 512 MiB.  Inputs that fail are kept, with their number,
in the current folder.  SEED makes a run repeatable."""
import concurrent.futures
import json
import os
import random
import resource
import subprocess
import sys
import tempfile
import threading

HERE = os.path.dirname(os.path.abspath(__file__))
PCAPS = os.path.join(HERE, "..", "pcaps")
PROGRAM = os.path.abspath(os.environ.get("TCPAUDIT", "./tcpaudit"))
COUNT = int(sys.argv[1]) if len(sys.argv) > 1 else int(os.environ.get("COUNT", "100"))
SEED = int(sys.argv[2]) if len(sys.argv) > 2 else int(os.environ.get("SEED", "1"))
MEMORY_KIB, SECONDS = 512 * 1024, 60
SANITIZED = b"__asan_init" in open(PROGRAM, "rb").read() if os.path.exists(PROGRAM) else False


def mutate(data, rng):
    data = bytearray(data)
    share = 10 ** rng.uniform(-3, -1)
    spare = rng.choice((0, 0, 24, 64))  # sometimes leave the file's header alone
    for _ in range(max(1, int(len(data) * share))):
        data[rng.randrange(min(spare, len(data) - 1), len(data))] = rng.choice((rng.randrange(256), 0, 0xFF))
    if rng.random() < 0.2:
        del data[rng.randrange(len(data)):]
    return bytes(data)


def limits():
    if not SANITIZED:  # whose shadow memory takes terabytes of addresses
        resource.setrlimit(resource.RLIMIT_AS, (4 << 30, 4 << 30))
    resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, SECONDS))


def run(path):
    """(exit status, output, error, peak KiB)"""
    out, err = tempfile.TemporaryFile(), tempfile.TemporaryFile()
    process = subprocess.Popen([PROGRAM, "-r", path, "-T", "jsonl", "--flows", "all", "--transitions", "--min-severity", "info"],
                               stdout=out, stderr=err, preexec_fn=limits)
    watchdog = threading.Timer(SECONDS, process.kill)
    watchdog.start()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = 0  # waited for
    watchdog.cancel()
    out.seek(0)
    err.seek(0)
    return os.waitstatus_to_exitcode(status), out.read(), err.read(), usage.ru_maxrss


def unique_keys(pairs):
    keys = [key for key, _ in pairs]
    if len(set(keys)) != len(keys):
        raise ValueError(f"key twice in {keys}")
    return dict(pairs)


def no_constant(name):
    raise ValueError(f"{name} is not JSON")


def judge(status, out, err, peak):
    if status not in (0, 2, 3):
        return f"exit status {status}: {err[-2000:].decode(errors='replace')}"
    if peak > MEMORY_KIB and not SANITIZED:
        return f"{peak} KiB"
    try:
        records = [json.loads(line, object_pairs_hook=unique_keys, parse_constant=no_constant) for line in out.decode().splitlines()]
    except ValueError as error:
        return f"not JSON: {error}"
    if status == 2:
        return None if not records or records[-1]["event_type"] in ("meta", "summary") else "records of a run that could not start"
    if not records or records[-1]["event_type"] != "summary":
        return "no summary"
    packets, connections = records[-1]["packets"], records[-1]["connections"]
    if packets["read"] != packets["tcp"] + sum(packets["not_analysed"].values()):
        return f"ledger {packets}"
    if sum(connections["by_close"].values()) != connections["total"]:
        return f"connections {connections}"
    if sum(record["event_type"] == "flow" for record in records) != connections["total"]:
        return f"{connections['total']} connections, but not as many flow records"
    return None


def one(number, sources):
    rng = random.Random(f"{SEED}/{number}")
    name, data = rng.choice(sources)
    data = mutate(data, rng)
    with tempfile.NamedTemporaryFile(suffix="-" + name) as file:
        file.write(data)
        file.flush()
        trouble = judge(*run(file.name))
    if trouble:
        kept = f"mutated-{SEED}-{number}-{name}"
        with open(kept, "wb") as file:
            file.write(data)
        return f"{kept}: {trouble}"
    return None


def main():
    sources = []
    for name in sorted(os.listdir(PCAPS)):
        if ".pcap" in name:
            with open(os.path.join(PCAPS, name), "rb") as file:
                sources.append((name, file.read()))
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        troubles = [trouble for trouble in pool.map(lambda number: one(number, sources), range(COUNT)) if trouble]
    print("1..1")
    print(f"{'not ok' if troubles else 'ok'} 1 - {COUNT} mutated captures, seed {SEED}: {len(troubles)} failed")
    for trouble in troubles[:20]:
        print("# " + trouble.replace("\n", "\n# "))
    return 1 if troubles else 0


sys.exit(main())
