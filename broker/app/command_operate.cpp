// hutong status, quarantine, trace, renormalize, backup: what an operator asks of the running broker.
#include <fmt/format.h>

#include "broker/app/commands.h"
#include "broker/app/local_json.h"
#include "broker/app/offline.h"
#include "broker/base/time.h"

namespace hutong::app {
namespace {

std::string megabytes(double bytes) {
  if (bytes >= 10.0 * (1ULL << 30U)) return fmt::format("{:.0f} GiB", bytes / (1ULL << 30U));
  return fmt::format("{:.1f} MiB", bytes / (1ULL << 20U));
}

// Local time is what an operator's watch shows: the installation's zone.
std::string local_time(const std::string& iso, int zone_minutes) {
  const auto span = parse_iso(iso, 0);
  return span ? to_iso(span->first, zone_minutes).substr(0, 19) : iso;
}

void print_status(const Config& config, const rapidjson::Document& status, const rapidjson::Document& feeds) {
  fmt::print("hutong {}  since {}  MLLP {}  HTTP {}\n", text_of(status, "version"),
             local_time(text_of(status, "started"), config.zone_minutes), text_of(status, "mllp"), text_of(status, "http"));
  for (const auto& dependency : status["dependencies"].GetArray()) {
    const bool ready = dependency["ready"].GetBool();
    fmt::print("  {:<6} {}{}\n", text_of(dependency, "name"), ready ? "ready" : "NOT READY: ", ready ? "" : text_of(dependency, "reason"));
  }
  const double lag = number_of(status, "logEnd") - number_of(status, "projected");
  fmt::print("  log {} records, {}; projected up to {}: lag {:.0f} records, {:.1f} s\n", text_of(status, "logEnd"),
             megabytes(number_of(status, "logBytes")), text_of(status, "projected"), lag, number_of(status, "lagSeconds"));
  const double days = number_of(status, "diskDaysLeft");
  fmt::print("  store {}; disk {} free of {}, {}\n", megabytes(number_of(status, "storeBytes")),
             megabytes(number_of(status, "diskFreeBytes")), megabytes(number_of(status, "diskTotalBytes")),
             days < 0 ? std::string("days left: known after five minutes of traffic") : fmt::format("{:.0f} days left at today's rate", days));
  fmt::print("  {} connections, {} in flight, {} of memory\n", text_of(status, "connections"),
             megabytes(number_of(status, "inflightBytes")), megabytes(number_of(status, "residentBytes")));
  if (status["unknownSendersAccepted"].GetBool()) fmt::print("  ALARM unknown senders are accepted ([mllp] unknown_senders)\n");
  if (status["plainBeyondLoopback"].GetBool()) fmt::print("  ALARM unencrypted connections beyond this machine are allowed (allow_plain)\n");
  fmt::print("\n{:<22}{:>10}{:>10}{:>10}{:>10}  {}\n", "facility", "messages", "rejected", "resends", "unmapped", "last message");
  for (const auto& feed : feeds["feeds"].GetArray()) {
    fmt::print("{:<22}{:>10}{:>10}{:>10}{:>10}  {}\n", text_of(feed, "facility"), text_of(feed, "total"), text_of(feed, "rejected"),
               text_of(feed, "duplicates"), text_of(feed, "unmapped"),
               feed.HasMember("last") ? local_time(text_of(feed, "last"), config.zone_minutes) : "never");
  }
}

void print_trace(const rapidjson::Document& trace, const Config& config) {
  for (const auto& record : trace["records"].GetArray()) {
    const auto& source = record["source"];
    const auto& times = record["times"];
    fmt::print("record {} at offset {}\n", text_of(record, "record"), text_of(record, "offset"));
    fmt::print("  from     {} ({}^{}), {} {} {}, control id {}\n", text_of(source, "facility"), text_of(source, "application"),
               text_of(source, "senderFacility"), text_of(source, "type"), text_of(source, "version"), text_of(source, "charset"),
               text_of(source, "controlId"));
    fmt::print("  received {} on {}, durable and acknowledged {}\n", local_time(text_of(times, "received"), config.zone_minutes),
               text_of(source, "connection"), local_time(text_of(times, "appended"), config.zone_minutes));
    fmt::print("  raw      {} bytes, SHA-256 {}\n", text_of(record["raw"], "bytes"), text_of(record["raw"], "sha256"));
    for (const auto& event : record["events"].GetArray()) {
      fmt::print("  event    {} {} v{} {}{}{}\n", text_of(event, "id"), text_of(event, "kind"), text_of(event, "version"),
                 text_of(event, "status"), event.HasMember("report") ? " report " : "", text_of(event, "report"));
    }
    fmt::print("  person   {}\n", text_of(record["identity"], "person"));
    for (const auto& issue : record["issues"].GetArray()) {
      fmt::print("  {:<8} {} {} {} {}\n", text_of(issue, "severity"), text_of(issue, "path"), text_of(issue, "code"),
                 text_of(issue, "found"), text_of(issue, "expected"));
    }
  }
  for (const auto& item : trace["quarantine"].GetArray()) {
    fmt::print("refused {} {} at {}: {} (hutong quarantine show {}/{})\n", text_of(item, "answer"), text_of(item, "reason"),
               text_of(item, "path"), local_time(text_of(item, "received"), config.zone_minutes), text_of(item, "facility"),
               text_of(item, "hash"));
  }
}

std::string trace_target(const std::string& id) {
  const auto slash = id.find('/');
  if (slash == std::string::npos) return "/api/v1/trace/" + percent_encoded(id);
  return "/api/v1/trace/" + percent_encoded(id.substr(0, slash)) + "/" + percent_encoded(id.substr(slash + 1));
}

}  // namespace

void add_status(CLI::App& app, Terminal& terminal) {
  auto* command = app.add_subcommand("status", "Feeds, lag, backlog, disk and days left at today's rate, dependencies");
  auto options = std::make_shared<CommonOptions>();
  add_config(*command, *options);
  add_json(*command, *options);
  command->callback([options, &terminal] {
    const Config config = read_config(find_config(options->config));
    const auto status = ask(terminal, config, "GET", "/api/v1/status");
    if (!status) return;
    const auto feeds = ask(terminal, config, "GET", "/api/v1/feeds");
    if (!feeds) return;
    if (options->json) {
      // One document: the status with its feeds.
      auto end = status->rfind('}');
      auto begin = feeds->find('{');
      fmt::print("{},{}", status->substr(0, end), feeds->substr(begin + 1));
      return;
    }
    print_status(config, read_answer(*status), read_answer(*feeds));
  });
}

void add_trace(CLI::App& app, Terminal& terminal) {
  struct Options : CommonOptions {
    std::string id;
  };
  auto* command = app.add_subcommand("trace", "The life of a message: a record id, an event id or FACILITY/MSH-10");
  auto options = std::make_shared<Options>();
  add_config(*command, *options);
  add_json(*command, *options);
  command->add_option("ID", options->id, "Record id, event id, or FACILITY/control id")->required();
  command->callback([options, &terminal] {
    const Config config = read_config(find_config(options->config));
    std::optional<std::string> body;
    if (LocalClient(config.data).reachable()) {
      body = ask(terminal, config, "GET", trace_target(options->id));
    } else {
      auto found = offline_answer(config, "GET", trace_target(options->id));
      if (!found) return report_failure(terminal, found.error());
      body = std::move(*found);
    }
    if (!body) return;
    if (options->json) {
      fmt::print("{}", *body);
      return;
    }
    const auto document = read_answer(*body);
    if (document["records"].Empty() && document["quarantine"].Empty()) {
      return report_failure(terminal, {ErrorCode::not_found,
                                       fmt::format("{}: not found among the records {} to {}", options->id,
                                                   text_of(document, "searchedFrom"), text_of(document, "searchedTo"))});
    }
    print_trace(document, config);
  });
}

void add_quarantine(CLI::App& app, Terminal& terminal) {
  struct Options : CommonOptions {
    std::string facility, id, to;
    std::size_t limit = 100;
  };
  auto* command = app.add_subcommand("quarantine", "Messages that were refused: list, show, export, retry");
  command->require_subcommand(1);
  auto options = std::make_shared<Options>();
  add_config(*command, *options);
  const auto sub = [&](const char* name, const char* help) {
    auto* made = command->add_subcommand(name, help);
    add_config(*made, *options);
    add_json(*made, *options);
    return made;
  };
  auto* list = sub("list", "What was refused, by facility");
  list->add_option("--facility", options->facility, "Only of this facility");
  list->add_option("--limit", options->limit, "At most so many")->check(CLI::Range(1, 1000))->capture_default_str();
  list->callback([options, &terminal] {
    const Config config = read_config(find_config(options->config));
    const auto body = ask(terminal, config, "GET", fmt::format("/api/v1/quarantine?limit={}{}", options->limit,
        options->facility.empty() ? "" : "&facility=" + percent_encoded(options->facility)));
    if (!body) return;
    if (options->json) {
      fmt::print("{}", *body);
      return;
    }
    const auto document = read_answer(*body);
    for (const auto& item : document["messages"].GetArray()) {
      fmt::print("{}/{}  {}  {} {} at {}  control id {}  {}{}\n", text_of(item, "facility"), text_of(item, "hash"),
                 local_time(text_of(item, "received"), config.zone_minutes), text_of(item, "answer"), text_of(item, "reason"),
                 text_of(item, "path"), text_of(item, "controlId"), text_of(item, "type"),
                 text_of(item, "retried").empty() ? "" : "  retried: " + text_of(item, "retried"));
    }
    if (document["messages"].Empty()) fmt::print("nothing is in quarantine\n");
    if (document.HasMember("next")) fmt::print("… more: --limit {}\n", options->limit * 10);
  });
  const auto target = [options] {
    const auto slash = options->id.find('/');
    if (slash == std::string::npos) throw ConfigError("expected FACILITY/HASH, as hutong quarantine list prints it");
    return "/api/v1/quarantine/" + percent_encoded(options->id.substr(0, slash)) + "/" + percent_encoded(options->id.substr(slash + 1));
  };
  auto* show = sub("show", "The bytes as received; audited");
  show->add_option("ID", options->id, "FACILITY/HASH")->required();
  show->callback([options, target, &terminal] {
    const Config config = read_config(find_config(options->config));
    const auto about = ask(terminal, config, "GET", target());
    if (!about) return;
    auto raw = ask(terminal, config, "GET", target() + "/raw");
    if (!raw) return;
    fmt::print(stderr, "{}", *about);
    for (auto& c : *raw) {
      if (c == '\r') c = '\n';
    }
    fmt::print("{}\n", *raw);
  });
  auto* export_command = sub("export", "The bytes as received into a file; audited");
  export_command->add_option("ID", options->id, "FACILITY/HASH")->required();
  export_command->add_option("--to", options->to, "File to write (must not exist)")->required();
  export_command->callback([options, target, &terminal] {
    const Config config = read_config(find_config(options->config));
    const auto raw = ask(terminal, config, "GET", target() + "/raw");
    if (!raw) return;
    std::FILE* file = std::fopen(options->to.c_str(), "wbx");
    if (!file) return report_failure(terminal, {ErrorCode::conflict, options->to + ": exists already or cannot be written"});
    const bool written = std::fwrite(raw->data(), 1, raw->size(), file) == raw->size();
    if (std::fclose(file) != 0 || !written) report_failure(terminal, {ErrorCode::unavailable, options->to + ": could not be written"});
  });
  auto* retry = sub("retry", "Judge a message anew with today's facilities, maps and reader");
  retry->add_option("ID", options->id, "FACILITY/HASH")->required();
  retry->callback([options, target, &terminal] {
    const Config config = read_config(find_config(options->config));
    const auto body = ask(terminal, config, "POST", target() + "/retry", "{}");
    if (!body) return;
    const auto document = read_answer(*body);
    const bool accepted = text_of(document, "answer") == "accepted" && !document["records"].Empty();
    if (options->json) {
      fmt::print("{}", *body);
    } else {
      fmt::print("{}\n", accepted ? "accepted" : "still refused; hutong quarantine show tells why");
    }
    if (!accepted) terminal.exit_code = 1;
  });
}

void add_renormalize(CLI::App& app, Terminal& terminal) {
  struct Options : CommonOptions {
    std::uint64_t from = 0;
    std::string sender;
  };
  auto* command = app.add_subcommand("renormalize", "Read stored messages with today's maps; what differs is appended as the next version");
  auto options = std::make_shared<Options>();
  add_config(*command, *options);
  add_json(*command, *options);
  command->add_option("--from", options->from, "First offset of the log (0: all)")->required();
  command->add_option("--sender", options->sender, "Only of this facility");
  command->callback([options, &terminal] {
    const Config config = read_config(find_config(options->config));
    const auto body = ask(terminal, config, "POST", "/api/v1/renormalize",
                          fmt::format("{{\"from\":{},\"sender\":\"{}\"}}", options->from, options->sender));
    if (!body) return;
    if (options->json) {
      fmt::print("{}", *body);
      return;
    }
    const auto document = read_answer(*body);
    fmt::print("{} messages read, {} came out differently and were appended\n", text_of(document, "read"), text_of(document, "changed"));
  });
}

void add_backup(CLI::App& app, Terminal& terminal) {
  struct Options : CommonOptions {
    std::string directory;
  };
  auto* command = app.add_subcommand("backup", "A consistent copy of the installation, while the broker runs");
  auto options = std::make_shared<Options>();
  add_config(*command, *options);
  add_json(*command, *options);
  command->add_option("DIR", options->directory, "Folder to make (must not exist); keep it as safe as the data: it holds the keys")->required();
  command->callback([options, &terminal] {
    const Config config = read_config(find_config(options->config));
    const auto directory = std::filesystem::absolute(options->directory).string();
    std::string quoted;
    for (const char c : directory) {
      if (c == '"' || c == '\\') quoted += '\\';
      quoted += c;
    }
    if (!ask(terminal, config, "POST", "/api/v1/backup", "{\"directory\":\"" + quoted + "\"}")) return;
    if (options->json) {
      fmt::print("{{\"directory\":\"{}\"}}\n", quoted);
    } else {
      fmt::print("copied to {}; keep it elsewhere, and try a restore: hutong restore {}\n", directory, directory);
    }
  });
}

}  // namespace hutong::app
