// Two candidates compared field by field. Each field agrees on a level; what a level is worth is for the weights
// (weights.h). A field that one side does not know says nothing. Pure; threads: any.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

#include "broker/identity/candidate.h"

namespace hutong::identity {

enum class Field : std::uint8_t { family_name, given_name, birth_date, sex, phone, street, place, number, card };
inline constexpr std::size_t field_count = 9;
inline constexpr std::array<Field, field_count> all_fields = {Field::family_name, Field::given_name, Field::birth_date,
                                                              Field::sex,         Field::phone,      Field::street,
                                                              Field::place,       Field::number,     Field::card};
std::string_view to_string(Field field);  // "family-name"

enum class Level : std::uint8_t {
  same,
  sounds,  // names: other characters of one sound, or the other script
  close,   // a slip of the typist; day and month exchanged; syllables that are taken for one another; most of a street
  part,    // something of it: one of two characters, an initial, two of year, month and day, the postcode
  other,
  unknown,  // one side does not say
};
inline constexpr std::size_t level_count = 5;  // that say something
std::string_view to_string(Level level);       // "same"

struct Comparison {
  std::array<Level, field_count> levels;
  // By which the agreement of names is weighed: how common they are (the sounds of the first candidate's name).
  std::string family_sound, given_sound;
  bool in_letters = false;  // the names that fit best, one of them at least
  Level operator[](Field field) const { return levels[static_cast<std::size_t>(field)]; }
  Level& operator[](Field field) { return levels[static_cast<std::size_t>(field)]; }
};

Comparison compare_fields(const Candidate& a, const Candidate& b);
// Family and given name: exchanged where that fits better; a name in letters is held against the other's syllables.
std::pair<Level, Level> compare_names(const PersonName& a, const PersonName& b);
Level compare_births(std::string_view a, std::string_view b);

}  // namespace hutong::identity
