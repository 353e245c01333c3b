#include "adapters/format/hl7v2/hl7v2_payload.h"

#include <algorithm>
#include <array>
#include <optional>

#include "adapters/format/hl7v2/charset.h"
#include "adapters/format/hl7v2/writer.h"
#include "broker/base/hash.h"

namespace hutong::hl7v2 {
namespace {

using model::EventKind;
using model::ResultStatus;
using model::ValueKind;

constexpr Text own_name = "HUTONG";
constexpr int zone_minutes = 480;  // China has one zone; the offset is written beside the time
constexpr Text loinc = "http://loinc.org";

// Of the versions that are written, in order, because they differ from one to another.
constexpr std::array<Text, 8> versions{"2.3", "2.3.1", "2.4", "2.5", "2.5.1", "2.6", "2.7", "2.8"};

bool at_least(Text version, Text other) {
  const auto place = [](Text each) { return std::find(versions.begin(), versions.end(), each); };
  return place(version) >= place(other);
}

// "2026-01-02T03:04:05+08:00" as "20260102030405+0800"; what could not be read, as it was sent.
std::string time_of(const model::Moment& moment) {
  if (moment.iso.empty()) return std::string(moment.sent);
  std::string out;
  const auto t = moment.iso.find('T');
  for (std::size_t i = 0; i < moment.iso.size(); ++i) {
    const char c = moment.iso[i];
    if (c == 'Z' && i + 1 == moment.iso.size()) {
      out += "+0000";
    } else if (c == ':' || c == 'T' || (c == '-' && (t == Text::npos || i < t))) {
      continue;
    } else {
      out.push_back(c);
    }
  }
  return out;
}

Text status_code(ResultStatus status, Text sent) {
  if (sent.size() == 1) return sent;
  switch (status) {
    case ResultStatus::registered: return "I";
    case ResultStatus::partial: return "A";
    case ResultStatus::preliminary: return "P";
    case ResultStatus::final: return "F";
    case ResultStatus::amended:
    case ResultStatus::corrected: return "C";
    case ResultStatus::cancelled: return "X";
    case ResultStatus::entered_in_error: return "W";
    case ResultStatus::unknown: return "";
  }
  return "";
}

struct Trigger {
  Text change, code, structure;
};
constexpr Trigger triggers[] = {{"admitted", "A01", "ADT_A01"},
                                {"transferred", "A02", "ADT_A02"},
                                {"discharged", "A03", "ADT_A03"},
                                {"registered", "A04", "ADT_A01"},
                                {"pre-admitted", "A05", "ADT_A05"},
                                {"class-changed", "A06", "ADT_A06"},
                                {"updated", "A08", "ADT_A01"},
                                {"cancelled-admit", "A11", "ADT_A09"},
                                {"cancelled-transfer", "A12", "ADT_A12"},
                                {"cancelled-discharge", "A13", "ADT_A01"}};

Trigger trigger_of(const model::Event& event) {
  switch (event.kind) {
    case EventKind::patient_merged:
      if (event.merge.identifier_change) return {"", "A47", "ADT_A30"};
      return {"", "A40", "ADT_A39"};
    case EventKind::patient_linked: return {"", "A24", "ADT_A24"};
    case EventKind::patient_unlinked: return {"", "A37", "ADT_A37"};
    case EventKind::encounter_changed:
      for (const auto& trigger : triggers) {
        if (trigger.change == event.encounter.change) return trigger;
      }
      return {"", "A08", "ADT_A01"};
    default: return {"", "A31", "ADT_A05"};
  }
}

// A merge names who goes on; a split, and an undoing, say no more than that two are one person, or are not.
Trigger trigger_of(const port::Notice& notice) {
  if (!notice.identity->unites) return {"", "A37", "ADT_A37"};
  if (notice.kind == "identity.merged") return {"", "A40", "ADT_A39"};
  return {"", "A24", "ADT_A24"};
}

Text identifier_type(const model::Identifier& identifier) {
  if (!identifier.type.empty()) return identifier.type;
  switch (identifier.kind) {
    case model::IdentifierKind::facility_number: return "MR";
    case model::IdentifierKind::resident_card: return "NI";
    case model::IdentifierKind::passport: return "PPN";
    case model::IdentifierKind::visit: return "VN";
    default: return "";
  }
}

// What a step of a referral is called (table 0283 and what it lacks, as ref.cpp reads it), and whom it is for: what the
// sender does goes to the receiver as a REF, what the receiver does to the sender as an RRI, what neither did to both.
struct Step {
  Text type, trigger, status;
};

std::optional<Step> step_of(const port::OperationsNotice& said, const std::vector<std::string>& parties) {
  using enum model::ReferralAction;
  const auto holds = [&](const std::string& code) {
    return std::find(parties.begin(), parties.end(), code) != parties.end();
  };
  if (said.lost) return Step{"REF", "I14", {}};
  const auto by_sender = [&](Text trigger, Text status = {}) -> std::optional<Step> {
    if (!holds(said.referral->receiver)) return std::nullopt;
    return Step{"REF", trigger, status};
  };
  const auto by_receiver = [&](Text trigger, Text status) -> std::optional<Step> {
    if (!holds(said.referral->sender)) return std::nullopt;
    return Step{"RRI", trigger, status};
  };
  const auto role = said.answered->role;
  switch (said.answered->action) {
    case request:
    case redirect: return by_sender("I12");
    case amend: return by_sender("I13");
    case cancel: return by_sender("I14");
    case receive: return by_receiver("I12", "P");
    case accept: return by_receiver("I12", "A");
    case decline: return by_receiver("I12", "R");
    case arrive: return by_receiver("I13", "ARRIVED");
    case treat: return by_receiver("I13", "TREATED");
    case report: return by_receiver("I13", "RETURNED");
    case no_show: return by_receiver("I13", "NOSHOW");
    case close:
      if (role != model::ReferralRole::sender) {
        if (auto step = by_receiver("I13", "CLOSED")) return step;
      }
      return role == model::ReferralRole::receiver ? std::nullopt : by_sender("I13", "CLOSED");
    case expire: {
      auto step = by_receiver("I12", "E");
      return step ? step : by_sender("I14");
    }
    case remind:
    case escalate: break;
  }
  return std::nullopt;
}

Text priority_code(model::Priority priority) {
  switch (priority) {
    case model::Priority::stat: return "S";
    case model::Priority::asap: return "A";
    case model::Priority::urgent: return "U";
    case model::Priority::routine: return "R";
    case model::Priority::unknown: return "";
  }
  return "";
}

// Segments whose fields are given by number, as the standard counts them.
class Composer {
 public:
  Composer(const port::Notice& notice, const model::Subscription& receiver)
      : notice_(notice), receiver_(receiver), writer_(Delimiters()) {}

