#!/bin/sh
# The arrows of the architecture: who may include whom.  Prints TAP.
set -u
cd "${srcdir:-$(dirname "$0")/..}" || exit 99

# Stage of a file by its path.
stage() {
    case "$1" in
    include/tcpaudit/*) echo public ;;
    src/core/seq.h | src/core/aside.h) echo seq ;;
    src/core/names.c) echo names ;;
    src/core/decode/*) echo decode ;;
    src/core/mirror/*) echo mirror ;;
    src/core/flow/*) echo flow ;;
    src/core/close/*) echo close ;;
    src/core/check/*) echo check ;;
    src/core/engine/*) echo engine ;;
    src/capture/*) echo capture ;;
    src/report/*) echo report ;;
    src/rules/*) echo rules ;;
    src/cli/*) echo cli ;;
    *) echo unknown ;;
    esac
}

# What a stage may include, itself apart.
allowed() {
    case "$1" in
    public) echo public ;;
    seq) ;;
    names) echo public ;;
    decode | mirror) echo public seq ;;
    flow) echo public seq mirror decode ;;
    close) echo public seq mirror flow ;;
    check) echo public seq mirror flow close ;;
    engine) echo public seq decode mirror flow close check ;;
    capture) echo public ;;
    report) echo public capture ;;
    rules) echo public capture report ;;
    cli) echo public capture report rules ;;
    esac
}

# The C library's headers that the core may use: no input or output, no clock.
core_headers=" assert.h emmintrin.h inttypes.h limits.h stdbool.h stddef.h stdint.h stdlib.h string.h sys/mman.h "

# Each of these belongs to the files behind it alone.
third_party="
pcap.h src/capture/live.c src/capture/port.c src/capture/port.h src/capture/filter.c
pcap/pcap.h src/capture/live.c src/capture/filter.c
zlib.h src/capture/inflate.c
zstd.h src/capture/inflate.c
yaml.h src/rules/document.c
ndpi_api.h src/cli/detectors.c src/cli/label.c
"

sources() { find src include -name '*.[ch]' | sort; }

# FILE HEADER for every #include, headers of ours as paths.
includes() {
    for file in $(sources); do
        sed -n 's/^[ \t]*#[ \t]*include[ \t]*\([<"]\)\([^>"]*\)[>"].*/\1 \2/p' "$file" | while read -r mark header; do
            found=$header
            if [ "$mark" = '"' ] || [ "${header#tcpaudit/}" != "$header" ]; then
                for path in "$(dirname "$file")/$header" "src/core/$header" "src/$header" "include/$header"; do
                    if [ -f "$path" ]; then found=$path; break; fi
                done
            fi
            echo "$file $found"
        done
    done | sed ':again
s#[^/ ]*/\.\./##
t again'
}

has() { case " $2 " in *" $1 "*) return 0 ;; esac; return 1; }

all=$(includes)

against_the_arrows() {
    echo "$all" | while read -r file header; do
        case "$header" in src/* | include/*) ;; *) continue ;; esac
        from=$(stage "$file") to=$(stage "$header")
        [ "$from" = "$to" ] || has "$to" "$(allowed "$from")" || echo "$file ($from) includes $header ($to)"
    done
}

foreign_to_the_core() {
    echo "$all" | while read -r file header; do
        case "$file" in src/core/* | include/*) ;; *) continue ;; esac
        case "$header" in src/* | include/*) continue ;; esac
        case "$core_headers" in *" $header "*) ;; *) echo "$file includes <$header>" ;; esac
    done
}

away_from_home() {
    echo "$third_party" | while read -r header owners; do
        [ -n "$header" ] || continue
        echo "$all" | while read -r file included; do
            [ "$included" != "$header" ] || has "$file" "$owners" || echo "$file includes <$header>, which belongs to $owners"
        done
    done
    echo "$all" | awk '$2 ~ /^json-c\// && $1 !~ /schema(_parts\.h|\.c)$/ { print "json-c is included by " $1 ", which is no schema" }'
}

# Subtraction or comparison of numbers on the circle with the operators of C.
circle_without_seq_h() {
    number='(->|\.)(seq|ack|tsval|tsecr|isn|iss|fin_seq|snd_una|snd_nxt|rcv_nxt)'
    find src/core -name '*.[ch]' ! -name seq.h -exec \
        grep -nE "$number\)? *(-|<=?|>=?) *[a-z(0-9]|[a-z0-9)] +(-|<=?|>=?) +[a-z_]+(\[[a-z!]+\])?$number\b" /dev/null {} + | grep -v 'seq_[a-z]*('
}

effects_in_the_core() {
    find src/core -name '*.c' -exec \
        grep -nE '\b(printf|fprintf|puts|exit|abort|time|clock_gettime|gettimeofday) *\(' /dev/null {} + |
        grep -vE '^[^:]*:[0-9]*:[ \t]*(/?\*|//)'
}

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

result "arrows run one way" "$(against_the_arrows)"
result "the core needs nothing but memory and strings" "$(foreign_to_the_core)"
result "third-party headers have one home" "$(away_from_home)"
result "only seq.h subtracts or compares sequence numbers" "$(circle_without_seq_h)"
result "the core does not print, exit or look at the clock" "$(effects_in_the_core)"
result "there is no util" "$(find src include -name 'util*')"
echo "1..$count"
exit $failed
