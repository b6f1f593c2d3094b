#!/usr/bin/env python3
"""labels.py: application labels over the captures of pcaps/.  Prints TAP; skips in a build without nDPI.

 makers     each connection has the label that the capture's maker knows (pcaps/expected.json), or none
 summary    apps adds up to the flow records
 reader     ndpiReader, which sees the frames, says the same wherever both decide by what they read
 otherwise  --no-dpi changes nothing but the labels
 rules      expressions of the user's rules can ask for labels"""
import collections
import csv
import json
import operator
import os
import shutil
import subprocess
import sys
import tempfile

sys.dont_write_bytecode = True  # the source may be read-only
HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "live"))
import lab

PCAPS = os.path.join(HERE, "..", "pcaps")
PROGRAM = os.path.abspath(os.environ.get("TCPAUDIT", "./tcpaudit"))
LABEL_KEYS = ("app_proto", "app_service", "app_confidence", "apps", "dpi", "dpi_library")


def audit(name, *options):
    run = subprocess.run([PROGRAM, "-r", name, "-T", "jsonl", "--flows", "all", "--min-severity", "info", *options], cwd=PCAPS,
                         capture_output=True, text=True, check=False)
    return [json.loads(line) for line in run.stdout.splitlines()]


def flows(records):
    return [record for record in records if record["event_type"] == "flow"]


def check_makers(records, labels):
    problems = []
    for flow in flows(records):
        want, got = labels.pop(str(flow["src_port"]), "no such connection"), flow.get("app_proto")
        if want != got or ("app_confidence" in flow) != (got is not None):
            problems.append(f"port {flow['src_port']}: expected {want}, got {got} ({flow.get('app_confidence')})")
    if labels:
        problems.append(f"not seen: {labels}")
    known = {flow["flow_id"]: flow.get("app_proto") for flow in flows(records)}
    return problems + [f"{record['rule_id']} of flow {record['flow_id']} says {record.get('app_proto')}" for record in records
                       if record["event_type"] == "finding" and record.get("app_proto") != known[record["flow_id"]]]


def check_summary(records):
    want = collections.defaultdict(lambda: {"connections": 0, "half_close": 0, "aborted": 0, "by_close": collections.Counter()})
    named = 0
    for flow in flows(records):
        if "app_proto" in flow:
            row, close = want[flow["app_proto"]], flow["close"]
            named += 1
            row["connections"] += 1
            row["half_close"] += close.get("half_close", {}).get("bytes", 0) > 0
            row["aborted"] += "aborted_by" in close
            row["by_close"][close["kind"]] += 1
    want = [dict(row, app_proto=name, by_close=dict(row["by_close"])) for name, row in want.items()]
    want.sort(key=lambda row: (-row["connections"], row["app_proto"]))
    end = records[-1]
    problems = [] if end.get("apps", []) == want else [f"expected {want}, got {end.get('apps')}"]
    if end["dpi"]["named"] != named or end["dpi"]["off"] != 0:
        problems.append(f"{named} flows have labels, the summary says {end['dpi']}")
    return problems


def without_labels(record):
    """What must be the same with and without labels.  What was forgotten depends on the run's random hash key."""
    kept = {key: value for key, value in record.items() if key not in LABEL_KEYS + ("args",)}
    if "connections" in kept:
        kept["connections"] = {key: value for key, value in kept["connections"].items() if not key.endswith("_forgotten")}
    return kept


def check_otherwise(records, plain):
    if any(key in record for record in plain for key in LABEL_KEYS):
        return ["--no-dpi leaves labels"]
    if [without_labels(record) for record in records] != [without_labels(record) for record in plain]:
        return ["records differ in more than labels"]
    return []


def socket(address, port):
    return f"{address.lower()} {port}"


def reader(path):
    """{both sockets: protocol} as far as ndpiReader decides without guesses; None if it cannot read the capture."""
    with tempfile.TemporaryDirectory() as folder:
        table = os.path.join(folder, "flows.csv")
        run = subprocess.run(["ndpiReader", "-d", "-i", path, "-C", table], capture_output=True, check=False)
        if run.returncode != 0 or not os.path.exists(table):
            return None
        found = {}
        with open(table, newline="") as file:
            for row in csv.DictReader(file):
                if row["protocol"] == "6" and row["ndpi_proto"] != "Unknown":
                    ends = frozenset((socket(row["src_ip"], row["src_port"]), socket(row["dst_ip"], row["dst_port"])))
                    found[ends] = row["ndpi_proto"].split(".")[0]
        return found


def check_reader(records, found):
    """(problems, how many connections both name)"""
    problems, agreed = [], 0
    for flow in flows(records):
        ends = frozenset((socket(flow["src_ip"], flow["src_port"]), socket(flow["dest_ip"], flow["dest_port"])))
        if ends in found and "app_proto" in flow:
            agreed += 1
            if found[ends] != flow["app_proto"]:
                problems.append(f"flow {flow['flow_id']}: ndpiReader says {found[ends]}, we {flow['app_proto']}")
    return problems, agreed


