#!/usr/bin/env python3
"""The mirror against the kernel's own record, where connections take rarer ways: IPv6, both ends opening or closing at
once, fast open, a port used again inside TIME-WAIT and after a reset, keep-alive, a closed window at the FIN, FIN-WAIT-2
timing out, segmentation offload, an orphan whose FINs are lost.

The kernel reports each change of state (the trace event sock:inet_sock_set_state) and `ss` shows who is in TIME-WAIT;
tcpdump captures at both hosts, and tcpaudit's routes must be the kernel's, state for state, on the wire: a close counts
from the first FIN that was sent.  Each scenario names the close kind, what each kernel must have gone through, so that
the scenario did happen, and the errors and warnings that are true of it."""
import collections
import errno
import multiprocessing
import os
import socket
import subprocess
import sys
import tempfile
import threading
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
sys.dont_write_bytecode = True  # the source may be read-only
import kernel_record
import lab
import scenarios

NAME = {"SYN_SENT": "SYN-SENT", "SYN_RECV": "SYN-RECEIVED", "ESTABLISHED": "ESTABLISHED", "FIN_WAIT1": "FIN-WAIT-1",
        "FIN_WAIT2": "FIN-WAIT-2", "CLOSE_WAIT": "CLOSE-WAIT", "LAST_ACK": "LAST-ACK", "CLOSING": "CLOSING", "CLOSE": "CLOSED"}
SERVER = "SYN-RECEIVED ESTABLISHED CLOSE-WAIT LAST-ACK CLOSED"
CLIENT = "SYN-SENT ESTABLISHED FIN-WAIT-1 FIN-WAIT-2 CLOSED"


class Play:
    """One scenario.  `serve` and `act` as in scenarios.py; `client` and `server`: what those kernels went through.

    kind: of each connection, or {where captured: kind}; unseen: the ends that let go without a frame, by a timer; blind: {where captured: an end from or to which the path lost what decides}, which then may be
    wrong where it only presumes; true: errors and warnings that are true of it; told: {where captured: all that is found of data-}."""

    def __init__(self, name, serve, act, kind, client=CLIENT, server=SERVER, times=1, unseen=(), blind=None, true=(), told=None):
        self.name, self.serve, self.act, self.kind, self.times = name, serve, act, kind, times
        self.route = {"client": client.split(), "server": server.split()}
        self.unseen, self.blind, self.true, self.told = unseen, blind or {}, set(true), told or {}

    def kinds(self, where):
        return [self.kind[where] if isinstance(self.kind, dict) else self.kind] * self.times


class Trace(kernel_record.Trace):
    def routes(self, addresses):
        """{(address, port, peer, port): [[states of one incarnation]...]}"""
        ends = collections.defaultdict(list)
        with open(f"{self.path}/trace") as f:
            for line in f:
                if "inet_sock_set_state:" not in line:
                    continue
                value = dict(word.split("=", 1) for word in line.split() if "=" in word)
                six = value["family"] == "AF_INET6"
                own, peer = (value["saddrv6"], value["daddrv6"]) if six else (value["saddr"], value["daddr"])
                own, peer = own.removeprefix("::ffff:"), peer.removeprefix("::ffff:")
                if own not in addresses or value["dport"] == "0":
                    continue
                route = ends[(own, int(value["sport"]), peer, int(value["dport"]))]
                state = NAME.get(value["newstate"].removeprefix("TCP_"))
                if not route or route[-1][-1] == "CLOSED":
                    route.append([])
                if state and (not route[-1] or route[-1][-1] != state):
                    route[-1].append(state)
        return ends


# ---- what the applications do; `local` binds the port, as the kernel traces SYN-SENT before it chooses one ----

LOCAL = 20000


def request(version, port, **how):
    return scenarios.request(version, port, local_port=LOCAL + port, **how)


def act_close(version, port):
    request(version, port).close()
    time.sleep(2 * scenarios.PAUSE)


def act_late_close(version, port):
    with request(version, port) as client:
        lab.read_all(client)
        time.sleep(scenarios.PAUSE)


def act_half_close(version, port):
    with lab.connect(version, port, LOCAL + port) as client:
        client.sendall(b"w" * 4000)
        client.shutdown(socket.SHUT_WR)
        lab.read_all(client)


