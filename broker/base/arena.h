// One message's memory. A Draft, its Event and every text in them live exactly as long as one
// message is worked on, so they share one bump allocator that is reset and used again: nothing on
// the hot path allocates per field. Threads: one owner. Lifetime: views die at reset().
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <initializer_list>
#include <memory>
#include <string_view>
#include <type_traits>
#include <vector>

namespace hutong {

class Arena {
 public:
  explicit Arena(std::size_t first_block = 16 * 1024) : first_block_(first_block) {}
  Arena(const Arena&) = delete;
  Arena& operator=(const Arena&) = delete;
  Arena(Arena&&) = default;
  Arena& operator=(Arena&&) = default;

  // `bytes` of uninitialised memory, aligned to `alignment` (a power of two up to 16).
  void* allocate(std::size_t bytes, std::size_t alignment = alignof(std::max_align_t)) {
    std::uintptr_t at = (cursor_ + alignment - 1) & ~(static_cast<std::uintptr_t>(alignment) - 1);
    if (cursor_ == 0 || at + bytes > limit_) return grow(bytes, alignment);
    cursor_ = at + bytes;
    return reinterpret_cast<void*>(at);
  }

  std::string_view copy(std::string_view text) {
    if (text.empty()) return {};
    char* at = static_cast<char*>(allocate(text.size(), 1));
    std::memcpy(at, text.data(), text.size());
    return {at, text.size()};
  }

  // What was allocated last ends at `end` after all: the rest, up to `allocated_end`, is free again.
  void give_back(const char* end, const char* allocated_end) {
    if (cursor_ == reinterpret_cast<std::uintptr_t>(allocated_end)) cursor_ = reinterpret_cast<std::uintptr_t>(end);
  }

  std::string_view concat(std::initializer_list<std::string_view> parts) {
    std::size_t size = 0;
    for (auto part : parts) size += part.size();
    if (size == 0) return {};
    char* at = static_cast<char*>(allocate(size, 1));
    char* to = at;
    for (auto part : parts) {
      if (part.empty()) continue;
      std::memcpy(to, part.data(), part.size());
      to += part.size();
    }
    return {at, size};
  }

  template <class T>
  T* make() {
    static_assert(std::is_trivially_destructible_v<T>, "nothing in an arena is destroyed");
    return new (allocate(sizeof(T), alignof(T))) T();
  }

  // Forgets everything; keeps one block of at most `keep` bytes for the next message.
  void reset(std::size_t keep = 1024 * 1024);
  std::size_t bytes_reserved() const { return reserved_; }

 private:
  void* grow(std::size_t bytes, std::size_t alignment);
  struct Block {
    std::unique_ptr<char[]> memory;
    std::size_t size;
  };
  std::vector<Block> blocks_;
  std::uintptr_t cursor_ = 0;
  std::uintptr_t limit_ = 0;
  std::size_t reserved_ = 0;
  std::size_t first_block_;
};

// A growing array inside an Arena. Trivial to copy (a copy sees the same elements; push to one owner only).
template <class T>
class List {
 public:
  T& push(Arena& arena, const T& value) {
    if (size_ == capacity_) reserve(arena, capacity_ ? capacity_ * 2 : 4);
    return *new (data_ + size_++) T(value);
  }
  T& push(Arena& arena) {
    if (size_ == capacity_) reserve(arena, capacity_ ? capacity_ * 2 : 4);
    return *new (data_ + size_++) T();
  }
  void reserve(Arena& arena, std::uint32_t capacity) {
    static_assert(std::is_trivially_copyable_v<T> && std::is_trivially_destructible_v<T>);
    if (capacity <= capacity_) return;
    T* moved = static_cast<T*>(arena.allocate(sizeof(T) * capacity, alignof(T)));
    if (size_) std::memcpy(static_cast<void*>(moved), static_cast<const void*>(data_), sizeof(T) * size_);
    data_ = moved;
    capacity_ = capacity;
  }
  T* begin() { return data_; }
  T* end() { return data_ + size_; }
  const T* begin() const { return data_; }
  const T* end() const { return data_ + size_; }
  std::size_t size() const { return size_; }
  bool empty() const { return size_ == 0; }
  T& operator[](std::size_t i) { return data_[i]; }
  const T& operator[](std::size_t i) const { return data_[i]; }
  T& back() { return data_[size_ - 1]; }
  const T& back() const { return data_[size_ - 1]; }
  void pop() { --size_; }
  void clear() { size_ = 0; }

 private:
  T* data_ = nullptr;
  std::uint32_t size_ = 0;
  std::uint32_t capacity_ = 0;
};

}  // namespace hutong
