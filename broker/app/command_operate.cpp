// hutong status, quarantine, trace, renormalize, backup: what an operator asks of the running broker.
#include <fmt/format.h>
#include <rapidjson/stringbuffer.h>
#include <rapidjson/writer.h>

#include "broker/access/token.h"
#include "broker/app/commands.h"
#include "broker/app/local_json.h"
#include "broker/app/offline.h"
#include "broker/app/progress.h"
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
    const auto reason = text_of(dependency, "reason");
    fmt::print("  {:<10} {}{}{}\n", text_of(dependency, "name"), ready ? "ready" : "NOT READY: ", ready && !reason.empty() ? ", ALARM " : "", reason);
  }
  const double lag = number_of(status, "logEnd") - number_of(status, "projected");
  // Nothing on our own disk: the log is Kafka's, and so are its days.
  const bool on_disk = number_of(status, "logBytes") > 0;
  fmt::print("  log {} records{}; projected up to {}: lag {:.0f} records, {:.1f} s\n", text_of(status, "logEnd"),
             on_disk ? ", " + megabytes(number_of(status, "logBytes")) : "", text_of(status, "projected"), lag, number_of(status, "lagSeconds"));
  const double days = number_of(status, "diskDaysLeft");
  const auto left = days >= 0 ? fmt::format(", {:.0f} days left at today's rate", days)
                              : std::string(on_disk ? ", days left: known after five minutes of traffic" : "");
  fmt::print("  store {}; disk {} free of {}{}\n", megabytes(number_of(status, "storeBytes")),
             megabytes(number_of(status, "diskFreeBytes")), megabytes(number_of(status, "diskTotalBytes")), left);
  fmt::print("  {} connections, {} in flight, {} of memory\n", text_of(status, "connections"),
             megabytes(number_of(status, "inflightBytes")), megabytes(number_of(status, "residentBytes")));
  if (status["unknownSendersAccepted"].GetBool()) fmt::print("  ALARM unknown senders are accepted ([mllp] unknown_senders)\n");
  if (status["plainBeyondLoopback"].GetBool()) fmt::print("  ALARM unencrypted connections beyond this machine are allowed (allow_plain)\n");
  fmt::print("\n{:<22}{:>10}{:>10}{:>10}{:>10}  {}\n", "facility", "messages", "rejected", "resends", "unmapped", "last message");
  for (const auto& feed : feeds["feeds"].GetArray()) {
    fmt::print("{:<22}{:>10}{:>10}{:>10}{:>10}  {}\n", text_of(feed, "facility"), text_of(feed, "total"), text_of(feed, "rejected"),
               text_of(feed, "resends"), text_of(feed, "unmapped"),
               feed.HasMember("last") ? local_time(text_of(feed, "last"), config.zone_minutes) : "never");
  }
  fmt::print("resends: since the start, as nothing of them is kept; the rest: of all the log\n");
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
    for (const auto& delivery : record["deliveries"].GetArray()) {
      fmt::print("  delivery {} to {}: {}{}{}{}\n", text_of(delivery, "event"), text_of(delivery, "subscription"), text_of(delivery, "state"),
                 delivery.HasMember("at") ? " " + local_time(text_of(delivery, "at"), config.zone_minutes) : "",
                 text_of(delivery, "answer").empty() ? "" : ", answered " + text_of(delivery, "answer"),
                 number_of(delivery, "attempts") > 1 ? ", " + text_of(delivery, "attempts") + " attempts" : "");
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

std::string json_quoted(std::string_view text) {
  rapidjson::StringBuffer out;
  rapidjson::Writer<rapidjson::StringBuffer> writer(out);
  writer.String(text.data(), static_cast<rapidjson::SizeType>(text.size()));
  return {out.GetString(), out.GetSize()};
}

// A sender that repeats what was refused blocks its own queue: how often, and whether it still does.
std::string repetitions_of(const rapidjson::Value& item, int zone_minutes) {
  const auto times = number_of(item, "repeated");
  if (times == 0) return {};
  return fmt::format("  came again {:.0f} times since start, last {}", times,
                     local_time(text_of(item, "repeatedLast"), zone_minutes));
}

std::string trace_target(const std::string& id, const std::optional<std::uint64_t>& before) {
  const auto slash = id.find('/');
  const auto from = before ? fmt::format("?before={}", *before) : std::string();
  if (slash == std::string::npos) return "/api/v1/trace/" + percent_encoded(id) + from;
  return "/api/v1/trace/" + percent_encoded(id.substr(0, slash)) + "/" + percent_encoded(id.substr(slash + 1)) + from;
}

}  // namespace

