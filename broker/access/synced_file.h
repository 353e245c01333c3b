// Small files that must survive a loss of power. Threads: any; one writer per file. Mode 0600.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "broker/access/flat_object.h"
#include "broker/base/error.h"

namespace hutong::access {

// The whole content in one step: temporary file, sync, rename, sync of the folder. Errors: unavailable.
Result<void> replace_file(const std::filesystem::path& path, std::string_view content);
// nullopt-like: an absent file is an empty text. Errors: unavailable.
Result<std::string> read_file(const std::filesystem::path& path);
// Of a file of JSON objects, one a line. Errors: unavailable, corrupt ("<path> is damaged").
Result<std::vector<FlatObject>> read_lines(const std::filesystem::path& path);
Result<void> sync_directory(const std::filesystem::path& directory);

}  // namespace hutong::access
