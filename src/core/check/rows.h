/* rows.h - the catalogue, a file for each family: CHECK(id, function, wakes, severity, normative, class, basis, title, rfc, advice).
 *
 * Included several times; severity is that of a certain claim.  A row that wakes on ODD cannot hold for a plain history
 * (history_is_plain); one that wakes on ANY is always asked.  cap- comes last: the runner asks it first. */
#include "rows/fin.h"
#include "rows/close.h"
#include "rows/half.h"
#include "rows/tw.h"
#include "rows/rst.h"
#include "rows/cap.h"
