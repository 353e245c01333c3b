// What became of the messages that an MLLP client sent: counts of answers, latencies, connections lost. Plain data;
// written by one transmission, readable between its steps (progress) and after it.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

#include "adapters/sink/mllp/hl7_bytes.h"
#include "adapters/sink/mllp/latency_histogram.h"

namespace hutong::mllp_client {

struct SendReport {
  std::uint64_t taken = 0;   // messages taken from the supply
  std::uint64_t sent = 0;    // messages written whole to a socket, resends included
  std::uint64_t resent = 0;  // of them: sent again, after a lost connection or an answer 207
  std::uint64_t sent_bytes = 0;
  std::array<std::uint64_t, answer_codes> answers{};  // by AnswerCode, one a message; `none`: no answer came
  std::uint64_t send_again = 0;                       // answers 207 that were followed by a resend
  std::uint64_t unmatched = 0;  // answers to no message in flight: late, doubled, or the second of enhanced mode
  std::uint64_t reconnects = 0;
  std::chrono::nanoseconds elapsed{0};
  LatencyHistogram latency;           // from the first sending (or, with a rate, from when it was due) to the answer
  std::vector<std::string> problems;  // at most ten; empty: every message was answered

  std::uint64_t count(AnswerCode code) const { return answers[static_cast<std::size_t>(code)]; }
  std::uint64_t accepted() const { return count(AnswerCode::AA) + count(AnswerCode::CA); }
  std::uint64_t answered() const;
  double per_second() const;  // answers a second
};

// One line of JSON: {"taken":…,"sent":…,"answers":{"AA":…},"latency_ms":{"p50":…},"per_second":…,"problems":[…]}
std::string to_json(const SendReport& report);
// A few lines for a person.
std::string to_text(const SendReport& report);

}  // namespace hutong::mllp_client
