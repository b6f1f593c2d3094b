#!/usr/bin/env python3
"""trace.py: rfc9293.tsv, peers.tsv, the sources and the dialogues name each other, in both directions.  Prints TAP.

  trace.py            holds that
  trace.py --update   adds each dialogue to the row of the paragraph that it cites (rows are written by hand)

- The table has every paragraph of RFC 9293 3.10 (SHAPE says which there are), each once.
- Functions that it names are defined in src/; dialogues, unit tests and rules of the grid that it names exist.
- In the files of MIRROR every function cites a paragraph, in its comment or inside; the paragraph's row names the function,
  and what a row names there cites the paragraph.  `helpers` of the table are excused.
- A dialogue that cites a paragraph is in a row of that paragraph.
- Every item of peers.tsv has a dialogue that exists, and every dialogue peer-* stands there."""
import os
import re
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.normpath(os.path.join(HERE, "..", ".."))
TABLE, PEERS, GRID = (os.path.join(HERE, name) for name in ("rfc9293.tsv", "peers.tsv", "grid.tsv"))
MIRROR = ["src/core/mirror/arrives.c", "src/core/mirror/emits.c", "src/core/mirror/timeouts.c"]

STATES = "CLOSED LISTEN SYN-SENT SYN-RECEIVED ESTABLISHED FIN-WAIT-1 FIN-WAIT-2 CLOSE-WAIT CLOSING LAST-ACK TIME-WAIT".split()
STEPS = "first second third fourth fifth sixth seventh eighth".split()
SYNCHRONIZED = "|".join(STATES[4:])
NOT_CLOSED = "|".join(STATES[4:7])
AFTER_FIN = "CLOSE-WAIT|CLOSING|LAST-ACK|TIME-WAIT"

# The paragraphs of 3.10: what they are headed by, and *N how many there are.
SHAPE = {
    "3.10.1": ["CLOSED*2", "LISTEN", "|".join(STATES[2:])],
    "3.10.2": ["CLOSED*2", "LISTEN", "SYN-SENT|SYN-RECEIVED", "ESTABLISHED|CLOSE-WAIT*2",
               "FIN-WAIT-1|FIN-WAIT-2|CLOSING|LAST-ACK|TIME-WAIT"],
    "3.10.3": ["CLOSED*2", "LISTEN|SYN-SENT|SYN-RECEIVED", NOT_CLOSED + "*4", "CLOSE-WAIT", "CLOSING|LAST-ACK|TIME-WAIT"],
    "3.10.4": ["CLOSED*2", "LISTEN", "SYN-SENT", "SYN-RECEIVED", "ESTABLISHED", "FIN-WAIT-1|FIN-WAIT-2", "CLOSE-WAIT",
               "CLOSING|LAST-ACK|TIME-WAIT"],
    "3.10.5": ["CLOSED*2", "LISTEN", "SYN-SENT", "SYN-RECEIVED|" + NOT_CLOSED + "|CLOSE-WAIT*2", "CLOSING|LAST-ACK|TIME-WAIT"],
    "3.10.6": ["CLOSED*2"] + STATES[1:],
    "3.10.7.1": ["*3"],
    "3.10.7.2 first": ["*1"], "3.10.7.2 second": ["*1"], "3.10.7.2 third": ["*3"], "3.10.7.2 fourth": ["*1"],
    "3.10.7.3 first": ["*2"], "3.10.7.3 second": ["*2"], "3.10.7.3 third": ["*1"], "3.10.7.3 fourth": ["*5"],
    "3.10.7.3 fifth": ["*1"],
    "3.10.7.4 first": ["*9"],
    "3.10.7.4 second": ["*1 #", "1)", "2)", "3)", "SYN-RECEIVED", NOT_CLOSED + "|CLOSE-WAIT", "CLOSING|LAST-ACK|TIME-WAIT"],
    "3.10.7.4 third": ["*1 #", "SYN-RECEIVED", SYNCHRONIZED],
    "3.10.7.4 fourth": ["SYN-RECEIVED", SYNCHRONIZED + "*4"],
    "3.10.7.4 fifth": ["*2", "SYN-RECEIVED*2", "ESTABLISHED*3"] + STATES[5:],
    "3.10.7.4 sixth": [NOT_CLOSED, AFTER_FIN],
    "3.10.7.4 seventh": [NOT_CLOSED + "*7", AFTER_FIN],
    "3.10.7.4 eighth": ["CLOSED|LISTEN|SYN-SENT", "*1 #", "SYN-RECEIVED|ESTABLISHED"] + STATES[5:],
    "3.10.8": ["USER", "RETRANSMISSION", "TIME-WAIT"],
}

