#!/usr/bin/env python3
"""rules.py: every key of a rule file has an effect, and every mistake in one is told in one line.  Prints TAP.

What is shipped loads and says what it means to; each threshold, each key of a check and of a rule changes what is found in
a capture made from a dialogue; sources override each other in their order; SIGHUP takes new rules or keeps the old ones;
200 damaged rule files, made here, each give one message with its place."""
import json
import os
import random
import re
import signal
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
TOP = os.path.dirname(HERE)
PROGRAM = os.path.abspath(os.environ.get("TCPAUDIT", "./tcpaudit"))
DIALOGUE = os.path.abspath(os.environ.get("DIALOGUE", "tests/dialogue"))
INCIDENT = os.path.join(TOP, "pcaps", "incident.pcapng")
WORK = tempfile.mkdtemp(prefix="rules-")
NOWHERE = dict(os.environ, TCPAUDIT_RULES_DIR="")
number = failed = 0


def check(good, name, *more):
    global number, failed
    number += 1
    failed += not good
    print(f"{'ok' if good else 'not ok'} {number} - {name}", flush=True)
    if not good:
        for line in more:
            print("# " + str(line)[:400])


def run(*args, env=NOWHERE, **kwargs):
    return subprocess.run([PROGRAM, *args], capture_output=True, text=True, env=env, **kwargs)


def write(name, text):
    path = os.path.join(WORK, name)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w") as file:
        file.write(text)
    return path


def capture(dialogue):
    """A dialogue as a capture."""
    path = os.path.join(WORK, dialogue + ".pcap")
    if not os.path.exists(path):
        subprocess.run([DIALOGUE, "--write", WORK, os.path.join(HERE, "dialogues", dialogue + ".pkt")], check=True,
                       capture_output=True)
    return path


def audit(path, *args, rules=None):
    """(findings, summary, flows), of all severities."""
    if rules is not None:
        args = ("--rules", write("rules.yaml", rules), *args)
    done = run("-r", path, "-T", "jsonl", "--min-severity", "info", *args)
    if done.returncode not in (0, 1):
        raise SystemExit(f"Bail out! {args}: {done.stderr}")
    records = [json.loads(line) for line in done.stdout.splitlines()]
    return ([r for r in records if r["event_type"] == "finding"], records[-1], [r for r in records if r["event_type"] == "flow"])


def found(path, check_id, *args, rules=None):
    return [f for f in audit(path, *args, rules=rules)[0] if f["rule_id"] == check_id]


def plain(text):
    """A dump without its comments and origins."""
    lines = [re.sub(r"\s+# [^\"]*$", "", line) for line in text.splitlines() if not line.lstrip().startswith("#")]
    return "\n".join(lines)


# ---- what is shipped ----

def shipped():
    default = os.path.join(TOP, "rules", "default.yaml")
    built_in = run("--dump-rules").stdout
    check(open(default).read().endswith(built_in), "default.yaml says what is built in",
          "make it anew: its head, and tcpaudit --dump-rules")
    dumped = run("--rules", default, "--dump-rules")
    check(plain(dumped.stdout) == plain(built_in), "loaded, it changes nothing", dumped.stderr)
    sources = re.findall(r"^\s+(enabled|severity|[a-z0-9]+): .*# (.*):\d+$", dumped.stdout, re.M)
    ids = [line.split()[0] for line in run("--list-checks").stdout.splitlines()]
    check(len([s for s in sources if s[0] == "severity"]) == len(ids) and {s[1] for s in sources} == {default},
          "every value's origin is the file", len(sources), len(ids))
    check(open(os.path.join(TOP, "rules", "schema.json")).read() == run("--rules-schema").stdout, "schema.json is what is built in",
          "make it anew: tcpaudit --rules-schema")
    schema = json.load(open(os.path.join(TOP, "rules", "schema.json")))
    for key, text, bounds in (("version", "version: %d", schema["properties"]["version"]),
                              ("count", "checks: {rst-form: {limit: {count: %d}}}", schema["$defs"]["limit"]["properties"]["count"])):
        taken = [n for n in (bounds["minimum"] - 1, bounds["minimum"], bounds["maximum"], bounds["maximum"] + 1)
                 if run("--rules", write("bounds.yaml", text % n + "\n"), "--check-rules").returncode == 0]
        check(set(taken) == {bounds["minimum"], bounds["maximum"]}, f"{key}: the schema has the program's bounds", taken, bounds)
    strict = os.path.join(TOP, "rules", "strict.yaml")
    text = plain(run("--rules", strict, "--dump-rules").stdout)
    normative = {line.split()[0]: line.split()[2] for line in run("--list-checks").stdout.splitlines()}
    severity = dict(re.findall(r"^  ([a-z0-9-]+):\n    enabled: true\n    severity: (\w+)", text, re.M))
    wrong = [i for i in ids if normative[i] in ("MUST", "text") and severity.get(i) != "error"]
    check(not wrong and "msl: 120s" in text, "strict.yaml: MUSTs are errors, TIME-WAIT lasts 240 s", wrong)
    lowered = audit(capture("tw-early-gone"), "--rules", strict, "--disable", "close-wait-leak", rules="checks: {'*': {severity: info}}")
    check([f for f in lowered[0] if f["rule_id"] == "tw-early-gone" and f["severity"] != "info"], "strict.yaml overrides a site's milder words")


