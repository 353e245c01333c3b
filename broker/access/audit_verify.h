// Reading the audit chain back: the end of it at open, and the whole of it for `hutong audit verify`.
// Threads: any; verify may run beside a writing broker (an unfinished last line is then no fault).
#pragma once

#include <filesystem>
#include <optional>
#include <string>

#include "broker/access/audit_line.h"
#include "broker/access/key_file.h"
#include "broker/base/error.h"

namespace hutong::access {

inline constexpr std::string_view audit_head_file = "head.json";
std::string audit_file_name(std::uint64_t first_sequence);  // "audit-00000000000000000001.jsonl"
// The signed statement of where the chain stands: {"sequence","hash","at","key","signature"}.
std::string write_audit_head(const AuditHead& head, Timestamp at, const SigningKey& key);

struct AuditEnd {
  AuditHead head;
  std::filesystem::path file;    // the last one; empty: none yet
  std::uint64_t file_bytes = 0;  // whole lines
  std::uint64_t cut_bytes = 0;   // behind them: never promised
  std::uint64_t since_checkpoint = 0;
};
// Errors: corrupt (a promised record is damaged or missing; names file, line, sequence), unavailable.
Result<AuditEnd> find_audit_end(const std::filesystem::path& directory, const SigningKey* key);

struct AuditReport {
  std::uint64_t records = 0, checkpoints = 0;
  AuditHead head;                      // of the last good line
  std::uint64_t unfinished_bytes = 0;  // an unfinished last line: a write under way, or a crash in one
  struct Bad {
    std::string file;            // name in the directory
    std::uint64_t line = 0;      // from 1
    std::uint64_t sequence = 0;  // the one expected there
    std::string what;
  };
  std::optional<Bad> bad;  // the first bad record
};
// `key` checks the checkpoints' signatures; without it they are only counted. `shipped` is a head.json kept elsewhere:
// a chain cut behind it is found. Errors: unavailable (unreadable), not_found (no chain there).
Result<AuditReport> verify(const std::filesystem::path& directory, const SigningKey* key = nullptr,
                           std::optional<std::string> shipped = std::nullopt);

}  // namespace hutong::access
