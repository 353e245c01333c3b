// A year of a city: the statistics' counters equal an independent recount of the log to the last digit, and so they do
// after a rebuild. Journal and RocksDB in a folder; what is in memory does not grow with the year. See usage().
// Exit: 0 equal, 1 not, 2 bad usage, 3 time is up: the same call goes on.
#include <sys/resource.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <stdexcept>

#include "adapters/log/journal/journal_log.h"
#include "adapters/metrics/prometheus_metrics.h"
#include "adapters/store/rocksdb/rocksdb_store.h"
#include "broker/base/limits.h"
#include "broker/pipeline/projector.h"
#include "broker/port/tables.h"
#include "tests/recognition/recount.h"
#include "tests/recognition/year.h"
#include "tests/support/await.h"

namespace {

using namespace hutong;
using tests::await;
namespace fs = std::filesystem;
namespace tables = port::tables;

void usage() {
  std::fputs(
      "recognition_year [--orders N] [--seed S] [--folder DIR] [--minutes M] [--memory MB]\n"
      "  a simulated year of N orders (5000) through the projector; its counters are held against a recount of the "
      "log,\n"
      "  then those of a rebuild. With a folder, which is kept, an unfinished run goes on where it stopped, be it "
      "killed\n"
      "  or out of time (M minutes). Fails where a counter differs or more than MB megabytes (2000) were needed.\n",
      stderr);
}

struct Arguments {
  std::uint64_t orders = 5'000, seed = 7, minutes = 0, memory = 2'000;
  std::string folder;
};

// What was said of the year so far: behind it the log knows more, or nothing.
struct State {
  std::uint64_t orders = 0, seed = 0, next = 0, told = 0;
  bool counted = false;  // the counters were found equal, but for those of a rebuild
};

template <class T>
T must(Result<T> result, const char* what) {
  if (!result) throw std::runtime_error(std::string(what) + ": " + result.error().message);
  if constexpr (!std::is_void_v<T>) return std::move(*result);
}

struct YearClock final : Clock {
  Timestamp time{0};
  Timestamp now() const override { return time; }
  std::chrono::nanoseconds ticks() const override { return std::chrono::steady_clock::now().time_since_epoch(); }
};

std::uint64_t resident_most_mb() {
  rusage used{};
  getrusage(RUSAGE_SELF, &used);
  return static_cast<std::uint64_t>(used.ru_maxrss) / 1024;
}

class Run {
 public:
  explicit Run(const Arguments& arguments)
      : arguments_(arguments),
        folder_(arguments.folder.empty() ? fs::temp_directory_path() / ("hutong-year-" + std::to_string(::getpid()))
                                         : fs::path(arguments.folder)) {
    if (arguments.folder.empty()) fs::remove_all(folder_);
    fs::create_directories(folder_);
    std::ifstream(folder_ / "state") >> state_.orders >> state_.seed >> state_.next >> state_.told >> state_.counted;
    if (state_.orders == 0) state_ = {arguments.orders, arguments.seed, 0, 0, false};
    if (state_.orders != arguments.orders || state_.seed != arguments.seed)
      throw std::runtime_error(folder_.string() + " holds another year: other orders or another seed");
    options_.hmac_key = "the key of a simulated installation";
    if (state_.next > 0) clock_.time = year_.at(state_.next - 1);
    log_ = must(journal::JournalLog::open({.directory = folder_ / "log", .clock = &clock_}), "the log");
    store_ = open("store");
    projector_ = std::make_unique<pipeline::Projector>(*log_, *store_, metrics_, clock_, options_);
  }
  ~Run() {
    if (arguments_.folder.empty()) {
      store_.reset();
      log_.reset();
      std::error_code ignored;
      fs::remove_all(folder_, ignored);
    }
  }

