#include "adapters/store/postgres/command.h"

#include "adapters/store/postgres/text_codec.h"

namespace hutong::store {

void Command::end(port::ColumnType type) {
  ends_.push_back(bytes_.size());
  types_.push_back(type);
}

Command& Command::add(port::ColumnType type, const port::Cell& cell) {
  switch (type) {
    case port::ColumnType::integer: return add_integer(std::get<std::int64_t>(cell));
    case port::ColumnType::bytes: bytes_ += std::get<std::string>(cell); break;
    case port::ColumnType::text:
    case port::ColumnType::json: append_storable(bytes_, std::get<std::string>(cell)); break;
  }
  end(type);
  return *this;
}

Command& Command::add_text(std::string_view text) {
  append_storable(bytes_, text);
  end(port::ColumnType::text);
  return *this;
}

Command& Command::add_integer(std::int64_t value) {
  for (int shift = 56; shift >= 0; shift -= 8) bytes_ += static_cast<char>(static_cast<std::uint64_t>(value) >> shift);
  end(port::ColumnType::integer);
  return *this;
}

std::int64_t read_integer(std::string_view eight_bytes) {
  std::uint64_t value = 0;
  for (char byte : eight_bytes) value = value << 8 | static_cast<unsigned char>(byte);
  return static_cast<std::int64_t>(value);
}

}  // namespace hutong::store
