#include "adapters/source/kafka/kafka_source.h"

#include <librdkafka/rdkafka.h>

#include <algorithm>
#include <atomic>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/use_future.hpp>
#include <condition_variable>
#include <mutex>
#include <stdexcept>
#include <thread>
#include <typeinfo>
#include <vector>

#include "adapters/log/kafka/client.h"
#include "broker/base/hash.h"
#include "broker/base/limits.h"
#include "broker/base/thread.h"

namespace hutong::kafka_source {
namespace {

constexpr int patience_ms = 200;
constexpr std::size_t messages_at_once = 256;

kafka::KafkaOptions client_options(const KafkaSourceOptions& options) {
  kafka::KafkaOptions client;
  client.bootstrap = options.bootstrap;
  client.settings = options.settings;
  return client;
}

using Messages = std::vector<kafka::Message>;
struct DropList {
  void operator()(rd_kafka_topic_partition_list_t* list) const { rd_kafka_topic_partition_list_destroy(list); }
};
using PartitionList = std::unique_ptr<rd_kafka_topic_partition_list_t, DropList>;

}  // namespace

class KafkaSource::Work final : private kafka::ConsumerEvents {
 public:
  Work(KafkaSourceOptions options, KafkaSourceDeps deps)
      : options_(std::move(options)),
        deps_(std::move(deps)),
        lag_(deps_.metrics.gauge("hutong_source_lag_messages", "Messages on a topic that were not handed in yet",
                                 {{"source", options_.name}})) {
    auto client = kafka::make_group_consumer(client_options(options_), options_.group, *this);
    if (!client) throw std::runtime_error("[kafka_sources." + options_.name + "] " + client.error().message);
    client_ = std::move(*client);
  }
  ~Work() override { stop(); }
  Work(const Work&) = delete;
  Work& operator=(const Work&) = delete;

  void start() {
    thread_ = std::thread([this] { run(); });
  }
  void stop() {
    {
      const std::lock_guard lock(mutex_);
      stopping_ = true;
    }
    changed_.notify_all();
    if (thread_.joinable()) thread_.join();
  }

 private:
  void run() {
    name_this_thread("kafka source");
    const PartitionList topics(rd_kafka_topic_partition_list_new(1));
    rd_kafka_topic_partition_list_add(topics.get(), options_.topic.c_str(), RD_KAFKA_PARTITION_UA);
    if (const auto code = rd_kafka_subscribe(client_.get(), topics.get()); code != RD_KAFKA_RESP_ERR_NO_ERROR)
      return trouble(rd_kafka_err2str(code));
    while (!stopping_) {
      const auto messages = gather();
      if (messages.empty()) continue;
      if (!hand_in(messages)) break;
      commit(messages);
    }
    rd_kafka_consumer_close(client_.get());
  }

  // What is there already; waits a moment for the first one.
  Messages gather() {
    Messages messages;
    std::size_t bytes = 0;
    while (messages.size() < messages_at_once && bytes < limits::batch_bytes) {
      kafka::Message message(rd_kafka_consumer_poll(client_.get(), messages.empty() ? patience_ms : 0));
      if (!message) break;
      if (message->err != RD_KAFKA_RESP_ERR_NO_ERROR) {
        trouble(rd_kafka_err2str(message->err));
        break;
      }
      bytes += message->len;
      messages.push_back(std::move(message));
    }
    if (!messages.empty()) trouble("");
    return messages;
  }

