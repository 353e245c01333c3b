// Reads what a reload replaces: facilities and terminology, the built-in set and the installation's own over it.
#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <string>

#include "broker/app/config.h"
#include "broker/identity/weights.h"
#include "broker/pipeline/intake.h"

namespace hutong::app {

// Throws ConfigError with file and line.
std::shared_ptr<const pipeline::Rules> read_rules(const Config& config);
// What agreements between patients are worth: schemas/identity/weights.csv, the installation's own before the built-in.
// Throws ConfigError with file and line.
std::shared_ptr<const identity::Weights> read_identity_weights(const Config& config);
// Where the tables of mutual recognition lie: the built-in ones, and the installation's own, which replace them by
// file.
std::vector<std::filesystem::path> recognition_folders(const Config& config);
// The same for any room of schemas: "referral", "critical".
std::vector<std::filesystem::path> rule_folders(const Config& config, std::string_view room);
std::string terminology_version(const pipeline::Rules& rules);

// "300s", "10m", "12h", "250ms"; nullopt: not a duration with its unit.
std::optional<std::chrono::milliseconds> read_duration(std::string_view written);

}  // namespace hutong::app
