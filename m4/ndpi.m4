# TCPAUDIT_NDPI: looks for nDPI, and which of its interfaces it has.
# Sets NDPI_CFLAGS, NDPI_LIBS and have_ndpi, and defines what src/cli/label_ndpi.h asks for.
AC_DEFUN([TCPAUDIT_NDPI], [
AC_ARG_WITH([ndpi], [AS_HELP_STRING([--without-ndpi], [build without application labels])])
have_ndpi=no
AS_IF([test "x$with_ndpi" != xno],
    [PKG_CHECK_MODULES([NDPI], [libndpi >= 4.2], [have_ndpi=yes],
        [AS_IF([test "x$with_ndpi" = xyes], [AC_MSG_ERROR([--with-ndpi: there is no libndpi 4.2 or later])])])])
AS_IF([test "$have_ndpi" = yes], [
    # its headers are a system's headers: our warnings are not for them
    NDPI_CFLAGS=$(echo "$NDPI_CFLAGS" | sed 's/-I */-isystem /g')
    saved_CPPFLAGS=$CPPFLAGS
    CPPFLAGS="$CPPFLAGS $NDPI_CFLAGS"
    AC_CHECK_DECLS([set_ndpi_malloc, ndpi_set_config, ndpi_set_protocol_detection_bitmask2, ndpi_dont_init_libgcrypt], [], [],
        [[#include <ndpi_api.h>]])
    TCPAUDIT_NDPI_HAS([whether nDPI takes what is known of a flow], [NDPI_HAS_INPUT_INFO],
        [struct ndpi_flow_input_info info = {.in_pkt_dir = NDPI_IN_PKT_DIR_C_TO_S}; ndpi_detection_process_packet(0, 0, 0, 0, 0, &info)])
    TCPAUDIT_NDPI_HAS([whether nDPI is told to guess when it gives up], [NDPI_GIVEUP_TAKES_GUESS],
        [u_int8_t guessed; ndpi_detection_giveup(0, 0, 0, &guessed)])
    TCPAUDIT_NDPI_HAS([whether nDPI tells that it guessed], [NDPI_GIVEUP_TELLS_GUESS],
        [u_int8_t guessed; ndpi_detection_giveup(0, 0, &guessed)])
    TCPAUDIT_NDPI_HAS([whether nDPI can be told to remember nothing], [NDPI_HAS_CACHE_SIZES],
        [ndpi_set_lru_cache_size(0, (lru_cache_type)(NDPI_LRUCACHE_MAX - 1), 0)])
    TCPAUDIT_NDPI_HAS([whether nDPI can be told what a flow is not], [NDPI_HAS_EXCLUDED_BITMASK],
        [struct ndpi_flow_struct flow; NDPI_ADD_PROTOCOL_TO_BITMASK(flow.excluded_protocol_bitmask, NDPI_PROTOCOL_FTP_CONTROL)])
    CPPFLAGS=$saved_CPPFLAGS])
])

# TCPAUDIT_NDPI_HAS(QUESTION, NAME, STATEMENT): defines NAME if the statement compiles.
AC_DEFUN([TCPAUDIT_NDPI_HAS], [
AC_MSG_CHECKING([$1])
AC_COMPILE_IFELSE([AC_LANG_PROGRAM([[#include <ndpi_api.h>]], [[$3;]])],
    [AC_MSG_RESULT([yes]); AC_DEFINE([$2], [1], [$1])], [AC_MSG_RESULT([no])])
])
