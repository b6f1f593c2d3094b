#!/usr/bin/env python3
"""grid.py: what the mirror makes of a segment, held against RFC 9293 3.10.7 in every cell of a grid.

11 states x kinds of segment x position in the window x what it acknowledges.  grid.tsv holds the rules, written from the
RFC; departures.tsv what the mirror takes differently on purpose, with the reason.  Nothing here comes from src/:
tests/spec/grid_cells plays each cell and prints what it found.  A departure that is none any more fails, too."""
import os
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
CELLS = os.path.join(os.path.dirname(os.path.abspath(os.environ.get("TCPAUDIT", "./tcpaudit"))), "tests", "spec", "grid_cells")

SYNCHRONIZED = "ESTABLISHED FIN-WAIT-1 FIN-WAIT-2 CLOSE-WAIT CLOSING LAST-ACK TIME-WAIT".split()
STATES = "CLOSED LISTEN SYN-SENT SYN-RECEIVED-passive SYN-RECEIVED-active".split() + SYNCHRONIZED
WITHOUT_ACK = "SYN RST BARE DATA-NOACK FIN-NOACK".split()
WITH_ACK = "SYN-ACK ACK DATA FIN FIN-DATA RST-ACK".split()
WITH_TEXT = "DATA FIN-DATA DATA-NOACK".split()
POSITIONS = "far-left left straddle at inside right far-right closed".split()
DOMAINS = [STATES, WITHOUT_ACK + WITH_ACK, ["any"] + POSITIONS, "none any ancient dup new fin beyond".split()]


def positions(state, kind):
    """Before the peer's SYN there is no RCV.NXT; only text can begin left of it and end right of it."""
    if state in ("CLOSED", "LISTEN", "SYN-SENT"):
        return ["any"]
    return [position for position in POSITIONS if position != "straddle" or kind in WITH_TEXT]


def acknowledgments(state, kind):
    """What can be acknowledged, in that state: SND.UNA = SND.NXT where the own FIN was acknowledged."""
    if kind in WITHOUT_ACK:
        return ["none"]
    if state in ("CLOSED", "LISTEN"):
        return ["any"]
    if state in ("FIN-WAIT-2", "TIME-WAIT"):
        return ["ancient", "dup", "beyond"]
    if state in ("FIN-WAIT-1", "CLOSING", "LAST-ACK"):
        return ["ancient", "dup", "new", "fin", "beyond"]
    return ["ancient", "dup", "new", "beyond"]


def all_cells():
    for state in STATES:
        for kind in WITHOUT_ACK + WITH_ACK:
            for position in positions(state, kind):
                for ack in acknowledgments(state, kind):
                    yield state, kind, position, ack


class Table:
    """Rules: each a line number, four sets of words, and what stands behind them."""

    def __init__(self, name, columns, sets=None):
        self.name, self.sets, self.rules, self.troubles = name, dict(sets or {}), [], []
        with open(os.path.join(HERE, name)) as file:
            for number, line in enumerate(file, 1):
                if line.startswith("#") or not line.strip():
                    continue
                fields = line.rstrip("\n").split("\t")
                if fields[0] == "set":
                    self.sets[fields[1]] = self.expand(fields[2])
                elif len(fields) != columns or not all(fields):
                    self.troubles.append(f"{name}:{number}: {columns} columns, please")
                else:
                    self.rules.append((number, [self.words(field, i, number) for i, field in enumerate(fields[:4])], fields[4:]))

    def expand(self, field):
        words = set()
        for word in field.split("|"):
            words |= self.sets.get(word, {word})
        return words

    def words(self, field, i, number):
        if field == "*":
            return set(DOMAINS[i])
        words = self.expand(field)
        for word in sorted(words - set(DOMAINS[i])):
            self.troubles.append(f"{self.name}:{number}: {word}?")
        return words

    def covering(self, cell):
        return [rule for rule in self.rules if all(word in words for word, words in zip(cell, rule[1]))]


def state_of(cell):
    """Two ways into SYN-RECEIVED are one state to whoever asks."""
    return "SYN-RECEIVED" if cell[0].startswith("SYN-RECEIVED") else cell[0]


def outcome(cell, next_state, reply):
    return state_of(cell) if next_state == "=" else next_state, reply


def like(cell, words):
    """The cell that `as WORD,...` names: of another kind, position or acknowledgment."""
    for word in words.split(","):
        i = next(i for i in (1, 2, 3) if word in DOMAINS[i])
        cell = cell[:i] + (word,) + cell[i + 1:]
    return cell


