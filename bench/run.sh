#!/usr/bin/env bash
# Measures, each figure beside its limit in the same run (bench/README.md says what each one is).
#
#   bench/run.sh [NAME...] [--quick] [--json FILE] [--list]
#
#   NAME      only these (default: all; --list names them)
#   --quick   3 short rounds instead of 7 long ones: shows that it works, not how fast it is
#   --json    also writes the results: [{name, unit, median, min, max, rounds, ratios: {LIMIT: value}}, ...]
# Exit: 0 done, 1 something failed, 2 bad usage.
set -euo pipefail
from=$PWD
cd "$(dirname "$0")/.."
for argument in "$@"; do
  case "$argument" in
    -h | --help)
      sed -n '2,9{s/^# \{0,1\}//;p}' "$0"
      exit 0
      ;;
    --list) exec python3 -B bench/scenario/run.py --list ;;
  esac
done
deploy/install-packages.sh test >&2
mkdir -p build
echo "==> Building the release" >&2
cmake --preset release -DBUILD_TESTING=ON >build/bench-configure.log 2>&1 || { tail -20 build/bench-configure.log >&2; exit 1; }
mapfile -t programs < <(ninja -C build/release -t targets all | sed -nE 's/^(load_generator|limit_server|many_receivers|[a-z0-9_]+_bench): phony$/\1/p')
cmake --build build/release --target hutong "${programs[@]}" >&2
runner=$PWD/bench/scenario/run.py
cd "$from"  # --json FILE is the caller's
exec python3 -B "$runner" "$@"
