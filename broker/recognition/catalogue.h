// What a region has agreed on about mutual recognition (检查检验结果互认), as dated tables under schemas/recognition:
// items with their windows, panels, local order codes, quality marks, external quality assessment, alliances, the
// negative list, refusal reasons, prices, and the clause behind every reason. Nothing of it is a constant in code,
// because windows, codes and wordings differ by province and year (schemas/recognition/README.md says where each row
// comes from).
//
// Every look-up takes a date ("2026-01-02", the area's own calendar), so a decision of any past day can be made again.
// Loaded whole, immutable. Threads: any, concurrently. Lifetime: what is handed out lives as long as the Catalogue.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "broker/base/text_hash.h"
#include "broker/base/time.h"

namespace hutong::recognition {

using Text = std::string_view;

// Inclusive on both ends; an empty end is open.
struct Validity {
  std::string from, to;
  bool holds_on(Text date) const { return date >= from && (to.empty() || date <= to); }
};

enum class WindowKind {
  days,       // recognised without question up to so many days
  unlimited,  // does not age (a blood group)
  clinician,  // no window was agreed: the clinician decides
};

struct Item {
  std::string code;  // the area's own (互认编码)
  Validity valid;
  std::string name_zh, name_en;
  bool is_exam = false;
  std::vector<std::string> loincs;            // results that are this item
  std::vector<std::string> similar;           // results that look like it and are another item: said, never recognised
  std::string material;                       // blood | urine | airway | other | any
  std::string modality, body_part, contrast;  // examinations; contrast "" says nothing
  WindowKind window = WindowKind::clinician;
  int window_days = 0;
  bool from_report = false;      // the window begins with the report instead of the sampling
  bool window_assumed = true;    // not found in a publication: at most the clinician decides
  bool images_required = false;  // recognised are images and data; without images there is nothing to recognise
  std::string source;
};

struct Component {
  std::string item;
  bool required = true;
};
struct Panel {
  std::string code, name_zh, name_en;
  std::vector<Component> components;
};

struct Mark {
  std::string code;  // HR.CN, HR.23, HR.2308
  bool national = false;
  std::vector<std::string> areas;  // prefixes of GB/T 2260; empty with a national mark
  std::string text_zh, text_en;    // as it is shown: 全国HR
  Validity valid;
  bool covers(Text area) const;
};

// What external quality assessment (室间质评) says of a laboratory's item on a day.
struct Standing {
  std::vector<const Mark*> marks;  // earned, national first, then the narrowest area first
  bool failed = false;             // a round that counts on that day was failed
};

struct Exclusion {  // negative list
  std::string item, facility, text_zh, text_en;
  Validity valid;
};

struct RefusalReason {
  std::string code, text_zh, text_en;
  bool counted = true;         // false: does not count as not recognised
  bool requires_text = false;  // the doctor writes a line
  Validity valid;
};

struct Clause {  // of a decision's reason
  std::string code, clause, text_zh, text_en;
  Validity valid;
};

enum class Severity { error, warning };
struct Finding {
  Severity severity;
  std::string place;  // "items.csv" or "items.csv:12"
  std::string what;
};

class Catalogue {
 public:
  // A table in a later folder replaces the same table of the earlier ones. Throws std::runtime_error with file and
  // line: a table that does not read, or an error that check() would name.
  static std::shared_ptr<const Catalogue> load(const std::vector<std::filesystem::path>& folders);
  // The same without refusing what check() names: for `hutong recognition check`.
  static std::shared_ptr<const Catalogue> load_unchecked(const std::vector<std::filesystem::path>& folders);

  // "2026-01-01+1a2b3c4d": the date in VERSION and the hash of all tables.
  const std::string& version() const { return version_; }
  // Conflicts (two rows for one thing on one day, references to nothing) are errors, gaps are warnings.
  const std::vector<Finding>& check() const { return findings_; }

  const Item* item(Text code, Text date) const;
  const Item* item_of_loinc(Text loinc, Text date) const;
  const Panel* panel(Text code, Text date) const;
  // Items and panels that a local order code of the facility stands for; the shared codes ("*") behind the facility's
  // own; an item's or panel's own code stands for itself.
  std::vector<std::string> ordered_by(Text facility, Text code, Text date) const;
  const Mark* mark(Text code, Text date) const;
  Standing standing(Text laboratory, Text item, Text date) const;
  bool same_alliance(Text facility, Text other, Text date) const;
  const Exclusion* excluded(Text item, Text facility, Text date) const;
  const RefusalReason* refusal(Text code, Text date) const;
  std::vector<const RefusalReason*> refusals(Text date) const;  // by code
  const Clause* clause(Text code, Text date) const;
  // In fen, of the facility or else the shared one ("*"); nullopt: not known.
  std::optional<std::int64_t> price(Text facility, Text item, Text date) const;
  // "" when it is not set on that day.
  Text parameter(Text name, Text date) const;
  std::int64_t parameter(Text name, Text date, std::int64_t otherwise) const;

 private:
  friend class CatalogueLoader;
  template <class T>
  using Index = std::unordered_map<std::string, std::vector<T>, TextHash, std::equal_to<>>;  // newest first

  struct Dated {
    Validity valid;
    std::string value;
  };
  struct Assessment {
    Validity valid;
    std::string mark;
    bool passed = true;
  };
  struct Price {
    Validity valid;
    std::int64_t fen = 0;
  };
  struct PanelRow {
    Validity valid;
    std::string component, name_zh, name_en;
    bool required = true;
  };

  std::string version_;
  std::vector<Finding> findings_;
  Index<Item> items_;
  Index<std::pair<std::string, Validity>> item_by_loinc_;
  // A panel as it stood between two days on which one of its rows changed.
  struct PanelSpan {
    Validity valid;
    Panel panel;
  };
  Index<PanelSpan> panels_;
  Index<Dated> order_codes_;  // facility + "\n" + code
  Index<Mark> marks_;
  Index<Assessment> eqa_;   // laboratory + "\n" + item
  Index<Dated> alliances_;  // by facility
  Index<Exclusion> negative_;
  Index<RefusalReason> reasons_;
  Index<Clause> clauses_;
  Index<Price> prices_;  // facility + "\n" + item
  Index<Dated> parameters_;
};

// The day of a moment in the area's zone, "2026-01-02".
std::string day_of(Timestamp at, int zone_minutes);

}  // namespace hutong::recognition
