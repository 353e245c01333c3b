// REF and RRI: a referral as who asks and who is asked say it (HL7 v2.5.1 chapter 11). A REF asks, changes or cancels;
// an RRI, or a status in RF1-1, answers. What the standard has no field for stands in ZRF
// (docs/connecting-a-hospital.md).
#include <algorithm>

#include "adapters/format/hl7v2/reader.h"

namespace hutong::hl7v2 {
namespace {

constexpr std::uint32_t kRF1 = segment_name("RF1"), kPRD = segment_name("PRD"), kAUT = segment_name("AUT"),
                        kCON = segment_name("CON"), kZRF = segment_name("ZRF");

// RF1-1: table 0283, which is user-defined, with what it lacks; and as Chinese systems say it.
struct Status {
  Text code, action;
};
constexpr Status kStatuses[] = {
    {"A", "accept"},         {"ACCEPTED", "accept"}, {"已接受", "accept"},  {"R", "decline"},
    {"REJECTED", "decline"}, {"已拒绝", "decline"},  {"P", "receive"},      {"PENDING", "receive"},
    {"已收到", "receive"},   {"ARRIVED", "arrive"},  {"已到诊", "arrive"},  {"TREATED", "treat"},
    {"治疗中", "treat"},     {"RETURNED", "report"}, {"已回报", "report"},  {"CLOSED", "close"},
    {"已结束", "close"},     {"NOSHOW", "no-show"},  {"未到诊", "no-show"},
};

Text action_of_status(Text code) {
  for (const Status& status : kStatuses) {
    if (status.code == code) return status.action;
  }
  return {};
}

bool is_any(Text text, std::initializer_list<Text> these) {
  return std::find(these.begin(), these.end(), text) != these.end();
}

class Referral {
 public:
  explicit Referral(Reader& reader) : reader_(reader), arena_(reader.arena) {}

  model::Answer read() {
    const Segment *pid = nullptr, *rf1 = nullptr;
    for (const Segment& segment : reader_.message.segments()) {
      if (segment.name == kPID && !pid) pid = &segment;
      if (segment.name == kRF1 && !rf1) rf1 = &segment;
    }
    for (const auto& [segment, name] : {std::pair(pid, Text("PID")), std::pair(rf1, Text("RF1"))}) {
      if (segment) continue;
      reader_.refuse("segment-missing", name, "no such segment", "the segment, which a referral requires",
                     condition::segment_sequence);
      return model::Answer::content_rejected;
    }
    model::Part& part = reader_.draft.parts.push(arena_);
    read_patient(reader_, *pid, part.subject);
    if (!attributable(reader_, part.subject, "PID")) return model::Answer::content_rejected;
    model::Event& event = part.events.push(arena_);
    event.kind = model::EventKind::referral_told;
    event.occurred = reader_.draft.times.sent;
    word_ = event.referral = arena_.make<model::ReferralWord>();
    word_->path = "RF1";
    read_referral(*rf1);
    for (const Segment& segment : reader_.message.segments()) read_more(segment);
    return finish();
  }

 private:
  bool asks() const { return reader_.draft.source.type.starts_with("REF"); }

  void read_referral(const Segment& rf1) {
    auto& word = *word_;
    const Text status = reader_.value(rf1, 1);
    word.priority_sent = reader_.value(rf1, 2);
    const auto number = reader_.components<2>(reader_.field(rf1, 6));
    word.number = reader_.clean(number[0]);
    word.sender = reader_.namespace_of(number[1]);
    word.slot_start = reader_.moment(rf1, 7);
    word.slot_end = reader_.moment(rf1, 8);
    word.happened = reader_.moment(rf1, 9);
    reader_.read_coded(reader_.field(rf1, 10), word.reason);
    // Who asked numbered it: of a REF the sender of the message, as a rule, of an RRI whom it goes to.
    const Text named = reader_.clean(reader_.head(reader_.message.header_field(asks() ? 4 : 6)));
    if (asks() && (reader_.trigger == "I12" || word.sender.empty() || word.sender == named)) {
      word.sender = reader_.draft.source.facility;
    } else if (word.sender.empty()) {
      word.sender = named;
    }
    word.action_sent = arena_.concat({reader_.draft.source.type, status.empty() ? Text() : Text(" "), status});
    word.action = action_of(status);
  }

  Text action_of(Text status) {
    if (asks() && reader_.trigger == "I12") return "request";
    if (asks() && reader_.trigger == "I14") return "cancel";
    if (reader_.trigger == "I14" || (asks() && reader_.trigger == "I15")) return {};  // heard of; asked
    const Text action = action_of_status(status);
    if (asks() && (action.empty() || action == "receive")) return "amend";
    if (action.empty()) {
      reader_.warn("referral-status-unknown", "RF1-1", reader_.shown(status),
                   "A, R or P (HL7 table 0283), ARRIVED, TREATED, RETURNED, CLOSED or NOSHOW; nothing is changed",
                   condition::table_value);
    }
    return action;
  }

