#include "adapters/store/postgres/postgres_store.h"

#include <array>
#include <atomic>
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/use_future.hpp>
#include <thread>

#include "adapters/store/postgres/pool.h"
#include "adapters/store/postgres/schema.h"
#include "adapters/store/postgres/sql.h"

namespace hutong::store {
namespace {

using port::Key;
using port::Row;
using port::StoreBatch;
using port::Table;

constexpr std::string_view cursor_of = "SELECT next::text, log FROM cursors WHERE topic = $1 AND partition = $2";
constexpr std::string_view move_cursor =
    "INSERT INTO cursors (topic, partition, next, log) VALUES ($1, $2, $3::text::numeric, $4) "
    "ON CONFLICT (topic, partition) DO UPDATE SET next = EXCLUDED.next, log = EXCLUDED.log, moved = now()";
constexpr std::string_view size_of =
    "SELECT COALESCE(sum(pg_total_relation_size(oid)), 0)::bigint FROM pg_class WHERE relkind = 'r' AND relnamespace = $1::text::regnamespace";
// A step removes at most so many forgotten rows for each row it writes: the table shrinks, and no step is long.
constexpr std::int64_t forgotten_for_each = 2;

Command ask_cursor(port::Partition partition) {
  Command command(cursor_of);
  command.add_text(to_string(partition.topic)).add_integer(partition.number);
  return command;
}

port::Cursor read_cursor(port::Partition partition, const Rows& rows) {
  port::Cursor cursor{partition, 0, {}};
  if (rows.empty()) return cursor;
  cursor.next = std::stoull(std::get<std::string>(rows[0][0]));
  cursor.log_id = std::get<std::string>(rows[0][1]);
  return cursor;
}

void add_key(Command& command, const Table& table, const Key& key) {
  for (std::size_t i = 0; i < key.size(); ++i) command.add(table.columns[i].type, key[i]);
}

}  // namespace

struct PostgresStore::State {
  explicit State(PostgresOptions given)
      : options(std::move(given)),
        writer(io, {1, options.waiting, options.wait + options.write_timeout}, connection(options.write_timeout)),
        readers(io, {options.readers, options.waiting, options.wait}, connection(options.read_timeout)),
        thread([this] { io.run(); }) {}
  ~State() {
    work.reset();
    io.stop();
    thread.join();
  }

  ConnectionOptions connection(std::chrono::milliseconds statement_timeout) const {
    return {options.connection, options.schema, options.connect_timeout, statement_timeout};
  }

  // Runs `call` on the store's thread, and resumes the caller on its own executor. The cancellation of Asio's co_spawn is
  // not safe across threads, so it is left out: every call ends by its deadlines.
  template <class T>
  net::awaitable<T> there(net::awaitable<T> call) {
    if (closed) co_return fail(ErrorCode::unavailable, "the store is closed");
    co_return co_await net::co_spawn(io, std::move(call),
                                     net::bind_cancellation_slot(net::cancellation_slot(), net::use_awaitable));
  }

  net::awaitable<Result<void>> bring_up();
  Result<std::vector<Command>> commands_for(const StoreBatch& batch) const;
  net::awaitable<Result<void>> write(std::vector<Command> changes, std::vector<port::Cursor> expected);
  net::awaitable<Result<Pool::Lease>> begin(const std::vector<port::Cursor>& expected);
  net::awaitable<Result<std::vector<Rows>>> read(std::vector<Command> commands) { co_return co_await readers.run(commands); }
  net::awaitable<void> look_at_size(Connection& connection);

  // nullptr: the store was opened without this table.
  const TableStatements* statements(const Table& table) const {
    const auto& found = by_number[table.number];
    return found ? &*found : nullptr;
  }

