// hutong subscriptions, deadletter, replay: whom events are delivered to, what could not be, and delivering again.
#include <fmt/format.h>
#include <rapidjson/stringbuffer.h>
#include <rapidjson/writer.h>

#include "broker/app/commands.h"
#include "broker/app/local_json.h"
#include "broker/base/time.h"

namespace hutong::app {
namespace {

std::string local_time(const std::string& iso, int zone_minutes) {
  const auto span = parse_iso(iso, 0);
  return span ? to_iso(span->first, zone_minutes).substr(0, 19) : iso;
}

// A flat JSON object of the texts that are said.
std::string object_of(std::initializer_list<std::pair<const char*, std::string>> texts) {
  rapidjson::StringBuffer out;
  rapidjson::Writer<rapidjson::StringBuffer> json(out);
  json.StartObject();
  for (const auto& [name, value] : texts) {
    if (value.empty()) continue;
    json.Key(name);
    json.String(value.data(), static_cast<rapidjson::SizeType>(value.size()));
  }
  json.EndObject();
  return {out.GetString(), out.GetSize()};
}

std::string age(double seconds) {
  if (seconds < 120) return fmt::format("{:.0f} s", seconds);
  if (seconds < 7'200) return fmt::format("{:.0f} min", seconds / 60);
  if (seconds < 172'800) return fmt::format("{:.0f} h", seconds / 3'600);
  return fmt::format("{:.0f} days", seconds / 86'400);
}

void print_subscriptions(const rapidjson::Document& document) {
  if (document["subscriptions"].Empty()) {
    fmt::print("nobody subscribed (DIR/schemas/subscriptions; docs/delivery.md)\n");
    return;
  }
  fmt::print("{:<24}{:<11}{:>11}{:>9}{:>9}{:>9}{:>10}  {}\n", "subscription", "state", "delivered", "behind", "open",
             "held", "dead", "oldest");
  for (const auto& one : document["subscriptions"].GetArray()) {
    fmt::print("{:<24}{:<11}{:>11}{:>9}{:>9}{:>9}{:>10}  {}", text_of(one, "name"), text_of(one, "state"),
               text_of(one, "delivered"), text_of(one, "lagRecords"), text_of(one, "open"), text_of(one, "held"),
               text_of(one, "dead"), age(number_of(one, "oldestSeconds")));
    if (const auto trouble = text_of(one, "trouble"); !trouble.empty()) fmt::print("  last answer: {}", trouble);
    fmt::print("\n");
  }
}

struct Options {
  std::string subscription, state, after, id, reason, by, from, to, patient;
  std::size_t limit = 100;
  bool all = false;
};

std::pair<std::string, std::string> letter_of(const Options& options) {
  const auto slash = options.id.find('/');
  if (slash == std::string::npos || slash == 0 || slash + 1 == options.id.size()) {
    throw ConfigError("expected SUBSCRIPTION/ID, as hutong deadletter list prints it");
  }
  return {options.id.substr(0, slash), options.id.substr(slash + 1)};
}

void add_steering(CLI::App& command, Terminal& terminal, const std::shared_ptr<Options>& options, const char* name,
                  const char* help) {
  auto* steer = command.add_subcommand(name, help);
  steer->add_option("NAME", options->subscription, "The subscription")->required();
  steer->add_option("--by", options->by, "Who asks for it");
  steer->add_option("--reason", options->reason, "Why; kept with it");
  steer->callback([options, name, &terminal] {
    const Config config = read_config(find_config(terminal.config));
    const auto body = ask(terminal, config, "POST",
                          fmt::format("/api/v1/subscriptions/{}/{}", percent_encoded(options->subscription), name),
                          object_of({{"by", options->by}, {"reason", options->reason}}));
    if (!body) return;
    if (terminal.json) {
      fmt::print("{}", *body);
    } else {
      fmt::print("{} {}d\n", options->subscription, name);
    }
  });
}

void add_list(CLI::App& command, Terminal& terminal, const std::shared_ptr<Options>& options) {
  auto* list = command.add_subcommand("list", "What is not settled, oldest first");
  list->add_option("--subscription", options->subscription, "Only of this one");
  list->add_option("--state", options->state, "dead, retrying, behind; delivered or discarded: those that ended");
  list->add_option("--limit", options->limit, "At most so many")->check(CLI::Range(1, 1000))->capture_default_str();
  list->add_option("--after", options->after, "The page behind, as the page before it says");
  list->callback([options, &terminal] {
    const Config config = read_config(find_config(terminal.config));
    const auto query = [](const char* name, const std::string& value) {
      return value.empty() ? std::string() : fmt::format("&{}={}", name, percent_encoded(value));
    };
    const auto body = ask(
        terminal, config, "GET",
        fmt::format("/api/v1/deadletters?limit={}{}{}{}", options->limit, query("subscription", options->subscription),
                    query("state", options->state), query("after", options->after)));
    if (!body) return;
    if (terminal.json) {
      fmt::print("{}", *body);
      return;
    }
    const auto document = read_answer(*body);
    for (const auto& letter : document["letters"].GetArray()) {
      fmt::print("{}/{}  {}  {} {}  {} after {} attempts, last {}{}{}\n", text_of(letter, "subscription"),
                 text_of(letter, "id"), local_time(text_of(letter, "appended"), config.zone_minutes),
                 text_of(letter, "kind"), text_of(letter, "event"), text_of(letter, "state"),
                 text_of(letter, "attempts"), text_of(letter, "answer").empty() ? "none" : text_of(letter, "answer"),
                 text_of(letter, "by").empty() ? "" : "  by " + text_of(letter, "by"),
                 text_of(letter, "reason").empty() ? "" : ": " + text_of(letter, "reason"));
    }
    if (document["letters"].Empty()) fmt::print("no dead letters\n");
    if (document.HasMember("next")) fmt::print("… more: --after {}\n", text_of(document, "next"));
  });
}

}  // namespace

void add_subscriptions(CLI::App& app, Terminal& terminal) {
  auto* command = app.add_subcommand("subscriptions", "Whom events are delivered to: list, pause, resume");
  command->require_subcommand(1);
  auto options = std::make_shared<Options>();
  command->add_subcommand("list", "Each with how far it is and what stops it")->callback([&terminal] {
    const Config config = read_config(find_config(terminal.config));
    const auto body = ask(terminal, config, "GET", "/api/v1/subscriptions");
    if (!body) return;
    if (terminal.json) {
      fmt::print("{}", *body);
    } else {
      print_subscriptions(read_answer(*body));
    }
  });
  add_steering(*command, terminal, options, "pause", "Hand over nothing more; what comes waits in the log");
  add_steering(*command, terminal, options, "resume", "Go on where it was paused");
}

void add_deadletter(CLI::App& app, Terminal& terminal) {
  auto* command = app.add_subcommand("deadletter", "Events that could not be delivered: list, show, retry, discard");
  command->require_subcommand(1);
  auto options = std::make_shared<Options>();
  add_list(*command, terminal, options);
  auto* show = command->add_subcommand("show", "What the receiver would get; audited");
  show->add_option("ID", options->id, "SUBSCRIPTION/ID")->required();
  show->callback([options, &terminal] {
    const Config config = read_config(find_config(terminal.config));
    const auto [subscription, id] = letter_of(*options);
    const auto target = fmt::format("/api/v1/deadletters/{}/{}", percent_encoded(subscription), percent_encoded(id));
    const auto about = ask(terminal, config, "GET", target);
    if (!about) return;
    auto letter = ask(terminal, config, "GET", target + "/body");
    if (!letter) return;
    if (terminal.json) {
      fmt::print("{},\"body\":{}", about->substr(0, about->rfind('}')), object_of({{"text", *letter}}).substr(8));
      fmt::print("\n");
      return;
    }
    fmt::print(stderr, "{}", *about);
    for (auto& c : *letter) {
      if (c == '\r') c = '\n';
    }
    fmt::print("{}\n", *letter);
  });
  auto* retry = command->add_subcommand("retry", "Try one again, or all of a subscription, oldest first");
  retry->add_option("ID", options->id, "SUBSCRIPTION/ID, or SUBSCRIPTION with --all")->required();
  retry->add_flag("--all", options->all, "All dead letters of the subscription");
  retry->add_option("--by", options->by, "Who asks for it");
  retry->callback([options, &terminal] {
    const Config config = read_config(find_config(terminal.config));
    std::string subscription = options->id, id;
    if (!options->all) std::tie(subscription, id) = letter_of(*options);
    const auto body =
        ask(terminal, config, "POST", fmt::format("/api/v1/deadletters/{}/retry", percent_encoded(subscription)),
            object_of({{"letter", id}, {"by", options->by}}));
    if (!body) return;
    if (terminal.json) {
      fmt::print("{}", *body);
    } else {
      fmt::print("{} tried again, oldest first\n", text_of(read_answer(*body), "letters"));
    }
  });
  auto* discard = command->add_subcommand("discard", "Give one up, with a reason; its patient's later events go on");
  discard->add_option("ID", options->id, "SUBSCRIPTION/ID")->required();
  discard->add_option("--reason", options->reason, "Why; kept with it")->required();
  discard->add_option("--by", options->by, "Who decides it");
  discard->callback([options, &terminal] {
    const Config config = read_config(find_config(terminal.config));
    const auto [subscription, id] = letter_of(*options);
    const auto body =
        ask(terminal, config, "POST", fmt::format("/api/v1/deadletters/{}/discard", percent_encoded(subscription)),
            object_of({{"letter", id}, {"reason", options->reason}, {"by", options->by}}));
    if (!body) return;
    if (terminal.json) {
      fmt::print("{}", *body);
    } else {
      fmt::print("discarded; the event stays in the log, and can be replayed\n");
    }
  });
}

void add_replay(CLI::App& app, Terminal& terminal) {
  auto* command =
      app.add_subcommand("replay", "Deliver again to one subscription, marked as a replay, with the same event ids");
  auto options = std::make_shared<Options>();
  command->add_option("--subscriber", options->subscription, "The subscription")->required();
  command->add_option("--from", options->from, "First offset, or a time: events appended since")->required();
  command->add_option("--to", options->to, "The offset behind the last one, or a time (default: up to now)");
  command->add_option("--patient", options->patient, "Only of this patient: FACILITY/NUMBER");
  command->add_option("--by", options->by, "Who asks for it");
  command->callback([options, &terminal] {
    const Config config = read_config(find_config(terminal.config));
    std::string fields;
    const auto end = [&](const std::string& written, const char* option, const char* offset, const char* time) {
      if (written.empty()) return;
      const bool is_offset = written.find_first_not_of("0123456789") == std::string::npos && written.size() < 19;
      const auto moment = is_offset ? std::nullopt : parse_iso(written, config.zone_minutes);
      if (!is_offset && !moment)
        throw ConfigError(
            fmt::format("{} {}: expected an offset, or a time such as 2026-01-05T08:00", option, written));
      fields += is_offset ? fmt::format("\"{}\":{},", offset, written)
                          : fmt::format("\"{}\":\"{}\",", time, to_iso(moment->first));
    };
    end(options->from, "--from", "from", "since");
    end(options->to, "--to", "to", "until");
    const auto more = object_of({{"patient", options->patient}, {"by", options->by}});
    if (more == "{}" && !fields.empty()) fields.pop_back();
    const auto body = ask(terminal, config, "POST",
                          fmt::format("/api/v1/subscriptions/{}/replay", percent_encoded(options->subscription)),
                          "{" + fields + more.substr(1));
    if (!body) return;
    if (terminal.json) {
      fmt::print("{}", *body);
    } else {
      fmt::print("replay {} begins; hutong subscriptions list tells when it is done\n",
                 text_of(read_answer(*body), "replay"));
    }
  });
}

}  // namespace hutong::app
