#!/bin/sh
# The manual page holds what the program says of itself: options, kinds of close, fields, exit statuses.  Prints TAP.
set -u
top=${srcdir:-$(dirname "$0")/..}
page=$top/man/tcpaudit.1
TCPAUDIT=${TCPAUDIT:-./tcpaudit}

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

# Each field, with its type and its sentence, as in --list-fields.
fields_missing() {
    "$TCPAUDIT" --list-fields | sed -n 's/^  \([^ ]*\) *\(integer or null\|[a-z]*\) *\(.*\)$/\1\t\2\t\3/p' |
        while IFS="$(printf '\t')" read -r path type text; do
            grep -A1 -xF ".It Va $path Pq $type" "$page" | grep -qxF "$text" || echo "$path ($type): $text"
        done
}

fields_too_many() {
    sed -n 's/^\.It Va \(.*\) Pq .*/\1/p' "$page" | sort -u | while read -r path; do
        "$TCPAUDIT" --list-fields | grep -qE "^  $(echo "$path" | sed 's/[].[]/\\&/g') " || echo "$path"
    done
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
result "every field is in the page" "$(fields_missing)"
result "every field of the page is in the program" "$(fields_too_many)"
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
