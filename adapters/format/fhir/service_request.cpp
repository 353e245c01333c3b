// ServiceRequest of an order that a message placed (hl7.org/fhir/R4/servicerequest.html).
#include "adapters/format/fhir/resources.h"

namespace hutong::fhir {

void write_service_request(Writer& out, const model::OrderView& view) {
  const model::Order& order = view.order;
  const model::View self{.kind = model::ViewKind::order, .order = &view};
  write_meta(out, view.version, view.updated, view.event_id, order.path,
             std::vector<Text>(order.labels.begin(), order.labels.end()));
  write_numbers(out, self);
  out.member("status", model::status_of(self));
  out.member("intent", "order");
  out.member("priority", model::to_string(order.priority));
  write_concept(out, "code", order.service, order.facility);
  write_subject(out, "subject", view.person);
  if (!order.encounter_number.empty()) {  // by its number: the stay itself may never have been told
    out.open("encounter");
    out.open("identifier");
    out.member("system", "urn:hutong:facility:" + std::string(view.facility) + ":visit");
    out.member("value", order.encounter_number);
    out.close();
    out.close();
  }
  out.member("occurrenceDateTime", date_time(order.requested));
  out.member("authoredOn", date_time(order.placed));
  if (is_named(order.orderer)) {
    out.name("requester");
    write_party_body(out, order.orderer, "Practitioner", order.facility);
  } else if (is_named(order.department)) {
    out.name("requester");
    write_party_body(out, order.department, "Organization", order.facility);
  }
  if (!order.reason.empty() || !order.diagnoses.empty()) {
    out.open_list("reasonCode");
    const auto reason = [&](const model::Coded& coded) {
      if (coded.empty()) return;
      out.open();
      write_concept_body(out, coded, order.facility);
      out.close();
    };
    reason(order.reason);
    for (const auto& diagnosis : order.diagnoses) reason(diagnosis);
    out.close_list();
  }
  if (const auto& specimen = order.specimen;
      !specimen.number.empty() || !specimen.type.empty()) {  // no resource of its own before there is a report
    out.open_list("specimen");
    out.open();
    if (!specimen.number.empty()) {
      out.open("identifier");
      out.member("system", "urn:hutong:facility:" + std::string(order.facility) + ":specimen");
      out.member("value", specimen.number);
      out.close();
    }
    out.member("display", specimen.type.display.empty() ? specimen.type.code : specimen.type.display);
    out.close();
    out.close_list();
  }
  write_annotations(out, "note", order.notes);
}

}  // namespace hutong::fhir
