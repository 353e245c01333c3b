// FHIR R4 (4.0.1) as JSON: the only wire format of the read side. Built from views at the edge, never stored.
// Extensions and code systems of our own are described in schemas/fhir/. Threads: any; no state.
#pragma once

#include "broker/port/rendering.h"

namespace hutong::fhir {

class FhirRendering final : public port::Rendering {
 public:
  std::string_view content_type() const override { return "application/fhir+json; charset=utf-8"; }
  std::string one(const model::View& view) const override;
  std::string many(const port::Sheaf& sheaf) const override;
  std::string outcome(ErrorCode code, std::string_view message, std::string_view where) const override;
  std::string offers(std::span<const port::Offer> offers, std::string_view version,
                     std::string_view base_url) const override;
  Result<port::MatchQuestion> match_question(std::string_view body, Arena& arena) const override;
  std::string cross_references(const model::PersonView& person, std::string_view source_system,
                               std::string_view source_value, std::span<const std::string> systems) const override;
  std::string referral(const model::ReferralView& referral, port::ReferralPart part) const override;
  std::string referrals(const port::ReferralSheaf& sheaf) const override;
  std::string codes(const port::CodeList& list) const override;
  std::string record(const model::RecordView& record) const override;
};

// A collection Bundle of what one record says, without any store.
std::string render_bundle(const model::RecordView& record);

}  // namespace hutong::fhir
