#!/usr/bin/env python3
"""The kernel's own TCP over a veth pair, IPv4 and IPv6: how connections ended, by what their sockets did, held against
tcpaudit listening at the client and reading a capture that tcpdump took at the server."""
import os
import sys
import tempfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
sys.dont_write_bytecode = True  # the source may be read-only
import lab
import scenarios


def main():
    reason = lab.why_not()
    if reason:
        print(f"1..0 # SKIP {reason}")
        return 0
    tap, net = lab.Tap(), lab.Cable()
    plan = [(version, 7000 + i, scenario) for version in (4, 6) for i, scenario in enumerate(scenarios.ON_A_CABLE)]
    try:
        net.sysctl(0, "net.ipv4.tcp_tw_reuse", 1)
        with tempfile.TemporaryDirectory() as directory:
            path = os.path.join(directory, "server.pcap")
            dump = lab.Listener(net.name[1], ["tcpdump", "-i", net.device[1], "-U", "-w", path])
            audit = lab.audit_interface(net.name[0], net.device[0])
            troubles = scenarios.run_all(net, plan)
            status, out, err = audit.stop()
            dump.stop()
            live = lab.records(out)
            file_status, file = lab.audit_file(path)
        for (version, port, scenario), trouble in zip(plan, troubles):
            for where, all_records in (("live", live), ("file", file)):
                tap.check(f"{where} IPv{version} {scenario.name}",
                          trouble + scenarios.judge(lab.flows(all_records), version, port, scenario))
        tap.check("live run", scenarios.judge_run(status, live, True) + ([err.strip()] if status else []))
        tap.check("file run", scenarios.judge_run(file_status, file, False))
    finally:
        net.close()
    return tap.done()


sys.exit(main())
