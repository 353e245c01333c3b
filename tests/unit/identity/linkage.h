// A population linked as the projector links it, but in memory: blocks, decisions, the persons that follow from them;
// and what of it is right, counted in pairs.
#pragma once

#include <algorithm>
#include <cstdint>
#include <numeric>
#include <set>
#include <unordered_map>
#include <vector>

#include "broker/identity/matching.h"

namespace hutong::identity::tests {

struct Quality {
  std::uint64_t true_pairs = 0, linked_pairs = 0, right_pairs = 0, compared = 0, to_steward = 0, blocked_true_pairs = 0;
  double precision() const { return linked_pairs == 0 ? 1 : double(right_pairs) / double(linked_pairs); }
  double recall() const { return true_pairs == 0 ? 1 : double(right_pairs) / double(true_pairs); }
  double f1() const { return 2 * precision() * recall() / std::max(1e-12, precision() + recall()); }
};

// `truth[i]`: whose registration i is. `side[i]`: only pairs of different sides count (and are compared); all equal:
// all do.
inline Quality link(const std::vector<Candidate>& people, const std::vector<std::uint32_t>& truth,
                    const std::vector<int>& side, const Weights& weights, std::size_t block_size = 64) {
  const bool two_sided = std::set<int>(side.begin(), side.end()).size() > 1;
  std::unordered_map<std::string, std::vector<std::uint32_t>> blocks;
  const auto keys_of = [&](std::uint32_t i) {
    auto keys = block_keys(people[i]);
    for (const auto& card : people[i].cards) {
      keys.kept.push_back("card " + card);
      keys.sought.push_back("card " + card);
    }
    return keys;
  };
  for (std::uint32_t i = 0; i < people.size(); ++i) {
    for (auto& key : keys_of(i).kept) blocks[std::move(key)].push_back(i);
  }
  std::set<std::pair<std::uint32_t, std::uint32_t>> pairs;
  for (std::uint32_t i = 0; i < people.size(); ++i) {
    for (const auto& key : keys_of(i).sought) {
      const auto found = blocks.find(key);
      if (found == blocks.end() || found->second.size() > block_size) continue;
      for (const auto other : found->second) {
        if (other != i && (!two_sided || side[i] != side[other])) pairs.emplace(std::min(i, other), std::max(i, other));
      }
    }
  }
  std::vector<std::uint32_t> person(people.size());
  std::iota(person.begin(), person.end(), 0U);
  const auto root = [&](std::uint32_t i) {
    while (person[i] != i) i = person[i] = person[person[i]];
    return i;
  };
  Quality out;
  for (const auto& [a, b] : pairs) {
    ++out.compared;
    out.blocked_true_pairs += truth[a] == truth[b];
    const auto decision = compare(people[a], people[b], weights, "2026-11-26");
    if (decision.outcome == Outcome::link) person[root(a)] = root(b);
    out.to_steward += decision.outcome == Outcome::possible || decision.outcome == Outcome::conflict;
  }
  std::unordered_map<std::uint32_t, std::vector<std::uint32_t>> by_truth, by_person;
  for (std::uint32_t i = 0; i < people.size(); ++i) {
    by_truth[truth[i]].push_back(i);
    by_person[root(i)].push_back(i);
  }
  const auto count = [&](const auto& groups, auto&& each) {
    for (const auto& [key, members] : groups) {
      for (std::size_t i = 0; i < members.size(); ++i) {
        for (std::size_t j = i + 1; j < members.size(); ++j) {
          if (!two_sided || side[members[i]] != side[members[j]]) each(members[i], members[j]);
        }
      }
    }
  };
  count(by_truth, [&](auto, auto) { ++out.true_pairs; });
  count(by_person, [&](auto a, auto b) {
    ++out.linked_pairs;
    out.right_pairs += truth[a] == truth[b];
  });
  return out;
}

}  // namespace hutong::identity::tests
