#!/usr/bin/env python3
"""The kernel's own TCP through a relay that delays and drops: closes that cross, and a lost last acknowledgment, seen
by tcpaudit at the client's device while it happens, and in a capture from the middle of the path."""
import os
import sys
import tempfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
sys.dont_write_bytecode = True  # the source may be read-only
import lab
import scenarios


def play(version, port, policy, scenario):
    """(problems of the applications, live run, file run)"""
    with tempfile.TemporaryDirectory() as directory:
        path = os.path.join(directory, "middle.pcap")
        net = lab.Relay(policy, path)
        try:
            audit = lab.audit_interface(net.name[0], net.device[0])
            troubles = scenarios.run_all(net, [(version, port, scenario)])[0]
            status, out, _ = audit.stop()
            net.settle()
            return troubles, (status, lab.records(out)), lab.audit_file(path)
        finally:
            net.close()


def main():
    reason = lab.why_not()
    if reason:
        print(f"1..0 # SKIP {reason}")
        return 0
    tap = lab.Tap()
    for version in (4, 6):
        for i, (policy, scenario) in enumerate(scenarios.on_a_relay()):
            troubles, live, file = play(version, 7100 + i, policy, scenario)
            for where, (status, all_records) in (("live", live), ("middle", file)):
                tap.check(f"{where} IPv{version} {scenario.name}",
                          troubles + scenarios.judge(lab.flows(all_records), version, 7100 + i, scenario) +
                          scenarios.judge_run(status, all_records, where == "live"))
    return tap.done()


sys.exit(main())
