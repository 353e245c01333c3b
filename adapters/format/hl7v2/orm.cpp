// ORM, OML and OMG: what is ordered, and what becomes of it. ORC opens an order, OBR says what it asks for; what
// follows belongs to it. An ORC alone (a cancellation, as a rule) speaks of all that was ordered under its number.
#include <algorithm>

#include "adapters/format/hl7v2/reader.h"

namespace hutong::hl7v2 {
namespace {

using model::OrderStatus;

struct Control {
  Text code;  // ORC-1, table 0119
  Text change;
  OrderStatus status;  // unknown: ORC-5 says it, or what stood before stands
};

// What a facility asks for, does of itself, or has done as it was asked is the same to an order's reader.
constexpr Control kControls[] = {
    {"NW", "placed", OrderStatus::active},
    {"RO", "placed", OrderStatus::active},  // in place of an order that RP ended
    {"SN", "placed", OrderStatus::active},  // the filler's own, which asks for a number
    {"PA", "placed", OrderStatus::active},
    {"CH", "placed", OrderStatus::active},
    {"OK", "accepted", OrderStatus::active},
    {"NA", "accepted", OrderStatus::active},
    {"RR", "accepted", OrderStatus::active},
    {"UA", "rejected", OrderStatus::revoked},
    {"CA", "cancelled", OrderStatus::revoked},
    {"OC", "cancelled", OrderStatus::revoked},
    {"CR", "cancelled", OrderStatus::revoked},
    {"DC", "discontinued", OrderStatus::revoked},
    {"OD", "discontinued", OrderStatus::revoked},
    {"DR", "discontinued", OrderStatus::revoked},
    {"RP", "replaced", OrderStatus::revoked},
    {"RU", "replaced", OrderStatus::revoked},
    {"RQ", "replaced", OrderStatus::revoked},
    {"HD", "held", OrderStatus::on_hold},
    {"OH", "held", OrderStatus::on_hold},
    {"HR", "held", OrderStatus::on_hold},
    {"RL", "released", OrderStatus::active},
    {"OE", "released", OrderStatus::active},
    {"OR", "released", OrderStatus::active},
    {"XO", "changed", OrderStatus::unknown},
    {"XX", "changed", OrderStatus::unknown},
    {"XR", "changed", OrderStatus::unknown},
    {"SC", "status-changed", OrderStatus::unknown},
    {"SR", "status-changed", OrderStatus::unknown},
    {"RE", "status-changed", OrderStatus::unknown},
    {"CN", "status-changed", OrderStatus::unknown},
    {"UC", "refused", OrderStatus::unknown},  // unable to cancel, discontinue, hold, replace, release, change
    {"UD", "refused", OrderStatus::unknown},
    {"UH", "refused", OrderStatus::unknown},
    {"UM", "refused", OrderStatus::unknown},
    {"UR", "refused", OrderStatus::unknown},
    {"UX", "refused", OrderStatus::unknown},
};

const Control* control_of(Text code) {
  for (const Control& control : kControls) {
    if (control.code == code) return &control;
  }
  return nullptr;
}

// ORC-5, table 0038.
OrderStatus order_status(Text code) {
  if (code == "CM") return OrderStatus::completed;
  if (code == "CA" || code == "DC" || code == "RP") return OrderStatus::revoked;
  if (code == "HD") return OrderStatus::on_hold;
  if (code == "A" || code == "IP" || code == "SC") return OrderStatus::active;
  return OrderStatus::unknown;
}

bool is_named(const model::Party& party) {
  return !party.code.empty() || !party.name.empty();
}

// Details of an order that is none for an examination: medicines, diets, supplies. They stay in the message.
bool is_other_detail(std::uint32_t name) {
  static constexpr std::uint32_t others[] = {segment_name("RXO"), segment_name("RXE"), segment_name("RXR"),
                                             segment_name("RXC"), segment_name("ODS"), segment_name("ODT"),
                                             segment_name("RQD"), segment_name("RQ1")};
  return std::find(std::begin(others), std::end(others), name) != std::end(others);
}

class Orders {
 public:
  explicit Orders(Reader& reader)
      : reader_(reader),
        arena_(reader.arena),
        // OML^O33 and O35 name a specimen first, then what is ordered of it.
        specimen_leads_(reader.trigger == "O33" || reader.trigger == "O35") {}

  model::Answer read() {
    const auto& segments = reader_.message.segments();
    for (std::size_t i = 1; i < segments.size() && fine_; ++i) read_segment(segments[i]);
    if (!fine_) return model::Answer::content_rejected;
    close_order();
    if (!part_) return read_other(reader_);
    if (part_->events.empty()) {  // of nothing that is ordered here: kept, readable
      model::Event& event = part_->events.push(arena_);
      event.occurred = reader_.draft.times.sent;
    }
    return model::Answer::accepted;
  }

