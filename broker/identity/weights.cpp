#include "broker/identity/weights.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdio>
#include <map>
#include <vector>

namespace hutong::identity {
namespace {

double share_of(const std::unordered_map<std::string, double>& shares, double rest, const std::string& sound) {
  const auto found = shares.find(sound);
  return found == shares.end() ? rest : found->second;
}

// How common the two parts of a name are. Which is the family's is often typed the wrong way round, and then looks
// rarer than any name is: 勇丁 is as common as 丁勇.
std::pair<double, double> shares_of(const Weights& weights, const Comparison& name) {
  const double family = share_of(weights.family_share, weights.family_rest, name.family_sound);
  const double given = share_of(weights.given_share, weights.given_rest, name.given_sound);
  const double turned_family = share_of(weights.family_share, 0, name.given_sound);
  const double turned_given = share_of(weights.given_share, 0, name.family_sound);
  if (turned_family * turned_given > family * given) return {turned_family, turned_given};
  return {family, given};
}

std::string number(double value) {
  char text[32];
  std::snprintf(text, sizeof text, "%.4g", value);
  return text;
}

bool read_number(std::string_view text, double& value) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc() && end == text.data() + text.size() && std::isfinite(value);
}

std::vector<std::string_view> cells_of(std::string_view line) {
  std::vector<std::string_view> cells;
  for (;;) {
    const auto comma = line.find(',');
    cells.push_back(line.substr(0, comma));
    if (comma == std::string_view::npos) return cells;
    line.remove_prefix(comma + 1);
  }
}

}  // namespace

double Weights::weight(const Comparison& comparison, Field field) const {
  const Level level = comparison[field];
  if (level == Level::unknown) return 0;
  // Who moved has another place as well: that is one thing, not two.
  if (field == Field::place && level == Level::other && comparison[Field::street] == Level::other) return 0;
  const auto& levels = chances[static_cast<std::size_t>(field)];
  const Chance& chance = levels[static_cast<std::size_t>(level)];
  double u = chance.u;
  const bool name = field == Field::family_name || field == Field::given_name;
  if (name && level <= Level::sounds) {
    const double rest = field == Field::family_name ? family_rest : given_rest;
    if (rest > 0) {
      // Of those who share the sound of a name, how many share its characters too.
      const double same = levels[0].u, sounds = levels[1].u;
      const double written = std::clamp(same / std::max(same + sounds, 1e-12), 0.05, 0.95);
      const auto [family, given] = shares_of(*this, comparison);
      const double share = field == Field::family_name ? family : given;
      u = share * (level == Level::same ? written : 1 - written);
    }
  }
  return std::log2(std::max(chance.m, 1e-9) / std::max(u, 1e-9));
}

Score score(const Weights& weights, const Comparison& comparison) {
  Score out;
  double bits = std::log2(weights.prior / (1 - weights.prior));
  for (Field field : all_fields) {
    const double own = weights.weight(comparison, field);
    out.bits[static_cast<std::size_t>(field)] = own;
    bits += own;
  }
  out.chance = 1 / (1 + std::exp2(-bits));
  return out;
}

Result<Weights> read_weights(std::string_view csv) {
  Weights out;
  std::size_t number_of_line = 0;
  const auto wrong = [&](std::string_view what) {
    return fail(ErrorCode::invalid,
                "identity weights, line " + std::to_string(number_of_line) + ": " + std::string(what));
  };
  bool weighed[field_count][level_count] = {};
  while (!csv.empty()) {
    auto line = csv.substr(0, csv.find('\n'));
    csv.remove_prefix(std::min(csv.size(), line.size() + 1));
    ++number_of_line;
    if (line.ends_with('\r')) line.remove_suffix(1);
    if (line.empty() || line.front() == '#') continue;
    const auto cells = cells_of(line);
    double value = 0;
    if (cells[0] == "setting" && cells.size() == 3) {
      if (cells[1] == "version") {
        out.version = cells[2];
        continue;
      }
      if (!read_number(cells[2], value) || value <= 0 || value >= 1) return wrong("a chance lies between 0 and 1");
      if (cells[1] == "prior") {
        out.prior = value;
      } else if (cells[1] == "link") {
        out.link = value;
      } else if (cells[1] == "steward") {
        out.steward = value;
      } else {
        return wrong("expected version, prior, link or steward");
      }
    } else if (cells[0] == "weight" && cells.size() == 5) {
      std::size_t field = 0, level = 0;
      while (field < field_count && to_string(static_cast<Field>(field)) != cells[1]) ++field;
      while (level < level_count && to_string(static_cast<Level>(level)) != cells[2]) ++level;
      Weights::Chance chance;
      if (field == field_count || level == level_count) return wrong("no such field or level");
      if (!read_number(cells[3], chance.m) || !read_number(cells[4], chance.u) || chance.m <= 0 || chance.m > 1 ||
          chance.u <= 0 || chance.u > 1) {
        return wrong("m and u lie between 0 and 1");
      }
      out.chances[field][level] = chance;
      weighed[field][level] = true;
    } else if ((cells[0] == "family" || cells[0] == "given") && cells.size() == 3) {
      if (!read_number(cells[2], value) || value <= 0 || value > 1) return wrong("a share lies between 0 and 1");
      const bool family = cells[0] == "family";
      if (cells[1] == "*") {
        (family ? out.family_rest : out.given_rest) = value;
      } else {
        (family ? out.family_share : out.given_share)[std::string(cells[1])] = value;
      }
    } else {
      return wrong("expected setting, weight, family or given");
    }
  }
  number_of_line = 0;
  if (out.version.empty() || out.prior <= 0) return wrong("version and prior are missing");
  if (out.steward > out.link) return wrong("steward lies above link");
  for (Field field : all_fields) {
    for (std::size_t level = 0; level < level_count; ++level) {
      if (!weighed[static_cast<std::size_t>(field)][level]) {
        return wrong(std::string(to_string(field)) + " " + std::string(to_string(static_cast<Level>(level))) +
                     " has no weight");
      }
    }
  }
  return out;
}

std::string write_weights(const Weights& weights, std::string_view remark) {
  std::string out;
  while (!remark.empty()) {
    const auto line = remark.substr(0, remark.find('\n'));
    remark.remove_prefix(std::min(remark.size(), line.size() + 1));
    out += "# " + std::string(line) + "\n";
  }
  out += "setting,version," + weights.version + "\nsetting,prior," + number(weights.prior) + "\nsetting,link," +
         number(weights.link) + "\nsetting,steward," + number(weights.steward) + "\n";
  for (Field field : all_fields) {
    for (std::size_t level = 0; level < level_count; ++level) {
      const auto& chance = weights.chances[static_cast<std::size_t>(field)][level];
      out += "weight," + std::string(to_string(field)) + "," + std::string(to_string(static_cast<Level>(level))) + "," +
             number(chance.m) + "," + number(chance.u) + "\n";
    }
  }
  const auto shares = [&](std::string_view part, const auto& list, double rest) {
    for (const auto& [sound, share] : std::map<std::string, double>(list.begin(), list.end())) {
      out += std::string(part) + "," + sound + "," + number(share) + "\n";
    }
    if (rest > 0) out += std::string(part) + ",*," + number(rest) + "\n";
  };
  shares("family", weights.family_share, weights.family_rest);
  shares("given", weights.given_share, weights.given_rest);
  return out;
}

}  // namespace hutong::identity
