// The MLLP framer on any bytes in any pieces: it must give back exactly what stands between 0x0B and 0x1C, whatever
// the pieces, hold no more than its limit, and never look beyond what it was given.
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

#include "adapters/source/mllp/framer.h"

namespace {

constexpr std::size_t message_limit = 200, kept = 16;

struct Message {
  std::string bytes;
  std::size_t oversize = 0;
  std::string hash;
  bool operator==(const Message&) const = default;
};

std::vector<Message> frames(const std::uint8_t* data, std::size_t size, std::size_t piece) {
  hutong::mllp::Framer framer(message_limit, kept);
  std::vector<Message> messages;
  for (std::size_t at = 0; at < size;) {
    const std::size_t count = std::min(piece, size - at);
    const auto room = framer.space(count);
    if (room.size() < count) std::abort();
    std::memcpy(room.data(), data + at, count);
    framer.received(count);
    at += count;
    for (;;) {
      std::vector<hutong::mllp::Framer::Taken> taken;
      framer.take(taken, 3, 64);
      if (taken.empty()) break;
      for (const auto& frame : taken) messages.push_back({std::string(frame.bytes), frame.oversize, frame.oversize_sha256});
    }
    framer.forget();
    if (framer.buffered() > message_limit + piece + 1) std::abort();
  }
  return messages;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 2 || size > 4096) return 0;
  const std::size_t piece = 1 + data[0] % 97;
  const auto at_once = frames(data + 1, size - 1, size);
  const auto in_pieces = frames(data + 1, size - 1, piece);
  if (at_once != in_pieces) std::abort();
  for (const auto& message : at_once) {
    if (message.oversize == 0 && message.bytes.size() > message_limit) std::abort();
    if (message.oversize != 0 && (message.bytes.size() != kept || message.oversize <= message_limit)) std::abort();
    if (message.oversize == 0 && message.bytes.find('\x1C') != std::string::npos) std::abort();
  }
  return 0;
}
