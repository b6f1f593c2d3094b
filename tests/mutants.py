#!/usr/bin/env python3
"""mutants.py [--full] [KIND...]: one fault is put into conversations of kernels that had none; the check for it, and no other
error, must be raised.

Each kind is a function that changes a conversation (tests/segments.py) so that only the fault is there: later numbers, timestamps and
checksums follow.  It returns False where it does not apply.  Many conversations go into one capture under addresses of their own.
`level` is the least severity that counts as found: that of the catalogue for a claim of presence, note for one of absence, or what
the kind states.  Where absence is evidence only at one end, the kind says at which (`vantage`), and its level holds there.
`also` names what else is true of the mutant.  At least 99 % of each kind must be found.  TAP, a test for each kind."""
import collections
import glob
import json
import os
import struct
import subprocess
import sys
import tempfile

from segments import ACK, CWR, ECE, FIN, PSH, RST, SYN, Conversation, Segment, distance, read, write

HERE = os.path.dirname(os.path.abspath(__file__))
PROGRAM = os.path.abspath(os.environ.get("TCPAUDIT", "./tcpaudit"))
SHARED = os.environ.get("TCPAUDIT_SHARED", os.path.join(HERE, "..", "..", "shared"))
RANK = {"info": 0, "note": 1, "warning": 2, "error": 3}
SIDES = {None: None, "closer": "closer", "other": "other"}
KINDS = []


def mutant(check, level=None, vantage=None, also=(), base="closed"):
    """vantage: "client", "server" or None for an unknown one; base: closed, open (handshake and text both ways) or syn"""
    def add(function):
        KINDS.append((function.__name__, check, level, vantage, set(also) | {check}, base, function))
        return function
    return add


# ---- helpers ----

def opened(c):
    """Where text can go in: behind the handshake and the first text of both ends."""
    own = c.first(0, lambda s: s.data)
    peer = c.first(1, lambda s: s.data)
    if own is None or peer is None:
        return None
    at = max(own, peer) + 1
    return at if 3 < at < min(c.fin(0), c.fin(1)) else None


def quiet(c, at=None):
    """Cut where both have acknowledged everything, and no FIN has come."""
    at = opened(c) if at is None else at
    if at is None:
        return False
    c.cut(at)
    for side in (0, 1):
        c.add(side, ACK)
    return True


def only_first_fin(c, acked=True):
    """The client closes while all is quiet, and, `acked`, the server acknowledges it; the side that closed."""
    if not quiet(c):
        return None
    c.add(0, FIN | ACK)
    if acked:
        c.add(1, ACK)
    return 0


def closed(c):
    """Side of who closed first, if both FINs were acknowledged one after the other."""
    x = c.closer()
    if c.fin(0) is None or c.fin(1) is None or c.fin_acked(0) is None or c.fin_acked(1) is None:
        return None
    second = c.segments[c.fin(1 - x)]
    if distance(second.ack, c.u(x)) <= 0:
        return None
    c.cut(max(c.fin_acked(0), c.fin_acked(1)) + 1)
    return x


def again(c, at, gap):
    """A later copy of segment `at` at the end, as a timeout would send it."""
    s = c.segments[at]
    return c.add(s.side, s.flags, gap, seq=s.seq, ack=s.ack, data=s.data)


def reopen(c, side, gap, iss, tsval=None, options=True):
    """A new SYN of a side on the same ports."""
    old = next(s for s in c.segments if s.flags & SYN and s.side == 0)
    s = Segment(c.end_time() + gap, side, SYN, iss, window=64240, ttl=old.ttl, options=[(2, struct.pack("!H", 1460))])
    if options and tsval is not None:
        s.stamp(tsval, 0)
    c.segments.append(s)
    return s


def answer(c, syn, iss, gap=0.01, tsval=None):
    s = Segment(syn.time + gap, 1 - syn.side, SYN | ACK, iss, syn.seq + 1, window=65160, ttl=64, options=[(2, struct.pack("!H", 1460))])
    if tsval is not None:
        s.stamp(tsval, syn.tsval() or 0)
    c.segments.append(s)
    return s


def plain_options(c):
    """Without timestamps, from the SYN on."""
    for s in c.segments:
        s.without(8)
    return c


# ---- fin- ----

@mutant("fin-no-ack-flag")
def fin_without_ack(c):
    at = c.fin(0)
    c.add(0, FIN, at=at, seq=c.nxt(0, at))
    c.segments[at].time = c.segments[at + 1].time - 1e-6


@mutant("fin-ack-beyond")
def ack_of_fin_plus_one(c):
    x = c.closer()
    at = c.fin_acked(x)
    if at is None:
        return False
    for s in c.segments[at:]:
        if s.side != x and s.flags & ACK and not s.flags & RST:
            s.ack = (c.u(x) + 2) & 0xFFFFFFFF


