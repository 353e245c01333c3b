#include "broker/pipeline/emitter.h"

#include "broker/pipeline/effects_identity.h"
#include "broker/port/tables.h"

namespace hutong::pipeline {
namespace {
constexpr std::size_t emitted_at_once = 256;
}

net::awaitable<Result<std::size_t>> Emitter::emit(std::vector<std::pair<std::uint32_t, port::Offset>> projected) {
  // What is under way comes back through the log first: the set stays small, and rows are looked at once.
  if (!awake_ || !under_way_.empty()) co_return std::size_t{0};
  port::Scan scan;
  scan.prefix = {static_cast<std::int64_t>(port::Topic::identity)};
  scan.limit = emitted_at_once;
  auto rows = co_await store_.scan(port::tables::pending, std::move(scan));
  if (!rows) co_return tl::unexpected(rows.error());
  if (rows->empty()) {
    awake_ = false;
    co_return std::size_t{0};
  }
  std::vector<port::Record> batch;
  for (auto& row : *rows) {
    port::Record record;
    record.id = RecordId::from_bytes(std::get<std::string>(row[1])).value_or(RecordId());
    record.key = std::move(std::get<std::string>(row[2]));
    record.json = std::move(std::get<std::string>(row[3]));
    auto decision = read_identity_decision(record.json);
    if (!decision) co_return tl::unexpected(decision.error());
    record.kinds = to_string(decision->kind);
    // A crash may keep the first of a batch and lose the last: then nothing is said to be decided that is not.
    if (rows->size() < emitted_at_once && &row == &rows->back()) {
      decision->decided_in = log_.id();
      decision->decided = projected;
      record.json = write(*decision);
    }
    batch.push_back(std::move(record));
  }
  std::vector<RecordId> ids;
  for (const auto& record : batch) ids.push_back(record.id);
  auto appended = co_await log_.append(port::Topic::identity, std::move(batch));
  if (!appended) co_return tl::unexpected(appended.error());
  under_way_.insert(ids.begin(), ids.end());
  co_return ids.size();
}

}  // namespace hutong::pipeline
