// Makes the logs that the contract is tested against.
#pragma once

#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <ostream>
#include <string>
#include <vector>

#include "adapters/log/journal/journal_log.h"
#include "adapters/log/kafka/kafka_log.h"
#include "adapters/log/memory/memory_log.h"
#include "tests/support/await.h"

namespace hutong::contract {

inline port::Record record(const std::string& name, std::size_t raw_bytes = 20) {
  port::Record record;
  record.id = RecordId(sha256(name));
  record.key = "hospital/" + name;
  record.kinds = "patient.updated";
  record.json = "{\"name\":\"" + name + "\"}";
  record.raw.assign(raw_bytes, name.empty() ? 'x' : name.back());
  return record;
}

class LogUnderTest {
 public:
  virtual ~LogUnderTest() = default;
  virtual port::Log& log() = 0;
  virtual bool survives() const = 0;  // reopen() gives the same log again
  virtual void reopen() = 0;
  virtual bool measures_bytes() const { return true; }
};

class MemoryUnderTest final : public LogUnderTest {
 public:
  explicit MemoryUnderTest(std::uint32_t partitions = 1) : log_(system_clock(), partitions) {}
  port::Log& log() override { return log_; }
  bool survives() const override { return false; }
  void reopen() override {}

 private:
  memory::MemoryLog log_;
};

class JournalUnderTest : public LogUnderTest {
 public:
  explicit JournalUnderTest(bool direct) {
    static int number = 0;
    directory_ = std::filesystem::temp_directory_path() /
                 ("hutong-contract-" + std::to_string(::getpid()) + "-" + std::to_string(number++));
    std::filesystem::remove_all(directory_);
    options_.directory = directory_ / "log";
    options_.segment_bytes = 256 * 1024;
    options_.direct_io = direct;
    options_.gather = {};
    reopen();
  }
  ~JournalUnderTest() override {
    log_.reset();
    std::filesystem::remove_all(directory_);
  }
  port::Log& log() override { return *log_; }
  bool survives() const override { return true; }
  void reopen() override {
    log_.reset();
    auto opened = journal::JournalLog::open(options_);
    if (!opened) throw std::runtime_error(opened.error().message);
    log_ = std::move(*opened);
  }

 private:
  std::filesystem::path directory_;
  journal::JournalOptions options_;
  std::unique_ptr<journal::JournalLog> log_;
};

// The journal, closed and opened again before every operation: nothing may rest on what is in memory.
class ReopenedUnderTest final : public LogUnderTest, private port::Log {
 public:
  port::Log& log() override { return *this; }
  bool survives() const override { return true; }
  void reopen() override { inner_.reopen(); }

 private:
  port::Log& fresh() {
    if (!closed_) inner_.reopen();
    return inner_.log();
  }
  net::awaitable<Result<std::vector<port::Position>>> append(port::Topic topic,
                                                             std::span<const port::RecordView> batch) override {
    return (busy_++ == 0 ? fresh() : inner_.log()).append(topic, batch);
  }
  net::awaitable<Result<port::Slice>> read(port::Partition partition, port::Offset from,
                                           port::ReadLimit limit) override {
    busy_ = 0;
    return fresh().read(partition, from, limit);
  }
  net::awaitable<Result<port::Offset>> end(port::Partition partition) override { return fresh().end(partition); }
  port::Offset first(port::Partition partition) const override { return inner_.log().first(partition); }
  net::awaitable<void> wait_beyond(port::Partition partition, port::Offset seen,
                                   std::chrono::milliseconds patience) override {
    return inner_.log().wait_beyond(partition, seen, patience);
  }
  std::uint32_t partitions(port::Topic topic) const override { return inner_.log().partitions(topic); }
  std::string id() const override { return inner_.log().id(); }
  Health health() const override { return inner_.log().health(); }
  net::awaitable<Result<void>> close() override {
    closed_ = true;
    return inner_.log().close();
  }

  mutable JournalUnderTest inner_{false};
  std::atomic<int> busy_{0};
  bool closed_ = false;
};

// Where tests/support/kafka.py runs a cluster for us; null: nowhere.
inline const char* kafka_bootstrap() {
  return std::getenv("HUTONG_KAFKA_BOOTSTRAP");
}

// Topics of its own on the real cluster; they go with it.
class KafkaUnderTest final : public LogUnderTest {
 public:
  explicit KafkaUnderTest(std::uint32_t partitions) {
    static int number = 0;
    options_.bootstrap = kafka_bootstrap();
    options_.topic_prefix = "contract-" + std::to_string(::getpid()) + "-" + std::to_string(number++) + ".";
    options_.partitions = partitions;
    reopen();
  }
  port::Log& log() override { return *log_; }
  bool survives() const override { return true; }
  void reopen() override {
    log_.reset();
    auto opened = kafka::KafkaLog::open(options_);
    if (!opened) throw std::runtime_error(opened.error().message);
    log_ = std::move(*opened);
  }
  bool measures_bytes() const override { return false; }

 private:
  kafka::KafkaOptions options_;
  std::unique_ptr<kafka::KafkaLog> log_;
};

struct Kind {
  const char* name;
  std::unique_ptr<LogUnderTest> (*make)();
};
inline void PrintTo(const Kind& kind, std::ostream* out) {
  *out << kind.name;
}

// For suites about Kafka alone: their one case, where there is a cluster.
inline std::vector<Kind> only_with_kafka() {
  return kafka_bootstrap() ? std::vector<Kind>{{"kafka", nullptr}} : std::vector<Kind>{};
}

inline std::unique_ptr<LogUnderTest> make_kafka(std::uint32_t partitions) {
  return std::make_unique<KafkaUnderTest>(partitions);
}

}  // namespace hutong::contract
