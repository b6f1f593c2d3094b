#!/usr/bin/env python3
"""crowd.py client|server LAB SEED COUNT: what many applications do on connections, to be run in a namespace of lab.py.

Each behaviour has a port of its own.  The server plays its part on whatever it accepts, until it is killed; the client
plays COUNT connections of random behaviours, some dozens at a time.  Errors of sockets are part of the play."""
import os
import random
import socket
import struct
import sys
import threading
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
sys.dont_write_bytecode = True  # the source may be read-only
import lab

AT_ONCE = 64
FIRST_PORT = 7300
PATIENCE = 8


def ask(sock, size):
    """A request, and the whole answer to it."""
    sock.sendall(struct.pack("!I", size) + b"q" * 96)
    lab.read_exactly(sock, size)


def answer(sock):
    size = struct.unpack("!I", lab.read_exactly(sock, 100)[:4])[0]
    sock.sendall(b"a" * size)


def pause(rng):
    time.sleep(rng.choice((0, 0, 0.01, 0.06, 0.25)))


def some(rng):
    return rng.choice((1, 100, 1448, 1460, 5000, 40000))


def client_closes(c, rng):
    ask(c, some(rng))


def serve_reader(s, rng):
    answer(s)
    lab.read_all(s)
    pause(rng)


def serve_lingerer(s, rng):
    """Stays in CLOSE-WAIT, so that the client's next connection opens over its FIN-WAIT-2."""
    answer(s)
    lab.read_all(s)
    time.sleep(2.2)


def server_closes(c, rng):
    ask(c, some(rng))
    lab.read_all(c)
    pause(rng)


def serve_once(s, rng):
    answer(s)


def half_close(c, rng):
    c.sendall(b"w" * some(rng))
    c.shutdown(socket.SHUT_WR)
    lab.read_all(c)


def serve_half_close(s, rng):
    lab.read_all(s)
    pause(rng)
    s.sendall(b"r" * some(rng))


def half_close_of_server(c, rng):
    lab.read_all(c)
    pause(rng)
    c.sendall(b"w" * some(rng))


def serve_half_first(s, rng):
    s.sendall(b"r" * some(rng))
    s.shutdown(socket.SHUT_WR)
    lab.read_all(s)


def linger_zero(c, rng):
    ask(c, some(rng))
    pause(rng)
    lab.linger_zero(c)


def serve_linger_zero(s, rng):
    answer(s)
    pause(rng)
    lab.linger_zero(s)


def unread(c, rng):
    c.sendall(struct.pack("!I", some(rng)) + b"q" * 96)
    time.sleep(0.05)


def serve_unread(s, rng):
    time.sleep(0.05)


def serve_late_text(s, rng):
    answer(s)
    time.sleep(0.05)
    s.sendall(b"too late")
    time.sleep(0.05)


def nothing(c, rng):
    pause(rng)


def serve_nothing(s, rng):
    lab.read_all(s)


def reset_at_once(c, rng):
    lab.linger_zero(c)


def bulk(c, rng):
    ask(c, 300000)


def bulk_up(c, rng):
    c.sendall(b"u" * 300000)
    c.shutdown(socket.SHUT_WR)
    lab.read_all(c)


def serve_slowly(s, rng):
    time.sleep(0.3)
    lab.read_all(s)


def keep_alive(c, rng):
    c.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    c.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 1)
    c.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, 1)
    ask(c, some(rng))
    time.sleep(1.2)


def shut_both(c, rng):
    ask(c, some(rng))
    c.shutdown(socket.SHUT_RDWR)


def abandon(c, rng):
    c.sendall(struct.pack("!I", 200000) + b"q" * 96)
    c.recv(1000)


def half_then_reset(c, rng):
    c.sendall(struct.pack("!I", 100000) + b"q" * 96)
    c.shutdown(socket.SHUT_WR)
    pause(rng)
    lab.linger_zero(c)


