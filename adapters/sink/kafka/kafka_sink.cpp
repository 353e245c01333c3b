#include "adapters/sink/kafka/kafka_sink.h"

#include <librdkafka/rdkafka.h>

#include <atomic>
#include <mutex>
#include <stdexcept>
#include <thread>

#include "adapters/log/kafka/client.h"
#include "broker/base/thread.h"
#include "broker/port/completion.h"

namespace hutong::kafka_sink {
namespace {

using port::Receipt;
using port::Taken;
using Answer = std::shared_ptr<port::Completion<Receipt>>;

constexpr std::chrono::milliseconds poll_patience{200}, purge_patience{20};

kafka::KafkaOptions client_options(const KafkaSinkOptions& options) {
  kafka::KafkaOptions client;
  client.bootstrap = options.bootstrap;
  client.append_deadline = options.timeout;
  client.settings = options.settings;
  client.settings.emplace("partitioner", "murmur2_random");  // as Kafka's Java clients place a key
  // A topic that is not there is told soon, and found soon when it was made or when we may write it.
  client.settings.emplace("topic.metadata.propagation.max.ms", "5000");
  client.settings.emplace("topic.metadata.refresh.interval.ms", "10000");
  return client;
}

// What the cluster said of a message. What is about the topic or about us (it does not exist, we may not write, no
// broker answers) is about the receiver: it will be probed, and no event becomes a dead letter for it.
Receipt receipt_of(rd_kafka_resp_err_t code, rd_kafka_msg_status_t status) {
  std::string answer = rd_kafka_err2str(code);
  switch (code) {
    case RD_KAFKA_RESP_ERR_NO_ERROR: return {Taken::delivered, "confirmed", {}};
    case RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE:
    case RD_KAFKA_RESP_ERR_RECORD_LIST_TOO_LARGE:
    case RD_KAFKA_RESP_ERR_INVALID_MSG:
    case RD_KAFKA_RESP_ERR_INVALID_RECORD: return {Taken::refused, std::move(answer), {}};
    case RD_KAFKA_RESP_ERR_THROTTLING_QUOTA_EXCEEDED:
    case RD_KAFKA_RESP_ERR__QUEUE_FULL: return {Taken::not_now, std::move(answer), {}};
    default: break;
  }
  return {status == RD_KAFKA_MSG_STATUS_NOT_PERSISTED ? Taken::unreachable : Taken::broken, std::move(answer), {}};
}

// One idempotent producer and the thread that serves its confirmations. After a fatal error (librdkafka can no more
// promise order without loss) the sink takes a new one.
class Line final : private kafka::ProducerEvents {
 public:
  explicit Line(const KafkaSinkOptions& options) {
    auto client = kafka::make_producer(client_options(options), *this);
    if (!client) throw std::runtime_error(client.error().message);
    client_ = std::move(*client);
    auto topic = kafka::make_topic(client_.get(), options.topic);
    if (!topic) throw std::runtime_error(topic.error().message);
    topic_ = std::move(*topic);
    events_.reset(rd_kafka_queue_get_main(client_.get()));
    thread_ = std::thread([this] { run(); });
  }
  ~Line() override {
    stopping_ = true;
    rd_kafka_queue_yield(events_.get());
    thread_.join();
  }
  Line(const Line&) = delete;
  Line& operator=(const Line&) = delete;

  bool is_fatal() const { return fatal() != RD_KAFKA_RESP_ERR_NO_ERROR; }

