#include "broker/access/audit_line.h"

#include "broker/access/flat_object.h"
#include "broker/access/key_file.h"
#include "broker/base/hash.h"

namespace hutong::access {
namespace {

constexpr std::string_view hash_member = ",\"hash\":\"";
constexpr std::size_t hash_digits = 64;

void begin(std::string& out, const AuditHead& head, std::uint64_t durable, Timestamp at) {
  out += "{\"sequence\":" + std::to_string(head.sequence + 1) + ",\"durable\":" + std::to_string(durable) +
         ",\"at\":\"" + to_iso(at) + '"';
}

void add(std::string& out, std::string_view name, std::string_view value) {
  if (value.empty()) return;
  out += ",\"";
  out += name;
  out += "\":";
  append_json_text(out, value);
}

void end(std::string& out, std::size_t from, AuditHead& head) {
  out += ",\"previous\":\"" + head.hash + '"';
  const auto digest = sha256(std::string_view(out).substr(from));
  head.hash = to_hex(as_view(digest));
  ++head.sequence;
  out += hash_member;
  out += head.hash + "\"}\n";
}

}  // namespace

void append_audit_entry(std::string& out, AuditHead& head, std::uint64_t durable, const AuditEntry& entry) {
  const std::size_t from = out.size();
  begin(out, head, durable, entry.at);
  add(out, "principal", entry.principal);
  add(out, "token", entry.token_id);
  add(out, "action", entry.action);
  add(out, "resource", entry.resource);
  add(out, "subject", entry.subject);
  add(out, "parameters", entry.parameters);
  add(out, "purpose", entry.purpose);
  add(out, "peer", entry.peer);
  add(out, "outcome", entry.outcome);
  end(out, from, head);
}

std::string checkpoint_statement(const AuditHead& before, std::string_view at) {
  return "hutong audit checkpoint " + std::to_string(before.sequence) + ' ' + before.hash + ' ' + std::string(at);
}

void append_audit_checkpoint(std::string& out, AuditHead& head, std::uint64_t durable, Timestamp at,
                             const SigningKey& key) {
  const std::size_t from = out.size();
  begin(out, head, durable, at);
  add(out, "action", "checkpoint");
  add(out, "key", key.id());
  add(out, "signature", to_hex(key.sign(checkpoint_statement(head, to_iso(at)))));
  end(out, from, head);
}

std::optional<AuditLine> read_audit_line(std::string_view line) {
  const std::size_t tail = hash_member.size() + hash_digits + 2;
  if (line.size() <= tail || !line.ends_with("\"}")) return std::nullopt;
  const std::string_view signed_part = line.substr(0, line.size() - tail);
  const std::string_view rest = line.substr(signed_part.size());
  if (!rest.starts_with(hash_member)) return std::nullopt;
  const std::string_view hash = rest.substr(hash_member.size(), hash_digits);
  const auto digest = sha256(signed_part);
  if (to_hex(as_view(digest)) != hash) return std::nullopt;
  const auto object = FlatObject::read(line);
  if (!object) return std::nullopt;
  const auto sequence = object->integer("sequence");
  const auto durable = object->integer("durable");
  const auto* previous = object->text("previous");
  if (!sequence || *sequence < 1 || !durable || *durable < 0 || !previous) return std::nullopt;
  AuditLine read;
  read.sequence = static_cast<std::uint64_t>(*sequence);
  read.durable = static_cast<std::uint64_t>(*durable);
  read.previous = *previous;
  read.hash = hash;
  const auto text = [&](std::string_view name) { return object->text(name) ? *object->text(name) : std::string(); };
  read.checkpoint = text("action") == "checkpoint" && object->find("principal") == nullptr;
  read.key = text("key");
  read.signature = text("signature");
  read.at = text("at");
  return read;
}

std::string from_hex(std::string_view hex) {
  std::string bytes;
  const auto digit = [](char c) { return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1; };
  for (std::size_t i = 0; i + 1 < hex.size(); i += 2) {
    const int high = digit(hex[i]), low = digit(hex[i + 1]);
    if (high < 0 || low < 0) return {};
    bytes += static_cast<char>(high * 16 + low);
  }
  return hex.size() % 2 ? std::string() : bytes;
}

}  // namespace hutong::access
