// Reads a message as the broker would; keeps the bytes alive beside the draft.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "adapters/format/hl7v2/hl7v2.h"

namespace hutong::hl7v2 {

struct Case {
  explicit Case(std::string message, bool unknown_senders = true) : bytes(std::move(message)) {
    context.accept_unknown_senders = unknown_senders;
    context.facilities = &facilities;
    context.protocol = "mllp";
    context.connection = "7";
  }
  model::Answer read() { return (reading = Hl7v2().read(bytes, context, draft)).answer; }
  std::vector<std::string> acknowledge(model::Answer answer) {
    port::Verdict verdict;
    verdict.answer = answer;
    verdict.issues = &draft.issues;
    verdict.now = Timestamp{1767294245678000};  // 2026-01-01T19:04:05.678Z
    verdict.answer_id = "A1";
    std::vector<std::string> out;
    Hl7v2().acknowledge(draft, verdict, out);
    return out;
  }
  std::vector<std::string> answer() { return acknowledge(read()); }
  const model::Subject& subject() const { return draft.parts[0].subject; }
  const model::Event& event(std::size_t i = 0, std::size_t part = 0) const { return draft.parts[part].events[i]; }
  const model::Report& report(std::size_t i = 0, std::size_t part = 0) const { return *event(i, part).report; }
  const model::Order& order(std::size_t i = 0, std::size_t part = 0) const { return *event(i, part).order; }
  std::vector<std::string> codes() const {
    std::vector<std::string> all;
    for (const auto& issue : draft.issues.list())
      all.push_back(std::string(issue.code) + " " + std::string(issue.path));
    return all;
  }

  std::string bytes;
  model::FacilityDirectory facilities;
  port::ReadContext context;
  model::Draft draft;
  port::Reading reading;
};

inline std::vector<std::string> texts(const List<model::Text>& list) {
  return {list.begin(), list.end()};
}

// A segment by field numbers.
inline std::string segment(std::string_view name, const std::map<int, std::string>& fields) {
  std::string text(name);
  int at = 0;
  for (const auto& [n, value] : fields) {
    text.append(static_cast<std::size_t>(n - at), '|').append(value);
    at = n;
  }
  return text + "\r";
}

inline std::string msh(std::string_view type, std::string_view after_version = {}) {
  return "MSH|^~\\&|LIS|H1|HUTONG|REG|20260102030405||" + std::string(type) + "|M1|P|2.5.1" +
         std::string(after_version) + "\r";
}
inline std::string oru(std::string_view rest) {
  return msh("ORU^R01^ORU_R01") +
         "PID|1||P1^^^H1^MR||测试^甲||19900101|M\rOBR|1|O1|F1|GLU^葡萄糖^L|||20260102||||||||||||||||||F\r" +
         std::string(rest);
}

}  // namespace hutong::hl7v2
