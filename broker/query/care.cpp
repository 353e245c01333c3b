#include "broker/query/care.h"

#include <algorithm>
#include <charconv>

#include "broker/base/hash.h"
#include "broker/port/tables.h"
#include "broker/query/rows.h"

namespace hutong::query {
namespace {

namespace tables = port::tables;

constexpr std::size_t name_bytes = 200, slots_max = 500, departments_max = 5'000;
constexpr std::int64_t beds_max = 100'000;

tl::unexpected<Error> pass(const Error& error) {
  return tl::unexpected<Error>(error);
}

bool is_short(const std::string& text) {
  return text.size() <= name_bytes &&
         std::none_of(text.begin(), text.end(), [](char c) { return static_cast<unsigned char>(c) < 0x20; });
}

}  // namespace

net::awaitable<Result<Followups>> Care::followups(const access::Permit&, std::string facility, std::size_t limit,
                                                  std::string position) {
  Followups followups;
  port::Scan scan;
  scan.prefix = {facility};
  scan.limit = limit + 1;
  if (!position.empty()) {  // "MICROS-REFERRAL"
    const auto dash = position.find('-', 1);
    std::int64_t micros = 0;
    const auto id =
        dash == std::string::npos ? std::nullopt : ReferralId::from_hex(std::string_view(position).substr(dash + 1));
    if (id) std::from_chars(position.data(), position.data() + dash, micros);
    if (!id || micros == 0) co_return fail(ErrorCode::invalid, "page: expected what the answer before gave as next");
    scan.after = port::Key{facility, -micros, std::string(id->view())};
  }
  auto rows = co_await store_.scan(tables::chronic_followups, std::move(scan));
  if (!rows) co_return pass(rows.error());
  if (rows->size() > limit) {
    rows->pop_back();
    followups.next = std::to_string(-integer(rows->back(), 1)) + "-" + to_hex(text(rows->back(), 2));
  }
  for (const auto& row : *rows) {
    auto followup = model::read_chronic_followup(text(row, 4));
    if (!followup) co_return pass(followup.error());
    followups.found.push_back(std::move(*followup));
  }
  co_return followups;
}

net::awaitable<Result<std::vector<model::ResourceUpdated>>> Care::resources(const access::Permit&, std::string facility,
                                                                            std::string department) {
  port::Scan scan;
  if (!facility.empty()) scan.prefix = {facility};
  scan.limit = departments_max;
  const auto rows = co_await store_.scan(tables::resources, std::move(scan));
  if (!rows) co_return pass(rows.error());
  std::vector<model::ResourceUpdated> found;
  const Timestamp now = now_();
  for (const auto& row : *rows) {
    if (!department.empty() && text(row, 1) != department) continue;
    auto updated = model::read_resource_updated(text(row, 3));
    if (!updated) co_return pass(updated.error());
    std::erase_if(updated->slots, [&](const auto& slot) { return slot.start < now; });
    found.push_back(std::move(*updated));
  }
  co_return found;
}

net::awaitable<Result<model::ResourceUpdated>> Care::update(const access::Permit&, model::ResourceUpdated updated) {
  bool good = is_short(updated.facility) && is_short(updated.department) && updated.slots.size() <= slots_max &&
              updated.beds.value_or(0) >= 0 && updated.beds.value_or(0) <= beds_max;
  for (const auto& slot : updated.slots) good = good && is_short(slot.place) && slot.start <= slot.end;
  if (!good) {
    co_return fail(
        ErrorCode::invalid,
        "department and place: at most 200 bytes; beds: a number from 0; slots: at most 500, each with start "
        "and end");
  }
  updated.at = now_();
  updated.id = RecordId(PartsHash()
                            .add("resource")
                            .add(updated.facility)
                            .add(updated.department)
                            .add(std::to_string(updated.at.micros))
                            .add(model::write(updated))
                            .finish());
  port::Record record;
  record.id = updated.id;
  record.key = updated.facility + "/" + updated.department;
  record.kinds = model::resource_updated_kind;
  record.json = model::write(updated);
  std::vector<port::Record> batch;
  batch.push_back(std::move(record));
  auto appended = co_await log_.append(port::Topic::operations, std::move(batch));
  if (!appended) co_return pass(appended.error());
  co_return updated;
}

}  // namespace hutong::query
