#include "broker/port/store.h"

namespace hutong::port {

Result<void> check_row(const Table& table, const Row& row) {
  bool right = row.size() >= table.key_columns && row.size() <= table.columns.size();
  for (std::size_t i = 0; right && i < row.size(); ++i) {
    right = (table.columns[i].type == ColumnType::integer) == std::holds_alternative<std::int64_t>(row[i]);
  }
  if (right) return {};
  return fail(ErrorCode::internal, "a row does not have the columns of table " + std::string(table.name));
}

net::awaitable<Result<std::optional<Row>>> Store::get(const Table& table, Key key) {
  std::vector<Lookup> one;
  one.push_back({&table, std::move(key)});
  auto rows = co_await get_many(std::move(one));
  if (!rows) co_return tl::unexpected(rows.error());
  co_return std::move(rows->front());
}

}  // namespace hutong::port
