// The simulated region: its institutions, how they spell, how much happens, how much of it goes wrong. Read from
// deploy/regions/*.toml at start-up, immutable.
#pragma once

#include <array>
#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

namespace hutong::simulator {

// A row of schemas/terminology/maps/<system>.csv, with what is needed to write a value in the local unit.
struct LocalCode {
  std::string code, name, unit, loinc;
  double factor = 1;  // canonical value = local value * factor (conversions.csv)
};

struct CodeMap {
  std::map<std::string, LocalCode, std::less<>> by_loinc;
  std::vector<LocalCode> unmapped;  // codes that nobody has mapped yet
};

enum class Charset { utf8, gb18030 };

struct Institution {
  std::string code, name;
  std::string level;  // "3" | "2" | "1"
  std::string kind;   // hospital | community-centre | village-clinic | laboratory
  std::string msh4;
  std::string his, lis, ris;  // MSH-3 of each application
  Charset charset = Charset::utf8;
  std::string msh18;                // the label; may be empty or differ from the bytes
  std::string version;              // MSH-12
  std::string map;                  // local code system; empty where it reports nothing
  std::string laboratory, imaging;  // who performs what it orders
  std::string card_type;            // CX-5 of the identity card; "PID-19": sent there
  std::string number_format;        // of patient numbers: prefix of eight digits
  std::string range_style;          // between low and high of an interval: "-" | "--" | "~"
  bool split_names = false;         // family^given
  bool zone = false;                // times with +0800
  bool specimen_segment = false;    // SPM, else OBR-15
  double share = 0;                 // of the visits
};

enum class Correction { changed, second_final, retrigger, cancelled, deleted, wrong, late_preliminary };
inline constexpr std::size_t correction_kinds = 7;
const char* to_string(Correction correction);
enum class Fault { no_control_id, bad_version, no_patient, broken_escape, wrong_label, truncated };
inline constexpr std::size_t fault_kinds = 6;
const char* to_string(Fault fault);

struct Region {
  std::string name;
  std::uint32_t residents = 50'000;
  double visits_per_day = 6'000;
  std::array<double, 24> rhythm{};                     // relative number of visits by hour
  double odd_cards = 0.003;                            // residents whose card is a placeholder or someone else's
  double resends = 0.01;                               // of all messages
  double malformed = 0.003;                            // beside the good ones
  double merges = 0.004;                               // of visits: registered twice, merged later (A40)
  double preliminary = 0.05;                           // of reports: a P before the F
  double unmapped = 0.04;                              // of reports: an item whose code nobody mapped
  double imaging = 0.12;                               // of visits
  std::array<double, correction_kinds> corrections{};  // of reports, by Correction
  std::vector<Institution> institutions;
  std::map<std::string, CodeMap, std::less<>> maps;  // by Institution::map

  const Institution& institution(const std::string& code) const;
  std::size_t index_of(const std::string& code) const;
};

// `schemas` is the folder that holds terminology/. Throws std::runtime_error with file, line and what to do.
Region load_region(const std::filesystem::path& file, const std::filesystem::path& schemas);

}  // namespace hutong::simulator
