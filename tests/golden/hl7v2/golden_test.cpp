// A folder is a test: tests/golden/hl7v2/<case>/in.hl7 (CR or LF at line ends) → event.json (one record a line),
// issues.txt, ack.hl7 (LF at line ends) and fhir.json. With HUTONG_ACCEPT=1 the expectations are rewritten; the diff is
// then reviewed like code. Facilities and terminology are the project's own; received and answered at a fixed time.
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "adapters/format/fhir/fhir_rendering.h"
#include "adapters/format/hl7v2/hl7v2.h"
#include "broker/app/facilities.h"
#include "broker/model/event_json.h"
#include "broker/normalize/normalizer.h"

namespace hutong {
namespace {

namespace fs = std::filesystem;

std::string read_file(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

struct Outcome {
  std::string event, issues, ack, fhir;
};

Outcome outcome_of(const std::string& bytes) {
  static const auto facilities = app::read_facilities(fs::path(HUTONG_SOURCE_DIR) / "schemas/facilities", "");
  static const normalize::Normalizer normalizer(
      terminology::Terminology::load(fs::path(HUTONG_SOURCE_DIR) / "schemas/terminology"));
  const hl7v2::Hl7v2 format;
  const fhir::FhirRendering rendering;
  model::Draft draft;
  port::ReadContext context;
  context.facilities = facilities.get();
  context.accept_unknown_senders = true;
  context.protocol = "mllp";
  context.connection = "mllp-1";
  context.received = parse_iso("2026-01-05T08:20:00+08:00")->first;
  Outcome out;
  const auto reading = format.read(bytes, context, draft);
  if (reading.answer == model::Answer::accepted) {
    normalizer.normalize(draft, reading.facility, *facilities);
    draft.map_version = "golden";  // the tables' version changes with every table
    draft.times.appended = context.received;
    for (std::uint32_t ordinal = 0; ordinal < draft.parts.size(); ++ordinal) {
      Arena arena;
      const auto id = model::record_id(draft.source, draft.content_hash, ordinal);
      const auto json = model::write_record(arena, id, draft, draft.parts[ordinal]);
      out.event += std::string(json) + "\n";
      model::RecordView record;
      EXPECT_TRUE(model::read_record(json, arena, record));
      out.fhir += rendering.record(record) + "\n";
    }
  }
  for (const auto& issue : draft.issues.list()) {
    out.issues += std::string(to_string(issue.severity)) + " " + std::string(issue.code) + " " + std::string(issue.path) +
                  " | " + std::string(issue.found) + " | " + std::string(issue.expected) + "\n";
  }
  std::vector<std::string> answers;
  format.acknowledge(draft, {reading.answer, &draft.issues, {}, parse_iso("2026-01-05T08:20:01+08:00")->first, "A1"}, answers);
  for (const auto& answer : answers) out.ack += answer;
  for (auto& c : out.ack) {
    if (c == '\r') c = '\n';
  }
  return out;
}

class Golden : public testing::TestWithParam<std::string> {};

TEST_P(Golden, is_as_accepted) {
  const fs::path folder = fs::path(HUTONG_SOURCE_DIR) / "tests/golden/hl7v2" / GetParam();
  std::string bytes = read_file(folder / "in.hl7");
  ASSERT_FALSE(bytes.empty());
  for (auto& c : bytes) {
    if (c == '\n') c = '\r';
  }
  const Outcome outcome = outcome_of(bytes);
  const std::pair<const char*, const std::string*> files[] = {
      {"event.json", &outcome.event}, {"issues.txt", &outcome.issues}, {"ack.hl7", &outcome.ack}, {"fhir.json", &outcome.fhir}};
  for (const auto& [name, content] : files) {
    if (std::getenv("HUTONG_ACCEPT")) {
      std::ofstream(folder / name, std::ios::binary) << *content;
    } else {
      EXPECT_EQ(*content, read_file(folder / name)) << folder / name << ": review the difference; HUTONG_ACCEPT=1 rewrites it";
    }
  }
}

std::vector<std::string> cases() {
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(fs::path(HUTONG_SOURCE_DIR) / "tests/golden/hl7v2")) {
    if (entry.is_directory()) names.push_back(entry.path().filename());
  }
  std::sort(names.begin(), names.end());
  return names;
}

INSTANTIATE_TEST_SUITE_P(Hl7v2, Golden, testing::ValuesIn(cases()), [](const auto& info) { return info.param; });

}  // namespace
}  // namespace hutong