  Result<std::string> compose(const Step& step) {
    compose_referral(step, *notice_.operations);
    return finish();
  }

  Result<std::string> compose(const port::IdentityNotice& said) {
    compose_decision(said);
    return finish();
  }

  Result<std::string> compose() {
    const auto& event = *notice_.event;
    if (event.report) {
      compose_results(*event.report);
    } else {
      compose_adt(event);
    }
    return finish();
  }

 private:
  Result<std::string> finish() {
    std::string text = writer_.finish();
    if (receiver_.charset != "GB18030") return text;
    std::string encoded;
    encoded.reserve(text.size());
    encode(text, Charset::gb18030, encoded);
    return encoded;
  }

  Writer& segment(Text name) {
    at_ = 0;
    return writer_.segment(name);
  }
  // The writer at field `number`, which is behind those that were written.
  Writer& field(int number) {
    writer_.fields(number - at_);
    at_ = number;
    return writer_;
  }
  void text(int number, Text text) {
    if (!text.empty()) field(number).text(text);
  }
  void time(int number, const model::Moment& moment) { text(number, time_of(moment)); }
  void party(int number, const model::Party& party) {
    if (party.code.empty() && party.name.empty()) return;
    field(number).text(party.code);
    if (!party.name.empty()) writer_.component().text(party.name);
  }
  // The shared code first where there is one, the sender's own beside it.
  void coded(int number, const model::Coded& coded) {
    if (coded.empty() && coded.mapped_code.empty()) return;
    field(number);
    if (!coded.mapped_code.empty() && coded.mapped_system == loinc) {
      writer_.text(coded.mapped_code)
          .component()
          .text(coded.mapped_display.empty() ? coded.display : coded.mapped_display);
      writer_.component().raw("LN");
      if ((coded.code.empty() && coded.display.empty()) || coded.code == coded.mapped_code) return;
      writer_.component().text(coded.code).component().text(coded.display).component();
      writer_.text(coded.system.empty() ? Text("L") : coded.system);
      return;
    }
    writer_.text(coded.code).component().text(coded.display.empty() ? coded.original : coded.display).component();
    writer_.text(coded.system.empty() ? Text("L") : coded.system);
    if (coded.alt_code.empty() && coded.alt_display.empty()) return;
    writer_.component().text(coded.alt_code).component().text(coded.alt_display).component();
    writer_.text(coded.alt_system.empty() ? Text("L") : coded.alt_system);
  }
  void notes(const List<Text>& notes) {
    std::size_t count = 0;
    for (const auto& note : notes) {
      segment("NTE");
      field(1).number(++count);
      text(3, note);
    }
  }

