// hutong identity: a steward's terminal. What matching asks, what is decided; and the weights that it decides by.
#include <fmt/format.h>
#include <pwd.h>
#include <rapidjson/stringbuffer.h>
#include <rapidjson/writer.h>
#include <unistd.h>

#include <algorithm>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/use_future.hpp>
#include <filesystem>
#include <fstream>
#include <iostream>

#include "broker/app/commands.h"
#include "broker/app/data_folder.h"
#include "broker/app/engines.h"
#include "broker/app/local_json.h"
#include "broker/app/progress.h"
#include "broker/base/hash.h"
#include "broker/base/id.h"
#include "broker/identity/estimate.h"
#include "broker/model/event_json.h"
#include "broker/port/tables.h"

namespace hutong::app {
namespace fs = std::filesystem;
namespace {

// Patients looked at by estimate: more tell nothing new and fill the memory. Of more some are drawn, everywhere alike: in
// these as in all a pair is one person equally often.
constexpr std::size_t estimated_patients_max = 1'000'000;

std::string json_text(std::string_view text) {
  rapidjson::StringBuffer out;
  rapidjson::Writer<rapidjson::StringBuffer> writer(out);
  writer.String(text.data(), static_cast<rapidjson::SizeType>(text.size()));
  return {out.GetString(), out.GetSize()};
}

std::string local_of(const rapidjson::Value& pair) {
  if (!pair.IsArray() || pair.Size() != 2) return {};
  return std::string(pair[0].GetString()) + "/" + pair[1].GetString();
}

void print_decision(const rapidjson::Value& decision, const Config& config) {
  std::string reasons;
  for (const auto& reason : decision["reasons"].GetArray()) {
    reasons += (reasons.empty() ? "" : ", ") + std::string(reason.GetString(), reason.GetStringLength());
  }
  const auto micros = static_cast<std::int64_t>(number_of(decision, "at"));
  fmt::print("{}  {}  {} and {}\n", text_of(decision, "id"), text_of(decision, "kind"), local_of(decision["patient"]),
             local_of(decision["other"]));
  fmt::print("    {}{}{}\n", to_iso(Timestamp{micros}, config.zone_minutes).substr(0, 19),
             decision.HasMember("chance") ? "  chance " + text_of(decision, "chance") : "",
             decision.HasMember("by") ? "  by " + text_of(decision, "by") + ": " + text_of(decision, "note") : "");
  fmt::print("    {}\n", reasons);
}

// Who sits at this terminal, as the machine knows them; behind sudo, who called it.
std::string signed_in() {
  if (const char* caller = std::getenv("SUDO_USER"); caller && *caller) return caller;
  const passwd* user = getpwuid(getuid());
  return user ? user->pw_name : "uid " + std::to_string(getuid());
}

void decide(Terminal& terminal, const std::string& kind, const std::vector<std::string>& patients,
            const std::string& decision, const std::string& by, const std::string& note) {
  const Config config = read_config(find_config(terminal.config));
  std::string named;
  for (const auto& each : patients) named += (named.empty() ? "" : " ") + each;
  const auto body = ask(terminal, config, "POST", "/api/v1/identity/decisions",
                        fmt::format("{{\"kind\":{},\"patients\":{},\"decision\":{},\"by\":{},\"note\":{}}}", json_text(kind),
                                    json_text(named), json_text(decision), json_text(by.empty() ? signed_in() : by), json_text(note)));
  if (!body) return;
  if (terminal.json) {
    fmt::print("{}", *body);
    return;
  }
  const auto answer = read_answer(*body);
  fmt::print("{}: {}\n", text_of(answer, "decision"),
             answer["applied"].GetBool() ? "decided; undo it with: hutong identity undo " + text_of(answer, "decision")
                                         : "appended; the projector has not come to it yet");
}

// The local patients that the views hold, as candidates; of too many those with the smallest hash of facility and number.
net::awaitable<Result<std::vector<identity::Candidate>>> read_patients(port::Store& store, Progress& progress) {
  std::vector<std::pair<RecordId, identity::Candidate>> drawn;
  const auto smaller = [](const auto& a, const auto& b) { return a.first < b.first; };
  port::Scan scan;
  scan.limit = 5'000;
  std::size_t read = 0;
  for (bool more = true; more;) {
    auto rows = co_await store.scan(port::tables::patients, scan);
    if (!rows) co_return tl::unexpected(rows.error());
    for (const auto& row : *rows) {
      Arena arena;
      model::Subject subject;
      if (!model::read_subject(std::get<std::string>(row[2]), arena, subject)) continue;
      const auto &facility = std::get<std::string>(row[0]), &number = std::get<std::string>(row[1]);
      PartsHash hash;
      const RecordId place(hash.add(facility).add(number).finish());
      if (drawn.size() == estimated_patients_max) {  // a heap: the largest in front
        if (!(place < drawn.front().first)) continue;
        std::pop_heap(drawn.begin(), drawn.end(), smaller);
        drawn.pop_back();
      }
      drawn.emplace_back(place, identity::candidate(facility, number, subject));
      std::push_heap(drawn.begin(), drawn.end(), smaller);
    }
    read += rows->size();
    progress.show(read);
    more = rows->size() == scan.limit;
    if (more) scan.after = port::Key{rows->back()[0], rows->back()[1]};
  }
  std::sort(drawn.begin(), drawn.end(), smaller);
  std::vector<identity::Candidate> out;
  for (auto& each : drawn) out.push_back(std::move(each.second));
  co_return out;
}

void estimate(Terminal& terminal, const std::string& to) {
  const Config config = read_config(find_config(terminal.config));
  if (LocalClient(config.data).reachable() && config.store.kind == StoreKind::rocksdb) {
    return report_failure(terminal, {ErrorCode::conflict, "the broker has the store open; stop it for the minutes that this takes"});
  }
  if (fs::exists(to)) return report_failure(terminal, {ErrorCode::conflict, to + " exists already; look at it, then move it away"});
  DataFolder folder(config.data);
  folder.prepare();
  auto store = open_store(config, folder);
  if (!store) return report_failure(terminal, store.error());
  Progress progress("reading patients", 0);
  net::io_context io(1);
  auto reading = net::co_spawn(io, read_patients(**store, progress), net::use_future);
  io.run();
  auto patients = reading.get();
  if (!patients) return report_failure(terminal, patients.error());
  const auto today = to_iso(system_clock().now(), config.zone_minutes).substr(0, 10);
  auto weights = identity::estimate(*patients, today);
  if (!weights) return report_failure(terminal, weights.error());
  std::ofstream file(to, std::ios::binary);
  file << identity::write_weights(*weights, fmt::format("Estimated on {} from {} local patients of this installation: hutong identity estimate",
                                                        today, patients->size()));
  if (!file.flush()) return report_failure(terminal, {ErrorCode::unavailable, to + " cannot be written"});
  if (terminal.json) {
    fmt::print("{{\"patients\":{},\"version\":{},\"file\":{}}}\n", patients->size(), json_text(today), json_text(to));
  } else {
    fmt::print("weights of {} patients are in {}; as {} they hold from the next start on\n", patients->size(), to,
               (config.data / "schemas" / "identity" / "weights.csv").string());
  }
}

}  // namespace

void add_identity(CLI::App& app, Terminal& terminal) {
  struct Options {
    std::string after, patient, other, decision, by, note, to;
    std::vector<std::string> patients;
    std::size_t limit = 100;
  };
  auto* command = app.add_subcommand("identity", "Who is one person: questions for a steward, link, merge, unlink, split, undo");
  command->require_subcommand(1);
  auto options = std::make_shared<Options>();

  auto* list = command->add_subcommand("list", "Possible matches and conflicts that wait for a steward");
  list->add_option("--limit", options->limit, "At most so many")->check(CLI::Range(1, 1000))->capture_default_str();
  list->add_option("--after", options->after, "The page behind, as the page before it says");
  list->callback([options, &terminal] {
    const Config config = read_config(find_config(terminal.config));
    const auto body = ask(terminal, config, "GET",
                          fmt::format("/api/v1/identity/questions?limit={}{}", options->limit,
                                      options->after.empty() ? "" : "&after=" + percent_encoded(options->after)));
    if (!body) return;
    if (terminal.json) {
      fmt::print("{}", *body);
      return;
    }
    const auto answer = read_answer(*body);
    for (const auto& question : answer["questions"].GetArray()) print_decision(question, config);
    if (answer.HasMember("next")) fmt::print("more: hutong identity list --after {}\n", text_of(answer, "next"));
  });

  auto* show = command->add_subcommand("show", "A person with all its local patients, and what was decided about one of them");
  show->add_option("PATIENT", options->patient, "FACILITY/NUMBER")->required();
  show->add_option("--after", options->after, "The decisions behind, as the page before says");
  show->callback([options, &terminal] {
    const Config config = read_config(find_config(terminal.config));
    const auto body = ask(terminal, config, "POST", "/api/v1/identity/person", "{\"patient\":" + json_text(options->patient) + ",\"after\":" + json_text(options->after) + "}");
    if (!body) return;
    if (terminal.json) {
      fmt::print("{}", *body);
      return;
    }
    const auto answer = read_answer(*body);
    fmt::print("person {}\n", text_of(answer, "person"));
    for (const auto& each : answer["members"].GetArray()) fmt::print("  {}/{}\n", text_of(each, "facility"), text_of(each, "number"));
    for (const auto& decision : answer["decisions"].GetArray()) print_decision(decision, config);
    if (answer.HasMember("next")) fmt::print("more: hutong identity show {} --after {}\n", options->patient, text_of(answer, "next"));
  });

  const auto said = [&](CLI::App* each) {
    each->add_option("--by", options->by, "Whose decision it is; else the user of this terminal");
    each->add_option("--note", options->note, "Why; kept with the decision")->required();
  };
  const auto two = [&](const char* name, const char* what) {
    auto* each = command->add_subcommand(name, what);
    each->add_option("PATIENT", options->patient, "FACILITY/NUMBER; its person's id stays")->required();
    each->add_option("OTHER", options->other, "FACILITY/NUMBER")->required();
    said(each);
    each->callback([options, &terminal, kind = std::string(name)] {
      decide(terminal, kind, {options->patient, options->other}, "", options->by, options->note);
    });
  };
  two("link", "Two local patients are one person");
  two("merge", "The same; the first one's person stays");
  two("separate", "Two local patients that look alike are two people; nobody asks again");

  auto* unlink = command->add_subcommand("unlink", "A local patient is another person than those it is linked to");
  unlink->add_option("PATIENT", options->patient, "FACILITY/NUMBER")->required();
  said(unlink);
  unlink->callback([options, &terminal] { decide(terminal, "unlink", {options->patient}, "", options->by, options->note); });

  auto* split = command->add_subcommand("split", "Some local patients of a person are together another one");
  split->add_option("PATIENTS", options->patients, "Those that leave, each FACILITY/NUMBER")->required();
  said(split);
  split->callback([options, &terminal] { decide(terminal, "split", options->patients, "", options->by, options->note); });

  auto* undo = command->add_subcommand("undo", "A decision no longer stands: persons are as if it had never been");
  undo->add_option("DECISION", options->decision, "Its id, as list and show print it")->required();
  said(undo);
  undo->callback([options, &terminal] { decide(terminal, "undo", {}, options->decision, options->by, options->note); });

  auto* weights = command->add_subcommand("estimate", "What agreements are worth, estimated from this installation's own patients");
  weights->add_option("--to", options->to, "File to write, as schemas/identity/weights.csv is")->required();
  weights->callback([options, &terminal] { estimate(terminal, options->to); });
}

}  // namespace hutong::app
