// What is asked of a Kafka cluster that is not our log, wherever it is named: subscriptions and sources.
#pragma once

#include <map>
#include <string>
#include <string_view>

#include "broker/app/config.h"
#include "broker/model/facility.h"

namespace hutong::app {

// What is wrong with a list of brokers, "host:port,host:port"; "" nothing.
std::string fault_of_brokers(std::string_view brokers);
// Whether patients' data would leave this machine in clear, by librdkafka's settings.
bool leaves_in_clear(std::string_view brokers, const std::map<std::string, std::string>& settings);
bool is_kafka_topic(std::string_view name);
inline constexpr std::string_view expected_topic = "expected a topic's name: 1 to 249 characters of A-Z a-z 0-9 . _ -";
inline constexpr std::string_view in_clear =
    "leaves this machine without encryption: say settings.security.protocol = \"SSL\" or \"SASL_SSL\", or allow_plain "
    "= "
    "true where a gateway encrypts";

// Throws ConfigError where a source is of a facility that there is not.
void check_sources(const Config& config, const model::FacilityDirectory& facilities);

}  // namespace hutong::app