  int run() {
    while (state_.next < state_.orders) {
      tell();
      if (state_.next % 20'000 < 1'000) {
        project();
        progress();
      }
      if (time_is_up()) return stop();
    }
    project();
    if (time_is_up()) return stop();

    const tests::Recount recount(*log_, folder_ / "recount");
    if (!state_.counted) {
      if (!equal(*store_, recount, "the counters")) return 1;
      state_.counted = true;
      save();
      if (time_is_up()) return stop();
    }
    fs::remove_all(folder_ / "rebuilt");
    const auto fresh = open("rebuilt");
    PrometheusMetrics other;
    must(await(pipeline::rebuild(*log_, *fresh, other, clock_, options_,
                                 [this](port::Offset, port::Offset) { elapsed("rebuilding"); })),
         "the rebuild");
    if (!equal(*fresh, recount, "the counters of a rebuild")) return 1;
    const auto memory = resident_most_mb();
    std::printf("resident at most            %llu MB\n", static_cast<unsigned long long>(memory));
    if (memory > arguments_.memory)
      return std::printf("that is more than %llu MB\n", static_cast<unsigned long long>(arguments_.memory)), 1;
    return 0;
  }

 private:
  std::unique_ptr<store::RocksdbStore> open(const char* name) const {
    return must(store::RocksdbStore::open({.directory = folder_ / name, .tables = tables::all}), "the store");
  }
  bool time_is_up() const {
    return arguments_.minutes > 0 &&
           std::chrono::steady_clock::now() - began_ > std::chrono::minutes(arguments_.minutes);
  }
  int stop() {
    save();
    std::fprintf(stderr, "\ntime is up at %llu of %llu orders\n", static_cast<unsigned long long>(state_.next),
                 static_cast<unsigned long long>(state_.orders));
    return 3;
  }
  void save() const {
    const auto written = folder_ / "state.new";
    std::ofstream(written) << state_.orders << ' ' << state_.seed << ' ' << state_.next << ' ' << state_.told << ' '
                           << state_.counted << '\n';
    fs::rename(written, folder_ / "state");
  }
  // On a terminal every second, in a log every ten.
  void elapsed(const std::string& doing) {
    const auto now = std::chrono::steady_clock::now();
    const bool terminal = ::isatty(STDERR_FILENO) == 1;
    if (now - shown_ < std::chrono::seconds(terminal ? 1 : 10)) return;
    shown_ = now;
    const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(now - began_);
    std::fprintf(stderr, terminal ? "\r%s, %lld s " : "%s, %lld s\n", doing.c_str(),
                 static_cast<long long>(seconds.count()));
  }
  void progress() { elapsed(std::to_string(state_.next) + " of " + std::to_string(state_.orders) + " orders"); }

