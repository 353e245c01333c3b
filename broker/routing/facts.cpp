#include "broker/routing/facts.h"

#include <algorithm>

namespace hutong::routing {
namespace {

using model::Flag;

Flag flag_of(const List<model::Text>& sent) {
  Flag flag = Flag::any;
  for (const auto& each : sent) flag = std::max(flag, model::flag_said(each));
  return flag;
}

// Takes back what may have been told before.
bool corrects(model::ResultStatus status) {
  switch (status) {
    case model::ResultStatus::amended:
    case model::ResultStatus::corrected:
    case model::ResultStatus::cancelled:
    case model::ResultStatus::entered_in_error: return true;
    default: return false;
  }
}

bool any_label(const model::Event& event) {
  if (!event.labels.empty()) return true;
  if (event.order && !event.order->labels.empty()) return true;
  if (!event.report) return false;
  const auto& items = event.report->observations;
  return !event.report->labels.empty() ||
         std::any_of(items.begin(), items.end(), [](const auto& item) { return !item.labels.empty(); });
}

}  // namespace

Facts facts_of(const model::RecordView& record, const model::Event& event, const model::FacilityDirectory& facilities) {
  Facts facts;
  facts.kind = to_string(event.kind);
  facts.facility = record.source.facility;
  facts.labelled = any_label(event);
  if (const auto* facility = facilities.find(facts.facility)) facts.area = facility->area;
  if (event.report) {
    // What is corrected was perhaps critical before: who was told of that, because of its flag, is told of this.
    const Flag least = corrects(event.report->status) ? Flag::critical : Flag::any;
    Flag worst = least;
    for (const auto& item : event.report->observations) {
      const Flag flag = corrects(item.status) ? Flag::critical : std::max(least, flag_of(item.flags));
      worst = std::max(worst, flag);
      facts.items.push_back({item.code.mapped_code, flag});
    }
    facts.items.push_back({event.report->service.mapped_code, worst});  // of a panel: any of its items
  }
  if (event.order) facts.items.push_back({event.order->service.mapped_code, Flag::any});
  return facts;
}

bool is_centre(const model::Facility& facility) {
  return facility.kind == "community-centre" || facility.kind == "township-centre" || facility.kind == "village-clinic";
}

Patient patient_of(const model::RecordView& record, const RecordId& id) {
  const auto& subject = record.subject;
  return {std::string(subject.facility.empty() ? record.source.facility : subject.facility),
          !subject.number.empty() ? std::string(subject.number) : (record.id.empty() ? id : record.id).hex()};
}

std::vector<std::string> lanes_of(const model::Event& event, const Patient& patient) {
  std::vector<std::string> lanes{patient.lane()};
  const auto& merge = event.merge;
  if (merge.prior_number.empty()) return lanes;
  const Patient other{merge.prior_facility.empty() ? patient.facility : std::string(merge.prior_facility),
                      std::string(merge.prior_number)};
  if (other.lane() != lanes.front()) lanes.push_back(other.lane());
  return lanes;
}

}  // namespace hutong::routing