EXAMPLES = {"close-wait.yaml": ["db-close-wait"], "balancer-resets.yaml": ["balancer-resets"], "short-and-empty.yaml": ["short-and-empty"],
            "half-close.yaml": ["half-close-unexpected"], "pool-closed-by-server.yaml": ["pool-closed-by-server", "pool-port-churn"]}

# What they ask, in other words.
IN_OTHER_WORDS = {
    "db-close-wait": lambda f: f["dest_port"] == 5432 and f["close"].get("close_wait", {}).get("holder") == "server" and
    f["close"]["close_wait"]["duration_us"] > 30e6,
    "half-close-unexpected": lambda f: f["close"].get("half_close", {}).get("bytes") and not {f["src_port"], f["dest_port"]} & {20, 21, 873},
    "pool-closed-by-server": lambda f: f["dest_port"] in (1433, 1521, 3306, 5432, 6432) and
    "server" in (f["close"]["closed_first"], f["close"].get("aborted_by")),
}


def examples():
    folder = os.path.join(TOP, "rules", "examples")
    check(sorted(os.listdir(folder)) == sorted(EXAMPLES), "every example is tried here")
    for name in sorted(EXAMPLES):
        path = os.path.join(folder, name)
        good = run("--rules", path, "--check-rules")
        check(good.returncode == 0, f"{name} is good", good.stderr)
        text = open(path).read()
        for rule in EXAMPLES[name]:
            message = re.search(rf"- id: {rule}\n(?:.*\n)*?    message:", text)
            check(message is not None, f"{name}: {rule} has a message")
    for name, rule in ((name, rule) for name in sorted(EXAMPLES) for rule in EXAMPLES[name] if rule in IN_OTHER_WORDS):
        findings, summary, flows = audit(INCIDENT, "--rules", os.path.join(folder, name))
        told = {f["flow_id"] for f in findings if f["rule_id"] == rule}
        expected = {f["flow_id"] for f in flows if IN_OTHER_WORDS[rule](f)}
        check(expected and {f["flow_id"] for f in flows if rule in f["findings"]} == expected and told <= expected and
              summary["findings"][rule] == len(expected), f"{name}: {rule} speaks of those it means in incident.pcapng", told, expected)
    for name, rule, old, new, dialogue in (
            ("balancer-resets.yaml", "balancer-resets", "198.51.100.7", "198.18.0.2", "abort-server"),
            ("pool-closed-by-server.yaml", "pool-port-churn", "5432", "8080", "reuse-early"),
            ("short-and-empty.yaml", "short-and-empty", "50ms", "10s", "tw-active-reopen")):
        text = open(os.path.join(folder, name)).read()
        path = capture(dialogue)
        flow = audit(path)[2][0]
        text = text.replace(old, {"198.18.0.2": flow["dest_ip"], "8080": str(flow["dest_port"])}.get(new, new))
        silent = text.replace(flow["dest_ip"], "203.0.113.9").replace(f"{flow['dest_port']},", "9,").replace("10s", "1us")
        check(found(path, rule, rules=text), f"{name}: {rule} speaks where it should", text)
        check(silent != text and not found(path, rule, rules=silent), f"{name}: {rule} is silent elsewhere")


# ---- each key of a check ----

# A threshold, the capture in which its check speaks, and the value that makes it silent.
THRESHOLDS = {
    "close-simul-ack-missing.copies": ("close-simul-ack-missing", "60000"),
    "close-final-ack-missing.copies": ("close-final-ack-missing", "60000"),
    "close-last-ack-stuck.copies": ("close-last-ack-stuck", "60000"),
    "close-last-ack-stuck.duration": ("close-last-ack-stuck", "1d"),
    "close-wait-leak.dwell": ("close-wait-leak", "1d"),
    "data-r2-early.r2": ("data-r2-early", "1us"),
    "data-r2-early.repeats": ("data-r2-early", "60000"),
    "fin-ack-late.delay": ("fin-ack-late", "1d"),
    "fin-giveup-early.r2": ("fin-giveup-early", "1us"),
    "half-data-ignored.copies": ("half-data-ignored", "60000"),
    "half-data-ignored.duration": ("half-data-ignored", "1d"),
    "half-zero-window-hang.duration": ("half-zero-window-hang", "1d"),
    "half-finwait2-timeout.after": ("half-finwait2-timeout", "1d"),
    "half-path-cut.idle": ("half-path-cut", "1d"),
    "rst-idle-timeout.idle": ("rst-idle-timeout", "1d"),
    "reuse-isn-regress.interval": ("reuse-isn-regress", "1us"),
    "syn-giveup-early.r2": ("syn-giveup-early", "1us"),
    "syn-accept-stalled.delay": ("syn-accept-stalled", "1d"),
}


