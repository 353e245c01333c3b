#include "broker/app/local_json.h"

#include <fmt/format.h>

namespace hutong::app {

std::optional<std::string> ask(Terminal& terminal, const Config& config, std::string_view method,
                               std::string_view target, std::string_view body) {
  auto answer = LocalClient(config.data).call(method, target, body);
  if (!answer) {
    report_failure(terminal, answer.error());
    return std::nullopt;
  }
  if (answer->status >= 300) {
    report_failure(terminal, {ErrorCode::invalid, error_message(answer->body)});
    return std::nullopt;
  }
  return std::move(answer->body);
}

std::string error_message(const std::string& body) {
  const auto document = read_answer(body);
  return document.IsObject() && document.HasMember("error") ? text_of(document["error"], "message") : body;
}

rapidjson::Document read_answer(const std::string& body) {
  rapidjson::Document document;
  document.Parse<rapidjson::kParseIterativeFlag>(body.c_str(), body.size());
  return document;
}

std::string text_of(const rapidjson::Value& value, const char* member) {
  if (!value.IsObject()) return {};
  const auto found = value.FindMember(member);
  if (found == value.MemberEnd()) return {};
  if (found->value.IsString()) return {found->value.GetString(), found->value.GetStringLength()};
  if (found->value.IsUint64()) return std::to_string(found->value.GetUint64());
  if (found->value.IsNumber()) return fmt::format("{}", found->value.GetDouble());
  if (found->value.IsBool()) return found->value.GetBool() ? "true" : "false";
  return {};
}

double number_of(const rapidjson::Value& value, const char* member) {
  const auto found = value.FindMember(member);
  return found != value.MemberEnd() && found->value.IsNumber() ? found->value.GetDouble() : 0;
}

std::string percent_encoded(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if ((c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_' || c == '.' || c == '~') {
      out += c;
    } else {
      out += fmt::format("%{:02X}", static_cast<unsigned char>(c));
    }
  }
  return out;
}

}  // namespace hutong::app
