#include "adapters/store/postgres/schema.h"

#include <algorithm>

#include "adapters/store/postgres/migrations.h"
#include "adapters/store/postgres/sql.h"

namespace hutong::store {
namespace {

using port::Table;

std::string of(const std::string& schema, std::string_view name) {
  return sql_name(schema) + "." + sql_name(name);
}

std::string create_table(const Table& table) {
  std::string sql = "CREATE TABLE " + sql_name(table.name) + " (", keys;
  for (std::size_t i = 0; i < table.columns.size(); ++i) {
    sql += column_definition(table.columns[i]) + ", ";
    if (i < table.key_columns) keys += (i ? ", " : "") + sql_name(table.columns[i].name);
  }
  return sql + "PRIMARY KEY (" + keys + "))";
}

// What makes the table be as declared; `present`: its columns so far, (name, type, place in the key or 0), in order.
Result<std::vector<std::string>> changes_for(const Table& table, const Rows& present) {
  std::vector<std::string> sql;
  if (present.empty()) {
    sql.push_back(create_table(table));
    if (table.age_column >= 0) {
      sql.push_back("CREATE INDEX ON " + sql_name(table.name) + " (" +
                    sql_name(table.columns[static_cast<std::size_t>(table.age_column)].name) + ")");
    }
    return sql;
  }
  const std::string which = "table " + std::string(table.name) + " in PostgreSQL ";
  if (present.size() > table.columns.size()) {
    return fail(ErrorCode::conflict, which + "has a column that this program does not know: start the newer program");
  }
  for (std::size_t i = 0; i < table.columns.size(); ++i) {
    const port::Column& column = table.columns[i];
    if (i >= present.size()) {
      sql.push_back("ALTER TABLE " + sql_name(table.name) + " ADD COLUMN " + column_definition(column));
    } else if (present[i] != port::Row{std::string(column.name), std::string(type_name(column.type)),
                                       static_cast<std::int64_t>(i < table.key_columns ? i + 1 : 0)}) {
      return fail(ErrorCode::conflict, which + "is not what this program declares (column " + std::string(column.name) +
                                           "); drop the schema and run: hutong rebuild");
    }
  }
  return sql;
}

constexpr std::string_view columns_of =
    R"(SELECT a.attname::text, format_type(a.atttypid, NULL)::text, COALESCE(array_position(k.conkey::smallint[], a.attnum), 0)::bigint
       FROM pg_attribute a LEFT JOIN pg_constraint k ON k.conrelid = a.attrelid AND k.contype = 'p'
       WHERE a.attrelid = to_regclass($1) AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum)";

class Builder {
 public:
  Builder(Connection& connection, std::string schema) : connection_(connection), schema_(std::move(schema)) {}

  net::awaitable<Result<void>> build(std::span<const Table* const> tables) {
    auto done = co_await begin();
    if (done) done = co_await migrate();
    for (const Table* table : tables) {
      if (done) done = co_await shape(*table);
    }
    if (done) done = co_await show(tables);
    if (done) co_return co_await execute("COMMIT");
    if (connection_.open()) (void)co_await execute("ROLLBACK");
    co_return done;
  }

 private:
  net::awaitable<Result<void>> begin() {
    std::vector<Command> commands;
    commands.emplace_back("BEGIN");
    // Unlike a step of the projector: a schema lost with the server's last moment would be missed until the next start.
    commands.emplace_back("SELECT set_config('synchronous_commit', 'on', true)");
    commands.emplace_back(lock_schema).add_text(schema_);
    commands.emplace_back("SELECT count(*) FROM pg_namespace WHERE nspname = $1").add_text(schema_);
    auto answer = co_await connection_.run(commands);
    if (!answer) co_return tl::unexpected(answer.error());
    if (std::get<std::int64_t>(answer->back()[0][0]) == 0) {
      auto made = co_await execute("CREATE SCHEMA " + sql_name(schema_));
      if (!made) co_return made;
    }
    co_return co_await execute(
        "CREATE TABLE IF NOT EXISTS migrations (version bigint PRIMARY KEY, what text NOT NULL, "
        "applied timestamptz NOT NULL DEFAULT now())");
  }

  net::awaitable<Result<void>> migrate() {
    auto applied = co_await ask("SELECT COALESCE(max(version), 0) FROM migrations");
    if (!applied) co_return tl::unexpected(applied.error());
    const std::int64_t version = std::get<std::int64_t>((*applied)[0][0]), known = migrations().back().version;
    if (version > known) {
      co_return fail(ErrorCode::conflict, "the schema " + schema_ + " in PostgreSQL has version " +
                                              std::to_string(version) + ", this program knows " +
                                              std::to_string(known) + ": start the newer program");
    }
    for (const Migration& migration : migrations()) {
      if (migration.version <= version) continue;
      for (auto statement : migration.statements) {
        auto done = co_await execute(std::string(statement));
        if (!done) co_return done;
      }
      std::vector<Command> noted;
      noted.emplace_back("INSERT INTO migrations (version, what) VALUES ($1, $2)")
          .add_integer(migration.version)
          .add_text(migration.what);
      auto done = co_await connection_.run(noted);
      if (!done) co_return tl::unexpected(done.error());
    }
    co_return Result<void>();
  }

  net::awaitable<Result<void>> shape(const Table& table) {
    std::vector<Command> look;
    look.emplace_back(columns_of).add_text(of(schema_, table.name));
    auto present = co_await connection_.run(look);
    if (!present) co_return tl::unexpected(present.error());
    auto changes = changes_for(table, present->front());
    if (!changes) co_return tl::unexpected(changes.error());
    for (auto& sql : *changes) {
      auto done = co_await execute(std::move(sql));
      if (!done) co_return done;
    }
    co_return Result<void>();
  }

  net::awaitable<Result<void>> show(std::span<const Table* const> tables) {
    for (const View& view : views()) {
      const bool shown =
          std::any_of(tables.begin(), tables.end(), [&](const Table* table) { return table->name == view.of_table; });
      if (!shown) continue;
      auto done =
          co_await execute("CREATE OR REPLACE VIEW " + of(schema_, view.name) + " AS " + std::string(view.query));
      if (!done) co_return done;
    }
    co_return Result<void>();
  }

  net::awaitable<Result<Rows>> ask(std::string sql) {
    std::vector<Command> commands;
    commands.emplace_back(sql);
    auto answer = co_await connection_.run(commands);
    if (!answer) co_return tl::unexpected(answer.error());
    co_return std::move(answer->front());
  }
  net::awaitable<Result<void>> execute(std::string sql) {
    auto done = co_await ask(std::move(sql));
    if (!done) co_return tl::unexpected(done.error());
    co_return Result<void>();
  }

  Connection& connection_;
  std::string schema_;
};

}  // namespace

net::awaitable<Result<void>> bring_up(Connection& connection, std::string schema,
                                      std::span<const Table* const> tables) {
  Builder builder(connection, std::move(schema));
  co_return co_await builder.build(tables);
}

}  // namespace hutong::store
