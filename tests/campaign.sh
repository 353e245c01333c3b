#!/usr/bin/env bash
# What takes long: many kills, many fuzz executions, sanitizers over everything, ten-minute loads. Each campaign stops by
# itself after HUTONG_CAMPAIGN_MINUTES (55) and goes on where it stopped when it is started again; when it is complete it writes
# docs/campaigns/NAME-DATE.md with seed, commit and counts. It refuses where the disk has less than twice what it needs.
#
#   tests/campaign.sh NAME [--restart]
#
#   kill          500 rounds of SIGKILL at random moments under load        (HUTONG_ROUNDS)
#   identity-kill 200 rounds of SIGKILL while persons are linked and parted (HUTONG_ROUNDS)
#   kafka         500 seeded fault schedules on the mock cluster            (HUTONG_SCHEDULES)
#   cluster       10 rounds: each part of a cluster dies under 1,000/s      (HUTONG_ROUNDS)
#   delivery      8 subscribers of every mood under 1,000/s, 20 kills       (HUTONG_DELIVERY_SECONDS, _RATE, _KILLS)
#   migrate       1,000,000 records into Kafka and PostgreSQL, killed once  (HUTONG_RECORDS, HUTONG_READS)
#   powercut      100 rounds of losing unsynced bytes in any order          (HUTONG_ROUNDS)
#   fuzz-TARGET   20,000,000 executions of fuzz_TARGET                      (HUTONG_FUZZ_RUNS)
#   coverage      lines that the committed fuzz corpora reach in each reader; fails below 90 %
#   tsan          ThreadSanitizer over unit, contract, golden, e2e
#   asan          AddressSanitizer and UndefinedBehaviorSanitizer over those and crash
#   identity      a simulated population of 1,000,000 is linked            (HUTONG_PEOPLE)
#   recognition   a city's year of 1,000,000 orders, recounted              (HUTONG_ORDERS)
#   sustained     ten minutes at 5,000 messages a second                    (HUTONG_SUSTAINED_SECONDS, _RATE)
#
#   --restart     forgets what an unfinished run had reached
# Exit: 0 complete, or stopped by time with nothing wrong; 1 something failed; 2 bad usage or too little disk.
set -uo pipefail
cd "$(dirname "$0")/.." || exit 2

usage() {
  sed -n '2,25{s/^# \{0,1\}//;p}' "$0" >&2
  exit 2
}
name=${1:-}
case "$name" in
  kill | identity-kill | kafka | powercut) need_gb=3 ;;
  cluster | delivery) need_gb=10 ;;
  migrate) need_gb=25 ;;
  fuzz-?*) need_gb=3 ;;
  coverage) need_gb=3 ;;
  tsan | asan) need_gb=8 ;;
  identity) need_gb=15 ;;
  recognition) need_gb=12 ;;
  sustained) need_gb=25 ;;
  *) usage ;;
esac
folder=build/campaign/$name
[[ ${2:-} == --restart ]] && rm -rf "$folder"
[[ -z ${2:-} || ${2:-} == --restart ]] || usage
mkdir -p "$folder" docs/campaigns

free_gb=$(df --output=avail -BG build | tail -1 | tr -dc 0-9)
if ((free_gb < 2 * need_gb)); then
  echo "campaign $name needs $need_gb GB and refuses with less than twice that: $free_gb GB are free under build/" >&2
  exit 2
fi

commit=$(git describe --always --dirty 2>/dev/null || echo none)
state=$folder/state
done_count=0
seed=$((RANDOM * 32768 + RANDOM))
began=$(date -u +%FT%TZ)
# shellcheck disable=SC1090
[[ -f $state ]] && . "$state"
save() { printf 'done_count=%s\nseed=%s\nbegan=%s\nstate_commit="%s"\n' "$done_count" "$seed" "$began" "$commit" >"$state"; }
if [[ ${state_commit:-$commit} != *"$commit" ]]; then
  if [[ $name != fuzz-* ]]; then # executions add up over versions of the code, kills do not
    echo "The unfinished run was of commit $state_commit, this is $commit: its counts would not belong to this code." >&2
    echo "Start anew with: tests/campaign.sh $name --restart" >&2
    exit 2
  fi
  commit="$state_commit $commit"
else
  commit=${state_commit:-$commit}
