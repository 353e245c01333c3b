#include "broker/model/care.h"

#include "broker/base/hash.h"
#include "broker/model/json_document.h"

namespace hutong::model {
namespace {

tl::unexpected<Error> broken() {
  return fail(ErrorCode::corrupt, "a record of follow-up or of resources does not read");
}

}  // namespace

RecordId followup_id(const ReferralId& referral, std::string_view facility, Timestamp at) {
  return RecordId(
      PartsHash().add("chronic-followup").add(referral.view()).add(facility).add(std::to_string(at.micros)).finish());
}

std::string write(const ChronicFollowup& followup) {
  Out out;
  out.open().text("kind", chronic_followup_kind).text("id", followup.id.hex());
  out.text("referral", followup.referral.hex()).time("at", followup.at);
  out.text("facility", followup.facility).text("from", followup.from).text("person", followup.person);
  out.text("patientOf", followup.patient_of).text("patient", followup.patient);
  return out.text("code", followup.code).text("disease", followup.disease).close().take();
}

std::string write(const ResourceUpdated& updated) {
  Out out;
  out.open().text("kind", resource_updated_kind).text("id", updated.id.hex()).time("at", updated.at);
  out.text("facility", updated.facility).text("department", updated.department);
  if (updated.beds) out.number("beds", *updated.beds);
  if (!updated.slots.empty()) {
    out.open_list("slots");
    for (const auto& slot : updated.slots)
      out.open().time("start", slot.start).time("end", slot.end).text("place", slot.place).close();
    out.close_list();
  }
  return out.text("client", updated.client).close().take();
}

Result<ChronicFollowup> read_chronic_followup(std::string_view json) {
  rapidjson::Document document;
  if (!read_document(document, json, chronic_followup_kind)) return broken();
  const In in(document);
  const auto id = RecordId::from_hex(in.text("id"));
  const auto referral = ReferralId::from_hex(in.text("referral"));
  const auto at = in.time("at");
  if (!id || !referral || !at) return broken();
  return ChronicFollowup{*id,
                         *referral,
                         *at,
                         in.text("facility"),
                         in.text("from"),
                         in.text("person"),
                         in.text("patientOf"),
                         in.text("patient"),
                         in.text("code"),
                         in.text("disease")};
}

Result<ResourceUpdated> read_resource_updated(std::string_view json) {
  rapidjson::Document document;
  if (!read_document(document, json, resource_updated_kind)) return broken();
  const In in(document);
  const auto id = RecordId::from_hex(in.text("id"));
  const auto at = in.time("at");
  if (!id || !at) return broken();
  ResourceUpdated updated{*id, *at, in.text("facility"), in.text("department"), std::nullopt, {}, in.text("client")};
  if (const auto beds = in.number("beds", -1); beds >= 0) updated.beds = beds;
  in.each("slots", [&](const rapidjson::Value& element) {
    if (!element.IsObject()) return;
    const In one(element);
    const auto start = one.time("start"), end = one.time("end");
    if (start && end) updated.slots.push_back({*start, *end, updated.department, one.text("place")});
  });
  return updated;
}

}  // namespace hutong::model