def serve_half_close(server):
    lab.read_all(server)
    time.sleep(scenarios.PAUSE)
    server.sendall(b"r" * 5000)


def act_linger_zero(version, port):
    with request(version, port) as client:
        time.sleep(scenarios.PAUSE)
        lab.linger_zero(client)


def act_until_end(version, port):
    with request(version, port) as client:
        scenarios.wait_for_end(client)


def act_unread(version, port):
    with lab.connect(version, port, LOCAL + port) as client:
        client.sendall(b"q" * 100)
        time.sleep(scenarios.PAUSE)


def act_half_close_unread(version, port):
    with lab.connect(version, port, LOCAL + port) as client:
        client.sendall(b"q" * 5000)
        client.shutdown(socket.SHUT_WR)
        scenarios.wait_for_end(client)


def act_refused(version, port):
    try:
        lab.connect(version, port, LOCAL + port).close()
    except ConnectionRefusedError:
        return
    raise AssertionError("somebody listens")


def act_again_server_held(version, port):
    for _ in range(2):
        with request(version, port, reuse=True) as client:
            lab.read_all(client)
            time.sleep(scenarios.PAUSE)
        time.sleep(scenarios.PAUSE)


def act_again_client_held(version, port):
    for _ in range(2):
        request(version, port, reuse=True).close()
        time.sleep(1.5)


def act_again_after_reset(version, port):
    for _ in range(2):
        with request(version, port, reuse=True) as client:
            lab.linger_zero(client)
        time.sleep(2 * scenarios.PAUSE)


def act_keep_alive(version, port):
    with request(version, port) as client:
        keep_alive(client)
        time.sleep(2.5)


def keep_alive(sock, probes=2):
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for option, value in ((socket.TCP_KEEPIDLE, 1), (socket.TCP_KEEPINTVL, 1), (socket.TCP_KEEPCNT, probes)):
        sock.setsockopt(socket.IPPROTO_TCP, option, value)


# The server's window is full when the client has said all; it reads only later.
def serve_full_window(server):
    time.sleep(1)
    lab.read_all(server)
    time.sleep(scenarios.PAUSE)


def act_full_window(version, port):
    client = lab.connect(version, port, LOCAL + port)
    client.setblocking(False)
    while True:
        try:
            client.send(b"w" * 65536)
        except BlockingIOError:
            break
    client.settimeout(10)
    client.shutdown(socket.SHUT_WR)
    lab.read_all(client)
    client.close()


def serve_unread_until_reset(server):
    time.sleep(3.5)


def act_abort_full_window(version, port):
    client = lab.connect(version, port, LOCAL + port)
    client.settimeout(.3)
    try:
        while True:
            client.send(b"w" * 65536)
    except TimeoutError:
        pass
    time.sleep(2.5)  # three probes, and their answers
    lab.linger_zero(client)
    client.close()
    time.sleep(scenarios.PAUSE)


# The client's socket is gone when its FIN-WAIT-2 times out; what the server sends later is reset.
def serve_after_timeout(server):
    scenarios.answer(server)
    lab.read_all(server)
    time.sleep(5)
    server.sendall(b"too late")
    time.sleep(scenarios.PAUSE)


def act_bulk(version, port):
    with lab.connect(version, port, LOCAL + port) as client:
        client.sendall(b"b" * 2000000)
        client.shutdown(socket.SHUT_WR)
        assert len(lab.read_all(client)) == 2000000


def serve_bulk(server):
    assert len(lab.read_all(server)) == 2000000
    server.sendall(b"c" * 2000000)


def fast_open(version, port, local):
    client = socket.socket(socket.AF_INET if version == 4 else socket.AF_INET6)
    client.bind((lab.ADDRESS[version][0], local))
    client.sendto(b"q" * 100, socket.MSG_FASTOPEN, (lab.ADDRESS[version][1], port))
    client.settimeout(10)
    lab.read_exactly(client, 300)
    return client


def act_fast_open(version, port):
    """The first connection fetches the cookie, the second carries text on its SYN."""
    for i in range(2):
        client = fast_open(version, port, LOCAL + port + 1000 * i)
        client.close()
        time.sleep(2 * scenarios.PAUSE)


def serve_and_keep(server):
    """The server closes nothing while anybody looks."""
    scenarios.answer(server)
    KEPT.append(server.dup())


KEPT = []


