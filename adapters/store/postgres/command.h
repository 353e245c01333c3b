// One SQL statement with its parameters, encoded as they go to PostgreSQL (binary: integers as int8, bytes as bytea,
// text and json as text). Made on any thread, sent by a Connection.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "broker/port/store.h"

namespace hutong::store {

class Command {
 public:
  // `sql` must outlive the command; with the parameters' types it is what a connection prepares once and keeps.
  explicit Command(std::string_view sql) : sql_(sql) {}

  Command& add(port::ColumnType type, const port::Cell& cell);
  Command& add_text(std::string_view text);
  Command& add_integer(std::int64_t value);

  std::string_view sql() const { return sql_; }
  std::size_t size() const { return types_.size(); }
  port::ColumnType type(std::size_t i) const { return types_[i]; }
  std::string_view parameter(std::size_t i) const {
    const std::size_t from = i == 0 ? 0 : ends_[i - 1];
    return std::string_view(bytes_).substr(from, ends_[i] - from);
  }

 private:
  void end(port::ColumnType type);
  std::string_view sql_;
  std::string bytes_;              // all parameters, one behind the other
  std::vector<std::size_t> ends_;  // of each in bytes_
  std::vector<port::ColumnType> types_;
};

// An integer as it comes from PostgreSQL.
std::int64_t read_integer(std::string_view eight_bytes);

}  // namespace hutong::store
