#include "adapters/store/rocksdb/row_codec.h"

namespace hutong::store {
namespace {

using port::Cell;
using port::ColumnType;
using port::Key;
using port::Row;
using port::Table;

constexpr char value_format = 1;

std::uint64_t zigzag(std::int64_t value) {
  return (static_cast<std::uint64_t>(value) << 1) ^ static_cast<std::uint64_t>(value >> 63);
}
std::int64_t unzigzag(std::uint64_t value) {
  return static_cast<std::int64_t>(value >> 1) ^ -static_cast<std::int64_t>(value & 1);
}

void append_big_endian(std::string& out, std::uint64_t value) {
  char bytes[8];
  for (int i = 0; i < 8; ++i) bytes[i] = static_cast<char>(value >> (56 - 8 * i));
  out.append(bytes, 8);
}

std::uint64_t big_endian(std::string_view bytes) {
  std::uint64_t value = 0;
  for (int i = 0; i < 8; ++i) value = value << 8 | static_cast<unsigned char>(bytes[static_cast<std::size_t>(i)]);
  return value;
}

constexpr std::uint64_t sign_bit = 1ULL << 63;

bool take_key_cell(std::string_view& in, ColumnType type, Cell& cell) {
  if (type == ColumnType::integer) {
    if (in.size() < 8) return false;
    cell = static_cast<std::int64_t>(big_endian(in) ^ sign_bit);
    in.remove_prefix(8);
    return true;
  }
  std::string text;
  while (true) {
    std::size_t zero = in.find('\0');
    if (zero == std::string_view::npos || zero + 1 >= in.size()) return false;
    text.append(in.substr(0, zero));
    char mark = in[zero + 1];
    in.remove_prefix(zero + 2);
    if (mark == '\0') break;
    if (mark != '\xff') return false;
    text += '\0';
  }
  cell = std::move(text);
  return true;
}

bool take_value_cell(std::string_view& in, ColumnType type, Cell& cell) {
  std::uint64_t number = 0;
  if (!take_varint(in, number)) return false;
  if (type == ColumnType::integer) {
    cell = unzigzag(number);
    return true;
  }
  if (number > in.size()) return false;
  cell = std::string(in.substr(0, number));
  in.remove_prefix(number);
  return true;
}

Cell nothing(ColumnType type) {
  return type == ColumnType::integer ? Cell(std::int64_t{0}) : Cell(std::string());
}

}  // namespace

void append_varint(std::string& out, std::uint64_t value) {
  while (value >= 0x80) {
    out += static_cast<char>(value | 0x80);
    value >>= 7;
  }
  out += static_cast<char>(value);
}

bool take_varint(std::string_view& in, std::uint64_t& value) {
  value = 0;
  for (int shift = 0; shift < 64 && !in.empty(); shift += 7) {
    auto byte = static_cast<unsigned char>(in.front());
    in.remove_prefix(1);
    value |= static_cast<std::uint64_t>(byte & 0x7f) << shift;
    if (byte < 0x80) return true;
  }
  return false;
}

void append_key_cell(std::string& out, const Cell& cell) {
  if (const auto* number = std::get_if<std::int64_t>(&cell)) {
    append_big_endian(out, static_cast<std::uint64_t>(*number) ^ sign_bit);
    return;
  }
  std::string_view text = std::get<std::string>(cell);
  for (std::size_t zero; (zero = text.find('\0')) != std::string_view::npos; text.remove_prefix(zero + 1)) {
    out.append(text.substr(0, zero));
    out.append("\0\xff", 2);
  }
  out.append(text);
  out.append("\0\0", 2);
}

std::string encode_key(const Key& key) {
  std::string out;
  out.reserve(64);
  for (const auto& cell : key) append_key_cell(out, cell);
  return out;
}

std::string encode_key_of(const Table& table, const Row& row) {
  std::string out;
  out.reserve(64);
  for (std::size_t i = 0; i < table.key_columns; ++i) append_key_cell(out, row[i]);
  return out;
}

std::string encode_value(const Table& table, const Row& row) {
  std::string out;
  std::size_t size = 16;
  for (std::size_t i = table.key_columns; i < row.size(); ++i) {
    const auto* text = std::get_if<std::string>(&row[i]);
    size += text ? text->size() + 4 : 10;
  }
  out.reserve(size);
  out += value_format;
  out += static_cast<char>(row.size());
  if (table.age_column >= 0) {
    auto age = static_cast<std::size_t>(table.age_column);
    append_big_endian(out, static_cast<std::uint64_t>(age < row.size() ? std::get<std::int64_t>(row[age]) : 0));
  }
  for (std::size_t i = table.key_columns; i < row.size(); ++i) {
    if (static_cast<int>(i) == table.age_column) continue;
    if (const auto* number = std::get_if<std::int64_t>(&row[i])) {
      append_varint(out, zigzag(*number));
    } else {
      const auto& text = std::get<std::string>(row[i]);
      append_varint(out, text.size());
      out += text;
    }
  }
  return out;
}

std::optional<std::int64_t> age_of(std::string_view value) {
  if (value.size() < 10 || value[0] != value_format) return std::nullopt;
  return static_cast<std::int64_t>(big_endian(value.substr(2)));
}

Result<Row> decode_row(const Table& table, std::string_view key, std::string_view value) {
  auto damaged = [&](const char* what) {
    return fail(ErrorCode::corrupt, "a row of table " + std::string(table.name) + " does not decode (" + what +
                                        "); stop the broker and run: hutong rebuild");
  };
  if (value.size() < 2 || value[0] != value_format) return damaged("unknown format");
  auto stored_columns = static_cast<std::size_t>(static_cast<unsigned char>(value[1]));
  value.remove_prefix(2);
  Row row(table.columns.size());
  for (std::size_t i = 0; i < table.key_columns; ++i) {
    if (!take_key_cell(key, table.columns[i].type, row[i])) return damaged("key too short");
  }
  if (!key.empty()) return damaged("key too long");
  if (table.age_column >= 0) {
    if (value.size() < 8) return damaged("age missing");
    row[static_cast<std::size_t>(table.age_column)] = static_cast<std::int64_t>(big_endian(value));
    value.remove_prefix(8);
  }
  for (std::size_t i = table.key_columns; i < row.size(); ++i) {
    if (static_cast<int>(i) == table.age_column) continue;
    if (i >= stored_columns) {
      row[i] = nothing(table.columns[i].type);
    } else if (!take_value_cell(value, table.columns[i].type, row[i])) {
      return damaged("value too short");
    }
  }
  if (!value.empty() && stored_columns <= row.size()) return damaged("value too long");
  return row;
}

std::string behind_prefix(std::string prefix) {
  while (!prefix.empty() && prefix.back() == '\xff') prefix.pop_back();
  if (!prefix.empty()) prefix.back() = static_cast<char>(static_cast<unsigned char>(prefix.back()) + 1);
  return prefix;
}

}  // namespace hutong::store
