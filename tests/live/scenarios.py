"""What the applications do on each connection, and how it must have ended: by what the sockets did, not by what a
capture shows.  `serve` runs at the server with the accepted socket, `act` at the client and connects itself."""
import socket
import threading
import time

import lab

PAUSE = 0.15  # longer than a delayed acknowledgment


class Scenario:
    patience = 10  # seconds that the server waits for each connection

    def __init__(self, name, serve, act, times=1, notes=(), **expect):
        """notes: findings of severity note that are true of each connection"""
        self.name, self.serve, self.act, self.times, self.notes, self.expect = name, serve, act, times, notes, expect


def request(version, port, **how):
    """A connection on which one request and one answer of 300 octets have passed."""
    client = lab.connect(version, port, **how)
    client.sendall(b"q" * 100)
    lab.read_exactly(client, 300)
    return client


def answer(server):
    lab.read_exactly(server, 100)
    server.sendall(b"a" * 300)


def wait_for_end(sock):
    try:
        return lab.read_all(sock)
    except ConnectionResetError:
        return b""


# The client closes; the server's kernel acknowledges before the server closes.
def serve_then_late_close(server):
    answer(server)
    lab.read_all(server)
    time.sleep(PAUSE)


def act_close(version, port):
    request(version, port).close()
    time.sleep(2 * PAUSE)


def serve_and_close(server):
    answer(server)


def act_late_close(version, port):
    client = request(version, port)
    lab.read_all(client)
    time.sleep(PAUSE)
    client.close()


# Delayed acknowledgments are on, and the server closes at once: its FIN carries the acknowledgment.
def serve_prompt_close(server):
    answer(server)
    server.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 0)
    lab.read_all(server)


def act_send_with_fin(version, port):
    client = request(version, port)
    client.send(b"last words", socket.MSG_MORE)
    client.close()
    time.sleep(2 * PAUSE)


# The sorting service: the client sends all, closes its direction, reads the sorted answer.
WORDS = [f"{(i * 7919) % 1009:04d}\n".encode() for i in range(500)]


def serve_sorted(server):
    server.sendall(b"".join(sorted(lab.read_all(server).splitlines(keepends=True))))


def act_sort(version, port):
    with lab.connect(version, port) as client:
        client.sendall(b"".join(WORDS))
        client.shutdown(socket.SHUT_WR)
        assert lab.read_all(client) == b"".join(sorted(WORDS))


def serve_until_end(server):
    answer(server)
    wait_for_end(server)


def act_linger_zero(version, port):
    with request(version, port) as client:
        time.sleep(PAUSE)
        lab.linger_zero(client)


def serve_linger_zero(server):
    answer(server)
    time.sleep(PAUSE)
    lab.linger_zero(server)


def act_until_end(version, port):
    with request(version, port) as client:
        wait_for_end(client)


# The client closes without reading what has arrived: Linux resets instead of sending a FIN (RFC 9293 3.6.1 SHLD-3).
def act_unread(version, port):
    with lab.connect(version, port) as client:
        client.sendall(b"q" * 100)
        time.sleep(PAUSE)


# The server closes without reading what came before the FIN.
def serve_unread(server):
    time.sleep(PAUSE)


def act_half_close_unread(version, port):
    with lab.connect(version, port) as client:
        client.sendall(b"q" * 5000)
        client.shutdown(socket.SHUT_WR)
        wait_for_end(client)


# The client is gone altogether when more text comes.
def serve_late_text(server):
    answer(server)
    time.sleep(2 * PAUSE)
    server.sendall(b"too late")
    time.sleep(PAUSE)


def act_refused(version, port):
    try:
        lab.connect(version, port).close()
    except ConnectionRefusedError:
        return
    raise AssertionError("somebody listens")


# The same client port twice.  The server holds TIME-WAIT and takes the new SYN (RFC 6191) ...
def act_reuse_at_server(version, port):
    for _ in range(2):
        with request(version, port, local_port=port + 10000, reuse=True) as client:
            lab.read_all(client)
            time.sleep(PAUSE)
        time.sleep(PAUSE)