@mutant("fin-ack-short", level="note")
def ack_of_fin_minus_one(c):
    if not c.stamped():
        return False
    x = only_first_fin(c, acked=False)
    if x is None or c.nxt(1 - x) is None:
        return False
    at, u = c.fin(x), c.u(x)
    c.segments[at].stamp(c.segments[at].tsval() + 50, struct.unpack("!II", c.segments[at].option(8))[1])
    for k in range(3):
        echo = c.segments[-1].tsval()
        c.add(1 - x, ACK, ack=u, tsecr=echo, window=500)
        if k < 2:
            again(c, at, 0.3 * 2**k).window
    return None


@mutant("fin-data-after")
def text_behind_fin(c):
    x = c.closer()
    at = c.fin(x) + 1
    c.add(x, PSH | ACK, at=at, gap=1e-6, seq=c.u(x) + 1, ack=c.segments[at - 1].ack, data=b"after the end")


@mutant("fin-moved", also=["fin-data-after"])
def fin_elsewhere(c):
    x = c.closer()
    at = c.fin(x) + 1
    c.add(x, FIN | ACK, at=at, gap=1e-6, seq=c.u(x) + 10, ack=c.segments[at - 1].ack)


@mutant("fin-seq-stuck", level="note")
def ack_with_the_number_of_the_fin(c):
    x = only_first_fin(c)
    if x is None or not c.stamped():
        return False
    c.add(1 - x, PSH | ACK, 0.01, data=b"late")
    c.add(x, ACK, 0.01, seq=c.u(x))


@mutant("fin-final-ack-form", level="note")
def last_ack_with_the_number_of_the_fin(c):
    x = closed(c)
    if x is None or c.segments[-1].side != x:
        return False
    c.segments[-1].seq = c.u(x)


@mutant("fin-out-of-window", level="note")
def fin_into_a_closed_window(c):
    x = c.closer()
    at = c.fin(x)
    c.cut(at)
    c.add(1 - x, ACK, window=0)
    for s in c.segments:
        if s.side != x and distance(s.ack, c.nxt(x)) <= 0 and not s.flags & SYN:
            s.window = 0
    for s in c.segments:
        if s.flags & SYN:
            s.window = 0
    c.add(x, FIN | ACK, 0.01)


@mutant("fin-ack-late", level="error", vantage="server")
def ack_of_fin_after_a_second(c):
    x = c.closer()
    at = c.fin_acked(x)
    if x != 0 or at is None or c.last(1, c.fin(0)).ack != c.segments[c.fin(0)].end - 1 or not all(s.side != 0 for s in c.segments[c.fin(0) + 1:at + 1]):
        return False
    c.delay(at, 1.2)


@mutant("fin-rexmit-timing", level="error", vantage="client", also=["fin-giveup-early"])
def fin_without_backoff(c):
    if c.closer() != 0:
        return False
    at = c.fin(0)
    c.cut(at + 1)
    for _ in range(5):
        again(c, at, 0.2)


@mutant("fin-rexmit-silent", level="error", vantage="server", also=["fin-rexmit-timing"])
def repeated_fin_without_answer(c):
    if only_first_fin(c) != 0:
        return False
    at = c.fin(0)
    for k in range(3):
        again(c, at, 1.1 * 2**k)


@mutant("fin-giveup-early", level="warning", vantage="client")
def fin_given_up(c):
    if c.closer() != 0:
        return False
    at = c.fin(0)
    c.cut(at + 1)
    for k in range(3):
        again(c, at, 0.2 * 2**k)


@mutant("fin-rst-combined", also=["rst-instead-of-fin", "half-rst-in-close-wait", "rst-abort-dirty", "close-data-lost"])
def reset_with_fin(c):
    if not quiet(c):
        return False
    c.add(0, RST | FIN | ACK)


@mutant("fin-forged", level="note", also=["data-ts-missing"])
def injected_fin(c):
    at = opened(c)
    if at is None:
        return False
    s = c.add(0, FIN | ACK, at=at, gap=1e-6, ttl=41, ip_id=7, stamp=False)
    c.segments = c.segments[:at + 1]
    c.segments.append(Segment(s.time + 0.01, 0, PSH | ACK, s.seq, s.ack, b"the real one goes on", 500, ttl=64, ip_id=9))
    if c.last(0, at).option(8):
        c.segments[-1].stamp(c.last(0, at).tsval() + 20, c.last(1, at).tsval() or 0)
    c.add(1, ACK, ack=s.seq + 20)
    c.add(0, PSH | ACK, data=b"and on")


# ---- close- ----

@mutant("close-final-ack-missing", level="error", vantage="client", also=["close-last-ack-stuck", "fin-giveup-early"])
def last_ack_removed(c):
    x = closed(c)
    if x != 0 or c.segments[-1].side != 0:
        return False
    c.cut(len(c.segments) - 1)
    at = c.fin(1)
    for k in range(4):
        again(c, at, 0.3 * 2**k)


@mutant("close-last-ack-stuck", level="note", also=["close-final-ack-missing", "fin-giveup-early"])
def stays_in_last_ack(c):
    x = closed(c)
    if x is None or c.segments[-1].side != x:
        return False
    c.cut(len(c.segments) - 1)
    at = c.fin(1 - x)
    for k in range(5):
        again(c, at, 0.3 * 2**k)


