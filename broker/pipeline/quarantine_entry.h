// What the quarantine topic holds beside the raw bytes: why a message was refused, and later what an operator's retry
// made of it. Written by intake and by the retry command, folded into the `quarantine` table by the projector.
// Pure; threads: any.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "broker/base/error.h"
#include "broker/base/time.h"
#include "broker/model/issue.h"
#include "broker/model/record.h"

namespace hutong::pipeline {

struct QuarantineIssue {  // owned texts of a model::Issue
  model::Severity severity = model::Severity::error;
  std::string code, path, found, expected, hl7_code;
};

struct QuarantineEntry {
  std::string facility;  // code, or "unknown"
  model::Answer answer = model::Answer::content_rejected;
  std::string reason;  // code of the issue that refused it
  std::string path;
  std::string type;  // MSH-9 as far as it was read
  std::string control_id;
  Timestamp received;
  std::string raw_hash;                 // SHA-256 of the bytes, hex
  std::uint64_t length = 0;             // of the message as received; the log may hold only its beginning
  std::vector<QuarantineIssue> issues;  // read() only; write() takes them as the reader found them
};

std::string write(const QuarantineEntry& entry, const model::Issues& issues);

// An operator had a quarantined message judged anew (kinds = quarantine_outcome_kind).
struct QuarantineOutcome {
  std::string facility, raw_hash;
  std::string retried;  // "accepted" | "refused"
  Timestamp at;
};
inline constexpr std::string_view quarantine_entry_kind = "message.quarantined";
inline constexpr std::string_view quarantine_outcome_kind = "quarantine.outcome";

std::string write(const QuarantineOutcome& outcome);

// Errors: corrupt.
Result<QuarantineEntry> read_quarantine_entry(std::string_view json);
Result<QuarantineOutcome> read_quarantine_outcome(std::string_view json);

}  // namespace hutong::pipeline
