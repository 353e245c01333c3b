#include "adapters/store/postgres/postgres_store.h"

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
#include "adapters/store/postgres/step.h"

namespace hutong::store {
namespace {

using port::Row;
using port::StoreBatch;
using port::Table;

constexpr std::string_view size_of =
    "SELECT COALESCE(sum(pg_total_relation_size(oid)), 0)::bigint FROM pg_class WHERE relkind = 'r' AND relnamespace = "
    "$1::text::regnamespace";

}  // namespace

struct PostgresStore::State {
  State(PostgresOptions given, Tables of)
      : options(std::move(given)),
        tables(std::move(of)),
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

  // Runs `call` on the store's thread, and resumes the caller on its own executor. The cancellation of Asio's co_spawn
  // is not safe across threads, so it is left out: every call ends by its deadlines.
  template <class T>
  net::awaitable<T> there(net::awaitable<T> call) {
    if (closed) co_return fail(ErrorCode::unavailable, "the store is closed");
    co_return co_await net::co_spawn(io, std::move(call),
                                     net::bind_cancellation_slot(net::cancellation_slot(), net::use_awaitable));
  }

  net::awaitable<Result<void>> bring_up();
  net::awaitable<Result<void>> replace(std::string fresh);
  net::awaitable<Result<void>> write(std::vector<Command> changes, std::vector<port::Cursor> expected);
  net::awaitable<Result<Pool::Lease>> begin(const std::vector<port::Cursor>& expected);
  net::awaitable<Result<std::vector<Rows>>> read(std::vector<Command> commands) {
    co_return co_await readers.run(commands);
  }
  net::awaitable<void> look_at_size(Connection& connection);

  const PostgresOptions options;
  const Tables tables;
  net::io_context io{1};
  net::executor_work_guard<net::io_context::executor_type> work{io.get_executor()};
  Pool writer, readers;
  std::atomic<bool> closed{false};
  std::atomic<std::uint64_t> size{0};
  std::chrono::steady_clock::time_point size_looked_at{};
  std::thread thread;
};

PostgresStore::PostgresStore(std::unique_ptr<State> state) : state_(std::move(state)) {}
PostgresStore::~PostgresStore() = default;

Result<std::unique_ptr<PostgresStore>> PostgresStore::open(PostgresOptions options) {
  if (options.schema.empty() || options.readers == 0) {
    return fail(ErrorCode::invalid, "the store on PostgreSQL needs a schema's name and at least one reader");
  }
  auto tables = Tables::of(options.tables);
  if (!tables) return tl::unexpected(tables.error());
  auto state = std::make_unique<State>(std::move(options), std::move(*tables));
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

Result<void> PostgresStore::replace(PostgresOptions options, const std::string& fresh) {
  auto tables = Tables::of(options.tables);
  if (!tables) return tl::unexpected(tables.error());
  State state(std::move(options), std::move(*tables));
  return net::co_spawn(state.io, state.replace(fresh), net::use_future).get();
}

net::awaitable<Result<void>> PostgresStore::State::replace(std::string fresh) {
  auto lease = co_await writer.lease();
  if (!lease) co_return tl::unexpected(lease.error());
  const std::string drop = "DROP SCHEMA IF EXISTS " + sql_name(options.schema) + " CASCADE";
  const std::string rename = "ALTER SCHEMA " + sql_name(fresh) + " RENAME TO " + sql_name(options.schema);
  std::vector<Command> commands;
  commands.emplace_back("BEGIN");
  commands.emplace_back("SELECT set_config('synchronous_commit', 'on', true)");
  commands.emplace_back(lock_schema).add_text(options.schema);
  commands.emplace_back(drop);
  if (!fresh.empty()) commands.emplace_back(rename);
  commands.emplace_back("COMMIT");
  auto done = co_await (*lease)->run(commands);
  (*lease)->close();  // and with it a transaction that failed
  if (!done) co_return tl::unexpected(done.error());
  co_return Result<void>();
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
      co_return fail(ErrorCode::conflict, "the store's cursor of " +
                                              std::string(to_string(expected[i].partition.topic)) +
                                              " was moved by another writer");
    }
    co_return std::move(*lease);
  }
}

net::awaitable<Result<void>> PostgresStore::State::write(std::vector<Command> changes,
                                                         std::vector<port::Cursor> expected) {
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
  auto commands = state_->tables.step(batch);
  if (!commands) co_return tl::unexpected(commands.error());
  co_return co_await state_->there(state_->write(std::move(*commands), std::move(batch.expected)));
}

net::awaitable<Result<std::vector<std::optional<Row>>>> PostgresStore::get_many(std::vector<port::Lookup> lookups) {
  std::vector<Command> commands;
  commands.reserve(lookups.size());
  for (const auto& lookup : lookups) {
    auto statements = state_->tables.find(*lookup.table);
    if (!statements) co_return tl::unexpected(statements.error());
    add_cells(commands.emplace_back((*statements)->get), *lookup.table, lookup.key);
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
  if (auto known = state_->tables.find(table); !known) co_return tl::unexpected(known.error());
  const std::string sql = scan_statement(table, scan);
  std::vector<Command> commands;
  Command& command = commands.emplace_back(sql);
  add_cells(command, table, scan.prefix);
  for (const auto& bound : {scan.from, scan.to}) {
    if (bound) command.add(table.columns[scan.prefix.size()].type, *bound);
  }
  if (scan.after) add_cells(command, table, *scan.after);
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
  co_return fail(ErrorCode::invalid, "the store is in PostgreSQL, which has its own backup: pg_dump --schema=" +
                                         state_->options.schema + " (or rebuild it from the log: hutong rebuild)");
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
  co_await net::co_spawn(state_->io, shut(*state_),
                         net::bind_cancellation_slot(net::cancellation_slot(), net::use_awaitable));
  co_return Result<void>();
}

}  // namespace hutong::store
