#!/usr/bin/env bash
# From a fresh Debian 12 to a running broker with a simulated region feeding it: installs what is missing, builds a
# release, starts it on embedded storage and prints the console's address with a one-time sign-in. Run it again and it
# starts in seconds, keeps the data and goes on with new traffic. Ctrl-C stops all of it cleanly.
#
#   deploy/quickstart.sh [--data DIR] [--http-port N] [--mllp-port N] [--no-simulation]
#
#   --data DIR        where everything is kept; made when absent (default: hutong-data in the checkout)
#   --http-port N     console, FHIR, metrics on 127.0.0.1:N (default 8080)
#   --mllp-port N     HL7 v2 on 127.0.0.1:N (default 2575)
#   --no-simulation   no simulated region; connect your own senders
#
# DIR/hutong.toml is written once and never overwritten; a port option given later changes only that line.
# Exit: 0 stopped by Ctrl-C or SIGTERM; 1 something failed (said why); 2 bad usage or configuration.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
data=$root/hutong-data
http_port='' mllp_port='' simulation=yes

say() { if [[ -t 2 ]]; then printf '\033[1m==> %s\033[0m\n' "$*" >&2; else printf '==> %s\n' "$*" >&2; fi; }
usage() {
  printf 'quickstart: %s (deploy/quickstart.sh --help)\n' "$1" >&2
  exit 2
}
is_port() { [[ $1 =~ ^[0-9]{1,5}$ ]] && ((10#$1 <= 65535)); }

while (($#)); do
  case "$1" in
    --data | --http-port | --mllp-port)
      [[ -n ${2:-} ]] || usage "$1 needs a value"
      case "$1" in
        --data) data=$2 ;;
        --http-port) http_port=$2 ;;
        --mllp-port) mllp_port=$2 ;;
      esac
      shift
      ;;
    --no-simulation) simulation=no ;;
    -h | --help)
      sed -n '2,14{s/^# \{0,1\}//;p}' "$0"
      exit 0
      ;;
    *) usage "unknown option $1" ;;
  esac
  shift
done
[[ -z $http_port ]] || is_port "$http_port" || usage "--http-port $http_port is not a port"
[[ -z $mllp_port ]] || is_port "$mllp_port" || usage "--mllp-port $mllp_port is not a port"

# --- install and build --------------------------------------------------------------------------------------------
cd "$root"
deploy/install-packages.sh build
if [[ ! -f build/release/build.ninja ]]; then
  say "Configuring the release build"
  cmake --preset release -DBUILD_TESTING=OFF >&2
fi
say "Building (the first time takes some minutes; each line is one step)"
cmake --build build/release --target hutong >&2
hutong=$root/build/release/hutong

# --- the installation ---------------------------------------------------------------------------------------------
if [[ ! -d $data ]]; then
  mkdir -p "$data"
  chmod 700 "$data"
fi
data=$(cd "$data" && pwd)
config=$data/hutong.toml
if [[ ! -f $config ]]; then
  cat >"$config" <<END
# Written once by deploy/quickstart.sh, yours to change from here on. Every key is explained in deploy/hutong.toml of the
# checkout; check a change with: hutong check --config $config

[mllp]
listen = "127.0.0.1:${mllp_port:-2575}"
# For trying out: a sender that nobody registered gets a provisional facility. For real feeds say "reject".
unknown_senders = "accept"

[http]
listen = "127.0.0.1:${http_port:-8080}"
END
  # Each client signs for its own tokens (docs/operations.md): the private half is the client's, here it stays beside.
  mkdir -p -m 700 "$data/keys"
  for client in clinic operator; do
    key=$data/keys/$client.pem
    (umask 077 && openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-384 -out "$key" 2>/dev/null)
    half() { openssl pkey -in "$key" -pubout -outform DER | tail -c 96 | "$1" -c 48 | basenc --base64url -w0 | tr -d =; }
    printf '{"keys":[{"kty":"EC","crv":"P-384","kid":"%s-1","use":"sig","x":"%s","y":"%s"}]}\n' "$client" "$(half head)" "$(half tail)" \
      >"$data/keys/$client.jwks"
    printf '\n[clients.%s]\njwks = "file:keys/%s.jwks"\n' "$client" "$client" >>"$config"
  done
  say "Wrote $config"
fi