@mutant("close-simul-ack-missing", level="error", vantage="client", also=["fin-giveup-early"])
def crossing_fin_without_ack(c):
    if not quiet(c):
        return False
    c.add(0, FIN | ACK)
    u = c.u(0)
    at = len(c.segments)
    c.add(1, FIN | ACK, 0.0005, ack=u)
    c.add(1, ACK, 0.01)
    for k in range(4):
        again(c, at, 0.3 * 2**k).ack = u + 1


@mutant("close-wait-leak", level="note")
def close_wait_for_two_minutes(c):
    return only_first_fin(c) is not None


@mutant("close-data-lost", level="note", also=["rst-abort-dirty", "rst-half-open"])
def reset_over_text(c):
    if not quiet(c):
        return False
    c.add(1, PSH | ACK, data=b"x" * 1000)
    c.add(0, RST, 0.001, ack=0)


@mutant("close-rexmit-abandoned", level="error", vantage="client", also=["fin-giveup-early"])
def text_before_fin_never_repeated(c):
    if not quiet(c):
        return False
    hole = c.nxt(0)
    c.add(0, PSH | ACK, data=b"lost text!")
    c.add(0, FIN | ACK, 0.001)
    for k in range(5):
        c.add(1, ACK, 1.0 if k else 0.01, ack=hole)


@mutant("close-reads-abandoned", level="info")
def closes_over_unread_text(c):
    if not quiet(c):
        return False
    unread = c.nxt(0)
    c.add(0, PSH | ACK, data=b"unread text")
    c.add(1, FIN | ACK, ack=unread)
    c.add(0, ACK)


@mutant("close-closed-silent", level="info", vantage="client", also=["rst-instead-of-fin", "rst-exact-ignored", "close-data-lost"])
def silence_after_abort(c):
    if not quiet(c):
        return False
    c.add(0, RST | ACK)
    c.add(1, PSH | ACK, 2, data=b"hello?")
    again(c, len(c.segments) - 1, 3)


@mutant("close-mptcp-fastclose", level="info")
def mptcp_fast_close(c):
    if not quiet(c):
        return False
    c.add(0, ACK).options.append((30, b"\x70\x00" + b"12345678"))
    c.add(1, RST, ack=0)


@mutant("close-mptcp-subflow", level="info")
def mptcp_subflow(c):
    for s in c.segments:
        if s.flags & FIN:
            s.options.append((30, b"\x20\x00"))


# ---- half- ----

@mutant("half-data-reset", level="note", also=["close-data-lost"])
def text_to_the_closer_reset(c):
    x = only_first_fin(c)
    if x is None:
        return False
    c.add(1 - x, PSH | ACK, 0.5, data=b"x" * 100)
    c.add(x, RST, 0.01, ack=0)


@mutant("half-data-ignored", level="error", vantage="client")
def text_to_the_closer_ignored(c):
    if only_first_fin(c) != 0:
        return False
    at = len(c.segments)
    c.add(1, PSH | ACK, 0.5, data=b"x" * 100)
    for k in range(4):
        again(c, at, 0.3 * 2**k)


@mutant("half-zero-window-hang", level="warning", vantage="client", also=["close-wait-leak"])
def window_closed_behind_fin(c):
    if only_first_fin(c) != 0:
        return False
    c.segments[c.fin(0)].window = 0
    edge = c.nxt(1)
    for gap in (0.5, 2, 8, 32, 32):
        c.add(1, ACK, gap, seq=edge, data=b"?")
        c.add(0, ACK, 0.01, ack=edge, window=0)


@mutant("half-finwait2-timeout", level="info", also=["close-wait-leak", "tw-avoid-rst"])
def fin_after_the_timer(c):
    x = only_first_fin(c)
    if x is None:
        return False
    c.add(1 - x, FIN | ACK, 61)
    c.add(x, RST, 0.01, ack=0)


@mutant("half-late-fin-reset", level="warning", vantage="client")
def clean_fin_reset(c):
    if only_first_fin(c) != 0:
        return False
    c.add(1, FIN | ACK, 2)
    c.add(0, RST, 0.01, ack=0)


@mutant("half-rst-in-close-wait", level="note")
def reset_in_close_wait(c):
    x = only_first_fin(c)
    if x is None:
        return False
    c.add(1 - x, RST | ACK, 0.01)


@mutant("half-path-cut", level="note", also=["close-wait-leak", "half-data-ignored"])
def half_closed_path_cut(c):
    x = only_first_fin(c)
    if x is None:
        return False
    at = len(c.segments)
    c.add(1 - x, PSH | ACK, 130, data=b"x" * 100)
    for k in range(5):
        again(c, at, 0.3 * 2**k)


# ---- tw- ----

@mutant("tw-early-gone", level="error", vantage="client", also=["rst-after-close"])
def reset_in_time_wait(c):
    x = closed(c)
    if x != 0 or c.segments[-1].side != 0:
        return False
    again(c, c.fin(1), 1)
    c.add(0, RST, 0.01, ack=0)


@mutant("tw-refin-silent", level="error", vantage="client")
def silence_in_time_wait(c):
    x = closed(c)
    if x != 0 or c.segments[-1].side != 0:
        return False
    at = c.fin(1)
    for k in range(3):
        again(c, at, 1.2 * 2**k)


