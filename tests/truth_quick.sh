#!/bin/sh
# The mirror against the kernel's record, in small; `make truth` is the whole of it.
exec "${PYTHON:-python3}" "$(dirname "$0")/truth.py" --quick
