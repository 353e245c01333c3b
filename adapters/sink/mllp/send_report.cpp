#include "adapters/sink/mllp/send_report.h"

#include <cstdio>

namespace hutong::mllp_client {
namespace {

double milliseconds(std::chrono::nanoseconds duration) {
  return static_cast<double>(duration.count()) / 1e6;
}

std::string decimal(double value, int digits) {
  char text[64];
  std::snprintf(text, sizeof text, "%.*f", digits, value);
  return text;
}

std::string quoted(std::string_view text) {
  std::string json = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') json += '\\';
    if (static_cast<unsigned char>(c) >= 0x20) json += c;
  }
  return json + '"';
}

struct Percentile {
  const char* name;
  double percent;
};
constexpr Percentile percentiles[] = {{"p50", 50}, {"p90", 90}, {"p99", 99}, {"p99.9", 99.9}};

}  // namespace

std::uint64_t SendReport::answered() const {
  std::uint64_t sum = 0;
  for (std::size_t i = 0; i < answers.size(); ++i) {
    if (i != static_cast<std::size_t>(AnswerCode::none)) sum += answers[i];
  }
  return sum;
}

double SendReport::per_second() const {
  const double seconds = static_cast<double>(elapsed.count()) / 1e9;
  return seconds > 0 ? static_cast<double>(answered()) / seconds : 0;
}

std::string to_json(const SendReport& report) {
  std::string json = "{\"taken\":" + std::to_string(report.taken) + ",\"sent\":" + std::to_string(report.sent) +
                     ",\"resent\":" + std::to_string(report.resent) +
                     ",\"sent_bytes\":" + std::to_string(report.sent_bytes) + ",\"answers\":{";
  for (std::size_t i = 0; i < answer_codes; ++i) {
    json += (i ? "," : "") + quoted(to_string(static_cast<AnswerCode>(i))) + ":" + std::to_string(report.answers[i]);
  }
  json += "},\"send_again\":" + std::to_string(report.send_again) +
          ",\"unmatched\":" + std::to_string(report.unmatched) +
          ",\"reconnects\":" + std::to_string(report.reconnects) +
          ",\"seconds\":" + decimal(static_cast<double>(report.elapsed.count()) / 1e9, 6) +
          ",\"per_second\":" + decimal(report.per_second(), 1) + ",\"latency_ms\":{";
  for (const Percentile& p : percentiles) {
    json += quoted(p.name) + ":" + decimal(milliseconds(report.latency.percentile(p.percent)), 3) + ",";
  }
  json += "\"max\":" + decimal(milliseconds(report.latency.max()), 3) +
          ",\"mean\":" + decimal(milliseconds(report.latency.mean()), 3) + "},\"problems\":[";
  for (std::size_t i = 0; i < report.problems.size(); ++i) json += (i ? "," : "") + quoted(report.problems[i]);
  return json + "]}";
}

std::string to_text(const SendReport& report) {
  std::string text = "messages  " + std::to_string(report.taken) + " in " +
                     decimal(static_cast<double>(report.elapsed.count()) / 1e9, 2) + " s, " +
                     decimal(report.per_second(), 0) + "/s answered, " +
                     decimal(static_cast<double>(report.sent_bytes) / 1e6, 1) + " MB sent\nanswers  ";
  for (std::size_t i = 0; i < answer_codes; ++i) {
    const auto code = static_cast<AnswerCode>(i);
    const bool always = code == AnswerCode::AA || code == AnswerCode::AE || code == AnswerCode::AR;
    if (!always && report.answers[i] == 0) continue;
    text += " " + std::string(code == AnswerCode::none ? "no answer" : to_string(code)) + " " +
            std::to_string(report.answers[i]);
  }
  text += "\nlatency  ";
  for (const Percentile& p : percentiles) {
    text += " " + std::string(p.name) + " " + decimal(milliseconds(report.latency.percentile(p.percent)), 2) + " ms";
  }
  text += " max " + decimal(milliseconds(report.latency.max()), 2) + " ms\n";
  if (report.resent || report.reconnects || report.unmatched) {
    text += "resent    " + std::to_string(report.resent) + ", reconnects " + std::to_string(report.reconnects) +
            ", unmatched answers " + std::to_string(report.unmatched) + "\n";
  }
  for (const std::string& problem : report.problems) text += "problem   " + problem + "\n";
  return text;
}

}  // namespace hutong::mllp_client