# ... or the client holds it, and its kernel lets it go for a new connection after a second (tcp_tw_reuse = 1).
def act_reuse_at_client(version, port):
    for _ in range(2):
        request(version, port, local_port=port + 10000, reuse=True).close()
        time.sleep(1.3)


ON_A_CABLE = [
    Scenario("four-way close by the client", serve_then_late_close, act_close, kind="four-way", closed_first="client",
             holder="client"),
    Scenario("four-way close by the server", serve_and_close, act_late_close, kind="four-way", closed_first="server",
             holder="server"),
    Scenario("three segments", serve_prompt_close, act_close, kind="three-way", closed_first="client", holder="client"),
    Scenario("FIN with text", serve_then_late_close, act_send_with_fin, kind="four-way", closed_first="client",
             holder="client", text_client=110),
    Scenario("half-close, sorted answer", serve_sorted, act_sort, kind="half-close", closed_first="client", holder="client",
             half_close_bytes=len(b"".join(WORDS)), text_client=len(b"".join(WORDS))),
    Scenario("linger zero at the client", serve_until_end, act_linger_zero, notes=["rst-instead-of-fin"], kind="abort-client", closed_first="none"),
    Scenario("linger zero at the server", serve_linger_zero, act_until_end, notes=["rst-instead-of-fin"], kind="abort-server", closed_first="none"),
    Scenario("unread data at the client", serve_until_end, act_unread, notes=["rst-instead-of-fin"], kind="abort-client", closed_first="none"),
    Scenario("FIN, then unread data at the server", serve_unread, act_half_close_unread, notes=["half-rst-in-close-wait"], kind="fin-rst-peer",
             closed_first="client"),
    Scenario("FIN, then text to a client that is gone", serve_late_text, act_close, notes=["close-data-lost", "half-data-reset"], kind="fin-rst-closer",
             closed_first="client"),
    Scenario("refused", None, act_refused, kind="refused", closed_first="none"),
    Scenario("port reused, TIME-WAIT at the server", serve_and_close, act_reuse_at_server, times=2, kind="four-way",
             closed_first="server", holder="server"),
    Scenario("port reused, TIME-WAIT at the client", serve_then_late_close, act_reuse_at_client, times=2, notes=["tw-active-reopen"], kind="four-way",
             closed_first="client", holder="client"),
]


class LastAckLoss:
    """Drops the first segment of the client that acknowledges the server's FIN, if that is all it does."""

    def __init__(self):
        self.fin_end, self.dropped = {}, {}

    def __call__(self, direction, packet):
        source, target, seq, ack, flags, length = lab.numbers(packet)
        pair = (packet[0] >> 4, source, target) if direction == 0 else (packet[0] >> 4, target, source)
        if direction == 1 and flags & 1:
            self.fin_end[pair] = (seq + length + 1) & 0xFFFFFFFF
        if direction == 0 and ack == self.fin_end.get(pair) and pair not in self.dropped:
            self.dropped[pair] = True
            return None
        return 0.002


FIN, SYN = (0x01, 0x01), (0x12, 0x02)  # flags: those looked at, those that are set; a SYN-ACK only answers


class Crossing:
    """What each end says, FIN or SYN, waits in the middle until the other one has said the same: neither can be an answer.

    `which`: (FIN or SYN, the server's port or 0 for any)..."""

    def __init__(self, *which):
        self.which, self.sent = which, set()

    def __call__(self, direction, packet):
        source, target, _, _, flags, _ = lab.numbers(packet)
        server, client = (source, target) if direction else (target, source)
        for (mask, said), port in self.which:
            if port in (0, server) and flags & mask == said:
                key = packet[0] >> 4, said, server, client
                self.sent.add((*key, direction))
                return lambda: (*key, not direction) in self.sent
        return 0.002