def thresholds():
    dump = run("--dump-rules").stdout
    known, check_id = [], None
    for line in plain(dump).splitlines():
        if re.match(r"  [a-z]", line):
            check_id = line.strip(" :")
        elif re.match(r"      [a-z]", line):
            known.append(f"{check_id}.{line.split(':')[0].strip()}")
    tried = set(THRESHOLDS) | {"tw-port-pressure.ports", "tw-port-pressure.share"}
    check(set(known) == tried, "every threshold is tried here", set(known) ^ tried)
    for key, (dialogue, value) in THRESHOLDS.items():
        check_id = key.split(".")[0]
        path = capture(dialogue)
        check(found(path, check_id) and not found(path, check_id, "--set", f"{key}={value}"), f"{key} decides")
    pressed = [bool(found(INCIDENT, "tw-port-pressure", "--set", f"tw-port-pressure.ports={ports}", "--set",
                          f"tw-port-pressure.share={share}")) for ports, share in ((28232, "80%"), (2, "50%"), (20, "5%"), (20, "100%"))]
    check(pressed == [False, True, True, False], "tw-port-pressure.ports and share decide", pressed)


def keys():
    path = capture("fin-ack-beyond")
    flow = audit(path)[2][0]
    all_of = lambda text, *args: found(path, "fin-ack-beyond", *args, rules="checks:\n  fin-ack-beyond: {" + text + "}\n")
    check(len(all_of("")) == 1 and not all_of("enabled: false"), "enabled")
    check(all_of("severity: note")[0]["severity"] == "note", "severity")
    port = flow["dest_port"]
    check(all_of(f"scope: port {port}") and not all_of(f"scope: port {port + 1}"), "scope")
    check(not audit(path, rules=f"checks: {{fin-ack-beyond: {{scope: port {port + 1}}}}}")[1]["findings"].get("fin-ack-beyond"),
          "what is out of scope is not counted")
    client = flow["src_ip"]
    check(all_of(f"where: ip.src == {client}") and not all_of("where: ip.src == 203.0.113.77"), "where")
    check(all_of("where: severity == error") and all_of("where: \"\"", "--set", "fin-ack-beyond.severity=note"), "where, over the finding")
    check("fin-ack-beyond" not in audit(path, rules="checks: {fin-ack-beyond: {where: app == \"TLS\"}}")[1]["passed_over"],
          "what it leaves out is nowhere counted")
    applications = os.path.join(TOP, "pcaps", "applications.pcap")
    tls = audit(applications, rules="checks: {fin-consumed: {where: app == \"TLS\"}}")
    told = {f["app_proto"] for f in tls[0] if f["rule_id"] == "fin-consumed"}
    built_in = any("app_proto" in f for f in tls[2])
    check(told == ({"TLS"} if built_in else set()) and
          tls[1]["findings"].get("fin-consumed", 0) == sum(f["rule_id"] == "fin-consumed" for f in tls[0]),
          "where: an application" if built_in else "where: an application # SKIP a build without nDPI", told)
    for premise in ("one-incarnation", "genuine", "no-loss", "window-scale", "headers", "clock"):
        check(all_of(f"needs: [{premise}]"), f"needs: {premise}, which holds here")
    summary = audit(path, rules="checks: {fin-ack-beyond: {needs: [vantage]}}")[1]
    check(summary["undetermined"] == {"fin-ack-beyond": 1} and "fin-ack-beyond" not in summary["findings"],
          "needs: vantage, which does not hold here: counted as undetermined", summary)
    check(found(path, "fin-ack-beyond", "--vantage", "server" if all_of("")[0]["endpoint"] == "server" else "client",
                rules="checks: {fin-ack-beyond: {needs: [vantage]}}"), "needs: vantage, once the user has said where")
    late, needs = capture("rst-after-close-late"), "checks: {rst-after-close: {needs: [vantage]}}"
    told = found(late, "rst-after-close")
    check(told and not found(late, "rst-after-close", rules=needs) and audit(late, rules=needs)[1]["undetermined"] == {"rst-after-close": 1},
          "needs: of what comes after the report, too", told)
    check(told and found(late, "rst-after-close", "--vantage", told[0]["endpoint"], rules=needs), "... until the user has said where")
    check(found(late, "rst-after-close", rules="checks: {rst-after-close: {needs: [one-incarnation, genuine, no-loss, window-scale]}}"),
          "... and premises that held before the report hold behind it")
    holes = capture("mid-gap")
    lost = [f["rule_id"] for f in audit(holes)[0]]
    needing = audit(holes, rules="checks: {'*': {needs: [no-loss]}}")[1]
    check(lost and needing["undetermined"], "needs: no-loss, in a capture with a hole", lost, needing)