class Together:
    """Both ends open at once, from fixed ports: no listener.  One closes."""

    def __init__(self):
        self.barrier = threading.Barrier(2)

    def open(self, version, end, port, peer_port):
        sock = socket.socket(socket.AF_INET if version == 4 else socket.AF_INET6)
        sock.settimeout(10)
        sock.bind((lab.ADDRESS[version][end], port))
        self.barrier.wait(10)
        sock.connect((lab.ADDRESS[version][not end], peer_port))
        return sock


# ---- the kernel's route, as the wire shows it ----

def contradictions(kernel, mirror):
    """Proven transitions that never happened, in that order."""
    rest, wrong = list(kernel), []
    for state, proven in mirror:
        if not proven or state in ("LISTEN", "TIME-WAIT", "CLOSED"):
            continue
        if state in rest:
            del rest[:rest.index(state)]
        else:
            wrong.append(f"contradicted: {state}")
    return wrong


def differences(kernel, mirror, held, unseen):
    """Where the mirror's route of one end of one incarnation is not the kernel's."""
    said, problems = [], []
    for state, _ in mirror:  # a listener's attempts are no sockets yet
        if state != "LISTEN" and said[-1:] != [state]:
            said.append(state)
    body, kernel_body = ([s for s in route if s not in ("TIME-WAIT", "CLOSED")] for route in (said, kernel))
    if body != kernel_body:
        problems.append(f"kernel {' '.join(kernel)}")
    if held is not None and ("TIME-WAIT" in said) != held:
        problems.append(f"the kernel {'held' if held else 'did not hold'} TIME-WAIT")
    if not unseen and (kernel[-1] == "CLOSED") != bool({"TIME-WAIT", "CLOSED"} & set(said)):
        problems.append(f"the kernel {'let go' if kernel[-1] == 'CLOSED' else 'still has the connection'}")
    return problems


def judge_end(play, where, end, kernel, mirror, held):
    problems = contradictions(kernel, mirror)
    if play.blind.get(where) != end:
        problems += differences(kernel, mirror, held, end in play.unseen)
    way = " ".join(state + "?!"[proven] for state, proven in mirror)
    return [f"{end}: {problem}; tcpaudit {way}" for problem in problems]


def judge(play, where, version, port, records, kernel, held):
    """What differs between tcpaudit's records and the kernel's, for one scenario."""
    def mine(record):
        return port in (record["dest_port"], record["src_port"]) and (":" in record["dest_ip"]) == (version == 6)

    flows = sorted(filter(mine, lab.flows(records)), key=lambda f: f["flow_id"])
    kinds = sorted(flow["close"]["kind"] for flow in flows)
    problems = [] if kinds == play.kinds(where) else [f"close {kinds}, expected {play.kinds(where)}"]
    problems += [f"flow {flow['flow_id']}: nothing was missed, and yet cap-gap-acked" for flow in flows if "cap-gap-acked" in flow["capture"]]
    seen = collections.Counter()
    for flow in flows:
        c, s = (flow["src_ip"], flow["src_port"]), (flow["dest_ip"], flow["dest_port"])
        nth, seen[c + s] = seen[c + s], seen[c + s] + 1
        for said, key in (("client", c + s), ("server", s + c)):
            end = "server" if key[1] == port else "client"  # whoever sent the first SYN that was captured
            routes, wanted = kernel.get(key, []), play.route[end]
            if not routes and not wanted:
                continue
            if nth >= len(routes) or routes[nth] != wanted:
                problems.append(f"{end}: the scenario did not happen: kernel {routes}")
                continue
            mirror = [(t["to"], t["proven_by"] is not None) for t in flow["transitions"] if t["end"] == said]
            # a reset may end TIME-WAIT before anybody looks
            known = key in held or not flow["tcp"]["resets_toserver" if said == "server" else "resets_toclient"]
            problems += judge_end(play, where, end, routes[nth], mirror, key in held if known else None)
    findings = [f for f in records if f["event_type"] == "finding" and mine(f)]
    loud = {f["rule_id"] for f in findings if f["severity"] in ("error", "warning")}
    told = {f["rule_id"] for f in findings if f["rule_id"].startswith("data-")}
    if told != set(play.told.get(where, ())):
        problems.append(f"says {' '.join(sorted(told)) or 'nothing'} of text and acknowledgments")
    return problems + [f"accuses: {rule}" for rule in sorted(loud - play.true)]