# What may follow "RFC N", and in it, what names a place.
CHAIN = re.compile(r"RFC (\d{3,4})((?:[\s,;:]|\band\b|\bto\b|\bsteps?\b|\bsays\b|[123]\)|\d+(?:\.\d+)*|\bfigures?\b|\btables?\b|\bcases?\b"
                   r"|\bgroups?\b|\bline\b|\b(?:MUST|SHLD|MAY)-\d+|\b(?:" + "|".join(STEPS) + r")\b|\([^)]*\))*)")
PLACE = re.compile(r"(?P<level>(?:MUST|SHLD|MAY)-\d+)|(?P<picture>figure|table|case|group|line)s? (?P<number>\d+)|(?P<case>[123]\))"
                   r"|(?P<section>\d+(?:\.\d+)+|^ \d+(?!\.?\d))|(?P<step>" + "|".join(STEPS) + r")")
IMPLIED = re.compile(r"(?<![\d.])(3\.10\.\d(?:\.\d)?(?:(?:[ ,]|and)*\b(?:" + "|".join(STEPS) + r")\b)*)")


def places(rfc, text):
    """(rfc, section, step or None) for each place that the text behind "RFC N" names; a figure or a MUST is a section."""
    found, section, stepped = [], None, True
    for match in PLACE.finditer(re.sub(r"\([^)]*\)", lambda m: " ".join(re.findall(r"(?:MUST|SHLD|MAY)-\d+", m[0])), text)):
        if match["level"]:
            found.append((rfc, match["level"], None))
        elif match["picture"]:
            if match["picture"] in ("figure", "case", "table"):
                found.append((rfc, f"{match['picture']} {match['number']}", None))
                stepped = True
        elif match["section"]:
            if not stepped:
                found.append((rfc, section, None))
            section, stepped = match["section"].strip(), False
        elif match["step"] and section:
            found.append((rfc, section, match["step"]))
            stepped = True
    if section and not stepped:
        found.append((rfc, section, None))
    return found or [(rfc, "", None)]


def citations(text):
    return {place for match in CHAIN.finditer(text) for place in places(match[1], match[2])}


def code_citations(text):
    """Of a function of the mirror, where 3.10.x alone means RFC 9293."""
    found = {place for match in IMPLIED.finditer(text) for place in places("9293", match[1])}
    return found | {place for place in citations(text) if place[0] != "9293"}


class Row:
    def __init__(self, number, fields):
        self.number, self.id, self.text, functions, shown = number, *fields
        words = self.id.split(" ")
        self.rfc, rest = words[0], words[1:]
        picture = rest[0] if rest else ""
        self.section = " ".join(rest[:2]) if picture in ("figure", "case", "table") else picture
        self.steps = [word for word in rest if word in STEPS]
        self.states = {state for word in rest for state in word.split("|") if state in STATES}
        self.functions = [] if functions == "-" else functions.split(" ")
        self.reason = shown[2:] if shown.startswith("- ") else ""
        self.shown = [] if self.reason else shown.split(" ")

    def is_at(self, place):
        rfc, section, step = place
        return self.rfc == rfc and section in (self.section, "") and (step is None or step in self.steps)

    def line(self):
        return "\t".join([self.id, self.text, " ".join(self.functions) or "-",
                          f"- {self.reason}" if self.reason else " ".join(self.shown)])