class Meeting:
    """Client and server of one connection close at the same moment."""

    def __init__(self):
        self.barrier = threading.Barrier(2)

    def serve(self, server):
        answer(server)
        self.barrier.wait(10)

    def act(self, version, port):
        with request(version, port):
            self.barrier.wait(10)
        time.sleep(4 * PAUSE)


def on_a_relay():
    """[(policy, scenario)]: barriers are used once."""
    meeting = Meeting()
    return [
        (Crossing((FIN, 0)), Scenario("simultaneous close", meeting.serve, meeting.act, kind="simultaneous", closed_first="both",
                              holder="both")),
        (LastAckLoss(), Scenario("last acknowledgment lost", serve_then_late_close, act_close, kind="four-way",
                                 closed_first="client", holder="client", fin_copies_server=2)),
    ]


def run(net, version, port, scenario):
    """Plays one scenario; returns what went wrong with the applications themselves."""
    server = lab.Server(net, version, port, scenario.serve, scenario.times, scenario.patience) if scenario.serve else None
    problems = []
    try:
        net.enter(0)
        scenario.act(version, port)
    except Exception as error:  # a problem of the test, reported as such
        problems.append(f"client: {error!r}")
    if server:
        server.join()
        if server.error:
            problems.append(f"server: {server.error!r}")
    return problems


def run_all(net, plan):
    """Plays [(version, port, scenario)] side by side; returns [problems] in the same order."""
    problems = [[] for _ in plan]

    def play(i):
        problems[i] = run(net, *plan[i])

    threads = [threading.Thread(target=play, args=(i,)) for i in range(len(plan))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    time.sleep(PAUSE)
    return problems


def judge(flows, version, port, scenario):
    """What differs between the flow records and what the sockets did."""
    mine = [f for f in flows if f["dest_port"] == port and (":" in f["dest_ip"]) == (version == 6)]
    problems = [] if len(mine) == scenario.times else [f"expected {scenario.times} connections, got {len(mine)}"]
    for flow in mine:
        close = flow["close"]
        got = {
            "kind": close["kind"],
            "closed_first": close["closed_first"],
            "holder": close.get("time_wait", {}).get("holder", "none"),
            "half_close_bytes": close.get("half_close", {}).get("bytes"),
            "fin_copies_server": close.get("server", {}).get("fin_copies"),
        }
        if "fin_seq" in close.get("client", {}) and "isn_client" in flow["tcp"]:
            got["text_client"] = (close["client"]["fin_seq"] - flow["tcp"]["isn_client"] - 1) & 0xFFFFFFFF
        for key, want in scenario.expect.items():
            if got.get(key) != want:
                problems.append(f"flow {flow['flow_id']}: expected {key} {want}, got {got.get(key)}")
        for end in ("client", "server"):
            fin = close.get(end, {})
            if "ack_seen" in fin and fin["ack_seen"] != fin["ack_expected"]:
                problems.append(f"flow {flow['flow_id']}: {end}'s FIN: expected ack {fin['ack_expected']}, got {fin['ack_seen']}")
    return problems


def judge_run(status, records, live):
    """What every run owes: exit status, the ledger, and no accusation of a kernel that does it right."""
    problems = [] if status == 0 else [f"exit status {status}"]
    end = lab.summary(records)
    if not end:
        return problems + ["no summary"]
    packets = end["packets"]
    if packets["read"] != packets["tcp"] + sum(packets["not_analysed"].values()):
        problems.append(f"ledger: {packets}")
    if live and end["kernel"]["received"] != packets["read"] + end["kernel"]["dropped"]:
        problems.append(f"kernel ledger: {end['kernel']} and {packets['read']} read")
    if live and end["kernel"]["dropped"]:
        problems.append(f"dropped {end['kernel']['dropped']}")
    for finding in records:
        if finding["event_type"] == "finding" and finding["severity"] in ("warning", "error"):
            problems.append(f"{finding['severity']} {finding['rule_id']} on flow {finding['flow_id']} port {finding['dest_port']}")
    return problems
