#!/bin/sh
# The display filters that --explain names are ones that Wireshark takes.  Prints TAP; skips without tshark.
tcpaudit=${TCPAUDIT:-$PWD/tcpaudit}
cd "${srcdir:-.}" || exit 1
echo 1..1
if ! command -v tshark > /dev/null; then
    echo "ok 1 - display filters # SKIP no tshark"
    exit 0
fi
list=$(mktemp)
trap 'rm -f "$list"' EXIT
"$tcpaudit" --explain all | awk '
    /^  wireshark/ { text = $0; on = 1; next }
    /^  example/   { if (on) print text; on = 0 }
    on             { sub(/^ */, " "); text = text $0 }' | grep -o '`[^`]*`' | tr -d '`' | grep '[=<>&|!]\|^tcp\.analysis' | sort -u > "$list"
bad=
while read -r filter; do
    tshark -r pcaps/fragments.pcap -c 1 -Y "$filter" > /dev/null 2>&1 || bad="$bad
#   $filter"
done < "$list"
count=$(wc -l < "$list")
if [ "$count" -gt 50 ] && [ -z "$bad" ]; then echo "ok 1 - $count display filters"
else echo "not ok 1 - $count display filters; not taken:$bad"; fi
