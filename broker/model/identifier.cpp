#include "broker/model/identifier.h"

#include <algorithm>
#include <array>

#include "broker/base/time.h"

namespace hutong::model {
namespace {

constexpr Text card_system = "urn:oid:2.16.156.10011.1.3";
constexpr Text health_card_system = "urn:oid:2.16.156.10011.1.19";
constexpr Text uscc_alphabet = "0123456789ABCDEFGHJKLMNPQRTUWXY";  // a character's value is its place

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}
bool all_digits(Text text) {
  return std::all_of(text.begin(), text.end(), is_digit);
}
int two(Text text, std::size_t at) {
  return (text[at] - '0') * 10 + (text[at + 1] - '0');
}
char lower(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}

bool same_word(Text a, Text b) {
  return a.size() == b.size() &&
         std::equal(a.begin(), a.end(), b.begin(), [](char x, char y) { return lower(x) == lower(y); });
}
bool is_any(Text text, std::initializer_list<Text> words) {
  return std::any_of(words.begin(), words.end(), [text](Text word) { return same_word(text, word); });
}
bool contains(Text text, Text part) {
  return text.find(part) != Text::npos;
}

bool is_oid(Text text) {
  if (text.size() < 3 || text.front() < '0' || text.front() > '2' || text[1] != '.') return false;
  return is_digit(text.back()) && std::all_of(text.begin(), text.end(), [](char c) { return is_digit(c) || c == '.'; });
}

// What a QR code says beside the card follows behind colons.
Text first_field(Text text) {
  return text.substr(0, text.find(':'));
}

bool is_insurance_token(Text type, Text authority) {
  return contains(type, "电子凭证") || contains(authority, "电子凭证") || is_any(type, {"ECQR", "ECQRCODE", "ECTOKEN"});
}

Text in_capitals(Text text, Arena& arena) {
  const auto small = [](char c) { return c >= 'a' && c <= 'z'; };
  if (std::none_of(text.begin(), text.end(), small)) return text;
  const Text copy = arena.copy(text);
  for (std::size_t i = 0; i < copy.size(); ++i) {
    char& c = const_cast<char&>(copy[i]);  // the arena's own bytes
    if (small(c)) c = static_cast<char>(c - 'a' + 'A');
  }
  return copy;
}

bool is_hex64(Text text) {
  return text.size() == 64 && std::all_of(text.begin(), text.end(),
                                          [](char c) { return is_digit(c) || (lower(c) >= 'a' && lower(c) <= 'f'); });
}

std::optional<IdentifierKind> by_authority(Text authority) {
  constexpr Text root = "2.16.156.10011.1.";
  if (authority.starts_with("urn:oid:")) authority.remove_prefix(8);
  if (authority.starts_with(root)) {
    const Text leaf = authority.substr(root.size());
    if (leaf == "3") return IdentifierKind::resident_card;
    if (leaf == "19") return IdentifierKind::health_card;
    if (leaf == "11" || leaf == "12") return IdentifierKind::visit;
  }
  if (contains(authority, "身份证")) return IdentifierKind::resident_card;
  if (contains(authority, "健康卡")) return IdentifierKind::health_card;
  if (contains(authority, "社保卡") || contains(authority, "社会保障")) return IdentifierKind::social_security;
  if (contains(authority, "医保")) return IdentifierKind::insurance;
  return std::nullopt;
}

std::optional<IdentifierKind> by_type(Text type, Text value) {
  const bool card = has_card_form(value);
  switch (type.size()) {
    case 0: return std::nullopt;
    case 2:
      if (is_any(type, {"MR", "PI", "PT"})) return IdentifierKind::facility_number;
      if (is_any(type, {"NI", "01"})) return card ? IdentifierKind::resident_card : IdentifierKind::other;
      if (is_any(type, {"HC", "EH"}))
        return is_hex64(first_field(value)) ? IdentifierKind::health_card : IdentifierKind::other;
      if (is_any(type, {"SS"})) return card ? IdentifierKind::resident_card : IdentifierKind::social_security;
      if (is_any(type, {"03"})) return IdentifierKind::passport;
      if (is_any(type, {"06", "07"})) return IdentifierKind::permit;
      if (is_any(type, {"MA", "MI", "MC", "IN", "NH"})) return IdentifierKind::insurance;
      if (is_any(type, {"VN", "VS", "AN"})) return IdentifierKind::visit;
      return std::nullopt;
    case 3:
      if (same_word(type, "PPN")) return IdentifierKind::passport;
      if (same_word(type, "SSN")) return card ? IdentifierKind::resident_card : IdentifierKind::social_security;
      if (same_word(type, "SNO")) return IdentifierKind::social_security;
      if (same_word(type, "MRN")) return IdentifierKind::facility_number;
      return std::nullopt;
    default: break;
  }
  if (same_word(type, "NNCHN")) return card ? IdentifierKind::resident_card : IdentifierKind::other;
  if (is_any(type, {"IDCARD", "ID_CARD", "SFZ", "SFZH"}) || contains(type, "身份证"))
    return IdentifierKind::resident_card;
  if (contains(type, "健康卡")) return IdentifierKind::health_card;
  if (contains(type, "社保") || contains(type, "社会保障")) return IdentifierKind::social_security;
  if (contains(type, "医保")) return IdentifierKind::insurance;
  if (contains(type, "护照")) return IdentifierKind::passport;
  if (contains(type, "通行证")) return IdentifierKind::permit;
  if (contains(type, "门诊号") || contains(type, "住院号")) return IdentifierKind::visit;
  if (contains(type, "病案号") || contains(type, "病历号")) return IdentifierKind::facility_number;
  return std::nullopt;
}

}  // namespace

