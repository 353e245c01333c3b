#include "adapters/format/fhir/fhir_payload.h"

#include "adapters/format/fhir/fhir_rendering.h"

namespace hutong::fhir {
namespace {

using model::EventKind;
using model::ViewKind;

class FhirPayload final : public port::Payload {
 public:
  explicit FhirPayload(std::string base_url) : base_url_(std::move(base_url)) {}

  bool has_words_for(std::string_view kind) const override {
    return kind != "message.received" && !kind.starts_with("critical-value.");
  }
  bool shows_views() const override { return true; }

  Result<port::Letter> write(const port::Notice& notice, const model::Subscription&) const override {
    if (!has_words_for(notice.kind)) {
      return fail(ErrorCode::invalid, "FHIR has no resource here for " + std::string(notice.kind));
    }
    const FhirRendering rendering;
    if (notice.operations) {
      if (notice.operations->lost) return port::Letter{.unsaid = true};
      const port::ReferralEntry parts[] = {{notice.operations->referral, port::ReferralPart::task, {}, {}},
                                           {notice.operations->referral, port::ReferralPart::request, {}, {}}};
      auto body = rendering.referrals({"collection", base_url_, parts, std::nullopt, {}});
      return port::Letter{std::move(body), std::string(rendering.content_type()), {}};
    }
    std::vector<model::View> views;
    if (notice.identity) {
      for (const auto& each : notice.identity->persons) views.push_back({.kind = ViewKind::person, .person = &each});
      return letter(rendering, views);
    }
    const auto& event = *notice.event;
    model::PersonView person, prior;
    person.id = notice.person;
    person.updated = notice.appended;
    person.members.push_back({notice.facility, notice.number, notice.record->subject, 1, notice.appended});
    views.push_back({.kind = ViewKind::person, .person = &person});
    if (event.kind == EventKind::patient_merged && !event.merge.prior_number.empty()) {
      const auto facility = event.merge.prior_facility.empty() ? notice.facility : event.merge.prior_facility;
      prior.id = model::first_person_id(facility, event.merge.prior_number);
      prior.updated = notice.appended;
      model::Subject known;
      known.number = event.merge.prior_number;
      known.identifiers = event.merge.prior_identifiers;
      prior.members.push_back({facility, event.merge.prior_number, known, 1, notice.appended});
      if (!(prior.id == person.id)) {
        prior.replaced_by = person.id;
        person.replaces.push_back(prior.id);
        views.push_back({.kind = ViewKind::person, .person = &prior});
      }
    }
    if (notice.report) {
      for (const auto& view : model::views_of(*notice.report)) views.push_back(view);
    }
    if (notice.encounter) views.push_back({.kind = ViewKind::encounter, .encounter = notice.encounter});
    if (notice.order) views.push_back({.kind = ViewKind::order, .order = notice.order});
    return letter(rendering, views);
  }

 private:
  port::Letter letter(const FhirRendering& rendering, const std::vector<model::View>& views) const {
    auto body = rendering.many({.type = "collection",
                                .base_url = base_url_,
                                .matches = views,
                                .includes = {},
                                .total = std::nullopt,
                                .links = {}});
    return {std::move(body), std::string(rendering.content_type()), {}};
  }

  std::string base_url_;
};

}  // namespace

std::shared_ptr<const port::Payload> fhir_payload(std::string base_url) {
  return std::make_shared<FhirPayload>(std::move(base_url));
}

}  // namespace hutong::fhir