def read_table():
    """(heading lines, helpers, rows, troubles)"""
    heading, helpers, rows, troubles = [], {}, [], []
    with open(TABLE) as file:
        for number, line in enumerate(file, 1):
            fields = line.rstrip("\n").split("\t")
            if line.startswith("#"):
                heading.append(line)
            elif fields[0] == "helper" and len(fields) == 3:
                heading.append(line)
                helpers[fields[1]] = fields[2]
            elif len(fields) != 4 or not all(fields):
                troubles.append(f"rfc9293.tsv:{number}: four columns, please")
            else:
                rows.append(Row(number, fields))
    return heading, helpers, rows, troubles


def expected_ids():
    for place, paragraphs in SHAPE.items():
        for paragraph in paragraphs:
            head, _, count = paragraph.partition("*")
            name = f"9293 {place}" + (f" {head}" if head else "")
            if not count or count == "1":
                yield name
            else:
                for i in range(int(count.split(" ")[0])):
                    yield f"{name} #{i + 1}"


def completeness(rows):
    want = [name.replace("*1 #", "#1") for name in expected_ids()]
    have = [row.id for row in rows]
    troubles = [f"no row for {name}" for name in want if name not in have]
    troubles += [f"rfc9293.tsv:{row.number}: RFC 9293 3.10 has no paragraph {row.id}" for row in rows
                 if row.id.startswith("9293 3.10.") and row.id not in want]
    return troubles + [f"{name} stands there twice" for name in sorted(set(have)) if have.count(name) > 1]


def source_functions():
    """{name: [file]} of everything defined in src/, macros apart."""
    found = {}
    for folder, _, names in os.walk(os.path.join(ROOT, "src")):
        for name in names:
            if not name.endswith((".c", ".h")):
                continue
            path = os.path.join(folder, name)
            with open(path) as file:
                for match in re.finditer(r"^(?:(?:ASIDE )?[a-z].*[ *])?(\w+)\([^;{}]*\)\n\{", file.read(), re.M):
                    found.setdefault(match[1], []).append(os.path.relpath(path, ROOT))
            if "check" in path:
                with open(path) as file:
                    for match in re.finditer(r'^CHECK\("[^"]*", (\w+),', file.read(), re.M):
                        found.setdefault("check_" + match[1], [])
    return found


def mirror_functions():
    """{name: its comment and body}"""
    found = {}
    for path in MIRROR:
        with open(os.path.join(ROOT, path)) as file:
            text = file.read()
        for match in re.finditer(r"((?:^/\*(?:[^*]|\*(?!/))*\*/\n)?)^(?:ASIDE )?[a-z][^;{}/\n]*[ *](\w+)\([^;{}]*\)\n\{\n.*?^\}", text, re.M | re.S):
            found[match[2]] = match[0]
    return found


def dialogues():
    """{name: its comments}"""
    found = {}
    folder = os.path.join(ROOT, "tests", "dialogues")
    for name in sorted(os.listdir(folder)):
        if name.endswith(".pkt"):
            with open(os.path.join(folder, name)) as file:
                found[name[:-4]] = " ".join(line.strip().lstrip("/ ") for line in file if line.startswith("//"))
    return found


def exists(shown, row, known, grid):
    if shown == "grid":
        return any(row.is_at(place) for place in grid)
    if ":" in shown:
        suite, test = shown.split(":")
        path = os.path.join(ROOT, "tests", "unit", suite + ".c")
        if not os.path.exists(path):
            return False
        with open(path) as file:
            return re.search(rf"^(?:EVERYWHERE\(|Test\(\w+, ){test}\b", file.read(), re.M)
    return shown in known


def grid_places():
    with open(GRID) as file:
        rules = [line.rstrip("\n").split("\t") for line in file if not line.startswith(("#", "set"))]
    return {place for rule in rules for place in places("9293", rule[-1])}


