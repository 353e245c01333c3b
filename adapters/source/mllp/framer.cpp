#include "adapters/source/mllp/framer.h"

#include <algorithm>
#include <cstring>

namespace hutong::mllp {
namespace {
constexpr char start_block = 0x0B;
constexpr char end_block = 0x1C;
constexpr char carriage_return = 0x0D;
constexpr std::size_t resting_capacity = 4 * 1024;   // a thousand idle connections must stay cheap
constexpr std::size_t working_capacity = 64 * 1024;  // a busy one keeps its buffer
}  // namespace

Framer::Framer(std::size_t message_limit, std::size_t kept) : message_limit_(message_limit), kept_(kept) {}

std::span<char> Framer::space(std::size_t wanted) {
  if (capacity_ - end_ < wanted) {
    const std::size_t held = end_ - begin_;
    std::size_t capacity = std::max(capacity_, resting_capacity);
    while (capacity - held < wanted) capacity *= 2;
    if (capacity == capacity_) {
      std::memmove(buffer_.get(), buffer_.get() + begin_, held);
    } else {
      auto larger = std::make_unique_for_overwrite<char[]>(capacity);
      if (held) std::memcpy(larger.get(), buffer_.get() + begin_, held);
      buffer_ = std::move(larger);
      capacity_ = capacity;
    }
    scan_ -= begin_;
    end_ = held;
    begin_ = 0;
  }
  return {buffer_.get() + end_, capacity_ - end_};
}

void Framer::received(std::size_t count) { end_ += count; }

bool Framer::next(Taken& frame) {
  while (scan_ < end_) {
    const char* at = buffer_.get() + scan_;
    const std::size_t rest = end_ - scan_;
    if (state_ == State::outside) {
      const auto* found = static_cast<const char*>(std::memchr(at, start_block, rest));
      const std::size_t skipped = found ? static_cast<std::size_t>(found - at) : rest;
      for (std::size_t i = 0; i < skipped; ++i) {
        if (static_cast<unsigned char>(at[i]) > ' ' && at[i] != end_block) ++noise_;
      }
      scan_ += skipped;
      begin_ = scan_;
      if (!found) return false;
      begin_ = ++scan_;
      state_ = State::inside;
      continue;
    }
    const auto* found = static_cast<const char*>(std::memchr(at, end_block, rest));
    const std::size_t length = found ? static_cast<std::size_t>(found - at) : rest;
    if (state_ == State::oversize) {
      oversize_hash_->raw({at, length});
      oversize_length_ += length;
      scan_ += length;
      begin_ = scan_;
      if (!found) return false;
      ++scan_;
      begin_ = scan_;
      frame.bytes = oversize_head_;
      frame.oversize = oversize_length_;
      frame.oversize_sha256 = to_hex(as_view(oversize_hash_->finish()));
      state_ = State::outside;
      return true;
    }
    scan_ += length;
    if (scan_ - begin_ > message_limit_) {
      oversize_head_.assign(buffer_.get() + begin_, kept_);
      oversize_hash_ = std::make_unique<PartsHash>();
      oversize_hash_->raw({buffer_.get() + begin_, scan_ - begin_});
      oversize_length_ = scan_ - begin_;
      begin_ = scan_;
      state_ = State::oversize;
      continue;
    }
    if (!found) return false;
    frame.bytes = {buffer_.get() + begin_, scan_ - begin_};
    frame.oversize = 0;
    ++scan_;
    if (scan_ < end_ && buffer_[scan_] == carriage_return) ++scan_;
    begin_ = scan_;
    state_ = State::outside;
    return true;
  }
  return false;
}

void Framer::take(std::vector<Taken>& frames, std::size_t count, std::size_t byte_limit) {
  std::size_t bytes = 0;
  while (frames.size() < count && bytes < byte_limit) {
    Taken frame;
    if (!next(frame)) return;
    bytes += frame.bytes.size();
    frames.push_back(std::move(frame));
    if (frames.back().oversize) return;  // the head is one buffer: answered before the next is begun
  }
}

void Framer::forget() {
  if (begin_ == end_) {
    begin_ = scan_ = end_ = 0;
    if (capacity_ > working_capacity) {
      buffer_.reset();
      capacity_ = 0;
    }
  }
}

}  // namespace hutong::mllp