  // Until each of them is durable, accepted or in the quarantine. false: it is to stop before that.
  bool hand_in(const Messages& messages) {
    std::vector<port::Frame> frames;
    std::vector<std::string> hashes;
    hashes.reserve(messages.size());
    for (const auto& message : messages) {
      if (message->len == 0) continue;  // says nothing: a mark that a key is gone
      port::Frame frame;
      frame.bytes = {static_cast<const char*>(message->payload), message->len};
      frame.received = deps_.clock.now();
      if (message->len > limits::message_bytes) {
        PartsHash hash;
        hash.raw(frame.bytes);
        hashes.push_back(to_hex(as_view(hash.finish())));
        frame.oversize = message->len;
        frame.oversize_sha256 = hashes.back();
        frame.bytes = frame.bytes.substr(0, limits::oversize_kept_bytes);
      }
      frames.push_back(frame);
    }
    while (!frames.empty()) {
      // Taken out of the directory while we run: nobody's messages are taken for another's.
      const bool known = options_.facility.empty() || deps_.facilities()->find(options_.facility) != nullptr;
      if (!known) {
        trouble("there is no facility \"" + options_.facility + "\" any more; nothing is handed in");
        if (is_over()) return false;
        continue;
      }
      std::vector<port::Reply> replies;
      try {
        replies = net::co_spawn(deps_.shard, accept(frames), net::use_future).get();
      } catch (const std::exception& e) {
        deps_.on_event("error", "source " + options_.name + ": handing in failed: " + typeid(e).name());
      }
      std::vector<port::Frame> rest;
      for (std::size_t i = 0; i < frames.size(); ++i) {
        if (i >= replies.size() || replies[i].answer == model::Answer::try_again) rest.push_back(frames[i]);
      }
      frames = std::move(rest);
      if (frames.empty()) break;
      trouble("the log does not take what it hands in; it is handed in again");
      if (is_over()) return false;
    }
    return true;
  }
  // After a pause.
  bool is_over() {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, options_.again, [this] { return stopping_.load(); });
  }

  net::awaitable<std::vector<port::Reply>> accept(std::span<const port::Frame> frames) {
    const auto directory = deps_.facilities();
    port::Peer peer;
    peer.protocol = "kafka";
    peer.connection = "kafka-" + options_.name;
    if (!options_.facility.empty()) {
      peer.authenticated = directory->find(options_.facility);
      if (!peer.authenticated) co_return std::vector<port::Reply>();  // taken out of the directory: nobody's to hand in
    }
    co_return co_await deps_.inbox().accept(peer, frames);
  }

  // Up to where it is done with, of each partition. What is not heard of any more is read again, and changes nothing.
  void commit(const Messages& messages) {
    const PartitionList done(rd_kafka_topic_partition_list_new(static_cast<int>(messages.size())));
    for (const auto& message : messages) {
      auto* at = rd_kafka_topic_partition_list_find(done.get(), options_.topic.c_str(), message->partition);
      if (!at) at = rd_kafka_topic_partition_list_add(done.get(), options_.topic.c_str(), message->partition);
      at->offset = std::max(at->offset, message->offset + 1);
    }
    rd_kafka_commit(client_.get(), done.get(), 1);
    double behind = 0;
    for (int i = 0; i < done->cnt; ++i) {
      const auto& at = done->elems[i];
      std::int64_t first = 0, end = 0;
      if (rd_kafka_get_watermark_offsets(client_.get(), at.topic, at.partition, &first, &end) ==
          RD_KAFKA_RESP_ERR_NO_ERROR)
        lags_[at.partition] = static_cast<double>(std::max<std::int64_t>(end - at.offset, 0));
    }
    for (const auto& [partition, lag] : lags_) behind += lag;
    lag_.set(behind);
  }

  void trouble(const std::string& what) {
    if (what == trouble_) return;
    const bool over = what.empty();
    trouble_ = what;
    deps_.on_event(over ? "info" : "error", "source " + options_.name + ": " + (over ? "goes on" : what));
  }
  void troubled(int code, const std::string&) override {
    switch (static_cast<rd_kafka_resp_err_t>(code)) {
      case RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN:
      case RD_KAFKA_RESP_ERR__AUTHENTICATION:
      case RD_KAFKA_RESP_ERR__SSL: return trouble(rd_kafka_err2str(static_cast<rd_kafka_resp_err_t>(code)));
      default: return;  // one broker of several
    }
  }

  KafkaSourceOptions options_;
  KafkaSourceDeps deps_;
  port::Gauge& lag_;
  kafka::Client client_;
  std::map<std::int32_t, double> lags_;  // of its partitions, as they were last committed; the own thread's
  std::string trouble_;                  // likewise
  std::mutex mutex_;
  std::condition_variable changed_;
  std::atomic<bool> stopping_{false};
  std::thread thread_;
};

Result<void> check_settings(const KafkaSourceOptions& options) {
  return kafka::check_group_consumer(client_options(options), options.group);
}

KafkaSource::KafkaSource(KafkaSourceOptions options, KafkaSourceDeps deps)
    : work_(std::make_unique<Work>(std::move(options), std::move(deps))) {}
KafkaSource::~KafkaSource() = default;

void KafkaSource::start() {
  work_->start();
}
void KafkaSource::stop() {
  work_->stop();
}

}  // namespace hutong::kafka_source
