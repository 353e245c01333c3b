#include "broker/routing/matcher.h"

#include <algorithm>
#include <bit>

namespace hutong::routing {
namespace {

using model::Flag;
using Word = Matcher::Word;
constexpr std::size_t word_bits = 64;

void set(std::vector<Word>& bits, std::uint32_t place) {
  bits[place / word_bits] |= Word{1} << place % word_bits;
}

// "referral.*" of "referral.answered".
std::string family_of(std::string_view kind) {
  return std::string(kind.substr(0, kind.find('.'))) + ".*";
}

bool holds(const std::vector<std::string>& values, std::string_view value) {
  return std::find(values.begin(), values.end(), value) != values.end();
}

bool any_of(const std::vector<std::string>& values, const std::vector<std::string>& said) {
  return std::any_of(said.begin(), said.end(), [&](const auto& each) { return holds(values, each); });
}

std::vector<std::string> parties_asked(const model::SubscriptionFilter& filter) {
  std::vector<std::string> names;
  for (const auto& code : filter.parties) names.push_back(model::party_named(code, filter.as));
  return names;
}

}  // namespace

bool accepts(const model::SubscriptionFilter& filter, const Facts& facts) {
  if (facts.labelled) return false;
  if (filter.parties.empty() && model::is_for_parties(facts.kind)) return false;
  if (!filter.kinds.empty() && !holds(filter.kinds, facts.kind) && !holds(filter.kinds, family_of(facts.kind))) {
    return false;
  }
  const auto somewhere = [&](auto is_so) {
    return is_so(Facts::Place{facts.facility, facts.area}) ||
           std::any_of(facts.others.begin(), facts.others.end(), is_so);
  };
  const auto is_of_it = [&](const Facts::Place& place) { return holds(filter.facilities, place.facility); };
  if (!filter.facilities.empty() && !somewhere(is_of_it)) return false;
  const auto is_there = [&](const Facts::Place& place) {
    return std::any_of(filter.areas.begin(), filter.areas.end(),
                       [&](const auto& area) { return place.area.starts_with(area); });
  };
  if (!filter.areas.empty() && !somewhere(is_there)) return false;
  if (!filter.centres.empty() && !any_of(filter.centres, facts.centres)) return false;
  if (!filter.parties.empty() && !any_of(parties_asked(filter), facts.parties)) return false;
  if (filter.items.empty() && filter.flag == Flag::any) return true;
  return std::any_of(facts.items.begin(), facts.items.end(), [&](const ItemFact& item) {
    return (filter.items.empty() || (!item.loinc.empty() && holds(filter.items, item.loinc))) &&
           item.flag >= filter.flag;
  });
}

Matcher::Matcher(std::span<const model::SubscriptionFilter> filters)
    : words_((filters.size() + word_bits - 1) / word_bits) {
  for (auto* dimension : {&kinds_, &facilities_, &areas_, &items_, &centres_, &parties_})
    dimension->open.resize(words_);
  wants_abnormal_.resize(words_);
  wants_critical_.resize(words_);
  is_joint_.resize(words_);
  joint_.resize(filters.size());
  for (std::uint32_t place = 0; place < filters.size(); ++place) {
    const auto& filter = filters[place];
    accept(kinds_, filter.kinds, place);
    accept(facilities_, filter.facilities, place);
    accept(areas_, filter.areas, place);
    accept(items_, filter.items, place);
    accept(centres_, filter.centres, place);
    accept(parties_, parties_asked(filter), place);
    if (filter.flag != Flag::any) set(filter.flag == Flag::critical ? wants_critical_ : wants_abnormal_, place);
    if (filter.flag != Flag::any && !filter.items.empty()) {
      set(is_joint_, place);
      joint_[place] = filter;
    }
    flags_ = flags_ || filter.flag != Flag::any;
    asks_for_centres_ = asks_for_centres_ || !filter.centres.empty();
  }
  for (auto* dimension : {&kinds_, &facilities_, &areas_, &items_, &centres_, &parties_}) pack(*dimension);
}

void Matcher::accept(Dimension& dimension, std::span<const std::string> values, std::uint32_t place) {
  if (values.empty()) {
    set(dimension.open, place);
    return;
  }
  dimension.used = true;
  for (const auto& value : values) {
    auto& places = dimension.values[value].places;
    if (places.empty() || places.back() != place) places.push_back(place);
  }
}

// Where setting bits one by one would touch more words than there are.
void Matcher::pack(Dimension& dimension) const {
  for (auto& [value, accepting] : dimension.values) {
    if (accepting.places.size() <= words_) continue;
    accepting.bits.resize(words_);
    for (const auto place : accepting.places) set(accepting.bits, place);
    accepting.places = {};
  }
}

void Matcher::join(const Dimension& dimension, std::string_view value, std::vector<Word>& into) const {
  const auto found = dimension.values.find(value);
  if (found == dimension.values.end()) return;
  for (const auto place : found->second.places) set(into, place);
  if (found->second.bits.empty()) return;
  for (std::size_t i = 0; i < words_; ++i) into[i] |= found->second.bits[i];
}

void Matcher::match(const Facts& facts, Scratch& scratch, std::vector<std::uint32_t>& out) const {
  if (facts.labelled || words_ == 0) return;
  auto& all = scratch.all;
  auto& one = scratch.one;
  all.assign(words_, ~Word{0});
  // Referrals and critical values are for nobody who does not say whose.
  const bool for_parties = model::is_for_parties(facts.kind);
  const auto narrow = [&](const Dimension& dimension, auto join_values) {
    const bool closed = for_parties && &dimension == &parties_;
    if (!dimension.used && !closed) return;
    if (closed) {
      one.assign(words_, 0);
    } else {
      one = dimension.open;
    }
    join_values();
    for (std::size_t i = 0; i < words_; ++i) all[i] &= one[i];
  };
  narrow(kinds_, [&] {
    join(kinds_, facts.kind, one);
    join(kinds_, family_of(facts.kind), one);
  });
  narrow(facilities_, [&] {
    join(facilities_, facts.facility, one);
    for (const auto& other : facts.others) join(facilities_, other.facility, one);
  });
  const auto join_area = [&](std::string_view area) {
    for (std::size_t length = 1; length <= area.size(); ++length) join(areas_, area.substr(0, length), one);
  };
  narrow(areas_, [&] {
    join_area(facts.area);
    for (const auto& other : facts.others) join_area(other.area);
  });
  narrow(items_, [&] {
    for (const auto& item : facts.items) {
      if (!item.loinc.empty()) join(items_, item.loinc, one);
    }
  });
  narrow(centres_, [&] {
    for (const auto& centre : facts.centres) join(centres_, centre, one);
  });
  narrow(parties_, [&] {
    for (const auto& party : facts.parties) join(parties_, party, one);
  });
  if (flags_) {
    Flag worst = Flag::any;
    for (const auto& item : facts.items) worst = std::max(worst, item.flag);
    for (std::size_t i = 0; i < words_; ++i) {
      if (worst < Flag::critical) all[i] &= ~wants_critical_[i];
      if (worst < Flag::abnormal) all[i] &= ~wants_abnormal_[i];
    }
  }
  for (std::size_t i = 0; i < words_; ++i) {
    for (Word rest = all[i]; rest != 0; rest &= rest - 1) {
      const auto place = static_cast<std::uint32_t>(i * word_bits) + static_cast<std::uint32_t>(std::countr_zero(rest));
      if (place >= joint_.size()) return;  // the last word's spare bits
      if ((is_joint_[i] >> place % word_bits & 1U) != 0 && !accepts(joint_[place], facts)) continue;
      out.push_back(place);
    }
  }
}

bool Matcher::wants_none_of(std::string_view kinds) const {
  if (std::any_of(kinds_.open.begin(), kinds_.open.end(), [](Word word) { return word != 0; })) return false;
  while (!kinds.empty()) {
    const auto kind = kinds.substr(0, kinds.find(' '));
    kinds.remove_prefix(std::min(kinds.size(), kind.size() + 1));
    // Which kinds a healed record holds only its document says.
    if (kind == "message.renormalized" || kinds_.values.contains(kind) || kinds_.values.contains(family_of(kind))) {
      return false;
    }
  }
  return true;
}

}  // namespace hutong::routing