def limits():
    fins = len(found(INCIDENT, "fin-consumed"))
    shown = {}
    for per in ("all", "host", "service", "pair"):
        findings, summary, flows = audit(INCIDENT, rules=f"checks: {{fin-consumed: {{limit: {{count: 1, per: {per}, every: 1h}}}}}}")
        shown[per] = [f for f in findings if f["rule_id"] == "fin-consumed"]
        check(summary["findings"]["fin-consumed"] == fins and summary["limited"]["fin-consumed"] == fins - len(shown[per]),
              f"limit per {per}: counts stay exact", summary["limited"])
        check(sum("fin-consumed" in f["findings"] for f in flows) > len(shown[per]), f"limit per {per}: so do flow records")
    about = lambda f: f["src_ip"] if f["endpoint"] == "client" else f["dest_ip"]
    everything = found(INCIDENT, "fin-consumed")
    check(len(shown["all"]) == 1, "limit per all")
    check(len(shown["host"]) == len({about(f) for f in everything}), "limit per host", len(shown["host"]))
    check(len(shown["service"]) == len({(f["dest_ip"], f["dest_port"]) for f in everything}), "limit per service")
    check(len(shown["pair"]) == len({(f["src_ip"], f["dest_ip"]) for f in everything}), "limit per pair")
    minutely = found(INCIDENT, "fin-consumed", rules="checks: {fin-consumed: {limit: {count: 1, every: 1m}}}")
    check(1 < len(minutely) < fins, "limit every minute", len(minutely))
    back = found(INCIDENT, "fin-consumed", "--set", "fin-consumed.limit={count: 0}", rules="checks: {fin-consumed: {limit: {count: 1}}}")
    check(len(back) == fins, "a count of 0 takes a limit back")
    text = run("-r", INCIDENT, "-T", "text", "--set", "fin-ack-beyond.limit={count: 1}").stdout
    check(re.search(r"fin-ack-beyond +3 ", text), "text counts what a limit kept back")


def suppressions():
    path = capture("fin-ack-beyond")
    flow = audit(path)[2][0]
    year = int(flow["timestamp"][:4])
    entry = lambda **keys: "checks: {fin-ack-beyond: {suppress: [" + json.dumps(keys) + "]}}"
    good = dict(until=f"{year + 1}-01-01", reason="known")
    findings, summary, _ = audit(path, "--fail-on", "error", rules=entry(**good))
    check(not [f for f in findings if f["rule_id"] == "fin-ack-beyond"] and summary["passed_over"] == {"fin-ack-beyond": 1} and
          "fin-ack-beyond" not in summary["findings"] and summary["exit_status"] == 0, "suppress: gone from verdict and exit status, and counted",
          summary)
    check(found(path, "fin-ack-beyond", rules=entry(when=f"ip.dst == {flow['dest_ip']}", **good)) == [], "suppress when it is this server")
    check(found(path, "fin-ack-beyond", rules=entry(when="ip.dst == 203.0.113.77", **good)), "not when it is another one")
    check(found(path, "fin-ack-beyond", rules=entry(when="severity == error and rule_id == fin-ack-beyond", **good)) == [],
          "suppress by fields of the finding")
    day = flow["timestamp"][:10]
    check(found(path, "fin-ack-beyond", rules=entry(until=day, reason="last day")) == [], "until: its day included")
    before = f"{year - 1}-12-31"
    check(found(path, "fin-ack-beyond", rules=entry(until=before, reason="over")), "until: over, by the time of the packets")
    over = run("--rules", write("over.yaml", entry(until="2001-01-01", reason="long ago")), "--check-rules")
    text = entry(until="2001-01-01", reason="long ago")
    at = f"{os.path.join(WORK, 'over.yaml')}:1:{text.index(chr(34) + '2001') + 1}: the suppression of fin-ack-beyond ended on 2001-01-01 (long ago)\n"
    check(at in over.stdout, "--check-rules tells of suppressions that are over, and where they stand", over.stdout)
    check(found(path, "fin-ack-beyond", "--set", "fin-ack-beyond.suppress=[]", rules=entry(**good)), "an empty list takes it back")


def settings():
    path = capture("tw-early-gone-msl")
    early = [bool(found(path, "tw-early-gone", *args)) for args in (("--set", "msl=120s"), ("--set", "msl=1s"), ("--msl", "120s"), ("--msl", "1s"))]
    check(early[0] != early[1] and early[2:] == early[:2], "msl, by --set and by --msl", early)
    kinds = lambda *args: audit(INCIDENT, *args)[1]["connections"]["by_close"]
    usual, short, option = kinds(), kinds("--set", "idle-timeout=1s"), kinds("--idle-timeout", "1s")
    check(short == option and usual.get("open-idle") == 1 and "open-idle" not in short and sum(short.values()) == sum(usual.values()),
          "idle-timeout: who is silent is given up before it has been idle for a minute, by --set and by --idle-timeout", usual, short)
    dump = run("--dump-rules", "--set", "idle-timeout=1h", "--set", "tick=2s").stdout
    check("idle-timeout: 3600s" in dump and "tick: 2s" in dump, "idle-timeout and tick are shown", dump[:200])
    often = [audit(INCIDENT, "--set", f"tick={tick}", rules="rules: [{id: waits, on: tick, title: t, message: '{close.close_wait.duration_us}', "
                   "when: close.close_wait.duration > 30s, severity: note}]")[0] for tick in ("1s", "100s")]
    said = [min(float(re.match(r"[\d.]+", f["message"]).group()) for f in found_ if f["rule_id"] == "waits" and f["message"].endswith(" s") and "min" not in f["message"])
            for found_ in often[:1]]
    check(said[0] < 33 and len(often[1]) > 0, "tick: sooner told when asked more often", said)


# ---- rules of the user's own ----