Text fold_number(Text number, Arena& arena) {
  const auto plain = [](char c) { return c > ' ' && static_cast<unsigned char>(c) < 0x80; };
  if (std::all_of(number.begin(), number.end(), plain)) return number;
  char* const to = static_cast<char*>(arena.allocate(number.size(), 1));
  std::size_t size = 0;
  for (std::size_t i = 0; i < number.size();) {
    const auto at = [&](std::size_t k) { return static_cast<unsigned char>(number[i + k]); };
    if (number[i] == ' ' || number[i] == '\t') {
      ++i;
    } else if (i + 2 < number.size() && at(0) == 0xE3 && at(1) == 0x80 && at(2) == 0x80) {  // U+3000
      i += 3;
    } else if (i + 2 < number.size() && at(0) == 0xEF && (at(1) == 0xBC || at(1) == 0xBD)) {  // U+FF01..FF5E
      const unsigned code = (at(1) == 0xBC ? 0u : 0x40u) + (at(2) - 0x80u);                   // from U+FF00
      if (code >= 1 && code <= 0x5E) {
        to[size++] = static_cast<char>(0x20 + code);
        i += 3;
      } else {
        to[size++] = number[i++];
      }
    } else {
      to[size++] = number[i++];
    }
  }
  return {to, size};
}

bool has_card_form(Text number) {
  return number.size() == 18 && all_digits(number.substr(0, 17)) &&
         (is_digit(number[17]) || number[17] == 'X' || number[17] == 'x');
}

char card_check(Text seventeen) {
  static constexpr std::array<int, 17> weights{7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2};
  int sum = 0;
  for (std::size_t i = 0; i < 17; ++i) sum += (seventeen[i] - '0') * weights[i];
  return "10X98765432"[sum % 11];
}

std::optional<CardFacts> read_resident_card(Text number) {
  if (!has_card_form(number) || number[0] == '0') return std::nullopt;
  const char check = number[17] == 'x' ? 'X' : number[17];
  if (check != card_check(number)) return std::nullopt;
  const CardFacts facts{two(number, 6) * 100 + two(number, 8), two(number, 10), two(number, 12),
                        (number[16] - '0') % 2 ? Sex::male : Sex::female};
  if (facts.year < 1850 || !is_date(facts.year, facts.month, facts.day)) return std::nullopt;
  return facts;
}

Text modern_card(Text fifteen, Arena& arena) {
  if (fifteen.size() != 15 || !all_digits(fifteen) || fifteen[0] == '0') return {};
  if (!is_date(1900 + two(fifteen, 6), two(fifteen, 8), two(fifteen, 10))) return {};
  const Text seventeen = arena.concat({fifteen.substr(0, 6), "19", fifteen.substr(6), "X"});
  const_cast<char&>(seventeen[17]) = card_check(seventeen);  // the arena's own bytes
  return seventeen;
}

