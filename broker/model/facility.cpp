#include "broker/model/facility.h"

#include <algorithm>
#include <stdexcept>

#include "broker/base/hash.h"

namespace hutong::model {
namespace {

// MSH-3 and MSH-4 are HD: namespace ^ universal id ^ type. The namespace is what an alias names.
std::string_view first_component(std::string_view field) {
  return field.substr(0, field.find('^'));
}

void make_alias_key(std::string& key, std::string_view application, std::string_view facility) {
  key.assign(application).append(1, '\x1f').append(facility);
}

}  // namespace

void FacilityDirectory::add(Facility facility) {
  if (by_code_.contains(facility.code)) throw std::invalid_argument("facility " + facility.code + " is defined twice");
  auto owned = std::make_unique<Facility>(std::move(facility));
  std::string key;
  for (const auto& alias : owned->aliases) {
    if (alias.msh4.empty())
      throw std::invalid_argument("facility " + owned->code + ": an alias without msh4 would match every sender");
    make_alias_key(key, first_component(alias.msh3), first_component(alias.msh4));
    if (!by_alias_.emplace(key, owned.get()).second)
      throw std::invalid_argument("facility " + owned->code + ": alias " + alias.msh3 + "/" + alias.msh4 +
                                  " belongs to facility " + by_alias_[key]->code + " already");
  }
  if (!owned->uscc.empty()) {
    make_alias_key(key, {}, owned->uscc);
    const auto [at, added] = by_alias_.emplace(key, owned.get());
    if (!added && at->second != owned.get())
      throw std::invalid_argument("facility " + owned->code + ": the USCC " + owned->uscc + " belongs to facility " +
                                  at->second->code + " already");
  }
  for (std::string_view name : {std::string_view(owned->name_zh), std::string_view(owned->name_en)}) {
    if (name.empty()) continue;
    const auto [at, added] = by_name_.emplace(name, owned.get());
    if (!added && at->second != owned.get()) at->second = nullptr;
  }
  std::string code = owned->code;
  by_code_.emplace(std::move(code), std::move(owned));
}

const Facility* FacilityDirectory::find(std::string_view code) const {
  thread_local std::string key;  // keeps its memory: one look-up a message
  key.assign(code);
  const auto at = by_code_.find(key);
  return at == by_code_.end() ? nullptr : at->second.get();
}

const Facility* FacilityDirectory::by_sender(std::string_view application, std::string_view facility) const {
  facility = first_component(facility);
  if (facility.empty()) return nullptr;
  thread_local std::string key;
  make_alias_key(key, first_component(application), facility);
  auto at = by_alias_.find(key);
  if (at == by_alias_.end()) {
    make_alias_key(key, {}, facility);
    at = by_alias_.find(key);
  }
  return at == by_alias_.end() ? nullptr : at->second;
}

const Facility* FacilityDirectory::by_name(std::string_view name) const {
  const auto at = by_name_.find(name);
  return at == by_name_.end() ? nullptr : at->second;
}

const Facility* FacilityDirectory::by_certificate(std::string_view fingerprint, std::string_view common_name) const {
  const Facility* named = nullptr;
  for (const auto& [code, facility] : by_code_) {
    if (facility->certificate.empty()) continue;
    if (facility->certificate == fingerprint) return facility.get();  // the stronger binding wins
    if (facility->certificate == common_name) named = facility.get();
  }
  return named;
}

std::vector<const Facility*> FacilityDirectory::all() const {
  std::vector<const Facility*> facilities;
  for (const auto& [code, facility] : by_code_) facilities.push_back(facility.get());
  std::sort(facilities.begin(), facilities.end(),
            [](const Facility* a, const Facility* b) { return a->code < b->code; });
  return facilities;
}

std::string provisional_code(std::string_view application, std::string_view facility) {
  PartsHash hash;
  const Sha256Digest digest =
      hash.add("provisional").add(first_component(application)).add(first_component(facility)).finish();
  return "x-" + to_hex(as_view(digest).substr(0, 6));
}

}  // namespace hutong::model
