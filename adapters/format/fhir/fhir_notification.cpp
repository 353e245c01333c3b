#include "adapters/format/fhir/fhir_notification.h"

#include <rapidjson/document.h>
#include <rapidjson/stringbuffer.h>
#include <rapidjson/writer.h>

#include <algorithm>

#include "adapters/format/fhir/fhir_payload.h"

namespace hutong::fhir {
namespace {

using Json = rapidjson::Writer<rapidjson::StringBuffer>;
constexpr const char* content_type = "application/fhir+json; charset=utf-8";
constexpr std::string_view profiles = "http://hl7.org/fhir/uv/subscriptions-backport/StructureDefinition/";

void put(Json& json, const char* name, std::string_view value) {
  if (name) json.Key(name);
  json.String(value.data(), static_cast<rapidjson::SizeType>(value.size()));
}

void put_profile(Json& json, std::string_view name) {
  json.Key("meta");
  json.StartObject();
  json.Key("profile");
  json.StartArray();
  put(json, nullptr, std::string(profiles) + std::string(name));
  json.EndArray();
  json.EndObject();
}

std::string text_in(const rapidjson::Value& object, const char* name) {
  const auto found = object.FindMember(name);
  return found != object.MemberEnd() && found->value.IsString() ? std::string(found->value.GetString()) : std::string();
}

struct Event {  // of a notification
  std::uint64_t number = 0;
  Timestamp at;
  std::string focus;                 // reference, "" where its content is empty
  std::vector<std::string> context;  // references
};

void put_parameter(Json& json, std::string_view name, const char* member, std::string_view value) {
  json.StartObject();
  put(json, "name", name);
  put(json, member, value);
  json.EndObject();
}

void put_reference(Json& json, std::string_view name, std::string_view reference) {
  json.StartObject();
  put(json, "name", name);
  json.Key("valueReference");
  json.StartObject();
  put(json, "reference", reference);
  json.EndObject();
  json.EndObject();
}

void put_status(Json& json, const SubscriptionStatus& status, std::string_view base_url, const Event* event) {
  json.StartObject();
  put(json, "resourceType", "Parameters");
  put_profile(json, "backport-subscription-status-r4");
  json.Key("parameter");
  json.StartArray();
  put_reference(json, "subscription", std::string(base_url) + "/Subscription/" + std::string(status.subscription));
  put_parameter(json, "status", "valueCode", status.state);
  put_parameter(json, "type", "valueCode", status.type);
  put_parameter(json, "events-since-subscription-start", "valueString", std::to_string(status.events));
  if (event) {
    json.StartObject();
    put(json, "name", "notification-event");
    json.Key("part");
    json.StartArray();
    put_parameter(json, "event-number", "valueString", std::to_string(event->number));
    put_parameter(json, "timestamp", "valueInstant", to_iso(event->at));
    if (!event->focus.empty()) put_reference(json, "focus", event->focus);
    for (const auto& reference : event->context) put_reference(json, "additional-context", reference);
    json.EndArray();
    json.EndObject();
  }
  if (!status.error.empty()) {
    json.StartObject();
    put(json, "name", "error");
    json.Key("valueCodeableConcept");
    json.StartObject();
    put(json, "text", status.error);
    json.EndObject();
    json.EndObject();
  }
  json.EndArray();
  json.EndObject();
}

// A Bundle with the status in front; `rest` writes the other entries.
template <class Rest>
std::string bundle(const SubscriptionStatus& status, std::string_view base_url, const Event* event, Rest rest) {
  rapidjson::StringBuffer out;
  Json json(out);
  json.StartObject();
  put(json, "resourceType", "Bundle");
  put_profile(json, "backport-subscription-notification-r4");
  put(json, "type", "history");
  if (event) put(json, "timestamp", to_iso(event->at));
  json.Key("entry");
  json.StartArray();
  json.StartObject();
  put(json, "fullUrl", std::string(base_url) + "/Subscription/" + std::string(status.subscription) + "/$status");
  json.Key("resource");
  put_status(json, status, base_url, event);
  json.Key("request");
  json.StartObject();
  put(json, "method", "GET");
  put(json, "url", "Subscription/" + std::string(status.subscription) + "/$status");
  json.EndObject();
  json.Key("response");
  json.StartObject();
  put(json, "status", "200");
  json.EndObject();
  json.EndObject();
  rest(json);
  json.EndArray();
  json.EndObject();
  return {out.GetString(), out.GetSize()};
}

class FhirNotification final : public port::Payload {
 public:
  FhirNotification(model::PayloadKind kind, std::string base_url)
      : kind_(kind), base_url_(std::move(base_url)), resources_(fhir_payload(base_url_)) {}

