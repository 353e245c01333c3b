// What is imperfect in useful data, as values that travel: into the acknowledgement (ERR), the event and the
// dashboard. Never a log line alone.
#pragma once

#include <string_view>

#include "broker/base/arena.h"

namespace hutong::model {

enum class Severity { information, warning, error };
std::string_view to_string(Severity severity);

struct Issue {
  Severity severity = Severity::warning;
  std::string_view code;  // kebab-case, from a fixed set: "unmapped-code", "charset-mismatch", "control-id-conflict"…
  std::string_view path;  // where, in the sender's terms: "OBX[2]-6", "MSH-18"; empty: the message
  // Codes, units, labels and lengths only: what could be a person's (names, numbers, free text) is described
  // by its shape ("12 characters, not a date"), never quoted.
  std::string_view found;
  std::string_view expected;  // and what to do
  std::string_view
      hl7_code;  // HL7 table 0357 ("101" required field missing, "102" data type, "103" table value, "207" internal)
};

class Issues {
 public:
  // Keeps the first limits::issues_per_message and counts the rest. An error takes the place of the last one that is none:
  // why a message was refused is said however many warnings came before.
  void add(Arena& arena, const Issue& issue);
  // `further` issues that were counted but not listed: for event_json, which reads back what was written.
  void count_further(std::size_t further) { total_ += further; }
  const List<Issue>& list() const { return list_; }
  std::size_t total() const { return total_; }
  bool empty() const { return total_ == 0; }
  void clear() {
    list_ = {};
    total_ = 0;
  }

 private:
  List<Issue> list_;
  std::size_t total_ = 0;
};

}  // namespace hutong::model
