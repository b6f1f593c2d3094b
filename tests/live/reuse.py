#!/usr/bin/env python3
"""The same client port again after TIME-WAIT: the client closes first, and its kernel itself says when the port is free
(a minute on Linux).  Two connections, each complete, and nothing to remark."""
import errno
import os
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
sys.dont_write_bytecode = True  # the source may be read-only
import lab
import scenarios

PATIENCE = 100  # seconds; Linux holds TIME-WAIT for 60


def act_twice(version, port):
    scenarios.request(version, port, local_port=port + 10000).close()
    time.sleep(2 * scenarios.PAUSE)
    for _ in range(2 * PATIENCE):
        try:
            scenarios.request(version, port, local_port=port + 10000).close()
            time.sleep(2 * scenarios.PAUSE)
            return
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                raise
        time.sleep(0.5)
    raise AssertionError("the port never became free")


class PatientServer(scenarios.Scenario):
    """Whose server waits that long."""

    def __init__(self):
        super().__init__("port reused after TIME-WAIT", scenarios.serve_then_late_close, act_twice, times=2, kind="four-way",
                         closed_first="client", holder="client")
        self.patience = PATIENCE


def gap(flows, port, version):
    """Seconds between the two connections."""
    times = sorted((f["flow"]["start"], f["flow"]["end"]) for f in flows
                   if f["dest_port"] == port and (":" in f["dest_ip"]) == (version == 6))
    seconds = lambda text: (int(text[11:13]) * 60 + int(text[14:16])) * 60 + int(text[17:19])
    return (seconds(times[1][0]) - seconds(times[0][1])) % 86400 if len(times) == 2 else 0


def main():
    reason = lab.why_not()
    if reason:
        print(f"1..0 # SKIP {reason}")
        return 0
    tap, net = lab.Tap(), lab.Cable()
    plan = [(version, 7200, PatientServer()) for version in (4, 6)]
    try:
        audit = lab.audit_interface(net.name[0], net.device[0])
        troubles = scenarios.run_all(net, plan)
        status, out, _ = audit.stop()
        live = lab.records(out)
        for (version, port, scenario), trouble in zip(plan, troubles):
            waited = gap(lab.flows(live), port, version)
            tap.check(f"IPv{version} {scenario.name}", trouble + scenarios.judge(lab.flows(live), version, port, scenario) +
                      ([] if waited >= 55 else [f"only {waited} s between the connections"]))
        tap.check("run", scenarios.judge_run(status, live, True))
    finally:
        net.close()
    return tap.done()


sys.exit(main())