  bool has_words_for(std::string_view kind) const override { return resources_->has_words_for(kind); }
  bool shows_views() const override { return true; }

  Result<port::Letter> write(const port::Notice& notice, const model::Subscription& subscription) const override {
    auto inner = resources_->write(notice, subscription);
    if (!inner || inner->unsaid) return inner;
    rapidjson::Document resources;
    resources.Parse<rapidjson::kParseIterativeFlag>(inner->body.data(), inner->body.size());
    if (resources.HasParseError() || !resources.IsObject() || !resources.HasMember("entry") ||
        !resources["entry"].IsArray())
      return fail(ErrorCode::internal, "what FHIR shows of an event does not read");
    const auto& entries = resources["entry"];
    std::vector<std::string> references;
    for (const auto& entry : entries.GetArray()) {
      references.push_back(text_in(entry["resource"], "resourceType") + "/" + text_in(entry["resource"], "id"));
    }
    Event event{notice.event_number, notice.appended, {}, {}};
    if (kind_ != model::PayloadKind::empty && !references.empty()) {
      const auto focus = focus_of(references, notice.kind);
      for (std::size_t i = 0; i < references.size(); ++i) {
        if (i == focus) {
          event.focus = base_url_ + "/" + references[i];
        } else {
          event.context.push_back(base_url_ + "/" + references[i]);
        }
      }
    }
    const SubscriptionStatus status{subscription.notification, "active", "event-notification", notice.event_number};
    auto body = bundle(status, base_url_, &event, [&](Json& json) {
      if (kind_ != model::PayloadKind::fhir) return;
      for (rapidjson::SizeType i = 0; i < entries.Size(); ++i) {
        json.StartObject();
        put(json, "fullUrl", base_url_ + "/" + references[i]);
        json.Key("resource");
        entries[i]["resource"].Accept(json);
        json.Key("request");
        json.StartObject();
        put(json, "method", "PUT");
        put(json, "url", references[i]);
        json.EndObject();
        json.Key("response");
        json.StartObject();
        put(json, "status", "200");
        json.EndObject();
        json.EndObject();
      }
    });
    return port::Letter{std::move(body), content_type, {}};
  }

 private:
  // What the event is about: its resource, of what is only about a person the Patient.
  static std::size_t focus_of(const std::vector<std::string>& references, std::string_view kind) {
    const auto type = kind == "result.reported" || kind == "exam.reported" ? "DiagnosticReport/"
                      : kind == "encounter.changed"                        ? "Encounter/"
                      : kind == "order.placed"                             ? "ServiceRequest/"
                      : kind == model::referral_answered_kind              ? "Task/"
                                                                           : "Patient/";
    for (std::size_t i = 0; i < references.size(); ++i) {
      if (references[i].starts_with(type)) return i;
    }
    return 0;
  }

  model::PayloadKind kind_;
  std::string base_url_;
  std::shared_ptr<const port::Payload> resources_;
};

}  // namespace

std::shared_ptr<const port::Payload> fhir_notification(model::PayloadKind kind, std::string base_url) {
  return std::make_shared<FhirNotification>(kind, std::move(base_url));
}

std::vector<std::string_view> resources_of(const std::vector<std::string>& kinds) {
  static const std::pair<std::string_view, std::vector<std::string_view>> shown[] = {
      {model::to_string(model::EventKind::result_reported),
       {"Patient", "DiagnosticReport", "Observation", "ServiceRequest", "Specimen"}},
      {model::to_string(model::EventKind::exam_reported),
       {"Patient", "DiagnosticReport", "Observation", "ServiceRequest", "Specimen", "ImagingStudy", "Endpoint"}},
      {model::to_string(model::EventKind::order_placed), {"Patient", "ServiceRequest"}},
      {model::to_string(model::EventKind::encounter_changed), {"Patient", "Encounter"}},
      {model::referral_answered_kind, {"Task", "ServiceRequest"}}};
  std::vector<std::string_view> all;
  for (const auto& kind : kinds) {
    const auto found =
        std::find_if(std::begin(shown), std::end(shown), [&](const auto& each) { return each.first == kind; });
    const auto& types = found == std::end(shown) ? std::vector<std::string_view>{"Patient"} : found->second;
    for (const auto type : types) {
      if (std::find(all.begin(), all.end(), type) == all.end()) all.push_back(type);
    }
  }
  return all;
}

port::Letter fhir_handshake(std::string_view subscription, std::string_view base_url) {
  const SubscriptionStatus status{subscription, "requested", "handshake", 0};
  return {bundle(status, base_url, nullptr, [](Json&) {}), content_type, {}};
}

}  // namespace hutong::fhir
