// MLLP framing (HL7 Implementation Support Guide, Minimal Lower Layer Protocol): 0x0B message 0x1C 0x0D.
// A buffer that bytes are received into and whole messages are taken out of, as views, in one pass: no byte is
// looked at twice and none is copied. None of 0x0B, 0x1C, 0x0D is ever a trail byte of GB18030.
// Threads: one owner, the session.
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "broker/base/hash.h"

namespace hutong::mllp {

class Framer {
 public:
  // A message longer than `message_limit` is read to its end but not kept: its first `kept` bytes, length and hash are.
  Framer(std::size_t message_limit, std::size_t kept);

  // Room for at least `wanted` more bytes, behind what was received. Invalidates frames taken before.
  std::span<char> space(std::size_t wanted);
  // `count` bytes were written into space().
  void received(std::size_t count);

  struct Taken {
    std::string_view bytes;          // valid until space() or forget()
    std::size_t oversize = 0;        // > 0: length of the whole message; `bytes` is its beginning
    std::string oversize_sha256;     // hex
  };
  // The whole frames received so far, at most `count`, together at most `byte_limit` (at least one).
  void take(std::vector<Taken>& frames, std::size_t count, std::size_t byte_limit);
  // Frees the memory of what was taken; a large buffer shrinks again.
  void forget();

  bool within_frame() const { return state_ != State::outside; }  // the beginning of a message is here
  std::size_t buffered() const { return end_ - begin_; }
  // Bytes outside of frames that were not blank: a peer that does not speak MLLP.
  std::size_t noise() const { return noise_; }

 private:
  enum class State { outside, inside, oversize };
  bool next(Taken& frame);

  std::size_t message_limit_, kept_;
  std::unique_ptr<char[]> buffer_;
  std::size_t capacity_ = 0;
  std::size_t begin_ = 0;    // first byte not taken yet
  std::size_t scan_ = 0;     // first byte not looked at yet
  std::size_t end_ = 0;
  State state_ = State::outside;
  std::size_t noise_ = 0;
  std::string oversize_head_;
  std::size_t oversize_length_ = 0;
  std::unique_ptr<PartsHash> oversize_hash_;
};

}  // namespace hutong::mllp
