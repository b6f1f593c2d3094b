#!/usr/bin/env python3
"""properties.py [--full]: what no capture may break (tests/properties.c), over what there is to try it on.

 dialogues     all of tests/dialogues, written out as captures
 shipped       pcaps/
 recordings    of kernels, where $TCPAUDIT_SHARED or ../shared has them: a tenth of the connections, --full all

and what goes through files: the same frames in one file, in several, in any order of the command line.  TAP."""
import glob
import json
import os
import struct
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
PROGRAM = os.path.abspath(os.environ.get("TCPAUDIT", "./tcpaudit"))
BUILT = os.path.join(os.path.dirname(PROGRAM), "tests")
SHARED = os.environ.get("TCPAUDIT_SHARED", os.path.join(HERE, "..", "..", "shared"))
FULL = "--full" in sys.argv[1:]


def properties(what, files, *options):
    """[(passed, name, diagnostics)]"""
    run = subprocess.run([os.path.join(BUILT, "properties"), *options, *files], capture_output=True, text=True)
    results = []
    for line in run.stdout.splitlines():
        if line.startswith(("ok ", "not ok ")):
            results.append((line.startswith("ok "), f"{what}: {line.split(' - ', 1)[1]}", []))
        elif line.startswith("#") and results:
            results[-1][2].append(line)
    return results or [(False, f"{what}: exit status {run.returncode}", ["# " + run.stderr[-300:]])]


def read(path):
    """(header, [record]) of a pcap file in this host's byte order"""
    with open(path, "rb") as file:
        data = file.read()
    records, at = [], 24
    while at + 16 <= len(data):
        size = 16 + struct.unpack_from("<I", data, at + 8)[0]
        records.append(data[at:at + size])
        at += size
    return data[:24], records


# What a frame and a connection are called, and where they were read, is all that files may change.
CALLED = {"flow_id", "input", "pcap_filename", "frame", "fin_frame", "ack_frame", "reset_frame", "wireshark", "flow_before"}


def scrubbed(value):
    if isinstance(value, dict):
        return {key: item is not None if key == "proven_by" else scrubbed(item)
                for key, item in value.items() if key not in CALLED}
    if isinstance(value, list):
        return [scrubbed(item) for item in value if item != "cap-multi-if"] # which several files are
    return value


def verdicts(paths):
    """All that is said of each connection, whatever its frames are called."""
    options = [word for path in paths for word in ("-r", path)]
    run = subprocess.run([PROGRAM, *options, "-T", "jsonl", "--flows", "all", "--transitions", "--min-severity", "info"],
                         capture_output=True, text=True)
    return sorted((json.dumps(scrubbed(record), sort_keys=True) for record in map(json.loads, run.stdout.splitlines())
                   if record["event_type"] in ("flow", "finding")))


def split(path, parts):
    """The same frames in `parts` files, one after the other."""
    header, records = read(path)
    whole = verdicts([path])
    with tempfile.TemporaryDirectory() as folder:
        names = []
        for part in range(parts):
            names.append(os.path.join(folder, f"{part}.pcap"))
            with open(names[-1], "wb") as file:
                file.write(header + b"".join(records[part * len(records) // parts:(part + 1) * len(records) // parts]))
        for order in (names, names[::-1]):
            got = verdicts(order)
            if got != whole:
                different = [item for item in got if item not in whole] + [item for item in whole if item not in got]
                return f"{os.path.basename(path)} in {parts} files: {different[:2]}"[:1000]
    return None


def in_time(path):
    """Files are merged by time: one whose frames are not in that order is another capture when it is split."""
    stamps = [struct.unpack_from("<II", record) for record in read(path)[1]]
    return stamps == sorted(stamps)


def in_files(paths):
    paths = list(filter(in_time, paths))
    troubles = [trouble for path in paths for parts in (2, 3, 5) if (trouble := split(path, parts))]
    return (not troubles, f"split: {3 * len(paths)} captures in 2, 3 and 5 files, in either order", [f"# {t}" for t in troubles[:10]])


def plain(path):
    with open(path, "rb") as file:
        return file.read(4) in (b"\xd4\xc3\xb2\xa1", b"\x4d\x3c\xb2\xa1")


def main():
    if not os.path.exists(os.path.join(BUILT, "properties")) or not os.path.exists(os.path.join(BUILT, "dialogue")):
        print(f"1..0 # SKIP needs {BUILT}/properties and dialogue")
        return 0
    shipped = sorted(filter(plain, glob.glob(os.path.join(HERE, "..", "pcaps", "*.pcap"))))
    recordings = sorted(glob.glob(os.path.join(SHARED, "truth", "*", "*.pcap")))
    with tempfile.TemporaryDirectory() as made:
        scripts = sorted(glob.glob(os.path.join(HERE, "dialogues", "*.pkt")))
        subprocess.run([os.path.join(BUILT, "dialogue"), "--write", made, *scripts], check=True)
        dialogues = sorted(glob.glob(os.path.join(made, "*.pcap")))
        results = properties("dialogues", dialogues) + properties("shipped captures", shipped)
        for seed in range(1, 9) if FULL else ():
            results += properties(f"seed {seed}", dialogues + shipped, "--seed", str(seed))
        if recordings:
            results += properties("recordings", recordings, *([] if FULL else ["--every", "10"]))
        results.append(in_files(shipped + recordings if FULL else shipped))
    print(f"1..{len(results) + (not recordings)}")
    for number, (passed, name, diagnostics) in enumerate(results, 1):
        print(f"{'ok' if passed else 'not ok'} {number} - {name}")
        for line in diagnostics:
            print(line)
    if not recordings:
        print(f"ok {len(results) + 1} - recordings # SKIP none in {SHARED}/truth")
    return not all(passed for passed, _, _ in results)


sys.exit(main())