fi
save
deadline=$((SECONDS + 60 * ${HUTONG_CAMPAIGN_MINUTES:-55}))

say() { printf '==> [%s %s] %s\n' "$name" "$(date -u +%T)" "$*" >&2; }
pause_here() {
  save
  say "time is up at $done_count; start it again to go on"
  exit 0
}
fail() {
  save
  say "FAILED after $done_count (seed $seed): $1"
  exit 1
}
# shellcheck disable=SC2016  # Markdown's backquotes, not the shell's
# report LINE...: the page of a complete campaign; ends the run
report() {
  local page
  page=docs/campaigns/$name-$(date -u +%F).md
  {
    printf '# Campaign %s\n\n' "$name"
    printf -- '- result: passed\n- commit: `%s`\n- seed: %s\n- began: %s, complete: %s\n' "$commit" "$seed" "$began" "$(date -u +%FT%TZ)"
    printf -- '- machine: %s, %s cores, Linux %s\n\n' "$(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -1)" "$(nproc)" "$(uname -r)"
    printf '%s\n' "$@"
  } >"$page"
  rm -f "$state"
  say "complete; wrote $page"
  exit 0
}
build() {
  local preset=$1
  shift
  say "building $preset"
  cmake --preset "$preset" -DBUILD_TESTING=ON >"$folder/configure.log" 2>&1 || { tail -20 "$folder/configure.log" >&2; fail "configure $preset"; }
  cmake --build "build/$preset" ${1:+--target} "$@" >&2 || fail "build $preset"
}
# shellcheck disable=SC2016
quoted() { printf '```\n%s\n```\n' "$(cat "$@")"; }

deploy/install-packages.sh test || exit 1
export PYTHONPATH=$PWD/tests/support PYTHONUNBUFFERED=1 HUTONG_SOURCE=$PWD HUTONG_BUILD=$PWD/build/release
export HUTONG_BINARY=$HUTONG_BUILD/hutong

# stories TOTAL CHUNK FILE: plays a crash story in chunks of rounds, each chunk with a seed of its own
stories() {
  local total=${HUTONG_ROUNDS:-$1} chunk=$2 file=$3 rounds
  build release hutong hutong_shim
  while ((done_count < total)); do
    ((SECONDS < deadline)) || pause_here
    rounds=$((total - done_count < chunk ? total - done_count : chunk))
    say "rounds $((done_count + 1)) to $((done_count + rounds)) of $total"
    HUTONG_ROUNDS=$rounds HUTONG_SEED=$((seed + done_count)) python3 -B "$file" >"$folder/$done_count.log" 2>&1 ||
      { tail -40 "$folder/$done_count.log" >&2; fail "$file, HUTONG_ROUNDS=$rounds HUTONG_SEED=$((seed + done_count))"; }
    grep -hE '[0-9]+ (kills|power cuts|rounds)' "$folder/$done_count.log" | sed "s/^/seed $((seed + done_count)): /" >>"$folder/summary" || true
    done_count=$((done_count + rounds))
    save
  done
  report "$total rounds of \`$file\`, each chunk with its own seed:" "" "$(quoted "$folder/summary")"
}

