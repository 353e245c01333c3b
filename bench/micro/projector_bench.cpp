// How fast the projector folds records of 20 items into the store: one row per report, one projector, one core, RocksDB
// and its compactions included; over PostgreSQL where HUTONG_POSTGRES says one (tests/support/postgres.py run -- …),
// whose own work is on the same machine then. The log is in memory, so that only the projector and the store are
// measured. Counters: records_per_second, bytes_per_record (JSON), store_bytes_per_record.
#include <benchmark/benchmark.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>

#include "adapters/log/memory/memory_log.h"
#include "adapters/metrics/prometheus_metrics.h"
#include "adapters/store/memory/memory_store.h"
#include "adapters/store/postgres/postgres_store.h"
#include "adapters/store/rocksdb/rocksdb_store.h"
#include "broker/model/event_json.h"
#include "broker/pipeline/projector.h"
#include "broker/port/tables.h"
#include "tests/support/await.h"

namespace {

using namespace hutong;
using tests::await;

constexpr int records = 40'000;
constexpr int patients = 5'000;

struct Texts {  // of one message; views point here
  std::string control, number, name, card, report, values[20];
};

port::Record make_record(int i) {
  static constexpr const char* codes[20] = {"GLU",  "ALT", "AST", "TP",  "ALB", "TBIL", "DBIL", "GGT", "ALP", "CREA",
                                            "UREA", "UA",  "CK",  "LDH", "TG",  "CHOL", "HDL",  "LDL", "CRP", "CA"};
  const int patient = static_cast<int>(static_cast<unsigned>(i) * 2654435761U % patients);
  Texts text;
  text.control = "C" + std::to_string(i);
  text.number = "P" + std::to_string(patient);
  text.name = "病人" + std::to_string(patient);
  text.card = "1101051980" + std::to_string(10'000'000 + patient);
  text.report = "R" + std::to_string(i);
  model::Draft draft;
  Arena& arena = draft.arena;
  draft.source = {.facility = "h1",
                  .protocol = "mllp",
                  .connection = "mllp-1",
                  .format = "hl7v2",
                  .sender_application = "LIS",
                  .sender_facility = "H1",
                  .control_id = text.control,
                  .type = "ORU^R01",
                  .version = "2.5.1",
                  .charset = "UTF-8"};
  draft.times.received = {1'780'000'000'000'000 + i};
  model::Part part;
  part.subject.number = text.number;
  part.subject.facility = "h1";
  part.subject.names.push(arena, {.text = text.name});
  part.subject.born.iso = "1980-01-02";
  part.subject.sex = model::Sex::male;
  part.subject.identifiers.push(arena, {.kind = model::IdentifierKind::resident_card, .value = text.card});
  part.subject.identifiers.push(
      arena, {.kind = model::IdentifierKind::facility_number, .value = text.number, .type = "MR", .facility = "h1"});
  auto& event = part.events.push(arena);
  event.kind = model::EventKind::result_reported;
  event.report = arena.make<model::Report>();
  auto& report = *event.report;
  report.issuer = "h1";
  report.filler_number = text.report;
  report.order_number = text.report;
  report.service = {.code = "BIOCHEM", .display = "生化全套"};
  report.status = model::ResultStatus::final;
  report.status_sent = "F";
  report.observed.iso = "2026-05-01T08:00:00+08:00";
  report.observed.sent = "20260501080000";
  report.issued.iso = "2026-05-01T10:00:00+08:00";
  report.issued.sent = "20260501100000";
  report.id = model::report_id(report.issuer, report);
  for (int item = 0; item < 20; ++item) {
    auto& value = text.values[item] = std::to_string(i % 900) + "." + std::to_string(item);
    model::Observation observation;
    observation.code = {.code = codes[item],
                        .display = "检验项目名称",
                        .system = "99LAB",
                        .mapped_code = "2345-7",
                        .mapped_display = "Glucose [Mass/volume]",
                        .mapped_system = "http://loinc.org"};
    observation.value.kind = model::ValueKind::number;
    observation.value.sent_type = model::SentType::number;
    observation.value.sent = observation.value.number = value;
    observation.value.unit = observation.value.ucum = "mmol/L";
    observation.interval = {.sent = "3.9-6.1", .low = "3.9", .high = "6.1"};
    observation.status = report.status;
    observation.status_sent = report.status_sent;
    observation.observed = report.observed;
    observation.path = "OBX[1]";
    report.observations.push(arena, observation);
  }
  const auto id = model::record_id(draft.source, sha256(text.control), 0);
  return {id, "h1/" + text.number, "result.reported", std::string(model::write_record(arena, id, draft, part)), ""};
}

memory::MemoryLog& log_of_results() {
  static memory::MemoryLog log;
  static const bool filled = [] {
    for (int i = 0; i < records;) {
      std::vector<port::Record> batch;
      for (int j = 0; j < 500; ++j, ++i) batch.push_back(make_record(i));
      if (!await(log.append(port::Topic::events, std::move(batch)))) return false;
    }
    return true;
  }();
  if (!filled) throw std::runtime_error("the log refused the records");
  return log;
}

// As the broker runs: patients who become known are looked for among the others.
std::shared_ptr<const identity::Weights> shipped_weights() {
  static const auto weights = [] {
    std::stringstream csv;
    csv << std::ifstream(HUTONG_SOURCE_DIR "/schemas/identity/weights.csv", std::ios::binary).rdbuf();
    auto read = identity::read_weights(csv.str());
    if (!read) throw std::runtime_error(read.error().message);
    return std::make_shared<const identity::Weights>(std::move(*read));
  }();
  return weights;
}

template <class OpenStore>
void project(benchmark::State& state, OpenStore open) {
  auto& log = log_of_results();
  const auto end = *await(log.end({port::Topic::events, 0}));
  const auto bytes = await(log.read({port::Topic::events, 0}, 0, {.records = 1}))->records[0].record.json.size();
  std::uint64_t stored = 0;
  for (auto _ : state) {
    state.PauseTiming();
    auto store = open();
    PrometheusMetrics metrics;
    pipeline::ProjectorOptions options;
    options.hmac_key = "benchmark";
    options.weights = shipped_weights();
    pipeline::Projector projector(log, *store, metrics, system_clock(), options);
    state.ResumeTiming();
    if (!await(projector.catch_up())) state.SkipWithError("the projector failed");
    state.PauseTiming();
    stored = store->bytes();
    store.reset();
    state.ResumeTiming();
  }
  state.counters["records_per_second"] =
      benchmark::Counter(static_cast<double>(end), benchmark::Counter::kIsIterationInvariantRate);
  state.counters["bytes_per_record"] = static_cast<double>(bytes);
  state.counters["store_bytes_per_record"] = static_cast<double>(stored) / static_cast<double>(end);
}

void on_rocksdb(benchmark::State& state) {
  const auto folder = std::filesystem::temp_directory_path() / ("hutong-projector-bench-" + std::to_string(::getpid()));
  project(state, [&]() -> std::unique_ptr<port::Store> {
    std::filesystem::remove_all(folder);
    auto opened = store::RocksdbStore::open({.directory = folder, .tables = port::tables::all});
    if (!opened) throw std::runtime_error(opened.error().message);
    return std::move(*opened);
  });
  std::filesystem::remove_all(folder);
}
void on_postgres(benchmark::State& state) {
  static int schemas = 0;
  project(state, []() -> std::unique_ptr<port::Store> {
    store::PostgresOptions options;
    options.connection = std::getenv("HUTONG_POSTGRES");
    options.tables = port::tables::all;
    options.schema = "bench_" + std::to_string(::getpid()) + "_" + std::to_string(schemas++);
    options.size_every = {};
    auto opened = store::PostgresStore::open(std::move(options));
    if (!opened) throw std::runtime_error(opened.error().message);
    return std::move(*opened);
  });
}
void in_memory(benchmark::State& state) {
  project(state, []() -> std::unique_ptr<port::Store> { return std::make_unique<store::MemoryStore>(); });
}

// A resend looked up by intake: the control id of a message that is new (the usual case), and of one that is not.
void look_up_control(benchmark::State& state) {
  const auto folder = std::filesystem::temp_directory_path() / ("hutong-control-bench-" + std::to_string(::getpid()));
  std::filesystem::remove_all(folder);
  {
    auto store = *store::RocksdbStore::open({.directory = folder, .tables = port::tables::all});
    for (int i = 0; i < 1'000'000; i += 1000) {
      port::StoreBatch batch;
      for (int j = i; j < i + 1000; ++j) {
        batch.put(port::tables::controls, {std::string(as_view(sha256(std::to_string(j))).substr(0, 16)),
                                           std::string(16, 'r'), std::int64_t{j}, std::string("[]"), std::int64_t{j}});
      }
      if (!await(store->write(std::move(batch)))) throw std::runtime_error("write");
    }
    const bool known = state.range(0) != 0;
    auto look = [&]() -> net::awaitable<int> {
      int at = 0;
      for (auto _ : state) {
        at = (at + 7919) % 1'000'000;
        std::string key(as_view(sha256(std::to_string(known ? at : at + 2'000'000))).substr(0, 16));
        auto row = co_await store->get(port::tables::controls, {std::move(key)});
        if (!row || row->has_value() != known) state.SkipWithError("wrong answer");
      }
      co_return 0;
    };
    await(look());
  }
  std::filesystem::remove_all(folder);
}

BENCHMARK(on_rocksdb)->Unit(benchmark::kMillisecond)->Iterations(3);
BENCHMARK(in_memory)->Unit(benchmark::kMillisecond)->Iterations(3);
BENCHMARK(look_up_control)->Arg(0)->Arg(1);
[[maybe_unused]] const bool with_postgres =
    std::getenv("HUTONG_POSTGRES") != nullptr && benchmark::RegisterBenchmark("on_postgres", on_postgres)
                                                     ->Unit(benchmark::kMillisecond)
                                                     ->Iterations(1)
                                                     ->UseRealTime();

}  // namespace

BENCHMARK_MAIN();
