#include "broker/identity/candidate.h"

#include <algorithm>
#include <array>

#include "broker/base/hash.h"
#include "broker/identity/spelling.h"

namespace hutong::identity {
namespace {

using model::IdentifierKind;

constexpr std::size_t names_max = 4, phones_max = 3, addresses_max = 2, numbers_max = 8;

// 复姓, simplified.
constexpr std::array<std::u32string_view, 30> compound_families = {
    U"欧阳", U"司马", U"上官", U"诸葛", U"东方", U"皇甫", U"尉迟", U"公孙", U"慕容", U"令狐",
    U"长孙", U"宇文", U"司徒", U"夏侯", U"轩辕", U"端木", U"南宫", U"西门", U"独孤", U"呼延",
    U"万俟", U"闻人", U"申屠", U"太史", U"澹台", U"濮阳", U"淳于", U"钟离", U"闾丘", U"第五"};

std::vector<std::u32string> words_of(const std::u32string& text) {
  std::vector<std::u32string> words;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = std::min(text.find(U' ', at), text.size());
    if (end > at) words.push_back(text.substr(at, end - at));
    at = end + 1;
  }
  return words;
}

// 王秀英之女, 之子2, 之大女, 王秀英宝宝: what a newborn is called until it has a name. Its family's name is all that it
// says.
bool is_newborns(std::u32string_view name) {
  const auto of = name.find(U'之', 1);
  if (of != std::u32string_view::npos && of + 1 < name.size() && name.size() - of <= 5) {
    const auto what = name.substr(of + 1);
    if (what.find_first_of(U"子女男婴儿孩") != std::u32string_view::npos) return true;
  }
  return name.size() >= 4 && name.ends_with(U"宝宝");
}

std::u32string without_blanks(std::u32string text) {
  std::erase(text, U' ');
  return text;
}

bool all_han(const std::u32string& text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](char32_t c) { return is_han(c) || c == U' '; });
}

std::string sound_of(const std::u32string& part, bool family) {
  std::string out;
  bool after_han = false;
  for (char32_t c : part) {
    if (!is_han(c)) {
      if (after_han && c != U' ') out += ' ';
      after_han = false;
      out += encode(std::u32string_view(&c, 1));
      continue;
    }
    const auto syllable = family ? family_reading(c) : reading(c);
    if (!out.empty() && out.back() != ' ') out += ' ';
    out += syllable.empty() ? encode(std::u32string_view(&c, 1)) : std::string(syllable);
    after_han = true;
  }
  return out;
}

std::string digits_of_phone(std::string_view text) {
  std::string out;
  for (char c : text) {
    if (c >= '0' && c <= '9') out += c;
  }
  if (out.size() > 11 && out.starts_with("0086")) out.erase(0, 4);
  if (out.size() > 11 && out.starts_with("86")) out.erase(0, 2);
  const bool one_digit = std::all_of(out.begin(), out.end(), [&](char c) { return c == out.front(); });
  return out.size() < 7 || one_digit ? std::string() : out;  // "0", "11111111111": written where there is none
}

template <class T>
void add_once(std::vector<T>& list, T value, std::size_t most) {
  if (list.size() < most && std::find(list.begin(), list.end(), value) == list.end()) list.push_back(std::move(value));
}

// A newborn stands with its mother's card until it has its own, which says when it was born.
bool is_mothers(const std::string& card, const Candidate& newborn) {
  std::string born = newborn.birth_date;
  std::erase(born, '-');
  return born.empty() || card.size() != 18 || card.compare(6, 8, born) != 0;
}

}  // namespace

PersonName person_name(std::string_view text, std::string_view family, std::string_view given) {
  PersonName out;
  out.family = fold(family);
  out.given = fold(given);
  if (!out.family.empty() && is_newborns(out.given)) {
    out.given.clear();
  } else if (out.family.empty() || out.given.empty()) {
    const auto whole = fold(text.empty() ? (family.empty() ? given : family) : text);
    auto words = words_of(whole);
    if (words.size() > 1) {
      out.family = words.back();
      out.given.clear();
      for (std::size_t i = 0; i + 1 < words.size(); ++i) out.given += (i ? U" " : U"") + words[i];
    } else if ((all_han(whole) || is_newborns(whole)) && whole.size() > 1) {
      const bool compound = whole.size() > 2 && std::find(compound_families.begin(), compound_families.end(),
                                                          whole.substr(0, 2)) != compound_families.end();
      out.family = whole.substr(0, compound ? 2 : 1);
      out.given = is_newborns(whole) ? std::u32string() : whole.substr(compound ? 2 : 1);
    } else {
      // One word, and nobody says which: as the sender has it.
      if (given.empty()) out.given.clear(), out.family = whole;
      if (family.empty() && !given.empty()) out.family.clear(), out.given = whole;
    }
  }
  out.han = all_han(out.family.empty() ? out.given : out.family);
  if (out.han) {
    out.family = without_blanks(std::move(out.family));
    out.given = without_blanks(std::move(out.given));
  }
  out.family_sound = sound_of(out.family, true);
  out.given_sound = sound_of(out.given, false);
  return out;
}

bool is_nameless(std::string_view folded) {
  static constexpr std::string_view words[] = {"无名氏",  "无名",     "未知",     "不详",   "无名男",   "无名女",
                                               "unknown", "john doe", "jane doe", "未知名", "三无人员", "无"};
  return std::any_of(std::begin(words), std::end(words), [&](std::string_view word) { return folded == word; }) ||
         folded.starts_with("无名氏");
}

