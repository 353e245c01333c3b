// HL7 v2.1 to v2.8 as a Format: the only door into this folder for the rest of the broker (with batch.h).
#pragma once

#include "broker/port/format.h"

namespace hutong::hl7v2 {

class Hl7v2 final : public port::Format {
 public:
  std::string_view name() const override { return "hl7v2"; }
  // A message, or a batch of them, possibly behind a byte order mark or blank lines.
  bool recognises(std::string_view bytes) const override;
  void split(std::string_view frame, std::vector<std::string_view>& messages) const override;
  port::Reading read(std::string_view bytes, const port::ReadContext& context, model::Draft& draft) const override;
  void acknowledge(const model::Draft& draft, const port::Verdict& verdict,
                   std::vector<std::string>& out) const override;
};

}  // namespace hutong::hl7v2
