#include "broker/identity/comparison.h"

#include <algorithm>

#include "broker/identity/spelling.h"

namespace hutong::identity {
namespace {

constexpr double letters_close = 0.88, letters_part = 0.80, street_close = 0.75, street_part = 0.45;

std::u32string joined(std::string_view sound) {
  std::u32string out;
  for (char32_t c : decode(sound)) {
    if (c != U' ') out.push_back(c);
  }
  return out;
}

Level worse(Level a, Level b) {
  return std::max(a, b);
}

std::size_t word_count(std::string_view sound) {
  return sound.empty() ? 0 : 1 + static_cast<std::size_t>(std::count(sound.begin(), sound.end(), ' '));
}

bool syllables_near(std::string_view a, std::string_view b) {
  if (word_count(a) != word_count(b)) return false;
  while (!a.empty()) {
    const auto x = a.substr(0, a.find(' ')), y = b.substr(0, b.find(' '));
    if (!sound_near(x, y)) return false;
    a.remove_prefix(std::min(a.size(), x.size() + 1));
    b.remove_prefix(std::min(b.size(), y.size() + 1));
  }
  return true;
}

struct Part {
  const std::u32string& written;
  const std::string& sound;
};

Level compare_part(Part a, Part b, bool han) {
  if (a.written.empty() || b.written.empty()) return Level::unknown;
  if (a.written == b.written) return Level::same;
  const auto left = joined(a.sound), right = joined(b.sound);
  if (left == right) return Level::sounds;
  if (han) {
    if (syllables_near(a.sound, b.sound)) return Level::close;
    const bool shared = std::any_of(a.written.begin(), a.written.end(),
                                    [&](char32_t c) { return b.written.find(c) != std::u32string::npos; });
    return shared ? Level::part : Level::other;
  }
  const double likeness = jaro_winkler(left, right);
  if (likeness >= letters_close) return Level::close;
  const bool initial = (left.size() == 1 || right.size() == 1) && left[0] == right[0];
  return initial || likeness >= letters_part ? Level::part : Level::other;
}

template <class T, class Compare>
Level best(const std::vector<T>& a, const std::vector<T>& b, Compare compare) {
  Level level = Level::unknown;
  for (const auto& x : a) {
    for (const auto& y : b) level = std::min(level, compare(x, y));
  }
  return level;
}

Level compare_numbers(const Candidate& a, const Candidate& b) {
  return best(a.numbers, b.numbers, [](const Number& x, const Number& y) {
    if (x.kind != y.kind) return Level::unknown;
    return x.value == y.value ? Level::same : one_slip(x.value, y.value) ? Level::close : Level::other;
  });
}

// Two valid cards that differ are no matter of levels: they forbid (matching.h).
Level compare_cards(const Candidate& a, const Candidate& b) {
  const auto compare = [](const std::string& x, const std::string& y) {
    return x == y ? Level::same : one_slip(x, y) ? Level::close : Level::other;
  };
  const Level valid = best(a.cards, b.cards, compare);
  if (valid != Level::unknown) return valid;
  return std::min({best(a.cards, b.faulty_cards, compare), best(a.faulty_cards, b.cards, compare),
                   best(a.faulty_cards, b.faulty_cards, compare)});
}

Level compare_streets(const PostalAddress& a, const PostalAddress& b) {
  if (a.street.empty() || b.street.empty()) return Level::unknown;
  if (a.street == b.street) return Level::same;
  // One writes the district before it, the other does not.
  const auto& shorter = a.street.size() < b.street.size() ? a.street : b.street;
  const auto& longer = a.street.size() < b.street.size() ? b.street : a.street;
  if (shorter.size() >= 5 && longer.ends_with(shorter)) return Level::close;
  const double shared = shared_pairs(a.street, b.street);
  return shared >= street_close ? Level::close : shared >= street_part ? Level::part : Level::other;
}

Level compare_places(const PostalAddress& a, const PostalAddress& b) {
  const bool places = !a.place.empty() && !b.place.empty(), codes = !a.postcode.empty() && !b.postcode.empty();
  if (!places && !codes) return Level::unknown;
  const bool same_place = places && a.place == b.place, same_code = codes && a.postcode == b.postcode;
  if ((same_place || !places) && (same_code || !codes)) return Level::same;
  if (same_place || same_code) return Level::part;
  const bool near =
      (places && jaro_winkler(a.place, b.place) >= letters_close) || (codes && one_slip(a.postcode, b.postcode));
  return near ? Level::part : Level::other;
}

}  // namespace

std::string_view to_string(Field field) {
  switch (field) {
    case Field::family_name: return "family-name";
    case Field::given_name: return "given-name";
    case Field::birth_date: return "birth-date";
    case Field::sex: return "sex";
    case Field::phone: return "phone";
    case Field::street: return "street";
    case Field::place: return "place";
    case Field::number: return "number";
    case Field::card: return "card";
  }
  return "card";
}

std::string_view to_string(Level level) {
  switch (level) {
    case Level::same: return "same";
    case Level::sounds: return "sounds";
    case Level::close: return "close";
    case Level::part: return "part";
    case Level::other: return "other";
    case Level::unknown: return "unknown";
  }
  return "unknown";
}

std::pair<Level, Level> compare_names(const PersonName& a, const PersonName& b) {
  const Part a_family{a.family, a.family_sound}, a_given{a.given, a.given_sound};
  const Part b_family{b.family, b.family_sound}, b_given{b.given, b.given_sound};
  if (a.han != b.han) {  // one in letters: only the sounds can be held together, and their order is anybody's
    const auto family = joined(a.family_sound), given = joined(a.given_sound);
    const auto other = joined(b.family_sound) + joined(b.given_sound);
    const auto swapped = joined(b.given_sound) + joined(b.family_sound);
    const auto whole = family + given;
    if (whole == other || whole == swapped) return {Level::sounds, Level::sounds};
    if (std::max(jaro_winkler(whole, other), jaro_winkler(whole, swapped)) >= 0.94) return {Level::close, Level::close};
    return {Level::other, Level::other};
  }
  if (a.family + a.given == b.family + b.given) return {Level::same, a.given.empty() ? Level::unknown : Level::same};
  const std::pair straight{compare_part(a_family, b_family, a.han), compare_part(a_given, b_given, a.han)};
  const std::pair crossed{compare_part(a_family, b_given, a.han), compare_part(a_given, b_family, a.han)};
  const auto good = [](const std::pair<Level, Level>& pair) { return worse(pair.first, pair.second) <= Level::close; };
  if (!good(straight) && good(crossed)) return {crossed.first, crossed.second};
  // One name with nothing but a part of the other: whichever it is.
  if (straight.first == Level::unknown && straight.second == Level::unknown) {
    return {std::min(crossed.first, crossed.second), Level::unknown};
  }
  return straight;
}

Level compare_births(std::string_view a, std::string_view b) {
  if (a.size() < 10 || b.size() < 10) return Level::unknown;
  if (a == b) return Level::same;
  if (a.substr(0, 4) == b.substr(0, 4) && a.substr(5, 2) == b.substr(8, 2) && a.substr(8, 2) == b.substr(5, 2)) {
    return Level::close;  // day and month exchanged
  }
  int differing = 0;
  for (std::size_t i = 0; i < 10; ++i) differing += a[i] != b[i];
  if (differing == 1 || one_slip(a, b)) return Level::close;
  const int equal =
      (a.substr(0, 4) == b.substr(0, 4)) + (a.substr(5, 2) == b.substr(5, 2)) + (a.substr(8, 2) == b.substr(8, 2));
  return equal == 2 ? Level::part : Level::other;
}

Comparison compare_fields(const Candidate& a, const Candidate& b) {
  Comparison out;
  out.levels.fill(Level::unknown);
  int best_sum = 99;
  for (const auto& x : a.names) {
    for (const auto& y : b.names) {
      const auto [family, given] = compare_names(x, y);
      const int sum = static_cast<int>(family) + static_cast<int>(given);
      if (sum >= best_sum) continue;
      best_sum = sum;
      out[Field::family_name] = family;
      out[Field::given_name] = given;
      out.in_letters = !x.han || !y.han;
      const PersonName& chinese = x.han ? x : y;
      out.family_sound = chinese.family_sound;
      out.given_sound = chinese.given_sound;
    }
  }
  out[Field::birth_date] = compare_births(a.birth_date, b.birth_date);
  if (a.sex != model::Sex::unknown && b.sex != model::Sex::unknown) {
    out[Field::sex] = a.sex == b.sex ? Level::same : Level::other;
  }
  out[Field::phone] = best(a.phones, b.phones, [](const std::string& x, const std::string& y) {
    return x == y ? Level::same : one_slip(x, y) ? Level::close : Level::other;
  });
  out[Field::street] = best(a.addresses, b.addresses, compare_streets);
  out[Field::place] = best(a.addresses, b.addresses, compare_places);
  out[Field::number] = compare_numbers(a, b);
  out[Field::card] = compare_cards(a, b);
  return out;
}

}  // namespace hutong::identity