 private:
  void read_segment(const Segment& segment) {
    switch (segment.name) {
      case kPID: read_pid(segment); break;
      case kNK1:
        if (part_ && !prior_) read_next_of_kin(reader_, segment, part_->subject);
        break;
      case kPV1:
        if (!visit_ && !prior_) visit_ = &segment;
        break;
      case kORC: open_order(segment); break;
      case kTQ1:
        if (order_ && !prior_) read_timing(reader_.value(segment, 9), reader_.moment(segment, 7));
        break;
      case kOBR: read_service(segment); break;
      case kNTE:
        if (order_ && !prior_) {
          if (const Text text = reader_.lines(reader_.field(segment, 3)); !text.empty())
            order_->notes.push(arena_, text);
        }
        break;
      case kDG1:
        if (!prior_) read_diagnosis(reader_, segment, order_ ? order_->diagnoses : diagnoses_);
        break;
      case kSPM:
        if (prior_) break;
        if (specimen_leads_ || !order_) {
          close_order();
          leading_ = {};
          read_specimen(reader_, segment, leading_);
        } else {
          order_->specimen = {};
          read_specimen(reader_, segment, order_->specimen);
        }
        break;
      default:
        if (order_ && is_other_detail(segment.name)) other_ = true;
        break;
    }
  }

  void read_pid(const Segment& pid) {
    if (part_) {  // OML: the patient as of the prior results that follow. ORM has none: it could only be somebody else
      close_order();
      prior_ = true;
      if (reader_.draft.source.type.starts_with("ORM") && reader_.value(pid, 3) != patient_) {
        reader_.refuse("several-patients", "PID[2]", "another patient", "one patient, or a message for each",
                       condition::segment_sequence);
        fine_ = false;
      }
      return;
    }
    patient_ = reader_.value(pid, 3);
    part_ = &reader_.draft.parts.push(arena_);
    read_patient(reader_, pid, part_->subject);
    fine_ = attributable(reader_, part_->subject, "PID");
  }

  void open_order(const Segment& orc) {
    close_order();
    ++orcs_;
    prior_ = reader_.value(orc, 1) == "PR";  // prior results, sent along: no order
    if (prior_) return;
    if (!part_) {  // of no patient: for the stores, for all of a ward. Kept, attributed to nobody.
      if (orcs_ == 1) {
        reader_.warn("segment-missing", "PID", "no such segment",
                     "the patient whom the order is for; nothing is shown of it", condition::segment_sequence);
      }
      return;
    }
    orc_ = &orc;
    begin(&orc, reader_.path("ORC", orcs_));
  }

  void begin(const Segment* orc, Text path) {
    model::Event& event = part_->events.push(arena_);
    event.kind = model::EventKind::order_placed;
    event.ordinal = static_cast<std::uint32_t>(part_->events.size() - 1);
    order_ = event.order = arena_.make<model::Order>();
    order_->path = path;
    at_ = {};
    order_->specimen = leading_;
    if (orc) read_order_control(*orc);
  }

  void read_order_control(const Segment& orc) {
    model::Order& order = *order_;
    order.change_sent = reader_.value(orc, 1);
    order.status_sent = reader_.value(orc, 5);
    order.number = reader_.value(orc, 2);
    order.filler_number = reader_.value(orc, 3);
    order.group_number = reader_.value(orc, 4);
    order.orderer = reader_.person(reader_.field(orc, 12));
    const model::Coded department = reader_.coded(reader_.field(orc, 17));
    order.department = {department.code, department.display, department.system};
    order.ordering_facility = reader_.organisation(reader_.field(orc, 21));
    const auto timing = reader_.components<6>(reader_.field(orc, 7));  // TQ, before TQ1
    read_timing(reader_.clean(timing[5]), {reader_.clean(timing[3]), {}});
    at_ = reader_.moment(orc, 9);  // of this transaction, be it the order or its cancellation
    if (order.change_sent.empty()) {
      order.change = "placed";
      order.status = OrderStatus::active;
      reader_.warn("order-control-missing", reader_.path(order.path, Text("1")), "nothing",
                   "what is done to the order, like NW or CA (HL7 table 0119); taken as a new one",
                   condition::required_missing);
      return;
    }
    if (const Control* control = control_of(order.change_sent)) {
      order.change = control->change;
      order.status = control->status;
    } else {
      reader_.warn("order-control-unknown", reader_.path(order.path, Text("1")), reader_.shown(order.change_sent),
                   "a code of HL7 table 0119 that is modelled, like NW, CA or XO; the order's status is left as it was",
                   condition::table_value);
    }
    if (order.status == OrderStatus::unknown) order.status = order_status(order.status_sent);
  }

