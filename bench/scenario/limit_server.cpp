// The limits that the broker is measured against in the same run (bench/README.md): a server that does nothing but
//   --mode ack       answer every MLLP frame at once: what sockets and framing cost (limit A)
//   --mode journal   append a record of the given size, computed beforehand, to the broker's own journal, durable, then
//                    answer (limit J): no parsing, no normalizing, no store
// It frames, batches and answers as the broker's sessions do: every whole frame in the buffer, one append, one write.
// Prints the ports file's JSON when it listens; ends at SIGTERM. Never part of the product.
#include <CLI/CLI.hpp>
#include <atomic>
#include <boost/asio.hpp>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <memory>
#include <span>
#include <string>
#include <thread>
#include <vector>

#include "adapters/log/journal/journal_log.h"
#include "adapters/source/mllp/framer.h"
#include "broker/base/hash.h"
#include "broker/base/limits.h"
#include "broker/port/log.h"
#include "broker/port/scope.h"

namespace hutong::bench {
namespace {

using net::ip::tcp;

struct Canned {
  std::string json;  // of every record: the bytes of a broker's record without its key and kinds
};

// MSH-10 of a message, by counting separators: the answer must name it.
std::string_view control_id(std::string_view message) {
  const char separator = message.size() > 3 ? message[3] : '|';
  std::size_t at = 3;
  for (int field = 2; field < 10 && at != std::string_view::npos; ++field) at = message.find(separator, at + 1);
  if (at == std::string_view::npos) return {};
  return message.substr(at + 1, message.find_first_of("|\r", at + 1) - at - 1);
}

void answer(std::string_view message, std::string& out) {
  out += "\x0bMSH|^~\\&|LIMIT|BENCH|||20260101000000||ACK|1|P|2.5.1\rMSA|AA|";
  out += control_id(message);
  out += "\r\x1c\x0d";
}

// Its key lies in `key`.
port::RecordView record(const Canned& canned, std::uint64_t serial, std::string& key) {
  char bytes[16] = {};
  std::memcpy(bytes, &serial, sizeof serial);
  key = "BENCH/" + std::to_string(serial % 1000);
  port::RecordView made;
  made.id = *RecordId::from_bytes({bytes, sizeof bytes});
  made.key = key;
  made.kinds = "result.reported";
  made.json = canned.json;
  return made;
}

std::atomic<std::uint64_t> serials{1};

std::unique_ptr<port::Log> open_journal(const std::string& directory) {
  journal::JournalOptions options;
  options.gather = {};
  options.directory = directory;
  auto log = journal::JournalLog::open(options);
  if (!log) throw std::runtime_error(log.error().message);
  return std::move(*log);
}

net::awaitable<void> session(tcp::socket socket, port::Log* log, const Canned* canned) {
  socket.set_option(tcp::no_delay(true));
  mllp::Framer framer(limits::message_bytes, limits::oversize_kept_bytes);
  std::vector<mllp::Framer::Taken> frames;
  std::string out;
  for (;;) {
    const std::span<char> space = framer.space(64 * 1024);
    const auto [failed, count] =
        co_await socket.async_read_some(net::buffer(space.data(), space.size()), net::as_tuple(net::use_awaitable));
    if (failed) co_return;
    framer.received(count);
    for (;;) {
      frames.clear();
      framer.take(frames, limits::batch_records, limits::batch_bytes);
      if (frames.empty()) break;
      out.clear();
      for (const auto& frame : frames) answer(frame.bytes, out);
      if (log) {
        std::vector<port::RecordView> batch(frames.size());
        std::vector<std::string> keys(frames.size());
        for (std::size_t i = 0; i < frames.size(); ++i) batch[i] = record(*canned, serials.fetch_add(1), keys[i]);
        const auto appended = co_await log->append(port::Topic::events, std::span<const port::RecordView>(batch));
        if (!appended) {
          std::fprintf(stderr, "limit_server: %s\n", appended.error().message.c_str());
          co_return;
        }
      }
      const auto [unsent, written] =
          co_await net::async_write(socket, net::buffer(out), net::as_tuple(net::use_awaitable));
      static_cast<void>(written);
      if (unsent) co_return;
    }
    framer.forget();
  }
}

net::awaitable<void> accept(tcp::acceptor* acceptor, port::Scope* scope, port::Log* log, const Canned* canned) {
  for (;;) {
    auto [failed, socket] = co_await acceptor->async_accept(net::as_tuple(net::use_awaitable));
    if (failed) co_return;
    const auto executor = socket.get_executor();
    scope->spawn(executor, "session", session(std::move(socket), log, canned));
  }
}

struct Shard {
  net::io_context context{1};
  tcp::acceptor acceptor{context};
};

int serve(const std::string& mode, unsigned shards, std::uint16_t port, const std::string& directory,
          std::size_t record_bytes, const std::string& ports_file) {
  const Canned canned{"{\"id\":\"" + std::string(record_bytes > 34 ? record_bytes - 34 : 0, 'j') + "\"}"};
  std::unique_ptr<port::Log> log = mode == "journal" ? open_journal(directory) : nullptr;
  port::Scope scope([](std::string_view name, std::string_view what) {
    std::fprintf(stderr, "limit_server: %.*s: %.*s\n", int(name.size()), name.data(), int(what.size()), what.data());
  });
  std::vector<std::unique_ptr<Shard>> all;
  for (unsigned i = 0; i < shards; ++i) {
    auto shard = std::make_unique<Shard>();
    shard->acceptor.open(tcp::v4());
    shard->acceptor.set_option(net::detail::socket_option::boolean<SOL_SOCKET, SO_REUSEPORT>(true));
    shard->acceptor.set_option(net::socket_base::reuse_address(true));
    shard->acceptor.bind({net::ip::make_address("127.0.0.1"), port});
    shard->acceptor.listen();
    port = shard->acceptor.local_endpoint().port();
    scope.spawn(shard->context.get_executor(), "accept", accept(&shard->acceptor, &scope, log.get(), &canned));
    all.push_back(std::move(shard));
  }
  net::signal_set signals(all.front()->context, SIGTERM, SIGINT);
  signals.async_wait([&all](boost::system::error_code, int) {
    for (auto& shard : all) shard->context.stop();
  });
  std::ofstream(ports_file) << "{\"mllp\":" << port << ",\"http\":0}\n";
  std::printf("{\"mllp\":%u}\n", unsigned{port});
  std::fflush(stdout);
  std::vector<std::thread> threads;
  for (auto& shard : all) threads.emplace_back([context = &shard->context] { context->run(); });
  for (auto& thread : threads) thread.join();
  std::_Exit(0);  // a limit, not a service: what is open is thrown away with its directory
}

}  // namespace
}  // namespace hutong::bench

int main(int count, char** arguments) {
  CLI::App app{"The limits of the ingest benchmark"};
  std::string mode = "ack", directory, ports_file = "ports.json";
  unsigned shards = 1;
  std::uint16_t port = 0;
  std::size_t record_bytes = 8192;
  app.add_option("--mode", mode)->check(CLI::IsMember({"ack", "journal"}));
  app.add_option("--shards", shards);
  app.add_option("--port", port);
  app.add_option("--dir", directory, "where the journal is kept (mode journal)");
  app.add_option("--record-bytes", record_bytes, "of a record, its key and kinds included (mode journal)");
  app.add_option("--ports-file", ports_file);
  CLI11_PARSE(app, count, arguments);
  try {
    return hutong::bench::serve(mode, shards, port, directory, record_bytes, ports_file);
  } catch (const std::exception& failed) {
    std::fprintf(stderr, "limit_server: %s\n", failed.what());
    return 1;
  }
}