def own_rules():
    rule = lambda **keys: "rules:\n  - " + json.dumps(dict(dict(id="mine", on="close", when="dest_port > 0", title="a title"), **keys)) + "\n"
    mine = lambda **keys: found(INCIDENT, "mine", rules=rule(**keys))
    all_flows = audit(INCIDENT)[1]["connections"]["total"]
    findings, summary, flows = audit(INCIDENT, rules=rule())
    one = [f for f in findings if f["rule_id"] == "mine"]
    check(len(one) == all_flows and summary["findings"]["mine"] == all_flows, "on: close, once a connection", len(one))
    check(all("mine" in f["findings"] for f in flows), "flow records name it")
    check(one[0]["severity"] == "warning" and one[0]["normative"] == "rule" and one[0]["title"] == "a title" and "message" not in one[0],
          "severity warning, unless it is given; title", one[0])
    check(mine(severity="info")[0]["severity"] == "info", "severity")
    check(mine(message="port {dest_port} {{x}}")[0]["message"].startswith("port "), "message")
    check(mine(message="{{{dest_port}}}")[0]["message"] == "{%d}" % mine()[0]["dest_port"], "message: braces")
    aborted = found(capture("abort-server"), "mine", rules=rule(when="close.aborted_by == server"))
    check(aborted and aborted[0]["evidence"] and aborted[0]["evidence"][-1]["flags"].count("RST"), "a reset is its own evidence", aborted)
    check(mine(enabled=False) == [], "enabled")
    check(0 < len(mine(scope="port 5432")) < all_flows, "scope")
    write("with-scope/site.yaml", rule(scope="port 5432"))
    site = run("-T", "text", "-r", INCIDENT, env=dict(NOWHERE, TCPAUDIT_RULES_DIR=os.path.join(WORK, "with-scope"))).stdout
    check(re.search(r"mine +%d " % len(mine(scope="port 5432")), site), "scope in a file of the site's", site)
    check(len(mine(limit=dict(count=2))) == 2, "limit")
    check(mine(suppress=[dict(until="2199-01-01", reason="r")]) == [], "suppress")
    check(0 < len(mine(when="close.kind == four-way")) < all_flows, "when")
    ticks = mine(on="tick", when="close.close_wait.duration > 30s")
    due = {f["flow_id"]: f["close"]["close_wait"]["duration_us"] for f in flows if "close_wait" in f["close"]}
    check({f["flow_id"] for f in ticks} == {i for i, duration in due.items() if duration > 30e6} != set() and len(ticks) ==
          len({f["flow_id"] for f in ticks}), "on: tick, once a connection, as soon as it holds", len(ticks))
    again = found(capture("reuse-early"), "mine", rules=rule(on="syn.reuse"))
    check(len(again) == 1, "on: syn.reuse, once a reuse", again)
    check(found(capture("fin-ack-beyond"), "mine", rules=rule(on="syn.reuse")) == [], "on: syn.reuse, not without one")
    for state in ("CLOSE-WAIT", "ESTABLISHED", "TIME-WAIT", "CLOSED"):
        states = found(INCIDENT, "mine", rules=rule(when=f"tcp.state_server == {state}"))
        text = run("--rules", os.path.join(WORK, "rules.yaml"), "-r", INCIDENT, "-T", "text").stdout
        check(states and re.search(rf"mine +{len(states)} ", text), f"{state} is known in text, too", len(states), text)
    first = write("first.yaml", rule(severity="note"))
    second = write("second.yaml", rule(title="another"))
    both = json.loads("[" + ",".join(l for l in run("-r", INCIDENT, "--rules", first, "--rules", second, "-T", "jsonl").stdout.splitlines()
                                     if '"rule_id":"mine"' in l) + "]")
    check(both and both[0]["title"] == "another" and both[0]["severity"] == "warning", "a later file defines a rule anew")
    check(run("--rules", first, "--disable", "mine", "--check-rules").returncode == 0, "--disable knows it")
    fields = [line.split()[0] for line in run("--list-fields").stdout.split("\nflow\n")[1].split("\n\n")[0].splitlines() if line.startswith("  ")]
    wrong = [f for f in fields if "[]" not in f and run("--rules", write("f.yaml", rule(when=f)), "--check-rules").returncode != 0]
    check(not wrong, f"all {len(fields)} fields can be asked for", wrong)
    page = open(os.path.join(TOP, "man", "tcpaudit-rules.5")).read()
    names = set(re.findall(r"\b(?:ip|tcp)\.(?:src|dst|addr|srcport|dstport|port)\b", page))
    wrong = [n for n in names if run("--rules", write("f.yaml", rule(when=n)), "--check-rules").returncode != 0]
    check(len(names) == 6 and not wrong, "the page's names of Wireshark are understood", wrong)


# ---- order and sources ----