# listen_of SECTION: its listen value
listen_of() { awk -F'"' -v s="[$1]" '/^\[/{here=($0==s)} here && /^listen *=/{print $2; exit}' "$config"; }
# set_port SECTION PORT: changes that line when a port was asked for and another one stands there
set_port() {
  local now
  now=$(listen_of "$1")
  [[ -n $2 && ${now##*:} != "$2" ]] || return 0
  [[ -n $now ]] || usage "$config has no [$1] listen line to change; edit it"
  awk -v s="[$1]" -v to="listen = \"${now%:*}:$2\"" \
    '/^\[/{here=($0==s)} here && /^listen *=/{print to; next} {print}' "$config" >"$config.new"
  mv "$config.new" "$config"
  say "$config: [$1] listen is now ${now%:*}:$2"
}
set_port http "$http_port"
set_port mllp "$mllp_port"
"$hutong" check --config "$config" >/dev/null || exit 2

# --- run ----------------------------------------------------------------------------------------------------------
broker='' simulator='' stopping=no

# Ends one child: SIGTERM, then up to 30 s to drain. Children have their own session, so Ctrl-C reaches only this script.
stop_child() {
  local child=$1
  [[ -n $child ]] && kill -TERM "$child" 2>/dev/null || return 0
  for _ in $(seq 300); do
    kill -0 "$child" 2>/dev/null || break
    sleep 0.1
  done
  kill -KILL "$child" 2>/dev/null || true
  wait "$child" 2>/dev/null || true
}
stop_all() {
  [[ $stopping == no ]] || return 0
  stopping=yes
  trap '' INT TERM HUP
  say "Stopping"
  stop_child "$simulator"
  stop_child "$broker"
  say "Stopped. The data are in $data; the next start goes on from there."
}
trap 'stop_all; exit 0' INT TERM HUP
trap stop_all EXIT

# --pdeathsig: should this script be killed outright, its children still end cleanly.
child() { exec setsid setpriv --pdeathsig TERM "$@"; }

mkdir -p "$data/run"
rm -f "$data/run/ports.json"
child "$hutong" serve --config "$config" >"$data/run/serve.out" 2>>"$data/serve.log" &
broker=$!

broker_failed() {
  say "The broker ended by itself. Its last words ($data/serve.log):"
  tail -n 20 "$data/serve.log" >&2
  broker=''
  exit 1
}
# ready PORT: whether /readyz answers 200 there
ready() {
  local line
  exec 3<>"/dev/tcp/127.0.0.1/$1" || return 1
  printf 'GET /readyz HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n' >&3
  IFS= read -r -t 5 line <&3 || line=''
  exec 3<&- 3>&-
  [[ $line == *' 200 '* ]]
}
port_of() { sed -nE "s/.*\"$1\" *: *([0-9]+).*/\1/p" "$data/run/ports.json" 2>/dev/null | head -1; }

say "Starting the broker (a large log is read back first)"
waited=0
until http_port=$(port_of http) && [[ -n $http_port ]] && ready "$http_port" 2>/dev/null; do
  kill -0 "$broker" 2>/dev/null || broker_failed
  sleep 0.1
  if ((++waited % 100 == 0)); then say "still starting after $((waited / 10)) s ($data/serve.log)"; fi
done
mllp_port=$(port_of mllp)

if [[ $simulation == yes ]]; then
  # The region's last month at 20 messages a second, then at the pace of its own day.
  child "$hutong" simulate --region deploy/regions/demo.toml --seed 1 --start "$(date -d '-30 days' +%F)" --live \
    --resume "$data/simulator.state" --rate 20 --to "127.0.0.1:$mllp_port" >"$data/simulator.log" 2>&1 &
  simulator=$!
fi

# The one place where the sign-in comes from: serve prints "console: URL#signin=..." as a line of its standard output.
console=$(sed -nE 's/^console: *//p' "$data/run/serve.out" | tail -1)
rm -f "$data/run/serve.out"
cat <<END

  Hutong is running.

    console     ${console:-http://127.0.0.1:$http_port/}
                (the sign-in in this address works once)
    FHIR        http://127.0.0.1:$http_port/fhir      token: $hutong token --client clinic --config $config
    MLLP        127.0.0.1:$mllp_port      unknown senders are accepted: this is for trying out, on loopback only
    simulation  $(if [[ $simulation == yes ]]; then echo "a demo region sends 20 messages a second ($data/simulator.log)"; else echo "none (--no-simulation)"; fi)
    data        $data      log: $data/serve.log

  Ctrl-C stops all of it.

END

while true; do
  ended=0
  wait -n -p who ${broker:+"$broker"} ${simulator:+"$simulator"} || ended=$?
  if [[ ${who:-} == "$broker" ]]; then
    broker_failed
  elif [[ -n $simulator && ${who:-} == "$simulator" ]]; then
    simulator=''
    say "The simulation ended with $ended ($data/simulator.log):"
    tail -n 5 "$data/simulator.log" >&2
    say "The broker goes on; Ctrl-C stops it."
  fi
done
