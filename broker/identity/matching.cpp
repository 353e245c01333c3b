#include "broker/identity/matching.h"

#include <algorithm>

#include "broker/model/identifier_key.h"

namespace hutong::identity {
namespace {

using model::Sex;

enum class Agreement { same, other, unknown };

bool intersect(const std::vector<std::string>& a, const std::vector<std::string>& b) {
  return std::any_of(a.begin(), a.end(), [&](const auto& x) { return std::find(b.begin(), b.end(), x) != b.end(); });
}

Agreement of_names(const Candidate& a, const Candidate& b) {
  if (a.names.empty() || b.names.empty()) return Agreement::unknown;
  return intersect(a.names, b.names) ? Agreement::same : Agreement::other;
}

Agreement of_births(const Candidate& a, const Candidate& b) {
  if (a.birth_date.empty() || b.birth_date.empty()) return Agreement::unknown;
  return a.birth_date == b.birth_date ? Agreement::same : Agreement::other;
}

Agreement of_sex(const Candidate& a, const Candidate& b) {
  if (a.sex == Sex::unknown || b.sex == Sex::unknown) return Agreement::unknown;
  return a.sex == b.sex ? Agreement::same : Agreement::other;
}

void note(Decision& decision, Agreement agreement, std::string_view same, std::string_view other,
          std::string_view unknown) {
  decision.reasons.push_back(agreement == Agreement::same ? same : agreement == Agreement::other ? other : unknown);
}

}  // namespace

bool links(const model::Identifier& identifier) {
  return identifier.kind == model::IdentifierKind::resident_card && identifier.valid && !identifier.placeholder &&
         !identifier.value.empty();
}

Candidate candidate(std::string_view facility, std::string_view number, const model::Subject& subject) {
  Candidate out;
  out.facility = facility;
  out.number = number;
  for (const auto& identifier : subject.identifiers) {
    if (links(identifier)) out.cards.emplace_back(identifier.value);
  }
  std::sort(out.cards.begin(), out.cards.end());
  out.cards.erase(std::unique(out.cards.begin(), out.cards.end()), out.cards.end());
  for (const auto& name : subject.names) {
    std::string folded = model::name_key(name.text);
    if (!folded.empty()) out.names.push_back(std::move(folded));
  }
  if (subject.born.iso.size() >= 10) out.birth_date = subject.born.iso.substr(0, 10);
  out.sex = subject.sex;
  return out;
}

Decision compare(const Candidate& newcomer, const Candidate& other) {
  Decision decision;
  if (!intersect(newcomer.cards, other.cards)) return decision;
  decision.reasons.push_back("same-card");
  const bool further_card = newcomer.cards != other.cards;
  if (further_card) decision.reasons.push_back("another-card");
  const Agreement name = of_names(newcomer, other), birth = of_births(newcomer, other), sex = of_sex(newcomer, other);
  note(decision, name, "same-name", "other-name", "no-name");
  note(decision, birth, "same-birth-date", "other-birth-date", "no-birth-date");
  note(decision, sex, "same-sex", "other-sex", "no-sex");
  const bool agree = name == Agreement::same && (birth == Agreement::same || sex == Agreement::same);
  decision.outcome = agree && !further_card ? Outcome::link : Outcome::conflict;
  return decision;
}

std::vector<Decision> decide(const Candidate& newcomer, std::span<const Candidate> sharing_card) {
  std::vector<Decision> decisions;
  decisions.reserve(sharing_card.size());
  for (const auto& other : sharing_card) decisions.push_back(compare(newcomer, other));
  return decisions;
}

}  // namespace hutong::identity