def chatter(c, rng):
    for _ in range(12):
        ask(c, some(rng) // 10 + 1)


def serve_chatter(s, rng):
    for _ in range(12):
        answer(s)


def talk_on(c, rng):
    ask(c, 100)
    for _ in range(3):
        c.sendall(b"more")
        time.sleep(0.02)


# name: (client, server, how often, options); `local` plays that many times from one local port
BEHAVIOURS = {
    "client closes": (client_closes, serve_reader, 6, {}),
    "server closes": (server_closes, serve_once, 6, {}),
    "both close": (client_closes, serve_once, 4, {}),
    "half-close": (half_close, serve_half_close, 4, {}),
    "half-close of the server": (half_close_of_server, serve_half_first, 3, {}),
    "reset by the client": (linger_zero, serve_nothing, 2, {}),
    "reset after the answer": (linger_zero, serve_reader, 2, {}),
    "reset by the server": (server_closes, serve_linger_zero, 2, {}),
    "unread at the client": (unread, serve_reader, 2, {}),
    "unread at the server": (half_close, serve_unread, 2, {}),
    "late text": (client_closes, serve_late_text, 2, {}),
    "refused": (nothing, None, 1, {}),
    "nothing said": (nothing, serve_nothing, 2, {}),
    "reset at once": (reset_at_once, serve_nothing, 1, {}),
    "bulk": (bulk, serve_reader, 1, {}),
    "bulk to the server": (bulk_up, serve_nothing, 1, {}),
    "zero window": (bulk_up, serve_slowly, 1, {"buffer": 4096}),
    "keep-alive": (keep_alive, serve_reader, 2, {}),
    "both directions shut": (shut_both, serve_nothing, 2, {}),
    "both directions shut, answered": (shut_both, serve_reader, 2, {}),
    "abandoned": (abandon, serve_reader, 1, {}),
    "half-closed, then reset": (half_then_reset, serve_half_close, 1, {}),
    "chatter": (chatter, serve_chatter, 2, {}),
    "talks on": (talk_on, serve_once, 1, {}),
    "port again, server held it": (server_closes, serve_once, 1, {"local": 4, "wait": 0.05}),
    "port again, client held it": (client_closes, serve_reader, 1, {"local": 2, "wait": 1.2}),
    "port again after a reset": (linger_zero, serve_reader, 1, {"local": 3, "wait": 0.05}),
    "port again, server still open": (client_closes, serve_lingerer, 1, {"local": 2, "wait": 2.1}),
    "fast open": (client_closes, serve_reader, 2, {"fastopen": True}),
}


def connect(version, port, local, options):
    c = socket.socket(socket.AF_INET if version == 4 else socket.AF_INET6)
    c.settimeout(PATIENCE)
    try:
        if local:
            c.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            c.bind((lab.ADDRESS[version][0], local))
        peer = (lab.ADDRESS[version][1], port)
        if options.get("fastopen"):
            c.settimeout(None)  # else the first, without a cookie, is in progress
            c.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, struct.pack("ll", PATIENCE, 0))
            c.sendto(struct.pack("!I", 10) + b"q" * 96, socket.MSG_FASTOPEN, peer)
            c.settimeout(PATIENCE)
            lab.read_exactly(c, 10)
        else:
            c.connect(peer)
    except BaseException:
        c.close()
        raise
    return c


def play(number, rng, name):
    act, _, _, options = BEHAVIOURS[name]
    port, version = FIRST_PORT + list(BEHAVIOURS).index(name), rng.choice((4, 6))
    for i in range(options.get("local", 1)):
        try:
            with connect(version, port, 10000 + number % 20000 if "local" in options else 0, options) as c:
                if options.get("fastopen"):
                    pause(rng)
                else:
                    act(c, rng)
        except OSError:
            pass
        if i + 1 < options.get("local", 1):
            time.sleep(options["wait"])


def run_client(seed, count):
    rng = random.Random(seed)
    names = [name for name, entry in BEHAVIOURS.items() for _ in range(entry[2])]
    jobs, left = [], count
    while left > 0:
        name = rng.choice(names)
        jobs.append((len(jobs), random.Random(rng.random()), name))
        left -= BEHAVIOURS[name][3].get("local", 1)
    lock = threading.Lock()

    def work():
        while True:
            with lock:
                if not jobs:
                    return
                job = jobs.pop()
            play(*job)

    threads = [threading.Thread(target=work) for _ in range(AT_ONCE)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def run_server(seed):
    def serve(sock, act, rng):
        with sock:
            sock.settimeout(PATIENCE)
            try:
                act(sock, rng)
            except OSError:
                pass

    def accept(listening, act, rng):
        while True:
            sock = listening.accept()[0]
            threading.Thread(target=serve, args=(sock, act, random.Random(rng.random())), daemon=True).start()

    for i, (_, act, _, options) in enumerate(BEHAVIOURS.values()):
        if not act:
            continue
        for version, family in ((4, socket.AF_INET), (6, socket.AF_INET6)):
            listening = socket.socket(family)
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_FASTOPEN, 64)
            if "buffer" in options:
                listening.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, options["buffer"])
            listening.bind((lab.ADDRESS[version][1], FIRST_PORT + i))
            listening.listen(256)
            threading.Thread(target=accept, args=(listening, act, random.Random(seed * 100 + i)), daemon=True).start()
    print("ready", flush=True)
    threading.Event().wait()


def main():
    role, number, seed, count = sys.argv[1], *map(int, sys.argv[2:5])
    lab.own_addresses(number)
    run_client(seed, count) if role == "client" else run_server(seed)


if __name__ == "__main__":
    main()