@mutant("tw-active-reopen", level="error", vantage="client", also=["reuse-early", "reuse-ts-regress"])
def reopened_by_the_holder(c):
    x = closed(c)
    if x != 0:
        return False
    reopen(plain_options(c), 0, 2, c.nxt(0) + 3000000)


@mutant("tw-accept-ok", level="info")
def taken_in_time_wait(c):
    x = closed(c)
    if x != 1 or not c.stamped():
        return False
    syn = reopen(c, 0, 2, c.nxt(0) + 3000000, tsval=c.last(0).tsval() + 2100)
    answer(c, syn, c.nxt(1) + 5000000, tsval=c.last(1).tsval() + 2100)


@mutant("tw-accept-unsafe", level="warning", vantage="server", also=["reuse-ts-regress", "reuse-isn-regress"])
def taken_with_old_numbers(c):
    x = closed(c)
    if x != 1 or not c.stamped():
        return False
    syn = reopen(c, 0, 2, c.nxt(0) - 100000, tsval=c.last(0).tsval() - 1000)
    answer(c, syn, c.nxt(1) + 5000000, tsval=c.last(1).tsval() + 2100)


@mutant("tw-accept-isn-low", level="error", vantage="server", also=["reuse-isn-regress", "reuse-early"])
def taken_with_a_low_number(c):
    x = closed(plain_options(c))
    if x != 1:
        return False
    syn = reopen(c, 0, 2, c.nxt(0) + 3000000)
    answer(c, syn, c.nxt(1) - 100000)


@mutant("tw-syn-rejected", level="info", also=["reuse-ts-regress", "reuse-isn-regress", "reuse-early"])
def dropped_in_time_wait(c):
    x = closed(c)
    if x != 1 or not c.stamped():
        return False
    syn = reopen(c, 0, 2, c.nxt(0) - 100000, tsval=c.last(0).tsval() - 1000)
    c.segments.append(Segment(syn.time + 1, 0, SYN, syn.seq, window=syn.window, ttl=syn.ttl, options=list(syn.options)))


@mutant("tw-assassination", level="note", also=["rst-after-close", "tw-early-gone"])
def time_wait_killed(c):
    x = closed(c)
    if x is None or c.segments[-1].side != x:
        return False
    last = c.segments[-1]
    c.add(1 - x, PSH | ACK, 0.5, seq=c.nxt(1 - x) - 20, ack=c.u(x), data=b"old", tsval=c.last(1 - x).tsval())
    c.add(x, ACK, 0.01, seq=last.seq, ack=last.ack)
    c.add(1 - x, RST, 0.01, seq=last.ack, ack=0)


@mutant("tw-avoid-rst", level="note", also=["rst-after-close"])
def reset_for_the_last_ack(c):
    x = closed(c)
    if x is None or c.segments[-1].side != x:
        return False
    c.cut(len(c.segments) - 1)
    c.add(x, RST | ACK, 0.01)


@mutant("tw-after-rst", level="info", also=["rst-instead-of-fin", "reuse-isn-regress"])
def reopened_after_its_reset(c):
    if not quiet(c):
        return False
    c.add(0, RST | ACK)
    reopen(c, 0, 0.1, c.nxt(0) + 3000000, tsval=(c.last(0).tsval() or 0) + 5000 if c.last(0).option(8) else None)


# ---- rst- ----

@mutant("rst-out-of-window", level="note")
def reset_far_away(c):
    at = opened(c)
    if at is None:
        return False
    c.add(1, RST, at=at, gap=1e-6, seq=c.nxt(1, at) + 2**30 + 2**29, ack=0)


@mutant("rst-inexact", level="info", also=["rst-instead-of-fin", "rst-abort-dirty", "close-data-lost"])
def reset_in_the_window(c):
    if not quiet(c):
        return False
    c.add(1, RST, seq=c.nxt(1) + 10, ack=0)
    c.add(0, ACK, 0.001)
    c.add(1, RST, 0.01, ack=0)


@mutant("rst-inexact-obeyed", level="warning", vantage="client", also=["rst-abort-dirty", "close-data-lost", "rst-half-open", "rst-inexact"])
def inexact_reset_obeyed(c):
    if not quiet(c):
        return False
    c.add(1, RST, seq=c.nxt(1) + 10, ack=0)
    c.add(1, PSH | ACK, 1, data=b"still here")
    c.add(0, RST, 0.01, ack=0)


@mutant("rst-exact-ignored", level="warning", vantage="client", also=["rst-instead-of-fin", "rst-abort-dirty", "close-data-lost", "rst-half-open"])
def goes_on_after_an_exact_reset(c):
    if not quiet(c):
        return False
    c.add(1, RST, ack=0)
    c.add(0, PSH | ACK, 1, data=b"anything else?")


@mutant("rst-form", level="note")
def reset_with_a_number_of_nobody(c):
    if not quiet(c):
        return False
    c.add(1, PSH | ACK, data=b"hello")
    c.add(0, RST, seq=c.segments[0].seq - 24, ack=0)


