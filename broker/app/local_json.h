// Answers of the broker to a command: an exit code, and the JSON document read into a DOM (our own answers only).
#pragma once

#include <rapidjson/document.h>

#include <optional>
#include <string>

#include "broker/app/commands.h"
#include "broker/app/local_client.h"

namespace hutong::app {

// Calls; prints what went wrong and sets the exit code to 1. Empty: it did.
std::optional<std::string> ask(Terminal& terminal, const Config& config, std::string_view method, std::string_view target,
                               std::string_view body = {});
// What a refusal of /api/v1 says; the body as it is where it is not one.
std::string error_message(const std::string& body);
rapidjson::Document read_answer(const std::string& body);
std::string text_of(const rapidjson::Value& value, const char* member);
double number_of(const rapidjson::Value& value, const char* member);
std::string percent_encoded(std::string_view text);

}  // namespace hutong::app
