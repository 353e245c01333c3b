// Durations counted in buckets whose width grows with the value: 64 to each power of two, so a percentile is right
// within 1.6 %, from 1 ns to 18 minutes, in 18 KB and without an allocation per value.
// Threads: one owner. Merge to combine.
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <chrono>
#include <cstdint>

namespace hutong::mllp_client {

class LatencyHistogram {
 public:
  void add(std::chrono::nanoseconds duration) {
    const std::uint64_t value =
        std::min<std::uint64_t>(static_cast<std::uint64_t>(std::max<std::int64_t>(duration.count(), 0)), largest);
    ++buckets_[bucket_of(value)];
    ++count_;
    sum_ += value;
    max_ = std::max(max_, value);
  }

  void merge(const LatencyHistogram& other) {
    for (std::size_t i = 0; i < buckets_.size(); ++i) buckets_[i] += other.buckets_[i];
    count_ += other.count_;
    sum_ += other.sum_;
    max_ = std::max(max_, other.max_);
  }

  std::uint64_t count() const { return count_; }
  std::chrono::nanoseconds max() const { return std::chrono::nanoseconds(max_); }
  std::chrono::nanoseconds mean() const { return std::chrono::nanoseconds(count_ ? sum_ / count_ : 0); }

  // The value that a share of `percent` (0 to 100) of all durations does not exceed; 0 when empty.
  std::chrono::nanoseconds percentile(double percent) const {
    if (count_ == 0) return std::chrono::nanoseconds(0);
    const double wanted = percent / 100.0 * static_cast<double>(count_);
    std::uint64_t seen = 0;
    for (std::size_t i = 0; i < buckets_.size(); ++i) {
      seen += buckets_[i];
      if (seen > 0 && static_cast<double>(seen) >= wanted) {
        return std::chrono::nanoseconds(std::min(upper_edge(i), max_));
      }
    }
    return max();
  }

 private:
  static constexpr int bits = 6;                              // 64 buckets to a power of two
  static constexpr std::uint64_t largest = (1ULL << 40) - 1;  // 18 minutes
  static constexpr std::size_t bucket_count = (40 - bits + 1) << bits;

  static std::size_t bucket_of(std::uint64_t value) {
    if (value < (1ULL << bits)) return static_cast<std::size_t>(value);
    const int shift = static_cast<int>(std::bit_width(value)) - 1 - bits;
    return (static_cast<std::size_t>(shift + 1) << bits) + static_cast<std::size_t>((value >> shift) - (1ULL << bits));
  }
  static std::uint64_t upper_edge(std::size_t bucket) {
    const std::size_t power = bucket >> bits;
    if (power == 0) return bucket;
    const std::uint64_t within = bucket & ((1U << bits) - 1);
    return (((1ULL << bits) + within + 1) << (power - 1)) - 1;
  }

  std::array<std::uint64_t, bucket_count> buckets_{};
  std::uint64_t count_ = 0, sum_ = 0, max_ = 0;
};

}  // namespace hutong::mllp_client
