#include "broker/access/audit_verify.h"

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <vector>

#include "broker/access/flat_object.h"
#include "broker/access/synced_file.h"
#include "broker/base/hash.h"

namespace hutong::access {
namespace {

constexpr std::string_view file_prefix = "audit-", file_suffix = ".jsonl";

struct AuditFile {
  std::filesystem::path path;
  std::uint64_t first = 0;
};

Result<std::vector<AuditFile>> files_of(const std::filesystem::path& directory) {
  std::vector<AuditFile> files;
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(directory, error)) {
    const std::string name = entry.path().filename().string();
    if (!name.starts_with(file_prefix) || !name.ends_with(file_suffix)) continue;
    AuditFile file{entry.path(), 0};
    const char* begin = name.data() + file_prefix.size();
    std::from_chars(begin, name.data() + name.size() - file_suffix.size(), file.first);
    files.push_back(std::move(file));
  }
  if (error) return fail(ErrorCode::unavailable, "cannot read " + directory.string() + ": " + error.message());
  std::sort(files.begin(), files.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
  return files;
}

// The lines of one file, one after another, each held against the one before it.
struct Walk {
  AuditHead head;
  std::uint64_t line = 0, checkpoints = 0, since_checkpoint = 0, good_bytes = 0;
  std::string what;         // of the first bad line; empty: all good
  bool unfinished = false;  // it has no newline, or holes of a file system that lost power
};

void walk(std::string_view content, const SigningKey* key, Walk& at) {
  at.line = 0;
  at.good_bytes = 0;
  while (!content.empty()) {
    const auto newline = content.find('\n');
    const std::string_view text = content.substr(0, newline);
    ++at.line;
    const auto line = newline == std::string_view::npos ? std::nullopt : read_audit_line(text);
    if (!line) {
      at.what = newline == std::string_view::npos ? "the line is not finished"
                                                  : "the line was changed: its hash does not match";
      at.unfinished = newline == std::string_view::npos || text.find('\0') != std::string_view::npos;
      return;
    }
    if (line->sequence != at.head.sequence + 1) {
      at.what = "sequence " + std::to_string(line->sequence) + " stands where " + std::to_string(at.head.sequence + 1) +
                " should: records are missing or out of order";
      return;
    }
    if (line->previous != at.head.hash) {
      at.what = "the line does not continue the one before it";
      return;
    }
    if (line->checkpoint) {
      if (key && (line->key != key->id() ||
                  !key->verify(checkpoint_statement(at.head, line->at), from_hex(line->signature)))) {
        at.what = "the checkpoint's signature does not match the installation's key";
        return;
      }
      ++at.checkpoints;
      at.since_checkpoint = 0;
    } else {
      ++at.since_checkpoint;
    }
    at.head = {line->sequence, line->hash};
    at.good_bytes += newline + 1;
    content.remove_prefix(newline + 1);
  }
}

// Whether a later whole line says that `sequence` was on disk before it was written itself.
bool promised_later(std::string_view content, std::uint64_t sequence) {
  while (!content.empty()) {
    const auto newline = content.find('\n');
    if (newline == std::string_view::npos) return false;
    const auto line = read_audit_line(content.substr(0, newline));
    if (line && line->durable >= sequence) return true;
    content.remove_prefix(newline + 1);
  }
  return false;
}

struct Shipped {
  AuditHead head;
  bool signature_good = false;
};

std::optional<Shipped> read_head(std::string_view json, const SigningKey* key) {
  const auto object = FlatObject::read(json);
  if (!object) return std::nullopt;
  const auto sequence = object->integer("sequence");
  const auto *hash = object->text("hash"), *at = object->text("at"), *signature = object->text("signature");
  if (!sequence || *sequence < 0 || !hash || !at || !signature) return std::nullopt;
  Shipped shipped{{static_cast<std::uint64_t>(*sequence), *hash}, true};
  if (key) shipped.signature_good = key->verify(checkpoint_statement(shipped.head, *at), from_hex(*signature));
  return shipped;
}

std::string place(const std::string& file, std::uint64_t line, std::uint64_t sequence) {
  return file + " line " + std::to_string(line) + " (sequence " + std::to_string(sequence) + ")";
}

}  // namespace

std::string audit_file_name(std::uint64_t first_sequence) {
  char name[64];
  std::snprintf(name, sizeof name, "audit-%020llu.jsonl", static_cast<unsigned long long>(first_sequence));
  return name;
}

std::string write_audit_head(const AuditHead& head, Timestamp at, const SigningKey& key) {
  return "{\"sequence\":" + std::to_string(head.sequence) + ",\"hash\":\"" + head.hash + "\",\"at\":\"" + to_iso(at) +
         "\",\"key\":\"" + key.id() + "\",\"signature\":\"" + to_hex(key.sign(checkpoint_statement(head, to_iso(at)))) +
         "\"}\n";
}

Result<AuditEnd> find_audit_end(const std::filesystem::path& directory, const SigningKey* key) {
  auto files = files_of(directory);
  if (!files) return tl::unexpected<Error>(files.error());
  auto kept = read_file(directory / audit_head_file);
  if (!kept) return tl::unexpected<Error>(kept.error());
  const auto shipped = kept->empty() ? std::nullopt : read_head(*kept, key);
  AuditEnd end;
  // Only the last two files are read: one may have been made just before a crash and hold nothing yet.
  const std::size_t from = files->size() > 2 ? files->size() - 2 : 0;
  for (std::size_t i = from; i < files->size(); ++i) {
    const auto& file = (*files)[i];
    auto content = read_file(file.path);
    if (!content) return tl::unexpected<Error>(content.error());
    Walk at;
    if (i > from) {
      at.head = end.head;
      at.since_checkpoint = end.since_checkpoint;
    } else if (file.first > 1) {
      const auto line = read_audit_line(std::string_view(*content).substr(0, content->find('\n')));
      if (line) at.head = {file.first - 1, line->previous};
    }
    walk(*content, key, at);
    const std::uint64_t bad = at.head.sequence + 1;
    if (!at.what.empty()) {
      const bool promised = (shipped && shipped->head.sequence >= bad) ||
                            promised_later(std::string_view(*content).substr(at.good_bytes), bad);
      if (promised || !at.unfinished || i + 1 < files->size()) {
        return fail(ErrorCode::corrupt, "the audit chain is damaged at " + place(file.path.string(), at.line, bad) +
                                            ": " + at.what +
                                            ". Keep the folder as evidence, move it aside and start again");
      }
    }
    end = {at.head, file.path, at.good_bytes, content->size() - at.good_bytes, at.since_checkpoint};
  }
  if (shipped && shipped->head.sequence > end.head.sequence) {
    return fail(ErrorCode::corrupt,
                "the audit chain in " + directory.string() + " ends at sequence " + std::to_string(end.head.sequence) +
                    " but its signed head says " + std::to_string(shipped->head.sequence) +
                    ": records were removed. Keep the folder as evidence, move it aside and start again");
  }
  return end;
}

Result<AuditReport> verify(const std::filesystem::path& directory, const SigningKey* key,
                           std::optional<std::string> shipped_json) {
  auto files = files_of(directory);
  if (!files) return tl::unexpected<Error>(files.error());
  if (files->empty()) return fail(ErrorCode::not_found, "there is no audit chain in " + directory.string());
  std::vector<Shipped> known;
  const auto know = [&](std::string_view json) {
    if (auto head = read_head(json, key)) known.push_back(*head);
  };
  if (auto kept = read_file(directory / audit_head_file); kept && !kept->empty()) know(*kept);
  if (shipped_json) know(*shipped_json);

  AuditReport report;
  std::string name;
  Walk at;
  for (std::size_t i = 0; i < files->size(); ++i) {
    const auto& file = (*files)[i];
    name = file.path.filename().string();
    auto content = read_file(file.path);
    if (!content) return tl::unexpected<Error>(content.error());
    const AuditHead before = at.head;
    walk(*content, key, at);
    if (at.what.empty() && file.first != before.sequence + 1) {
      at.what =
          "the file's name says that it begins at " + std::to_string(file.first) + ": a file is missing or was renamed";
      report.bad = AuditReport::Bad{name, 1, before.sequence + 1, at.what};
      break;
    }
    report.records = at.head.sequence - at.checkpoints;
    report.checkpoints = at.checkpoints;
    report.head = at.head;
    if (at.what.empty()) {
      for (const auto& head : known) {
        if (head.head.sequence <= before.sequence || head.head.sequence > at.head.sequence) continue;
        if (content->find(head.head.hash) == std::string::npos) {
          report.bad = AuditReport::Bad{name, 0, head.head.sequence,
                                        "the signed head names another record: the chain was written anew"};
        }
      }
      if (report.bad) break;
      continue;
    }
    const bool torn = at.unfinished && i + 1 == files->size() &&
                      !promised_later(std::string_view(*content).substr(at.good_bytes), at.head.sequence + 1);
    if (torn) {
      report.unfinished_bytes = content->size() - at.good_bytes;
    } else {
      report.bad = AuditReport::Bad{name, at.line, at.head.sequence + 1, at.what};
    }
    break;
  }
  for (const auto& head : known) {
    if (report.bad) break;
    if (!head.signature_good) {
      report.bad = AuditReport::Bad{std::string(audit_head_file), 1, head.head.sequence,
                                    "the head's signature does not match the installation's key"};
    } else if (head.head.sequence > report.head.sequence) {
      report.bad = AuditReport::Bad{name, at.line + 1, report.head.sequence + 1,
                                    "the chain ends here but a signed head says " + std::to_string(head.head.sequence) +
                                        ": the last records were removed"};
    }
  }
  return report;
}

}  // namespace hutong::access
