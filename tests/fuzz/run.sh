#!/bin/sh
# tests/fuzz/run.sh: builds every fuzz target with libFuzzer, ASan and UBSan, and lets each run for FUZZ_SECONDS (30).
# The seeds are the shipped captures, or rule files; for text there is a dictionary; and what was
# found before, in tests/fuzz/found.  What it finds stays in the build folder.
# Prints TAP; skips without clang's runtime.
srcdir=${srcdir:-.}
seconds=${FUZZ_SECONDS:-30}
cc=${FUZZ_CC:-clang}
targets="decode engine expression file rules"
set -- $targets
echo "1..$#"
work=fuzzing
mkdir -p "$work"
flags="-DTCPAUDIT_BOTH_WAYS -std=gnu11 -g -O1 -D_GNU_SOURCE -D_FILE_OFFSET_BITS=64 -fsanitize=fuzzer,address,undefined -fno-sanitize-recover=undefined \
-DPKGDATADIR=\"/nonexistent\" -I$srcdir/include -I$srcdir/src/core -I$srcdir/src"
core=$(find "$srcdir/src/core" -name '*.c')
echo 'int LLVMFuzzerTestOneInput(const unsigned char *d, unsigned long n) { return d && n > 1u << 30; }' > "$work/probe.c"
if ! command -v "$cc" > /dev/null || ! "$cc" -fsanitize=fuzzer,address,undefined "$work/probe.c" -o "$work/probe" 2> /dev/null; then
    n=0
    for target in $targets; do n=$((n + 1)); echo "ok $n - $target # SKIP no clang with libFuzzer"; done
    exit 0
fi

# what each target is built from
sources() {
    case $1 in
    expression | rules) echo "$core $srcdir/src/report/*.c $srcdir/src/rules/*.c $srcdir/src/capture/*.c" ;;
    file) echo "$core $srcdir/src/capture/*.c" ;;
    *) echo "$core" ;;
    esac
}
libraries() {
    case $1 in
    expression | rules) echo "-ljson-c -lyaml -lpcap -lz -lzstd" ;;
    file) echo "-lpcap -lz -lzstd" ;;
    esac
}
seeds() {
    case $1 in
    expression) echo "-dict=$srcdir/tests/fuzz/expression.dict" ;;
    rules) echo "-dict=$srcdir/tests/fuzz/rules.dict $srcdir/rules" ;;
    engine) echo "$srcdir/pcaps $srcdir/tests/fuzz/found/engine" ;;
    *) echo "$srcdir/pcaps" ;;
    esac
}

one() { # NUMBER TARGET
    corpus="$work/corpus-$2"
    mkdir -p "$corpus"
    # shellcheck disable=SC2046,SC2086
    if ! "$cc" $flags $(sources "$2") "$srcdir/tests/fuzz/fuzz_$2.c" $(libraries "$2") -o "$work/fuzz_$2" 2> "$work/$2.build"; then
        echo "not ok $1 - $2: does not build"
        sed 's/^/# /' "$work/$2.build" | head -n 20
        return
    fi
    # shellcheck disable=SC2046
    if "$work/fuzz_$2" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=2048 -max_len=8192 -print_final_stats=1 \
        -artifact_prefix="$work/$2-" "$corpus" $(seeds "$2") > "$work/$2.log" 2>&1; then
        echo "ok $1 - $2: $(sed -n 's/^stat::number_of_executed_units: *//p' "$work/$2.log") runs in $seconds s"
    else
        echo "not ok $1 - $2"
        grep -E 'ERROR|SUMMARY|runtime error|Assertion|Test unit' "$work/$2.log" | sed 's/^/# /' | head -n 20
    fi
}

n=0
for target in $targets; do
    n=$((n + 1))
    one "$n" "$target" > "$work/$target.tap" &
done
wait
for target in $targets; do cat "$work/$target.tap"; done