  void header(Text type, Text trigger, Text structure) {
    header(type, trigger, structure, notice_.record->source.facility, receiver_.receiving_facility);
  }

  void header(Text type, Text trigger, Text structure, Text from, Text to) {
    writer_.segment("MSH").field().encoding_characters();
    at_ = 2;  // the separator is MSH-1
    text(3, own_name);
    text(4, from);
    text(5, receiver_.receiving_application);
    text(6, to);
    field(7).time(notice_.appended, zone_minutes);
    field(9).raw(type).component().raw(trigger);
    if (at_least(receiver_.version, "2.3.1")) writer_.component().raw(structure);
    field(10).raw(control_id_of(notice_.event_id, notice_.version));
    field(11).raw("P");
    field(12).raw(receiver_.version);
    field(18).raw(receiver_.charset == "GB18030" ? "GB 18030-2000" : "UNICODE UTF-8");
  }

  void identifier(const model::Identifier& identifier) {
    writer_.text(identifier.value).component().component().component();
    writer_.text(identifier.kind == model::IdentifierKind::facility_number && !identifier.facility.empty()
                     ? identifier.facility
                     : identifier.authority);
    writer_.component().text(identifier_type(identifier));
    period(identifier);
  }

  // CX-7 and CX-8, days (DT); older versions have no place for them.
  void period(const model::Identifier& identifier) {
    const auto from = time_of(identifier.effective).substr(0, 8), to = time_of(identifier.expires).substr(0, 8);
    if ((from.empty() && to.empty()) || !at_least(receiver_.version, "2.5")) return;
    writer_.component().component().text(from);
    if (!to.empty()) writer_.component().text(to);
  }