def forward(rows, known):
    functions, grid, troubles = source_functions(), grid_places(), []
    for row in rows:
        at = f"rfc9293.tsv:{row.number} ({row.id})"
        troubles += [f"{at}: src/ has no function {name}" for name in row.functions if name not in functions]
        troubles += [f"{at}: {shown} does not exist" for shown in row.shown if not exists(shown, row, known, grid)]
        if not row.functions and not row.reason:
            troubles.append(f"{at}: no function, and no reason")
    for place in grid:
        if not any(row.is_at(place) and "grid" in row.shown for row in rows):
            troubles.append(f"grid.tsv cites {' '.join(filter(None, place))}: no row of it says grid")
    return troubles


def mirror_both_ways(rows, helpers):
    functions, troubles = mirror_functions(), []
    for name, text in functions.items():
        cited = code_citations(text)
        if name in helpers:
            continue
        if not cited:
            troubles.append(f"{name}() cites no paragraph, and is no helper")
        for place in sorted(cited, key=str):
            if not any(row.is_at(place) and name in row.functions for row in rows):
                troubles.append(f"{name}() cites {' '.join(filter(None, place))}: no row of it names the function")
    for row in rows:
        for name in set(row.functions) & set(functions):
            if not any(row.is_at(place) for place in code_citations(functions[name])):
                troubles.append(f"rfc9293.tsv:{row.number} ({row.id}): {name}() does not cite it")
    return troubles + [f"helper {name} is no function of the mirror" for name in helpers if name not in functions]


def uncovered(rows, known):
    """(dialogue, place) where no row of the place names the dialogue."""
    for name, comment in known.items():
        for place in sorted(citations(comment), key=str):
            if not any(row.is_at(place) and name in row.shown for row in rows):
                yield name, place


def peers(known):
    troubles, named = [], set()
    with open(PEERS) as file:
        for number, line in enumerate(file, 1):
            fields = line.rstrip("\n").split("\t")
            if line.startswith("#"):
                continue
            if len(fields) != 4 or not all(fields):
                troubles.append(f"peers.tsv:{number}: four columns, please")
                continue
            for name in fields[3].split(" "):
                named.add(name)
                path = os.path.join(ROOT, name)
                if name not in known and not ("/" in name and os.path.exists(path)):
                    troubles.append(f"peers.tsv:{number}: {name} does not exist")
    return troubles + [f"peers.tsv does not name {name}" for name in known if name.startswith("peer-") and name not in named]


def update(heading, rows, known):
    for name, place in list(uncovered(rows, known)):
        candidates = [row for row in rows if row.is_at(place) and not row.reason]
        fitting = [row for row in candidates if row.states and any(re.search(rf"\b{state}\b", known[name]) for state in row.states)]
        if not candidates:
            print(f"{name}: no row for {' '.join(filter(None, place))}")
            continue
        (fitting or candidates)[0].shown.append(name)
    with open(TABLE, "w") as file:
        file.writelines(heading)
        file.writelines(row.line() + "\n" for row in rows)


def main():
    heading, helpers, rows, malformed = read_table()
    known = dialogues()
    if sys.argv[1:] == ["--update"]:
        if malformed:
            print("\n".join(malformed))
            return 1
        update(heading, rows, known)
        return 0
    cited = [f"{name}.pkt cites {' '.join(filter(None, place))}: no row of it names the dialogue (trace.py --update)"
             for name, place in uncovered(rows, known)]
    embodied = sum(bool(row.functions) for row in rows)
    results = [(f"every paragraph of RFC 9293 3.10 has its row ({len(rows)} rows, {embodied} with a function)",
                malformed + completeness(rows)),
               ("what the rows name exists", forward(rows, known)),
               ("functions of the mirror and rows name each other", mirror_both_ways(rows, helpers)),
               (f"what {len(known)} dialogues cite has a row that names them", cited)]
    if os.path.exists(PEERS):
        results.append(("every item of peers.tsv has its dialogues", peers(known)))
    print(f"1..{len(results)}")
    for number, (name, troubles) in enumerate(results, 1):
        print(f"{'not ok' if troubles else 'ok'} {number} - {name}")
        for trouble in troubles:
            print(f"# {trouble}")
    return 1 if any(troubles for _, troubles in results) else 0


sys.exit(main())
