/* rows.h - the catalogue, a file for each family: CHECK(id, function, wakes, severity, normative, class, basis, title, rfc,
 * advice).
 *
 * Included several times; severity is that of a certain claim.  `wakes` says what a history must
 * hold for the row to be asked at all: ODD it is not plain (history_is_plain), and the mirror has run; RESET a
 * reset; UNUSUAL a segment with UNUSUAL_ bits; FORMER an incarnation before it; FIN a FIN, whoever's; LOOSE the same, and
 * not every segment from the first one on was the one expected; NOTED a bit of CAPTURE_ on the connection; RARE it is not there
 * from its first SYN to its end, or what else few have.  cap- comes last: the runner asks it first. */
#include "rows/syn.h"
#include "rows/data.h"
#include "rows/fin.h"
#include "rows/close.h"
#include "rows/half.h"
#include "rows/tw.h"
#include "rows/rst.h"
#include "rows/reuse.h"
#include "rows/cap.h"
