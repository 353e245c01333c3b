#include "broker/identity/spelling.h"

#include <algorithm>
#include <array>
#include <unordered_map>
#include <vector>

namespace hutong::identity {
namespace {

struct Reading {
  std::string_view syllable, characters;
};
#include "broker/identity/han_table.inc"

constexpr char32_t broken = 0xFFFD;

char32_t take_character(std::string_view text, std::size_t& at) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned char first = byte(at);
  const int more = first < 0x80 ? 0 : first >= 0xF0 ? 3 : first >= 0xE0 ? 2 : first >= 0xC0 ? 1 : -1;
  if (more < 0 || at + static_cast<std::size_t>(more) >= text.size()) return ++at, broken;
  char32_t c = more == 0 ? first : first & (0x3FU >> more);
  for (int i = 1; i <= more; ++i) {
    const unsigned char next = byte(at + static_cast<std::size_t>(i));
    if ((next & 0xC0) != 0x80) return ++at, broken;
    c = c << 6U | (next & 0x3FU);
  }
  at += static_cast<std::size_t>(more) + 1;
  return c;
}

void append(std::string& out, char32_t c) {
  const auto put = [&](char32_t byte) { out.push_back(static_cast<char>(byte)); };
  if (c < 0x80) return put(c);
  if (c < 0x800) return put(0xC0 | c >> 6U), put(0x80 | (c & 0x3F));
  if (c < 0x10000) return put(0xE0 | c >> 12U), put(0x80 | (c >> 6U & 0x3F)), put(0x80 | (c & 0x3F));
  put(0xF0 | c >> 18U), put(0x80 | (c >> 12U & 0x3F)), put(0x80 | (c >> 6U & 0x3F)), put(0x80 | (c & 0x3F));
}

// Both planes that names are written in, as plain arrays: a look costs a load.
constexpr char32_t han_first = 0x3400, han_last = 0x323AF;

struct Tables {
  std::vector<std::uint16_t> syllable = std::vector<std::uint16_t>(han_last - han_first + 1, 0);  // 1 + its place
  std::unordered_map<char32_t, char32_t> plain;  // variants and letters with marks
  Tables() {
    for (std::size_t i = 0; i < std::size(kReadings); ++i) {
      for (char32_t c : decode(kReadings[i].characters)) {
        if (c >= han_first && c <= han_last) syllable[c - han_first] = static_cast<std::uint16_t>(i + 1);
      }
    }
    for (std::string_view pairs : {kVariants, kLetters}) {
      const auto text = decode(pairs);
      for (std::size_t i = 0; i + 1 < text.size(); i += 2) plain.emplace(text[i], text[i + 1]);
    }
  }
};

const Tables& tables() {
  static const Tables made;
  return made;
}

// GOST 7.79 system B and its neighbours for Kazakh, Kyrgyz, Tajik, Uzbek and Mongolian, in plain letters.
std::string_view latin_of(char32_t c) {
  static constexpr std::array<std::string_view, 32> russian = {
      "a", "b", "v", "g", "d", "e", "zh", "z",  "i",  "i",   "k", "l", "m", "n", "o",  "p",
      "r", "s", "t", "u", "f", "h", "ts", "ch", "sh", "sch", "",  "y", "",  "e", "yu", "ya"};
  if (c >= 0x410 && c <= 0x42F) c += 0x20;
  if (c >= 0x430 && c <= 0x44F) return russian[c - 0x430];
  switch (c) {
    case 0x401:
    case 0x451: return "e";  // Ё
    case 0x404:
    case 0x454: return "e";
    case 0x406:
    case 0x456:
    case 0x407:
    case 0x457: return "i";
    case 0x408:
    case 0x458: return "i";
    case 0x40E:
    case 0x45E: return "u";  // Ў
    case 0x490:
    case 0x491:
    case 0x492:
    case 0x493: return "g";  // Ғ
    case 0x496:
    case 0x497: return "zh";
    case 0x49A:
    case 0x49B: return "k";  // Қ
    case 0x4A2:
    case 0x4A3: return "ng";  // Ң
    case 0x4AE:
    case 0x4AF:
    case 0x4B0:
    case 0x4B1: return "u";  // Ү Ұ
    case 0x4B2:
    case 0x4B3:
    case 0x4BA:
    case 0x4BB: return "h";  // Ҳ Һ
    case 0x4B6:
    case 0x4B7: return "j";
    case 0x4D8:
    case 0x4D9: return "a";  // Ә
    case 0x4E8:
    case 0x4E9: return "o";  // Ө
    default: return {};
  }
}

bool is_cyrillic(char32_t c) {
  return c >= 0x400 && c <= 0x52F;
}

// Parts words: a middle dot of ethnic names in its many forms, hyphens, blanks, commas.
bool parts(char32_t c) {
  switch (c) {
    case ' ':
    case '\t':
    case '-':
    case '.':
    case ',':
    case '/':
    case '_':
    case 0xA0:
    case 0xB7:
    case 0x387:
    case 0x2010:
    case 0x2011:
    case 0x2013:
    case 0x2014:
    case 0x2022:
    case 0x2027:
    case 0x22C5:
    case 0x2E31:
    case 0x3000:
    case 0x3001:
    case 0x30FB:
    case 0xFF0E:
    case 0xFF65: return true;
    default: return false;
  }
}

std::string_view initial_near(std::string_view s) {
  if (s.starts_with("zh")) return "z";
  if (s.starts_with("ch")) return "c";
  if (s.starts_with("sh")) return "s";
  if (s.starts_with("n")) return "l";
  return {};
}

std::string near_form(std::string_view s) {
  std::string out;
  const auto initial = initial_near(s);
  if (!initial.empty()) {
    out = initial;
    s.remove_prefix(s[0] == 'n' ? 1 : 2);
  }
  out += s;
  if (out.ends_with("ng")) out.pop_back();
  return out;
}

}  // namespace