# ---- laboratories: each is a process with a wire, addresses and a tracer of its own ----

ABORTED = "SYN-RECEIVED ESTABLISHED CLOSED"
ABORT = "SYN-SENT ESTABLISHED CLOSED"


def plain_plays():
    late, once = scenarios.serve_then_late_close, scenarios.serve_and_close
    return [
        Play("four-way close by the client", late, act_close, "four-way"),
        Play("four-way close by the server", once, act_late_close, "four-way", "SYN-SENT ESTABLISHED CLOSE-WAIT LAST-ACK CLOSED",
             "SYN-RECEIVED ESTABLISHED FIN-WAIT-1 FIN-WAIT-2 CLOSED"),
        Play("three segments", scenarios.serve_prompt_close, act_close, "three-way"),
        Play("half-close", serve_half_close, act_half_close, "half-close"),
        Play("linger zero at the client", scenarios.serve_until_end, act_linger_zero, "abort-client", ABORT, ABORTED),
        Play("linger zero at the server", scenarios.serve_linger_zero, act_until_end, "abort-server", ABORT, ABORTED),
        Play("unread text at the client", scenarios.serve_until_end, act_unread, "abort-client", ABORT, ABORTED),
        Play("FIN, then unread text at the server", scenarios.serve_unread, act_half_close_unread, "fin-rst-peer", CLIENT,
             "SYN-RECEIVED ESTABLISHED CLOSE-WAIT CLOSED"),
        Play("refused", None, act_refused, "refused", "SYN-SENT CLOSED", ""),
        Play("keep-alive, answered", late, act_keep_alive, "four-way"),
        Play("port again, TIME-WAIT at the server", once, act_again_server_held, "four-way",
             "SYN-SENT ESTABLISHED CLOSE-WAIT LAST-ACK CLOSED", "SYN-RECEIVED ESTABLISHED FIN-WAIT-1 FIN-WAIT-2 CLOSED", times=2),
        Play("port again, TIME-WAIT at the client", late, act_again_client_held, "four-way", times=2, true=["tw-active-reopen"]),
        Play("port again after a reset", scenarios.serve_until_end, act_again_after_reset, "abort-client", ABORT, ABORTED, times=2),
        Play("closed window at the FIN", serve_full_window, act_full_window, "four-way"),
        Play("a reset into a closed window", serve_unread_until_reset, act_abort_full_window, "abort-client", ABORT, ABORTED,
             told={where: ["data-zwp-abort"] for where in ("client", "server")}),
        Play("fast open", late, act_fast_open, "four-way", times=2),
    ]


def run_plays(net, plan, directory):
    """Plays [(version, port, play)] side by side; [(name, problems)]"""
    trace, holders, captures = Trace(), None, []
    try:
        for end in (0, 1):
            path = os.path.join(directory, ("client", "server")[end] + ".pcap")
            captures.append((path, lab.Listener(net.name[end], ["tcpdump", "-B", "16384", "-i", net.device[end], "-w", path, "tcp"])))
        holders = kernel_record.Holders(net, (0, 1))
        for _, _, play in plan:
            play.patience = 12
        troubles = scenarios.run_all(net, plan)
        time.sleep(1.5)  # what tcpdump still has in its ring comes within a second
    finally:
        if holders:
            holders.stop()
        for _, listener in captures:
            listener.stop()
        try:
            kernel = trace.routes({address for pair in lab.ADDRESS.values() for address in pair})
        finally:
            trace.close()
    results = []
    for where, (path, _) in zip(("client", "server"), captures):
        for options in ([], ["--vantage", where]):
            status, records = lab.audit_file(path, "--flows", "all", "--transitions", *options)
            for (version, port, play), trouble in zip(plan, troubles):
                results.append((f"IPv{version} {play.name}, captured at the {where}{', typed' if options else ''}", trouble +
                                judge(play, where, version, port, records, kernel, holders.held) +
                                ([] if status in (0, 1) else [f"exit status {status}"])))
    return results


def cable_lab(directory):
    net = lab.Cable()
    try:
        for end in (0, 1):
            lab.offload(net, end, False)
            net.sysctl(end, "net.ipv4.tcp_tw_reuse", 1)
            net.sysctl(end, "net.ipv4.tcp_fastopen", 0x403)  # both roles, and a listener needs no option
        return run_plays(net, [(v, 7600 + i, play) for v in (4, 6) for i, play in enumerate(plain_plays())], directory)
    finally:
        net.close()


