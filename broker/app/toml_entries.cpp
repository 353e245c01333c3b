#include "broker/app/toml_entries.h"

#include <fmt/format.h>

#include <algorithm>
#include <vector>

#include "broker/app/config.h"

namespace hutong::app {

namespace fs = std::filesystem;

void mistake(const fs::path& file, const toml::node& at, const std::string& what) {
  throw ConfigError(fmt::format("{}:{}: {}", file.string(), at.source().begin.line, what));
}

void for_each_entry(const fs::path& folder, const std::string& name,
                    const std::function<void(const fs::path& file, const toml::table& entry)>& each) {
  if (!fs::exists(folder)) return;
  std::vector<fs::path> files;
  for (const auto& entry : fs::directory_iterator(folder)) {
    if (entry.path().extension() == ".toml") files.push_back(entry.path());
  }
  std::sort(files.begin(), files.end());
  for (const auto& file : files) {
    toml::table root;
    try {
      root = toml::parse_file(file.string());
    } catch (const toml::parse_error& e) {
      throw ConfigError(fmt::format("{}:{}: {}", file.string(), e.source().begin.line, e.description()));
    }
    for (const auto& [key, value] : root) {
      if (key.str() != name || !value.is_array_of_tables())
        mistake(file, value, fmt::format("unknown key \"{}\"; expected [[{}]] entries", key.str(), name));
      for (const auto& item : *value.as_array()) each(file, *item.as_table());
    }
  }
}

}  // namespace hutong::app
