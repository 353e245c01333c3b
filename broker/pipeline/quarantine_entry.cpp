#include "broker/pipeline/quarantine_entry.h"

#include <rapidjson/stringbuffer.h>
#include <rapidjson/writer.h>

#include "broker/pipeline/effects_document.h"

namespace hutong::pipeline {
namespace {

using Writer = rapidjson::Writer<rapidjson::StringBuffer>;

void put(Writer& writer, std::string_view name, std::string_view value) {
  if (value.empty()) return;
  writer.Key(name.data(), static_cast<rapidjson::SizeType>(name.size()));
  writer.String(value.data(), static_cast<rapidjson::SizeType>(value.size()));
}

model::Answer answer_of(std::string_view word) {
  for (auto answer : {model::Answer::accepted, model::Answer::header_rejected, model::Answer::try_again}) {
    if (word == to_string(answer)) return answer;
  }
  return model::Answer::content_rejected;
}

model::Severity severity_of(std::string_view word) {
  for (auto severity : {model::Severity::information, model::Severity::warning}) {
    if (word == to_string(severity)) return severity;
  }
  return model::Severity::error;
}

}  // namespace

std::string write(const QuarantineEntry& entry, const model::Issues& issues) {
  rapidjson::StringBuffer out;
  Writer writer(out);
  writer.StartObject();
  put(writer, "facility", entry.facility);
  put(writer, "answer", to_string(entry.answer));
  put(writer, "reason", entry.reason);
  put(writer, "path", entry.path);
  put(writer, "type", entry.type);
  put(writer, "controlId", entry.control_id);
  writer.Key("received");
  writer.Int64(entry.received.micros);
  put(writer, "rawHash", entry.raw_hash);
  writer.Key("length");
  writer.Uint64(entry.length);
  writer.Key("issues");
  writer.StartArray();
  for (const auto& issue : issues.list()) {
    writer.StartObject();
    put(writer, "severity", to_string(issue.severity));
    put(writer, "code", issue.code);
    put(writer, "path", issue.path);
    put(writer, "found", issue.found);
    put(writer, "expected", issue.expected);
    put(writer, "hl7", issue.hl7_code);
    writer.EndObject();
  }
  writer.EndArray();
  writer.EndObject();
  return {out.GetString(), out.GetSize()};
}

std::string write(const QuarantineOutcome& outcome) {
  rapidjson::StringBuffer out;
  Writer writer(out);
  writer.StartObject();
  put(writer, "facility", outcome.facility);
  put(writer, "rawHash", outcome.raw_hash);
  put(writer, "retried", outcome.retried);
  writer.Key("at");
  writer.Int64(outcome.at.micros);
  writer.EndObject();
  return {out.GetString(), out.GetSize()};
}

Result<QuarantineEntry> read_quarantine_entry(std::string_view json) {
  SmallDocument document;
  if (!document.parse(json)) return fail(ErrorCode::corrupt, "a quarantine record's document is not a JSON object");
  const Json& root = document.root();
  QuarantineEntry entry;
  entry.facility = text_of(root, "facility");
  entry.answer = answer_of(text_of(root, "answer"));
  entry.reason = text_of(root, "reason");
  entry.path = text_of(root, "path");
  entry.type = text_of(root, "type");
  entry.control_id = text_of(root, "controlId");
  entry.received = {integer_of(root, "received")};
  entry.raw_hash = text_of(root, "rawHash");
  entry.length = static_cast<std::uint64_t>(integer_of(root, "length"));
  if (const Json* issues = member(root, "issues"); issues && issues->IsArray()) {
    for (const auto& issue : issues->GetArray()) {
      entry.issues.push_back({severity_of(text_of(issue, "severity")), text_of(issue, "code"), text_of(issue, "path"),
                              text_of(issue, "found"), text_of(issue, "expected"), text_of(issue, "hl7")});
    }
  }
  return entry;
}

Result<QuarantineOutcome> read_quarantine_outcome(std::string_view json) {
  SmallDocument document;
  if (!document.parse(json)) return fail(ErrorCode::corrupt, "a quarantine outcome's document is not a JSON object");
  const Json& root = document.root();
  return QuarantineOutcome{
      text_of(root, "facility"), text_of(root, "rawHash"), text_of(root, "retried"), {integer_of(root, "at")}};
}

}  // namespace hutong::pipeline