def offload_lab(directory):
    net = lab.Cable()
    try:
        for end in (0, 1):
            if not lab.offload(net, end, True):
                return [("segmentation offload # SKIP the device has none", [])]
        plays = [Play("2 MB each way with segmentation offload", serve_bulk, act_bulk, "half-close")]
        return run_plays(net, [(v, 7640 + i, play) for v in (4, 6) for i, play in enumerate(plays)], directory)
    finally:
        net.close()


def timeout_lab(directory):
    net = lab.Cable()
    try:
        net.sysctl(0, "net.ipv4.tcp_fin_timeout", 3)
        play = Play("FIN-WAIT-2 times out", serve_after_timeout, act_close, "fin-rst-closer", CLIENT,
                    "SYN-RECEIVED ESTABLISHED CLOSE-WAIT CLOSED", true=["half-data-reset", "close-data-lost"])
        return run_plays(net, [(v, 7650, play) for v in (4, 6)], directory)
    finally:
        net.close()


class Cut:
    """Carries packets until it is cut."""

    def __init__(self):
        self.is_cut = False

    def __call__(self, direction, packet):
        return None if self.is_cut else 0.002


class FinsLost:
    """What the client sends is lost from its FIN on."""

    def __init__(self):
        self.ended = set()

    def __call__(self, direction, packet):
        source, target, _, _, flags, _ = lab.numbers(packet)
        if direction == 0 and flags & 1:
            self.ended.add((packet[0] >> 4, source))
        return None if direction == 0 and (packet[0] >> 4, source) in self.ended else 0.002


def relay_lab(directory, policy, prepare):
    net = lab.Relay(policy, os.path.join(directory, "middle.pcap"))
    try:
        return run_plays(net, prepare(net), directory)
    finally:
        net.close()


def crossing_lab(directory):
    def prepare(net):
        plan = []
        for version in (4, 6):
            meeting, together = scenarios.Meeting(), Together()
            both = "FIN-WAIT-1 CLOSING CLOSED"

            def act_meeting(v, port, meeting=meeting):
                with request(v, port):
                    meeting.barrier.wait(10)
                time.sleep(4 * scenarios.PAUSE)

            def act_together(v, port, together=together):
                peer = threading.Thread(target=serve_together, args=(v, port, together))
                peer.start()
                with together.open(v, 0, LOCAL + port, port):
                    time.sleep(2 * scenarios.PAUSE)
                peer.join()

            def serve_together(v, port, together):
                net.enter(1)
                with together.open(v, 1, port, LOCAL + port) as sock:
                    lab.read_all(sock)
                    time.sleep(2 * scenarios.PAUSE)

            plan.append((version, 7660, Play("both close at once", meeting.serve, act_meeting, "simultaneous",
                                             "SYN-SENT ESTABLISHED " + both, "SYN-RECEIVED ESTABLISHED " + both)))
            plan.append((version, 7661, Play("both open at once", None, act_together, "four-way",
                                             "SYN-SENT SYN-RECEIVED ESTABLISHED FIN-WAIT-1 FIN-WAIT-2 CLOSED",
                                             "SYN-SENT SYN-RECEIVED ESTABLISHED CLOSE-WAIT LAST-ACK CLOSED")))
        return plan

    return relay_lab(directory, scenarios.Crossing((scenarios.FIN, 7660), (scenarios.SYN, 7661)), prepare)


def act_cut(policy, before, behind):
    """The client does one thing while the path carries, and another one when it does not any more."""
    def act(version, port):
        with request(version, port) as client:
            before(client)
            time.sleep(scenarios.PAUSE)  # the answer has been acknowledged
            policy.is_cut = True
            behind(client)
    return act


def wait_for_timeout(client):
    try:
        client.recv(1)
    except OSError as error:
        if error.errno != errno.ETIMEDOUT:
            raise
        return
    raise AssertionError("the connection did not time out")


def send_and_abort(client):
    client.sendall(b"nobody gets this")
    time.sleep(7)
    lab.linger_zero(client)


TCP_RTO_MAX_MS = 44  # linux/tcp.h, since 6.15