def own_rule(records):
    """The flow identifiers of which the rule `mine` speaks."""
    return sorted(record["flow_id"] for record in records if record.get("rule_id") == "mine")


def check_rules(folder):
    """A label in an expression is the label of the flow record, wherever an expression may stand."""
    name, path = "applications.pcap", os.path.join(folder, "rules.yaml")
    records = audit(name)
    all_flows = flows(records)

    def with_rules(text, *options):
        with open(path, "w") as file:
            file.write(text)
        return audit(name, "--rules", path, *options)

    def asked(when, *options, on="close", more=""):
        return with_rules(f"rules: [{{id: mine, on: {on}, when: '{when}', title: t, message: '{{app_proto}}'{more}}}]", *options)

    def wanted(which):
        return sorted(flow["flow_id"] for flow in all_flows if which(flow))
    app = operator.methodcaller("get", "app_proto")
    for when, which in (('app == "TLS"', lambda flow: app(flow) == "TLS"), ('app_proto != "TLS"', lambda flow: app(flow) not in ("TLS", None)),
                        ('app in {"HTTP", "SSH"}', lambda flow: app(flow) in ("HTTP", "SSH")), ("not app", lambda flow: app(flow) is None),
                        ('app contains "SQL"', lambda flow: app(flow) == "PostgreSQL"),
                        ("app_confidence == dpi", lambda flow: flow.get("app_confidence") == "dpi"),
                        ('app == "TLS" and close.kind == abort-client',
                         lambda flow: app(flow) == "TLS" and flow["close"]["kind"] == "abort-client")):
        got = asked(when)
        told = [record for record in got if record.get("rule_id") == "mine"]
        yield f"rules: {when}", [] if own_rule(got) == wanted(which) != [] and all(
            record.get("message") == (app(record) or "-") for record in told) else [f"{own_rule(got)}, not {wanted(which)}", str(told[:1])]
    got = own_rule(asked('app == "TLS"', more=", scope: port 443"))
    want = wanted(lambda flow: app(flow) == "TLS" and flow["dest_port"] == 443)
    yield "rules: within a scope", [] if got == want != [] else [f"{got}, not {want}"]
    got = set(own_rule(asked('app == "TLS"', "--set", "tick=1s", on="tick")))
    yield "rules: on tick, once it is known", [] if got == set(wanted(lambda flow: app(flow) == "TLS")) else [str(got)]
    yield "rules: without labels", [] if own_rule(asked("app", "--no-dpi")) == [] else ["speaks of them"]
    got = with_rules('checks: {rst-instead-of-fin: {suppress: [{when: app == "TLS", until: 2199-01-01, reason: r}]}}')
    left = {app(record) for record in got if record.get("rule_id") == "rst-instead-of-fin"}
    yield "rules: suppressed by label", [] if left == {"PostgreSQL"} and got[-1]["passed_over"] == {"rst-instead-of-fin": 2} else [
        f"left {left}, passed over {got[-1]['passed_over']}"]


def main():
    version = subprocess.run([PROGRAM, "--version"], capture_output=True, text=True, check=False).stdout
    if "with nDPI" not in version:
        print("1..0 # SKIP built without nDPI")
        return 0
    with open(os.path.join(PCAPS, "expected.json")) as file:
        expected = json.load(file)
    tap, both = lab.Tap(), 0
    has_reader = shutil.which("ndpiReader") is not None
    for name in sorted(name for name in os.listdir(PCAPS) if ".pcap" in name):
        records = audit(name)
        if name in expected:  # the others are the kernel's: nothing in them is an application's
            labels = expected[name].get("labels")
            tap.check(f"{name} makers", check_makers(records, dict(labels)) if labels
                      else [f"flow {flow['flow_id']}: {flow['app_proto']}" for flow in flows(records) if "app_proto" in flow])
        tap.check(f"{name} summary", check_summary(records))
        tap.check(f"{name} otherwise", check_otherwise(records, audit(name, "--no-dpi")))
        found = reader(os.path.join(PCAPS, name)) if has_reader else None
        if found is not None:
            problems, agreed = check_reader(records, found)
            both += agreed
            tap.check(f"{name} reader", problems)
    with tempfile.TemporaryDirectory() as folder:
        for what, problems in check_rules(folder):
            tap.check(what, problems)
    if has_reader:
        tap.check(f"ndpiReader and we name {both} connections", [] if both >= 10 else ["hardly any: the comparison is empty"])
    else:
        tap.skip("ndpiReader", "needs ndpiReader")
    return tap.done()


sys.exit(main())
