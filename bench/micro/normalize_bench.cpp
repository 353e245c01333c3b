// Run from the repository's root (or with HUTONG_SCHEMAS naming schemas/).
// What one message costs after it is parsed: normalizing a report of 20 items, writing its document, reading it.
#include <benchmark/benchmark.h>

#include <cstdlib>
#include <fstream>
#include <string>
#include <vector>

#include "broker/model/event_json.h"
#include "broker/normalize/normalizer.h"

namespace {

using namespace hutong;
using model::Text;

// A report as a Format leaves it, 20 items of the county hospital's map.
class Message {
 public:
  Message() {
    model::Facility county;
    county.code = "bc-county";
    county.code_system = "bc-county";
    county.aliases = {{"", "bc-county"}};
    facilities_.add(county);
    std::ifstream in(folder() + "/maps/bc-county.csv");
    std::string line;
    std::getline(in, line);
    while (std::getline(in, line) && rows_.size() < 20) {
      Row row;
      std::size_t from = 0;
      for (std::string* cell : {&row.code, &row.name, &row.unit}) {
        const std::size_t end = line.find(',', from);
        *cell = line.substr(from, end - from);
        from = end + 1;
      }
      rows_.push_back(row);
    }
  }
  void fill(model::Draft& draft) const {
    draft.clear();
    Arena& arena = draft.arena;
    draft.source = {"bc-county", false,    "mllp",       "c-1",     "hl7v2", "ZYLIS",  "bc-county",
                    "HUTONG",    "REGION", "M123456789", "ORU^R01", "2.5.1", "GB18030"};
    draft.times.sent.sent = "20260102091500";
    draft.times.received = {1'767'294'245'678'901};
    draft.times.appended = {1'767'294'245'679'901};
    model::Part& part = draft.parts.push(arena);
    part.subject.number = "P100234";
    part.subject.facility = "bc-county";
    part.subject.sex_sent = "M";
    part.subject.born.sent = "19900307";
    model::Name name;
    name.text = "區瑋億";
    part.subject.names.push(arena, name);
    model::Identifier mrn, card;
    mrn.value = "P100234";
    mrn.type = "MR";
    mrn.authority = "bc-county";
    card.value = "230804199003072513";
    card.type = "NNCHN";
    part.subject.identifiers.push(arena, mrn);
    part.subject.identifiers.push(arena, card);
    model::Event& event = part.events.push(arena);
    event.kind = model::EventKind::result_reported;
    event.occurred.sent = "20260102091000";
    model::Report& r = *(event.report = arena.make<model::Report>());
    r.filler_number = "L202601020031";
    r.service.code = "XCG";
    r.service.display = "血常规";
    r.status = model::ResultStatus::final;
    r.status_sent = "F";
    r.observed.sent = "20260102080500";
    r.issued.sent = "20260102091000";
    r.path = "OBR[1]";
    r.observations.reserve(arena, 20);
    for (const Row& row : rows_) {
      model::Observation& o = r.observations.push(arena);
      o.code.code = row.code;
      o.code.display = row.name;
      o.code.system = "L";
      o.value.sent_type = model::SentType::number;
      o.value.sent = "135.5";
      o.value.unit = row.unit;
      o.interval.sent = "115-175";
      o.flags.push(arena, "N");
      o.status = r.status;
      o.status_sent = "F";
      o.path = arena.concat({"OBX[", std::to_string(r.observations.size()), "]"});
    }
  }
  void normalize(model::Draft& draft) const {
    normalizer_.normalize(draft, facilities_.find("bc-county"), facilities_);
  }

 private:
  struct Row {
    std::string code, name, unit;
  };
  static std::string folder() {
    const char* given = std::getenv("HUTONG_SCHEMAS");
    return (given ? std::string(given) : std::string("schemas")) + "/terminology";
  }
  normalize::Normalizer normalizer_{terminology::Terminology::load(folder())};
  model::FacilityDirectory facilities_;
  std::vector<Row> rows_;
};

const Message& message() {
  static const Message one;
  return one;
}

void fill_only(benchmark::State& state) {
  model::Draft draft;
  for (auto _ : state) message().fill(draft);
}
BENCHMARK(fill_only);

void normalize_20_items(benchmark::State& state) {
  model::Draft draft;
  for (auto _ : state) {
    message().fill(draft);  // its own cost stands above
    message().normalize(draft);
    benchmark::DoNotOptimize(draft.parts[0]);
  }
}
BENCHMARK(normalize_20_items);

void write_20_items(benchmark::State& state) {
  model::Draft draft;
  message().fill(draft);
  message().normalize(draft);
  Arena arena;
  const RecordId id(sha256("x"));
  Text written;
  for (auto _ : state) {
    arena.reset();
    benchmark::DoNotOptimize(written = model::write_record(arena, id, draft, draft.parts[0]));
  }
  state.counters["bytes"] = static_cast<double>(written.size());
}
BENCHMARK(write_20_items);

void read_20_items(benchmark::State& state) {
  model::Draft draft;
  message().fill(draft);
  message().normalize(draft);
  Arena written;
  const Text json = model::write_record(written, RecordId(sha256("x")), draft, draft.parts[0]);
  Arena arena;
  for (auto _ : state) {
    arena.reset();
    model::RecordView record;
    benchmark::DoNotOptimize(model::read_record(json, arena, record));
  }
}
BENCHMARK(read_20_items);

void ids(benchmark::State& state) {
  model::Draft draft;
  message().fill(draft);
  for (auto _ : state) {
    benchmark::DoNotOptimize(model::record_id(draft.source, draft.content_hash, 0));
    benchmark::DoNotOptimize(model::report_id("bc-county", *draft.parts[0].events[0].report));
  }
}
BENCHMARK(ids);

}  // namespace

BENCHMARK_MAIN();
