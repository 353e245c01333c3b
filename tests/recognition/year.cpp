#include "tests/recognition/year.h"

#include <iterator>

#include "broker/base/hash.h"

namespace hutong::tests {
namespace {

using model::OutcomeKind;

RecordId id_of(std::string_view what, std::uint64_t order, std::uint64_t which = 0) {
  return RecordId(sha256(std::string(what) + " " + std::to_string(order) + "/" + std::to_string(which)));
}

void add(std::vector<port::Record>& records, std::string_view kind, const RecordId& id, std::string json) {
  port::Record& record = records.emplace_back();
  record.id = id;
  record.key = "cc/" + id.hex();
  record.kinds = kind;
  record.json = std::move(json);
}

}  // namespace

std::uint64_t Year::tell(std::uint64_t order, std::vector<port::Record>& records) const {
  std::mt19937_64 random(seed_ * 0x9E3779B97F4A7C15ULL + order);
  const auto say = [&](std::string_view kind, const RecordId& id, const std::string& json) {
    add(records, kind, id, json);
    if (random() % 50 == 0) add(records, kind, id, json);  // the log may hold one twice
  };
  model::RecognitionDecided made;
  made.id = id_of("order", order);
  made.at = at(order);
  made.facility = "f" + std::to_string(random() % 20);
  if (random() % 4) made.order = "O-" + std::to_string(order);
  if (random() % 20 == 0) made.encounter = "emergency";
  made.department = random() % 8 ? "d" + std::to_string(random() % 6) : "";
  made.zone_day = to_iso(made.at, 480).substr(0, 10);
  std::vector<std::uint32_t> open;
  const auto lines = 1 + random() % 8;
  for (std::uint32_t at = 0; at < lines; ++at) {
    model::DecidedLine line;
    line.item = line.code = "L" + std::to_string(random() % 60);
    line.price_fen = random() % 10 ? static_cast<std::int64_t>(random() % 50'000) : -1;
    static constexpr const char* verdicts[] = {"recognisable", "clinician-decides", "not-recognisable"};
    line.verdict = verdicts[random() % 3];
    if (line.verdict != verdicts[2]) {
      line.results.push_back({line.item, to_hex(std::string(16, static_cast<char>(random()))), "o", 1, "h", "lab", ""});
      open.push_back(at);
    }
    made.lines.push_back(std::move(line));
  }
  say(model::recognition_decided_kind, made.id, model::write(made));
  // Asked again: the same offer, or another one; and the doctor may answer either page.
  std::vector<RecordId> pages{made.id};
  while (!made.order.empty() && random() % 6 == 0) {
    made.id = id_of("again", order, pages.size());
    for (auto& line : made.lines) {
      if (!line.results.empty() && random() % 2) line.results[0].version += 1;
    }
    pages.push_back(made.id);
    add(records, model::recognition_decided_kind, made.id, model::write(made));
  }
  for (auto clicks = open.empty() ? 0 : random() % 6; clicks > 0; --clicks) {
    static constexpr OutcomeKind kinds[] = {OutcomeKind::viewed, OutcomeKind::recognised, OutcomeKind::recognised,
                                            OutcomeKind::refused, OutcomeKind::undone};
    model::RecognitionOutcome said;
    said.id = id_of("click", order, clicks);
    said.decision = pages[random() % pages.size()];
    said.at = made.at;
    said.facility = made.facility;
    for (const auto place : open) {
      if (random() % 2) continue;
      model::LineOutcome line;
      line.line = place;
      line.outcome = kinds[random() % std::size(kinds)];
      if (line.outcome == OutcomeKind::refused) {
        const auto reason = 1 + random() % 9;
        line.reason = reason == 9 ? "98" : "0" + std::to_string(reason);
        line.counted = reason != 9;
        if (random() % 3) line.told = random() % 2 == 0;
      }
      said.lines.push_back(std::move(line));
    }
    say(model::recognition_outcome_kind, said.id, model::write(said));
  }
  if (random() % 3) return 1;

  // The same order, or another, came as a message: answered by the safety net.
  model::RecognitionDecided placed;
  placed.id = id_of("placed", order);
  placed.at = at(order);
  placed.facility = "f" + std::to_string(random() % 20);
  placed.door = model::order_door;
  placed.order = "O-" + std::to_string(order);
  placed.zone_day = made.zone_day;
  if (random() % 20 == 0) placed.encounter = "emergency";
  const bool follows = random() % 3 == 0;
  if (follows) {
    placed.follows = id_of("order", order);
  } else {
    model::DecidedLine line;
    line.item = line.code = "L" + std::to_string(random() % 60);
    line.verdict = random() % 2 ? "recognisable" : random() % 2 ? "clinician-decides" : "not-recognisable";
    line.price_fen = 700;
    if (line.verdict != "not-recognisable")
      line.results.push_back({line.item, to_hex(std::string(16, 'r')), "o", 1, "h", "lab", ""});
    placed.lines.push_back(std::move(line));
  }
  say(model::recognition_decided_kind, placed.id, model::write(placed));
  return follows ? 1 : 2;
}

}  // namespace hutong::tests
