#!/bin/bash
# Starts node $KAFKA_NODE of deploy/compose: its configuration from the common one, its disk formatted once.
set -euo pipefail
own=/tmp/server.properties
{
  cat /etc/hutong/kafka.properties
  echo "node.id=$KAFKA_NODE"
  echo "advertised.listeners=PLAINTEXT://kafka-$KAFKA_NODE:9092"
} >"$own"
/opt/kafka/bin/kafka-storage.sh format --ignore-formatted --cluster-id "$(</run/secrets/kafka-cluster-id)" --config "$own"
exec /opt/kafka/bin/kafka-server-start.sh "$own"
