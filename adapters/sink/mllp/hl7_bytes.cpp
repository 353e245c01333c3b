#include "adapters/sink/mllp/hl7_bytes.h"

#include <algorithm>
#include <cctype>
#include <cstring>

namespace hutong::mllp_client {
namespace {

bool begins_segment(std::string_view line, std::string_view name) {
  return line.size() > name.size() && line.starts_with(name) &&
         std::isalnum(static_cast<unsigned char>(line[name.size()])) == 0;
}

bool is_batch_segment(std::string_view line) {
  for (std::string_view name : {"FHS", "BHS", "BTS", "FTS"}) {
    if (begins_segment(line, name) || line == name) return true;
  }
  return false;
}

// Field `number` of a segment (its name is field 0), without copying.
std::string_view field(std::string_view segment, char separator, int number) {
  while (number-- > 0) {
    const auto at = segment.find(separator);
    if (at == std::string_view::npos) return {};
    segment.remove_prefix(at + 1);
  }
  return segment.substr(0, segment.find(separator));
}

AnswerCode code_of(std::string_view text) {
  if (text == "AA") return AnswerCode::AA;
  if (text == "AE") return AnswerCode::AE;
  if (text == "AR") return AnswerCode::AR;
  if (text == "CA") return AnswerCode::CA;
  if (text == "CE") return AnswerCode::CE;
  if (text == "CR") return AnswerCode::CR;
  return AnswerCode::unreadable;
}

}  // namespace

std::string_view to_string(AnswerCode code) {
  static constexpr std::string_view names[answer_codes] = {"AA", "AE", "AR", "CA", "CE", "CR", "unreadable", "none", "unasked"};
  return names[static_cast<std::size_t>(code)];
}

bool expects_no_answer(std::string_view message) {
  const auto header = message.substr(0, message.find_first_of("\r\n"));
  if (header.size() < 5) return false;
  const auto type = field(header, header[3], 8);
  if (type == "ACK" || (type.starts_with("ACK") && type[3] == header[4])) return true;
  return field(header, header[3], 14) == "NE" && field(header, header[3], 15) == "NE";
}

std::vector<std::string> messages_in_file(std::string_view bytes) {
  std::vector<std::string> messages;
  if (bytes.starts_with("\xEF\xBB\xBF")) bytes.remove_prefix(3);
  bool within = false;
  while (!bytes.empty()) {
    const auto end = bytes.find_first_of("\r\n\x1C");
    std::string_view line = bytes.substr(0, end);
    bytes.remove_prefix(end == std::string_view::npos ? bytes.size() : end + 1);
    if (const auto start = line.rfind('\x0B'); start != std::string_view::npos) line.remove_prefix(start + 1);
    if (line.empty()) continue;
    if (begins_segment(line, "MSH")) {
      messages.emplace_back();
      within = true;
    } else if (is_batch_segment(line)) {
      within = false;
    }
    if (within) messages.back().append(line).push_back('\r');
  }
  return messages;
}

std::string_view control_id_of(std::string_view message) {
  if (message.size() < 8 || !message.starts_with("MSH")) return {};
  const char separator = message[3];
  const auto* at = message.data() + 3;
  const auto* end = message.data() + message.size();
  if (const auto* line_end = static_cast<const char*>(std::memchr(at, '\r', static_cast<std::size_t>(end - at)))) {
    end = line_end;
  }
  // The separator itself is MSH-1, so MSH-10 stands behind the ninth.
  for (int passed = 0; passed < 9; ++passed) {
    at = static_cast<const char*>(std::memchr(at, separator, static_cast<std::size_t>(end - at)));
    if (!at) return {};
    ++at;
  }
  const auto* stop = static_cast<const char*>(std::memchr(at, separator, static_cast<std::size_t>(end - at)));
  return {at, static_cast<std::size_t>((stop ? stop : end) - at)};
}

Answer parse_answer(std::string_view acknowledgement) {
  Answer answer;
  answer.bytes = acknowledgement;
  answer.code = AnswerCode::unreadable;
  if (acknowledgement.size() < 8 || !acknowledgement.starts_with("MSH")) return answer;
  const char separator = acknowledgement[3];
  const char line_end = acknowledgement.find('\r') != std::string_view::npos ? '\r' : '\n';
  std::string_view rest = acknowledgement;
  while (!rest.empty()) {
    const auto end = rest.find(line_end);
    std::string_view segment = rest.substr(0, end);
    rest.remove_prefix(end == std::string_view::npos ? rest.size() : end + 1);
    if (!segment.empty() && segment.front() == '\n') segment.remove_prefix(1);
    if (segment.starts_with("MSA") && answer.code == AnswerCode::unreadable) {
      answer.code = code_of(field(segment, separator, 1));
      answer.control_id = field(segment, separator, 2);
      if (answer.code == AnswerCode::AA || answer.code == AnswerCode::CA) return answer;
    } else if (segment.starts_with("ERR") && field(segment, separator, 3).substr(0, 3) == "207") {
      answer.send_again = answer.code == AnswerCode::AR || answer.code == AnswerCode::CR;
    }
  }
  return answer;
}

}  // namespace hutong::mllp_client
