#!/usr/bin/env bash
# Installs what the tests need, builds, runs all of them, and ends with one line: N passed, N failed, N skipped.
#
#   tests/run.sh [--all] [--quick] [CTEST ARGUMENTS]
#
#   --all    a test that had to be skipped counts as failed (continuous integration runs this)
#   --quick  only what takes seconds: unit, contract, golden and layers, in the release build
#   CTEST ARGUMENTS, for example  -L e2e  or  -R restart : only those tests, in the release build
#
# What runs: every ctest label in the release build; unit, contract and golden again under AddressSanitizer and
# UndefinedBehaviorSanitizer; each fuzz target for HUTONG_FUZZ_SECONDS (15). Results lie in build/results/.
# Exit: 0 nothing failed, 1 something did, 2 bad usage.
set -uo pipefail
cd "$(dirname "$0")/.." || exit 2

all=() quick=no filter=()
while (($#)); do
  case "$1" in
    --all) all=(--all) ;;
    --quick) quick=yes ;;
    -h | --help)
      sed -n '2,12{s/^# \{0,1\}//;p}' "$0"
      exit 0
      ;;
    *) filter+=("$1") ;;
  esac
  shift
done

results=build/results
rm -rf "$results"
mkdir -p "$results"
began=$SECONDS
jobs=$(nproc)
fuzz_seconds=${HUTONG_FUZZ_SECONDS:-15}

say() { printf '\n==> [%4ds] %s\n' "$((SECONDS - began))" "$*"; }
# What is no test of ctest's is noted as one line: passed|failed|skipped NAME REASON
note() { printf '%s %s %s\n' "$1" "$2" "${3:-}" >>"$results/notes.txt"; }
finish() {
  say "Results"
  python3 -B tests/support/results.py "${all[@]}" "$results"
  exit
}

# build PRESET TARGET...: configures when needed, builds; a failure is noted and ends the run.
build() {
  local preset=$1
  shift
  say "Build: $preset"
  if ! cmake --preset "$preset" -DBUILD_TESTING=ON >"$results/configure-$preset.log" 2>&1; then
    tail -40 "$results/configure-$preset.log"
    note failed "build.$preset" "cmake --preset $preset failed"
    finish
  fi
  if ! cmake --build "build/$preset" -j "$jobs" ${1:+--target} "$@"; then
    note failed "build.$preset" "the compiler's message is above"
    finish
  fi
}

# run_ctest PRESET CTEST ARGUMENTS...
run_ctest() {
  local preset=$1
  shift
  say "Tests: $preset"
  ctest --test-dir "build/$preset" -j "$jobs" --output-on-failure --no-tests=error --output-junit "$PWD/$results/$preset.xml" \
    --test-output-size-passed 100000 --test-output-size-failed 400000 "$@" || true
  [[ -s $results/$preset.xml ]] || note failed "ctest.$preset" "ctest wrote no results"
}

# programs PRESET REGEX: the targets of that build whose names match
programs() { ninja -C "build/$1" -t targets all | sed -nE "s/^($2): phony\$/\1/p"; }

if ! deploy/install-packages.sh test; then
  note failed packages "what the tests need could not be installed"
  command -v python3 >/dev/null || { echo "0 passed, 1 failed, 0 skipped"; exit 1; }
  finish
fi
export ASAN_OPTIONS=${ASAN_OPTIONS:-detect_stack_use_after_return=1:strict_string_checks=1:check_initialization_order=1}
export UBSAN_OPTIONS=${UBSAN_OPTIONS:-print_stacktrace=1:halt_on_error=1}
export ASAN_SYMBOLIZER_PATH=${ASAN_SYMBOLIZER_PATH:-$(command -v llvm-symbolizer-16 || true)}

build release
if [[ $quick == yes ]]; then
  run_ctest release -L '^(unit|contract|golden|layers)$' "${filter[@]}"
  finish
fi
run_ctest release "${filter[@]}"
if ((${#filter[@]})); then
  finish
fi

cmake --preset asan -DBUILD_TESTING=ON >/dev/null 2>&1
mapfile -t sanitized < <(programs asan '(unit|contract|golden)_[a-z0-9_]+')
build asan "${sanitized[@]}"
run_ctest asan -L '^(unit|contract|golden)$'

cmake --preset fuzz -DBUILD_TESTING=ON >/dev/null 2>&1
mapfile -t targets < <(programs fuzz 'fuzz_[a-z0-9_]+')
if ((${#targets[@]} == 0)); then
  note failed fuzz "no fuzz target was found in the fuzz build"
else
  build fuzz "${targets[@]}"
  for target in "${targets[@]}"; do
    say "Fuzz: $target for $fuzz_seconds s"
    tests/fuzz/run.sh "$target" -max_total_time="$fuzz_seconds" >"$results/$target.log" 2>&1
    status=$?
    grep -E '^(Done|stat::number_of_executed_units|#[0-9]+.*DONE)' "$results/$target.log" || true
    if ((status == 0)); then
      note passed "fuzz.${target#fuzz_}"
    else
      tail -40 "$results/$target.log"
      note failed "fuzz.${target#fuzz_}" "exit $status; the input that did it is in build/fuzz/findings/$target"
    fi
  done
fi
finish
