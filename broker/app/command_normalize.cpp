// hutong normalize: offline, what the broker would make of a file. One JSON document a line on stdout, issues on stderr.
#include <fmt/format.h>

#include "adapters/format/fhir/fhir_rendering.h"
#include "adapters/format/hl7v2/hl7v2.h"
#include "adapters/sink/mllp/hl7_bytes.h"
#include "broker/app/commands.h"
#include "broker/app/files.h"
#include "broker/app/rules.h"
#include "broker/model/event_json.h"

namespace hutong::app {
namespace {

void print_issues(const std::string& file, std::size_t number, const model::Issues& issues) {
  for (const auto& issue : issues.list()) {
    fmt::print(stderr, "{}: message {}: {} {} {}{}{}{}{}\n", file, number, to_string(issue.severity), issue.code, issue.path,
               issue.found.empty() ? "" : ": found ", issue.found, issue.expected.empty() ? "" : "; expected ", issue.expected);
  }
  if (issues.total() > issues.list().size()) {
    fmt::print(stderr, "{}: message {}: {} further issues\n", file, number, issues.total() - issues.list().size());
  }
}

}  // namespace

void add_normalize(CLI::App& app, Terminal& terminal) {
  struct Options {
    std::string format = "auto", to = "event", sender;
    std::vector<std::string> files;
  };
  auto* command = app.add_subcommand("normalize", "What the broker would make of files: one JSON document a line, issues on stderr");
  auto options = std::make_shared<Options>();
  command->add_option("--format", options->format, "hl7v2 or auto (fhir, cda and csv come with their adapters)")
      ->check(CLI::IsMember({"auto", "hl7v2"}))->capture_default_str();
  command->add_option("--to", options->to, "event: the shared schema (schemas/event/v1); fhir: an R4 collection Bundle")
      ->check(CLI::IsMember({"event", "fhir"}))->capture_default_str();
  command->add_option("--sender", options->sender, "Facility code to read them as; else MSH-3 and MSH-4 decide");
  command->add_option("FILE", options->files, "Files of HL7 v2 messages, batches included")->required();
  command->callback([options, &terminal] {
    Config config;
    try {
      config = read_config(find_config(terminal.config));
    } catch (const ConfigError&) {
      if (!terminal.config.empty()) throw;  // without one, the built-in schemas are enough
    }
    const auto rules = read_rules(config);
    const model::Facility* sender = nullptr;
    if (!options->sender.empty()) {
      sender = rules->facilities->find(options->sender);
      if (!sender) throw ConfigError("--sender " + options->sender + ": no such facility in schemas/facilities");
    }
    const hl7v2::Hl7v2 format;
    const fhir::FhirRendering rendering;
    model::Draft draft;
    Arena arena;
    for (const auto& path : options->files) {
      const auto messages = mllp_client::messages_in_file(read_file(path));
      if (messages.empty()) {
        fmt::print(stderr, "{}: no message (none begins with MSH)\n", path);
        terminal.exit_code = 1;
      }
      for (std::size_t i = 0; i < messages.size(); ++i) {
        port::ReadContext context;
        context.facilities = rules->facilities.get();
        context.accept_unknown_senders = true;
        context.authenticated = nullptr;
        context.protocol = "file";
        auto reading = format.read(messages[i], context, draft);
        if (sender) {
          for (auto& part : draft.parts) {
            if (part.subject.facility == draft.source.facility) part.subject.facility = sender->code;
          }
          reading.facility = sender;
          draft.source.facility = sender->code;
          draft.source.provisional = false;
        }
        if (reading.answer == model::Answer::accepted) rules->normalizer->normalize(draft, reading.facility, *rules->facilities);
        if (!sender && draft.source.provisional && !config.mllp.accept_unknown_senders) {
          fmt::print(stderr, "{}: message {}: warning unknown-sender MSH-4: no facility names it as its own; read as a provisional one here, "
                             "the broker refuses it ([mllp] unknown_senders); --sender CODE reads it as a facility's\n", path, i + 1);
        }
        print_issues(path, i + 1, draft.issues);
        if (reading.answer != model::Answer::accepted) {
          terminal.exit_code = 1;
          continue;
        }
        for (std::uint32_t ordinal = 0; ordinal < draft.parts.size(); ++ordinal) {
          const auto id = model::record_id(draft.source, draft.content_hash, ordinal);
          arena.reset();
          const auto json = model::write_record(arena, id, draft, draft.parts[ordinal]);
          if (options->to == "event") {
            fmt::print("{}\n", json);
            continue;
          }
          model::RecordView record;
          if (auto good = model::read_record(json, arena, record); !good) {
            return report_failure(terminal, good.error());
          }
          fmt::print("{}\n", rendering.record(record));
        }
      }
    }
  });
}

}  // namespace hutong::app
