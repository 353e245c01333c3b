// What each agreement is worth, after Fellegi and Sunter (1969): m, how often a level is met where the two are one
// person, u, how often where they are two; the weight is log2(m/u). Names are weighed by how common they are: a shared
// 王 says little, a shared 阿依努尔 much. Data with a version (schemas/identity/weights.csv), estimated from a
// population by estimate.h. Pure; threads: any, once made.
#pragma once

#include <array>
#include <string>
#include <string_view>
#include <unordered_map>

#include "broker/base/error.h"
#include "broker/identity/comparison.h"

namespace hutong::identity {

struct Weights {
  struct Chance {
    double m = 0, u = 0;
  };
  std::string version;
  double prior = 0;      // chance that two local patients taken at random are one person
  double link = 0.99;    // from this chance on they are linked
  double steward = 0.5;  // from this one on a steward is asked
  std::array<std::array<Chance, level_count>, field_count> chances{};
  // How common a name is, by its sound; one that is not listed is as common as `..._rest`.
  std::unordered_map<std::string, double> family_share, given_share;
  double family_rest = 0, given_rest = 0;

  bool empty() const { return version.empty(); }
  // In bits; 0 for a level that is not known.
  double weight(const Comparison& comparison, Field field) const;
};

struct Score {
  std::array<double, field_count> bits{};
  double chance = 0;  // that the two are one person
};
Score score(const Weights& weights, const Comparison& comparison);

// CSV: "setting,NAME,VALUE", "weight,FIELD,LEVEL,M,U", "family|given,SOUND,SHARE" ("*": all others); '#' begins a
// remark. Errors: invalid, with the line.
Result<Weights> read_weights(std::string_view csv);
std::string write_weights(const Weights& weights, std::string_view remark);

}  // namespace hutong::identity