@mutant("rst-of-rst", level="note", also=["rst-instead-of-fin"])
def reset_answers_a_reset(c):
    if not quiet(c):
        return False
    c.add(0, RST | ACK, 2)
    c.add(1, RST, 0.01, seq=c.segments[-1].ack, ack=0)


@mutant("rst-seq-odd", level="note", vantage="client", also=["rst-abort-dirty", "close-data-lost"])
def abort_in_the_middle_of_its_text(c):
    if not quiet(c):
        return False
    c.add(0, PSH | ACK, data=b"x" * 100)
    c.add(0, RST | ACK, 0.001, seq=c.nxt(0) - 50)


@mutant("rst-abort-dirty", level="note", also=["close-data-lost"])
def abort_over_text(c):
    if not quiet(c):
        return False
    c.add(1, PSH | ACK, data=b"x" * 500)
    c.add(0, RST | ACK, 0.001, ack=c.segments[-2].seq if c.segments[-2].side else c.segments[-1].seq)


@mutant("rst-instead-of-fin", level="note")
def abort_when_all_is_said(c):
    if not quiet(c):
        return False
    c.add(0, RST | ACK)


@mutant("rst-after-close", level="info", also=["tw-assassination"])
def reset_behind_the_close(c):
    x = closed(c)
    if x is None or c.segments[-1].side != x:
        return False
    again(c, len(c.segments) - 1, 0.2)
    c.add(1 - x, RST, 0.01, ack=0)


@mutant("rst-sender-alive", level="note", also=["rst-forged", "rst-instead-of-fin", "rst-abort-dirty", "close-data-lost"])
def goes_on_behind_its_reset(c):
    if not quiet(c) or c.version == 6:
        return False
    c.add(0, RST | ACK)
    c.add(0, PSH | ACK, 0.3, data=b"me again", ip_id=(c.segments[-1].ip_id + 1) & 0xFFFF or 1)


