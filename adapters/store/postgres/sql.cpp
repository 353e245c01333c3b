#include "adapters/store/postgres/sql.h"

namespace hutong::store {
namespace {

using port::ColumnType;
using port::Table;

// "a", "b" of the columns [from, to), each through `form`.
template <class Form>
std::string list(const Table& table, std::size_t from, std::size_t to, const char* between, Form form) {
  std::string out;
  for (std::size_t i = from; i < to; ++i) {
    if (i > from) out += between;
    out += form(sql_name(table.columns[i].name), i);
  }
  return out;
}

std::string names(const Table& table, std::size_t from, std::size_t to, const char* behind_each = "") {
  return list(table, from, to, ", ", [&](const std::string& name, std::size_t) { return name + behind_each; });
}

std::string parameters(std::size_t first, std::size_t count) {
  std::string out;
  for (std::size_t i = 0; i < count; ++i) out += (i ? ", $" : "$") + std::to_string(first + i);
  return out;
}

std::string key_is_given(const Table& table, std::size_t columns) {
  return list(table, 0, columns, " AND ",
              [](const std::string& name, std::size_t i) { return name + " = $" + std::to_string(i + 1); });
}

// What is not forgotten; in every statement that reads, so that all brokers on a database show the same.
std::string kept(const Table& table) {
  return sql_name(table.columns[static_cast<std::size_t>(table.age_column)].name) +
         " >= COALESCE((SELECT since FROM kept WHERE \"table\" = '" + std::string(table.name) +
         "'), '-9223372036854775808'::bigint)";
}

std::string select_all(const Table& table) {
  return "SELECT " + names(table, 0, table.columns.size()) + " FROM " + sql_name(table.name);
}

}  // namespace

std::string sql_name(std::string_view name) {
  std::string out = "\"";
  for (char c : name) out += c == '"' ? std::string("\"\"") : std::string(1, c);
  return out + "\"";
}

std::string_view type_name(ColumnType type) {
  return type == ColumnType::integer ? "bigint" : type == ColumnType::bytes ? "bytea" : "text";
}

std::string column_definition(const port::Column& column) {
  const std::string name = sql_name(column.name);
  switch (column.type) {
    case ColumnType::integer: return name + " bigint NOT NULL DEFAULT 0";
    case ColumnType::text: return name + " text COLLATE \"C\" NOT NULL DEFAULT ''";
    case ColumnType::bytes: return name + " bytea NOT NULL DEFAULT ''";
    case ColumnType::json: return name + " text COMPRESSION lz4 COLLATE \"C\" NOT NULL DEFAULT ''";
  }
  return name;
}

TableStatements::TableStatements(const Table& of) : table(&of) {
  const std::size_t all = of.columns.size(), keys = of.key_columns;
  const std::string name = sql_name(of.name);
  put = "INSERT INTO " + name + " (" + names(of, 0, all) + ") VALUES (" + parameters(1, all) + ") ON CONFLICT (" +
        names(of, 0, keys) + ") DO ";
  put +=
      keys == all ? "NOTHING" : "UPDATE SET " + list(of, keys, all, ", ", [](const std::string& column, std::size_t) {
                                  return column + " = EXCLUDED." + column;
                                });
  erase = "DELETE FROM " + name + " WHERE " + key_is_given(of, keys);
  get = select_all(of) + " WHERE " + key_is_given(of, keys);
  if (of.age_column < 0) return;
  get += " AND " + kept(of);
  const std::string age = sql_name(of.columns[static_cast<std::size_t>(of.age_column)].name);
  raise_kept = "INSERT INTO kept (\"table\", since) VALUES ('" + std::string(of.name) +
               "', $1) ON CONFLICT (\"table\") DO UPDATE SET since = GREATEST(kept.since, EXCLUDED.since)";
  forget = "DELETE FROM " + name + " WHERE ctid = ANY (ARRAY(SELECT ctid FROM " + name + " WHERE NOT (" + kept(of) +
           ") ORDER BY " + age + " LIMIT $1))";
}

std::string scan_statement(const Table& table, const port::Scan& scan) {
  std::size_t next = 1;
  std::string where;
  auto and_that = [&](const std::string& condition) { where += (where.empty() ? " WHERE " : " AND ") + condition; };
  if (!scan.prefix.empty()) and_that(key_is_given(table, scan.prefix.size()));
  next += scan.prefix.size();
  const std::string behind_prefix =
      scan.prefix.size() < table.key_columns ? sql_name(table.columns[scan.prefix.size()].name) : "";
  if (scan.from) and_that(behind_prefix + " >= $" + std::to_string(next++));
  if (scan.to) and_that(behind_prefix + " <= $" + std::to_string(next++));
  if (scan.after) {
    and_that("(" + names(table, 0, table.key_columns) + (scan.backward ? ") < (" : ") > (") +
             parameters(next, table.key_columns) + ")");
    next += table.key_columns;
  }
  if (table.age_column >= 0) and_that(kept(table));
  return select_all(table) + where + " ORDER BY " + names(table, 0, table.key_columns, scan.backward ? " DESC" : "") +
         " LIMIT $" + std::to_string(next);
}

}  // namespace hutong::store