def mentions():
    """An id in an expression is one of a check or of a rule, whatever file that stands in."""
    rule = "rules:\n  - {{id: {}, on: close, title: t, when: '{}'}}\n"
    place = lambda own, text, word: rule.format(own, text).splitlines()[1].index(word) + 1
    one, other = write("one.yaml", rule.format("one", "findings == rst-form or findings == other")), write("other.yaml", rule.format("other", "dest_port"))
    check(run("--rules", one, "--rules", other, "--check-rules").returncode == 0, "a rule asks for one of a later file")
    done = run("--rules", one, "--check-rules")
    check(done.returncode == 2 and done.stderr == f"tcpaudit: {one}:2:{place('one', 'findings == rst-form or findings == other', 'other')}: there is no check or rule 'other' (see --list-checks)\n",
          "... and without that file", done.stderr)
    for text, word, says in (("close.kind == refused or findings == close-wait-leek", "close-wait-leek", "'close-wait-leek'; did you mean 'close-wait-leak'?"),
                             ("not capture in {cap-gap-acked, cap-gap-ackd}", "cap-gap-ackd", "'cap-gap-ackd'; did you mean 'cap-gap-acked'?"),
                             ("findings contains rts-", "rts-", "with 'rts-' (see --list-checks)")):
        path = write("mention.yaml", rule.format("mine", text))
        done = run("--rules", path, "--check-rules")
        check(done.returncode == 2 and done.stderr == f"tcpaudit: {path}:2:{place('mine', text, word)}: there is no check or rule {says}\n", text, done.stderr)
    for text in "findings contains rst-", "findings == mine", "findings":
        done = run("--rules", write("mention.yaml", rule.format("mine", text)), "--check-rules")
        check(done.returncode == 0, text, done.stderr)
    for text in "checks: {rst-form: {where: rule_id == rst-fom}}", "checks: {rst-form: {suppress: [{when: rule_id == rst-fom, until: 2099-01-01, reason: r}]}}":
        done = run("--rules", write("mention.yaml", text + "\n"), "--check-rules")
        check(done.returncode == 2 and ":1:" in done.stderr and "did you mean 'rst-form'" in done.stderr, text, done.stderr)
    done = run("--set", "rst-form.where=rule_id == rst-fom", "--check-rules")
    check(done.returncode == 2 and "rst-fom: there is no check or rule 'rst-fom'; did you mean 'rst-form'?" in done.stderr, "--set", done.stderr)


def order():
    site = os.path.join(WORK, "site.d")
    write("site.d/20-b.yaml", "checks: {fin-ack-late: {severity: note}, fin-ack-beyond: {severity: note}}\n")
    write("site.d/10-a.yaml", "checks: {fin-ack-late: {severity: info}, rst-form: {severity: info}}\n")
    write("site.d/ignored.txt", "nonsense: [\n")
    env = dict(os.environ, TCPAUDIT_RULES_DIR=site)
    mine = write("mine.yaml", "checks: {fin-ack-beyond: {severity: warning}}\n")
    dump = run("--rules", mine, "--set", "rst-form.severity=error", "--severity", "rst-form=note", "--severity", "fin-consumed=note", "--disable", "tw-holder",
               "--dump-rules", env=env).stdout
    value = lambda check_id, key: re.search(rf"^  {check_id}:\n(?:    .*\n)*?    {key}: (\S+)(?: +# (.*))?$", dump, re.M).groups()
    check(value("fin-ack-late", "severity") == ("note", f"{site}/20-b.yaml:1"), "files of the site by name", value("fin-ack-late", "severity"))
    check(value("fin-ack-beyond", "severity") == ("warning", f"{mine}:1"), "--rules over them")
    check(value("tw-holder", "enabled") == ("false", "--disable tw-holder"), "--disable")
    check(value("fin-consumed", "severity") == ("note", "--severity fin-consumed=note"), "--severity over files")
    check(value("rst-form", "severity") == ("error", "--set rst-form.severity=error"), "--set over --severity, whatever their order")
    check(value("close-orderly", "severity") == ("info", None), "what is built in has no origin")
    meta = json.loads(run("-r", INCIDENT, "--rules", mine, "-T", "jsonl", env=env).stdout.splitlines()[0])
    check(meta["rules"] == [f"{site}/10-a.yaml", f"{site}/20-b.yaml", mine], "meta names the files", meta["rules"])
    check(run("--rules", site, "--check-rules").returncode == 0, "--rules takes a directory")
    nowhere, empty = os.path.join(WORK, "no-such-site"), os.path.join(WORK, "empty-site")
    done = run("-r", INCIDENT, "-T", "jsonl", env=dict(NOWHERE, TCPAUDIT_RULES_DIR=nowhere))
    check(done.returncode == 2 and not done.stdout and done.stderr == f"tcpaudit: TCPAUDIT_RULES_DIR: {nowhere}: No such file or directory\n",
          "TCPAUDIT_RULES_DIR names a directory that is not there", done.stderr)
    os.mkdir(empty)
    check(run("--check-rules", env=dict(NOWHERE, TCPAUDIT_RULES_DIR=empty)).returncode == 0, "... one without rules")
    done = run("--set", "rst-form.scope=port 443", "--set", "rst-form.where=src_port > 1", "--set", "rst-form.scope=", "--set", "rst-form.where=", "--dump-rules")
    check(done.returncode == 0 and "port 443" not in done.stdout and "src_port" not in done.stdout, "--set takes a scope and a where back", done.stderr)
    for args, words in ((("--rules", os.path.join(WORK, "none.yaml")), "No such file"), (("--rules", WORK + "/no-site-at-all"), "No such file"),
                        (("--set", "fin-ack-late.delay=5"), "unit"), (("--set", "fin-ack-lat.delay=5s"), "there is no check"),
                        (("--set", "nonsense=5s"), "there is no setting"), (("--severity", "fin-ack-late=loud"), "severity"),
                        (("--disable", "fin-ack-lat"), "did you mean 'fin-ack-late'"), (("--set", "x"), "KEY=VALUE")):
        done = run(*args, "-r", INCIDENT)
        check(done.returncode == 2 and words in done.stderr and done.stderr.count("\n") == 1, f"{args[0]} {args[1][-24:]}: refused", done.stderr)


