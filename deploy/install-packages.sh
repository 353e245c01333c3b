#!/usr/bin/env bash
# Installs from Debian 12 what building Hutong needs, or testing it, and only what is missing: a second run changes
# nothing and needs no network. Shared by deploy/quickstart.sh and tests/run.sh.
#
#   deploy/install-packages.sh build    compiler, build tools, libraries
#   deploy/install-packages.sh test     the same, and what the tests use
#   deploy/install-packages.sh list build|test    only prints the names
#
# Exit: 0 everything is there; 1 it could not be installed (the message says what to do); 2 bad usage.
set -euo pipefail

build_packages=(
  clang-16 lld-16 cmake ninja-build ccache pkg-config       # the compiler that docs/adr/0007-compiler.md asks for
  libclang-rt-16-dev                                        # sanitizers and libFuzzer's run time
  libboost1.81-dev libssl-dev                               # Asio, Beast, TLS, digests
  rapidjson-dev libexpected-dev libtomlplusplus-dev libcli11-dev libspdlog-dev libfmt-dev
  openssl                                                   # the quickstart makes its clients' keys
  librocksdb-dev libpq-dev prometheus-cpp-dev libsodium-dev libxxhash-dev
  libjemalloc-dev                                           # the broker's allocator
  librdkafka-dev                                            # the log on Kafka
)
test_packages=(
  libgtest-dev libgmock-dev libbenchmark-dev
  python3                                                   # end-to-end, crash, corpus and layers tests, bench
  postgresql                                                # the store on PostgreSQL; its own cluster stays untouched
  strace                                                    # a disk that fails, in the crash tests
  chromium                                                  # the live page in a real browser
  chromium-driver                                           # drives it (tests/support/browser.py)
  clang-format-16 clang-tidy-16 llvm-16 jq                  # style, coverage, results
  openjdk-17-jdk-headless maven kcat                        # a real Kafka, HAPI as a client (tests/support/maven.py)
  git                                                       # which files are the project's (layers tests)
  procps util-linux                                         # taskset, ps
  prometheus haproxy systemd python3-yaml                   # deploy/ held by the tools that read it
)
# Debian starts these when they are installed; the tests start their own, so the machine is left without.
services=(haproxy postgresql prometheus)

usage() {
  sed -n '2,9{s/^# \{0,1\}//;p}' "$0" >&2
  exit 2
}

only_list=no
if [[ ${1:-} == list ]]; then
  only_list=yes
  shift
fi
case "${1:-}" in
  build) wanted=("${build_packages[@]}") ;;
  test) wanted=("${build_packages[@]}" "${test_packages[@]}") ;;
  *) usage ;;
esac
if [[ $only_list == yes ]]; then
  printf '%s\n' "${wanted[@]}"
  exit 0
fi

say() { if [[ -t 2 ]]; then printf '\033[1m==> %s\033[0m\n' "$*" >&2; else printf '==> %s\n' "$*" >&2; fi; }

if ! command -v dpkg-query >/dev/null || ! command -v apt-get >/dev/null; then
  say "This is not a Debian system: install the equivalents of these packages yourself, then run the command again:"
  printf '    %s\n' "${wanted[*]}" >&2
  exit 1
fi

missing=()
for package in "${wanted[@]}"; do
  status=$(dpkg-query -W -f='${db:Status-Status}' "$package" 2>/dev/null || true)
  [[ $status == installed ]] || missing+=("$package")
done
if ((${#missing[@]} == 0)); then
  exit 0
fi

# shellcheck disable=SC1091
. /etc/os-release
if [[ ${ID:-} != debian || ${VERSION_ID:-} != 12 ]]; then
  say "Hutong is built and tested on Debian 12; this is ${PRETTY_NAME:-unknown}. Going on, the names may differ."
fi

as_root=()
if ((EUID != 0)); then
  if command -v sudo >/dev/null && { sudo -n true 2>/dev/null || [[ -t 0 ]]; }; then
    as_root=(sudo)
  else
    say "${#missing[@]} packages are missing, and this user may not install them (neither root nor sudo)."
    say "Ask an administrator to run this once, then run the command again:"
    printf '    apt-get update && apt-get install --no-install-recommends %s\n' "${missing[*]}" >&2
    exit 1
  fi
fi
export DEBIAN_FRONTEND=noninteractive
apt() {
  "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=300 -o Acquire::Retries=3 "$@" </dev/null
}

say "Installing ${#missing[@]} missing packages: ${missing[*]}"
if ! apt update >&2; then
  say "apt-get update failed: check the network and /etc/apt/sources.list, then run the command again."
  exit 1
fi
if [[ $1 == test && ! -e /usr/sbin/policy-rc.d ]]; then  # Debian's way to say: start nothing now
  printf '#!/bin/sh\nexit 101\n' | "${as_root[@]}" tee /usr/sbin/policy-rc.d >/dev/null
  trap '"${as_root[@]}" rm -f /usr/sbin/policy-rc.d' EXIT
  "${as_root[@]}" chmod 755 /usr/sbin/policy-rc.d
fi
if ! apt install -y --no-install-recommends "${missing[@]}" >&2; then
  say "apt-get install failed: its own message is above. Every name is in Debian 12 (main);"
  say "is 'main' of bookworm enabled in /etc/apt/sources.list or /etc/apt/sources.list.d?"
  exit 1
fi
for service in "${services[@]}"; do  # nor at the next boot; what was there before is left as it was
  if [[ " ${missing[*]} " == *" $service "* ]] && command -v systemctl >/dev/null; then
    "${as_root[@]}" systemctl disable --quiet "$service" 2>/dev/null || say "$service could not be disabled: it will run after the next boot"
  fi
done
say "Packages are in place."
