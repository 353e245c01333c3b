// Reads schemas/facilities/*.toml, the built-in set and the installation's own under DIR/schemas/facilities, which
// overrides it by code. Strict as the configuration is.
#pragma once

#include <filesystem>
#include <memory>

#include "broker/app/config.h"
#include "broker/model/facility.h"

namespace hutong::app {

// `zone_minutes`: of a facility that names none. Throws ConfigError with file and line.
std::shared_ptr<const model::FacilityDirectory> read_facilities(const std::filesystem::path& built_in,
                                                                const std::filesystem::path& own,
                                                                int zone_minutes = 480);

// The folder that holds event/, facilities/, terminology/: [broker] schemas, else beside the program (a checkout's
// build folder, or PREFIX/share/hutong/schemas).
std::filesystem::path find_schemas(const Config& config);

}  // namespace hutong::app
