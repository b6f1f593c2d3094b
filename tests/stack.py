"""stack.py: endpoints as RFC 9293 3.10 has them, of many makes, that keep the record of their own states.

Time is simulated, in seconds: a World has what happens when.  A Make is what the RFCs leave to a stack - timers, acknowledgments,
resets, probes, identifications, clocks - drawn by lot, and none of it wrong.  An Endpoint sends by the function that it is given, and
tells its application what happens.  A Hop is one stretch of a path, one way, with delay, disorder, loss and second copies."""
import copy
import heapq
import struct

FIN, SYN, RST, PSH, ACK = 1, 2, 4, 8, 16
MASK = 0xFFFFFFFF
SYNCHRONIZED = ("ESTABLISHED", "FIN-WAIT-1", "FIN-WAIT-2", "CLOSE-WAIT", "CLOSING", "LAST-ACK", "TIME-WAIT")
TAKES_TEXT = ("ESTABLISHED", "FIN-WAIT-1", "FIN-WAIT-2")
IN_FLIGHT = 10  # segments at most


def distance(a, b):
    """a - b on the circle"""
    return (a - b + 2**31) % 2**32 - 2**31


class World:
    """What happens when."""

    def __init__(self, rng):
        self.rng, self.now, self.queue, self.count = rng, 0.0, [], 0

    def at(self, when, what, *arguments):
        entry = [max(when, self.now), self.count, what, arguments]
        self.count += 1
        heapq.heappush(self.queue, entry)
        return entry

    def after(self, delay, what, *arguments):
        return self.at(self.now + delay, what, *arguments)

    @staticmethod
    def cancel(entry):
        if entry:
            entry[2] = None

    def run(self, until):
        while self.queue and self.queue[0][0] <= until:
            self.now, _, what, arguments = heapq.heappop(self.queue)
            if what:
                what(*arguments)
        self.now = until


class Make:
    """One make of stack."""

    def __init__(self, rng):
        pick = rng.choice
        self.ttl = pick((32, 64, 64, 128, 255))
        self.identify = pick(("zero", "counter", "counter", "random"))
        self.tick = pick((None, None, 0.001, 0.01, 0.1, 0.5))  # s; of the timestamp clock (RFC 7323 5.4: 1 ms to 1 s)
        self.mss = pick((100, 536, 1220, 1460))
        self.wscale = pick((None, 0, 2, 7))
        self.window = pick((1000, 4000, 16000, 60000))
        self.sack = pick((False, True))
        self.rto = pick((0.2, 0.3, 1.0, 1.0, 3.0))
        self.rto_most = pick((60, 120))  # RFC 6298 2.5
        self.given_up_after = pick((100, 180))  # SHLD-11
        self.tells_when_it_gives_up = pick((False, False, True))
        self.delay = pick((0, 0.04, 0.1, 0.2, 0.49))  # of acknowledgments (MUST-40)
        self.delays_fin = pick((False, True))
        self.keeps_disorder = pick((True, True, False))  # text above a hole
        self.goes_back = pick((False, True))  # repeats all that is outstanding, not only the first
        self.fast = pick((False, True))  # repeats at the third duplicate acknowledgment (RFC 5681 3.2)
        self.fin_rides = pick((False, True))  # with the last text
        self.fin_coalesces = pick((False, True))  # with text that is repeated
        self.challenges = pick((False, True, True))  # RFC 5961, or takes resets anywhere in the window
        self.reads_after_close = pick((False, True))  # or resets (RFC 1122 4.2.2.13)
        self.aborts_unread = pick((False, True))  # text that nobody read before close (RFC 2525 2.17)
        self.msl = pick((30, 60, 120))
        self.orphan = pick((None, 20, 60))  # s in FIN-WAIT-2 without a reader
        self.probes_with_text = pick((False, True))
        self.keepalive = pick((None, None, None, 20))  # s
        self.keepalive_octets = pick((0, 1))
        self.resets_with_ack = pick((False, False, True))  # as lwIP does, whatever it answers