  // `also`: other numbers of the same person.
  void patient(int set, const std::vector<const port::IdentityNotice::Local*>& also = {}) {
    const auto& subject = notice_.record->subject;
    const auto is_own = [&](const model::Identifier& each) {
      return each.kind == model::IdentifierKind::facility_number && each.value == subject.number;
    };
    segment("PID");
    field(1).number(static_cast<std::size_t>(set));
    field(3);
    bool first = true;
    if (!subject.number.empty()) {
      writer_.text(subject.number).component().component().component().text(notice_.facility).component().raw("MR");
      const auto own = std::find_if(subject.identifiers.begin(), subject.identifiers.end(), is_own);
      if (own != subject.identifiers.end()) period(*own);
      first = false;
    }
    for (const auto* each : also) {
      if (!first) writer_.repetition();
      number_of(each->number, each->facility);
      first = false;
    }
    for (const auto& each : subject.identifiers) {
      if (each.value.empty() || each.placeholder || is_own(each)) continue;
      if (!first) writer_.repetition();
      identifier(each);
      first = false;
    }
    if (!subject.names.empty()) {
      field(5);
      for (std::size_t i = 0; i < subject.names.size(); ++i) {
        const auto& name = subject.names[i];
        if (i > 0) writer_.repetition();
        if (name.given.empty()) {
          writer_.text(name.family.empty() ? name.text : name.family);
        } else {
          writer_.text(name.family).component().text(name.given);
        }
      }
    }
    time(7, subject.born);
    text(8, subject.sex == model::Sex::male     ? "M"
            : subject.sex == model::Sex::female ? "F"
            : subject.sex == model::Sex::other  ? "O"
                                                : "U");
    if (!subject.addresses.empty()) {
      const auto& address = subject.addresses[0];
      const bool in_parts = !address.street.empty() || !address.city.empty() || !address.district.empty();
      field(11).text(in_parts ? address.street : address.text).component().component().text(address.city);
      writer_.component().text(address.province).component().text(address.postcode).component().text(address.country);
      if (!address.district.empty()) writer_.component().component().component().text(address.district);
    }
    contacts(13, "work", false);
    contacts(14, "work", true);
    coded(16, subject.marital);
    text(21, subject.mother_number);
    coded(22, subject.ethnicity);
    coded(28, subject.nationality);
    time(29, subject.died);
    if (subject.deceased) text(30, "Y");
  }

  void contacts(int number, Text use, bool of_this_use) {
    bool first = true;
    for (const auto& contact : notice_.record->subject.contacts) {
      if ((contact.use == use) != of_this_use) continue;
      if (first) {
        field(number);
      } else {
        writer_.repetition();
      }
      first = false;
      if (contact.use == "email") {
        writer_.component().raw("NET").component().raw("Internet").component().text(contact.value);
      } else {
        writer_.text(contact.value).component().raw(contact.use == "work" ? "WPN" : "PRN");
        writer_.component().raw(contact.use == "mobile" ? "CP" : "PH");
      }
    }
  }

  // --- ORU^R01 ---

  void compose_results(const model::Report& report) {
    header("ORU", "R01", "ORU_R01");
    patient(1);
    if (!report.department.name.empty() || !report.department.code.empty()) {
      segment("ORC");
      text(1, "RE");
      text(2, report.order_number);
      text(3, report.filler_number);
      party(17, report.department);
    }
    segment("OBR");
    field(1).number(1);
    text(2, report.order_number);
    text(3, report.filler_number);
    coded(4, report.service);
    time(6, report.requested);
    time(7, report.observed);
    time(14, report.received);
    const bool has_spm = at_least(receiver_.version, "2.5");
    if (report.specimen.present && !has_spm) {
      const auto& type = report.specimen.type;
      field(15).text(type.code).subcomponent().text(type.display);
    }
    party(16, report.orderer);
    if (report.is_exam) text(18, report.exam.accession);
    time(22, report.issued);
    text(24, report.section.empty() && !report.is_exam ? Text("LAB")
             : report.section.empty()                  ? report.exam.modality
                                                       : report.section);
    text(25, status_code(report.status, report.status_sent));
    coded(31, report.reason);
    party(32, report.interpreter);
    notes(report.notes);
    std::size_t count = 0;
    for (const auto& item : report.observations) observation(item, ++count);
    if (report.specimen.present && has_spm) specimen(report.specimen);
    if (!report.exam.study_uid.empty()) {
      segment("ZDS");  // IHE RAD TF-2: the study's UID
      field(1)
          .text(report.exam.study_uid)
          .component()
          .raw(own_name)
          .component()
          .raw("Application")
          .component()
          .raw("DICOM");
    }
  }

