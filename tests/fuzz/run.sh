#!/usr/bin/env bash
# Runs one fuzz target of build/fuzz over its committed corpus; new inputs stay in build/fuzz/grown/, findings in
# build/fuzz/findings/. Used by tests/run.sh (seconds) and tests/campaign.sh (an hour).
#
#   tests/fuzz/run.sh fuzz_NAME [LIBFUZZER OPTIONS]
set -euo pipefail
cd "$(dirname "$0")/../.."
target=${1:?usage: tests/fuzz/run.sh fuzz_NAME [LIBFUZZER OPTIONS]}
shift
name=${target#fuzz_}
program=$(find build/fuzz -type f -name "$target" -perm -u+x | head -1)
if [[ -z $program ]]; then
  echo "build/fuzz holds no $target: cmake --preset fuzz && cmake --build build/fuzz --target $target" >&2
  exit 2
fi
grown=build/fuzz/grown/$name
findings=build/fuzz/findings/$target
mkdir -p "$grown" "$findings"
corpora=()
for folder in "tests/fuzz/corpus/$name" "tests/fuzz/$name/corpus" "tests/fuzz/corpora/$name"; do
  [[ -d $folder ]] && corpora+=("$folder")
done
dictionary=()
for file in "tests/fuzz/$name.dict" "tests/fuzz/$name/$name.dict"; do
  [[ -f $file ]] && dictionary=("-dict=$file")
done
exec "$program" -artifact_prefix="$findings/" -rss_limit_mb=2048 -timeout=10 -print_final_stats=1 "${dictionary[@]}" "$@" \
  "$grown" "${corpora[@]}"
