// What several commands read from their arguments.
#pragma once

#include <string>

#include "broker/app/config.h"

namespace hutong::app {

std::string read_file(const std::string& path);       // throws ConfigError
Listen read_target(const std::string& to);            // "HOST:PORT"; throws ConfigError

}  // namespace hutong::app
