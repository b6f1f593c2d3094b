#!/bin/sh
# What is told does not depend on where numbers begin: every dialogue again with other initial sequence numbers, at once before they wrap
# and on either side of 2^31.  Those that name theirs (`iss`) need them.  Prints TAP.
dialogue=$PWD/tests/dialogue
cd "${srcdir:-.}" || exit 1
begins="4294967290:4294967280 2147483640:3500000000 3000000000:5000"
room=$(mktemp -d)
trap 'rm -rf "$room"' EXIT
echo 1..3
n=0
for begin in $begins; do
    n=$((n + 1))
    rm -f "$room"/*
    for file in $(grep -L '^iss ' tests/dialogues/*.pkt); do
        { printf 'iss A %s\niss B %s\n' "${begin%:*}" "${begin#*:}"; cat "$file"; } > "$room/$(basename "$file")"
    done
    "$dialogue" "$room"/*.pkt > "$room/told"
    status=$? held=$(grep -c '^ok' "$room/told")
    if [ "$status" = 0 ] && [ "$held" -gt 400 ]; then echo "ok $n - $held dialogues from $begin"
    else
        grep '^#' "$room/told"
        echo "not ok $n - dialogues from $begin, $held hold"
    fi
done
