// A hash table from texts to values, filled at start and only read afterwards: open addressing over one array, a
// probe is one cache line as a rule. The texts are the owner's. (std::unordered_map costs several times as much here:
// a library call to hash, a division, a chain of nodes.) Threads: find() from any once filled.
#pragma once

#include <cstdint>
#include <cstring>
#include <string_view>
#include <utility>
#include <vector>

#include "broker/base/text_equal.h"

namespace hutong::terminology {

template <class V>
class TextIndex {
 public:
  struct Entry {
    std::string_view key;
    V value;
  };

  const V* find(std::string_view key) const {
    if (slots_.empty()) return nullptr;
    const std::uint64_t h = hash(key);
    for (std::size_t i = h & mask(); slots_[i].entry != 0; i = (i + 1) & mask()) {
      if (slots_[i].tag != tag(h)) continue;
      const Entry& entry = entries_[slots_[i].entry - 1];
      if (text_equal(entry.key, key)) return &entry.value;
    }
    return nullptr;
  }
  V* find(std::string_view key) { return const_cast<V*>(std::as_const(*this).find(key)); }

  // False when the key is there already. `key` must outlive the index.
  bool insert(std::string_view key, V value) {
    if (find(key)) return false;
    entries_.push_back({key, std::move(value)});
    if (entries_.size() * 2 > slots_.size()) {
      slots_.assign(slots_.empty() ? 16 : slots_.size() * 4, {});
      for (std::size_t i = 0; i < entries_.size(); ++i) place(i);
    } else {
      place(entries_.size() - 1);
    }
    return true;
  }
  std::vector<Entry>& entries() { return entries_; }

 private:
  struct Slot {
    std::uint32_t entry = 0;  // index + 1; 0 free
    std::uint32_t tag = 0;
  };
  std::size_t mask() const { return slots_.size() - 1; }
  static std::uint32_t tag(std::uint64_t h) { return static_cast<std::uint32_t>(h >> 32U); }
  void place(std::size_t index) {
    const std::uint64_t h = hash(entries_[index].key);
    std::size_t i = h & mask();
    while (slots_[i].entry != 0) i = (i + 1) & mask();
    slots_[i] = {static_cast<std::uint32_t>(index + 1), tag(h)};
  }
  // The texts are a few bytes long and the tables are ours: speed, not resistance. Words of eight bytes, the last one
  // overlapping, each multiplied in.
  static std::uint64_t hash(std::string_view text) {
    constexpr std::uint64_t odd = 0x9E3779B97F4A7C15ULL;
    std::uint64_t h = text.size() * odd, word = 0;
    const auto mix = [&] {
      h = (h ^ word) * odd;
      h ^= h >> 32U;
    };
    if (text.size() < 8) {
      if (text.size() >= 4) {
        std::uint32_t low, high;
        std::memcpy(&low, text.data(), 4);
        std::memcpy(&high, text.data() + text.size() - 4, 4);
        word = low | static_cast<std::uint64_t>(high) << 32U;
      } else {
        for (char c : text) word = word << 8U | static_cast<unsigned char>(c);
      }
      mix();
      return h;
    }
    for (std::size_t i = 0; i + 8 < text.size(); i += 8) {
      std::memcpy(&word, text.data() + i, 8);
      mix();
    }
    std::memcpy(&word, text.data() + text.size() - 8, 8);
    mix();
    return h;
  }

  std::vector<Entry> entries_;
  std::vector<Slot> slots_;
};

}  // namespace hutong::terminology