class Segment:
    __slots__ = ("seq", "ack", "flags", "len", "window", "mss", "wscale", "sack_permitted", "sack", "stamp", "ttl", "ip_id", "side")

    def __init__(self, seq, ack, flags, length=0, window=0):
        self.seq, self.ack, self.flags, self.len, self.window = seq & MASK, ack & MASK, flags, length, window
        self.mss = self.wscale = self.stamp = None
        self.sack_permitted, self.sack, self.ttl, self.ip_id, self.side = False, (), 64, 0, 0

    def length(self):
        return self.len + bool(self.flags & SYN) + bool(self.flags & FIN)

    def options(self):
        out = b""
        if self.mss is not None:
            out += struct.pack("!BBH", 2, 4, self.mss)
        if self.sack_permitted:
            out += b"\4\2"
        if self.wscale is not None:
            out += struct.pack("!BBB", 3, 3, self.wscale)
        if self.stamp is not None:
            out += struct.pack("!BBII", 8, 10, *self.stamp)
        if self.sack:
            out += struct.pack("!BB", 5, 2 + 8 * len(self.sack)) + b"".join(struct.pack("!II", *block) for block in self.sack)
        return out + b"\1" * (-len(out) % 4)


class Endpoint:
    """One end.  `send` takes a segment, `application` (what, endpoint, octets); `listens`: it has a listener."""

    def __init__(self, world, make, send, application, listens=False, before=None):
        """`before`: an endpoint that had the same sockets, on the same host."""
        rng = world.rng
        self.world, self.make, self.send, self.application, self.listens = world, make, send, application, listens
        self.state, self.states = "CLOSED", []  # as the wire may know them: FIN-WAIT-1 begins with the FIN
        self.dead, self.resets = False, 0
        self.clock, self.next_id = rng.randrange(2**32), rng.randrange(65536)
        self.iss, self.begun = rng.randrange(2**32), world.now
        if before:  # RFC 9293 3.4.1: a clock of 4 us; the hosts' other clocks go on
            self.clock, self.next_id = before.clock, before.next_id
            self.iss = (before.iss + int((world.now - before.begun) * 250000)) & MASK
        self.snd_una = self.snd_nxt = self.iss
        self.snd_wnd = self.rcv_nxt = self.wl1 = self.wl2 = self.irs = 0
        self.peer_mss, self.peer_wscale, self.snd_shift, self.rcv_shift = 536, None, 0, 0
        self.stamps = self.sack = False
        self.ts_recent = self.last_ack_sent = 0
        self.to_send = 0  # octets that are not segmentized yet
        self.closing, self.reader_gone, self.fin = False, False, None  # number of its own FIN once that is sent
        self.disorder = []  # (number, octets, FIN) above a hole
        self.unread, self.reading = 0, True
        self.timer = self.ack_timer = self.wait = self.idle = None
        self.tries, self.first_try, self.duplicates, self.owed, self.probing = 0, 0, 0, 0, False

    # -- states --
    def enter(self, state):
        if state != self.state:
            self.state = state
            self.states.append(state)

    def leave(self):
        """Deletes the TCB."""
        for timer in (self.timer, self.ack_timer, self.wait, self.idle):
            World.cancel(timer)
        self.timer = self.ack_timer = self.wait = self.idle = None
        self.listens = False
        self.enter("CLOSED")

    # -- segments --
    def identification(self):
        if self.make.identify == "random":
            return self.world.rng.randrange(1, 65536)
        self.next_id = 0 if self.make.identify == "zero" else (self.next_id + 1) % 65536
        return self.next_id

    def window(self):
        return max(0, self.make.window - self.unread)

    def advertised(self):
        """The window as its field can say it."""
        return min(65535, self.window() >> self.rcv_shift) << self.rcv_shift

    def build(self, seq, flags, octets=0):
        shift = 0 if flags & SYN else self.rcv_shift
        s = Segment(seq, self.rcv_nxt if flags & ACK else 0, flags, octets, min(65535, self.window() >> shift))
        first = flags & (SYN | ACK) == SYN
        if flags & SYN:
            s.mss = self.make.mss
            s.wscale = self.make.wscale if first or self.peer_wscale is not None else None
            s.sack_permitted = self.make.sack and (first or self.sack)
        if self.make.tick and (first or self.stamps):
            s.stamp = ((self.clock + int(self.world.now / self.make.tick)) & MASK, self.ts_recent if flags & ACK else 0)
        if self.sack and self.disorder and flags == ACK and not octets:
            s.sack = self.blocks()
        return s

    def blocks(self):
        out = []
        for seq, octets, fin in sorted(self.disorder, key=lambda part: distance(part[0], self.rcv_nxt)):
            end = (seq + octets + fin) & MASK
            if not out or distance(seq, out[-1][1]) > 0:
                out.append((seq, end))
            elif distance(end, out[-1][1]) > 0:
                out[-1] = (out[-1][0], end)
        return tuple(out[:3])

    def emit(self, s):
        s.ttl, s.ip_id = self.make.ttl, self.identification()
        self.resets += bool(s.flags & RST)
        if s.flags & ACK:
            self.last_ack_sent, self.owed = s.ack, 0
            World.cancel(self.ack_timer)
            self.ack_timer = None
        self.send(s)

    def emit_bare(self, seq, ack, flags):
        """Without a TCB."""
        s = Segment(seq, ack, flags)
        s.ttl, s.ip_id = self.make.ttl, self.identification()
        self.resets += bool(flags & RST)
        self.send(s)

    def refuse(self, s):
        if self.make.resets_with_ack:
            self.emit_bare(s.ack, s.seq + s.length(), RST | ACK)
        else:
            self.emit_bare(s.ack, 0, RST)

    def acknowledge(self):
        self.emit(self.build(self.snd_nxt, ACK))

    # -- calls (RFC 9293 3.10.1 to 3.10.5) --
    def open(self):
        self.enter("SYN-SENT")
        self.snd_nxt = (self.iss + 1) & MASK
        self.emit(self.build(self.iss, SYN))
        self.start_timer()

    def write(self, octets):
        if self.state in ("SYN-SENT", "SYN-RECEIVED", "ESTABLISHED", "CLOSE-WAIT") and not self.closing:
            self.to_send += octets
            self.push()

    def shutdown(self):
        """Nothing more will be sent."""
        if self.state == "SYN-SENT":
            self.leave()
        elif not self.closing and self.state != "CLOSED":
            self.closing = True
            self.push()

    def close(self):
        """Nothing more will be sent or read."""
        if self.unread and self.make.aborts_unread and self.state in SYNCHRONIZED:
            self.abort()
            return
        self.reader_gone, self.unread = True, 0
        self.shutdown()
        if self.state == "FIN-WAIT-2":
            self.orphan()

    def abort(self):
        if self.state in ("SYN-RECEIVED", "ESTABLISHED", "FIN-WAIT-1", "FIN-WAIT-2", "CLOSE-WAIT"):
            self.emit(self.build(self.snd_nxt, RST | ACK))
        self.leave()

    def die(self):
        """The machine does; revive() brings it back, without a memory."""
        self.dead = True
        self.leave()

    def revive(self):
        self.dead = False

    def read(self, on):
        """The application stops reading, or goes on."""
        self.reading = on
        if not on or not self.unread:
            return
        was_shut = self.window() < min(self.make.mss, self.make.window)
        octets, self.unread = self.unread, 0
        if was_shut and self.state in TAKES_TEXT:
            self.acknowledge()
        self.application("text", self, octets)

    # -- sending --
    def most(self):
        """Octets of a segment."""
        return min(self.peer_mss, self.make.mss) - (12 if self.stamps else 0)

    def outstanding(self):
        return distance(self.snd_nxt, self.snd_una)

    def push(self):
        """Segmentizes what the window takes, and the FIN behind it (RFC 9293 3.10.2, 3.10.4)."""
        if self.state not in ("ESTABLISHED", "CLOSE-WAIT"):
            return
        most = self.most()
        while self.to_send and self.outstanding() <= (IN_FLIGHT - 1) * most:
            room = self.snd_wnd - self.outstanding()
            n = min(most, self.to_send, room)
            if n <= 0 or (n < min(most, self.to_send) and self.outstanding()):  # the sender's silly window syndrome (3.8.6.2.1)
                break
            fin = self.closing and n == self.to_send and self.make.fin_rides and room > n
            s = self.build(self.snd_nxt, ACK | (PSH if n == self.to_send else 0) | (FIN if fin else 0), n)
            self.to_send -= n
            self.snd_nxt = (self.snd_nxt + n) & MASK
            if fin:
                self.count_fin()
            self.emit(s)
        if self.closing and self.fin is None and not self.to_send and self.snd_wnd > self.outstanding():
            s = self.build(self.snd_nxt, FIN | ACK)
            self.count_fin()
            self.emit(s)
        if self.outstanding() or self.to_send or (self.closing and self.fin is None):
            self.start_timer()

    def count_fin(self):
        self.fin = self.snd_nxt
        self.snd_nxt = (self.snd_nxt + 1) & MASK
        self.enter("FIN-WAIT-1" if self.state == "ESTABLISHED" else "LAST-ACK")

    def start_timer(self):
        if self.timer:
            return
        first = max(1.0, self.make.rto) if self.state in ("SYN-SENT", "SYN-RECEIVED") else self.make.rto  # RFC 6298 2.1
        self.timer = self.world.after(min(first * 2**self.tries, self.make.rto_most), self.timeout)

    def stop_timer(self):
        World.cancel(self.timer)
        self.timer, self.tries = None, 0

    def timeout(self):
        self.timer = None
        if not self.outstanding():
            if self.snd_wnd:
                self.push()
            else:
                self.probe()
        elif self.probing and not self.snd_wnd and self.outstanding() == 1:
            self.emit(self.build(self.snd_una, ACK, 1))
            self.back_off()
        else:
            self.try_again()

    def try_again(self):
        self.first_try = self.first_try if self.tries else self.world.now
        if self.world.now - self.first_try >= (self.make.given_up_after if self.state in SYNCHRONIZED else 180):  # SHLD-11, MUST-23
            if self.make.tells_when_it_gives_up and self.state in SYNCHRONIZED:
                self.emit(self.build(self.snd_nxt, RST | ACK))
            self.leave()
            return
        self.repeat(self.make.goes_back)
        self.back_off()

    def back_off(self):
        self.tries += 1
        self.start_timer()

    def probe(self):
        """A closed window (RFC 9293 3.8.6.1)."""
        if self.make.probes_with_text and self.to_send:
            s = self.build(self.snd_nxt, ACK, 1)
            self.snd_nxt = (self.snd_nxt + 1) & MASK
            self.to_send -= 1
            self.probing = True
            self.emit(s)
        else:
            self.emit(self.build((self.snd_nxt - 1) & MASK, ACK))
        self.back_off()

    def repeat(self, everything):
        if self.state in ("SYN-SENT", "SYN-RECEIVED"):
            self.emit(self.build(self.iss, SYN if self.state == "SYN-SENT" else SYN | ACK))
            return
        at, end = self.snd_una, self.snd_nxt if self.fin is None else self.fin
        while True:
            n = max(0, min(self.most(), distance(end, at)))
            fin = self.fin is not None and (at + n) & MASK == self.fin and (not n or self.make.fin_coalesces or self.make.fin_rides)
            if not n and not fin:
                return
            self.emit(self.build(at, ACK | (FIN if fin else 0) | (PSH if n else 0), n))
            at = (at + n) & MASK
            if fin or not everything:
                return

    def keep_alive(self):
        if self.make.keepalive:
            self.idle = self.world.after(self.make.keepalive, self.ask_whether_alive)

    def ask_whether_alive(self):
        if self.state in ("ESTABLISHED", "CLOSE-WAIT"):
            if not self.outstanding() and not self.to_send:
                self.emit(self.build((self.snd_nxt - 1) & MASK, ACK, self.make.keepalive_octets))
            self.keep_alive()

    # -- SEGMENT ARRIVES (RFC 9293 3.10.7) --
    def arrives(self, s):
        if self.dead:
            return
        if self.state == "CLOSED":
            (self.in_listen if self.listens else self.in_closed)(s)
        elif self.state == "SYN-SENT":
            self.in_syn_sent(s)
        else:
            self.in_other_states(s)

    def in_closed(self, s):
        if s.flags & RST:
            return
        if s.flags & ACK:
            self.refuse(s)
        else:
            self.emit_bare(0, s.seq + s.length(), RST | ACK)

    def in_listen(self, s):
        if s.flags & RST:
            return
        if s.flags & ACK:
            self.refuse(s)
        elif s.flags & SYN:
            self.take_syn(s)
            self.enter("SYN-RECEIVED")
            self.snd_nxt = (self.iss + 1) & MASK
            self.emit(self.build(self.iss, SYN | ACK))
            self.start_timer()

    def take_syn(self, s):
        self.irs, self.rcv_nxt = s.seq, (s.seq + 1) & MASK
        self.peer_mss = s.mss if s.mss is not None else 536
        self.peer_wscale = s.wscale
        if s.wscale is not None and self.make.wscale is not None:
            self.snd_shift, self.rcv_shift = s.wscale, self.make.wscale
        self.stamps = s.stamp is not None and bool(self.make.tick)
        self.ts_recent = s.stamp[0] if self.stamps else 0
        self.sack = s.sack_permitted and self.make.sack
        self.snd_wnd, self.wl1, self.wl2 = s.window, s.seq, s.ack

    def in_syn_sent(self, s):
        if s.flags & ACK and not 0 < distance(s.ack, self.snd_una) <= self.outstanding():
            if not s.flags & RST:
                self.refuse(s)
            return
        if s.flags & RST:
            if s.flags & ACK:
                self.leave()
            return
        if not s.flags & SYN:
            return
        self.take_syn(s)
        self.stop_timer()
        if not s.flags & ACK:
            self.enter("SYN-RECEIVED")
            self.emit(self.build(self.iss, SYN | ACK))
            self.start_timer()
            return
        self.snd_una = s.ack
        self.establish()
        self.acknowledge()
        self.application("open", self, 0)
        self.push()

    def establish(self):
        self.enter("ESTABLISHED")
        self.keep_alive()

    def in_other_states(self, s):
        if self.stamps and s.stamp is not None and not s.flags & RST and distance(s.stamp[0], self.ts_recent) < 0:
            self.acknowledge()  # RFC 7323 5.3 R1
            return
        if not self.acceptable(s):  # first
            if not s.flags & RST:
                self.answer_unacceptable(s)
            return
        if self.stamps and s.stamp is not None and distance(s.seq, self.last_ack_sent) <= 0:
            self.ts_recent = s.stamp[0]
        if s.flags & RST:  # second
            if self.make.challenges and s.seq != self.rcv_nxt:
                self.acknowledge()
            else:
                self.leave()
            return
        if s.flags & SYN:  # fourth
            if self.state != "SYN-RECEIVED" or s.seq != self.irs or not s.flags & ACK or s.ack != self.snd_nxt:
                self.acknowledge()
                return
            s = copy.copy(s)  # the other half of a simultaneous open
            s.flags, s.seq = s.flags & ~SYN, (s.seq + 1) & MASK
        if not s.flags & ACK:  # fifth
            return
        if self.state == "SYN-RECEIVED" and not self.take_third(s):
            return
        if self.take_ack(s):
            self.take_text(s)  # seventh, eighth

    def acceptable(self, s):
        first = distance(s.seq, self.rcv_nxt)
        last, window = first + max(s.length() - 1, 0), max(self.window(), self.advertised())
        if not window:
            return not s.length() and not first
        return 0 <= first < window or (s.length() > 0 and 0 <= last < window)

    def yields_to(self, s):
        """TIME-WAIT, to a SYN that no segment of the connection before can be taken for (RFC 9293 3.10.7.4 fourth, RFC 6191 2)."""
        if self.state != "TIME-WAIT" or s.flags & (SYN | ACK | RST) != SYN:
            return False
        if self.stamps and s.stamp is not None:
            return distance(s.stamp[0], self.ts_recent) > 0
        return distance(s.seq, self.rcv_nxt) > 0

    def answer_unacceptable(self, s):
        if self.state == "SYN-RECEIVED" and s.flags & SYN and s.seq == self.irs:
            self.emit(self.build(self.iss, SYN | ACK))
            return
        self.acknowledge()
        if self.state == "TIME-WAIT" and s.flags & FIN:
            self.linger()

    def take_third(self, s):
        """What completes the handshake."""
        if s.ack != self.snd_nxt:
            self.refuse(s)
            return False
        self.snd_una = s.ack
        self.snd_wnd, self.wl1, self.wl2 = s.window << self.snd_shift, s.seq, s.ack
        self.stop_timer()
        self.establish()
        self.application("open", self, 0)
        return self.state != "CLOSED"

    def take_ack(self, s):
        """False: nothing more of the segment counts."""
        new = distance(s.ack, self.snd_una)
        if new > self.outstanding():
            self.acknowledge()
            return False
        if not new and not s.length() and self.outstanding() and s.window << self.snd_shift == self.snd_wnd:
            self.duplicates += 1
            if self.duplicates == 3 and self.make.fast:
                self.repeat(False)
        if new >= 0 and (distance(self.wl1, s.seq) < 0 or (self.wl1 == s.seq and distance(self.wl2, s.ack) <= 0)):
            self.snd_wnd, self.wl1, self.wl2 = s.window << self.snd_shift, s.seq, s.ack
        if new > 0:
            self.snd_una, self.duplicates, self.probing = s.ack, 0, False
            self.stop_timer()
            if self.outstanding():
                self.start_timer()
        if self.fin is not None and distance(self.snd_una, self.fin) > 0:
            self.take_ack_of_fin()
            if self.state == "CLOSED":
                return False
        self.push()
        return True

    def take_ack_of_fin(self):
        if self.state == "FIN-WAIT-1":
            self.enter("FIN-WAIT-2")
            if self.reader_gone:
                self.orphan()
        elif self.state == "CLOSING":
            self.enter("TIME-WAIT")
            self.linger()
        elif self.state == "LAST-ACK":
            self.leave()

    def take_text(self, s):
        fin = bool(s.flags & FIN)
        if not s.length():
            return
        if self.state not in TAKES_TEXT:
            self.acknowledge()
            return
        above = distance(s.seq, self.rcv_nxt)
        if self.reader_gone and not self.make.reads_after_close and s.len and above + s.len > 0:
            self.refuse(s)
            self.leave()
            return
        if above > 0:
            if self.make.keeps_disorder:
                self.disorder.append((s.seq, s.len, fin))
            self.acknowledge()
            return
        had_hole, before = bool(self.disorder), self.rcv_nxt
        ended = self.advance((s.seq, s.len, fin))
        taken = distance(self.rcv_nxt, before) - ended
        self.owe(ended, had_hole or not (taken or ended))
        if ended:
            self.take_fin()
        if taken and not self.reader_gone and self.reading:
            self.application("text", self, taken)
        elif taken and not self.reader_gone:
            self.unread += taken
        if ended and self.state != "CLOSED":
            self.application("end", self, 0)

    def advance(self, part):
        """RCV.NXT over this part, and over what it joins; true: over the FIN, too."""
        ended = False
        while part and not ended:
            seq, octets, fin = part
            if distance(seq + octets, self.rcv_nxt) > 0:
                self.rcv_nxt = (seq + octets) & MASK
            if fin and (seq + octets) & MASK == self.rcv_nxt:
                self.rcv_nxt, ended = (self.rcv_nxt + 1) & MASK, True
            self.disorder = [p for p in self.disorder if not ended and distance(p[0] + p[1] + p[2], self.rcv_nxt) > 0]
            part = next((p for p in self.disorder if distance(p[0], self.rcv_nxt) <= 0), None)
        return ended

    def owe(self, ended, at_once):
        """An acknowledgment: for each second segment, and no later than MUST-40 has it.  What the application sends takes it along."""
        self.owed += 1
        if at_once or not self.make.delay or self.owed >= 2 or (ended and not self.make.delays_fin):
            self.world.after(0, self.pay)
        elif not self.ack_timer:
            self.ack_timer = self.world.after(self.make.delay, self.pay)

    def pay(self):
        if self.state in SYNCHRONIZED and self.owed:
            self.acknowledge()

    def take_fin(self):
        if self.state == "ESTABLISHED":
            self.enter("CLOSE-WAIT")
        elif self.state == "FIN-WAIT-1":
            self.enter("CLOSING")
        elif self.state == "FIN-WAIT-2":
            self.enter("TIME-WAIT")
            self.linger()

    def linger(self):
        """TIME-WAIT, from here on for 2 MSL."""
        World.cancel(self.wait)
        self.wait = self.world.after(2 * self.make.msl, self.leave)

    def orphan(self):
        """FIN-WAIT-2, and nobody waits for the peer."""
        if self.make.orphan and not self.wait:
            self.wait = self.world.after(self.make.orphan, self.leave)


class Hop:
    """One stretch of a path, one way.  Delays in seconds, `loss` and `twice` as shares."""

    def __init__(self, world, delay, jitter=0, loss=0, twice=0):
        self.world, self.delay, self.jitter, self.loss, self.twice = world, delay, jitter, loss, twice

    def carry(self, segment, to):
        rng = self.world.rng
        if rng.random() < self.loss:
            return
        for _ in range(2 if rng.random() < self.twice else 1):
            self.world.after(self.delay + rng.random() * self.jitter, to, segment)
