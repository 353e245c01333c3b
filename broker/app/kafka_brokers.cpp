#include "broker/app/kafka_brokers.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <vector>

namespace hutong::app {
namespace {

// The hosts; none where one is not "host:port".
std::vector<std::string> hosts_of(std::string_view brokers) {
  std::vector<std::string> hosts;
  while (true) {
    const auto one = brokers.substr(0, brokers.find(','));
    const auto colon = one.rfind(':');
    if (colon == std::string_view::npos || colon == 0) return {};
    const auto digits = one.substr(colon + 1);
    if (digits.empty() || digits.size() > 5 || digits.find_first_not_of("0123456789") != std::string_view::npos)
      return {};
    if (const int port = std::stoi(std::string(digits)); port < 1 || port > 65535) return {};
    hosts.emplace_back(one.substr(0, colon));
    if (one.size() == brokers.size()) return hosts;
    brokers.remove_prefix(one.size() + 1);
  }
}

}  // namespace

std::string fault_of_brokers(std::string_view brokers) {
  return hosts_of(brokers).empty() ? "expected \"host:port,host:port\", such as \"kafka1.example.org:9093\"" : "";
}

bool leaves_in_clear(std::string_view brokers, const std::map<std::string, std::string>& settings) {
  const auto found = settings.find("security.protocol");
  std::string protocol = found == settings.end() ? "" : found->second;
  std::transform(protocol.begin(), protocol.end(), protocol.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  if (protocol == "ssl" || protocol == "sasl_ssl") return false;
  const auto hosts = hosts_of(brokers);
  return std::any_of(hosts.begin(), hosts.end(), [](const std::string& host) {
    return !host.starts_with("127.") && host != "[::1]" && host != "localhost";
  });
}

bool is_kafka_topic(std::string_view name) {
  return !name.empty() && name.size() <= 249 && name != "." && name != ".." &&
         std::all_of(name.begin(), name.end(), [](char c) {
           return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '.' || c == '-' ||
                  c == '_';
         });
}

void check_sources(const Config& config, const model::FacilityDirectory& facilities) {
  for (const auto& source : config.kafka_sources) {
    if (source.facility.empty() || facilities.find(source.facility)) continue;
    throw ConfigError(
        fmt::format("{}:{}: [kafka_sources.{}] facility: \"{}\": no facility has this code (schemas/facilities)",
                    config.file.string(), source.line, source.name, source.facility));
  }
}

}  // namespace hutong::app
