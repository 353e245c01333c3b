// A region in memory: referrals as a projector would fold them, from commands and answers, with what follows from them.
#pragma once

#include <algorithm>
#include <map>
#include <string>
#include <vector>

#include "broker/base/hash.h"
#include "broker/referral/clocks.h"
#include "broker/referral/referral.h"
#include "broker/terminology/table.h"

namespace hutong::referral {

inline Timestamp at(std::string_view iso) {
  return parse_iso(iso)->first;  // +08:00 where no zone is said
}

class Region {
 public:
  explicit Region(std::shared_ptr<const Rules> rules, const std::filesystem::path& facilities)
      : rules_(std::move(rules)) {
    const auto table = terminology::CsvTable::read(facilities);
    for (std::size_t row = 0; row < table.size(); ++row) {
      const auto cell = [&](std::string_view column) { return table.at(row, table.column(column)); };
      parties_[cell("facility")] = {cell("facility"), cell("level"), cell("kind")};
      alliances_[cell("facility")] = cell("alliance");
    }
  }

  ReferralAnswered send(const ReferralCommand& command) {
    const Referral* stands = find(command.referral);
    Surroundings around;
    around.sender = party(stands ? stands->sender : command.facility);
    around.receiver = party(command.receiver);
    around.same_alliance =
        around.sender && around.receiver && alliances_[around.sender->code] == alliances_[around.receiver->code];
    if (command.follows) around.linked = find(*command.follows);
    if (stands && stands->downward && !around.linked) around.linked = find(*stands->downward);
    const auto answered = decide(stands, command, *rules_, around);
    log.emplace_back(command, answered);
    if (answered.outcome == model::CommandOutcome::applied) {
      const auto after = apply(stands, command, answered);
      referrals.insert_or_assign(command.referral, after);
      if (const auto further = follow_up(after, command, answered)) send(*further);
    }
    return answered;
  }

  const Referral* find(const ReferralId& id) const {
    const auto found = referrals.find(id);
    return found == referrals.end() ? nullptr : &found->second;
  }
  const Party* party(const std::string& code) const {
    const auto found = parties_.find(code);
    return found == parties_.end() ? nullptr : &found->second;
  }
  // Everything that is due by `now`, one after the other, as the wiring does after a restart.
  std::vector<ReferralAnswered> clocks(Timestamp now) {
    std::vector<ReferralAnswered> done;
    for (bool more = true; more;) {
      more = false;
      for (const auto& [id, referral] : referrals) {
        const auto deadline = next(referral, *rules_);
        if (!deadline || deadline->at > now) continue;
        done.push_back(send(clock_command(referral, *deadline, now)));
        more = done.size() < 1000;
        break;
      }
    }
    return done;
  }
  const Rules& rules() const { return *rules_; }

  std::map<ReferralId, Referral> referrals;
  std::vector<std::pair<ReferralCommand, ReferralAnswered>> log;

 private:
  std::shared_ptr<const Rules> rules_;
  std::map<std::string, Party> parties_;
  std::map<std::string, std::string> alliances_;
};

// A command that says all that its action may need.
inline ReferralCommand command(Action action, const std::string& facility, const std::string& number, Timestamp when,
                               const std::string& sender = "cc-east") {
  ReferralCommand made;
  made.referral = model::referral_id(sender, number);
  made.id = RecordId(PartsHash()
                         .add(made.referral.view())
                         .add(model::to_string(action))
                         .add(facility)
                         .add(std::to_string(when.micros))
                         .finish());
  made.action = action;
  made.at = when;
  made.facility = facility;
  made.practitioner = "D07";
  made.number = number;
  made.person = "6512bd43d9caa6e02c990b0a82652dca";
  made.reason = {"", "床位不足"};
  if (action == Action::accept) made.slot = model::Slot{when, when + std::chrono::hours(1), "心内科", "3 床"};
  if (action == Action::report) made.documents = {{"treatment-report", "45c48cce2e2d7fbdea1afc51c7c6ad26", 1}};
  if (action == Action::request || action == Action::redirect) made.choice = model::Choice::agreed;
  return made;
}

inline ReferralCommand request(const std::string& sender, const std::string& receiver, const std::string& number,
                               Timestamp when, model::Direction direction = model::Direction::up,
                               model::Priority urgency = model::Priority::routine) {
  auto made = command(Action::request, sender, number, when, sender);
  made.receiver = receiver;
  made.direction = direction;
  made.urgency = urgency;
  made.reason = {};
  return made;
}

}  // namespace hutong::referral