def without_backoff(client):
    client.setsockopt(socket.IPPROTO_TCP, TCP_RTO_MAX_MS, 1000)


def cut_lab(directory, name, before, behind, **how):
    policy = Cut()
    play = Play(name, serve_and_keep, act_cut(policy, before, behind), {"client": "abort-client", "server": "open-active"}, ABORT,
                "SYN-RECEIVED ESTABLISHED", blind={"client": "server", "server": "client"}, **how)
    return relay_lab(directory, policy, lambda net: [(4, 7670, play)])


def keep_alive_lab(directory):
    return cut_lab(directory, "keep-alive, unanswered", keep_alive, wait_for_timeout)


def one_probe_lab(directory):
    return cut_lab(directory, "one keep-alive, unanswered", lambda client: keep_alive(client, 1), wait_for_timeout,
                   true=["data-keepalive-giveup"], told={"client": ["data-keepalive-giveup"]})


def given_up_lab(directory):
    return cut_lab(directory, "text, unanswered", lambda client: None, send_and_abort, told={"client": ["data-r2-early"]})


def flat_lab(directory):
    name = "text, unanswered and without backoff"
    with socket.socket() as probe:
        try:
            without_backoff(probe)
        except OSError:
            return [(f"{name} # SKIP the kernel has no TCP_RTO_MAX_MS", [])]
    return cut_lab(directory, name, without_backoff, send_and_abort, true=["data-rto-backoff"],
                   told={"client": ["data-r2-early", "data-rto-backoff"]})


def orphan_lab(directory):
    def act(version, port):
        request(version, port).close()
        time.sleep(6)

    def prepare(net):
        net.sysctl(0, "net.ipv4.tcp_orphan_retries", 3)
        play = Play("an orphan whose FINs are lost", serve_and_keep, act, {"client": "fin-unacked", "server": "open-active"},
                    "SYN-SENT ESTABLISHED FIN-WAIT-1 CLOSED", "SYN-RECEIVED ESTABLISHED", unseen=("client",),
                    blind={"client": "server", "server": "client"})
        return [(v, 7680, play) for v in (4, 6)]

    return relay_lab(directory, FinsLost(), prepare)


class Rejecting:
    """A router that rejects the first SYN-ACK of each connection in the client's name."""

    def __init__(self):
        self.net, self.rejected = None, set()

    def __call__(self, direction, packet):
        _, target, _, _, flags, _ = lab.numbers(packet)
        if flags & 0x12 != 0x12 or (packet[0] >> 4, target) in self.rejected:
            return 0.002
        self.rejected.add((packet[0] >> 4, target))
        os.write(self.net.tun[direction], lab.rejection(packet))
        return None


def rejected_lab(directory):
    """The server forgets the attempt, and draws another number for the SYN that comes again."""
    policy = Rejecting()

    def prepare(net):
        policy.net = net
        play = Play("a SYN-ACK rejected on its way", scenarios.serve_then_late_close, act_close, "four-way")
        return [(v, 7690, play) for v in (4, 6)]

    return relay_lab(directory, policy, prepare)


LABS = [cable_lab, offload_lab, timeout_lab, crossing_lab, keep_alive_lab, one_probe_lab, given_up_lab, flat_lab,
        orphan_lab, rejected_lab]


def run_lab(number, queue):
    try:
        lab.own_addresses(os.getpid())
        with tempfile.TemporaryDirectory() as directory:
            os.chmod(directory, 0o777)  # tcpdump writes as somebody else
            queue.put((number, LABS[number](directory)))
    except Exception as error:  # a problem of the test, reported as such
        queue.put((number, [(LABS[number].__name__, [repr(error)])]))


def main():
    reason = lab.why_not() or kernel_record.why_not()
    if reason:
        print(f"1..0 # SKIP {reason}")
        return 0
    tap, queue = lab.Tap(), multiprocessing.Queue()
    processes = [multiprocessing.Process(target=run_lab, args=(i, queue)) for i in range(len(LABS))]
    try:
        for process in processes:
            process.start()
        for _, results in sorted(queue.get(timeout=120) for _ in LABS):
            for name, problems in results:
                tap.check(name, problems)
    finally:
        for process in processes:
            process.join(20)
    return tap.done()


if __name__ == "__main__":
    sys.exit(main())
