#!/bin/sh
# tests/coverage.sh SRCDIR: line coverage of src/core by the unit tests and the dialogues.
# Builds in a folder of its own below the current one, prints gcov's figures by file and the sum, and fails under 90 %.
set -eu
src=$(cd "$1" && pwd)
mkdir -p coverage
cd coverage
[ -f Makefile ] || "$src/configure" --enable-coverage --disable-shared > configure.log
make -j"$(nproc)" check_PROGRAMS > make.log 2>&1 || make -j"$(nproc)" check TESTS= > make.log 2>&1
find . -name '*.gcda' -delete
for t in tests/unit/test_* tests/dialogue; do
    case $t in *.*) continue ;; esac
    [ -x "$t" ] && srcdir="$src" "./$t" > /dev/null 2>&1 || true
done
find . -path '*src/core*' -name '*.gcda' | while read -r data; do
    gcov -n -o "$(dirname "$data")" "$data" 2> /dev/null
done | awk '
    /^File / { file = $2; gsub("\047", "", file); sub(".*/src/core/", "src/core/", file) }
    /^Lines executed:/ {
        if (file !~ /^src\/core\/.*\.c$/) next
        split($0, part, /[:% ]+/); percent = part[3]; lines = $NF
        hit[file] = percent * lines / 100; all[file] = lines
        file = ""
    }
    END {
        for (f in all) { printf "%6.1f %%  %5d  %s\n", 100 * hit[f] / all[f], all[f], f | "sort -k4"; h += hit[f]; n += all[f] }
        close("sort -k4")
        printf "%6.1f %%  %5d  src/core\n", 100 * h / n, n
        exit h / n < 0.9
    }'
