#include "broker/referral/view.h"

#include "broker/referral/words.h"

namespace hutong::referral {

model::ReferralView view_of(const Referral& from, const model::FacilityDirectory& facilities, Timestamp updated,
                            std::optional<Timestamp> due) {
  const auto name = [&](const std::string& code) {
    const auto* facility = facilities.find(code);
    return facility ? facility->name_zh : std::string();
  };
  const auto in_words = words(from.state);
  model::ReferralView view;
  view.id = from.id;
  view.version = from.version;
  view.updated = updated;
  view.state = from.state;
  view.state_zh = in_words.zh;
  view.state_en = in_words.en;
  view.number = from.number;
  view.person = from.person;
  view.direction = from.direction;
  view.urgency = from.urgency;
  view.sender = from.sender;
  view.sender_name = name(from.sender);
  view.sender_department = from.sender_department;
  view.receiver = from.receiver;
  view.receiver_name = name(from.receiver);
  view.receiver_department = from.receiver_department;
  view.choice = from.choice;
  view.outside = from.outside;
  view.insurance_filing = from.insurance_filing;
  view.proposed = from.proposed;
  view.indication = from.indication;
  view.reason = from.reason;
  view.slot = from.slot;
  view.documents = from.documents;
  view.reports = from.reports;
  view.follows = from.follows;
  view.asked = from.steps.empty() ? from.asked_at : from.steps.front().at;
  view.arrived = from.arrived_at;
  view.due = due;
  return view;
}

}  // namespace hutong::referral
