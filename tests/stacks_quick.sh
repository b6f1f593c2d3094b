#!/bin/sh
# Endpoints of other makes, in small; `make stacks` is the whole of it.
exec "${PYTHON:-python3}" "$(dirname "$0")/stacks.py" --quick
