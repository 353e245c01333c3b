// What a subscriber is sent of each golden case: tests/golden/hl7v2/<case>/delivered.hl7 (LF at line ends), in 2.5.1
// and UTF-8. And in every version and both character sets the message reads back as what it was made of.
#include <gmock/gmock.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "adapters/format/hl7v2/hl7v2.h"
#include "adapters/format/hl7v2/hl7v2_payload.h"
#include "broker/app/facilities.h"
#include "broker/model/event_json.h"
#include "broker/normalize/normalizer.h"

namespace hutong {
namespace {

namespace fs = std::filesystem;
using model::EventKind;

std::string file(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

// As far as a receiver needs it: what identifies a thing and what it says.
std::string said(const model::Subject& subject) {
  std::string text = "subject " + std::string(subject.number) + " " + std::string(to_string(subject.sex)) + " " +
                     std::string(subject.born.iso);
  for (const auto& name : subject.names) text += " " + std::string(name.text);
  for (const auto& id : subject.identifiers) {
    if (!id.placeholder && id.kind == model::IdentifierKind::resident_card) text += " " + std::string(id.value);
  }
  return text + "\n";
}

std::string said(const model::Report& report) {
  std::string text =
      "report " + std::string(report.order_number) + " " + std::string(report.filler_number) + " " +
      std::string(to_string(report.status)) + " " + std::string(report.observed.iso) + " " +
      std::string(report.issued.iso) +
      (report.is_exam ? " exam " + std::string(report.exam.modality) + " " + std::string(report.exam.study_uid) : "") +
      "\n";
  for (const auto& item : report.observations) {
    const auto& value = item.value;
    text += "  " + std::string(item.code.mapped_code.empty() ? item.code.code : item.code.mapped_code) + " [" +
            std::string(item.sub_id) + "] ";
    switch (value.kind) {
      case model::ValueKind::number:
        text += std::string(value.comparator) + std::string(value.number) + " " + std::string(value.ucum);
        break;
      case model::ValueKind::range:
      case model::ValueKind::ratio: text += std::string(value.low) + ".." + std::string(value.high); break;
      case model::ValueKind::time: text += value.time.iso; break;
      case model::ValueKind::attachment:
        text += std::string(value.attachment.mime) + " " + std::string(value.attachment.data);
        break;
      case model::ValueKind::coded: text += value.coded.code; break;
      default: text += value.sent;
    }
    text += " " + std::string(to_string(item.status)) + " (" + std::string(item.interval.sent) + ")";
    for (const auto& flag : item.flags) text += " " + std::string(flag);
    for (const auto& note : item.notes) text += " \"" + std::string(note) + "\"";
    text += "\n";
  }
  return text;
}

std::string said(const model::Event& event) {
  if (event.report) return said(*event.report);
  if (event.kind == EventKind::encounter_changed) {
    const auto& e = event.encounter;
    return "encounter " + std::string(e.number) + " " + std::string(e.change) + " " + std::string(to_string(e.status)) +
           " " + std::string(e.admitted.iso) + " " + std::string(e.discharged.iso) + " " + std::string(e.location) +
           "\n";
  }
  return std::string(to_string(event.kind)) + " " + std::string(event.merge.prior_number) + "\n";
}

class Delivered : public testing::TestWithParam<std::string> {
 protected:
  static const model::FacilityDirectory& facilities() {
    static const auto directory = app::read_facilities(fs::path(HUTONG_SOURCE_DIR) / "schemas/facilities", "");
    return *directory;
  }
  static const normalize::Normalizer& normalizer() {
    static const normalize::Normalizer all(
        terminology::Terminology::load(fs::path(HUTONG_SOURCE_DIR) / "schemas/terminology"));
    return all;
  }
  // What a message that was delivered says to who receives it, of the event that it is about.
  static std::string read_back(const std::string& bytes, EventKind kind) {
    const hl7v2::Hl7v2 format;
    model::Draft draft;
    port::ReadContext context;
    context.facilities = &facilities();
    context.accept_unknown_senders = true;
    const auto reading = format.read(bytes, context, draft);
    if (reading.answer != model::Answer::accepted) return "refused: " + std::string(draft.issues.list()[0].code);
    normalizer().normalize(draft, reading.facility, facilities());
    for (const auto& event : draft.parts[0].events) {
      if (event.kind == kind) return said(draft.parts[0].subject) + said(event);
    }
    return "another kind";
  }
};

TEST_P(Delivered, reads_back_as_what_it_was_made_of) {
  const fs::path folder = fs::path(HUTONG_SOURCE_DIR) / "tests/golden/hl7v2" / GetParam();
  std::istringstream records(file(folder / "event.json"));
  const auto payload = hl7v2::hl7v2_payload();
  std::string golden;
  for (std::string line; std::getline(records, line);) {
    Arena arena;
    model::RecordView record;
    ASSERT_TRUE(model::read_record(line, arena, record));
    for (const auto& event : record.events) {
      if (!payload->has_words_for(to_string(event.kind))) continue;
      port::Notice notice;
      notice.record = &record;
      notice.event = &event;
      notice.kind = to_string(event.kind);
      notice.version = event.version;
      notice.event_id = record.id.hex() + "." + std::to_string(event.ordinal);
      notice.facility = record.subject.facility;
      notice.number = record.subject.number;
      notice.appended = record.times.appended;
      for (const auto* version : {"2.3", "2.3.1", "2.4", "2.5", "2.5.1", "2.6", "2.7", "2.8"}) {
        for (const auto* charset : {"UTF-8", "GB18030"}) {
          model::Subscription receiver;
          receiver.version = version;
          receiver.charset = charset;
          receiver.receiving_application = "HIS";
          const auto letter = payload->write(notice, receiver);
          ASSERT_TRUE(letter) << letter.error().message;
          EXPECT_EQ(letter->control_id.size(), 20U);
          EXPECT_EQ(payload->write(notice, receiver)->body, letter->body) << "tried again, it is the same bytes";
          EXPECT_EQ(read_back(letter->body, event.kind), said(record.subject) + said(event))
              << version << " " << charset;
          if (std::string(version) == "2.5.1" && std::string(charset) == "UTF-8") golden += letter->body + "\r";
        }
      }
    }
  }
  for (auto& c : golden) {
    if (c == '\r') c = '\n';
  }
  if (std::getenv("HUTONG_ACCEPT")) {
    if (!golden.empty()) std::ofstream(folder / "delivered.hl7", std::ios::binary) << golden;
  } else {
    EXPECT_EQ(golden, file(folder / "delivered.hl7")) << "review the difference; HUTONG_ACCEPT=1 rewrites it";
  }
}

// A step of a referral as its other party hears it, over the bytes of a message: its words, and who it is about.
class DeliveredReferral : public Delivered {
 protected:
  DeliveredReferral() {
    record.source.facility = "bc-county";
    record.subject.number = "C1";
    record.subject.names.push(arena, {.text = "王晓明", .family = "王", .given = "晓明"});
    notice.record = &record;
    notice.operations = &said;
    notice.kind = model::referral_answered_kind;
    notice.event_id = "00112233445566778899aabbccddeeff.0";
    notice.facility = "cc-east";
    notice.number = "C1";
    notice.appended = {1'780'000'000'000'000};
    said.referral = &referral;
    said.answered = &answered;
    said.command = &command;
    referral.number = "ZZ-17";
    referral.sender = "cc-east";
    referral.sender_department = "全科";
    referral.receiver = "bc-county";
    referral.receiver_department = "心内科";
    referral.urgency = model::Priority::urgent;
    referral.choice = model::Choice::agreed;
    referral.direction = model::Direction::up;
    referral.indication = {"I20", "胸痛|待查"};
    referral.insurance_filing = "YB9";
    command.practitioner = "D07";
  }
  // "action sender number: …", as our own reader takes it; "" nothing is said.
  std::string heard(model::ReferralAction action, model::ReferralRole role, std::vector<std::string> parties,
                    const std::string& version = "2.5.1") {
    answered.action = command.action = action;
    answered.role = role;
    model::Subscription receiver;
    receiver.version = version;
    receiver.charset = "GB18030";
    receiver.filter.parties = std::move(parties);
    const auto letter = hl7v2::hl7v2_payload()->write(notice, receiver);
    if (!letter) return letter.error().message;
    bytes = letter->body;
    if (letter->unsaid) return "";
    const hl7v2::Hl7v2 format;
    model::Draft draft;
    port::ReadContext context;
    context.facilities = &facilities();
    const auto reading = format.read(bytes, context, draft);
    if (reading.answer != model::Answer::accepted) return "refused: " + std::string(draft.issues.list()[0].code);
    normalizer().normalize(draft, reading.facility, facilities());
    const auto& part = draft.parts[0];
    const auto& word = *part.events[0].referral;
    std::string text = std::string(word.action) + " " + std::string(word.sender) + " " + std::string(word.number) + ":";
    for (const auto& each : {word.receiver, word.choice, word.direction, word.insurance_filing, word.reason.code,
                             word.reason.display, word.follows_number, word.place}) {
      if (!each.empty()) text += " " + std::string(each);
    }
    if (!word.slot_start.iso.empty()) text += " " + std::string(word.slot_start.iso);
    if (word.priority != model::Priority::unknown) text += " " + std::string(to_string(word.priority));
    for (const auto& name : part.subject.names) text += " " + std::string(name.text);
    return text + " " + std::string(part.subject.number);
  }

  Arena arena;
  model::RecordView record;
  model::ReferralView referral;
  model::ReferralAnswered answered;
  model::ReferralCommand command;
  port::OperationsNotice said;
  port::Notice notice;
  std::string bytes;
};

TEST_F(DeliveredReferral, goes_to_the_other_party_as_what_it_would_have_sent_itself) {
  using enum model::ReferralAction;
  using enum model::ReferralRole;
  const std::vector<std::string> east{"cc-east"}, county{"bc-county"}, both{"cc-east", "bc-county"};
  for (const auto* version : {"2.3", "2.4", "2.5.1", "2.6", "2.8"}) {
    EXPECT_EQ(heard(request, model::ReferralRole::sender, county, version),
              "request cc-east ZZ-17: bc-county agreed up YB9 I20 胸痛|待查 urgent 王晓明 C1")
        << version;
  }
  EXPECT_EQ(heard(request, model::ReferralRole::sender, east), "") << "its own word";
  EXPECT_EQ(heard(amend, model::ReferralRole::sender, county).substr(0, 19), "amend cc-east ZZ-17");
  command.reason = {"01", "无床位"};
  EXPECT_EQ(heard(cancel, model::ReferralRole::sender, county),
            "cancel cc-east ZZ-17: bc-county agreed up YB9 01 无床位 urgent 王晓明 C1");
  EXPECT_EQ(heard(close, model::ReferralRole::sender, county).substr(0, 19), "close cc-east ZZ-17");
  command.receiver = "bc-city";
  EXPECT_EQ(heard(decline, model::ReferralRole::receiver, east),
            "decline cc-east ZZ-17: bc-city agreed up 01 无床位 urgent 王晓明 C1");
  EXPECT_EQ(heard(decline, model::ReferralRole::receiver, county), "");
  command = {};
  command.practitioner = "D9";
  referral.slot = model::Slot{{1'780'000'000'000'000}, {1'780'003'600'000'000}, "心内科", "3 床"};
  for (const auto* version : {"2.3", "2.5.1", "2.8"}) {
    EXPECT_EQ(heard(accept, model::ReferralRole::receiver, both, version),
              "accept cc-east ZZ-17: bc-county agreed up 3 床 2026-05-29T04:26:40.000+08:00 urgent 王晓明 C1")
        << version;
  }
  for (const auto& [action, name] :
       {std::pair(receive, "receive"), std::pair(arrive, "arrive"), std::pair(treat, "treat"),
        std::pair(report, "report"), std::pair(no_show, "no-show")}) {
    EXPECT_EQ(heard(action, model::ReferralRole::receiver, east).substr(0, std::string(name).size() + 1),
              std::string(name) + " ");
  }
  EXPECT_EQ(heard(close, linked, east).substr(0, 6), "close ");
  EXPECT_EQ(heard(close, linked, county).substr(0, 6), "close ");
  EXPECT_EQ(heard(expire, clock, county).substr(0, 7), "cancel ");
  EXPECT_EQ(heard(remind, clock, both), "");
}

TEST_F(DeliveredReferral, who_loses_it_is_told_that_by_number_alone) {
  said.lost = true;
  referral.receiver = "bc-city";
  record.subject.names = {};
  EXPECT_EQ(heard(model::ReferralAction::redirect, model::ReferralRole::sender, {"bc-county"}),
            "cancel cc-east ZZ-17: C1");
  for (const auto* hidden : {"bc-city", "I20", "YB9", "agreed"})
    EXPECT_EQ(bytes.find(hidden), std::string::npos) << hidden;
}

// A decision about persons, over the bytes of a message: two sides that are one person, or two.
class DeliveredDecision : public Delivered {
 protected:
  DeliveredDecision() {
    record.source.facility = "bc-county";
    record.subject.number = "C1";
    record.subject.names.push(arena, {.text = "王晓明", .family = "王", .given = "晓明"});
    record.subject.identifiers.push(arena,
                                    {.kind = model::IdentifierKind::resident_card, .value = "110105198001020011"});
    notice.record = &record;
    notice.identity = &said;
    notice.event_id = "00112233445566778899aabbccddeeff.0";
    notice.facility = "bc-county";
    notice.number = "C1";
    notice.appended = said.at = {1'780'000'000'000'000};
    said.patient = {"bc-county", "C1", one};
    said.other = {"bc-city", "Z7", one};
  }
  // Its segments, one a line, without the header's beginning and with ID as its control id; "" nothing is said.
  std::string message(std::string_view kind, const std::string& version = "2.5.1",
                      const std::string& charset = "UTF-8") {
    notice.kind = kind;
    model::Subscription receiver;
    receiver.version = version;
    receiver.charset = charset;
    const auto letter = hl7v2::hl7v2_payload()->write(notice, receiver);
    if (!letter) return letter.error().message;
    bytes = letter->body;
    if (letter->unsaid) return "";
    auto text = bytes.substr(bytes.find("||ADT") + 2);
    text.replace(text.find(letter->control_id), letter->control_id.size(), "ID");
    for (auto& c : text) {
      if (c == '\r') c = '\n';
    }
    return text;
  }
  Arena arena;
  model::RecordView record;
  port::IdentityNotice said;
  port::Notice notice;
  std::string bytes;
  const PersonId one = PersonId(sha256("one")), two = PersonId(sha256("two"));
};

TEST_F(DeliveredDecision, is_what_a_hospital_would_say_of_its_own_numbers) {
  const std::string pid = "PID|1||C1^^^bc-county^MR~110105198001020011^^^^NI||王^晓明|||U\n";
  EXPECT_EQ(message("identity.linked"),
            "ADT^A24^ADT_A24|ID|P|2.5.1||||||UNICODE UTF-8\n"
            "EVN|A24|20260529042640.000+0800\n" +
                pid + "PV1|1|N\nPID|2||Z7^^^bc-city^MR\nPV1|1|N\n");
  EXPECT_EQ(message("identity.merged"),
            "ADT^A40^ADT_A39|ID|P|2.5.1||||||UNICODE UTF-8\n"
            "EVN|A40|20260529042640.000+0800\n" +
                pid + "MRG|Z7^^^bc-city^MR\n");
  said.unites = false;
  said.other.person = two;
  said.rest = {said.patient};
  said.apart = {said.other};
  EXPECT_EQ(message("identity.split"),
            "ADT^A37^ADT_A37|ID|P|2.5.1||||||UNICODE UTF-8\n"
            "EVN|A37|20260529042640.000+0800\n" +
                pid + "PV1|1|N\nPID|2||Z7^^^bc-city^MR\nPV1|1|N\n");
}

TEST_F(DeliveredDecision, reads_back_in_every_version_and_character_set) {
  for (const auto* version : {"2.3", "2.3.1", "2.4", "2.5", "2.5.1", "2.6", "2.7", "2.8"}) {
    for (const auto* charset : {"UTF-8", "GB18030"}) {
      said.unites = true;
      said.other.person = one;
      ASSERT_NE(message("identity.linked", version, charset), "");
      EXPECT_THAT(read_back(bytes, EventKind::patient_linked),
                  ::testing::HasSubstr("王晓明 110105198001020011\npatient.linked Z7"));
      ASSERT_NE(message("identity.merged", version, charset), "");
      EXPECT_THAT(read_back(bytes, EventKind::patient_merged), ::testing::EndsWith("patient.merged Z7\n"));
      said.unites = false;
      said.other.person = two;
      ASSERT_NE(message("identity.undone", version, charset), "");
      EXPECT_THAT(read_back(bytes, EventKind::patient_unlinked), ::testing::EndsWith("patient.unlinked Z7\n"));
    }
  }
}

// Of several on a side each PID names those who are one person with its first by now.
TEST_F(DeliveredDecision, a_side_of_several_is_one_patient_with_several_numbers) {
  said.unites = false;
  said.other.person = two;
  said.rest = {{"bc-city", "Z1", one}, said.patient, {"cc-east", "E1", two}};
  said.apart = {{"bc-city", "Z8", two}, said.other, {"cc-east", "E2", one}};
  const auto text = message("identity.split");
  EXPECT_NE(text.find("PID|1||C1^^^bc-county^MR~Z1^^^bc-city^MR~110105198001020011"), std::string::npos) << text;
  EXPECT_NE(text.find("PID|2||Z7^^^bc-city^MR~Z8^^^bc-city^MR\n"), std::string::npos) << text;
}

TEST_F(DeliveredDecision, what_is_not_so_any_more_is_not_said) {
  said.other.person = two;
  EXPECT_EQ(message("identity.linked"), "");
  EXPECT_EQ(message("identity.merged"), "");
  said.unites = false;
  EXPECT_EQ(message("identity.undone").substr(0, 7), "ADT^A37");
  said.other.person = one;
  EXPECT_EQ(message("identity.split"), "");
  EXPECT_EQ(message("identity.undone"), "") << "another link holds them together";
  said.unites = true;
  EXPECT_EQ(message("identity.undone").substr(0, 7), "ADT^A24");
}

TEST(ControlId, is_the_events_and_its_versions) {
  const auto one = hl7v2::control_id_of("00112233445566778899aabbccddeeff.0", 1);
  EXPECT_EQ(one, hl7v2::control_id_of("00112233445566778899aabbccddeeff.0", 1));
  EXPECT_NE(one, hl7v2::control_id_of("00112233445566778899aabbccddeeff.1", 1));
  EXPECT_NE(one, hl7v2::control_id_of("00112233445566778899aabbccddeeff.0", 2));
  EXPECT_EQ(one.find_first_not_of("0123456789ABCDEFGHJKMNPQRSTVWXYZ"), std::string::npos);
}

std::vector<std::string> all_cases() {
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(fs::path(HUTONG_SOURCE_DIR) / "tests/golden/hl7v2")) {
    if (entry.is_directory()) names.push_back(entry.path().filename());
  }
  std::sort(names.begin(), names.end());
  return names;
}

INSTANTIATE_TEST_SUITE_P(Hl7v2, Delivered, testing::ValuesIn(all_cases()), [](const auto& info) { return info.param; });

}  // namespace
}  // namespace hutong
