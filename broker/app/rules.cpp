#include "broker/app/rules.h"

#include "broker/app/facilities.h"
#include "broker/app/files.h"
#include "broker/critical/rules.h"
#include "broker/recognition/catalogue.h"
#include "broker/referral/rules.h"

namespace hutong::app {
namespace fs = std::filesystem;

std::shared_ptr<const pipeline::Rules> read_rules(const Config& config) {
  const auto built_in = find_schemas(config);
  const auto own = config.data / "schemas";
  auto rules = std::make_shared<pipeline::Rules>();
  rules->facilities = read_facilities(built_in / "facilities", own / "facilities", config.zone_minutes);
  std::vector<fs::path> folders{built_in / "terminology"};
  if (fs::exists(own / "terminology")) folders.push_back(own / "terminology");
  try {
    rules->normalizer = std::make_shared<normalize::Normalizer>(terminology::Terminology::load(folders), config.zone_minutes);
  } catch (const std::runtime_error& e) {
    throw ConfigError(e.what());
  }
  try {
    rules->catalogue = recognition::Catalogue::load(recognition_folders(config));
    rules->referral = referral::Rules::load(rule_folders(config, "referral"));
    rules->critical = critical::Rules::load(rule_folders(config, "critical"));
  } catch (const std::runtime_error& e) {
    throw ConfigError(e.what());
  }
  rules->accept_unknown_senders = config.mllp.accept_unknown_senders;
  for (const auto* facility : rules->facilities->all()) {
    if (!facility->code_system.empty() && !rules->normalizer->terminology().map(facility->code_system)) {
      throw ConfigError("facility \"" + facility->code + "\": code_system \"" + facility->code_system +
                        "\": there is no terminology/maps/" + facility->code_system + ".csv");
    }
  }
  return rules;
}

std::shared_ptr<const identity::Weights> read_identity_weights(const Config& config) {
  const fs::path name = fs::path("identity") / "weights.csv";
  const fs::path own = config.data / "schemas" / name;
  const fs::path file = fs::exists(own) ? own : find_schemas(config) / name;
  auto weights = identity::read_weights(read_file(file.string()));
  if (!weights) throw ConfigError(file.string() + ": " + weights.error().message);
  return std::make_shared<const identity::Weights>(std::move(*weights));
}

std::vector<fs::path> rule_folders(const Config& config, std::string_view room) {
  std::vector<fs::path> folders{find_schemas(config) / room};
  if (const auto own = config.data / "schemas" / room; fs::exists(own)) folders.push_back(own);
  return folders;
}

std::vector<fs::path> recognition_folders(const Config& config) {
  return rule_folders(config, "recognition");
}

std::string terminology_version(const pipeline::Rules& rules) {
  return std::string(rules.normalizer->terminology().version());
}

std::optional<std::chrono::milliseconds> read_duration(std::string_view written) {
  std::size_t at = 0;
  std::int64_t amount = 0;
  while (at < written.size() && written[at] >= '0' && written[at] <= '9' && at < 12) amount = amount * 10 + (written[at++] - '0');
  if (at == 0) return std::nullopt;
  const auto unit = written.substr(at);
  if (unit == "ms") return std::chrono::milliseconds(amount);
  if (unit == "s") return std::chrono::seconds(amount);
  if (unit == "m" || unit == "min") return std::chrono::minutes(amount);
  if (unit == "h") return std::chrono::hours(amount);
  return std::nullopt;
}

}  // namespace hutong::app