def expected(rules, cells):
    """{cell: (rule's line, (next, reply))}, and what is wrong with the rules."""
    found, troubles = {}, []
    for cell in cells:
        covering = rules.covering(cell)
        if len(covering) != 1:
            lines = ", ".join(str(rule[0]) for rule in covering) or "none"
            troubles.append(f"{' '.join(cell)}: covered by rules {lines}")
        else:
            number, _, (next_state, reply, _) = covering[0]
            found[cell] = number, outcome(cell, next_state, reply)
    used = {number for number, _ in found.values()}
    troubles += [f"grid.tsv:{rule[0]}: covers no cell" for rule in rules.rules if rule[0] not in used and not troubles]
    return found, troubles


def played(cells):
    run = subprocess.run([CELLS], input="".join(" ".join(cell) + "\n" for cell in cells), capture_output=True, text=True)
    lines = run.stdout.splitlines()
    if run.returncode or len(lines) != len(cells):
        return {}, [f"{CELLS}: status {run.returncode}, {len(lines)} answers to {len(cells)} cells {run.stderr[-500:]}"]
    troubles = [f"{' '.join(cell)}: {line}" for cell, line in zip(cells, lines) if len(line.split()) != 3]
    return {cell: line.split() for cell, line in zip(cells, lines) if len(line.split()) == 3}, troubles


def departure(cell, want, got, next_state, reply):
    """What a row of departures.tsv says of a cell: `as` the mirror does in another cell, or in words."""
    other = got[like(cell, next_state[3:])] if next_state.startswith("as ") else outcome(cell, next_state, reply)
    return other[0], want[cell][1][1] if reply == "=" else other[1] if reply == "as" else reply


def compare(want, got, departures):
    """Each cell agrees, or departs as a row says - and what the RFC says stays possible: an observer never rules it out."""
    troubles, departed, used = [], 0, set()
    for cell, (number, rule) in want.items():
        if cell not in got:
            continue
        next_state, reply, without_fin = got[cell]
        name, found, covering = " ".join(cell), (next_state, reply), departures.covering(cell)
        if found == rule and not covering:
            continue
        if len(covering) != 1:
            lines = ", ".join(str(d[0]) for d in covering)
            troubles.append(f"{name}: grid.tsv:{number} wants {' '.join(rule)}, got {' '.join(found)}"
                            + (f"; departures.tsv:{lines}" if lines else ""))
            continue
        line, _, (next_word, reply_word, reason) = covering[0]
        said = departure(cell, want, got, next_word, reply_word)
        if said != found:
            troubles.append(f"{name}: departures.tsv:{line} says {' '.join(said)}, got {' '.join(found)}, "
                            f"grid.tsv:{number} wants {' '.join(rule)}")
        if rule[0] not in (next_state, without_fin, state_of(cell)) and not reason.startswith("narrower"):
            troubles.append(f"{name}: departures.tsv:{line} rules out {rule[0]}, which grid.tsv:{number} wants")
        if found != rule:
            used.add(line)
            departed += 1
    troubles += [f"departures.tsv:{d[0]}: no cell that it covers departs" for d in departures.rules if d[0] not in used]
    return troubles, departed


def main():
    if not os.path.exists(CELLS):
        print(f"1..0 # SKIP needs {CELLS}")
        return 0
    cells = list(all_cells())
    rules = Table("grid.tsv", 7)
    departures = Table("departures.tsv", 7, rules.sets)
    want, uncovered = expected(rules, cells)
    got, unplayed = played(cells)
    different, departed = compare(want, got, departures)
    results = [(f"{len(rules.rules)} rules and {len(departures.rules)} departures can be read", rules.troubles + departures.troubles),
               (f"each of {len(cells)} cells is covered by exactly one rule", uncovered),
               ("both ends agree at every point of the circle", unplayed),
               (f"the mirror does what the RFC says, but for {departed} cells with a reason", different)]
    print(f"1..{len(results)}")
    for number, (name, troubles) in enumerate(results, 1):
        print(f"{'not ok' if troubles else 'ok'} {number} - {name}")
        for trouble in troubles[:int(os.environ.get("MOST", 20))]:
            print(f"# {trouble}")
        if len(troubles) > 20:
            print(f"# {len(troubles)} in all")
    return 1 if any(troubles for _, troubles in results) else 0


sys.exit(main())
