// ORU: results. PID opens a patient, OBR a report, OBX an item of it; what stands between belongs to the last of them.
#include "adapters/format/hl7v2/reader.h"
#include "broker/base/limits.h"

namespace hutong::hl7v2 {
namespace {

class Results {
 public:
  explicit Results(Reader& reader) : reader_(reader), arena_(reader.arena) {}

  model::Answer read() {
    const auto& segments = reader_.message.segments();
    for (std::size_t i = 1; i < segments.size() && fine_; ++i) read_segment(segments[i], i);
    if (fine_) close_patient(false);
    if (fine_ && reader_.draft.parts.empty()) refuse_missing("PID", "the patient's segment before the results");
    if (fine_ && reports_ == 0) refuse_missing("OBR", "an order with its results");
    return fine_ ? model::Answer::accepted : model::Answer::content_rejected;
  }

 private:
  void read_segment(const Segment& segment, std::size_t index) {
    switch (segment.name) {
      case kPID: open_patient(segment); break;
      case kNK1:
        if (patient()) read_next_of_kin(reader_, segment, patient()->subject);
        break;
      case kORC:
        close_report();
        orc_ = &segment;
        break;
      case kOBR: open_report(&segment, index); break;
      case kOBX: read_item(segment, index); break;
      case kNTE: read_note(segment); break;
      case kSPM:
        if (report_) read_specimen(reader_, segment, report_->specimen);
        notes_ = nullptr;
        break;
      case kZDS:
      case kIPC:
        if (report_) read_study(reader_, segment, report_->exam);
        break;
      case kDG1:
        if (report_) read_diagnosis(reader_, segment, report_->diagnoses);
        break;
      case kPV1: read_ward(segment); break;
      default: break;
    }
  }

  model::Part* patient() { return reader_.draft.parts.empty() ? nullptr : &reader_.draft.parts.back(); }

  void open_patient(const Segment& pid) {
    close_patient(true);
    auto& parts = reader_.draft.parts;
    if (parts.size() == limits::patients_per_message) {
      refuse("too-many-patients", "PID", "more than 1000 patients", "several messages", condition::segment_sequence);
      return;
    }
    model::Part& part = parts.push(arena_);
    read_patient(reader_, pid, part.subject);
    const Text where = parts.size() == 1 ? Text("PID") : reader_.path("PID", parts.size());
    fine_ = attributable(reader_, part.subject, where);
    ward_ = {};
    doctor_ = {};
  }

  void close_patient(bool another_follows) {
    close_report();
    orc_ = nullptr;
    // A patient of several of whom nothing was reported: kept, so that the record has an event.
    if (model::Part* part = patient();
        fine_ && part && part->events.empty() && (another_follows || reader_.draft.parts.size() > 1)) {
      model::Event& event = part->events.push(arena_);
      event.occurred = reader_.draft.times.sent;
      reader_.warn("patient-without-results", reader_.path("PID", reader_.draft.parts.size()), "no OBR",
                   "an order with its results", condition::segment_sequence);
    }
  }

  void open_report(const Segment* obr, std::size_t index) {
    close_report();
    model::Part* part = patient();
    if (!part) {
      refuse_missing("PID", "the patient's segment before the results");
      return;
    }
    model::Event& event = part->events.push(arena_);
    event.ordinal = static_cast<std::uint32_t>(part->events.size() - 1);
    report_ = event.report = arena_.make<model::Report>();
    report_->observations.reserve(arena_, items_ahead(index));
    ++reports_;
    obr_ = obr;
    if (obr) {
      report_->path = reader_.path("OBR", ++requests_);
      read_request(reader_, *obr, *report_);
    } else {
      report_->path = "OBR";
    }
    if (orc_) read_order(reader_, *orc_, *report_);
    orc_ = nullptr;
    if (report_->filler_number.empty() && report_->order_number.empty()) name_report();
    notes_ = &report_->notes;
  }

  // Without a number every such report of a facility would be one and the same: the message's own id stands in.
  void name_report() {
    const Text id = reader_.draft.source.control_id;
    report_->filler_number = reports_ == 1 ? id : reader_.path(id, reports_);
    reader_.warn("report-number-missing", reader_.path(report_->path, Text("3")), "nothing",
                 "the filler's number of the report; without it a correction cannot be matched",
                 condition::required_missing);
  }

  // How many OBX follow before the next report: one reservation instead of a growing list.
  std::uint32_t items_ahead(std::size_t index) const {
    const auto& segments = reader_.message.segments();
    std::uint32_t count = segments[index].name == kOBX;
    for (std::size_t i = index + 1; i < segments.size(); ++i) {
      if (segments[i].name == kOBX) ++count;
      if (segments[i].name == kOBR || segments[i].name == kPID || segments[i].name == kORC) break;
    }
    return count;
  }

  void close_report() {
    if (!report_) return;
    finish_report(reader_, *report_);
    finish_exam(reader_, obr_, *report_);
    if (report_->orderer.code.empty() && report_->orderer.name.empty()) report_->orderer = doctor_;
    if (report_->department.code.empty() && report_->department.name.empty()) report_->department.name = ward_;
    model::Event& event = patient()->events.back();
    event.kind = report_->is_exam ? model::EventKind::exam_reported : model::EventKind::result_reported;
    event.occurred = !report_->issued.sent.empty()     ? report_->issued
                     : !report_->observed.sent.empty() ? report_->observed
                                                       : reader_.draft.times.sent;
    report_ = nullptr;
    obr_ = nullptr;
    notes_ = nullptr;
  }

  void read_item(const Segment& obx, std::size_t index) {
    ++items_;
    if (!report_) {
      open_report(nullptr, index);
      if (!report_) return;
      reader_.warn("result-without-order", reader_.path("OBX", items_), "an OBX before any OBR",
                   "an OBR before its results", condition::segment_sequence);
    }
    model::Observation& observation = report_->observations.push(arena_);
    observation.path = reader_.path("OBX", items_);
    read_observation(reader_, obx, observation);
    notes_ = &observation.notes;
    if (const Text observer = reader_.field(obx, 16);
        !observer.empty() && report_->interpreter.code.empty() && report_->interpreter.name.empty()) {
      report_->interpreter = reader_.person(observer);
    }
  }

  void read_note(const Segment& nte) {
    const Text text = reader_.lines(reader_.field(nte, 3));
    if (notes_ && !text.empty()) notes_->push(arena_, text);
  }

  void read_ward(const Segment& pv1) {
    ward_ = reader_.value(pv1, 10);
    if (ward_.empty()) ward_ = reader_.value(pv1, 3);
    doctor_ = reader_.person(reader_.field(pv1, 7));
  }

  void refuse(Text code, Text where, Text found, Text expected, Text hl7_code) {
    reader_.refuse(code, where, found, expected, hl7_code);
    fine_ = false;
  }
  void refuse_missing(Text segment, Text expected) {
    refuse("segment-missing", segment, "no such segment", expected, condition::segment_sequence);
  }

  Reader& reader_;
  Arena& arena_;
  bool fine_ = true;
  const Segment* orc_ = nullptr;
  const Segment* obr_ = nullptr;
  model::Report* report_ = nullptr;
  List<Text>* notes_ = nullptr;  // of the segment that a NTE would follow
  std::size_t reports_ = 0, requests_ = 0, items_ = 0;
  Text ward_;
  model::Party doctor_;
};

}  // namespace

model::Answer read_oru(Reader& reader) {
  return Results(reader).read();
}

}  // namespace hutong::hl7v2
