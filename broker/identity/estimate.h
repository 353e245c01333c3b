// The weights, estimated from a population itself: nobody says which pairs are one person. u comes from pairs taken at
// random, which are almost surely two people; m by expectation and maximisation (Dempster, Laird and Rubin 1977;
// Winkler 1988) over pairs that share a block; how common names are from the names. Deterministic. Threads: any.
#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "broker/identity/weights.h"

namespace hutong::identity {

struct EstimateLimits {
  std::size_t blocked_pairs = 4'000'000;
  std::size_t block_size = 64;  // a larger block says little and costs much
  std::size_t random_pairs = 500'000;
  std::size_t names_listed = 2'000;  // of each part
  int rounds = 60;
};

// `version` goes into the weights. Errors: invalid, where the population is too small to say anything (less than 100
// pairs share a block).
Result<Weights> estimate(std::span<const Candidate> population, std::string version, EstimateLimits limits = {});

}  // namespace hutong::identity
