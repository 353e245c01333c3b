#include "adapters/store/postgres/connection.h"

#include <libpq-fe.h>

#include <boost/asio/experimental/awaitable_operators.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <unordered_map>

#include "adapters/store/postgres/failure.h"
#include "adapters/store/postgres/text_codec.h"

namespace hutong::store {
namespace {

using port::Cell;
using port::ColumnType;
using port::Row;
using Socket = net::posix::stream_descriptor;

// PostgreSQL's numbers of its own types (catalog pg_type), fixed for ever.
constexpr Oid oid_bytea = 17, oid_int8 = 20, oid_text = 25;
constexpr int oldest_server = 140'000;             // columns compressed by lz4
constexpr std::chrono::milliseconds grace{1'000};  // behind the server's own timeout

struct FreeResult {
  void operator()(PGresult* result) const { PQclear(result); }
};
using ServerResult = std::unique_ptr<PGresult, FreeResult>;
struct FreeConnection {
  void operator()(PGconn* connection) const { PQfinish(connection); }
};

Oid oid_of(ColumnType type) {
  return type == ColumnType::integer ? oid_int8 : type == ColumnType::bytes ? oid_bytea : oid_text;
}

Rows rows_of(const PGresult* result) {
  Rows rows(static_cast<std::size_t>(PQntuples(result)));
  const int columns = PQnfields(result);
  for (int r = 0; r < PQntuples(result); ++r) {
    Row& row = rows[static_cast<std::size_t>(r)];
    row.reserve(static_cast<std::size_t>(columns));
    for (int c = 0; c < columns; ++c) {
      const std::string_view bytes(PQgetvalue(result, r, c), static_cast<std::size_t>(PQgetlength(result, r, c)));
      switch (PQftype(result, c)) {
        case oid_int8: row.emplace_back(read_integer(bytes)); break;
        case oid_text: row.emplace_back(original_text(bytes)); break;
        default: row.emplace_back(std::string(bytes));
      }
    }
  }
  return rows;
}

}  // namespace

struct Connection::State {
  State(net::io_context& io, const ConnectionOptions& given) : options(given), socket(io), timer(io) {}

  const ConnectionOptions& options;
  std::unique_ptr<PGconn, FreeConnection> server;
  Socket socket;  // libpq's own; released, never closed, by us
  net::steady_timer timer;
  std::uint64_t operation = 0;  // a timer of an earlier one is no longer meant
  bool late = false;
  std::unordered_map<std::string, std::string> prepared;  // SQL → the statement's name on this connection

  void close() {
    if (socket.is_open()) socket.release();
    prepared.clear();
    server.reset();
  }

  void end_in(std::chrono::milliseconds time) {
    late = false;
    timer.expires_after(time);
    timer.async_wait([this, meant = ++operation](boost::system::error_code cancelled) {
      if (cancelled || meant != operation) return;
      late = true;
      boost::system::error_code closed;  // by libpq or by us, with the connection that was lost: nobody waits there
      socket.cancel(closed);
    });
  }
  void ended() {
    ++operation;
    timer.cancel();
  }

  net::awaitable<void> wait(Socket::wait_type what) {
    boost::system::error_code interrupted;  // by the deadline: `late` says so
    if (!late) co_await socket.async_wait(what, net::redirect_error(net::use_awaitable, interrupted));
  }

  bool send(const Command& command, std::vector<bool>& is_query);
  net::awaitable<Result<void>> settle();
  net::awaitable<Result<std::vector<Rows>>> run(const std::vector<Command>& commands);

