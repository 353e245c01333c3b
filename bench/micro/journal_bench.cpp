// The journal against the limit of its disk: the same bytes written raw with O_DIRECT and fdatasync into blocks that
// were written before; and against RocksDB with a synced write-ahead log. Records of 2 KB as in docs of the goals, and
// of 5 KB (a message of 2.2 KB and its 3 KB document) from many senders at once.
// HUTONG_BENCH_DIR (else TMPDIR) names the disk to measure; the folder below it is removed at the end.
#include <benchmark/benchmark.h>
#include <fcntl.h>
#include <rocksdb/db.h>
#include <unistd.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <memory>

#include "adapters/log/journal/buffer.h"
#include "adapters/log/journal/journal_log.h"
#include "adapters/log/journal/layout.h"

namespace hutong {
namespace {

using Clock = std::chrono::steady_clock;
using journal::Buffer;
using journal::JournalLog;

constexpr std::size_t file_bytes = 64 * 1024 * 1024;

class Folder {
 public:
  Folder() {
    const char* chosen = std::getenv("HUTONG_BENCH_DIR");
    const std::filesystem::path base = chosen ? chosen : std::filesystem::temp_directory_path();
    path_ = base / ("journal-bench-" + std::to_string(::getpid()));
    std::filesystem::remove_all(path_);
    std::filesystem::create_directories(path_);
  }
  ~Folder() { std::filesystem::remove_all(path_); }
  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

port::Record record_of(std::size_t bytes) {
  port::Record record;
  record.id = RecordId(sha256("bench"));
  record.key = "hospital/000123456";
  record.kinds = "result.reported";
  record.raw.assign(bytes * 2 / 5, 'r');
  record.json.assign(bytes - record.raw.size() - record.key.size() - record.kinds.size(), 'j');
  return record;
}

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

std::unique_ptr<JournalLog> open_journal(const Folder& folder) {
  journal::JournalOptions options;
  options.gather = {};
  options.directory = folder.path() / "log";
  return std::move(JournalLog::open(options).value());
}

// One sender that waits for each append.
template <std::int64_t count>
void append(benchmark::State& state) {
  const Folder folder;
  const auto log = open_journal(folder);
  const port::Record record = record_of(2048);
  const std::vector<port::RecordView> batch(static_cast<std::size_t>(count), record);
  net::io_context shard{1};
  net::co_spawn(
      shard,
      [&]() -> net::awaitable<void> {
        for (auto _ : state) {
          const auto start = Clock::now();
          const auto positions = co_await log->append(port::Topic::events, std::span(batch));
          state.SetIterationTime(seconds_since(start));
          if (!positions) state.SkipWithError(positions.error().message.c_str());
        }
      },
      net::detached);
  shard.run();
  state.SetItemsProcessed(state.iterations() * count);
}

template <std::int64_t count>
void raw(benchmark::State& state) {
  const Folder folder;
  const std::string path = (folder.path() / "raw").string();
  const int file = ::open(path.c_str(), O_RDWR | O_CREAT | O_DIRECT, 0600);
  Buffer zeros(1024 * 1024);
  std::memset(zeros.data(), 0, zeros.capacity());
  for (std::size_t at = 0; at < file_bytes; at += zeros.capacity()) {
    if (::pwrite(file, zeros.data(), zeros.capacity(), static_cast<off_t>(at)) < 0) {
      state.SkipWithError("this disk takes no O_DIRECT");
    }
  }
  ::fsync(file);
  const std::size_t bytes = journal::whole_blocks(static_cast<std::uint64_t>(count) * (2048 + 36) + 96);
  Buffer batch(bytes);
  std::memset(batch.data(), 'r', bytes);
  std::size_t at = 0;
  for (auto _ : state) {
    const auto start = Clock::now();
    if (::pwrite(file, batch.data(), bytes, static_cast<off_t>(at)) < 0 || ::fdatasync(file) != 0) {
      state.SkipWithError("writing failed");
    }
    state.SetIterationTime(seconds_since(start));
    at = at + 2 * bytes > file_bytes ? 0 : at + bytes;
  }
  ::close(file);
  state.SetItemsProcessed(state.iterations() * count);
}

template <std::int64_t count>
void rocksdb_synced(benchmark::State& state) {
  const Folder folder;
  rocksdb::Options options;
  options.create_if_missing = true;
  rocksdb::DB* opened = nullptr;
  if (!rocksdb::DB::Open(options, (folder.path() / "db").string(), &opened).ok()) return state.SkipWithError("RocksDB");
  const std::unique_ptr<rocksdb::DB> db(opened);
  const std::string value(2048, 'r');
  rocksdb::WriteOptions synced;
  synced.sync = true;
  std::uint64_t number = 0;
  for (auto _ : state) {
    rocksdb::WriteBatch batch;
    const auto start = Clock::now();
    for (std::int64_t i = 0; i < count; ++i) {
      const std::uint64_t key = __builtin_bswap64(++number);
      batch.Put({reinterpret_cast<const char*>(&key), sizeof key}, value);
    }
    if (!db->Write(synced, &batch).ok()) state.SkipWithError("writing failed");
    state.SetIterationTime(seconds_since(start));
  }
  state.SetItemsProcessed(state.iterations() * count);
}

// Many senders on one shard, one record of 5 KB each, all waiting.
void senders(benchmark::State& state) {
  constexpr int appends = 200;
  const Folder folder;
  const auto log = open_journal(folder);
  const port::Record record = record_of(5000);
  std::int64_t done = 0;
  for (auto _ : state) {
    net::io_context shard{1};
    for (std::int64_t i = 0; i < state.range(0); ++i) {
      net::co_spawn(
          shard,
          [&]() -> net::awaitable<void> {
            for (int k = 0; k < appends; ++k) {
              const port::RecordView one(record);
              if (co_await log->append(port::Topic::events, std::span(&one, 1))) ++done;
            }
          },
          net::detached);
    }
    const auto start = Clock::now();
    shard.run();
    state.SetIterationTime(seconds_since(start));
  }
  state.SetItemsProcessed(done);
  state.SetBytesProcessed(done * 5000);
}

void read_back(benchmark::State& state) {
  const Folder folder;
  const auto log = open_journal(folder);
  net::io_context shard{1};
  net::co_spawn(
      shard,
      [&]() -> net::awaitable<void> {
        for (int i = 0; i < 100; ++i) {
          (void)co_await log->append(port::Topic::events, std::vector<port::Record>(100, record_of(5000)));
        }
        port::Offset from = 0;
        std::int64_t records = 0;
        for (auto _ : state) {
          const auto start = Clock::now();
          auto slice = co_await log->read({port::Topic::events, 0}, from, {.records = 500});
          state.SetIterationTime(seconds_since(start));
          if (!slice) co_return state.SkipWithError(slice.error().message.c_str());
          records += static_cast<std::int64_t>(slice->records.size());
          from = slice->next >= 10'000 ? 0 : slice->next;
        }
        state.SetItemsProcessed(records);
      },
      net::detached);
  shard.run();
}

void micros(benchmark::internal::Benchmark* bench) {
  bench->UseManualTime()->Unit(benchmark::kMicrosecond);
}
// So many that they fit the first segment, whose blocks were written before: the state in which a burst finds the log.
// `senders` runs through many segments and shows what is left when the prepared ones are used up.
void one_segment(benchmark::internal::Benchmark* bench) {
  micros(bench);
  bench->Iterations(300);
}

BENCHMARK(append<10>)->Name("append/batch10")->Apply(one_segment);
BENCHMARK(raw<10>)->Name("append/batch10/limit:raw")->Apply(one_segment);
BENCHMARK(rocksdb_synced<10>)->Name("append/batch10/limit:rocksdb")->Apply(one_segment);
BENCHMARK(append<100>)->Name("append/batch100")->Apply(one_segment);
BENCHMARK(raw<100>)->Name("append/batch100/limit:raw")->Apply(one_segment);
BENCHMARK(rocksdb_synced<100>)->Name("append/batch100/limit:rocksdb")->Apply(one_segment);
BENCHMARK(senders)->Name("senders")->Arg(1)->Arg(64)->Arg(1024)->Apply(micros);
BENCHMARK(read_back)->Name("read_back")->Apply(micros);

}  // namespace
}  // namespace hutong
BENCHMARK_MAIN();
