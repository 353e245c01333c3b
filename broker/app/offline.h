// The installation's files opened by a command while no broker runs.
#pragma once

#include <string>
#include <string_view>

#include "broker/app/config.h"
#include "broker/base/error.h"

namespace hutong::app {

// Answers one operator's route from the files, as the running broker would. Errors: conflict (a broker has them open).
Result<std::string> offline_answer(const Config& config, std::string_view method, std::string_view target);

}  // namespace hutong::app
