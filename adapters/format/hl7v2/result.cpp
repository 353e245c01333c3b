// ORC, OBR, OBX and SPM: an order and what was found.
#include "adapters/format/hl7v2/reader.h"

namespace hutong::hl7v2 {
namespace {

using model::ResultStatus;

void fill(Text& target, Text text) {
  if (target.empty()) target = text;
}
void fill(model::Moment& target, model::Moment moment) {
  if (target.sent.empty()) target = moment;
}
void fill(model::Party& target, const model::Party& party) {
  if (target.code.empty() && target.name.empty()) target = party;
}

char letter_of(Text code) {
  if (code.size() != 1) return '\0';
  return code[0] >= 'a' && code[0] <= 'z' ? static_cast<char>(code[0] - 'a' + 'A') : code[0];
}

// OBR-25, table 0123: where it differs from OBX-11.
ResultStatus report_status(Text code) {
  switch (letter_of(code)) {
    case 'S': return ResultStatus::registered;   // scheduled
    case 'M': return ResultStatus::preliminary;  // corrected, not final
    default: return result_status(code);
  }
}

// ORC-5, table 0038, for senders that leave OBR-25 empty.
ResultStatus order_status(Text code) {
  if (code == "CM") return ResultStatus::final;
  if (code == "CA" || code == "DC") return ResultStatus::cancelled;
  if (code == "A") return ResultStatus::partial;
  if (code == "IP" || code == "SC" || code == "HD" || code == "RP") return ResultStatus::registered;
  return ResultStatus::unknown;
}

// What the items together say of a report that says nothing of itself.
ResultStatus status_of_items(const List<model::Observation>& items) {
  bool open = false, corrected = false, final = false, cancelled = false, wrong = false;
  for (const auto& item : items) {
    switch (item.status) {
      case ResultStatus::preliminary:
      case ResultStatus::partial:
      case ResultStatus::registered: open = true; break;
      case ResultStatus::corrected:
      case ResultStatus::amended: corrected = true; break;
      case ResultStatus::final: final = true; break;
      case ResultStatus::cancelled: cancelled = true; break;
      case ResultStatus::entered_in_error: wrong = true; break;
      case ResultStatus::unknown: break;
    }
  }
  if (open) return final || corrected ? ResultStatus::partial : ResultStatus::preliminary;
  if (corrected) return ResultStatus::corrected;
  if (final) return ResultStatus::final;
  if (cancelled) return ResultStatus::cancelled;
  return wrong ? ResultStatus::entered_in_error : ResultStatus::unknown;
}

}  // namespace

// OBX-11, table 0085. D deletes the item and W says that it belongs to another patient: both were never true of this
// one, hence entered-in-error. X says that no result can be had: cancelled. U: a result changed to final without
// being sent again.
ResultStatus result_status(Text code) {
  switch (letter_of(code)) {
    case 'F':
    case 'U':
    case 'V': return ResultStatus::final;
    case 'C': return ResultStatus::corrected;
    case 'B': return ResultStatus::amended;  // appended
    case 'P':
    case 'R': return ResultStatus::preliminary;
    case 'S':
    case 'A': return ResultStatus::partial;
    case 'I':
    case 'N':
    case 'O': return ResultStatus::registered;
    case 'X': return ResultStatus::cancelled;
    case 'D':
    case 'W': return ResultStatus::entered_in_error;
    default: return ResultStatus::unknown;
  }
}

void read_request(const Reader& reader, const Segment& obr, model::Report& report) {
  report.order_number = reader.value(obr, 2);
  report.filler_number = reader.value(obr, 3);
  report.service = reader.coded(reader.field(obr, 4));
  report.requested = reader.moment(obr, 6);
  report.observed = reader.moment(obr, 7);
  report.received = reader.moment(obr, 14);
  report.orderer = reader.person(reader.field(obr, 16));
  report.issued = reader.moment(obr, 22);
  report.section = reader.value(obr, 24);
  report.status_sent = reader.value(obr, 25);
  report.status = report_status(report.status_sent);
  report.reason = reader.coded(reader.field(obr, 31));
  report.interpreter = reader.person(reader.field(obr, 32));
  read_specimen_source(reader, obr, report.specimen);
}

// SPS, before SPM: type & words & system ^ … ^ site
void read_specimen_source(const Reader& reader, const Segment& obr, model::Specimen& specimen) {
  const Text source = reader.field(obr, 15);
  if (source.empty()) return;
  const auto part = reader.components<4>(source);
  const auto type = reader.subcomponents<3>(part[0]);
  specimen.type.code = reader.clean(type[0]);
  specimen.type.display = reader.clean(type[1]);
  specimen.type.system = reader.clean(type[2]);
  const auto site = reader.subcomponents<3>(part[3]);
  specimen.site.code = reader.clean(site[0]);
  specimen.site.display = reader.clean(site[1]);
  specimen.site.system = reader.clean(site[2]);
  specimen.present = !specimen.type.empty();
}

void read_order(const Reader& reader, const Segment& orc, model::Report& report) {
  fill(report.order_number, reader.value(orc, 2));
  fill(report.filler_number, reader.value(orc, 3));
  fill(report.requested, reader.moment(orc, 9));
  fill(report.orderer, reader.person(reader.field(orc, 12)));
  const model::Coded department = reader.coded(reader.field(orc, 17));
  fill(report.department, {department.code, department.display, department.system});
  fill(report.department, reader.organisation(reader.field(orc, 21)));
  if (report.status_sent.empty()) {
    report.status_sent = reader.value(orc, 5);
    report.status = order_status(report.status_sent);
  }
}

void read_observation(const Reader& reader, const Segment& obx, model::Observation& observation) {
  reader.read_coded(reader.field(obx, 3), observation.code);
  observation.sub_id = reader.value(obx, 4);
  read_value(reader, reader.value(obx, 2), reader.field(obx, 5), observation.code.display, observation.value);
  observation.value.unit = read_unit(reader, reader.field(obx, 6));
  if (obx.fields < 7) return;
  observation.interval.sent = reader.clean(reader.lines(reader.field(obx, 7)));
  if (const Text flags = reader.field(obx, 8); flags.size() == 1) {  // as most are
    if (const Text flag = reader.clean(reader.head(flags)); !flag.empty()) {
      observation.flags.push(reader.arena, flag);
    }
  } else if (!flags.empty()) {
    for (Text rest = flags, one; reader.next_repetition(rest, one);) {
      const Text flag = reader.clean(reader.head(one));
      if (!flag.empty()) observation.flags.push(reader.arena, flag);
    }
  }
  observation.status_sent = reader.value(obx, 11);
  observation.status = result_status(observation.status_sent);
  if (observation.status == ResultStatus::unknown && !observation.status_sent.empty()) {
    reader.warn("status-unknown", reader.path(observation.path, Text("11")), reader.shown(observation.status_sent),
                "a status of HL7 table 0085, like F or C; shown as unknown", condition::table_value);
  }
  if (obx.fields < 14) return;
  observation.observed = reader.moment(obx, 14);
  // The laboratory that performed: an organisation by name since 2.5, before that its producer's id.
  if (const Text organisation = reader.field(obx, 23); !organisation.empty()) {
    observation.performer = reader.organisation(organisation);
  }
  if (const Text producer = reader.field(obx, 15); !producer.empty()) {
    const model::Coded named = reader.coded(producer);
    fill(observation.performer, {named.code, named.display, named.system});
  }
  if (obx.fields < 17) return;
  reader.read_coded(reader.field(obx, 17), observation.method);
  fill(observation.performer, {reader.value(obx, 18), {}, {}});  // at least the device
}

void read_specimen(const Reader& reader, const Segment& spm, model::Specimen& specimen) {
  const auto part = reader.components<2>(reader.field(spm, 2));  // placer ^ filler
  const char subcomponent = reader.message.delimiters().subcomponent;
  specimen.number = reader.clean(first_part(part[1], subcomponent));
  fill(specimen.number, reader.clean(first_part(part[0], subcomponent)));
  specimen.type = reader.coded(reader.field(spm, 4));
  specimen.method = reader.coded(reader.field(spm, 7));
  specimen.site = reader.coded(reader.field(spm, 8));
  specimen.collected = reader.moment(spm, 17);
  specimen.received = reader.moment(spm, 18);
  for (const std::uint32_t n : {21U, 24U}) {
    const Text field = reader.field(spm, n);
    if (field.empty()) continue;
    for (Text rest = field, one; reader.next_repetition(rest, one);) {
      const Text condition = reader.clean(reader.head(one));
      if (!condition.empty()) specimen.conditions.push(reader.arena, condition);
    }
  }
  specimen.present = true;
}

void finish_report(const Reader& reader, model::Report& report) {
  if (report.status == ResultStatus::unknown) {
    const ResultStatus found = status_of_items(report.observations);
    if (!report.status_sent.empty()) {
      reader.warn("status-unknown", reader.path(report.path, Text("25")), reader.shown(report.status_sent),
                  "a status of HL7 table 0123, like F or C; the items' status is used", condition::table_value);
    }
    report.status = found;
  }
  for (const auto& item : report.observations) {
    fill(report.performer, item.performer);
    fill(report.observed, item.observed);
  }
}

}  // namespace hutong::hl7v2
