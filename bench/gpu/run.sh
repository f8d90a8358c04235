#!/bin/sh
# Teach, train, score and mine on this machine's GPU: bench/gpu/run.sh PACK [RESULTS.json] [more options of measure.py]
#                                                            or: bench/gpu/run.sh PACK OUT --table RUNS.json [… of table.py]
# PACK is a folder of bench/gpu/pack.py. Wheels of Python packages that lack here may lie in the folder $WHEELS.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
pack=${1:?expected the folder that bench/gpu/pack.py made}
results=${2:-gpu.json}
shift; [ $# -eq 0 ] || shift
if [ -n "${WHEELS:-}" ]; then
  site=$(mktemp -d)
  trap 'rm -rf "$site"' EXIT
  python3 -m pip install -q --no-index --no-deps --no-compile --target "$site" "$WHEELS"/*.whl
  export PYTHONPATH="$site${PYTHONPATH:+:$PYTHONPATH}"
fi
export PYTHONUNBUFFERED=1
if [ "${1:-}" = --table ]; then
  runs=${2:?expected a file of runs, such as bench/gpu/losses.json}
  shift 2
  python3 "$here/table.py" --pack "$pack" --runs "$runs" --out "$results" "$@"
else
  python3 "$here/measure.py" --pack "$pack" --out "$results" "$@"
fi
