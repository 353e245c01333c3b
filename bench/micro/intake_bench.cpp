// Run from the repository's root (or with HUTONG_SCHEMAS naming schemas/).
// What a message costs a shard between its frame and its acknowledgement: reading, normalizing, asking whether it came
// before, writing its record, answering. Batches of 16 as a busy connection hands them over; the log and the store
// answer at once and keep nothing, so that only intake is measured. Counter: document_bytes of a record.
#include <benchmark/benchmark.h>

#include <boost/asio/co_spawn.hpp>
#include <cstdlib>
#include <string>
#include <vector>

#include "adapters/format/hl7v2/hl7v2.h"
#include "adapters/metrics/prometheus_metrics.h"
#include "adapters/store/memory/memory_store.h"
#include "bench/scenario/load_message.h"
#include "broker/pipeline/intake.h"

namespace {

using namespace hutong;

class Nowhere final : public port::Log {
 public:
  net::awaitable<Result<std::vector<port::Position>>> append(port::Topic topic,
                                                             std::span<const port::RecordView> batch) override {
    std::vector<port::Position> positions;
    for (const auto& record : batch) {
      document_bytes = record.json.size();
      positions.push_back({{topic, 0}, end_++});
    }
    co_return positions;
  }
  net::awaitable<Result<port::Slice>> read(port::Partition, port::Offset, port::ReadLimit) override {
    co_return port::Slice{};
  }
  net::awaitable<Result<port::Offset>> end(port::Partition) override { co_return end_; }
  port::Offset first(port::Partition) const override { return 0; }
  net::awaitable<void> wait_beyond(port::Partition, port::Offset, std::chrono::milliseconds) override { co_return; }
  std::uint32_t partitions(port::Topic) const override { return 1; }
  std::string id() const override { return "nowhere"; }
  Health health() const override { return {}; }
  net::awaitable<Result<void>> close() override { co_return Result<void>(); }

  std::size_t document_bytes = 0;

 private:
  port::Offset end_ = 0;
};

void accept_16(benchmark::State& state) {
  const char* schemas = std::getenv("HUTONG_SCHEMAS");
  auto made = std::make_shared<pipeline::Rules>();
  made->facilities = std::make_shared<model::FacilityDirectory>();
  made->normalizer = std::make_shared<normalize::Normalizer>(
      terminology::Terminology::load(std::string(schemas ? schemas : "schemas") + "/terminology"));
  made->accept_unknown_senders = true;
  pipeline::CurrentRules rules;
  rules.store(made);
  Nowhere log;
  store::MemoryStore store;
  const hl7v2::Hl7v2 format;
  pipeline::RecentControls recent;
  PrometheusMetrics metrics;
  pipeline::Intake intake(log, store, format, rules, recent, metrics, system_clock());
  const bench::LoadMessage load(1, 50'000);
  port::Peer peer;
  peer.protocol = "mllp";
  peer.connection = "mllp-1";
  peer.trusted_network = true;

  constexpr std::uint64_t batch = 16;
  net::io_context io(1);
  std::string bytes;
  std::vector<port::Frame> frames;
  std::uint64_t number = 0;
  bool accepted = true;
  for (auto _ : state) {
    bytes.clear();
    for (std::uint64_t i = 0; i < batch; ++i) load.append(bytes, number++);
    frames.clear();
    for (std::uint64_t i = 0; i < batch; ++i)
      frames.push_back({std::string_view(bytes).substr(i * load.size(), load.size()), system_clock().now(), 0, {}});
    net::co_spawn(io, intake.accept(peer, frames), [&](std::exception_ptr failed, std::vector<port::Reply> replies) {
      accepted = accepted && !failed;
      for (const auto& reply : replies) accepted = accepted && reply.answer == model::Answer::accepted;
    });
    io.restart();
    io.run();
    recent.projected_below({port::Topic::events, 0}, number > 1024 ? number - 1024 : 0);
  }
  if (!accepted) state.SkipWithError("a message was refused");
  state.SetItemsProcessed(static_cast<std::int64_t>(number));
  state.counters["document_bytes"] = static_cast<double>(log.document_bytes);
}
BENCHMARK(accept_16)->Unit(benchmark::kMicrosecond);

}  // namespace

BENCHMARK_MAIN();
