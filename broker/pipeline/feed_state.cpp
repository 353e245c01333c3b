#include "broker/pipeline/feed_state.h"

#include <rapidjson/stringbuffer.h>
#include <rapidjson/writer.h>

#include "broker/pipeline/effects_document.h"

namespace hutong::pipeline {
namespace {

using Counts = std::map<std::string, std::uint64_t>;
using Writer = rapidjson::Writer<rapidjson::StringBuffer>;

constexpr std::size_t word_bytes_max = 64;

void put(Writer& writer, const char* name, std::uint64_t value) {
  writer.Key(name);
  writer.Uint64(value);
}

void put(Writer& writer, const char* name, std::string_view value) {
  writer.Key(name);
  writer.String(value.data(), static_cast<rapidjson::SizeType>(value.size()));
}

void put(Writer& writer, const char* name, const Counts& counts) {
  writer.Key(name);
  writer.StartObject();
  for (const auto& [word, count] : counts) put(writer, word.c_str(), count);
  writer.EndObject();
}

Counts counts_of(const Json& root, const char* name) {
  Counts counts;
  if (const Json* object = member(root, name); object && object->IsObject()) {
    for (const auto& each : object->GetObject()) {
      counts[std::string(text_of(each.name))] = static_cast<std::uint64_t>(integer_of(each.value));
    }
  }
  return counts;
}

std::uint64_t count_of(const Json& root, const char* name) {
  return static_cast<std::uint64_t>(integer_of(root, name));
}

}  // namespace

void FeedState::count(Counts& by, std::string_view word, std::uint64_t times) {
  if (word.empty() || word.size() > word_bytes_max) word = "other";
  auto found = by.find(std::string(word));
  if (found == by.end()) {
    found = by.try_emplace(by.size() < feed_words_max ? std::string(word) : "other", 0).first;
  }
  found->second += times;
}

std::string write(const FeedState& state) {
  rapidjson::StringBuffer out;
  Writer writer(out);
  writer.StartObject();
  writer.Key("firstReceived");
  writer.Int64(state.first_received.micros);
  writer.Key("lastReceived");
  writer.Int64(state.last_received.micros);
  put(writer, "records", state.records);
  put(writer, "byKind", state.by_kind);
  put(writer, "byType", state.by_type);
  put(writer, "warnings", state.warnings);
  put(writer, "duplicates", state.duplicates);
  put(writer, "controlIdConflicts", state.control_id_conflicts);
  put(writer, "unmapped", state.unmapped);
  put(writer, "unreadable", state.unreadable);
  put(writer, "rejected", state.rejected);
  put(writer, "rejects", state.rejects);
  if (state.rejected > 0) {
    writer.Key("lastReject");
    writer.StartObject();
    writer.Key("at");
    writer.Int64(state.last_reject.at.micros);
    put(writer, "reason", state.last_reject.reason);
    put(writer, "path", state.last_reject.path);
    put(writer, "offset", state.last_reject.offset);
    writer.EndObject();
  }
  writer.EndObject();
  return {out.GetString(), out.GetSize()};
}

Result<FeedState> read_feed_state(std::string_view json) {
  SmallDocument document;
  if (!document.parse(json))
    return fail(ErrorCode::corrupt, "a feed's state is not a JSON object; run: hutong rebuild");
  const Json& root = document.root();
  FeedState state;
  state.first_received = {integer_of(root, "firstReceived")};
  state.last_received = {integer_of(root, "lastReceived")};
  state.records = count_of(root, "records");
  state.by_kind = counts_of(root, "byKind");
  state.by_type = counts_of(root, "byType");
  state.warnings = count_of(root, "warnings");
  state.duplicates = count_of(root, "duplicates");
  state.control_id_conflicts = count_of(root, "controlIdConflicts");
  state.unmapped = count_of(root, "unmapped");
  state.unreadable = count_of(root, "unreadable");
  state.rejected = count_of(root, "rejected");
  state.rejects = counts_of(root, "rejects");
  if (const Json* last = member(root, "lastReject")) {
    state.last_reject = {
        {integer_of(*last, "at")}, text_of(*last, "reason"), text_of(*last, "path"), count_of(*last, "offset")};
  }
  return state;
}

}  // namespace hutong::pipeline
