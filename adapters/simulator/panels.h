// What laboratories measure together, and how values lie: items by LOINC with a range that 95 % of healthy people
// keep, in the item's own unit (schemas/terminology/items.csv), and how diseases move them. Constant data.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "adapters/simulator/random.h"
#include "adapters/simulator/region.h"
#include "adapters/simulator/residents.h"

namespace hutong::simulator {

enum class Scale : std::uint8_t {
  number,
  presence,  // 阴性 阳性
  strip,     // 阴性 ± 1+ 2+ 3+
  titre,     // 阴性, or 1:N
  floor,     // a number, or "<" its lowest
  group,     // blood group
  rhesus,
};

struct Item {
  const char* loinc;
  const char* name;  // where the laboratory's map has no code for it
  Scale scale;
  double low, high;  // reference interval; 0 and 0: none is printed
  int decimals;
};

struct Panel {
  const char *code, *name;
  const char *specimen_code, *specimen;  // HL7 table 0487, and in words
  int minutes;                           // typical time from sampling to the report
  double share;                          // of orders
  std::span<const Item> items;
};
std::span<const Panel> panels();

struct Result {
  const Item* item = nullptr;
  const LocalCode* local = nullptr;  // nullptr: the laboratory's map does not know the item
  std::string type;                  // OBX-2
  std::string value, unit, range, flag;
  char status = 'F';
};

// One report's results for a resident, in the laboratory's codes and units. `severity` moves what is ill.
std::vector<Result> measure(const Panel& panel, const CodeMap& map, const std::string& range_style,
                            const Resident& resident, const Residents& residents, Random& random);
// Another value for a result, as a correction brings it: never the same text.
void change(Result& result, Random& random);
// An item whose code nobody has mapped.
Result unmapped_result(const CodeMap& map, Random& random);

}  // namespace hutong::simulator