  void observation(const model::Observation& item, std::size_t number) {
    segment("OBX");
    field(1).number(number);
    value_type(item);
    coded(3, item.code);
    text(4, item.sub_id);
    value(item);
    unit(item.value);
    text(7, item.interval.sent);
    bool first = true;
    for (const auto& flag : item.flags) {
      if (first) {
        field(8);
      } else {
        writer_.repetition();
      }
      writer_.text(flag);
      first = false;
    }
    text(11, status_code(item.status, item.status_sent));
    time(14, item.observed);
    const bool has_organisation = at_least(receiver_.version, "2.5");
    if (!has_organisation) party(15, item.performer);
    coded(17, item.method);
    if (has_organisation && (!item.performer.name.empty() || !item.performer.code.empty())) {
      field(23).text(item.performer.name);
      if (!item.performer.code.empty()) {
        for (int i = 0; i < 9; ++i) writer_.component();
        writer_.text(item.performer.code);
      }
    }
    notes(item.notes);
  }

  void value_type(const model::Observation& item) {
    const auto& value = item.value;
    Text type;
    switch (value.kind) {
      case ValueKind::none: break;
      case ValueKind::number: type = value.comparator.empty() ? "NM" : "SN"; break;
      case ValueKind::range:
      case ValueKind::ratio: type = "SN"; break;
      case ValueKind::qualitative: type = "ST"; break;
      case ValueKind::coded: type = at_least(receiver_.version, "2.6") ? "CWE" : "CE"; break;
      case ValueKind::text: type = value.sent.size() > 199 || value.sent.find('\n') != Text::npos ? "FT" : "ST"; break;
      case ValueKind::time: type = at_least(receiver_.version, "2.6") ? "DTM" : "TS"; break;
      case ValueKind::attachment: type = value.attachment.encoding.empty() ? "RP" : "ED"; break;
    }
    text(2, type);
  }

  void value(const model::Observation& item) {
    const auto& value = item.value;
    switch (value.kind) {
      case ValueKind::none: break;
      case ValueKind::number:
        if (value.comparator.empty()) {
          text(5, value.number);
        } else {
          field(5).text(value.comparator).component().text(value.number);
        }
        break;
      case ValueKind::range:
      case ValueKind::ratio:
        field(5).component().text(value.low).component().raw(value.kind == ValueKind::range ? "-" : ":");
        writer_.component().text(value.high);
        break;
      case ValueKind::coded: coded(5, value.coded); break;
      case ValueKind::time: time(5, value.time); break;
      case ValueKind::qualitative:
      case ValueKind::text: text(5, value.sent); break;
      case ValueKind::attachment: attachment(value.attachment); break;
    }
  }

  void attachment(const model::Attachment& attachment) {
    const auto slash = attachment.mime.find('/');
    const Text type = attachment.mime.substr(0, slash);
    const Text subtype = slash == Text::npos ? Text() : attachment.mime.substr(slash + 1);
    if (attachment.encoding.empty()) {
      field(5).text(attachment.data).component().component().text(type).component().text(subtype);
      return;
    }
    field(5).component().text(type).component().text(subtype).component();
    const bool base64 = attachment.encoding == "base64";
    writer_.raw(base64 ? "Base64" : attachment.encoding == "hex" ? "Hex" : "A").component();
    writer_.text(attachment.data);
  }

  void unit(const model::Value& value) {
    if (!value.ucum.empty()) {
      field(6).text(value.ucum).component().text(value.ucum).component().raw("UCUM");
      if (!value.unit.empty() && value.unit != value.ucum) {
        writer_.component().text(value.unit).component().text(value.unit).component().raw("L");
      }
    } else {
      text(6, value.unit);
    }
  }

  void specimen(const model::Specimen& specimen) {
    segment("SPM");
    field(1).number(1);
    if (!specimen.number.empty()) field(2).component().text(specimen.number);
    coded(4, specimen.type);
    coded(7, specimen.method);
    coded(8, specimen.site);
    time(17, specimen.collected);
    time(18, specimen.received);
  }

  // --- ADT ---

