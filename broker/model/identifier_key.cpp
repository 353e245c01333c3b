#include "broker/model/identifier_key.h"

#include "broker/base/hash.h"

namespace hutong::model {

std::string identifier_key(std::string_view hmac_key, IdentifierKind kind, Text facility, Text value) {
  const std::string_view name = to_string(kind);
  std::string message;
  message.reserve(name.size() + facility.size() + value.size() + 2);
  message.append(name).push_back('\0');
  if (kind == IdentifierKind::facility_number || kind == IdentifierKind::visit) message.append(facility);
  message.push_back('\0');
  message.append(value);
  return std::string(as_view(hmac_sha256(hmac_key, message)));
}

std::string name_key(Text name) {
  std::string key;
  key.reserve(name.size());
  for (std::size_t i = 0; i < name.size();) {
    const std::string_view rest = name.substr(i);
    const char c = name[i];
    if (c == ' ' || c == '\t' || c == '-' || c == '\'' || c == '.') {
      ++i;
    } else if (c >= 'A' && c <= 'Z') {
      key.push_back(static_cast<char>(c - 'A' + 'a'));
      ++i;
    } else if (rest.starts_with("\xC2\xB7") || rest.starts_with("\xC2\xA0")) {  // middle dot, no-break space
      i += 2;
    } else if (rest.starts_with("\xE3\x80\x80") || rest.starts_with("\xE2\x80\xA2") ||  // ideographic space, bullet
               rest.starts_with("\xE3\x83\xBB") || rest.starts_with("\xE2\x80\x99")) {  // katakana dot, apostrophe
      i += 3;
    } else if (rest.size() >= 3 && rest.starts_with("\xEF\xBC") && static_cast<unsigned char>(rest[2]) >= 0xA1 &&
               static_cast<unsigned char>(rest[2]) <= 0xBA) {  // full-width A..Z
      key.push_back(static_cast<char>(static_cast<unsigned char>(rest[2]) - 0xA1 + 'a'));
      i += 3;
    } else if (rest.size() >= 3 && rest.starts_with("\xEF\xBD") && static_cast<unsigned char>(rest[2]) >= 0x81 &&
               static_cast<unsigned char>(rest[2]) <= 0x9A) {  // full-width a..z
      key.push_back(static_cast<char>(static_cast<unsigned char>(rest[2]) - 0x81 + 'a'));
      i += 3;
    } else {
      key.push_back(c);
      ++i;
    }
  }
  return key;
}

std::string identifier_system(const Identifier& identifier) {
  if (!identifier.system.empty()) return std::string(identifier.system);
  switch (identifier.kind) {
    case IdentifierKind::resident_card: return "urn:oid:2.16.156.10011.1.3";
    case IdentifierKind::health_card: return "urn:oid:2.16.156.10011.1.19";
    case IdentifierKind::facility_number:
      return identifier.facility.empty() ? "" : "urn:hutong:facility:" + std::string(identifier.facility) + ":mrn";
    case IdentifierKind::visit:
      return identifier.facility.empty() ? "" : "urn:hutong:facility:" + std::string(identifier.facility) + ":visit";
    default: return "";
  }
}

}  // namespace hutong::model
