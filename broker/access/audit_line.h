// One line of the audit chain and how lines hold together. A line is a JSON object whose last two members are
// "previous" and "hash"; hash = SHA-256 of the line's own bytes up to the hash member, which include the previous
// line's hash: a changed, removed or reordered line breaks the chain at a line that can be named.
// Threads: any (pure).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "broker/base/time.h"

namespace hutong::access {

struct AuditEntry {
  Timestamp at;
  std::string principal, token_id, action, resource, subject, parameters, purpose, peer, outcome;
};

inline constexpr std::string_view audit_genesis = "0000000000000000000000000000000000000000000000000000000000000000";

// Where a chain stands: the sequence of its last line and that line's hash.
struct AuditHead {
  std::uint64_t sequence = 0;
  std::string hash{audit_genesis};
};

class SigningKey;

// Each appends one line with its newline and moves `head` on. `durable` is the highest sequence known to be on disk
// when the line was formed: what a reader after a crash knows to have been promised.
void append_audit_entry(std::string& out, AuditHead& head, std::uint64_t durable, const AuditEntry& entry);
void append_audit_checkpoint(std::string& out, AuditHead& head, std::uint64_t durable, Timestamp at,
                             const SigningKey& key);

struct AuditLine {
  std::uint64_t sequence = 0, durable = 0;
  std::string previous, hash;
  bool checkpoint = false;
  std::string key, signature, at;  // of a checkpoint
};
// nullopt: not a line of ours, or its hash does not match its bytes. `line` is without its newline.
std::optional<AuditLine> read_audit_line(std::string_view line);
// A checkpoint signs the sequence and hash before it and its time.
std::string checkpoint_statement(const AuditHead& before, std::string_view at);
std::string from_hex(std::string_view hex);  // "" when it is not hex

}  // namespace hutong::access
