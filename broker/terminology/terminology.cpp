#include "broker/terminology/terminology.h"

#include <algorithm>

#include "broker/terminology/spelling.h"

namespace hutong::terminology {
namespace {

char lower(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}
bool same_word(Text a, Text b) {
  return a.size() == b.size() &&
         std::equal(a.begin(), a.end(), b.begin(), [](char x, char y) { return lower(x) == lower(y); });
}
// The first two bytes, in their order.
unsigned pair_of(Text text) {
  return static_cast<unsigned>(static_cast<unsigned char>(text[0])) << 8U | static_cast<unsigned char>(text[1]);
}
bool is_word_char(char c) {
  return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

// The ratio of two units' factors where it is exact: powers of ten, and 60 for the katal.
bool ratio(const Decimal& from, const Decimal& to, Decimal& factor) {
  if (from.coefficient == 0 || to.coefficient == 0) return false;
  if (from.coefficient % to.coefficient != 0) return false;
  factor.coefficient = from.coefficient / to.coefficient;
  factor.exponent = from.exponent - to.exponent;
  while (factor.coefficient % 10 == 0) {
    factor.coefficient /= 10;
    ++factor.exponent;
  }
  return true;
}

// "*白细胞计数(WBC)" → "白细胞计数": marks of accreditation in front, an abbreviation in brackets behind.
Text bare_name(Text name) {
  for (Text mark : {"*", "★", "▲", "☆", "＊", "△", "#"})
    if (name.starts_with(mark)) name.remove_prefix(mark.size());
  for (Text bracket : {"(", "（", "["})
    if (const auto at = name.find(bracket); at != Text::npos && at > 0) {
      name = name.substr(0, at);
      break;
    }
  while (!name.empty() && name.back() == ' ') name.remove_suffix(1);
  return name;
}

bool has_any(Text text, std::initializer_list<Text> words) {
  if (text.empty()) return false;
  return std::any_of(words.begin(), words.end(), [text](Text word) { return text.find(word) != Text::npos; });
}

}  // namespace

bool is_loinc(Text code) {
  if (code.size() < 3 || code[code.size() - 2] != '-') return false;
  // Luhn's sum: every second digit from the right doubled, its digits added.
  int sum = 0;
  bool doubled = true;
  for (std::size_t i = code.size() - 2; i-- > 0; doubled = !doubled) {
    if (code[i] < '0' || code[i] > '9') return false;
    int digit = code[i] - '0';
    if (doubled) digit = digit * 2 > 9 ? digit * 2 - 9 : digit * 2;
    sum += digit;
  }
  return code.back() - '0' == (10 - sum % 10) % 10;
}

bool names_loinc(Text system) {
  switch (system.size()) {
    case 2: return same_word(system, "LN");
    case 5: return same_word(system, "LOINC");
    case 16: return system == loinc_system;
    case 21: return system == "2.16.840.1.113883.6.1";
    case 29: return system == "urn:oid:2.16.840.1.113883.6.1";
    default: return false;
  }
}

const CodeMap::Entry* CodeMap::find(Text code, Text date) const {
  const auto* found = entries_.find(code);
  if (!found) return nullptr;
  for (const Entry& entry : *found)
    if (date.empty() || date >= entry.valid_from) return &entry;
  return nullptr;
}

const CodeMap* Terminology::map(Text system) const {
  if (system.empty()) return nullptr;
  const auto* found = maps_.find(system);
  return found ? found->get() : nullptr;
}

const Item* Terminology::item(Text loinc) const {
  const auto* found = items_by_loinc_.find(loinc);
  return found ? *found : nullptr;
}

Meaning Terminology::by_loinc(Text code) const {
  if (const Item* known = item(code)) return {known, known->loinc, known->name_zh};
  if (const auto* source = items_by_source_.find(code)) return {*source, (*source)->loinc, (*source)->name_zh};
  return {};
}

Meaning Terminology::by_name(Text name, const Circumstance& where) const {
  const auto* found = names_.find(name);
  if (!found) return {};
  for (const Item* item : *found) {
    if (item->is_exam) continue;
    // A material that is not said is taken as blood, which most items are; a count per microlitre may be a sediment's.
    if (where.material != Material::any && where.material != item->material) continue;
    if (where.material == Material::any && item->material == Material::urine && item->is_quantity()) continue;
    if (item->is_quantity()) {
      const UnitMeaning unit = unit_of(where.unit, item);
      if (unit.unit == nullptr) continue;
      if (where.material == Material::any && unit.unit->ucum == "/uL") continue;
    }
    return {item, item->loinc, item->name_zh};
  }
  return {};
}

Meaning Terminology::meaning_of(const model::Coded& code, const Circumstance& where) const {
  if (!code.code.empty()) {
    for (const CodeMap* codes : {where.named, where.local}) {
      if (codes == nullptr) continue;
      if (const auto* entry = codes->find(code.code, where.date))
        return {entry->item, entry->loinc, entry->item ? Text(entry->item->name_zh) : Text(entry->name)};
    }
  }
  if (!code.alt_code.empty() && where.local != nullptr) {
    if (const auto* entry = where.local->find(code.alt_code, where.date))
      return {entry->item, entry->loinc, entry->item ? Text(entry->item->name_zh) : Text(entry->name)};
  }
  // A LOINC that the sender names, in the table or not; one without a system only where the table has it.
  struct {
    Text code, display, system;
  } const sent[] = {{code.code, code.display, code.system}, {code.alt_code, code.alt_display, code.alt_system}};
  for (const auto& each : sent) {
    if (each.code.size() < 3 || each.code[each.code.size() - 2] != '-' || !is_loinc(each.code)) continue;
    const bool named = names_loinc(each.system);
    if (!named && !each.system.empty()) continue;
    if (const Meaning known = by_loinc(each.code); known.item) return known;
    if (named) return {nullptr, each.code, each.display};
  }
  for (Text name : {code.code, code.display, code.alt_code, code.alt_display}) {
    if (name.empty()) continue;
    if (const Meaning known = by_name(name, where); known.item) return known;
  }
  for (Text name : {code.display, code.alt_display}) {
    const Text bare = bare_name(name);
    if (bare.empty() || bare.size() == name.size()) continue;
    if (const Meaning known = by_name(bare, where); known.item) return known;
  }
  return {};
}

const Item* Terminology::exam_of(const model::Coded& service, const CodeMap* local, Text date) const {
  if (local != nullptr && !service.code.empty())
    if (const auto* entry = local->find(service.code, date))
      return entry->item && entry->item->is_exam ? entry->item : nullptr;
  for (Text code : {service.code, service.alt_code})
    if (const Item* known = item(code)) return known->is_exam ? known : nullptr;
  for (Text name : {service.code, service.display, service.alt_code, service.alt_display}) {
    if (name.empty()) continue;
    const auto* found = names_.find(name);
    if (!found) continue;
    for (const Item* known : *found)
      if (known->is_exam) return known;
  }
  return nullptr;
}

Material Terminology::material_of(const model::Report& report) const {
  const model::Coded& type = report.specimen.type;
  const Text code = type.code;
  if (same_word(code, "UR") || same_word(code, "URINE") || has_any(code, {"尿"}) ||
      has_any(type.display, {"尿", "rine"}))
    return Material::urine;
  if (has_any(type.display, {"血", "Blood", "blood", "BLOOD", "erum", "lasma"}) || has_any(code, {"血"}) ||
      same_word(code, "BLD") || same_word(code, "SER") || same_word(code, "PLAS") || same_word(code, "SERPLAS") ||
      same_word(code, "WB") || same_word(code, "BLDV"))
    return Material::blood;
  if (has_any(type.display, {"咽拭子", "鼻拭子", "痰"})) return Material::airway;
  if (!code.empty() || !type.display.empty()) return Material::other;
  const Text service = report.service.display;
  if (has_any(service, {"尿"})) return Material::urine;
  if (has_any(service, {"脑脊液", "胸水", "腹水", "胸腹水", "粪", "大便", "分泌物", "精液", "关节液", "引流液"}))
    return Material::other;
  return Material::any;
}

UnitMeaning Terminology::unit_of(Text unit, const Item* item) const {
  UnitMeaning best;
  const auto consider = [&](const std::vector<const Unit*>& candidates) {
    best.known = true;
    if (item == nullptr || item->unit == nullptr) {
      if (candidates.size() == 1) best.unit = candidates.front();
      return best.unit != nullptr;
    }
    for (const Unit* each : candidates) {
      if (each != item->unit) continue;
      best.unit = each;
      best.own = true;
      return true;
    }
    for (const Unit* each : candidates) {
      for (const Conversion& conversion : item->conversions) {
        if (conversion.from != each) continue;
        best.unit = each;
        best.factor = conversion.factor;
        best.offset = conversion.offset;
        return true;
      }
    }
    for (const Unit* each : candidates) {
      if (each->dimension != item->unit->dimension || !ratio(each->factor, item->unit->factor, best.factor)) continue;
      best.unit = each;
      best.offset = {};
      return true;
    }
    return false;
  };
  if (const auto* exact = spellings_.find(unit); exact && consider(*exact)) return best;
  Folded folded;
  fold_unit(unit, folded);
  if (folded.view().empty() && !unit.empty()) return best;
  if (const auto* found = spellings_.find(folded.view()); found && consider(*found)) return best;
  folded.to_lower();
  if (const auto* found = lower_spellings_.find(folded.view())) consider(*found);
  return best;
}

const Finding* Terminology::finding_of(Text text) const {
  if (text.empty() || text.size() > Folded::capacity) return nullptr;
  if (const auto* exact = finding_spellings_.find(text)) return *exact;
  Folded folded;
  fold_finding(text, folded);
  const auto* found = finding_spellings_.find(folded.view());
  return found ? *found : nullptr;
}

bool Terminology::is_placeholder(Text number) const {
  if (number.empty() || number.size() > Folded::capacity) return false;
  Folded folded;
  fold_finding(number, folded);
  const Text text = folded.view();
  if (text.empty()) return false;
  const std::size_t least = repeated_least_[static_cast<unsigned char>(text.front())];
  if (least != 0 && text.size() >= least && text.find_first_not_of(text.front()) == Text::npos) return true;
  return placeholders_.find(text) != nullptr;
}

Labels Terminology::labels_of_item(Text loinc, Text date) const {
  if (loinc.empty()) return 0;
  const auto* found = item_rules_.find(loinc);
  if (!found) return 0;
  Labels labels = 0;
  for (const Rule& rule : *found)
    if (rule.holds_on(date)) labels |= 1U << rule.label;
  return labels;
}

Labels Terminology::labels_of_words(Text text, Text date) const {
  Labels labels = 0;
  // From character to character: no word begins inside one.
  for (std::size_t i = 0, width = 1; i + 1 < text.size(); i += width) {
    const auto lead = static_cast<unsigned char>(text[i]);
    width = lead < 0xC0 ? 1 : lead < 0xE0 ? 2 : 3;
    const char folded[2] = {lower(text[i]), lower(text[i + 1])};
    if (!word_starts_[width == 3 ? start_of(text.substr(i)) : start_of({folded, 2})]) continue;
    // The words of the same first two bytes.
    const unsigned start = pair_of({folded, 2});
    auto rule = std::lower_bound(word_rules_.begin(), word_rules_.end(), start,
                                 [](const Rule& each, unsigned sought) { return pair_of(each.first) < sought; });
    for (; rule != word_rules_.end() && pair_of(rule->first) == start; ++rule) {
      const Text found = text.substr(i, rule->first.size());
      if (!same_word(found, rule->first) || !rule->holds_on(date)) continue;
      const std::size_t end = i + found.size();
      if (is_word_char(rule->first.front()) && i > 0 && is_word_char(lower(text[i - 1]))) continue;
      if (is_word_char(rule->first.back()) && end < text.size() && is_word_char(lower(text[end]))) continue;
      labels |= 1U << rule->label;
    }
  }
  return labels;
}

Labels Terminology::labels_of_diagnosis(Text icd10, Text date) const {
  if (icd10.size() < 3) return 0;
  char category[3] = {icd10[0], icd10[1], icd10[2]};
  if (category[0] >= 'a' && category[0] <= 'z') category[0] = static_cast<char>(category[0] - 'a' + 'A');
  const Text text(category, 3);
  Labels labels = 0;
  for (const Rule& rule : diagnosis_rules_)
    if (text >= rule.first && text <= rule.last && rule.holds_on(date)) labels |= 1U << rule.label;
  return labels;
}

Labels Terminology::labels_of_age(int years, Text date) const {
  Labels labels = 0;
  for (const Rule& rule : age_rules_)
    if (years < rule.years && rule.holds_on(date)) labels |= 1U << rule.label;
  return labels;
}

}  // namespace hutong::terminology