std::u32string decode(std::string_view text) {
  std::u32string out;
  out.reserve(text.size());
  for (std::size_t at = 0; at < text.size();) out.push_back(take_character(text, at));
  return out;
}

std::string encode(std::u32string_view text) {
  std::string out;
  for (char32_t c : text) append(out, c);
  return out;
}

bool is_han(char32_t c) {
  return (c >= 0x3400 && c <= 0x9FFF) || (c >= 0xF900 && c <= 0xFAFF) || (c >= 0x20000 && c <= 0x323AF) || c == 0x3007;
}

std::string_view reading(char32_t c) {
  if (c < han_first || c > han_last) return {};
  const std::uint16_t place = tables().syllable[c - han_first];
  return place == 0 ? std::string_view() : kReadings[place - 1].syllable;
}

std::string_view family_reading(char32_t c) {
  switch (c) {
    case U'曾': return "zeng";
    case U'单': return "shan";
    case U'仇': return "qiu";
    case U'解': return "xie";
    case U'区': return "ou";
    case U'查': return "zha";
    case U'盖': return "ge";
    case U'朴': return "piao";
    case U'翟': return "zhai";
    case U'乐': return "yue";
    case U'尉': return "yu";
    case U'万': return "wan";
    case U'俟': return "qi";
    case U'种': return "chong";
    case U'繁': return "po";
    case U'秘': return "bi";
    case U'缪': return "miao";
    case U'覃': return "qin";
    case U'召': return "shao";
    case U'折': return "she";
    case U'黑': return "he";
    case U'冼': return "xian";
    case U'员': return "yun";
    case U'长': return "zhang";
    default: return reading(c);
  }
}

