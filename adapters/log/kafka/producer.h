// Appends to Kafka. The records of an append go to the idempotent producer on the caller's thread, which never blocks;
// the delivery report of the last one finishes the append, on this producer's own thread.
//
// On a busy line appends are gathered and handed over together by the own thread, at most once in KafkaOptions::gather:
// a request to Kafka costs much more than a record in it. The first append after a pause, and a few that come one after
// the other, do not wait.
//
// After a fatal error librdkafka's producer can no more promise order without loss. It is then retired: what was on
// its way is answered with an error (outcome unknown), and a new one takes what comes next.
// Threads: every method from any thread. Lifetime: the destructor stops and joins.
#pragma once

#include <atomic>
#include <chrono>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "adapters/log/kafka/client.h"
#include "broker/port/completion.h"

namespace hutong::kafka {

class Producer final : private ProducerEvents {
 public:
  using Appended = std::shared_ptr<port::Completion<std::vector<port::Position>>>;
  // Called before an append returns, with where each of its records now lies. On this producer's thread.
  using Confirmed = std::function<void(const std::vector<port::Position>&)>;

  static Result<std::unique_ptr<Producer>> start(const KafkaOptions& options, Confirmed confirmed);
  ~Producer() override;

  void append(port::Topic topic, std::span<const port::RecordView> batch, Appended appended);
  // Why appends fail at present and what to do; empty while they do not.
  std::string trouble() const;
  // Refuses appends from now on, gives those on their way a few seconds, answers each, then calls `stopped` on this
  // producer's thread (or at once when it has stopped already).
  void stop(std::function<void()> stopped);

 private:
  struct Generation;  // one producer of librdkafka, from start or recreation to a fatal error
  struct Appending;
  struct Waiting {  // an append that is not handed over yet; its records are its caller's, who waits
    port::Topic topic;
    std::span<const port::RecordView> batch;
    Appending* append;
  };

  Producer(const KafkaOptions& options, Confirmed confirmed);
  std::shared_ptr<Generation> current() const;
  bool reserve(std::size_t bytes);
  bool gathers(const Waiting& waiting);  // else it is to be handed over now
  bool due(std::chrono::steady_clock::time_point now, std::size_t records) const;
  void hand_over(Generation& generation, const Waiting& waiting);
  void settle(Appending& append, std::size_t records);
  void delivered(const rd_kafka_message_s& message) override;
  void troubled(int code, const std::string& reason) override;
  void set_trouble(std::string reason);
  // producer_thread.cpp
  void run(std::shared_ptr<Generation> generation);
  void replace(std::shared_ptr<Generation>& failed, const std::string& why);
  std::chrono::milliseconds hand_over_gathered(Generation& generation, bool all);
  static void drain(const std::shared_ptr<Generation>& generation);
  void probe(Generation& generation);
  void finish(std::shared_ptr<Generation> generation);

  const KafkaOptions& options_;
  const Confirmed confirmed_;
  std::atomic<std::size_t> queued_bytes_{0};
  std::atomic<bool> in_trouble_{false};
  std::atomic<std::size_t> under_way_{0};  // appends handed over and not finished

  mutable std::mutex gather_mutex_;  // guards what follows
  std::vector<Waiting> gathered_;
  std::size_t gathered_records_ = 0, handed_records_ = 0;  // the latter: of the last time
  std::chrono::steady_clock::time_point handed_;
  bool handing_ = false;  // what was gathered is being handed over: what comes now stays behind it

  mutable std::mutex mutex_;             // guards what follows
  std::shared_ptr<Generation> current_;  // null: stopping
  std::string trouble_;
  std::vector<std::function<void()>> stopped_;
  bool has_stopped_ = false;

  std::chrono::steady_clock::time_point probed_;  // the own thread's
  std::thread thread_;
};

}  // namespace hutong::kafka
