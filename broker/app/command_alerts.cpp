// hutong alerts: what is wrong now, and whether somebody has been told.
#include <fmt/format.h>

#include "broker/app/commands.h"
#include "broker/app/local_json.h"
#include "broker/base/time.h"

namespace hutong::app {
namespace {

std::string local_time(const std::string& iso, int zone_minutes) {
  const auto span = parse_iso(iso, 0);
  return span ? to_iso(span->first, zone_minutes).substr(0, 19) : iso;
}

void print_alerts(const rapidjson::Document& document, int zone_minutes) {
  if (document["alerts"].Empty()) fmt::print("nothing is wrong  一切正常\n");
  for (const auto& one : document["alerts"].GetArray()) {
    fmt::print("{}  since {}{}\n  {}\n  {}\n", text_of(one, "id"), local_time(text_of(one, "since"), zone_minutes),
               one.HasMember("told") ? ", told " + local_time(text_of(one, "told"), zone_minutes) : ", nobody was told",
               text_of(one["text"], "zh"), text_of(one["text"], "en"));
  }
  for (const auto& one : document["webhooks"].GetArray()) {
    fmt::print("webhook {}  {}{}\n", text_of(one, "origin"),
               one.HasMember("at")
                   ? "answered " + text_of(one, "answer") + " at " + local_time(text_of(one, "at"), zone_minutes)
                   : std::string("was not asked yet"),
               number_of(one, "untold") > 0 ? ", " + text_of(one, "untold") + " wait for it" : "");
  }
  if (document["webhooks"].Empty()) fmt::print("nobody is told ([alerts] webhooks)\n");
  if (text_of(document, "watches") == "own") fmt::print("another broker watches feeds and deliveries\n");
}

}  // namespace

void add_alerts(CLI::App& app, Terminal& terminal) {
  auto* command = app.add_subcommand("alerts", "What is wrong now, since when, and whether somebody has been told");
  command->callback([&terminal] {
    const Config config = read_config(find_config(terminal.config));
    const auto body = ask(terminal, config, "GET", "/api/v1/alerts");
    if (!body) return;
    if (terminal.json) {
      fmt::print("{}", *body);
    } else {
      print_alerts(read_answer(*body), config.zone_minutes);
    }
  });
}

}  // namespace hutong::app