  void read_more(const Segment& segment) {
    auto& word = *word_;
    switch (segment.name) {
      case kPRD: read_provider(segment); break;
      case kDG1: read_diagnosis(reader_, segment, word.diagnoses); break;
      case kAUT:
        if (word.insurance_filing.empty()) word.insurance_filing = reader_.identifier_of(reader_.field(segment, 6));
        break;
      case kNTE:
        if (const Text text = reader_.lines(reader_.field(segment, 3)); !text.empty()) word.notes.push(arena_, text);
        break;
      case kOBR: {
        model::ReferredReport report{reader_.value(segment, 3), reader_.value(segment, 4)};
        if (report.number.empty()) report.number = reader_.value(segment, 2);
        if (!report.number.empty()) word.reports.push(arena_, report);
        break;
      }
      case kCON: {  // the patient's consent, where a sender has it in the standard's own segment
        const Text status = reader_.value(segment, 11);
        if (word.choice.empty())
          word.choice = status == "A" ? Text("agreed") : status == "R" ? Text("refused") : Text();
        break;
      }
      case kZRF: read_own(segment); break;
      default: break;
    }
  }

  // RP refers, RT is referred to (table 0286).
  void read_provider(const Segment& prd) {
    auto& word = *word_;
    const Text role = reader_.value(prd, 1);
    const auto location = reader_.components<4>(reader_.field(prd, 4));
    const Text department = reader_.clean(reader_.head(location[0]));
    if (role == "RP") {
      const auto name = reader_.components<3>(reader_.field(prd, 2));
      word.practitioner = {reader_.value(prd, 7),
                           reader_.person_name(reader_.clean(name[0]), reader_.clean(name[1]), reader_.clean(name[2])),
                           {}};
      word.department = department;
    } else if (role == "RT") {
      word.receiver = reader_.namespace_of(location[3]);
      if (word.receiver.empty()) {
        const auto organisation = reader_.organisation(reader_.field(prd, 10));  // since 2.6
        word.receiver = organisation.code.empty() ? organisation.name : organisation.code;
      }
      word.receiver_department = department;
    }
  }

  void read_own(const Segment& zrf) {
    auto& word = *word_;
    const Text choice = reader_.value(zrf, 1), direction = reader_.value(zrf, 2);
    choice_said_ = !choice.empty();
    if (is_any(choice, {"agreed", "A", "同意"}))
      word.choice = "agreed";
    else if (is_any(choice, {"by-guardian", "G", "监护人同意"}))
      word.choice = "by-guardian";
    else if (is_any(choice, {"refused", "R", "拒绝"}))
      word.choice = "refused";
    else if (is_any(choice, {"not-possible", "N", "无法征询"}))
      word.choice = "not-possible";
    else if (!choice.empty())
      reader_.warn("choice-unknown", "ZRF-1", reader_.shown(choice), "agreed, by-guardian, refused or not-possible",
                   condition::table_value);
    if (is_any(direction, {"up", "1", "上转"}))
      word.direction = "up";
    else if (is_any(direction, {"down", "2", "下转"}))
      word.direction = "down";
    else if (is_any(direction, {"level", "3", "平转"}))
      word.direction = "level";
    else if (!direction.empty())
      reader_.warn("direction-unknown", "ZRF-2", reader_.shown(direction), "up, down or level", condition::table_value);
    word.outside = reader_.lines(reader_.field(zrf, 3));
    const auto follows = reader_.components<2>(reader_.field(zrf, 4));
    word.follows_number = reader_.clean(follows[0]);
    word.follows_sender = reader_.namespace_of(follows[1]);
    word.place = reader_.value(zrf, 5);
  }

  model::Answer finish() {
    auto& word = *word_;
    if (word.number.empty()) {
      if (word.action == "request") {
        word.number = reader_.draft.source.control_id;
        reader_.warn("referral-number-missing", "RF1-6", "nothing",
                     "the sender's own number of the referral; without it no answer can be matched",
                     condition::required_missing);
      } else {
        reader_.refuse("referral-number-missing", "RF1-6", "nothing",
                       "the number of the referral and, as its namespace, who asked for it",
                       condition::required_missing);
        return model::Answer::content_rejected;
      }
    }
    if (word.receiver.empty() && asks()) {
      const Text receiver = reader_.clean(reader_.head(reader_.message.header_field(6)));
      const auto* named = reader_.context.facilities ? reader_.context.facilities->by_sender({}, receiver) : nullptr;
      if (named) word.receiver = receiver;
    }
    if (word.action == "request" && word.receiver.empty()) {
      reader_.warn("receiver-missing", "PRD", "no facility", "PRD with the role RT and its facility in PRD-4.4",
                   condition::required_missing);
    }
    if (word.action == "request" && word.choice.empty() && !choice_said_) {
      reader_.warn("choice-missing", "ZRF-1", "nothing",
                   "the patient's informed choice: agreed, by-guardian, refused or (stat only) not-possible",
                   condition::required_missing);
    }
    return model::Answer::accepted;
  }

  Reader& reader_;
  Arena& arena_;
  model::ReferralWord* word_ = nullptr;
  bool choice_said_ = false;  // understood or not
};

}  // namespace

bool is_modelled_referral(Text type) {
  for (const Text each : {"REF^I12", "REF^I13", "REF^I14", "REF^I15", "RRI^I12", "RRI^I13", "RRI^I14", "RRI^I15"}) {
    if (each == type) return true;
  }
  return false;
}

model::Answer read_referral(Reader& reader) {
  return Referral(reader).read();
}

}  // namespace hutong::hl7v2
