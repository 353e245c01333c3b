#include "broker/base/arena.h"

#include <algorithm>

namespace hutong {

void* Arena::grow(std::size_t bytes, std::size_t alignment) {
  std::size_t size = std::max(bytes + alignment, blocks_.empty() ? first_block_ : blocks_.back().size * 2);
  // Beyond 4 MiB a block grows by need, not by doubling: one 16 MiB message must not reserve 64.
  if (size > 4 * 1024 * 1024) size = std::max<std::size_t>(bytes + alignment, 4 * 1024 * 1024);
  blocks_.push_back({std::make_unique_for_overwrite<char[]>(size), size});
  reserved_ += size;
  cursor_ = reinterpret_cast<std::uintptr_t>(blocks_.back().memory.get());
  limit_ = cursor_ + size;
  std::uintptr_t at = (cursor_ + alignment - 1) & ~(static_cast<std::uintptr_t>(alignment) - 1);
  cursor_ = at + bytes;
  return reinterpret_cast<void*>(at);
}

void Arena::reset(std::size_t keep) {
  if (blocks_.empty()) return;
  auto largest = std::max_element(blocks_.begin(), blocks_.end(), [keep](const Block& a, const Block& b) {
    return (a.size <= keep ? a.size : 0) < (b.size <= keep ? b.size : 0);
  });
  if (largest->size > keep) {
    blocks_.clear();
    cursor_ = limit_ = 0;
    reserved_ = 0;
    return;
  }
  std::swap(*largest, blocks_.front());
  blocks_.resize(1);
  reserved_ = blocks_.front().size;
  cursor_ = reinterpret_cast<std::uintptr_t>(blocks_.front().memory.get());
  limit_ = cursor_ + reserved_;
}

}  // namespace hutong