  const PostgresOptions options;
  net::io_context io{1};
  net::executor_work_guard<net::io_context::executor_type> work{io.get_executor()};
  Pool writer, readers;
  std::array<std::optional<TableStatements>, 256> by_number;
  std::atomic<bool> closed{false};
  std::atomic<std::uint64_t> size{0};
  std::chrono::steady_clock::time_point size_looked_at{};
  std::thread thread;
};

namespace {
tl::unexpected<Error> no_table(const Table& table) {
  return fail(ErrorCode::unavailable, "the store was opened without table " + std::string(table.name));
}
}  // namespace

PostgresStore::PostgresStore(std::unique_ptr<State> state) : state_(std::move(state)) {}
PostgresStore::~PostgresStore() = default;

Result<std::unique_ptr<PostgresStore>> PostgresStore::open(PostgresOptions options) {
  if (options.schema.empty() || options.readers == 0) {
    return fail(ErrorCode::invalid, "the store on PostgreSQL needs a schema's name and at least one reader");
  }
  auto state = std::make_unique<State>(std::move(options));
  for (const Table* table : state->options.tables) {
    auto& statements = state->by_number[table->number];
    if (statements) {
      return fail(ErrorCode::invalid, "tables " + std::string(table->name) + " and " +
                                          std::string(statements->table->name) + " have the same number");
    }
    statements.emplace(*table);
  }
  auto up = net::co_spawn(state->io, state->bring_up(), net::use_future).get();
  if (!up) return tl::unexpected(up.error());
  return std::unique_ptr<PostgresStore>(new PostgresStore(std::move(state)));
}

net::awaitable<Result<void>> PostgresStore::State::bring_up() {
  auto lease = co_await writer.lease();
  if (!lease) co_return tl::unexpected(lease.error());
  auto& connection = **lease;
  auto up = co_await store::bring_up(connection, options.schema, options.tables);
  if (up) co_await look_at_size(connection);
  connection.close();  // with everything that was prepared for this once
  co_return up;
}

net::awaitable<void> PostgresStore::State::look_at_size(Connection& connection) {
  const auto now = std::chrono::steady_clock::now();
  if (now - size_looked_at < options.size_every) co_return;
  size_looked_at = now;
  std::vector<Command> commands;
  commands.emplace_back(size_of).add_text(options.schema);
  auto answer = co_await connection.run(commands);
  if (answer) size = static_cast<std::uint64_t>(std::get<std::int64_t>((*answer)[0][0][0]));
}

// One statement for each change, in their order, so that later ones win; measured faster than rows gathered into arrays
// or copied into a table of the session's (docs/adr/0010-postgres-store.md).
Result<std::vector<Command>> PostgresStore::State::commands_for(const StoreBatch& batch) const {
  struct Aged {
    std::int64_t newest = INT64_MIN, rows = 0;
  };
  std::vector<Command> commands;
  commands.reserve(batch.changes.size() + 4);
  std::array<Aged, 256> aged{};
  for (const auto& change : batch.changes) {
    if (const auto* erase = std::get_if<StoreBatch::Erase>(&change)) {
      const auto* statements = this->statements(*erase->table);
      if (!statements) return no_table(*erase->table);
      add_key(commands.emplace_back(statements->erase), *erase->table, erase->key);
      continue;
    }
    const auto& put = std::get<StoreBatch::Put>(change);
    const auto* statements = this->statements(*put.table);
    if (!statements) return no_table(*put.table);
    if (auto right = port::check_row(*put.table, put.row); !right) return tl::unexpected(right.error());
    Command& command = commands.emplace_back(statements->put);
    const Table& table = *statements->table;
    add_key(command, table, put.row);
    for (std::size_t i = put.row.size(); i < table.columns.size(); ++i) {  // of an earlier version of the table
      table.columns[i].type == port::ColumnType::integer ? command.add_integer(0) : command.add(table.columns[i].type, std::string());
    }
    const auto age = static_cast<std::size_t>(table.age_column);
    if (table.age_column >= 0 && age < put.row.size()) {
      auto& seen = aged[table.number];
      seen.newest = std::max(seen.newest, std::get<std::int64_t>(put.row[age]));
      ++seen.rows;
    }
  }
  for (const auto& statements : by_number) {
    if (!statements || aged[statements->table->number].rows == 0) continue;
    const auto& seen = aged[statements->table->number];
    const std::int64_t keep = statements->table->keep_micros;
    commands.emplace_back(statements->raise_kept).add_integer(seen.newest < INT64_MIN + keep ? INT64_MIN : seen.newest - keep);
    commands.emplace_back(statements->forget).add_integer(seen.rows * forgotten_for_each);
  }
  if (batch.cursor) {
    commands.emplace_back(move_cursor)
        .add_text(to_string(batch.cursor->partition.topic))
        .add_integer(batch.cursor->partition.number)
        .add_text(std::to_string(batch.cursor->next))
        .add_text(batch.cursor->log_id);
  }
  commands.emplace_back("COMMIT");
  return commands;
}

// A transaction that holds the schema's lock and has found the cursors where they are expected.
net::awaitable<Result<Pool::Lease>> PostgresStore::State::begin(const std::vector<port::Cursor>& expected) {
  std::vector<Command> commands;
  commands.emplace_back("BEGIN");
  commands.emplace_back(lock_schema).add_text(options.schema);
  for (const auto& each : expected) commands.push_back(ask_cursor(each.partition));
  for (;;) {
    auto lease = co_await writer.lease();
    if (!lease) co_return tl::unexpected(lease.error());
    auto answer = co_await (*lease)->run(commands);
    // The connection had died while it was idle, and nothing was written: once more on a new one.
    if (!answer && answer.error().code == ErrorCode::unavailable && !lease->fresh()) continue;
    if (!answer) {
      (*lease)->close();
      co_return tl::unexpected(answer.error());
    }
    for (std::size_t i = 0; i < expected.size(); ++i) {
      if (read_cursor(expected[i].partition, (*answer)[i + 2]) == expected[i]) continue;
      const std::vector<Command> rollback(1, Command("ROLLBACK"));
      if (auto undone = co_await (*lease)->run(rollback); !undone) (*lease)->close();
      co_return fail(ErrorCode::conflict, "the store's cursor of " + std::string(to_string(expected[i].partition.topic)) +
                                              " was moved by another writer");
    }
    co_return std::move(*lease);
  }
}

net::awaitable<Result<void>> PostgresStore::State::write(std::vector<Command> changes, std::vector<port::Cursor> expected) {
  auto lease = co_await begin(expected);
  if (!lease) co_return tl::unexpected(lease.error());
  auto written = co_await (*lease)->run(changes);
  if (!written) {
    (*lease)->close();  // and with it the transaction
    co_return tl::unexpected(written.error());
  }
  co_await look_at_size(**lease);
  co_return Result<void>();
}

net::awaitable<Result<void>> PostgresStore::write(StoreBatch batch) {
  auto commands = state_->commands_for(batch);
  if (!commands) co_return tl::unexpected(commands.error());
  co_return co_await state_->there(state_->write(std::move(*commands), std::move(batch.expected)));
}

net::awaitable<Result<std::vector<std::optional<Row>>>> PostgresStore::get_many(std::vector<port::Lookup> lookups) {
  std::vector<Command> commands;
  commands.reserve(lookups.size());
  for (const auto& lookup : lookups) {
    const auto* statements = state_->statements(*lookup.table);
    if (!statements) co_return no_table(*lookup.table);
    add_key(commands.emplace_back(statements->get), *lookup.table, lookup.key);
  }
  auto answers = co_await state_->there(state_->read(std::move(commands)));
  if (!answers) co_return tl::unexpected(answers.error());
  std::vector<std::optional<Row>> rows(answers->size());
  for (std::size_t i = 0; i < rows.size(); ++i) {
    if (!(*answers)[i].empty()) rows[i] = std::move((*answers)[i].front());
  }
  co_return rows;
}

net::awaitable<Result<std::vector<Row>>> PostgresStore::scan(const Table& table, port::Scan scan) {
  if (!state_->statements(table)) co_return no_table(table);
  const std::string sql = scan_statement(table, scan);
  std::vector<Command> commands;
  Command& command = commands.emplace_back(sql);
  add_key(command, table, scan.prefix);
  for (const auto& bound : {scan.from, scan.to}) {
    if (bound) command.add(table.columns[scan.prefix.size()].type, *bound);
  }
  if (scan.after) add_key(command, table, *scan.after);
  command.add_integer(static_cast<std::int64_t>(std::min<std::size_t>(scan.limit, INT64_MAX)));
  auto answers = co_await state_->there(state_->read(std::move(commands)));
  if (!answers) co_return tl::unexpected(answers.error());
  co_return std::move(answers->front());
}

net::awaitable<Result<std::optional<port::Cursor>>> PostgresStore::cursor(port::Partition partition) {
  auto answers = co_await state_->there(state_->read(std::vector<Command>(1, ask_cursor(partition))));
  if (!answers) co_return tl::unexpected(answers.error());
  if (answers->front().empty()) co_return std::nullopt;
  co_return read_cursor(partition, answers->front());
}

net::awaitable<Result<void>> PostgresStore::checkpoint(const std::filesystem::path&) {
  co_return fail(ErrorCode::invalid, "the store is in PostgreSQL, which has its own backup: pg_dump --schema=" + state_->options.schema +
                                         " (or rebuild it from the log: hutong rebuild)");
}

std::uint64_t PostgresStore::bytes() const {
  return state_->size;
}

net::awaitable<Result<void>> PostgresStore::close() {
  if (state_->closed.exchange(true)) co_return Result<void>();
  auto shut = [](State& state) -> net::awaitable<void> {
    co_await state.writer.close();
    co_await state.readers.close();
  };
  co_await net::co_spawn(state_->io, shut(*state_), net::bind_cancellation_slot(net::cancellation_slot(), net::use_awaitable));
  co_return Result<void>();
}

}  // namespace hutong::store
