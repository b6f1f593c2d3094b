#!/bin/sh
# Clean traffic, and nothing accused, in small; `make quiet` is the whole of it.
exec "${PYTHON:-python3}" "$(dirname "$0")/quiet.py" --quick
