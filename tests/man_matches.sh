#!/bin/sh
# The manual page holds what the program says of itself: options, kinds of close, fields, exit statuses.  Prints TAP.
set -u
top=${srcdir:-$(dirname "$0")/..}
page=$top/man/tcpaudit.1
TCPAUDIT=${TCPAUDIT:-./tcpaudit}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

count=0 failed=0
result() { # NAME OFFENDERS
    count=$((count + 1))
    if [ -z "$2" ]; then
        echo "ok $count - $1"
        return
    fi
    failed=1
    echo "not ok $count - $1"
    echo "$2" | sed 's/^/# /'
}

# Options that begin a line of --help, one a line, without their dashes: "r", "-read-file".
options() { "$TCPAUDIT" --help | sed -n 's/^  \(   \|-\([A-Za-z]\)\)\(,\{0,1\} --\([a-z-]*\)\)\{0,1\}.*/\2 -\4/p' | tr ' ' '\n' | grep -v '^-*$'; }


without_page() {
    for option in $(options); do
        grep -qE "^\.It .*Fl ?$option( |\$)|^\.It Fl $option( |\$)" "$page" || echo "-$option is not in the page"
    done
}

without_program() {
    for option in $(sed -n 's/^\.It \(Fl .*\)/\1/p' "$page" | grep -oE 'Fl -?[A-Za-z][a-z-]*' | cut -d ' ' -f 2); do
        options | grep -qx -- "$option" || echo "-$option is not in --help"
    done
}

# Each field under its record, with its type and its sentence: "flow, close.kind (string): how it ended".
fields_of_program() {
    "$TCPAUDIT" --list-fields |
        sed -n 's/^[a-z][a-z]*$/@&/p; s/^  \([^ ]*\) *\(integer or null\|[a-z]*\) *\(.*\)$/\1 (\2): \3/p' |
        sed -n 's/^@//; t record
                G; s/\(.*\)\n\(.*\)/\2, \1/p; b
                : record
                h' | sort
}

fields_of_page() {
    sed -n '/^\.Cm \([a-z]*\) :$/ { s//\1/; h; }
            /^\.It Va \(.*\) Pq \(.*\)$/ { s//\1 (\2): /; N; s/\n//; G; s/\(.*\)\n\(.*\)/\2, \1/p; }' "$page" | sort
}

both_fields() { # WHICH: of diff's signs, < is the program's alone, > the page's
    fields_of_program >"$work/program"
    fields_of_page >"$work/page"
    diff "$work/program" "$work/page" | sed -n "s/^$1 //p"
}

kinds_missing() {
    sed -n '/define TCPAUDIT_KINDS/,/OPEN_ACTIVE/s/.*X([A-Z_0-9]*, "\([a-z-]*\)").*/\1/p' "$top/include/tcpaudit/connection.h" |
        while read -r kind; do grep -qx "\.It Cm $kind" "$page" || echo "$kind"; done
}

statuses_missing() {
    for status in 0 1 2 3 4 5 6; do
        sed -n '/^\.Sh EXIT STATUS/,/^\.Sh EXAMPLES/p' "$page" | grep -qx "\.It $status" || echo "$status"
    done
}

complaints() {
    if command -v mandoc >/dev/null; then mandoc -T lint -W warning "$page" "$top/man/tcpaudit-rules.5" 2>&1; fi
}

result "every option is in the page" "$(without_page)"
result "every option of the page is in the program" "$(without_program)"
result "every field is in the page" "$(both_fields '<')"
result "every field of the page is in the program" "$(both_fields '>')"
result "every kind of close is in the page" "$(kinds_missing)"
result "every exit status is in the page" "$(statuses_missing)"
# Keys of rule files: those of the schema, which comes from the same tables as what reads them.
rule_keys_missing() {
    "$TCPAUDIT" --rules-schema | python3 -c '
import json, sys
schema = json.load(sys.stdin)
kinds = schema["properties"]
words = set(kinds) | set(kinds["settings"]["properties"]) | set(kinds["rules"]["items"]["properties"])
words |= set(kinds["checks"]["properties"]["fin-ack-late"]["properties"])
for name in "premises", "point":
    of = schema["$defs"][name]
    words |= set((of.get("items") or of)["enum"])
print("\n".join(sorted(words)))' | while read -r word; do
        grep -qE "^\.(It )?(Cm)? ?(.* )?$word( |\$)" "$top/man/tcpaudit-rules.5" || echo "$word"
    done
}

result "every key of a rule file is in tcpaudit-rules(5)" "$(rule_keys_missing)"
result "mandoc has nothing to complain of" "$(complaints)"
echo "1..$count"
exit $failed
