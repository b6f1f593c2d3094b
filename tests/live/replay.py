#!/usr/bin/env python3
"""A generated capture, read by -r and replayed over a veth pair onto -i: the same kinds, nothing dropped, and the
kernel's count of packets equals ours."""
import json
import os
import shutil
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
sys.dont_write_bytecode = True  # the source may be read-only
import lab
import scenarios

MAKECAP = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "makecap.py")
CONNECTIONS, RATE = 3000, 20000


def kinds(records):
    return {kind: n for kind, n in lab.summary(records).get("connections", {}).get("by_close", {}).items() if n}


def main():
    reason = lab.why_not() or (None if shutil.which("tcpreplay") else "needs tcpreplay")
    if reason:
        print(f"1..0 # SKIP {reason}")
        return 0
    tap, net = lab.Tap(), lab.silent_cable()
    try:
        with tempfile.TemporaryDirectory() as directory:
            path = os.path.join(directory, "generated.pcap")
            made = json.loads(subprocess.run([sys.executable, MAKECAP, "replay", path, str(CONNECTIONS)], check=True,
                                             capture_output=True, text=True).stdout)
            file_status, file = lab.audit_file(path)
            audit = lab.audit_interface(net.name[1], net.device[1])
            sent = subprocess.run(["ip", "netns", "exec", net.name[0], "tcpreplay", "-q", "-i", net.device[0], f"--pps={RATE}", path],
                                  capture_output=True, text=True)
            status, out, err = audit.stop()
            live = lab.records(out)
        tap.check("tcpreplay", [sent.stderr] if sent.returncode else [])
        tap.check("file: kinds as generated", [] if kinds(file) == made else [f"expected {made}, got {kinds(file)}"])
        tap.check("file: ledger", scenarios.judge_run(file_status, file, False))
        tap.check("live: kinds as in the file", [] if kinds(live) == kinds(file) else [f"expected {kinds(file)}, got {kinds(live)}"])
        tap.check("live: ledger, nothing dropped", scenarios.judge_run(status, live, True) + ([err.strip()] if status else []))
        read = [lab.summary(records).get("packets", {}).get("tcp") for records in (file, live)]
        tap.check("live: as many TCP packets", [] if read[0] == read[1] else [f"expected {read[0]}, got {read[1]}"])
    finally:
        net.close()
    return tap.done()


sys.exit(main())
