// Whether the cluster's topics are fit to be the log: made when missing, else checked. Blocks; used at open only.
#pragma once

#include "adapters/log/kafka/client.h"

namespace hutong::kafka {

// Errors: unavailable, conflict (names topic, setting, what was found and what to do).
Result<void> prepare_topics(rd_kafka_s* client, const KafkaOptions& options);

}  // namespace hutong::kafka
