// Facilities: who may send, what they are, how they spell (schemas/facilities/*.toml; DIR/schemas overrides).
// Loaded by the composition root, immutable, swapped whole at SIGHUP.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace hutong::model {

enum class OnQuarantine { reject, accept_with_warning };

struct Facility {
  std::string code;  // [A-Za-z0-9.-]{1,64}
  std::string name_zh, name_en;
  std::string level;     // "3", "2", "1" …
  std::string kind;      // hospital | community-centre | village-clinic | laboratory | imaging-centre | …
  std::string area;      // GB/T 2260
  std::string alliance;  // 医联体 / 医共体
  struct Alias {
    std::string msh3, msh4;  // empty msh3 matches any application
  };
  std::vector<Alias> aliases;
  std::string uscc;         // 统一社会信用代码 (GB 32100), which names it like an alias; "" not said
  std::string charset;      // "": by MSH-18, then sniffed. "GB18030" | "UTF-8" | …
  int zone_minutes = 480;   // of times sent without one
  std::string certificate;  // SHA-256 fingerprint or subject CN bound to this facility; "" none
  OnQuarantine on_quarantine = OnQuarantine::reject;
  std::string code_system;  // name of its local code map: schemas/terminology/maps/<name>.csv; "" shared
  bool provisional = false;
};

class FacilityDirectory {
 public:
  void add(Facility facility);  // throws std::invalid_argument on a duplicate code or alias
  const Facility* find(std::string_view code) const;
  // By MSH-3 and MSH-4 (first components): exact pair, then MSH-4 alone (an alias or its USCC), then nothing.
  const Facility* by_sender(std::string_view application, std::string_view facility) const;
  // By its Chinese or English name; nullptr also where two facilities share it.
  const Facility* by_name(std::string_view name) const;
  const Facility* by_certificate(std::string_view fingerprint, std::string_view common_name) const;
  std::vector<const Facility*> all() const;  // by code

 private:
  std::unordered_map<std::string, std::unique_ptr<Facility>> by_code_;
  std::unordered_map<std::string, const Facility*> by_alias_;
  std::unordered_map<std::string_view, const Facility*> by_name_;  // views of the facilities' own names
};

// "x-" + 12 hex digits of the hash of (MSH-3, MSH-4): the code of a sender that nobody registered.
std::string provisional_code(std::string_view application, std::string_view facility);

}  // namespace hutong::model
