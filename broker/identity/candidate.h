// What of a local patient bears on who they are, ready to be compared: names folded and split, numbers by kind. Made
// once for each look; owns its texts, because candidates outlive the rows they come from. Pure; threads: any.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "broker/identity/decision.h"
#include "broker/model/event.h"

namespace hutong::identity {

struct PersonName {
  std::u32string family, given;           // folded (spelling.h); one of them may be empty
  std::string family_sound, given_sound;  // syllables of Chinese characters, else the letters; words parted by blanks
  bool han = false;                       // written in Chinese characters
  bool operator==(const PersonName&) const = default;
};

// Chinese names without a separator are split after the family name (of two characters where it is a compound one);
// of words with middle dots or blanks the last is the family's. What the sender separates counts first. Of 王秀英之女
// only the family name is its own.
PersonName person_name(std::string_view text, std::string_view family, std::string_view given);

struct Number {  // not a resident card
  model::IdentifierKind kind;
  std::string value;
  bool operator==(const Number&) const = default;
};

struct PostalAddress {
  std::u32string street;  // folded, blanks gone; the whole text where the sender separates nothing
  std::u32string place;   // district or city
  std::string postcode;
  bool operator==(const PostalAddress&) const = default;
};

struct Candidate {
  std::string facility, number;
  std::vector<std::string> cards;  // valid resident cards that are no placeholders nor a newborn's mother's, sorted
  std::vector<std::string>
      faulty_cards;  // mistyped ones: they link nobody, a slip away from a valid one they are evidence
  std::vector<PersonName> names;
  std::string birth_date;  // "1980-01-02"; empty: not known to the day
  model::Sex sex = model::Sex::unknown;
  std::vector<std::string> phones;  // digits, without the country
  std::vector<PostalAddress> addresses;
  std::vector<Number> numbers;
  std::string mother_number;  // a newborn: the mother's number at `facility`
  bool operator==(const Candidate&) const = default;
};

Candidate candidate(std::string_view facility, std::string_view number, const model::Subject& subject);

// A card number that may link at all.
bool links(const model::Identifier& identifier);
// What registrations write for a person without a name: 无名氏, 未知, UNKNOWN. Says nothing of who it is.
bool is_nameless(std::string_view folded_name);

// Under which keys a candidate is kept, and under which those are kept whom it may be one with. Each key survives other
// faults: what is wrong in one is right in another. Where both say when they were born, a name alone brings nobody
// together: to know a name's bearers without any part of their birth date is to know strangers, and they are the more
// the larger the region is. In plain text: personal, to be hashed before it is kept.
struct BlockKeys {
  std::vector<std::string> kept, sought;
};
BlockKeys block_keys(const Candidate& candidate);
// A key as the store has it: 16 bytes, by HMAC under the installation's key.
std::string stored_block(std::string_view hmac_key, const std::string& block_key);
// The members of a block as the store has them, and back.
std::string block_member(const LocalKey& local);
void read_block_members(std::string_view members, std::vector<LocalKey>& out);

}  // namespace hutong::identity
