// The store that the configuration names: [store] kind. For serve and for the commands that read while no broker runs.
#pragma once

#include <memory>

#include "broker/app/config.h"
#include "broker/app/data_folder.h"
#include "broker/port/store.h"

namespace hutong::app {

// Errors: those of the store's own open().
Result<std::unique_ptr<port::Store>> open_store(const Config& config, const DataFolder& folder);

}  // namespace hutong::app