# ---- new rules while it runs ----

def reload():
    path = write("live.yaml", "checks: {fin-ack-beyond: {severity: note}}\n")
    capture_path = capture("fin-ack-beyond")
    with open(capture_path, "rb") as file:
        data = file.read()
    shown = "checks: {fin-ack-beyond: {severity: note}}\n"
    hidden = "checks: {fin-ack-beyond: {suppress: [{until: 2199-01-01, reason: r}]}}\n"
    late = "need to be there from the start"
    for name, workers, text, words, severities in (
            ("good rules", "1", "checks: {fin-ack-beyond: {severity: warning}}\n", "read again\n", ["warning"]),
            ("late scopes", "1", shown + "rules: [{id: x, on: close, when: dest_port > 0, title: t, scope: tcp}]\n", late, ["note"]),
            ("suppressions", "1", hidden, "read again\n", []),
            ("late suppressions", "2", hidden, late, ["error"]),
            ("bad rules", "1", "checks: {fin-ack-beyond: {severity: loud}}\n", "the old rules stay: ", ["note"])):
        write("live.yaml", "checks: {fin-ack-beyond: {severity: note}}\n")
        process = subprocess.Popen([PROGRAM, "-r", "-", "-T", "jsonl", "--no-dpi", "--workers", workers, "--rules", path], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                   stderr=subprocess.PIPE, env=NOWHERE)
        os.set_blocking(process.stderr.fileno(), False)
        process.stdin.write(data[:24 + 16])
        process.stdin.flush()
        time.sleep(0.3)
        write("live.yaml", text)
        told = b""
        for _ in range(40):  # the signal is obeyed between two batches
            process.send_signal(signal.SIGHUP)
            time.sleep(0.05)
            if data is not None:
                process.stdin.write(data[40:41] if len(data) > 41 else b"")
                break
        process.stdin.write(data[41:])
        process.stdin.close()
        os.set_blocking(process.stderr.fileno(), True)
        records = [json.loads(line) for line in process.stdout.read().splitlines()]
        told = process.stderr.read().decode()
        process.wait()
        got = [r["severity"] for r in records if r.get("rule_id") == "fin-ack-beyond"]
        check(words in told and got == severities, f"SIGHUP: {name}", told, got)


def pipes():
    """What came through a pipe is kept: read again, it would be empty.  Nor does a FIFO in a directory make anybody wait."""
    with open(capture("fin-ack-beyond"), "rb") as file:
        data = file.read()
    source, end = os.pipe()
    os.write(end, b"checks: {fin-ack-beyond: {severity: note}}\n")
    os.close(end)
    with subprocess.Popen([PROGRAM, "-r", "-", "-T", "jsonl", "--no-dpi", "--rules", f"/dev/fd/{source}"], stdin=subprocess.PIPE,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=NOWHERE, pass_fds=[source]) as process:
        process.stdin.write(data[:40])
        process.stdin.flush()
        time.sleep(0.3)
        process.send_signal(signal.SIGHUP)
        time.sleep(0.1)
        out, told = process.communicate(data[40:])
    os.close(source)
    got = [r["severity"] for r in map(json.loads, out.splitlines()) if r.get("rule_id") == "fin-ack-beyond"]
    check(b"the old rules stay: /dev/fd/" in told and got == ["note"], "SIGHUP: rules of a pipe", told, got)
    site = os.path.dirname(write("waits/good.yaml", "version: 1\n"))
    os.mkfifo(os.path.join(site, "fifo.yaml"))
    done = run("--rules", site, "--check-rules", timeout=20)
    check(done.returncode == 2 and "fifo.yaml: not a regular file" in done.stderr, "a FIFO among the rules", done.stderr)
    os.unlink(os.path.join(site, "fifo.yaml"))
    os.symlink("/dev/null", os.path.join(site, "masked.yaml"))
    done = run("--rules", site, "--check-rules", timeout=20)
    check(done.returncode == 0 and "masked.yaml: good" in done.stdout, "a rule file that is masked", done.stdout, done.stderr)


# ---- damaged files ----

GOOD = """version: 1
settings:
  msl: 30s
checks:
  fin-ack-late:
    enabled: true
    severity: note
    thresholds: {delay: 600ms}
    scope: port 443
    needs: [no-loss, genuine]
    limit: {count: 5, per: host, every: 1h}
    suppress:
      - {when: ip.dst == 192.0.2.1, until: 2027-01-31, reason: known}
  "rst-*": {severity: info}
rules:
  - id: own
    on: close
    when: close.kind == four-way and flow.duration > 5s
    title: a title
    message: "{src_ip} and {dest_ip}"
    severity: note
"""


