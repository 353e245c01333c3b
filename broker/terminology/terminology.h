// What local codes, units and findings mean: the shared tables of schemas/terminology, loaded whole, immutable, and
// versioned so that an event says which map it was read with. A look-up is one hash probe, or two for odd spellings;
// nothing allocates. Threads: any, concurrently. Lifetime: every text handed out lives as long as the Terminology.
#pragma once

#include <array>
#include <bitset>
#include <cstdint>
#include <deque>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "broker/model/event.h"
#include "broker/terminology/decimal.h"
#include "broker/terminology/text_index.h"

namespace hutong::terminology {

using model::Text;

inline constexpr Text loinc_system = "http://loinc.org";
inline constexpr Text qualitative_system = "urn:hutong:qualitative";
inline constexpr Text ucum_system = "http://unitsofmeasure.org";

// A UCUM unit. Two units of one dimension convert by the ratio of their factors.
struct Unit {
  std::string ucum;
  std::string dimension;
  Decimal factor;
};

// What an item is measured in: a name alone ("GLU") must not carry a urine result to the blood item.
enum class Material { any, blood, urine, airway, other };

struct Conversion {
  const Unit* from;
  Decimal factor, offset;
};

// An item that results are compared by (items.csv), or an examination.
struct Item {
  std::string loinc, name_zh, name_en, scale, group;
  const Unit* unit = nullptr;  // nullptr: findings, groups, examinations
  Material material = Material::any;
  bool is_exam = false;
  bool sensitive = false;  // a rule of sensitivity.csv names it
  std::vector<Conversion> conversions;
  bool is_quantity() const { return scale == "Qn"; }
};

struct Finding {  // 阳性, ±, 3+ …
  std::string code, name_zh, name_en;
};

// One local code system: code → item, by date.
class CodeMap {
 public:
  struct Entry {
    std::string loinc;
    const Item* item;        // nullptr: a LOINC outside the shared table
    std::string valid_from;  // "2020-01-01"
    std::string name;
  };
  // The newest entry that is valid on `date` ("2026-01-02"; "" the newest); nullptr: unmapped.
  const Entry* find(Text code, Text date) const;

 private:
  friend class Loader;
  TextIndex<std::vector<Entry>> entries_;  // newest first
};

// What a code was found to mean.
struct Meaning {
  const Item* item = nullptr;
  Text loinc;  // empty: unmapped
  Text name;
};

// Where a code was met: what decides between meanings of a name.
struct Circumstance {
  const CodeMap* named = nullptr;  // map(code.system), kept by the caller: a message's items have one system
  const CodeMap* local = nullptr;
  Material material = Material::any;
  Text unit;  // as sent
  Text date;  // of the observation
};

struct UnitMeaning {
  const Unit* unit = nullptr;  // nullptr: unknown, or does not fit the item
  bool known = false;          // the spelling is in the tables
  bool own = false;            // it is the item's unit: no conversion
  Decimal factor, offset;      // to the item's unit, when it is not its own
};

// Sensitivity labels as bits: label_name(i) for bit i.
using Labels = std::uint32_t;

class Terminology {
 public:
  // Reads the tables. In later folders a file of the same name replaces the earlier one (an installation's own maps).
  // Throws std::runtime_error with file, line and what was expected.
  static std::shared_ptr<const Terminology> load(const std::vector<std::filesystem::path>& folders);
  static std::shared_ptr<const Terminology> load(const std::filesystem::path& folder) {
    return load(std::vector<std::filesystem::path>{folder});
  }

  // "2026-01-01+1a2b3c4d": the date in VERSION and the hash of all tables.
  Text version() const { return version_; }

  const CodeMap* map(Text system) const;
  const Item* item(Text loinc) const;
  // The local map first, then a LOINC of the sender, then an exact common name whose material and unit fit.
  Meaning meaning_of(const model::Coded& code, const Circumstance& where) const;
  // An examination that an order's code or name stands for; nullptr: none.
  const Item* exam_of(const model::Coded& service, const CodeMap* local, Text date) const;
  Material material_of(const model::Report& report) const;

  // What `unit` means for `item`; with nullptr, or where the item has no unit, only a spelling of one meaning is known.
  UnitMeaning unit_of(Text unit, const Item* item) const;
  const Finding* finding_of(Text text) const;
  bool is_placeholder(Text number) const;

  Labels labels_of_item(Text loinc, Text date) const;
  Labels labels_of_words(Text text, Text date) const;
  Labels labels_of_diagnosis(Text icd10, Text date) const;
  Labels labels_of_age(int years, Text date) const;
  Text label_name(unsigned bit) const { return label_names_[bit]; }
  std::size_t label_count() const { return label_names_.size(); }

 private:
  friend class Loader;
  struct Rule {
    unsigned label;
    std::string first, last;  // pattern; a range of ICD-10 categories; an age
    std::string from, to;     // dates, "" open
    int years = 0;
    bool holds_on(Text date) const {
      return date.empty() || ((from.empty() || date >= from) && (to.empty() || date <= to));
    }
  };
  // Sixteen bits of the first bytes of a word, which is folded already: of the whole first character where it has three
  // bytes, as Chinese ones have. Several starts may share them.
  static std::size_t start_of(Text word) {
    const auto byte = [word](std::size_t i) { return static_cast<std::size_t>(static_cast<unsigned char>(word[i])); };
    if (byte(0) < 0xE0 || word.size() < 3) return byte(0) << 8U | byte(1);
    return (byte(0) & 0x0FU) << 12U | (byte(1) & 0x3FU) << 6U | (byte(2) & 0x3FU);
  }
  Meaning by_loinc(Text code) const;
  Meaning by_name(Text name, const Circumstance& where) const;

  std::string version_;
  std::deque<std::string> texts_;  // keys of the maps below
  std::deque<Unit> units_;
  std::deque<Item> items_;
  std::deque<Finding> findings_;
  TextIndex<const Item*> items_by_loinc_;
  TextIndex<const Item*> items_by_source_;  // LOINCs that convert to an item's
  TextIndex<std::vector<const Item*>> names_;
  TextIndex<std::unique_ptr<CodeMap>> maps_;
  TextIndex<std::vector<const Unit*>> spellings_, lower_spellings_;
  TextIndex<const Finding*> finding_spellings_;
  TextIndex<bool> placeholders_;
  std::array<std::uint8_t, 256>
      repeated_least_{};  // how often a character must be repeated to stand for nothing; 0 never
  std::vector<std::string> label_names_;
  TextIndex<std::vector<Rule>> item_rules_;
  std::vector<Rule> word_rules_, diagnosis_rules_, age_rules_;
  std::bitset<65536> word_starts_;  // by start_of(); word_rules_ are in the order of their words
};

// A LOINC code: digits, a hyphen and the check digit (mod 10, double-add-double).
bool is_loinc(Text code);
// Whether a coding system's name means LOINC: "LN", "LOINC", its URI or OID.
bool names_loinc(Text system);

}  // namespace hutong::terminology