@mutant("rst-forged", level="note", also=["rst-half-open", "rst-instead-of-fin", "rst-out-of-window", "rst-inexact", "rst-abort-dirty", "close-data-lost"])
def injected_resets(c):
    if not quiet(c):
        return False
    c.add(1, PSH | ACK, data=b"hello")
    n = c.nxt(0)
    for k in range(3):
        c.add(0, RST, 0.0001, seq=n + 1460 * k * (k + 1) // 2, ack=0, ttl=44, ip_id=0)


@mutant("rst-idle-timeout", level="info", also=["rst-instead-of-fin"])
def reset_after_350_seconds(c):
    if not quiet(c):
        return False
    c.add(0, RST | ACK, 350)


@mutant("rst-half-open", level="info", also=["rst-abort-dirty", "close-data-lost"])
def no_such_connection(c):
    if not quiet(c):
        return False
    c.add(1, PSH | ACK, 5, data=b"hello")
    c.add(0, RST, 0.001, ack=0)


@mutant("rst-ts-missing", level="warning", vantage="client", also=["rst-instead-of-fin"])
def abort_without_timestamps(c):
    if not c.stamped() or not quiet(c):
        return False
    c.add(0, RST | ACK, stamp=False)


@mutant("rst-data", level="info", also=["rst-instead-of-fin"])
def reset_with_text(c):
    if not quiet(c):
        return False
    c.add(0, RST | ACK, data=b"go away")


# ---- reuse- ----

@mutant("reuse-interval", level="info")
def used_again(c):
    x = closed(c)
    if x is None:
        return False
    reopen(c, 0, 150, c.nxt(0) + 30000000, tsval=c.last(0).tsval() + 150000 if c.last(0).option(8) else None)


@mutant("reuse-early", level="note", also=["tw-syn-rejected", "reuse-isn-regress"])
def used_again_at_once(c):
    x = closed(plain_options(c))
    if x != 1:
        return False
    reopen(c, 0, 3, c.nxt(0) - 50000)


@mutant("reuse-while-open", level="note", also=["reuse-ts-regress"])
def used_again_while_open(c):
    if not quiet(c):
        return False
    reopen(c, 0, 20, c.nxt(0) + 30000000, tsval=c.last(0).tsval() + 21000 if c.last(0).option(8) else None)


@mutant("reuse-isn-regress", level="note", also=["rst-instead-of-fin", "reuse-ts-regress"])
def lower_number(c):
    if not quiet(c):
        return False
    c.add(1, RST | ACK)
    reopen(c, 0, 2, c.nxt(0) - 200000, tsval=c.last(0).tsval() + 5000 if c.last(0).option(8) else None)


@mutant("reuse-ts-regress", level="note", also=["tw-syn-rejected", "reuse-early"])
def older_timestamp(c):
    x = closed(c)
    if x != 1 or not c.stamped():
        return False
    reopen(c, 0, 2, c.nxt(0) + 3000000, tsval=c.last(0).tsval() - 5000)


@mutant("reuse-tw-isn", level="info", also=["tw-active-reopen"])
def linux_number(c):
    x = closed(c)
    if x != 0 or not c.stamped():
        return False
    reopen(c, 0, 2, c.nxt(0) + 65537, tsval=c.last(0).tsval() + 2500)


@mutant("reuse-old-segment", level="note", also=["reuse-old-data-accepted"])
def old_text_in_the_new_one(c):
    x = closed(c)
    if x != 1 or not c.stamped():
        return False
    old = next((s for s in c.segments if s.side == 0 and s.data), None)
    if old is None:
        return False
    syn = reopen(c, 0, 3, c.nxt(0) + 90000000, tsval=c.last(0).tsval() + 3500)
    back = answer(c, syn, c.nxt(1) + 95000000, tsval=c.last(1).tsval() + 3500)
    c.segments.append(Segment(back.time + 0.01, 0, ACK, syn.seq + 1, back.seq + 1, window=500, ttl=syn.ttl).stamp(syn.tsval() + 20, back.tsval()))
    c.segments.append(Segment(back.time + 0.02, 0, old.flags, old.seq, old.ack, old.data, old.window, list(old.options), old.ttl))


# ---- syn- ----

@mutant("syn-flags-illegal")
def syn_with_fin(c):
    c.cut(1)
    c.segments[0].flags |= FIN


@mutant("syn-synack-ackno", level="note")
def syn_ack_acknowledges_too_much(c):
    c.cut(2)
    c.segments[1].ack = (c.segments[1].ack + 4) & 0xFFFFFFFF
    c.segments.append(Segment(c.end_time() + 0.01, 0, RST, c.segments[1].ack, ttl=64))


@mutant("syn-third-ack-bad", level="note")
def third_acknowledges_too_little(c):
    c.cut(3)
    c.segments[2].ack = (c.segments[2].ack - 2) & 0xFFFFFFFF
    if c.segments[2].data:
        return False


@mutant("syn-badack-no-rst", level="note", vantage="client")
def bad_ack_in_syn_sent(c):
    c.cut(1)
    s = c.segments[0]
    c.segments.append(Segment(s.time + 0.01, 1, ACK, 77777, s.seq + 5000, window=500, ttl=64))


@mutant("syn-rexmit-isn-change", level="note")
def other_iss(c):
    c.cut(1)
    s = c.segments[0]
    c.segments.append(Segment(s.time + 1, 0, SYN, s.seq + 7000000, window=s.window, ttl=s.ttl, options=list(s.options)))


@mutant("syn-rexmit-timing", level="info")
def syn_without_backoff(c):
    c.cut(1)
    for _ in range(3):
        s = c.segments[-1]
        c.segments.append(Segment(s.time + 0.3, 0, SYN, s.seq, window=s.window, ttl=s.ttl, options=list(s.options)))


@mutant("syn-giveup-early", level="info")
def syn_given_up(c):
    c.cut(1)
    for gap in (1, 2, 4):
        s = c.segments[-1]
        c.segments.append(Segment(s.time + gap, 0, SYN, s.seq, window=s.window, ttl=s.ttl, options=list(s.options)))


@mutant("syn-rst-malformed", level="note")
def refusal_without_ack(c):
    c.cut(1)
    c.segments.append(Segment(c.segments[0].time + 0.01, 1, RST, 0, ttl=64))


@mutant("syn-retry-after-rst", level="note", vantage="client", also=["rst-after-close"])
def refused_and_tried_again(c):
    c.cut(1)
    s = c.segments[0]
    c.segments.append(Segment(s.time + 0.01, 1, RST | ACK, 0, s.seq + 1, ttl=64))
    c.segments.append(Segment(s.time + 1, 0, SYN, s.seq, window=s.window, ttl=s.ttl, options=list(s.options)))


@mutant("syn-data", level="info")
def text_on_the_syn(c):
    c.cut(1)
    c.segments[0].data = b"early"


@mutant("syn-option-late")
def mss_behind_the_syn(c):
    at = opened(c)
    if at is None:
        return False
    c.segments[at].options.append((2, struct.pack("!H", 1460)))


@mutant("syn-option-unoffered", level="note")
def scale_that_was_not_offered(c):
    c.cut(3)
    if not c.segments[1].option(3):
        return False
    c.segments[0].without(3)


@mutant("syn-synack-isn-change", level="note")
def other_iss_of_the_server(c):
    c.cut(2)
    s = c.segments[1]
    c.segments.append(Segment(s.time + 1, 1, SYN | ACK, s.seq + 9000000, s.ack, window=s.window, ttl=s.ttl, options=list(s.options)))


@mutant("syn-wscale-range")
def scale_of_15(c):
    if not c.segments[0].option(3):
        return False
    c.cut(1)
    c.segments[0].without(3).options.append((3, b"\x0f"))


@mutant("syn-mss-odd", level="warning")
def mss_of_40(c):
    c.cut(1)
    c.segments[0].without(2).options.append((2, struct.pack("!H", 40)))


@mutant("syn-reserved-bits")
def reserved_bit(c):
    at = opened(c)
    if at is None:
        return False
    c.segments[at].reserved = 1


@mutant("syn-ecn-setup", level="note")
def ecn_that_was_not_asked_for(c):
    c.segments[0].flags &= ~(ECE | CWR)
    c.segments[1].flags |= ECE


@mutant("syn-accept-stalled", level="note", vantage="server")
def syn_ack_again(c):
    if not (c.segments[1].flags & SYN and c.segments[2].side == 0) or c.segments[2].data:
        return False
    c.cut(3)
    s = c.segments[1]
    c.segments.append(Segment(c.end_time() + 1, 1, s.flags, s.seq, s.ack, window=s.window, ttl=s.ttl, options=list(s.options)))
    if s.option(8):
        c.segments[-1].stamp(s.tsval() + 1000, struct.unpack("!II", s.option(8))[1])
    c.add(0, ACK, seq=s.ack, ack=s.seq + 1)


@mutant("syn-reset-after-accept", level="note")
def reset_behind_the_handshake(c):
    c.cut(3)
    if c.segments[2].data or c.segments[2].side:
        return False
    c.add(1, RST | ACK)


@mutant("syn-scan", level="info")
def scanned(c):
    c.cut(2)
    c.segments.append(Segment(c.end_time() + 0.01, 0, RST, c.segments[0].seq + 1, ttl=64))


# ---- data- ----

@mutant("data-no-ack-flag")
def text_without_ack(c):
    if not quiet(c):
        return False
    c.add(0, PSH, data=b"no ack")


@mutant("data-ack-unsent", level="error", vantage="server")
def ack_of_unsent_text(c):
    if not quiet(c):
        return False
    c.add(0, ACK, ack=c.nxt(1) + 500)
    c.add(1, ACK, 0.001)


@mutant("data-ts-missing", level="warning")
def timestamp_missing(c):
    at = opened(c)
    if not c.stamped() or at is None or c.segments[at].flags & (FIN | RST):
        return False
    c.segments[at].without(8)


@mutant("data-ts-regress")
def timestamp_backwards(c):
    if not c.stamped() or c.version == 6 or not quiet(c):
        return False
    c.add(0, PSH | ACK, data=b"first", tsval=c.last(0).tsval() + 500)
    c.add(0, PSH | ACK, data=b"second", tsval=c.last(0).tsval() - 400)
    return c.segments[-2].ip_id != 0


@mutant("data-ack-regress", level="warning")
def acknowledges_less(c):
    if not c.stamped() or not quiet(c):
        return False
    c.add(1, PSH | ACK, data=b"x" * 100)
    c.add(0, ACK)
    c.add(0, ACK, ack=c.nxt(1) - 50)


@mutant("data-sack-invalid", level="warning")
def sack_of_another_stream(c):
    if not quiet(c):
        return False
    c.add(0, PSH | ACK, data=b"above a hole", seq=c.nxt(0) + 100)
    s = c.add(1, ACK, ack=c.nxt(0) - 112)
    edge = (c.nxt(0) + (1 << 30)) & 0xFFFFFFFF
    s.options += [(1, b""), (1, b""), (5, struct.pack("!II", edge, (edge + 12) & 0xFFFFFFFF))]


@mutant("data-keepalive-outstanding", level="note")
def kept_alive_amid_text(c):
    if not quiet(c):
        return False
    c.add(0, PSH | ACK, data=b"not acknowledged")
    c.add(0, ACK, 5, seq=c.nxt(0) - 1)


@mutant("data-rto-backoff", level="note")
def repeats_without_backoff(c):
    if not quiet(c):
        return False
    c.add(0, PSH | ACK, 1, data=b"nobody answers")
    at = len(c.segments) - 1
    for _ in range(6):
        again(c, at, 1)


@mutant("data-ack-storm", level="warning", also=["data-ack-unsent"])
def answers_to_answers(c):
    if not quiet(c):
        return False
    for _ in range(14):
        c.add(0, ACK, 0.005)
        c.add(1, ACK, 0.005, ack=c.nxt(0) + 40)


@mutant("data-keepalive-giveup", level="note", also=["rst-instead-of-fin", "rst-idle-timeout"])
def given_up_after_one_probe(c):
    if not quiet(c):
        return False
    c.add(0, ACK, 60, seq=c.nxt(0) - 1)
    c.add(0, RST | ACK, 75)


@mutant("data-r2-early", level="note", also=["rst-abort-dirty", "close-data-lost"])
def text_given_up_by_a_reset(c):
    if not quiet(c):
        return False
    c.add(0, PSH | ACK, 1, data=b"nobody answers")
    at = len(c.segments) - 1
    for k in range(5):
        again(c, at, 0.3 * 2**k)
    c.add(0, RST | ACK, 9.6)


@mutant("data-zwp-abort", level="note", also=["rst-instead-of-fin"])
def reset_into_a_closed_window(c):
    if not quiet(c):
        return False
    c.add(0, PSH | ACK, 1, data=b"fills it")
    c.add(1, ACK, window=0)
    for k in range(3):
        c.add(0, ACK, 0.3 * 2**k, seq=c.nxt(0) - 1)
        c.add(1, ACK, window=0)
    c.add(0, RST | ACK, 2.4)


# ---- judging ----

def is_clean(c):
    """Handshake, both FINs, nothing twice, no reset: a base that any kind can change."""
    flags = [s.flags for s in c.segments]
    if len(flags) < 8 or len(flags) > 400 or flags[0] & (SYN | ACK) != SYN or flags[1] & (SYN | ACK) != SYN | ACK or c.segments[1].side != 1:
        return False
    if sum(bool(f & SYN) for f in flags) != 2 or any(f & RST for f in flags) or c.segments[2].side or c.segments[2].flags & FIN:
        return False
    if c.fin(0) is None or c.fin(1) is None or sum(bool(f & FIN) for f in flags) != 2 or any(s.data for s in c.segments[:2]):
        return False
    high = {}
    for s in c.segments:
        if s.length and s.side in high and distance(s.end, high[s.side]) <= 0:
            return False
        if s.side in high and distance(s.seq, high[s.side]) > 0:
            return False
        high[s.side] = s.end if s.side not in high or distance(s.end, high[s.side]) > 0 else high[s.side]
    return all(c.fin_acked(side) is not None for side in (0, 1))


def audit(conversations, vantage):
    """[{rule: severity}] for each conversation"""
    last = Conversation(4, [Segment(max(c.end_time() for c in conversations) + 100, 0, SYN, 1)])
    with tempfile.NamedTemporaryFile(suffix=".pcap") as file:
        write(file.name, conversations + [last])
        command = [PROGRAM, "-r", file.name, "-T", "jsonl", "--flows", "all", "--min-severity", "info"]
        run = subprocess.run(command + (["--vantage", vantage] if vantage else []), capture_output=True, text=True)
    if run.returncode not in (0, 1):
        sys.exit(f"mutants.py: exit status {run.returncode}: {run.stderr[-300:]}")
    found = [{} for _ in range(len(conversations) + 2)]
    for record in map(json.loads, run.stdout.splitlines()):
        if record["event_type"] != "finding":
            continue
        source = record["src_ip"] if record["src_ip"].startswith(("198.18.", "2001:2:1:")) else record["dest_ip"]
        number = int(source.split(":")[-1], 16) if ":" in source else int(source.split(".")[2]) * 256 + int(source.split(".")[3])
        rule, severity = record["rule_id"], record["severity"]
        if RANK[severity] >= RANK[found[number].get(rule, "info")]:
            found[number][rule] = severity
    return found[1:len(conversations) + 1]


def bases(most):
    files = sorted(glob.glob(os.path.join(SHARED, "truth", "*", "*.pcap")))
    files += sorted(glob.glob(os.path.join(HERE, "..", "pcaps", "kernel-*.pcap")))
    clean, seen = [], set()
    for path in files:
        some = [c for c in read(path) if is_clean(c) and c.segments[0].seq not in seen]  # recorded at several places: one will do
        seen |= {c.segments[0].seq for c in some}
        for c in some:
            start = c.segments[0].time
            for s in c.segments:
                s.time -= start
        clean += some
    step = max(1, len(clean) // most)
    clean = clean[::step][:most] if len(clean) > most else clean
    said = audit(clean, None)
    return [c for c, findings in zip(clean, said) if not any(RANK[severity] for severity in findings.values())]


def catalogue():
    rows = {}
    run = subprocess.run([PROGRAM, "--list-checks"], capture_output=True, text=True)
    for line in run.stdout.splitlines():
        words = line.split()
        if words:
            rows[words[0]] = next((w for w in words[1:4] if w in RANK), None)
    return rows


def main():
    full = "--full" in sys.argv[1:]
    wanted = [word for word in sys.argv[1:] if not word.startswith("-")]
    known, ground = catalogue(), bases(400 if full else 60)
    kinds = [kind for kind in KINDS if not wanted or kind[0] in wanted or kind[1] in wanted]
    if not ground:
        print("1..0 # SKIP no conversations to change")
        return 0
    print(f"1..{len(kinds)}")
    print(f"# {len(ground)} conversations, {len(kinds)} kinds of fault, {len({kind[1] for kind in kinds})} checks")
    failed = total = hits = 0
    for number, (name, check, level, vantage, also, base, function) in enumerate(kinds, 1):
        made = []
        for conversation in ground:
            c = conversation.copy()
            if function(c) is not False:
                made.append(c.order())
        if check not in known:
            print(f"not ok {number} - {name}: no check is called {check}")
            failed += 1
            continue
        least = RANK[level or known[check] or "note"]
        found = audit(made, vantage) if made else []
        missed = [i for i, findings in enumerate(found) if RANK.get(findings.get(check), -1) < least]
        others = collections.Counter(rule for findings in found for rule, severity in findings.items()
                                     if RANK[severity] >= 2 and rule not in also)
        good = made and len(missed) <= len(made) // 100 and not others
        total, hits, failed = total + len(made), hits + len(made) - len(missed), failed + (not good)
        print(f"{'ok' if good else 'not ok'} {number} - {name}: {check}, {len(made) - len(missed)} of {len(made)} found"
              + (f", other errors {dict(others)}" if others else ""))
        for i in missed[:2]:
            print(f"#   not in mutant {i}: {found[i]}")
    print(f"# {hits} of {total} found, {100 * hits / max(1, total):.2f} %")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
