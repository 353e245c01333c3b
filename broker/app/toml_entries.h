// A folder of *.toml files that declare one kind of thing each: [[facility]], [[subscription]].
#pragma once

#include <filesystem>
#include <functional>
#include <string>
#include <toml++/toml.h>

namespace hutong::app {

// Throws ConfigError: the file, the line, and what is wrong there.
[[noreturn]] void mistake(const std::filesystem::path& file, const toml::node& at, const std::string& what);

// Each [[name]] of each file, in the order of the files' names; nothing where there is no such folder. Throws ConfigError where
// a file is not TOML or holds anything else.
void for_each_entry(const std::filesystem::path& folder, const std::string& name,
                    const std::function<void(const std::filesystem::path& file, const toml::table& entry)>& each);

}  // namespace hutong::app
