"""The kernel's own record of its states, for compare.py: what it traces, and whom it holds in TIME-WAIT."""
import json
import os
import re
import shutil
import threading

HERE = os.path.dirname(os.path.abspath(__file__))
RESULT = re.compile(r"ends (\d+) exact (\d+) \([\d.]+%\) contradicted (\d+) missing (\d+) proven (\d+)%")
TRACING = "/sys/kernel/tracing/instances"


class Trace:
    """The kernel's changes of state, in an instance of the tracer that is this process's own."""

    def __init__(self):
        self.path = f"{TRACING}/tcpaudit-{os.getpid()}"
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
                    self.held.add((own, int(port), peer, int(other)))

    def stop(self):
        self.over.set()
        self.join()
        return sorted(self.held)


def why_not():
    """Why the kernel's record cannot be had here, or None."""
    if not shutil.which("ss"):
        return "needs ss"
    return None if os.path.isdir("/sys/kernel/tracing/events/sock") else "needs the kernel's event tracing"


def shared():
    for folder in (os.environ.get("TCPAUDIT_SHARED"), os.path.join(HERE, "..", "..", "..", "shared")):
        if folder and os.path.isfile(os.path.join(folder, "truth", "compare.py")):
            return os.path.join(folder, "truth")
    return None
