#include "adapters/format/hl7v2/batch.h"

namespace hutong::hl7v2 {
namespace {

bool is_word(char c) {
  return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

bool begins(std::string_view line, std::string_view name) {
  return line.size() > name.size() && line.substr(0, name.size()) == name && !is_word(line[name.size()]);
}

// The start of a batch's own line. BTS and FTS may stand alone, at the very end too.
bool is_envelope(std::string_view line) {
  return begins(line, "FHS") || begins(line, "BHS") || begins(line, "BTS") || begins(line, "FTS") || line == "BTS" ||
         line == "FTS";
}

std::string_view without_mark(std::string_view bytes) {
  if (bytes.substr(0, 3) == "\xEF\xBB\xBF") bytes.remove_prefix(3);
  while (!bytes.empty() &&
         (bytes.front() == '\r' || bytes.front() == '\n' || bytes.front() == ' ' || bytes.front() == '\x0b')) {
    bytes.remove_prefix(1);
  }
  return bytes;
}

}  // namespace

bool is_batch(std::string_view bytes) {
  const std::string_view text = without_mark(bytes);
  return begins(text, "FHS") || begins(text, "BHS");
}

std::vector<std::string_view> split_file(std::string_view bytes) {
  std::vector<std::string_view> messages;
  bytes = without_mark(bytes);
  std::size_t open = std::string_view::npos;
  const auto close = [&](std::size_t end) {
    if (open != std::string_view::npos) messages.push_back(bytes.substr(open, end - open));
    open = std::string_view::npos;
  };
  std::size_t at = 0;
  while (at < bytes.size()) {
    std::size_t start = at;
    while (start < bytes.size() && bytes[start] == '\x0b') ++start;
    const std::string_view rest = bytes.substr(start);
    if (begins(rest, "MSH")) {
      close(at);
      open = start;
    } else if (is_envelope(rest.substr(0, 4))) {
      close(at);
    }
    const std::size_t end = bytes.find_first_of("\r\n", start);
    if (end == std::string_view::npos) break;
    at = end + 1;
  }
  close(bytes.size());
  return messages;
}

std::vector<std::string_view> split_batch(std::string_view bytes) {
  return split_file(bytes);
}

}  // namespace hutong::hl7v2
