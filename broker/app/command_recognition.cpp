// hutong recognition check, diff, import: the tables of mutual recognition before they are in force. No broker is needed;
// one that runs takes them up at SIGHUP.
#include <fmt/format.h>
#include <rapidjson/stringbuffer.h>
#include <rapidjson/writer.h>
#include <unistd.h>

#include <fstream>

#include "broker/app/commands.h"
#include "broker/app/rules.h"
#include "broker/recognition/catalogue.h"
#include "broker/recognition/tables.h"

namespace hutong::app {
namespace fs = std::filesystem;
namespace {

using recognition::Catalogue;
using recognition::Severity;

// Of one folder that is complete by itself, or of what the configuration says is in effect.
std::vector<fs::path> folders_of(const Terminal& terminal, const std::string& folder) {
  if (!folder.empty()) {
    if (!fs::is_directory(folder)) throw ConfigError(folder + ": no such folder");
    return {folder};
  }
  return recognition_folders(read_config(find_config(terminal.config)));
}

std::shared_ptr<const Catalogue> read(const std::vector<fs::path>& folders) {
  try {
    return Catalogue::load_unchecked(folders);
  } catch (const std::runtime_error& e) {
    throw ConfigError(e.what());
  }
}

std::size_t errors_in(const Catalogue& catalogue) {
  std::size_t errors = 0;
  for (const auto& finding : catalogue.check()) errors += finding.severity == Severity::error;
  return errors;
}

void check(Terminal& terminal, const std::string& folder) {
  const auto catalogue = read(folders_of(terminal, folder));
  const auto errors = errors_in(*catalogue);
  const auto warnings = catalogue->check().size() - errors;
  if (terminal.json) {
    rapidjson::StringBuffer out;
    rapidjson::Writer<rapidjson::StringBuffer> json(out);
    const auto text = [&](const char* name, const std::string& value) {
      json.Key(name);
      json.String(value.c_str(), static_cast<rapidjson::SizeType>(value.size()));
    };
    json.StartObject();
    text("version", catalogue->version());
    json.Key("errors");
    json.Uint64(errors);
    json.Key("warnings");
    json.Uint64(warnings);
    json.Key("findings");
    json.StartArray();
    for (const auto& finding : catalogue->check()) {
      json.StartObject();
      text("severity", finding.severity == Severity::error ? "error" : "warning");
      text("place", finding.place);
      text("what", finding.what);
      json.EndObject();
    }
    json.EndArray();
    json.EndObject();
    fmt::print("{}\n", std::string_view(out.GetString(), out.GetSize()));
  } else {
    for (const auto& finding : catalogue->check()) {
      fmt::print("{} {}: {}\n", finding.severity == Severity::error ? "ERROR  " : "warning", finding.place, finding.what);
    }
    fmt::print("recognition {}: {} errors, {} warnings\n", catalogue->version(), errors, warnings);
  }
  if (errors) terminal.exit_code = 1;
}

void diff(Terminal& terminal, const std::string& before, const std::string& after) {
  for (const auto& folder : {before, after}) {
    if (!fs::is_directory(folder)) throw ConfigError(folder + ": no such folder");
  }
  std::vector<std::string> lines;
  try {
    lines = recognition::differences(before, after);
  } catch (const std::runtime_error& e) {
    throw ConfigError(e.what());
  }
  if (terminal.json) {
    rapidjson::StringBuffer out;
    rapidjson::Writer<rapidjson::StringBuffer> json(out);
    json.StartObject();
    json.Key("differences");
    json.StartArray();
    for (const auto& line : lines) json.String(line.c_str(), static_cast<rapidjson::SizeType>(line.size()));
    json.EndArray();
    json.EndObject();
    fmt::print("{}\n", std::string_view(out.GetString(), out.GetSize()));
    return;
  }
  for (const auto& line : lines) fmt::print("{}\n", line);
  fmt::print("{} differences\n", lines.size());
}

struct ImportOptions {
  std::string table, file, valid_from;
  bool dry_run = false;
};

void import(Terminal& terminal, const ImportOptions& options) {
  const auto* form = recognition::table(options.table);
  if (!form) {
    std::string names;
    for (const auto& each : recognition::tables()) names += (names.empty() ? "" : ", ") + std::string(each.name);
    throw ConfigError("--table: one of " + names);
  }
  const Config config = read_config(find_config(terminal.config));
  const auto own = config.data / "schemas" / "recognition";
  const auto name = options.table + ".csv";
  // The installation's own table from now on: it begins as a copy of what is in effect.
  auto stands = own / name;
  if (!fs::exists(stands)) stands = recognition_folders(config).front() / name;
  recognition::Imported made;
  std::shared_ptr<const Catalogue> with;
  const auto trial = config.data / "run" / ("recognition-" + std::to_string(getpid()));
  try {
    made = recognition::import_rows(*form, stands, options.file, options.valid_from);
    // Judged in a folder of its own before anything is replaced.
    fs::create_directories(trial);
    if (fs::exists(own)) fs::copy(own, trial, fs::copy_options::recursive | fs::copy_options::overwrite_existing);
    std::ofstream(trial / name, std::ios::binary) << made.table;
    auto folders = recognition_folders(config);
    folders.push_back(trial);
    with = Catalogue::load_unchecked(folders);
    fs::remove_all(trial);
  } catch (const std::runtime_error& e) {
    std::error_code ignored;
    fs::remove_all(trial, ignored);
    throw ConfigError(e.what());
  }
  std::size_t errors = 0;
  for (const auto& finding : with->check()) {
    if (finding.severity != Severity::error) continue;
    ++errors;
    fmt::print(stderr, "ERROR {}: {}\n", fs::path(finding.place).filename().string(), finding.what);
  }
  if (errors) {
    fmt::print(stderr, "hutong: nothing was imported: {} errors\n", errors);
    terminal.exit_code = 1;
    return;
  }
  if (!options.dry_run) {
    fs::create_directories(own);
    const auto fresh = own / (name + ".new");
    std::ofstream(fresh, std::ios::binary) << made.table;
    fs::rename(fresh, own / name);
  }
  if (terminal.json) {
    fmt::print("{{\"table\":\"{}\",\"added\":{},\"changed\":{},\"closed\":{},\"unchanged\":{},\"written\":{}}}\n", options.table, made.added,
               made.changed, made.closed, made.unchanged, !options.dry_run);
  } else {
    fmt::print("{}: {} added, {} changed, {} ended, {} as they were{}\n", options.table, made.added, made.changed, made.closed, made.unchanged,
               options.dry_run ? " (nothing written: --dry-run)" : "; SIGHUP takes it up");
  }
}

}  // namespace

void add_recognition(CLI::App& app, Terminal& terminal) {
  auto* command = app.add_subcommand("recognition", "The tables of mutual recognition (schemas/recognition)");
  command->require_subcommand(1);

  struct Folders {
    std::string one, other;
  };
  auto folders = std::make_shared<Folders>();
  auto* checking = command->add_subcommand("check", "Name conflicts and gaps; exit 1 where there is a conflict");
  checking->add_option("DIR", folders->one, "A folder of tables; else what the configuration says is in effect");
  checking->callback([folders, &terminal] { check(terminal, folders->one); });

  auto* comparing = command->add_subcommand("diff", "What differs between two folders of tables");
  comparing->add_option("BEFORE", folders->one)->required();
  comparing->add_option("AFTER", folders->other)->required();
  comparing->callback([folders, &terminal] { diff(terminal, folders->one, folders->other); });

  auto options = std::make_shared<ImportOptions>();
  auto* importing = command->add_subcommand("import", "Lay a published list (CSV with some of the table's columns) over the installation's table");
  importing->add_option("--table", options->table, "items, panels, order_codes, marks, eqa, alliances, negative, reasons, prices, clauses, parameters")
      ->required();
  importing->add_option("--valid-from", options->valid_from, "Day from which its rows hold, where they do not say (2026-01-31)");
  importing->add_flag("--dry-run", options->dry_run, "Judge it and say what would change, write nothing");
  importing->add_option("FILE", options->file, "The list")->required()->check(CLI::ExistingFile);
  importing->callback([options, &terminal] { import(terminal, *options); });
}

}  // namespace hutong::app