  void compose_adt(const model::Event& event) {
    const auto trigger = trigger_of(event);
    header("ADT", trigger.code, trigger.structure);
    segment("EVN");
    text(1, trigger.code);
    time(2, event.occurred);
    patient(1);
    switch (event.kind) {
      case EventKind::encounter_changed: visit(event.encounter); break;
      case EventKind::patient_merged:
        segment("MRG");
        field(1);
        number_of(event.merge.prior_number, event.merge.prior_facility);
        break;
      case EventKind::patient_linked:
      case EventKind::patient_unlinked:
        no_visit();
        segment("PID");
        field(1).number(2);
        field(3);
        number_of(event.merge.prior_number, event.merge.prior_facility);
        no_visit();
        break;
      default: no_visit(); break;
    }
  }

  void number_of(Text number, Text facility) {
    writer_.text(number).component().component().component();
    writer_.text(facility.empty() ? notice_.facility : facility).component().raw("MR");
  }

  // A side of a decision is one PID: the number that the decision names first, then those that are the same person's.
  void compose_decision(const port::IdentityNotice& said) {
    using Side = std::vector<const port::IdentityNotice::Local*>;
    const auto beside = [](const auto& first, const auto& side) {
      Side others;
      for (const auto& each : side) {
        const bool is_first = each.facility == first.facility && each.number == first.number;
        if (!is_first && each.person == first.person) others.push_back(&each);
      }
      return others;
    };
    const auto trigger = trigger_of(notice_);
    header("ADT", trigger.code, trigger.structure);
    segment("EVN");
    text(1, trigger.code);
    field(2).time(said.at, zone_minutes);
    patient(1, beside(said.patient, said.rest));
    if (trigger.code == "A40") {
      segment("MRG");
      field(1);
      return number_of(said.other.number, said.other.facility);
    }
    no_visit();
    segment("PID");
    field(1).number(2);
    field(3);
    number_of(said.other.number, said.other.facility);
    for (const auto* each : beside(said.other, said.apart)) {
      writer_.repetition();
      number_of(each->number, each->facility);
    }
    no_visit();
  }

  // PV1 is required where nobody is anywhere: class N, not applicable.
  void no_visit() {
    segment("PV1");
    field(1).number(1);
    text(2, "N");
  }

  void visit(const model::Encounter& encounter) {
    segment("PV1");
    field(1).number(1);
    text(2, class_of(encounter));
    text(3, encounter.location);
    text(6, encounter.prior_location);
    party(7, encounter.attending);
    party(8, encounter.referring);
    text(10, encounter.department);
    party(17, encounter.admitting);
    text(19, encounter.number);
    text(36, encounter.disposition);
    time(44, encounter.admitted);
    time(45, encounter.discharged);
    if (!encounter.reason.empty()) {
      segment("PV2");
      coded(3, encounter.reason);
    }
    std::size_t count = 0;
    for (const auto& diagnosis : encounter.diagnoses) {
      segment("DG1");
      field(1).number(++count);
      coded(3, diagnosis);
    }
  }

  static Text class_of(const model::Encounter& encounter) {
    using enum model::EncounterClass;
    switch (encounter.kind) {
      case outpatient: return "O";
      case emergency: return "E";
      case inpatient:
      case observation: return "I";
      case home:
      case virtual_visit: return "O";
      case unknown: return encounter.class_sent.empty() ? Text("U") : encounter.class_sent;
    }
    return "U";
  }

  // --- REF and RRI: docs/connecting-a-hospital.md ---

