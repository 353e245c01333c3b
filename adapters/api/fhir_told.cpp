#include "adapters/api/fhir_told.h"

#include <rapidjson/document.h>
#include <rapidjson/stringbuffer.h>
#include <rapidjson/writer.h>

namespace hutong::api {
namespace {

std::string text_of(const rapidjson::Value& value) {
  rapidjson::StringBuffer out;
  rapidjson::Writer<rapidjson::StringBuffer> writer(out);
  value.Accept(writer);
  return {out.GetString(), out.GetSize()};
}

const rapidjson::Value* list_in(const rapidjson::Value& value, const char* name) {
  if (!value.IsObject()) return nullptr;
  const auto found = value.FindMember(name);
  return found != value.MemberEnd() && found->value.IsArray() ? &found->value : nullptr;
}

}  // namespace

Result<Notification> read_notification(std::string_view bundle) {
  rapidjson::Document document;
  document.Parse<rapidjson::kParseIterativeFlag>(bundle.data(), bundle.size());
  const auto* entries = document.HasParseError() ? nullptr : list_in(document, "entry");
  const auto* status =
      entries && !entries->Empty() && (*entries)[0].HasMember("resource") ? &(*entries)[0]["resource"] : nullptr;
  const auto* parameters = status ? list_in(*status, "parameter") : nullptr;
  if (!parameters) return fail(ErrorCode::internal, "a notification does not read");
  Notification read;
  for (const auto& each : parameters->GetArray()) {
    if (each.IsObject() && each.HasMember("name") && each["name"] == "notification-event") read.event = text_of(each);
  }
  for (rapidjson::SizeType i = 1; i < entries->Size(); ++i) read.entries.push_back(text_of((*entries)[i]));
  if (read.event.empty()) return fail(ErrorCode::internal, "a notification does not read");
  return read;
}

}  // namespace hutong::api
