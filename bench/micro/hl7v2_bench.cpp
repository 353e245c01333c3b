// The HL7 v2 reader alone: one core, a message of 2.2 KB with 20 items. "split" is the index of segments and fields,
// "read" everything up to the Draft (characters, split, hash of the content, header, patient, report, 20 items),
// "acknowledge" the AA. Limits of the same run: "touch" reads each byte once, "memchr" finds each delimiter with
// memchr.
#include <benchmark/benchmark.h>

#include <cstring>
#include <string>

#include "adapters/format/hl7v2/gb18030.h"
#include "adapters/format/hl7v2/hl7v2.h"
#include "adapters/format/hl7v2/message.h"

namespace {

using namespace hutong;

std::string message(bool chinese) {
  std::string text =
      "MSH|^~\\&|LIS|H1|HUTONG|REG|20260102030405+0800||ORU^R01^ORU_R01|C000000001|P|2.5.1||||||UNICODE UTF-8\r"
      "PID|1||P0000001^^^H1^MR~990101199001010019^^^^NI||";
  text += chinese ? "测试^甲" : "TEST^A";
  text +=
      "||19900101|M|||1 North Street^^City^Province^150000||13900000000\r"
      "PV1|1|O|LAB^^^H1||||D1^Doctor^One||||||||||||V000001\r"
      "ORC|RE|O000001|F000001||CM\r"
      "OBR|1|O000001|F000001|CBC^Complete blood count^L|||20260102020000|||||||20260102021000||D1^Doctor^One||||||"
      "20260102030000||LAB|F\r";
  for (int i = 1; i <= 20; ++i) {
    text += "OBX|" + std::to_string(i) + "|NM|L" + std::to_string(100 + i) + "^";
    text += chinese ? "血红蛋白测定" : "Hemoglobin item";
    text += "^L||" + std::to_string(100 + i) + ".5|mmol/L|3.9-6.1|H|||F|||20260102025000||T1^Tester\r";
  }
  return text;
}

std::string in_gb18030(const std::string& text) {
  std::string bytes;
  hl7v2::utf8_to_gb18030(text, bytes);
  const auto label = bytes.find("UNICODE UTF-8");
  return bytes.replace(label, 13, "GB18030");
}

void count(benchmark::State& state, std::size_t size) {
  state.SetBytesProcessed(static_cast<std::int64_t>(state.iterations() * size));
  state.counters["message_bytes"] = static_cast<double>(size);
}

void touch(benchmark::State& state) {
  const std::string text = message(false);
  for (auto _ : state) {
    std::uint64_t sum = 0;
    for (std::size_t i = 0; i + 8 <= text.size(); i += 8) {
      std::uint64_t word;
      std::memcpy(&word, text.data() + i, 8);
      sum += word;
    }
    benchmark::DoNotOptimize(sum);
  }
  count(state, text.size());
}

void memchr_fields(benchmark::State& state) {
  const std::string text = message(false);
  for (auto _ : state) {
    std::size_t fields = 0;
    const char* at = text.data();
    const char* const end = at + text.size();
    while ((at = static_cast<const char*>(std::memchr(at, '|', static_cast<std::size_t>(end - at))))) {
      ++fields;
      ++at;
    }
    benchmark::DoNotOptimize(fields);
  }
  count(state, text.size());
}

void split(benchmark::State& state) {
  const std::string text = message(false);
  Arena arena;
  for (auto _ : state) {
    arena.reset();
    hl7v2::Message index;
    benchmark::DoNotOptimize(index.index(text, hl7v2::Charset::ascii, arena));
    benchmark::DoNotOptimize(index.segments().size());
  }
  count(state, text.size());
}

void read(benchmark::State& state, const std::string& text, bool registered) {
  model::FacilityDirectory facilities;
  model::Facility facility;
  facility.code = "H1";
  facility.aliases.push_back({"LIS", "H1"});
  if (registered) facilities.add(facility);
  port::ReadContext context;
  context.facilities = &facilities;
  context.accept_unknown_senders = true;
  context.protocol = "mllp";
  context.connection = "1";
  const hl7v2::Hl7v2 format;
  model::Draft draft;
  for (auto _ : state) {
    benchmark::DoNotOptimize(format.read(text, context, draft).answer);
    if (draft.parts[0].events[0].report->observations.size() != 20) state.SkipWithError("items are missing");
  }
  count(state, text.size());
}

void acknowledge(benchmark::State& state) {
  const std::string text = message(false);
  const hl7v2::Hl7v2 format;
  port::ReadContext context;
  context.accept_unknown_senders = true;
  model::Draft draft;
  format.read(text, context, draft);
  port::Verdict verdict;
  verdict.issues = &draft.issues;
  verdict.now = Timestamp{1767294245678000};
  verdict.answer_id = "A0000001";
  std::vector<std::string> out;
  for (auto _ : state) {
    out.clear();
    format.acknowledge(draft, verdict, out);
    benchmark::DoNotOptimize(out.data());
  }
}

void gb18030_decode(benchmark::State& state) {
  const std::string text = in_gb18030(message(true));
  Arena arena;
  for (auto _ : state) {
    arena.reset();
    std::string_view decoded;
    benchmark::DoNotOptimize(hl7v2::gb18030_to_utf8(text, arena, decoded));
  }
  count(state, text.size());
}

BENCHMARK(touch);
BENCHMARK(memchr_fields);
BENCHMARK(split);
BENCHMARK_CAPTURE(read, ascii, message(false), true);
BENCHMARK_CAPTURE(read, utf8, message(true), true);
BENCHMARK_CAPTURE(read, gb18030, in_gb18030(message(true)), true);
BENCHMARK_CAPTURE(read, unknown_sender, message(false), false);
BENCHMARK(acknowledge);
BENCHMARK(gb18030_decode);

}  // namespace

BENCHMARK_MAIN();
