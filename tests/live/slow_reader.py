#!/usr/bin/env python3
"""A live capture whose reader takes nothing for a while: packets are read on, none is lost, and when the reader comes back it
gets every record.  Its pipe holds 64 KiB; what is told meanwhile is many times that."""
import os
import subprocess
import sys
import tempfile
import threading
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
sys.dont_write_bytecode = True  # the source may be read-only
import lab
import line_rate

CONNECTIONS, PASSES = 1500, 2
SETTLED = 7  # s after their last frames: then nearly all connections are told
STUCK = 2    # s that packets would wait if the capture did


class Audit:
    """tcpaudit into a pipe that is not read until stop()."""

    def __init__(self, net, *options):
        self.pipe, theirs = os.pipe()
        with os.fdopen(theirs, "wb") as out:
            self.listener = lab.audit_interface(net.name[1], net.device[1], "--no-dpi", *options, out=out)

    def read(self):
        with os.fdopen(self.pipe) as pipe:
            self.heard = pipe.read()

    def stop(self):
        reader = threading.Thread(target=self.read)
        reader.start()
        time.sleep(1)  # a pause counts when it is over
        status = self.listener.end()
        reader.join()
        return status, lab.records(self.heard)


def send(net, path):
    sent = subprocess.run(["ip", "netns", "exec", net.name[0], line_rate.sender(), path, net.device[0], "1", str(PASSES), "100000"],
                          check=True, capture_output=True, text=True).stdout
    return int(sent.split()[0])


def check(tap, net, path, workers):
    audit = Audit(net, "--workers", str(workers))
    sent = send(net, path)
    time.sleep(SETTLED)
    sent += send(net, path)  # late copies of the same
    time.sleep(STUCK)
    status, records = audit.stop()
    end = lab.summary(records)
    name = f"{workers} worker{'s' * (workers > 1)}"
    read, kernel, output = end.get("packets", {}).get("read"), end.get("kernel", {}), end.get("output", {})
    tap.check(f"{name}: every packet that was sent was read", [] if read == sent and kernel.get("dropped") == 0 else [f"{sent} sent, {read} read, {kernel}"])
    pause = kernel.get("longest_pause_us", 0) / 1e6
    tap.check(f"{name}: reading never waited for the reader", [] if pause < STUCK / 2 else [f"longest pause {pause} s"])
    flows = len(lab.flows(records))
    complete = status in (0, 1) and flows == CONNECTIONS * PASSES and output.get("lost") == 0 and output.get("records") == len(records)
    tap.check(f"{name}: no record is lost", [] if complete else [f"exit status {status}, {flows} flows, {len(records)} records, {output}"])


def check_full_disk(tap, net):
    """Nobody reads the stats, and the end may be weeks away."""
    run = subprocess.run(["ip", "netns", "exec", net.name[1], lab.program(), "-i", net.device[1], "-T", "jsonl", "-o", "/dev/full",
                          "-a", "duration:3"], capture_output=True, text=True, check=False)
    lines = run.stderr.splitlines()
    told = [i for i, line in enumerate(lines) if line == "tcpaudit: /dev/full: No space left on device: it is tried again each second"]
    lost = [i for i, line in enumerate(lines) if line.endswith("records lost: No space left on device")]
    good = run.returncode == 5 and len(told) == len(lost) == 1 and told < lost
    tap.check("a full disk: told once, while it lasts, and at the end", [] if good else [f"exit status {run.returncode}", *lines])


def main():
    reason = line_rate.why_not()
    if reason:
        print(f"1..0 # SKIP {reason}")
        return 0
    tap, net = lab.Tap(), lab.silent_cable()
    try:
        with tempfile.TemporaryDirectory() as directory, lab.Backlog():
            path = line_rate.known_capture(directory, CONNECTIONS)
            for workers in (1, 2):
                check(tap, net, path, workers)
            check_full_disk(tap, net)
    finally:
        net.close()
    return tap.done()


if __name__ == "__main__":
    sys.exit(main())
