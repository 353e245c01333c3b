#include "broker/pipeline/event_payload.h"

#include <rapidjson/stringbuffer.h>
#include <rapidjson/writer.h>

#include <cstdio>

#include "broker/model/event_json.h"

namespace hutong::pipeline {
namespace {

using Json = rapidjson::Writer<rapidjson::StringBuffer>;
using Local = port::IdentityNotice::Local;

constexpr const char* json_type = "application/json; charset=utf-8";

void put(Json& json, const char* name, std::string_view value) {
  json.Key(name);
  json.String(value.data(), static_cast<rapidjson::SizeType>(value.size()));
}

void put(Json& json, const Local& local) {
  json.StartObject();
  put(json, "facility", local.facility);
  put(json, "number", local.number);
  put(json, "person", local.person.hex());
  json.EndObject();
}

void put(Json& json, const char* name, const std::vector<Local>& side) {
  if (side.empty()) return;
  json.Key(name);
  json.StartArray();
  for (const auto& local : side) put(json, local);
  json.EndArray();
}

// schemas/identity/v1.
std::string decision(const port::IdentityNotice& said, std::string_view kind) {
  rapidjson::StringBuffer out;
  Json json(out);
  json.StartObject();
  put(json, "kind", kind);
  put(json, "id", said.id.hex());
  put(json, "at", to_iso(said.at));
  json.Key("patient");
  put(json, said.patient);
  json.Key("other");
  put(json, said.other);
  put(json, "rest", said.rest);
  put(json, "apart", said.apart);
  json.Key("reasons");
  json.StartArray();
  for (const auto& reason : said.reasons) json.String(reason.data(), static_cast<rapidjson::SizeType>(reason.size()));
  json.EndArray();
  if (said.chance >= 0) {
    char chance[16];
    std::snprintf(chance, sizeof chance, "%.4f", said.chance);
    put(json, "chance", chance);
  }
  if (!said.of.empty()) put(json, "of", said.of);
  if (!said.undoes.empty()) put(json, "undoes", said.undoes);
  json.EndObject();
  return {out.GetString(), out.GetSize()};
}

class EventPayload final : public port::Payload {
 public:
  bool has_words_for(std::string_view) const override { return true; }
  Result<port::Letter> write(const port::Notice& notice, const model::Subscription&) const override {
    if (notice.operations) return port::Letter{std::string(notice.operations->document), json_type, {}};
    if (notice.identity) return port::Letter{decision(*notice.identity, notice.kind), json_type, {}};
    const auto& record = *notice.record;
    model::Draft draft;
    draft.source = record.source;
    draft.times = record.times;
    draft.map_version = record.map_version;
    // No issues: they are the whole message's, of its other reports and other patients, too.
    model::Part part;
    part.subject = record.subject;
    part.events.push(draft.arena, *notice.event);
    return port::Letter{std::string(model::write_record(draft.arena, record.id, draft, part)), json_type, {}};
  }
};

class IdPayload final : public port::Payload {
 public:
  bool has_words_for(std::string_view) const override { return true; }
  bool shows_views() const override { return true; }
  Result<port::Letter> write(const port::Notice& notice, const model::Subscription&) const override {
    rapidjson::StringBuffer out;
    Json json(out);
    json.StartObject();
    put(json, "event", notice.event_id);
    put(json, "kind", notice.kind);
    json.Key("version");
    json.Uint(notice.version);
    put(json, "facility", notice.record->source.facility);
    put(json, "appended", to_iso(notice.appended));
    json.Key("resources");
    json.StartArray();
    const auto resource = [&](const std::string& path) {
      json.String(path.data(), static_cast<rapidjson::SizeType>(path.size()));
    };
    if (const auto* event = notice.event) {
      if (event->report) resource("DiagnosticReport/" + event->report->id.hex());
      if (event->order) resource("ServiceRequest/" + event->order->id.hex());
      if (notice.encounter && !event->encounter.id.empty()) resource("Encounter/" + event->encounter.id.hex());
    } else if (notice.identity) {
      for (const auto& person : notice.identity->persons) resource("Patient/" + person.id.hex());
    } else if (const auto& operations = *notice.operations; operations.referral) {
      resource("Task/" + operations.referral->id.hex());
      resource("ServiceRequest/" + operations.referral->id.hex());
    } else if (operations.critical) {
      resource("Observation/" + operations.critical->observation);
      resource("DiagnosticReport/" + operations.critical->report);
    }
    if (!notice.identity) resource("Patient/" + notice.person.hex());
    json.EndArray();
    json.EndObject();
    return port::Letter{{out.GetString(), out.GetSize()}, json_type, {}};
  }
};

class EmptyPayload final : public port::Payload {
 public:
  bool has_words_for(std::string_view) const override { return true; }
  Result<port::Letter> write(const port::Notice&, const model::Subscription&) const override { return port::Letter{}; }
};

}  // namespace

std::shared_ptr<const port::Payload> event_payload(model::PayloadKind kind) {
  switch (kind) {
    case model::PayloadKind::id_only: return std::make_shared<IdPayload>();
    case model::PayloadKind::empty: return std::make_shared<EmptyPayload>();
    default: return std::make_shared<EventPayload>();
  }
}

}  // namespace hutong::pipeline
