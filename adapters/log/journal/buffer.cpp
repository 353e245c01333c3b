#include "adapters/log/journal/buffer.h"

#include <algorithm>

namespace hutong::journal {

std::shared_ptr<Buffer> BufferPool::take(std::size_t bytes) {
  std::unique_ptr<Buffer> buffer;
  {
    const std::lock_guard lock(mutex_);
    const auto fitting = std::find_if(free_.rbegin(), free_.rend(),
                                      [bytes](const auto& candidate) { return candidate->capacity() >= bytes; });
    if (fitting != free_.rend()) {
      buffer = std::move(*fitting);
      free_.erase(std::next(fitting).base());
      free_bytes_ -= buffer->capacity();
    }
  }
  if (!buffer) buffer = std::make_unique<Buffer>(std::max(bytes, first_capacity));
  return {buffer.release(), [pool = shared_from_this()](Buffer* used) { pool->give_back(used); }};
}

void BufferPool::give_back(Buffer* used) {
  std::unique_ptr<Buffer> buffer(used);
  const std::lock_guard lock(mutex_);
  if (free_bytes_ + buffer->capacity() > kept_bytes_) return;
  free_bytes_ += buffer->capacity();
  free_.push_back(std::move(buffer));
}

void BufferPool::release_idle() {
  const std::lock_guard lock(mutex_);
  free_.clear();
  free_bytes_ = 0;
}

}  // namespace hutong::journal