  void compose_referral(const Step& step, const port::OperationsNotice& said) {
    const auto& referral = *said.referral;
    const auto& command = *said.command;
    const bool asks = step.type == "REF";
    const Text to = !receiver_.receiving_facility.empty() ? Text(receiver_.receiving_facility)
                    : said.lost                           ? Text()
                    : asks                                ? Text(referral.receiver)
                                                          : Text(referral.sender);
    header(step.type, step.trigger, asks ? "REF_I12" : "RRI_I12", asks ? referral.sender : referral.receiver, to);
    segment("RF1");
    text(1, step.status);
    if (!said.lost) text(2, priority_code(referral.urgency));
    field(6).text(referral.number).component().text(referral.sender);
    if (referral.slot && !said.lost) {
      field(7).time(referral.slot->start, zone_minutes);
      field(8).time(referral.slot->end, zone_minutes);
    }
    if (command.happened) field(9).time(*command.happened, zone_minutes);
    const bool why_asked = asks && step.trigger != "I14" && step.status.empty();
    const auto& reason = why_asked ? referral.indication : command.reason;
    if (reason.said() && !said.lost) {
      field(10).text(reason.code);
      if (!reason.text.empty()) writer_.component().text(reason.text);
    }
    if (!said.lost) {
      if (asks && !referral.insurance_filing.empty()) {
        segment("AUT");
        text(6, referral.insurance_filing);
      }
      provider("RP", referral.sender, referral.sender_department, asks ? Text(command.practitioner) : Text());
      const bool proposes = command.action == model::ReferralAction::decline && !command.receiver.empty();
      const bool has_slot = referral.slot && !referral.slot->department.empty();
      provider("RT", proposes ? Text(command.receiver) : Text(referral.receiver),
               proposes   ? Text(command.receiver_department)
               : has_slot ? Text(referral.slot->department)
                          : Text(referral.receiver_department),
               asks ? Text() : Text(command.practitioner));
    }
    patient(1);
    if (said.lost) return;
    segment("ZRF");
    text(1, to_string(referral.choice));
    text(2, to_string(referral.direction));
    text(3, referral.outside);
    if (!said.follows_number.empty()) field(4).text(said.follows_number).component().text(said.follows_sender);
    if (referral.slot) text(5, referral.slot->place);
  }

  void provider(Text role, Text facility, Text department, Text staff_number) {
    segment("PRD");
    text(1, role);
    field(4).text(department).component().component().component().text(facility);
    text(7, staff_number);
  }

  const port::Notice& notice_;
  const model::Subscription& receiver_;
  Writer writer_;
  int at_ = 0;
};

class Hl7v2Payload final : public port::Payload {
 public:
  bool has_words_for(std::string_view kind) const override {
    return kind == "result.reported" || kind == "exam.reported" || kind == "encounter.changed" ||
           kind.starts_with("patient.") || kind.starts_with("identity.") || kind == model::referral_answered_kind;
  }
  Result<port::Letter> write(const port::Notice& notice, const model::Subscription& subscription) const override {
    if (!has_words_for(notice.kind)) {
      return fail(ErrorCode::invalid, "HL7 v2 has no message here for " + std::string(notice.kind));
    }
    Composer composer(notice, subscription);
    std::optional<Step> step;
    if (notice.operations) {
      step = step_of(*notice.operations, subscription.filter.parties);
      if (!step) return port::Letter{.unsaid = true};
    }
    if (notice.identity && !notice.identity->is_so()) return port::Letter{.unsaid = true};
    auto text = step              ? composer.compose(*step)
                : notice.identity ? composer.compose(*notice.identity)
                                  : composer.compose();
    if (!text) return tl::unexpected(text.error());
    return port::Letter{std::move(*text), "x-application/hl7-v2+er7", control_id_of(notice.event_id, notice.version)};
  }
};

}  // namespace

std::string control_id_of(std::string_view event_id, std::uint32_t version) {
  constexpr char letters[] = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";  // Crockford's: none looks like another
  PartsHash hash;
  const auto digest = hash.add(event_id).add(std::to_string(version)).finish();
  std::string id;
  unsigned bits = 0, held = 0;
  for (std::size_t i = 0; id.size() < 20; ++i) {
    held = held << 8U | digest[i];
    for (bits += 8; bits >= 5 && id.size() < 20; bits -= 5) id.push_back(letters[held >> (bits - 5) & 31U]);
    held &= (1U << bits) - 1;
  }
  return id;
}

bool can_write_version(std::string_view version) {
  return std::find(versions.begin(), versions.end(), version) != versions.end();
}

std::shared_ptr<const port::Payload> hl7v2_payload() {
  return std::make_shared<Hl7v2Payload>();
}

}  // namespace hutong::hl7v2