bool has_uscc_form(Text code) {
  if (code.size() != 18 || !all_digits(code.substr(2, 6))) return false;
  return std::all_of(code.begin(), code.end(), [](char c) { return uscc_alphabet.find(c) != Text::npos; });
}

bool is_uscc(Text code) {
  if (!has_uscc_form(code)) return false;
  std::size_t sum = 0, weight = 1;  // of the place i (from 0): 3^i mod 31
  for (const char c : code.substr(0, 17)) {
    sum += uscc_alphabet.find(c) * weight;
    weight = weight * 3 % 31;
  }
  return code[17] == uscc_alphabet[(31 - sum % 31) % 31];
}

Text normal_number(IdentifierKind kind, Text number, Arena& arena) {
  number = fold_number(number, arena);
  switch (kind) {
    case IdentifierKind::resident_card:
      if (const Text modern = modern_card(number, arena); !modern.empty()) return modern;
      if (!number.empty() && number.back() == 'x') return arena.concat({number.substr(0, number.size() - 1), "X"});
      return number;
    case IdentifierKind::health_card:
      return is_hex64(first_field(number)) ? in_capitals(first_field(number), arena) : number;
    case IdentifierKind::passport:
    case IdentifierKind::permit: return in_capitals(number, arena);
    default: return number;
  }
}

bool expires_before_effective(const Identifier& identifier) {
  const auto from = parse_iso(identifier.effective.iso), to = parse_iso(identifier.expires.iso);
  return from && to && to->last <= from->first;
}

IdentifierKind classify(Text type, Text authority, Text value) {
  if (auto kind = by_authority(authority)) return *kind;
  if (auto kind = by_type(type, value)) return *kind;
  if (contains(authority, "NNCHN") && has_card_form(value)) return IdentifierKind::resident_card;
  if (type.empty() && read_resident_card(value)) return IdentifierKind::resident_card;
  return IdentifierKind::other;
}

void complete(Identifier& identifier, Text facility, Arena& arena) {
  identifier.value = fold_number(identifier.value, arena);
  identifier.kind = classify(identifier.type, identifier.authority, identifier.value);
  if (identifier.kind == IdentifierKind::other && identifier.value.size() == 15 &&
      is_any(identifier.type, {"NI", "01", "NNCHN"}) && !modern_card(identifier.value, arena).empty())
    identifier.kind = IdentifierKind::resident_card;
  if (is_insurance_token(identifier.type, identifier.authority)) {
    identifier.kind = IdentifierKind::insurance;
    identifier.value = {};
  }
  identifier.value = normal_number(identifier.kind, identifier.value, arena);
  switch (identifier.kind) {
    case IdentifierKind::resident_card:
      identifier.valid = read_resident_card(identifier.value).has_value();
      identifier.system = card_system;
      return;
    case IdentifierKind::health_card: identifier.system = health_card_system; return;
    case IdentifierKind::facility_number:
      identifier.facility = facility;
      identifier.system = arena.concat({"urn:hutong:facility:", facility, ":mrn"});
      return;
    case IdentifierKind::visit:
      identifier.facility = facility;
      identifier.system = arena.concat({"urn:hutong:facility:", facility, ":visit"});
      return;
    default: break;
  }
  Text oid = identifier.authority;
  if (oid.starts_with("urn:oid:")) oid.remove_prefix(8);
  if (is_oid(oid)) {
    identifier.system = arena.concat({"urn:oid:", oid});
    return;
  }
  const auto plain = [](char c) { return is_digit(c) || (lower(c) >= 'a' && lower(c) <= 'z') || c == '-' || c == '.'; };
  const bool named = !identifier.type.empty() && std::all_of(identifier.type.begin(), identifier.type.end(), plain);
  const Text last = named ? identifier.type : to_string(identifier.kind);
  const Text system = arena.concat({"urn:hutong:facility:", facility, ":", last});
  for (std::size_t i = system.size() - last.size(); i < system.size(); ++i) {
    char& c = const_cast<char&>(system[i]);
    c = lower(c);
  }
  identifier.system = system;
}

}  // namespace hutong::model