def damages(count):
    """Texts that are wrong in one place each; by hand where a mistake is likely, else by chance."""
    rng = random.Random(3)
    words = sorted(set(re.findall(r"[a-z][a-z-]{3,}(?=:)", GOOD)))
    values = re.findall(r"(?<=: )[a-z0-9][^{}\[\]\n,]*", GOOD)
    seen = set()
    while len(seen) < count:
        way = rng.randrange(6)
        text = GOOD
        if way == 0:  # a key nobody knows
            word = rng.choice(words)
            at = rng.choice([m.start() for m in re.finditer(rf"\b{word}:", text)])
            text = text[:at] + word[:rng.randrange(1, len(word))] + rng.choice("xzq") + word[-1] + text[at + len(word):]
        elif way == 1:  # a value that is none
            value = rng.choice(values)
            text = text.replace(": " + value, ": " + rng.choice(("*x", "[a, b]", "{a: b}", "'", "!t 1", "1x", "0x", "2027-02-30", "'ip.dst ='")), 1)
        elif way == 2:  # no YAML any more
            at = rng.randrange(len(text))
            text = text[:at] + rng.choice("{[}]&*!|%@`\t\"") + text[at:]
        elif way == 3:  # a byte that is no text
            at = rng.randrange(len(text))
            text = text[:at] + rng.choice(("\x00", "\x01", "\udcff", "\x7f")) + text[at:]
        elif way == 4:  # a line twice
            lines = text.splitlines(True)
            at = rng.randrange(len(lines))
            text = "".join(lines[:at + 1] + [lines[at]] + lines[at + 1:])
        else:  # cut
            text = text[:rng.randrange(20, len(text) - 1)] + rng.choice(("{", "[", ": :", "- -:"))
        if text not in seen and text != GOOD:
            path = os.path.join(WORK, "damaged.yaml")
            with open(path, "w", errors="surrogateescape") as file:
                file.write(text)
            seen.add(text)
            yield path, text


def damaged():
    good = run("--rules", write("good.yaml", GOOD), "--check-rules")
    check(good.returncode == 0 and "2 of them" not in good.stdout, "before it is damaged it is good", good.stderr)
    refused, wrong = 0, []
    for path, text in damages(260):
        done = run("--rules", path, "--check-rules")
        if done.returncode == 0:
            continue  # damage that nobody can see: within a comment, a title, a pattern
        refused += 1
        if done.returncode != 2 or not re.fullmatch(rf"tcpaudit: {re.escape(path)}:\d+:\d+: [^\n]{{3,300}}\n", done.stderr) or done.stdout:
            wrong.append((done.returncode, done.stderr))
    check(refused >= 200, f"{refused} damaged files are refused", refused)
    check(not wrong, "each with one line, the file and the place", *wrong[:5])
    big = run("--rules", write("big.yaml", "# " + "x" * (1 << 20)), "--check-rules")
    check(big.returncode == 2 and "1 MiB" in big.stderr, "a file that is too large", big.stderr)
    deep = run("--rules", write("deep.yaml", "checks: " + "[" * 200), "--check-rules")
    check(deep.returncode == 2 and "deep" in deep.stderr, "a file that is nested too deep", deep.stderr)
    many = run("--rules", write("many.yaml", "rules:\n" + "".join(f"  - {{id: r{i}, on: close, when: dest_port, title: t}}\n" for i in range(65))), "--check-rules")
    check(many.returncode == 2 and "more than 64 rules" in many.stderr, "too many rules", many.stderr)
    scopes = run("--rules", write("scopes.yaml", "rules:\n" + "".join(f"  - {{id: r{i}, on: close, when: dest_port, title: t, scope: port {i + 1}}}\n" for i in range(33))), "--check-rules")
    check(scopes.returncode == 2 and "scopes.yaml:34: more than 32" in scopes.stderr, "too many scopes", scopes.stderr)
    tab = run("--rules", write("tab.yaml", "rules:\n  - id: x\n\ton: close\n"), "--check-rules")
    check("tab.yaml:3:1: a tab: YAML is indented with spaces\n" in tab.stderr, "a tab", tab.stderr)
    spaced = run("--rules", write("spaced.yaml", "checks: {\n\tclose-wait-leak: { enabled: %false },\n}\n"), "--check-rules")
    check("spaced.yaml:3:" not in spaced.stderr and "spaced.yaml:2:30: found character that cannot start any token" in spaced.stderr,
          "a mistake behind a tab that is allowed", spaced.stderr)
    for name, value, place in (("plain", "dest_port == 1 and flow.durration", "4:30"), ("quoted", '"dest_port == 1 and flow.durration"', "4:31"),
                               ("escaped", '"app == \\"TLS\\" and flow.durration"', "4:11"), ("folded", ">-\n      dest_port == 1 and\n      flow.durration", "4:11"),
                               ("plain, of two lines", "dest_port == 1 and\n      flow.durration", "4:11")):
        done = run("--rules", write("place.yaml", f"rules:\n  - id: x\n    on: close\n    when: {value}\n    title: t\n"), "--check-rules")
        check(f"place.yaml:{place}: there is no field flow.durration" in done.stderr, f"the place of a mistake: {name}", done.stderr)


for part in (shipped, examples, thresholds, keys, limits, suppressions, settings, own_rules, mentions, order, reload, pipes, damaged):
    part()
print(f"1..{number}")
sys.exit(failed > 0)