void add_status(CLI::App& app, Terminal& terminal) {
  auto* command = app.add_subcommand("status", "Feeds, lag, backlog, disk and days left at today's rate, dependencies");
  command->callback([&terminal] {
    const Config config = read_config(find_config(terminal.config));
    const auto status = ask(terminal, config, "GET", "/api/v1/status");
    if (!status) return;
    const auto feeds = ask(terminal, config, "GET", "/api/v1/feeds");
    if (!feeds) return;
    if (terminal.json) {
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
  struct Options {
    std::string id;
    std::optional<std::uint64_t> before;
  };
  auto* command = app.add_subcommand("trace", "The life of a message: a record id, an event id or FACILITY/MSH-10");
  auto options = std::make_shared<Options>();
  command->add_option("ID", options->id, "Record id, event id, or FACILITY/control id")->required();
  command->add_option("--before", options->before,
                      "Look below this offset of the log (default: from the newest record back)");
  command->callback([options, &terminal] {
    const Config config = read_config(find_config(terminal.config));
    const bool online = LocalClient(config.data).reachable();
    Progress progress("looking back through the log", 0);
    // One answer looks at a bounded piece of the log; this goes back until something is found.
    std::string body;
    rapidjson::Document document;
    for (auto before = options->before;;) {
      const auto target = trace_target(options->id, before);
      if (online) {
        const auto answer = ask(terminal, config, "GET", target);
        if (!answer) return;
        body = *answer;
      } else {
        auto found = offline_answer(config, "GET", target);
        if (!found) return report_failure(terminal, found.error());
        body = std::move(*found);
      }
      document = read_answer(body);
      if (!document["records"].Empty() || !document["quarantine"].Empty() || !document.HasMember("next")) break;
      before = static_cast<std::uint64_t>(number_of(document, "next"));
      progress.show(*before);
    }
    if (terminal.json) {
      fmt::print("{}", body);
      return;
    }
    print_trace(document, config);
  });
}

void add_quarantine(CLI::App& app, Terminal& terminal) {
  struct Options {
    std::string facility, id, to;
    std::size_t limit = 100;
    std::optional<std::uint64_t> before;
  };
  auto* command = app.add_subcommand("quarantine", "Messages that were refused: list, show, export, retry");
  command->require_subcommand(1);
  auto options = std::make_shared<Options>();
  auto* list = command->add_subcommand("list", "What was refused, newest first");
  list->add_option("--facility", options->facility, "Only of this facility");
  list->add_option("--limit", options->limit, "At most so many")->check(CLI::Range(1, 1000))->capture_default_str();
  list->add_option("--before", options->before, "The page behind, as the page before it says");
  list->callback([options, &terminal] {
    const Config config = read_config(find_config(terminal.config));
    const auto body =
        ask(terminal, config, "GET",
            fmt::format("/api/v1/quarantine?limit={}{}{}", options->limit,
                        options->facility.empty() ? "" : "&facility=" + percent_encoded(options->facility),
                        options->before ? fmt::format("&before={}", *options->before) : ""));
    if (!body) return;
    if (terminal.json) {
      fmt::print("{}", *body);
      return;
    }
    const auto document = read_answer(*body);
    for (const auto& item : document["messages"].GetArray()) {
      fmt::print("{}/{}  {}  {} {} at {}  control id {}  {}{}\n", text_of(item, "facility"), text_of(item, "hash"),
                 local_time(text_of(item, "received"), config.zone_minutes), text_of(item, "answer"), text_of(item, "reason"),
                 text_of(item, "path"), text_of(item, "controlId"), text_of(item, "type"),
                 (text_of(item, "retried").empty() ? "" : "  retried: " + text_of(item, "retried")) +
                     repetitions_of(item, config.zone_minutes));
    }
    const bool more = document.HasMember("next");
    if (document["messages"].Empty() && !more)
      fmt::print("nothing {}is in quarantine\n", options->before ? "older " : "");
    if (more) fmt::print("… older ones: --before {}\n", text_of(document, "next"));
  });
  const auto target = [options] {
    const auto slash = options->id.find('/');
    if (slash == std::string::npos) throw ConfigError("expected FACILITY/HASH, as hutong quarantine list prints it");
    return "/api/v1/quarantine/" + percent_encoded(options->id.substr(0, slash)) + "/" + percent_encoded(options->id.substr(slash + 1));
  };
  auto* show = command->add_subcommand("show", "The bytes as received; audited");
  show->add_option("ID", options->id, "FACILITY/HASH")->required();
  show->callback([options, target, &terminal] {
    const Config config = read_config(find_config(terminal.config));
    const auto about = ask(terminal, config, "GET", target());
    if (!about) return;
    auto raw = ask(terminal, config, "GET", target() + "/raw");
    if (!raw) return;
    if (terminal.json) {
      // The bytes as received need not be UTF-8, which JSON is.
      fmt::print("{},\"rawBase64Url\":\"{}\"}}\n", about->substr(0, about->rfind('}')), access::base64url(*raw));
      return;
    }
    fmt::print(stderr, "{}", *about);
    for (auto& c : *raw) {
      if (c == '\r') c = '\n';
    }
    fmt::print("{}\n", *raw);
  });
  auto* export_command = command->add_subcommand("export", "The bytes as received into a file; audited");
  export_command->add_option("ID", options->id, "FACILITY/HASH")->required();
  export_command->add_option("--to", options->to, "File to write (must not exist)")->required();
  export_command->callback([options, target, &terminal] {
    const Config config = read_config(find_config(terminal.config));
    const auto raw = ask(terminal, config, "GET", target() + "/raw");
    if (!raw) return;
    std::FILE* file = std::fopen(options->to.c_str(), "wbx");
    if (!file) return report_failure(terminal, {ErrorCode::conflict, options->to + ": exists already or cannot be written"});
    const bool written = std::fwrite(raw->data(), 1, raw->size(), file) == raw->size();
    if (std::fclose(file) != 0 || !written) return report_failure(terminal, {ErrorCode::unavailable, options->to + ": could not be written"});
    if (terminal.json) {
      fmt::print("{{\"file\":{},\"bytes\":{}}}\n", json_quoted(options->to), raw->size());
    } else {
      fmt::print("{} bytes written to {}\n", raw->size(), options->to);
    }
  });
  auto* retry = command->add_subcommand("retry", "Judge a message anew with today's facilities, maps and reader");
  retry->add_option("ID", options->id, "FACILITY/HASH")->required();
  retry->callback([options, target, &terminal] {
    const Config config = read_config(find_config(terminal.config));
    const auto body = ask(terminal, config, "POST", target() + "/retry", "{}");
    if (!body) return;
    const auto document = read_answer(*body);
    const bool accepted = text_of(document, "answer") == "accepted" && !document["records"].Empty();
    if (terminal.json) {
      fmt::print("{}", *body);
    } else {
      fmt::print("{}\n", accepted ? "accepted" : "still refused; hutong quarantine show tells why");
    }
    if (!accepted) terminal.exit_code = 1;
  });
}

void add_renormalize(CLI::App& app, Terminal& terminal) {
  struct Options {
    std::string from, sender;
  };
  auto* command = app.add_subcommand("renormalize", "Read stored messages with today's maps; what differs is appended as the next version");
  auto options = std::make_shared<Options>();
  command->add_option("--from", options->from, "First offset of the log (0: all), or a time: messages appended since")->required();
  command->add_option("--sender", options->sender, "Only of this facility");
  command->callback([options, &terminal] {
    const Config config = read_config(find_config(terminal.config));
    const bool is_offset = options->from.find_first_not_of("0123456789") == std::string::npos && options->from.size() < 19;
    const auto since = is_offset ? std::nullopt : parse_iso(options->from, config.zone_minutes);
    if (!is_offset && !since) throw ConfigError("--from " + options->from + ": expected an offset, or a time such as 2026-01-05T08:00");
    const auto body = ask(terminal, config, "POST", "/api/v1/renormalize",
                          fmt::format("{{\"{}\":{},\"sender\":{}}}", since ? "since" : "from", since ? json_quoted(to_iso(since->first)) : options->from,
                                      json_quoted(options->sender)));
    if (!body) return;
    if (terminal.json) {
      fmt::print("{}", *body);
      return;
    }
    const auto document = read_answer(*body);
    fmt::print("{} messages read, {} came out differently and were appended\n", text_of(document, "read"), text_of(document, "changed"));
  });
}

void add_backup(CLI::App& app, Terminal& terminal) {
  struct Options {
    std::string directory;
  };
  auto* command = app.add_subcommand("backup", "A consistent copy of the installation, while the broker runs");
  auto options = std::make_shared<Options>();
  command->add_option("DIR", options->directory, "Folder to make (must not exist); keep it as safe as the data: it holds the keys")->required();
  command->callback([options, &terminal] {
    const Config config = read_config(find_config(terminal.config));
    const auto directory = std::filesystem::absolute(options->directory).string();
    const auto named = "{\"directory\":" + json_quoted(directory) + "}";
    const auto body = ask(terminal, config, "POST", "/api/v1/backup", named);
    if (!body) return;
    if (terminal.json) {
      fmt::print("{}", *body);
    } else {
      if (const auto elsewhere = text_of(read_answer(*body), "elsewhere"); !elsewhere.empty()) fmt::print("not in the copy: {}\n", elsewhere);
      fmt::print("copied to {}; keep it elsewhere, and try a restore: hutong restore {}\n", directory, directory);
    }
  });
}

}  // namespace hutong::app