  // Some orders' records, and that they were told. Killed in between they are told once more, letter for letter: that
  // the log may hold a record twice is part of what is tried here.
  void tell() {
    std::vector<port::Record> records;
    const auto end = std::min(state_.orders, state_.next + 1'000);
    for (auto order = state_.next; order < end; ++order) state_.told += year_.tell(order, records);
    clock_.time = year_.at(end - 1);
    for (auto from = records.begin(); from != records.end();) {
      const auto some = std::min<std::ptrdiff_t>(limits::batch_records, records.end() - from);
      std::vector<port::Record> batch(std::make_move_iterator(from), std::make_move_iterator(from + some));
      must(await(log_->append(port::Topic::operations, std::move(batch))), "an append");
      from += some;
    }
    state_.next = end;
    save();
  }
  void project() { must(await(projector_->catch_up()), "the projector"); }

  bool equal(port::Store& store, const tests::Recount& recount, const char* what) {
    std::int64_t orders = 0, ordered = 0, recognised = 0, saved = 0;
    std::uint64_t expected_rows = 0;
    for (const auto& day : recount.days()) {
      elapsed(std::string(what) + " of " + day);
      const auto expected = recount.of(day), made = counted(store, day);
      expected_rows += expected.size();
      for (const auto& [key, count] : expected) {
        orders += key[3] == "orders" ? count : 0;
        ordered += key[3] == "ordered" ? count : 0;
        recognised += key[3] == "recognised" ? count : 0;
        saved += key[3] == "saved-fen" ? count : 0;
      }
      if (made != expected) return differ(day, expected, made), false;
    }
    const auto rows = all_rows(store);
    std::printf("%s: %lld orders of %lld lines, %lld recognised, %lld fen saved, %llu counters on %zu days\n", what,
                static_cast<long long>(orders), static_cast<long long>(ordered), static_cast<long long>(recognised),
                static_cast<long long>(saved), static_cast<unsigned long long>(expected_rows), recount.days().size());
    if (rows != expected_rows)
      return std::printf("and there are others: %llu\n", static_cast<unsigned long long>(rows)), false;
    if (orders != static_cast<std::int64_t>(state_.told))
      return std::printf("but %llu orders were told\n", static_cast<unsigned long long>(state_.told)), false;
    return true;
  }
  static void differ(const std::string& day, const tests::DayCounts& expected, const tests::DayCounts& made) {
    const auto show = [&](const auto& key, std::int64_t should, std::int64_t is) {
      std::printf("%s %s/%s %s %s: %lld, recounted %lld\n", day.c_str(), key[0].c_str(), key[1].c_str(), key[2].c_str(),
                  key[3].c_str(), static_cast<long long>(is), static_cast<long long>(should));
    };
    std::size_t shown = 0;
    for (const auto& [key, count] : expected) {
      const auto found = made.find(key);
      const auto is = found == made.end() ? 0 : found->second;
      if (is != count && ++shown <= 10) show(key, count, is);
    }
    for (const auto& [key, count] : made) {
      if (!expected.contains(key) && ++shown <= 10) show(key, 0, count);
    }
  }
  template <class Take>
  static void each_row(port::Store& store, port::Key prefix, Take take) {
    std::optional<port::Key> after;
    while (true) {
      port::Scan scan;
      scan.prefix = prefix;
      scan.after = after;
      scan.limit = 10'000;
      const auto rows = must(await(store.scan(tables::recognition_counts, std::move(scan))), "the counters");
      for (const auto& row : rows) take(row);
      if (rows.size() < 10'000) return;
      after = port::Key(rows.back().begin(), rows.back().begin() + 5);
    }
  }
  static tests::DayCounts counted(port::Store& store, const std::string& day) {
    tests::DayCounts counts;
    each_row(store, {day}, [&](const port::Row& row) {
      const auto text = [&](std::size_t column) { return std::get<std::string>(row[column]); };
      counts[{text(1), text(2), text(3), text(4)}] = std::get<std::int64_t>(row[5]);
    });
    return counts;
  }
  static std::uint64_t all_rows(port::Store& store) {
    std::uint64_t count = 0;
    each_row(store, {}, [&](const port::Row&) { ++count; });
    return count;
  }

  const Arguments arguments_;
  const fs::path folder_;
  const tests::Year year_{arguments_.seed, arguments_.orders};
  const std::chrono::steady_clock::time_point began_ = std::chrono::steady_clock::now();
  std::chrono::steady_clock::time_point shown_ = began_;
  State state_;
  YearClock clock_;
  PrometheusMetrics metrics_;
  pipeline::ProjectorOptions options_;
  std::unique_ptr<journal::JournalLog> log_;
  std::unique_ptr<store::RocksdbStore> store_;
  std::unique_ptr<pipeline::Projector> projector_;
};

}  // namespace

int main(int count, char** words) {
  Arguments arguments;
  for (int i = 1; i < count; i += 2) {
    const std::string name = words[i];
    if (i + 1 == count) return usage(), 2;
    const std::string value = words[i + 1];
    if (name == "--folder") {
      arguments.folder = value;
    } else if (name == "--orders") {
      arguments.orders = std::stoull(value);
    } else if (name == "--seed") {
      arguments.seed = std::stoull(value);
    } else if (name == "--minutes") {
      arguments.minutes = std::stoull(value);
    } else if (name == "--memory") {
      arguments.memory = std::stoull(value);
    } else {
      return usage(), 2;
    }
  }
  try {
    return Run(arguments).run();
  } catch (const std::exception& failed) {
    std::fprintf(stderr, "\n%s\n", failed.what());
    return 1;
  }
}
