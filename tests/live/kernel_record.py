"""The kernel's own record of its states, what it traces and whom it holds in TIME-WAIT, and what compare.py makes of one."""
import collections
import json
import os
import re
import shutil
import subprocess
import sys
import threading

import lab

HERE = os.path.dirname(os.path.abspath(__file__))
RESULT = re.compile(r"ends (\d+) exact (\d+) \([\d.]+%\) contradicted (\d+) missing (\d+) proven (\d+)%")
TRACING = "/sys/kernel/tracing"


def mount_tracing():
    """Several may find at once that it is not mounted: then all but the first are refused."""
    if not os.path.ismount(TRACING):
        mount = subprocess.run(["mount", "-t", "tracefs", "tracefs", TRACING], stderr=subprocess.PIPE, text=True)
        if not os.path.ismount(TRACING):
            raise OSError(mount.stderr.strip() or f"{TRACING} cannot be mounted")


class Trace:
    """The kernel's changes of state, in an instance of the tracer that is this process's own."""

    def __init__(self):
        mount_tracing()
        self.path = f"{TRACING}/instances/tcpaudit-{os.getpid()}"
        os.mkdir(self.path)
        try:
            self.write("buffer_size_kb", "8192")
            self.write("trace_clock", "mono")  # the same on every processor: events come in their order
            self.write("events/sock/inet_sock_set_state/enable", "1")
        except BaseException:
            self.close()
            raise

    def write(self, name, value):
        with open(f"{self.path}/{name}", "w") as f:
            f.write(value)

    def store(self, path, owns):
        with open(f"{self.path}/trace") as trace, open(path, "w") as out:
            for line in trace:
                value = dict(word.split("=", 1) for word in line.split() if "=" in word)
                if "inet_sock_set_state:" in line and value.get("saddr") in owns:
                    out.write(json.dumps({"event": "inet_sock_set_state", **value}) + "\n")

    def close(self):
        os.rmdir(self.path)


class Holders(threading.Thread):
    """Looks again and again who is in TIME-WAIT."""

    def __init__(self, net, ends):
        super().__init__()
        self.net, self.ends, self.held, self.over = net, ends, set(), threading.Event()
        self.start()

    def run(self):
        last = False
        while not last:
            last = self.over.wait(.2)
            for end in self.ends:
                for line in self.net.run(self.net.name[end], "ss", "-Htan", "state", "time-wait").splitlines():
                    (own, port), (peer, other) = (word.rsplit(":", 1) for word in line.split()[-2:])
                    self.held.add((own.strip("[]"), int(port), peer.strip("[]"), int(other)))

    def stop(self):
        self.over.set()
        self.join()
        return sorted(self.held)


def why_not():
    """Why root cannot have the kernel's record here, or None."""
    if not shutil.which("ss"):
        return "needs ss"
    if not os.path.isdir(TRACING):
        return "needs the kernel's event tracing"
    try:
        Trace().close()
    except (OSError, subprocess.CalledProcessError):
        return "may not trace the kernel's sockets"
    return None


def shared():
    """The folder with record.py and compare.py; None without."""
    places = [os.environ.get("TCPAUDIT_SHARED", "")]
    up = HERE
    while up != os.path.dirname(up):
        up = os.path.dirname(up)
        places.append(os.path.join(up, "shared"))
    for place in places:
        if place and os.path.isfile(os.path.join(place, "truth", "compare.py")):
            return os.path.join(place, "truth")
    return None


def judge(tools, directory, place, capture, least, show, expected=()):
    """(what is wrong, compare.py's figures, tcpaudit's records) of a capture whose packets, as raw IP, are in place.pcap.  `least`:
    percent of the ends that must be exact; `expected`: rules that may warn."""
    audit = subprocess.run([lab.program(), "-r", f"{directory}/{capture}", "-T", "jsonl", "--flows", "all", "--transitions", "--no-dpi"],
                           capture_output=True, text=True)
    if audit.returncode not in (0, 1):
        return [f"tcpaudit ended with status {audit.returncode}"], "nothing", []
    judged = subprocess.run([sys.executable, os.path.join(tools, "compare.py"), directory, place, "--show", str(show)], input=audit.stdout,
                            capture_output=True, text=True).stdout.strip().split("\n")
    for line in judged[:-1]:
        print("# " + line)
    ends, exact, contradicted, missing, _ = map(int, RESULT.fullmatch(judged[-1]).groups())
    records = lab.records(audit.stdout)
    loud = collections.Counter(f"{r['severity']} {r['rule_id']} {r['confidence']}" for r in records
                               if r["event_type"] == "finding" and r["severity"] in ("warning", "error") and r["rule_id"] not in expected)
    wrong = [] if ends else ["nothing was recorded"]
    # of whom nothing came through there is nothing to tell
    wrong += [f"less than {least} % are exact"] if exact * 100 < least * (ends - missing) else []
    wrong += ["a proven transition never happened"] if contradicted else []
    wrong += [f"accuses {n} times: {what}" for what, n in loud.items()]
    return wrong, judged[-1], records