bool links(const model::Identifier& identifier) {
  return identifier.kind == IdentifierKind::resident_card && identifier.valid && !identifier.placeholder &&
         !identifier.value.empty();
}

Candidate candidate(std::string_view facility, std::string_view number, const model::Subject& subject) {
  Candidate out;
  out.facility = facility;
  out.number = number;
  for (const auto& identifier : subject.identifiers) {
    if (identifier.placeholder || identifier.value.empty()) continue;
    switch (identifier.kind) {
      case IdentifierKind::resident_card:
        (identifier.valid ? out.cards : out.faulty_cards).emplace_back(identifier.value);
        break;
      case IdentifierKind::health_card:
      case IdentifierKind::social_security:
      case IdentifierKind::insurance:
      case IdentifierKind::passport:
      case IdentifierKind::permit:
        if (identifier.valid) add_once(out.numbers, {identifier.kind, std::string(identifier.value)}, numbers_max);
        break;
      case IdentifierKind::facility_number:
      case IdentifierKind::visit:
      case IdentifierKind::other: break;  // of one facility, or of nobody knows what
    }
  }
  for (auto* cards : {&out.cards, &out.faulty_cards}) {
    std::sort(cards->begin(), cards->end());
    cards->erase(std::unique(cards->begin(), cards->end()), cards->end());
  }
  for (const auto& name : subject.names) {
    if (is_nameless(encode(fold(name.text)))) continue;
    auto read = person_name(name.text, name.family, name.given);
    if (!read.family.empty() || !read.given.empty()) add_once(out.names, std::move(read), names_max);
  }
  if (subject.born.iso.size() >= 10) out.birth_date = subject.born.iso.substr(0, 10);
  out.sex = subject.sex;
  for (const auto& contact : subject.contacts) {
    if (contact.use == "email") continue;
    if (auto phone = digits_of_phone(contact.value); !phone.empty()) add_once(out.phones, std::move(phone), phones_max);
  }
  for (const auto& address : subject.addresses) {
    PostalAddress read;
    read.street = without_blanks(fold(address.street.empty() ? address.text : address.street));
    read.place = without_blanks(fold(address.district.empty() ? address.city : address.district));
    read.postcode = encode(without_blanks(fold(address.postcode)));
    if (read != PostalAddress()) add_once(out.addresses, std::move(read), addresses_max);
  }
  out.mother_number = subject.mother_number;
  if (!out.mother_number.empty()) {
    for (auto* cards : {&out.cards, &out.faulty_cards})
      std::erase_if(*cards, [&](const auto& card) { return is_mothers(card, out); });
  }
  return out;
}

BlockKeys block_keys(const Candidate& candidate) {
  BlockKeys keys;
  const auto add_to = [](std::vector<std::string>& some, std::initializer_list<std::string_view> parts) {
    std::string key;
    for (const auto& part : parts) key.append(part).push_back('\x1f');
    if (std::find(some.begin(), some.end(), key) == some.end()) some.push_back(std::move(key));
  };
  const auto add = [&](std::initializer_list<std::string_view> parts) {
    add_to(keys.kept, parts);
    add_to(keys.sought, parts);
  };
  for (const auto& phone : candidate.phones) add({"phone", phone});
  for (const auto& number : candidate.numbers) add({"number", model::to_string(number.kind), number.value});
  const std::string_view born = candidate.birth_date;
  for (const auto& name : candidate.names) {
    // In either order: which part is the family's is often typed the wrong way round.
    const auto& first = std::min(name.family_sound, name.given_sound);
    const auto& last = std::max(name.family_sound, name.given_sound);
    std::string sound = first + " " + last;
    std::erase(sound, ' ');
    const bool dated = born.size() >= 10;
    add_to(keys.kept, {dated ? "name" : "name-undated", sound});
    add_to(keys.sought, {"name-undated", sound});
    if (!dated) {
      add_to(keys.sought, {"name", sound});
      continue;
    }
    const auto year = born.substr(0, 4), month = born.substr(5, 2), day = born.substr(8, 2);
    add({"name-month", sound, year, month});
    add({"name-days", sound, std::min(month, day), std::max(month, day)});
    add({"name-day", sound, year, day});
    if (!name.family_sound.empty()) add({"birth-part", born, name.family_sound});
    if (!name.given_sound.empty()) add({"birth-part", born, name.given_sound});
  }
  for (const auto& address : candidate.addresses) {
    const std::string place = address.postcode.empty() ? encode(address.place) : address.postcode;
    if (!address.street.empty()) add({"street", encode(address.street)});
    if (!place.empty() && born.size() >= 10) add({"birth-place", born, place});
  }
  return keys;
}

std::string stored_block(std::string_view hmac_key, const std::string& block_key) {
  return std::string(as_view(hmac_sha256(hmac_key, "block" + block_key)).substr(0, 16));
}

// Facility, 0x1F, number, 0x1E.
std::string block_member(const LocalKey& local) {
  return local.facility + '\x1f' + local.number + '\x1e';
}

void read_block_members(std::string_view members, std::vector<LocalKey>& out) {
  while (!members.empty()) {
    const auto facility = members.substr(0, members.find('\x1f'));
    members.remove_prefix(std::min(members.size(), facility.size() + 1));
    const auto number = members.substr(0, members.find('\x1e'));
    members.remove_prefix(std::min(members.size(), number.size() + 1));
    out.push_back({std::string(facility), std::string(number)});
  }
}

}  // namespace hutong::identity
