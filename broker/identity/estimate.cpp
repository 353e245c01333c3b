#include "broker/identity/estimate.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <unordered_map>
#include <unordered_set>
#include <vector>

namespace hutong::identity {
namespace {

using Pattern = std::array<Level, field_count>;
using Table = std::array<std::array<double, level_count>, field_count>;

struct Counted {
  Pattern levels;
  double count;
};

std::vector<Counted> counted(const std::map<Pattern, std::size_t>& patterns) {
  std::vector<Counted> out;
  for (const auto& [levels, count] : patterns) out.push_back({levels, static_cast<double>(count)});
  return out;
}

// Shares of the levels in each field; `floor` stands for what was not met in so many pairs.
void normalize(Table& table, double floor) {
  for (auto& levels : table) {
    double sum = 0;
    for (double each : levels) sum += each;
    for (double& each : levels) each = sum > 0 ? std::max(each / sum, floor) : floor;
  }
}

double likelihood(const Table& table, const Pattern& levels) {
  double out = 1;
  for (std::size_t f = 0; f < field_count; ++f) {
    if (levels[f] != Level::unknown) out *= table[f][static_cast<std::size_t>(levels[f])];
  }
  return out;
}

std::uint64_t pair_of(std::uint32_t a, std::uint32_t b) {
  return a < b ? static_cast<std::uint64_t>(a) << 32U | b : static_cast<std::uint64_t>(b) << 32U | a;
}

void list_names(std::span<const Candidate> population, std::string PersonName::*part, std::size_t most,
                std::unordered_map<std::string, double>& shares, double& rest) {
  std::unordered_map<std::string, std::size_t> counts;
  std::size_t all = 0;
  for (const auto& each : population) {
    if (each.names.empty() || (each.names.front().*part).empty()) continue;
    ++counts[each.names.front().*part];
    ++all;
  }
  if (all == 0) return;
  std::vector<std::pair<std::size_t, std::string>> order;
  for (const auto& [sound, count] : counts) order.emplace_back(count, sound);
  std::sort(order.begin(), order.end(),
            [](const auto& a, const auto& b) { return std::pair(b.first, a.second) < std::pair(a.first, b.second); });
  const double total = static_cast<double>(all);
  // A name met three times is no estimate of its own.
  std::size_t listed = 0, unlisted_people = 0, unlisted = 0;
  for (const auto& [count, sound] : order) {
    if (listed < most && count > 3 && sound.find(',') == std::string::npos) {
      shares[sound] = static_cast<double>(count) / total;
      ++listed;
    } else {
      unlisted_people += count;
      ++unlisted;
    }
  }
  rest = unlisted == 0 ? 1 / total
                       : std::max(1.0, static_cast<double>(unlisted_people) / static_cast<double>(unlisted)) / total;
}

}  // namespace

Result<Weights> estimate(std::span<const Candidate> population, std::string version, EstimateLimits limits) {
  Weights out;
  out.version = std::move(version);

  std::unordered_map<std::string, std::vector<std::uint32_t>> blocks;
  const auto keys_of = [&](std::uint32_t i) {
    auto keys = block_keys(population[i]);
    for (const auto& card : population[i].cards) {
      keys.kept.push_back("card\x1f" + card);
      keys.sought.push_back("card\x1f" + card);
    }
    return keys;
  };
  for (std::uint32_t i = 0; i < population.size(); ++i) {
    for (auto& key : keys_of(i).kept) {
      auto& members = blocks[std::move(key)];
      if (members.size() <= limits.block_size) members.push_back(i);
    }
  }
  std::vector<std::uint64_t> pairs;
  for (std::uint32_t i = 0; i < population.size(); ++i) {
    for (const auto& key : keys_of(i).sought) {
      const auto found = blocks.find(key);
      if (found == blocks.end() || found->second.size() > limits.block_size) continue;
      for (const auto other : found->second) {
        if (other != i) pairs.push_back(pair_of(std::min(i, other), std::max(i, other)));
      }
    }
  }
  blocks.clear();
  std::sort(pairs.begin(), pairs.end());
  pairs.erase(std::unique(pairs.begin(), pairs.end()), pairs.end());
  if (pairs.size() < 100) {
    return fail(ErrorCode::invalid, "only " + std::to_string(pairs.size()) +
                                        " pairs of patients resemble each other; weights need at least 100");
  }
  const std::size_t every = (pairs.size() + limits.blocked_pairs - 1) / limits.blocked_pairs;
  std::map<Pattern, std::size_t> blocked, random;
  for (std::size_t i = 0; i < pairs.size(); i += every) {
    const auto& a = population[pairs[i] >> 32U];
    const auto& b = population[pairs[i] & 0xFFFFFFFFU];
    ++blocked[compare_fields(a, b).levels];
  }
  // Pairs at a distance that runs through the population: as good as drawn, and the same in every run.
  const std::size_t people = population.size();
  const double all_pairs = static_cast<double>(people) * static_cast<double>(people - 1) / 2;
  std::size_t drawn = 0;
  const std::size_t wanted = static_cast<std::size_t>(std::min(all_pairs, static_cast<double>(limits.random_pairs)));
  for (std::size_t distance = 1; drawn < wanted && distance < people; ++distance) {
    const std::size_t step = (distance * 7919) % people;
    if (step == 0) continue;
    for (std::size_t i = 0; i < people && drawn < wanted; i += 1 + distance % 3, ++drawn) {
      const std::size_t j = (i + step) % people;
      if (i != j) ++random[compare_fields(population[i], population[j]).levels];
    }
  }

  Table u{}, m{}, u_blocked{};
  for (const auto& [levels, count] : random) {
    for (std::size_t f = 0; f < field_count; ++f) {
      if (levels[f] != Level::unknown) u[f][static_cast<std::size_t>(levels[f])] += static_cast<double>(count);
    }
  }
  const double floor_u = 0.5 / static_cast<double>(std::max<std::size_t>(drawn, 1)), floor_m = 1e-4;
  normalize(u, floor_u);
  for (auto& levels : m) levels = {0.8, 0.07, 0.06, 0.04, 0.03};
  u_blocked = u;
  for (auto& levels : u_blocked) {
    for (double& each : levels) each = 0.5 * each + 0.1;
  }
  double matched = 0.5;
  const auto patterns = counted(blocked);
  double total = 0;
  for (const auto& each : patterns) total += each.count;
  for (int round = 0; round < limits.rounds; ++round) {
    Table in{}, apart{};
    double sum = 0;
    for (const auto& [levels, count] : patterns) {
      const double one = matched * likelihood(m, levels), two = (1 - matched) * likelihood(u_blocked, levels);
      const double chance = one + two > 0 ? one / (one + two) : 0;
      sum += chance * count;
      for (std::size_t f = 0; f < field_count; ++f) {
        if (levels[f] == Level::unknown) continue;
        const auto level = static_cast<std::size_t>(levels[f]);
        in[f][level] += chance * count;
        apart[f][level] += (1 - chance) * count;
      }
    }
    normalize(in, floor_m);
    normalize(apart, floor_m);
    m = in;
    u_blocked = apart;
    matched = std::clamp(sum / total, 1e-6, 1 - 1e-6);
  }
  out.prior = std::clamp(matched * static_cast<double>(pairs.size()) / all_pairs, 1e-12, 0.5);
  for (std::size_t f = 0; f < field_count; ++f) {
    for (std::size_t level = 0; level < level_count; ++level) out.chances[f][level] = {m[f][level], u[f][level]};
  }
  list_names(population, &PersonName::family_sound, limits.names_listed, out.family_share, out.family_rest);
  list_names(population, &PersonName::given_sound, limits.names_listed, out.given_share, out.given_rest);
  return out;
}

}  // namespace hutong::identity
