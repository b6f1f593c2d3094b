#!/bin/sh
# tests/ndpi.sh: configure and label.c know the interfaces of nDPI that are not installed here, and a build without nDPI lacks
# labels and nothing else.  Prints TAP.
set -u
top=$(cd "${srcdir:-$(dirname "$0")/..}" && pwd)
program=$(cd "$(dirname "${TCPAUDIT:-./tcpaudit}")" && pwd)/tcpaudit
cc=${CC:-cc}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
count=0 failed=0

result() { # NAME STATUS LOG
    count=$((count + 1))
    if [ "$2" = 0 ]; then
        echo "ok $count - $1"
        return
    fi
    failed=1
    echo "not ok $count - $1"
    tail -n 12 "$3" | sed 's/^/# /'
}

# What configure makes of an interface, and whether what asks nDPI compiles with that.
interface() { # NUMBER WORDS...: of them each must be in config.h
    name=$1 && shift
    (
        cd "$work/probe" && rm -f config.h
        ./configure --quiet NDPI_CFLAGS="-I$top/tests/ndpi -DINTERFACE=$name" NDPI_LIBS=" " || exit 1
        for word; do grep -q "^#define $word\$" config.h || { echo "config.h lacks $word"; exit 1; }; done
        "$cc" -std=gnu11 -D_GNU_SOURCE -DHAVE_CONFIG_H -DINTERFACE="$name" -Wall -Wextra -Werror -fsyntax-only -I. -I"$top/tests/ndpi" \
            -I"$top/include" -I"$top/src" "$top/src/cli/label.c" "$top/src/cli/detectors.c"
    ) > "$work/log" 2>&1
    result "interface of nDPI $name" $? "$work/log"
}

if command -v aclocal > /dev/null && command -v autoconf > /dev/null; then
    mkdir "$work/probe"
    cp -r "$top/m4" "$top/config.h.in" "$top/build-aux" "$work/probe"
    cat > "$work/probe/configure.ac" << 'END'
AC_INIT([probe], [0])
AC_CONFIG_AUX_DIR([build-aux])
AC_CONFIG_HEADERS([config.h])
AC_PROG_CC
PKG_PROG_PKG_CONFIG
TCPAUDIT_NDPI
AC_OUTPUT
END
    (cd "$work/probe" && aclocal -I m4 && autoconf) > "$work/log" 2>&1
    result "m4/ndpi.m4 stands on its own" $? "$work/log"
    interface 404 "HAVE_DECL_SET_NDPI_MALLOC 1" "HAVE_DECL_NDPI_DONT_INIT_LIBGCRYPT 1" "HAVE_DECL_NDPI_SET_CONFIG 0" \
        "NDPI_HAS_INPUT_INFO 1" "NDPI_GIVEUP_TAKES_GUESS 1" "NDPI_HAS_EXCLUDED_BITMASK 1" "NDPI_HAS_CACHE_SIZES 1"
    interface 410 "HAVE_DECL_SET_NDPI_MALLOC 1" "HAVE_DECL_NDPI_DONT_INIT_LIBGCRYPT 0" "HAVE_DECL_NDPI_SET_CONFIG 1" \
        "NDPI_HAS_INPUT_INFO 1" "NDPI_GIVEUP_TELLS_GUESS 1" "HAVE_DECL_NDPI_SET_PROTOCOL_DETECTION_BITMASK2 1"
    interface 500 "HAVE_DECL_SET_NDPI_MALLOC 0" "HAVE_DECL_NDPI_DONT_INIT_LIBGCRYPT 0" "HAVE_DECL_NDPI_SET_CONFIG 1" \
        "NDPI_HAS_INPUT_INFO 1" "HAVE_DECL_NDPI_SET_PROTOCOL_DETECTION_BITMASK2 0"
else
    count=$((count + 1))
    echo "ok $count - interfaces of nDPI # SKIP needs autoconf"
fi

if "$program" --version | grep -q "^without nDPI"; then
    count=$((count + 1))
    echo "ok $count - a build without nDPI # SKIP this is one"
else
    mkdir "$work/without"
    (
        cd "$top" && tar c --exclude='*.o' --exclude='*.lo' --exclude='*.la' --exclude=.libs --exclude=.dirstamp --exclude=config.status \
            Makefile.am Makefile.in configure aclocal.m4 configure.ac config.h.in tcpaudit.pc.in build-aux m4 include src man rules |
            tar x -C "$work/without" && cd "$work/without" && ./configure --quiet --disable-dependency-tracking --without-ndpi &&
            make -s -j2 AUTOMAKE=: ACLOCAL=: AUTOCONF=: AUTOHEADER=: LTO= CFLAGS=-O0 tcpaudit
    ) > "$work/log" 2>&1
    result "it builds without nDPI" $? "$work/log"
    "$work/without/tcpaudit" --version > "$work/log" 2>&1 && grep -q "^without nDPI" "$work/log" && ! ldd "$work/without/tcpaudit" | grep -qi ndpi
    result "and says so" $? "$work/log"
    TCPAUDIT=$program "$top/tests/golden/run" > "$work/golden-with" 2>&1
    TCPAUDIT=$work/without/tcpaudit "$top/tests/golden/run" > "$work/golden-without" 2>&1
    grep -q "^ok" "$work/golden-with" && diff "$work/golden-with" "$work/golden-without" > "$work/log" 2>&1
    result "the golden records are the same" $? "$work/log"
    "$program" --list-fields > "$work/fields" && "$work/without/tcpaudit" --list-fields 2> "$work/log" | cmp - "$work/fields" >> "$work/log" 2>&1
    result "and the same fields are documented" $? "$work/log"
    TCPAUDIT=$work/without/tcpaudit "$top/tests/labels.py" > "$work/log" 2>&1 && grep -q "SKIP" "$work/log"
    result "without labels" $? "$work/log"
fi
echo "1..$count"
exit $failed
