#include "broker/app/facilities.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>
#include <toml++/toml.h>
#include <vector>

#include "broker/app/toml_entries.h"
#include "broker/model/identifier.h"

namespace hutong::app {
namespace fs = std::filesystem;
namespace {

std::string text(const fs::path& file, const toml::table& table, const char* key, std::set<std::string>& known) {
  known.insert(key);
  const auto* node = table.get(key);
  if (!node) return {};
  const auto* value = node->as_string();
  if (!value) mistake(file, *node, fmt::format("{}: expected a text in quotes", key));
  return value->get();
}

bool is_code(const std::string& code) {
  return !code.empty() && code.size() <= 64 && std::all_of(code.begin(), code.end(), [](char c) {
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '.' || c == '-';
  });
}

model::Facility read_one(const fs::path& file, const toml::table& table, int zone_minutes) {
  std::set<std::string> known;
  model::Facility facility;
  facility.zone_minutes = zone_minutes;
  facility.code = text(file, table, "code", known);
  if (!is_code(facility.code)) {
    mistake(file, table, "code: expected 1 to 64 characters of A-Z a-z 0-9 . - (it names the facility for ever)");
  }
  facility.name_zh = text(file, table, "name_zh", known);
  facility.name_en = text(file, table, "name_en", known);
  facility.level = text(file, table, "level", known);
  facility.kind = text(file, table, "kind", known);
  facility.area = text(file, table, "area", known);
  facility.alliance = text(file, table, "alliance", known);
  facility.charset = text(file, table, "charset", known);
  facility.certificate = text(file, table, "certificate", known);
  facility.code_system = text(file, table, "code_system", known);
  facility.uscc = text(file, table, "uscc", known);
  if (!facility.uscc.empty() && !model::is_uscc(facility.uscc)) {
    mistake(file, *table.get("uscc"),
            "uscc: expected the 统一社会信用代码 after GB 32100, 18 digits and capitals; its form or check character is wrong");
  }
  text(file, table, "site_profile", known);
  const auto zone = text(file, table, "zone", known);
  if (!zone.empty()) {
    if (zone.size() != 6 || (zone[0] != '+' && zone[0] != '-') || zone[3] != ':') {
      mistake(file, *table.get("zone"), "zone: expected an offset such as \"+08:00\"");
    }
    facility.zone_minutes = (std::atoi(zone.substr(1, 2).c_str()) * 60 + std::atoi(zone.substr(4, 2).c_str())) *
                            (zone[0] == '-' ? -1 : 1);
  }
  const auto on_quarantine = text(file, table, "on_quarantine", known);
  if (on_quarantine == "accept-with-warning") {
    facility.on_quarantine = model::OnQuarantine::accept_with_warning;
  } else if (!on_quarantine.empty() && on_quarantine != "reject") {
    mistake(file, *table.get("on_quarantine"), "on_quarantine: expected \"reject\" or \"accept-with-warning\"");
  }
  known.insert("aliases");
  if (const auto* node = table.get("aliases")) {
    const auto* list = node->as_array();
    if (!list) mistake(file, *node, "aliases: expected [{ msh3 = \"…\", msh4 = \"…\" }]");
    for (const auto& item : *list) {
      const auto* alias = item.as_table();
      if (!alias) mistake(file, item, "aliases: expected { msh3 = \"…\", msh4 = \"…\" }");
      std::set<std::string> alias_known;
      model::Facility::Alias read{text(file, *alias, "msh3", alias_known), text(file, *alias, "msh4", alias_known)};
      if (read.msh4.empty()) mistake(file, item, "aliases: msh4 is missing");
      for (const auto& [key, value] : *alias) {
        if (!alias_known.count(std::string(key.str()))) mistake(file, value, fmt::format("aliases: unknown key \"{}\"", key.str()));
      }
      facility.aliases.push_back(std::move(read));
    }
  }
  for (const auto& [key, value] : table) {
    if (!known.count(std::string(key.str()))) mistake(file, value, fmt::format("unknown key \"{}\" of a facility", key.str()));
  }
  return facility;
}

void read_folder(const fs::path& folder, std::map<std::string, std::pair<model::Facility, std::string>>& by_code, bool overrides,
                 int zone_minutes) {
  std::set<std::string> here;
  for_each_entry(folder, "facility", [&](const fs::path& file, const toml::table& entry) {
    auto facility = read_one(file, entry, zone_minutes);
    const auto code = facility.code;
    if (!here.insert(code).second) mistake(file, entry, fmt::format("facility \"{}\" is declared twice", code));
    if (!overrides && by_code.count(code)) mistake(file, entry, fmt::format("facility \"{}\" is declared twice", code));
    by_code[code] = {std::move(facility), file.string()};
  });
}

}  // namespace

std::shared_ptr<const model::FacilityDirectory> read_facilities(const fs::path& built_in, const fs::path& own, int zone_minutes) {
  std::map<std::string, std::pair<model::Facility, std::string>> by_code;
  read_folder(built_in, by_code, false, zone_minutes);
  read_folder(own, by_code, true, zone_minutes);
  auto directory = std::make_shared<model::FacilityDirectory>();
  for (auto& [code, entry] : by_code) {
    try {
      directory->add(std::move(entry.first));
    } catch (const std::invalid_argument& e) {
      throw ConfigError(entry.second + ": " + e.what());
    }
  }
  return directory;
}

fs::path find_schemas(const Config& config) {
  if (!config.schemas.empty()) {
    if (!fs::exists(config.schemas / "terminology")) {
      throw ConfigError(fmt::format("{}: [broker] schemas = \"{}\": no terminology/ there", config.file.string(),
                                    config.schemas.string()));
    }
    return config.schemas;
  }
  std::error_code failed;
  const auto program = fs::read_symlink("/proc/self/exe", failed);
  for (auto folder = program.parent_path(); !folder.empty() && folder != folder.root_path(); folder = folder.parent_path()) {
    for (const auto* candidate : {"schemas", "share/hutong/schemas"}) {
      if (fs::exists(folder / candidate / "terminology", failed)) return folder / candidate;
    }
  }
  throw ConfigError("the schemas folder is not beside the program; set [broker] schemas in the configuration");
}

}  // namespace hutong::app
