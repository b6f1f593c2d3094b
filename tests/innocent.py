#!/usr/bin/env python3
"""innocent.py: what befalls a capture must not be held against the hosts.

Takes conversations without a fault (dialogues that expect no finding, and what kernels said in pcaps/), and spoils the
capture: leaves out each frame in turn, captures it twice, exchanges it with the next, begins or ends there.  Nothing at
warning or above may be raised (checks.md 1.6), and the ledger holds."""
import concurrent.futures
import json
import os
import struct
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
PROGRAM = os.path.abspath(os.environ.get("TCPAUDIT", "./tcpaudit"))
DIALOGUE = os.path.join(os.path.dirname(PROGRAM), "tests", "dialogue")


def is_innocent(path):
    """No finding, and a capture from nowhere in particular (there, absence is evidence)."""
    with open(path) as file:
        words = [line.split()[0] for line in file if line.split()]
    return not {"!", "may", "vantage"} & set(words)


def read(path):
    """(header, [record])"""
    with open(path, "rb") as file:
        data = file.read()
    records, at = [], 24
    while at < len(data):
        size = 16 + struct.unpack_from("<I", data, at + 8)[0]
        records.append(data[at:at + size])
        at += size
    return data[:24], records


def stamped(record, like):
    """A record with the time of another one."""
    return like[:8] + record[8:]


def spoiled(records):
    """(what was done, records)"""
    yield "nothing", records
    for i, record in enumerate(records):
        yield f"without frame {i + 1}", records[:i] + records[i + 1:]
        yield f"frame {i + 1} twice", records[:i + 1] + records[i:]
        if i:
            yield f"from frame {i + 1} on", records[i:]
            yield f"up to frame {i}", records[:i]
        if i + 1 < len(records):
            after = records[i + 1]
            yield f"frames {i + 1} and {i + 2} exchanged", records[:i] + [stamped(after, record), stamped(record, after)] + records[i + 2:]


def accusations(data):
    with tempfile.NamedTemporaryFile(suffix=".pcap") as file:
        file.write(data)
        file.flush()
        run = subprocess.run([PROGRAM, "-r", file.name, "-T", "jsonl", "--min-severity", "warning"], capture_output=True, text=True)
    records = [json.loads(line) for line in run.stdout.splitlines()]
    if run.returncode != 0 or not records or records[-1]["event_type"] != "summary":
        return [f"exit status {run.returncode} {run.stderr[-300:]}"]
    packets = records[-1]["packets"]
    ledger = [] if packets["read"] == packets["tcp"] + sum(packets["not_analysed"].values()) else [f"ledger {packets}"]
    return ledger + [f"{record['severity']} {record['rule_id']} {record['confidence']}" for record in records
                     if record["event_type"] == "finding"]


def judge(path):
    header, records = read(path)
    troubles, count = [], 0
    for what, kept in spoiled(records):
        count += 1
        troubles += [f"{what}: {accusation}" for accusation in accusations(header + b"".join(kept))]
    return count, troubles


def main():
    if not os.path.exists(DIALOGUE):
        print(f"1..0 # SKIP needs {DIALOGUE}")
        return 0
    folder = os.path.join(HERE, "dialogues")
    scripts = [os.path.join(folder, name) for name in sorted(os.listdir(folder)) if name.endswith(".pkt")]
    pcaps = os.path.join(HERE, "..", "pcaps")
    with tempfile.TemporaryDirectory() as made:
        subprocess.run([DIALOGUE, "--write", made, *filter(is_innocent, scripts)], check=True)
        paths = [os.path.join(made, name) for name in sorted(os.listdir(made))]
        paths += [os.path.join(pcaps, name) for name in sorted(os.listdir(pcaps)) if name.startswith("kernel-")]
        failed = 0
        print(f"1..{len(paths)}")
        with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
            for number, (path, (count, troubles)) in enumerate(zip(paths, pool.map(judge, paths)), 1):
                failed += bool(troubles)
                print(f"{'not ok' if troubles else 'ok'} {number} - {os.path.basename(path)}, spoiled in {count} ways")
                for trouble in troubles[:10]:
                    print(f"# {trouble}")
    return 1 if failed else 0


sys.exit(main())