  void send(const port::Parcel& parcel, const Answer& answer) {
    rd_kafka_headers_t* headers = rd_kafka_headers_new(6);
    const auto header = [&](const char* name, std::string_view value) {
      rd_kafka_header_add(headers, name, -1, value.data(), static_cast<ssize_t>(value.size()));
    };
    header("event-id", parcel.event_id);
    header("event-kind", parcel.kind);
    header("event-version", std::to_string(parcel.version));
    if (!parcel.content_type.empty()) header("content-type", parcel.content_type);
    header("subscription", parcel.subscription);
    if (parcel.replay) header("replay", "true");
    auto waiting = std::make_unique<Answer>(answer);
    rd_kafka_vu_t parts[6]{};
    parts[0].vtype = RD_KAFKA_VTYPE_RKT;
    parts[0].u.rkt = topic_.get();
    parts[1].vtype = RD_KAFKA_VTYPE_OPAQUE;
    parts[1].u.ptr = waiting.get();
    parts[2].vtype = RD_KAFKA_VTYPE_MSGFLAGS;
    parts[2].u.i = RD_KAFKA_MSG_F_COPY;
    parts[3].vtype = RD_KAFKA_VTYPE_HEADERS;
    parts[3].u.headers = headers;
    parts[4].vtype = RD_KAFKA_VTYPE_KEY;
    parts[4].u.mem = {const_cast<char*>(parcel.lane.data()), parcel.lane.size()};  // copied, not written to
    parts[5].vtype = RD_KAFKA_VTYPE_VALUE;
    parts[5].u.mem = {const_cast<char*>(parcel.body.data()), parcel.body.size()};
    rd_kafka_error_t* error = rd_kafka_produceva(client_.get(), parts, std::size(parts));
    if (error == nullptr) {
      static_cast<void>(waiting.release());  // delivered() takes it
      return;
    }
    const auto code = rd_kafka_error_code(error);
    rd_kafka_error_destroy(error);
    rd_kafka_headers_destroy(headers);  // ours still
    answer->finish(receipt_of(code, RD_KAFKA_MSG_STATUS_NOT_PERSISTED));
  }

  // What is on its way is reported: purged, unless the cluster answers first.
  void give_up() {
    rd_kafka_purge(client_.get(), RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT);
    rd_kafka_queue_yield(events_.get());
  }

 private:
  rd_kafka_resp_err_t fatal() const {
    char why[512] = "";
    return rd_kafka_fatal_error(client_.get(), why, sizeof why);
  }
  void run() {
    name_this_thread("kafka sink");
    while (!stopping_) rd_kafka_poll(client_.get(), static_cast<int>(poll_patience.count()));
    while (rd_kafka_outq_len(client_.get()) > 0) {
      rd_kafka_purge(client_.get(), RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT);
      rd_kafka_poll(client_.get(), static_cast<int>(purge_patience.count()));
    }
  }
  void delivered(const rd_kafka_message_s& message) override {
    const std::unique_ptr<Answer> answer(static_cast<Answer*>(message._private));
    const auto code = message.err == RD_KAFKA_RESP_ERR__FATAL ? fatal() : message.err;
    auto receipt = receipt_of(code, rd_kafka_message_status(&message));
    {
      const std::lock_guard lock(mutex_);
      // "Local: Message timed out" says less than what the connection said of itself.
      if (code == RD_KAFKA_RESP_ERR__MSG_TIMED_OUT && !trouble_.empty()) receipt.answer += ": " + trouble_;
      if (receipt.taken == Taken::delivered) trouble_.clear();
    }
    (*answer)->finish(std::move(receipt));
  }
  void troubled(int code, const std::string&) override {
    const std::lock_guard lock(mutex_);
    trouble_ = rd_kafka_err2str(static_cast<rd_kafka_resp_err_t>(code));
  }

  kafka::Client client_;
  kafka::TopicHandle topic_;
  kafka::Queue events_;
  std::mutex mutex_;
  std::string trouble_;
  std::atomic<bool> stopping_{false};
  std::thread thread_;
};

class KafkaSink final : public port::Sink {
 public:
  explicit KafkaSink(KafkaSinkOptions options)
      : options_(std::move(options)), line_(std::make_unique<Line>(options_)) {}

  std::size_t parallel() const override { return options_.parallel; }

  net::awaitable<Receipt> hand_over(port::Parcel parcel) override {
    if (closed_) co_return Receipt{Taken::unreachable, "closed", {}};
    if (line_->is_fatal()) {
      try {
        line_ = std::make_unique<Line>(options_);  // the former answers what it still has: perhaps taken
      } catch (const std::exception& e) {
        co_return Receipt{Taken::unreachable, e.what(), {}};
      }
    }
    auto receipt = co_await port::await_completion<Receipt>([&](const Answer& answer) { line_->send(parcel, answer); });
    if (!receipt) co_return Receipt{Taken::broken, receipt.error().message, {}};
    co_return std::move(*receipt);
  }

  void close() override {
    closed_ = true;
    line_->give_up();
  }

 private:
  KafkaSinkOptions options_;
  std::unique_ptr<Line> line_;
  bool closed_ = false;
};

}  // namespace

Result<void> check_settings(const KafkaSinkOptions& options) {
  return kafka::check_producer(client_options(options));
}

std::shared_ptr<port::Sink> kafka_sink(net::any_io_executor, const KafkaSinkOptions& options) {
  return std::make_shared<KafkaSink>(options);
}

}  // namespace hutong::kafka_sink