# schedules TOTAL: ten programs side by side, five schedules each: they mostly wait for the cluster
schedules() {
  local total=${HUTONG_SCHEDULES:-$1} first pids pid
  build release contract_log
  while ((done_count < total)); do
    ((SECONDS < deadline)) || pause_here
    say "schedules $((done_count + 1)) to $((done_count + 50)) of $total"
    pids=()
    for ((first = seed + done_count; first < seed + done_count + 50; first += 5)); do
      HUTONG_SCHEDULES=5 HUTONG_SEED=$first build/release/tests/contract_log --gtest_filter='KafkaSchedules.*' >"$folder/$first.log" 2>&1 &
      pids+=($!)
    done
    for pid in "${pids[@]}"; do
      wait "$pid" || { grep -h -B2 -A8 Failure "$folder"/*.log | tail -40 >&2; fail "a schedule; HUTONG_SEED in $folder/*.log"; }
    done
    grep -h 'schedules from seed' "$folder"/*.log >>"$folder/summary"
    rm -f "$folder"/*.log
    done_count=$((done_count + 50))
    save
  done
  report "$done_count schedules of \`tests/contract/log/kafka_schedules_test.cpp\`:" "" "$(quoted "$folder/summary")"
}

sanitizer() {
  local preset=$1 labels=$2 log=$folder/ctest.log
  build "$preset"
  export TSAN_OPTIONS="suppressions=$PWD/tests/support/tsan.supp halt_on_error=0 second_deadlock_stack=1"
  export UBSAN_OPTIONS=print_stacktrace=1:halt_on_error=1
  ctest --test-dir "build/$preset" -L "$labels" --output-on-failure -j2 >"$log" 2>&1 || { tail -60 "$log" >&2; fail "see $log"; }
  done_count=$(grep -c ' Passed ' "$log")
  report "ctest -L \`$labels\` in the $preset build:" "" "$(quoted <(tail -12 "$log"))"
}

case "$name" in
  kill) stories 500 50 tests/crash/killed_under_load_test.py ;;
  identity-kill) stories 200 25 tests/crash/identity_killed_test.py ;;
  kafka) schedules 500 ;;
  cluster) stories 10 2 tests/crash/cluster.py ;;
  delivery)
    build release hutong many_receivers
    story=tests/crash/eight_subscribers_test.py
    export HUTONG_SEED=$seed HUTONG_DELIVERY_RATE=${HUTONG_DELIVERY_RATE:-1000} HUTONG_DELIVERY_KILLS=${HUTONG_DELIVERY_KILLS:-20}
    seconds=${HUTONG_DELIVERY_SECONDS:-600}
    if ((done_count == 0)); then
      say "for $((seconds / 2)) s without the five that disturb"
      HUTONG_DELIVERY_CALM=1 HUTONG_DELIVERY_SECONDS=$((seconds / 2)) HUTONG_DELIVERY_RESULT=$folder/calm.p99 \
        python3 -B "$story" >"$folder/calm.log" 2>&1 || { tail -20 "$folder/calm.log" >&2; fail "$story, HUTONG_DELIVERY_CALM=1"; }
      done_count=1
      save
    fi
    ((SECONDS + 2 * seconds < deadline || SECONDS < 60)) || pause_here
    say "for $seconds s with them"
    HUTONG_DELIVERY_SECONDS=$seconds HUTONG_DELIVERY_BASELINE=$(cat "$folder/calm.p99") \
      python3 -B "$story" >"$folder/log" 2>&1 || { tail -20 "$folder/log" >&2; fail "$story, HUTONG_SEED=$seed"; }
    for log in calm.log log; do
      sed -nE 's/^test_.* \.\.\. //; /^[0-9]+ kills/,/^the undisturbed/p' "$folder/$log"
    done >"$folder/summary"
    cat "$folder/summary"
    report "\`$story\`, $((seconds / 2)) s without the five that disturb, then $seconds s with them; latency from append to arrival, outside the kills:" \
      '' "$(quoted "$folder/summary")"
    ;;
  migrate)
    build release hutong
    export HUTONG_SEED=$seed
    python3 -B tests/crash/migrate.py >"$folder/log" 2>&1 || { tail -40 "$folder/log" >&2; fail "tests/crash/migrate.py, HUTONG_SEED=$HUTONG_SEED"; }
    grep -h 'records migrated' "$folder/log" | fold -s -w 150 >"$folder/summary"
    report "\`tests/crash/migrate.py\`, once:" "" "$(quoted "$folder/summary")"
    ;;
  powercut) stories 100 20 tests/crash/power_cut_test.py ;;
  fuzz-*)
    target=fuzz_${name#fuzz-}
    target=${target//-/_}
    total=${HUTONG_FUZZ_RUNS:-20000000}
    build fuzz "$target"
    while ((done_count < total)); do
      ((SECONDS < deadline)) || pause_here
      left=$((deadline - SECONDS))
      tests/fuzz/run.sh "$target" -runs=$((total - done_count)) -max_total_time=$((left < 300 ? left : 300)) \
        -seed=$(((seed + done_count) % 4294967295 + 1)) >"$folder/last.log" 2>&1 ||
        { tail -40 "$folder/last.log" >&2; fail "a finding: build/fuzz/findings/$target"; }
      runs=$(sed -n 's/^stat::number_of_executed_units: *//p' "$folder/last.log")
      done_count=$((done_count + ${runs:-0}))
      save
      say "$done_count of $total executions, $(find "build/fuzz/grown/${target#fuzz_}" -type f | wc -l) inputs kept"
    done
    report "$done_count executions of \`$target\` under AddressSanitizer and UndefinedBehaviorSanitizer, no finding." "" \
      "$(quoted <(grep -E '^(stat::|#[0-9]+.*(DONE|pulse))' "$folder/last.log" | tail -8))"
    ;;
  coverage)
    say "building with coverage"
    cmake --preset fuzz -B build/coverage -DBUILD_TESTING=ON -DHUTONG_SANITIZE= \
      -DCMAKE_CXX_FLAGS="-O1 -g1 -fprofile-instr-generate -fcoverage-mapping" >"$folder/configure.log" 2>&1 || fail "configure"
    mapfile -t targets < <(ninja -C build/coverage -t targets all | sed -nE 's/^(fuzz_[a-z0-9_]+): phony$/\1/p')
    ((${#targets[@]})) || fail "there is no fuzz target"
    cmake --build build/coverage --target "${targets[@]}" >&2 || fail "build"
    : >"$folder/summary"
    for target in "${targets[@]}"; do
      short=${target#fuzz_}
      program=$(find build/coverage -type f -name "$target" -perm -u+x | head -1)
      LLVM_PROFILE_FILE=$folder/$short.profraw "$program" -runs=0 "tests/fuzz/corpus/$short" >"$folder/$short.log" 2>&1 || fail "$target over its corpus"
      llvm-profdata-16 merge -sparse "$folder/$short.profraw" -o "$folder/$short.profdata" || fail "llvm-profdata-16"
      case "$short" in # the reader that a target is for
        gb18030) reader='hl7v2/gb18030[.]' ;;
        hl7v2) reader='format/hl7v2/' ;;
        journal_reader) reader='journal/(scan|layout)[.]' ;;
        mllp) reader='mllp/framer[.]' ;;
        *) fail "which files does $target read with? Name them here" ;;
      esac
      printf '%s\n' "$target" >>"$folder/summary"
      llvm-cov-16 report "$program" -instr-profile="$folder/$short.profdata" 2>/dev/null | awk -v reader="$reader" '
        $1 ~ reader && $8 > 0 { printf "  %-50s lines %6s  missed %6s  %s\n", $1, $8, $9, $10; lines += $8; missed += $9 }
        END { reached = lines ? 100 * (1 - missed / lines) : 0
              printf "  %-50s lines %6d  missed %6d  %.2f%%\n", "together", lines, missed, reached
              exit reached < 90 }' >>"$folder/summary" || { cat "$folder/summary" >&2; fail "$target reaches less than 90 % of its reader"; }
    done
    cat "$folder/summary"
    report "Lines of each reader that its committed corpus reaches (at least 90 % are asked):" "" "$(quoted "$folder/summary")"
    ;;
  tsan) sanitizer tsan '^(unit|contract|golden|e2e)$' ;;
  asan) sanitizer asan '^(unit|contract|golden|e2e|crash)$' ;;
  identity)
    build release identity_population
    build/release/tests/identity_population --people "${HUTONG_PEOPLE:-1000000}" --seed "$seed" --rate 2000 --cache 4096 --rebuild \
      --folder "$folder/population" >"$folder/summary" || { cat "$folder/summary" >&2; fail "identity_population"; }
    rm -rf "$folder/population"
    cat "$folder/summary"
    report "$(quoted "$folder/summary")"
    ;;
  recognition)
    build release recognition_year
    build/release/tests/recognition_year --orders "${HUTONG_ORDERS:-1000000}" --seed "$seed" --folder "$folder/year" \
      --minutes $(((deadline - SECONDS) / 60 + 1)) >>"$folder/summary"
    case $? in
      0) ;;
      3)
        done_count=$(cut -d" " -f3 "$folder/year/state")
        pause_here
        ;;
      *) cat "$folder/summary" >&2; fail "the recount differs" ;;
    esac
    rm -rf "$folder/year"
    cat "$folder/summary"
    report "A simulated year; the statistics' counters against a recount of the log by another way, before and after a rebuild:" \
      '' "$(quoted "$folder/summary")"
    ;;
  sustained)
    bench/run.sh sustained --json "$folder/sustained.json" >"$folder/summary" || { cat "$folder/summary" >&2; fail "bench/run.sh sustained"; }
    cat "$folder/summary"
    report "$(quoted "$folder/summary")"
    ;;
esac
