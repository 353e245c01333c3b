// Strong ids: 128 bits of a SHA-256, printed as 32 lower-case hex digits (a legal FHIR id). The tag makes
// a report's id unusable where a person's is asked for.
#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <cstring>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "broker/base/hash.h"

namespace hutong {

template <class Tag>
class HashId {
 public:
  HashId() = default;
  explicit HashId(const Sha256Digest& digest) { std::memcpy(bytes_.data(), digest.data(), bytes_.size()); }
  static std::optional<HashId> from_bytes(std::string_view bytes) {
    if (bytes.size() != 16) return std::nullopt;
    HashId id;
    std::memcpy(id.bytes_.data(), bytes.data(), 16);
    return id;
  }
  static std::optional<HashId> from_hex(std::string_view text) {
    if (text.size() != 32) return std::nullopt;
    HashId id;
    for (std::size_t i = 0; i < 32; ++i) {
      char c = text[i];
      int digit = c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
      if (digit < 0) return std::nullopt;
      id.bytes_[i / 2] = static_cast<std::uint8_t>(i % 2 ? id.bytes_[i / 2] | digit : digit << 4);
    }
    return id;
  }
  std::string hex() const { return to_hex(view()); }
  std::string_view view() const { return {reinterpret_cast<const char*>(bytes_.data()), bytes_.size()}; }
  bool empty() const { return *this == HashId(); }
  auto operator<=>(const HashId&) const = default;

 private:
  std::array<std::uint8_t, 16> bytes_{};
};

using RecordId = HashId<struct RecordTag>;    // one accepted message and patient in it
using ReportId = HashId<struct ReportTag>;    // one laboratory or examination report, all its versions
using PersonId = HashId<struct PersonTag>;    // one human being; Patient.id in FHIR
using EncounterId = HashId<struct EncounterTag>;
using OrderId = HashId<struct OrderTag>;       // one thing that was ordered, whatever became of it
using ReferralId = HashId<struct ReferralTag>;  // one request for one patient to be taken over
using CriticalId = HashId<struct CriticalTag>;  // one critical value of one version of a report
using ControlKey = HashId<struct ControlTag>;  // a sender's control id (MSH-10)

}  // namespace hutong

template <class Tag>
struct std::hash<hutong::HashId<Tag>> {
  std::size_t operator()(const hutong::HashId<Tag>& id) const noexcept {
    std::size_t value;  // already uniform: the first bytes of a SHA-256
    std::memcpy(&value, id.view().data(), sizeof value);
    return value;
  }
};