  tl::unexpected<Error> lost() {
    auto error = late ? fail(ErrorCode::timeout, "PostgreSQL did not answer in time")
                      : unreachable(server ? PQerrorMessage(server.get()) : "out of memory");
    close();
    return error;
  }
};

// Queues one command, and its preparation where it is new here. `is_query` notes what the results will be of.
bool Connection::State::send(const Command& command, std::vector<bool>& is_query) {
  std::vector<const char*> values(command.size());
  std::vector<int> lengths(command.size()), binary(command.size(), 1);
  std::vector<Oid> types(command.size());
  for (std::size_t i = 0; i < command.size(); ++i) {
    values[i] = command.parameter(i).data();
    lengths[i] = static_cast<int>(command.parameter(i).size());
    types[i] = oid_of(command.type(i));
  }
  const int count = static_cast<int>(command.size());
  auto [statement, fresh] = prepared.try_emplace(std::string(command.sql()), "s" + std::to_string(prepared.size()));
  if (fresh) {
    if (!PQsendPrepare(server.get(), statement->second.c_str(), statement->first.c_str(), count, types.data()))
      return false;
    is_query.push_back(false);
  }
  is_query.push_back(true);
  return PQsendQueryPrepared(server.get(), statement->second.c_str(), count, values.data(), lengths.data(),
                             binary.data(), 1);
}

net::awaitable<Result<std::vector<Rows>>> Connection::State::run(const std::vector<Command>& commands) {
  using namespace net::experimental::awaitable_operators;
  std::vector<Rows> answers;
  answers.reserve(commands.size());
  std::vector<bool> is_query;
  const auto statements_before = prepared.size();
  for (const auto& command : commands) {
    if (!send(command, is_query)) co_return lost();
  }
  if (!PQpipelineSync(server.get())) co_return lost();

  std::optional<Error> failed;
  std::size_t at = 0;
  for (bool synced = false; !synced;) {
    // While the server still takes our commands it answers the first of them, and must not be kept waiting either.
    const int unsent = PQflush(server.get());
    if (unsent < 0) co_return lost();
    if (unsent > 0) {
      co_await (wait(Socket::wait_read) || wait(Socket::wait_write));
    } else if (PQisBusy(server.get())) {
      co_await wait(Socket::wait_read);
    }
    if (late || !PQconsumeInput(server.get())) co_return lost();
    while (!synced && !PQisBusy(server.get())) {
      ServerResult result(PQgetResult(server.get()));
      if (!result) {
        ++at;  // the end of one command's results
        if (PQstatus(server.get()) == CONNECTION_BAD) co_return lost();
        continue;
      }
      switch (PQresultStatus(result.get())) {
        case PGRES_PIPELINE_SYNC: synced = true; break;
        case PGRES_COMMAND_OK:
        case PGRES_TUPLES_OK:
          if (at < is_query.size() && is_query[at]) answers.push_back(rows_of(result.get()));
          break;
        case PGRES_PIPELINE_ABORTED: break;
        default:
          if (!failed)
            failed = refused(PQresultErrorField(result.get(), PG_DIAG_SQLSTATE), PQresultErrorMessage(result.get()));
      }
    }
  }
  if (!failed) co_return answers;
  // What was to be prepared behind the failure is not; the names are cheap, the doubt is not.
  if (prepared.size() != statements_before || failed->code == ErrorCode::unavailable) close();
  co_return tl::unexpected(*failed);
}

Connection::Connection(net::io_context& io, const ConnectionOptions& options)
    : state_(std::make_unique<State>(io, options)) {}
Connection::~Connection() {
  close();
}

bool Connection::open() const {
  return state_->server != nullptr;
}

void Connection::close() {
  state_->close();
}

net::awaitable<Result<void>> Connection::connect() {
  State& state = *state_;
  state.close();
  const char* const keywords[] = {"dbname", "client_encoding", "fallback_application_name", nullptr};
  const char* const values[] = {state.options.connection.c_str(), "UTF8", "hutong", nullptr};
  state.server.reset(PQconnectStartParams(keywords, values, 1));  // looks the host's name up: blocks this thread only
  PGconn* server = state.server.get();
  if (!server || PQstatus(server) == CONNECTION_BAD) co_return state.lost();
  PQsetNoticeProcessor(
      server, [](void*, const char*) {}, nullptr);
  state.end_in(state.options.connect_timeout);
  for (auto next = PGRES_POLLING_WRITING; next != PGRES_POLLING_OK; next = PQconnectPoll(server)) {
    if (next == PGRES_POLLING_FAILED) co_return state.lost();
    state.socket.assign(PQsocket(server));  // another one for each address that is tried
    co_await state.wait(next == PGRES_POLLING_READING ? Socket::wait_read : Socket::wait_write);
    state.socket.release();
    if (state.late) co_return state.lost();
  }
  state.ended();
  const char* encoding = PQparameterStatus(server, "server_encoding");
  const bool too_old = PQserverVersion(server) < oldest_server;
  if (too_old || !encoding || std::string_view(encoding) != "UTF8") {
    state.close();
    co_return fail(
        ErrorCode::invalid,
        too_old ? "PostgreSQL is older than version 14"
                : "the database is not encoded in UTF-8; make one with: createdb --encoding=UTF8 --template=template0");
  }
  PQsetnonblocking(server, 1);
  PQenterPipelineMode(server);
  state.socket.assign(PQsocket(server));
  auto settled = co_await state.settle();
  if (!settled) state.close();
  co_return settled;
}

// Every statement of ours goes by a key. The planner is told so: a plan that was kept from when a table was small would
// read all of it when it has grown. idle_in_transaction: a broker that vanished in mid-step must not lock its successor
// out.
net::awaitable<Result<void>> Connection::State::settle() {
  static constexpr std::string_view settings =
      "SELECT set_config('search_path', quote_ident($1), false), set_config('statement_timeout', $2, false), "
      "set_config('idle_in_transaction_session_timeout', '10s', false), set_config('synchronous_commit', 'off', "
      "false), "
      "set_config('plan_cache_mode', 'force_generic_plan', false), set_config('enable_seqscan', 'off', false), "
      "set_config('enable_bitmapscan', 'off', false), set_config('jit', 'off', false)";
  std::vector<Command> commands;
  commands.emplace_back(settings).add_text(options.schema).add_text(std::to_string(options.statement_timeout.count()));
  end_in(options.connect_timeout);
  auto answer = co_await run(commands);
  ended();
  if (!answer) co_return tl::unexpected(answer.error());
  co_return Result<void>();
}

net::awaitable<Result<std::vector<Rows>>> Connection::run(const std::vector<Command>& commands) {
  State& state = *state_;
  if (!state.server) co_return unreachable("not connected");
  state.end_in(state.options.statement_timeout + grace);
  auto answer = co_await state.run(commands);
  state.ended();
  co_return answer;
}

}  // namespace hutong::store
