#!/usr/bin/env bash
# Makes deploy/compose/installation/, once: this cluster's keys, certificates and passwords, and the folder for its hospitals.
# What is there is never replaced, so it can be run again.
#
#   deploy/compose/prepare.sh [NAME...]     NAMEs (hosts) by which hospitals and clients will reach the load balancer
#
# The certificates come from an authority of its own, for trying out. For real feeds replace tls-broker.pem, tls-broker.key and
# tls-authority.pem by the region's (the certificate must name broker-1 and broker-2, too: Prometheus asks them); hospitals' certificates must be signed by tls-hospitals.pem.
# Exit: 0 everything is there; 1 something could not be made.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
to=${HUTONG_INSTALLATION:-$here/installation}
secrets=$to/secrets
umask 022
mkdir -p "$to/schemas/facilities" "$secrets"
# Compose shows each of these files to those services only that name it, with the owner and mode that it has here; their users
# differ. So the folder is closed to everyone else on this machine, and the files in it are readable.
chmod 700 "$secrets"

# make NAME COMMAND...: the file, from the command's output, unless it is there
make() {
  local file=$secrets/$1
  shift
  [[ -s $file ]] && return
  "$@" >"$file.new"
  mv "$file.new" "$file"
  echo "made $file"
}
password() { openssl rand -hex 24; }
random_bytes() { head -c "$1" /dev/urandom; }
line() { printf '%s\n' "$*"; }

# One cluster id for three nodes; 16 bytes in base64url, as Kafka's storage tool makes them.
cluster_id() { openssl rand 16 | basenc --base64url | tr -d '=\n'; }
make kafka-cluster-id cluster_id

make postgres-password password
connection() { line "host=postgres dbname=hutong user=hutong password=$(<"$secrets/postgres-password")"; }
make postgres-connection connection
make grafana-password password

# What all brokers of an installation share (docs/adr/0010, operations.md): a token of one is good at all, and the identifiers
# in the views are keyed by the same key.
make identifier.key random_bytes 32
make token.key openssl genpkey -algorithm ed25519

# A registered client needs a public key; Prometheus signs nothing, so the private half is thrown away.
jwks() {
  local key x y
  key=$(openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-384)
  coordinate() { openssl pkey -pubout -outform DER <<<"$key" | tail -c 96 | "$1" -c 48 | basenc --base64url -w0 | tr -d =; }
  x=$(coordinate head) y=$(coordinate tail)
  line "{\"keys\":[{\"kty\":\"EC\",\"crv\":\"P-384\",\"kid\":\"prometheus-1\",\"use\":\"sig\",\"x\":\"$x\",\"y\":\"$y\"}]}"
}
make prometheus.jwks jwks

if [[ ! -s $secrets/tls-broker.pem ]]; then
  work=$(mktemp -d)
  trap 'rm -rf "$work"' EXIT
  key() { openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256; }
  key >"$work/authority.key"
  key >"$work/broker.key"
  names=DNS:broker-1,DNS:broker-2,DNS:localhost,IP:127.0.0.1
  for name in "$@"; do
    if [[ $name =~ ^[0-9.]+$|: ]]; then names+=,IP:$name; else names+=,DNS:$name; fi
  done
  openssl req -x509 -new -key "$work/authority.key" -days 3650 -subj "/CN=Hutong trial authority" -out "$work/authority.pem"
  openssl req -new -key "$work/broker.key" -subj "/CN=hutong" -out "$work/broker.csr"
  openssl x509 -req -in "$work/broker.csr" -CA "$work/authority.pem" -CAkey "$work/authority.key" -CAcreateserial -days 825 \
    -extfile <(printf 'subjectAltName=%s\nextendedKeyUsage=serverAuth\n' "$names") -out "$work/broker.pem" 2>/dev/null
  make tls-authority.pem cat "$work/authority.pem"
  # With it certificates for trial hospitals are signed; it is not given to any service.
  make tls-authority.key cat "$work/authority.key"
  make tls-hospitals.pem cat "$work/authority.pem"
  make tls-broker.key cat "$work/broker.key"
  make tls-broker.pem cat "$work/broker.pem"
fi