std::u32string fold(std::string_view text) {
  std::u32string out;
  out.reserve(text.size());
  for (std::size_t at = 0; at < text.size();) {
    char32_t c = take_character(text, at);
    if (parts(c)) {
      if (!out.empty() && out.back() != U' ') out.push_back(U' ');
      continue;
    }
    if (c >= 0xFF01 && c <= 0xFF5E) c -= 0xFEE0;  // full-width
    if (c >= 'A' && c <= 'Z') c += 'a' - 'A';
    if (c < 0x80) {
      if ((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9')) out.push_back(c);
      continue;
    }
    if (is_cyrillic(c)) {
      for (char latin : latin_of(c)) out.push_back(static_cast<char32_t>(latin));
      continue;
    }
    if (auto known = tables().plain.find(c); known != tables().plain.end()) c = known->second;
    if (c == 0xDF) out.push_back(U's'), c = U's';
    if (c == 0x2018 || c == 0x2019 || c == 0x2BC || c == 0x2BB) continue;  // apostrophes
    out.push_back(c);
  }
  while (!out.empty() && out.back() == U' ') out.pop_back();
  return out;
}

bool sound_near(std::string_view a, std::string_view b) {
  return a == b || near_form(a) == near_form(b);
}

double jaro_winkler(std::u32string_view a, std::u32string_view b) {
  if (a.empty() || b.empty()) return a.empty() && b.empty() ? 1 : 0;
  if (a == b) return 1;
  const std::size_t longer = std::max(a.size(), b.size());
  const std::size_t reach = longer / 2 > 0 ? longer / 2 - 1 : 0;
  std::vector<bool> a_met(a.size()), b_met(b.size());
  std::size_t met = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    const std::size_t from = i > reach ? i - reach : 0, to = std::min(b.size(), i + reach + 1);
    for (std::size_t j = from; j < to; ++j) {
      if (b_met[j] || a[i] != b[j]) continue;
      a_met[i] = b_met[j] = true;
      ++met;
      break;
    }
  }
  if (met == 0) return 0;
  std::size_t moved = 0;
  for (std::size_t i = 0, j = 0; i < a.size(); ++i) {
    if (!a_met[i]) continue;
    while (!b_met[j]) ++j;
    moved += a[i] != b[j];
    ++j;
  }
  const double m = static_cast<double>(met), half = static_cast<double>(moved) / 2;
  const double jaro = (m / static_cast<double>(a.size()) + m / static_cast<double>(b.size()) + (m - half) / m) / 3;
  std::size_t common = 0;
  while (common < std::min({a.size(), b.size(), std::size_t{4}}) && a[common] == b[common]) ++common;
  return jaro + 0.1 * static_cast<double>(common) * (1 - jaro);
}

bool one_slip(std::string_view a, std::string_view b) {
  if (a.size() > b.size()) std::swap(a, b);
  if (a == b || b.size() - a.size() > 1) return false;
  std::size_t i = 0;
  while (i < a.size() && a[i] == b[i]) ++i;
  if (a.size() != b.size()) return a.substr(i) == b.substr(i + 1);
  if (a.substr(i + 1) == b.substr(i + 1)) return true;
  return i + 1 < a.size() && a[i] == b[i + 1] && a[i + 1] == b[i] && a.substr(i + 2) == b.substr(i + 2);
}

double shared_pairs(std::u32string_view a, std::u32string_view b) {
  if (a == b) return 1;
  if (a.size() < 2 || b.size() < 2) return 0;
  std::vector<std::uint64_t> left, right;
  for (std::size_t i = 0; i + 1 < a.size(); ++i) left.push_back(static_cast<std::uint64_t>(a[i]) << 32U | a[i + 1]);
  for (std::size_t i = 0; i + 1 < b.size(); ++i) right.push_back(static_cast<std::uint64_t>(b[i]) << 32U | b[i + 1]);
  std::sort(left.begin(), left.end());
  std::sort(right.begin(), right.end());
  std::size_t shared = 0;
  for (auto i = left.begin(), j = right.begin(); i != left.end() && j != right.end();) {
    if (*i < *j) {
      ++i;
    } else if (*j < *i) {
      ++j;
    } else {
      ++shared, ++i, ++j;
    }
  }
  return 2.0 * static_cast<double>(shared) / static_cast<double>(left.size() + right.size());
}

}  // namespace hutong::identity
