#!/bin/sh
# tests/readme_matches.sh: README's picture of output is what the program prints, and every option it names exists.  TAP.
tcpaudit=${TCPAUDIT:-$PWD/tcpaudit}
cd "${srcdir:-.}" || exit 1
echo 1..2

shown=$(sed -n '/^\$ \.\/tcpaudit -r pcaps\/incident\.pcapng$/,/^```$/p' README.md | sed '1d;$d')
printed=$(LC_ALL=C.UTF-8 COLUMNS=80 NO_COLOR=1 "$tcpaudit" -T text -r pcaps/incident.pcapng)
if [ -n "$shown" ] && [ "$shown" = "$printed" ]; then
    echo "ok 1 - the picture of output"
else
    echo "not ok 1 - the picture of output"
    echo "# README.md must show what tcpaudit -T text -r pcaps/incident.pcapng prints in 80 columns"
fi

help=$("$tcpaudit" --help)
unknown=
for option in $(sed '/^Elsewhere/d' README.md | grep -o -e '--[a-z][a-z-]*' | sort -u); do
    case $help in *"$option"*) ;; *) unknown="$unknown $option" ;; esac
done
if [ -z "$unknown" ]; then echo "ok 2 - every option named in README is in --help"
else echo "not ok 2 - every option named in README is in --help"; echo "# not in --help:$unknown"; fi
