// Memory that O_DIRECT accepts, and a pool of it: batches are built, written, kept for readers at the tail and used
// again, so that the busy log neither allocates nor touches fresh pages. Threads: Buffer one owner, BufferPool any.
#pragma once

#include <cstdlib>
#include <cstring>
#include <memory>
#include <mutex>
#include <new>
#include <vector>

namespace hutong::journal {

class Buffer {
 public:
  Buffer() = default;
  explicit Buffer(std::size_t capacity)
      : data_(static_cast<char*>(::operator new(capacity, std::align_val_t{4096}))), capacity_(capacity) {}
  char* data() { return data_.get(); }
  const char* data() const { return data_.get(); }
  std::size_t capacity() const { return capacity_; }
  // Keeps the first `used` bytes.
  void grow(std::size_t capacity, std::size_t used) {
    Buffer larger(capacity);
    if (used > 0) std::memcpy(larger.data(), data(), used);
    *this = std::move(larger);
  }

 private:
  struct Free {
    void operator()(char* at) const { ::operator delete(at, std::align_val_t{4096}); }
  };
  std::unique_ptr<char, Free> data_;
  std::size_t capacity_ = 0;
};

class BufferPool : public std::enable_shared_from_this<BufferPool> {
 public:
  static constexpr std::size_t first_capacity = 256 * 1024;

  explicit BufferPool(std::size_t kept_bytes) : kept_bytes_(kept_bytes) {}
  // At least `bytes` large. Comes back to the pool when the last holder lets go.
  std::shared_ptr<Buffer> take(std::size_t bytes);
  void release_idle();  // when nothing is going on: memory goes back to the system

 private:
  void give_back(Buffer* buffer);
  std::mutex mutex_;
  std::vector<std::unique_ptr<Buffer>> free_;
  std::size_t free_bytes_ = 0;
  const std::size_t kept_bytes_;
};

}  // namespace hutong::journal
