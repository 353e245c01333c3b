// The log and the store that the configuration names: [log] kind, [store] kind. For serve and for the commands that
// read while no broker runs.
#pragma once

#include <filesystem>
#include <functional>
#include <memory>
#include <string>

#include "broker/app/config.h"
#include "broker/app/data_folder.h"
#include "broker/port/log.h"
#include "broker/port/store.h"

namespace hutong::app {

struct OpenedLog {
  std::unique_ptr<port::Log> log;
  // A consistent copy into a folder that does not exist yet, while running. Empty: the log keeps its own copies
  // (Kafka).
  std::function<Result<void>(const std::filesystem::path&)> copy_to;
};

// Errors: those of the log's own open().
Result<OpenedLog> open_log(const Config& config, const DataFolder& folder);
// Errors: those of the store's own open().
Result<std::unique_ptr<port::Store>> open_store(const Config& config, const DataFolder& folder);

// An empty store beside the present one, which stays as it is until `take_place` puts the new one there. What an
// interrupted one left is removed.
struct FreshStore {
  std::unique_ptr<port::Store> store;
  std::function<Result<void>()> take_place;  // once, after the store was closed and destroyed
  std::string name;                          // of the place
};
Result<FreshStore> open_fresh_store(const Config& config, const DataFolder& folder);

}  // namespace hutong::app