  // The first that says it stands.
  void read_timing(Text priority, model::Moment start) {
    if (order_->priority_sent.empty()) order_->priority_sent = priority;
    if (order_->requested.sent.empty()) order_->requested = start;
  }

  void read_service(const Segment& obr) {
    ++obrs_;
    if (prior_ || !part_) return;
    if (!orc_ || served_) {
      if (served_ && !reader_.value(obr, 25).empty()) {  // has a result: one of OML's prior results without their ORC
        close_order();
        prior_ = true;
        return;
      }
      // Older senders put several OBR under one ORC, or none over any.
      const Segment* orc = orc_;
      close_order();
      orc_ = orc;
      begin(orc, orc ? reader_.path("ORC", orcs_) : reader_.path("OBR", obrs_));
      if (!orc) {
        order_->change = "placed";
        order_->status = OrderStatus::active;
        reader_.warn("order-control-missing", "ORC", "an OBR without ORC", "ORC before its OBR; taken as a new order",
                     condition::segment_sequence);
      }
    }
    served_ = true;
    model::Order& order = *order_;
    if (order.number.empty()) order.number = reader_.value(obr, 2);
    if (order.filler_number.empty()) order.filler_number = reader_.value(obr, 3);
    reader_.read_coded(reader_.field(obr, 4), order.service);
    order.section = reader_.value(obr, 24);
    const auto timing = reader_.components<6>(reader_.field(obr, 27));
    read_timing(reader_.value(obr, 5), reader_.moment(obr, 6));
    read_timing(reader_.clean(timing[5]), {reader_.clean(timing[3]), {}});
    if (!is_named(order.orderer)) order.orderer = reader_.person(reader_.field(obr, 16));
    order.reason = reader_.coded(reader_.field(obr, 31));
    if (!order.specimen.present) read_specimen_source(reader_, obr, order.specimen);
    if (order.service.empty()) {
      reader_.warn("service-missing", reader_.path(reader_.path("OBR", obrs_), Text("4")), "nothing",
                   "the code of what is ordered", condition::required_missing);
    }
  }

  void close_order() {
    if (!order_) return;
    model::Order& order = *order_;
    if (other_ && !served_) {  // not for an examination: no event of ours
      part_->events.pop();
    } else {
      finish(order);
    }
    order_ = nullptr;
    orc_ = nullptr;
    served_ = other_ = false;
  }

  void finish(model::Order& order) {
    if (!served_ && order.change == "placed") {
      reader_.warn("segment-missing", "OBR", "no such segment", "what is ordered, behind its ORC",
                   condition::segment_sequence);
    }
    if (order.number.empty() && order.filler_number.empty()) {  // the message's own id stands in, as with reports
      const Text id = reader_.draft.source.control_id;
      order.number = part_->events.size() == 1 ? id : reader_.path(id, part_->events.size());
      reader_.warn("order-number-missing", reader_.path(order.path, Text("2")), "nothing",
                   "the placer's number of the order; without it a change or a result cannot be matched",
                   condition::required_missing);
    }
    if (visit_) {
      order.encounter_class_sent = reader_.value(*visit_, 2);
      order.encounter_number = reader_.value(*visit_, 19);
      if (order.encounter_number.empty()) order.encounter_number = reader_.value(*visit_, 50);
      if (!is_named(order.orderer)) order.orderer = reader_.person(reader_.field(*visit_, 7));
      if (!is_named(order.department)) {
        order.department.name = reader_.value(*visit_, 10);
        if (order.department.name.empty()) order.department.name = reader_.value(*visit_, 3);
      }
    }
    for (const auto& diagnosis : diagnoses_) order.diagnoses.push(arena_, diagnosis);
    if (order.change == "placed") order.placed = at_;
    part_->events.back().occurred = at_.sent.empty() ? reader_.draft.times.sent : at_;
  }

  Reader& reader_;
  Arena& arena_;
  const bool specimen_leads_;
  bool fine_ = true;
  model::Part* part_ = nullptr;
  Text patient_;
  const Segment* visit_ = nullptr;
  const Segment* orc_ = nullptr;
  model::Order* order_ = nullptr;
  model::Moment at_;
  bool served_ = false;  // its OBR was read
  bool other_ = false;   // it has the details of something else
  bool prior_ = false;   // what follows are prior results
  std::size_t orcs_ = 0, obrs_ = 0;
  model::Specimen leading_;
  List<model::Coded> diagnoses_;  // that stand before all orders
};

}  // namespace

bool is_modelled_order(Text type) {
  for (const Text each : {"ORM", "ORM^O01", "OML^O21", "OML^O33", "OML^O35", "OMG^O19"}) {
    if (each == type) return true;
  }
  return false;
}

model::Answer read_order_message(Reader& reader) {
  return Orders(reader).read();
}

}  // namespace hutong::hl7v2
