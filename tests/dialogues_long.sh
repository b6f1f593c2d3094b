#!/bin/sh
# What is told does not depend on how much was sent before: dialogues again behind gigabytes of text, by which numbers come
# around half of their circle and more, against the same behind a megabyte.  Those that open by `handshake` and have no SYN of
# their own; not two: in fin-ack-short-refused numbers near the ISS are a SYN cookie's, in syn-accept-stalled a SYN-ACK names
# the ISS.  Prints TAP.
dialogue=$PWD/tests/dialogue
cd "${srcdir:-.}" || exit 1
room=$(mktemp -d)
trap 'rm -rf "$room"' EXIT

# behind NAME LINE...: what the dialogues tell where the lines stand behind their handshakes, without what text has to change
behind() {
    name=$1
    shift
    mkdir "$room/$name"
    for file in $(grep -l '^`handshake' tests/dialogues/*.pkt); do
        [ "$(grep -c '^`handshake' "$file")" = 1 ] || continue
        grep -Eq '^[0-9.+]+ +[AB][:0-9]* > [AB][:0-9]* +[A-Z.]*S' "$file" && continue
        case $file in */fin-ack-short-refused.pkt | */syn-accept-stalled.pkt) continue ;; esac
        awk -v lines="$*" '{print} /^`handshake/ {gsub(",", "\n", lines); print lines}' "$file" > "$room/$name/${file##*/}"
    done
    "$dialogue" "$room/$name"/*.pkt > "$room/$name.tap"
    sed "s|^# $room/$name/||; s/:[0-9]*: /: /" "$room/$name.tap" |
        grep -Ev 'text_(client|server) |idle_us|^(not )?ok' > "$room/$name.told"
}

n=0
# against NAME NAME
against() {
    n=$((n + 1))
    held=$(grep -c '^ok' "$room/$2.tap")
    if [ "$held" -gt 250 ] && diff "$room/$1.told" "$room/$2.told" > "$room/differs"; then echo "ok $n - $held dialogues behind $2"
    else
        sed 's/^/# /' "$room/differs"
        echo "not ok $n - $held dialogues behind $2"
    fi
}

echo 1..4
behind short-A stream A 1000000 &
behind short-B stream B 1000000 &
behind short stream A 1000000,stream B 1000000 &
behind 3G-of-A stream A 3000000000 &
behind 2.2G-of-B stream B 2200000000 &
behind 6.3G-of-A stream A 4000000000,stream A 2300000000 &
behind 3.9G-of-B-and-2.6G-of-A stream B 3900000000,stream A 2600000000 &
wait
against short-A 3G-of-A
against short-B 2.2G-of-B
against short-A 6.3G-of-A
against short 3.9G-of-B-and-2.6G-of-A
