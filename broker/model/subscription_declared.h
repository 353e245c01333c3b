// A subscription that a client has asked for over FHIR, as it stands in the log (topic operations): each record says
// the whole of it anew, under the next version. It is delivered as those that the installation declares are
// (model/subscription.h), once its receiver has answered the handshake. Schema: schemas/operations/v1.
// Plain values with an owner; threads: any.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "broker/base/error.h"
#include "broker/base/id.h"
#include "broker/base/time.h"
#include "broker/model/delivery.h"
#include "broker/model/subscription.h"

namespace hutong::model {

inline constexpr std::string_view subscription_declared_kind = "subscription.declared";

// FHIR's Subscription.status, and that it is there no more.
enum class DeclaredState { requested, active, error, off, deleted };
std::string_view to_string(DeclaredState state);
std::optional<DeclaredState> declared_state_of(std::string_view text);

struct SubscriptionDeclared {
  RecordId id;
  std::string subscription;   // FHIR id, 32 hex digits
  std::uint64_t version = 1;  // it stands if this is the next one
  Timestamp at;
  DeclaredState state = DeclaredState::requested;
  std::string client;                        // whose it is
  std::string criteria, reason, endpoint;    // as asked
  PayloadKind payload = PayloadKind::empty;  // fhir, id_only, empty
  SubscriptionFilter filter;                 // what the criteria mean
  std::string error;                         // why it is not active
  std::optional<Timestamp> end;              // then it is off
  // Since it was active first: where it began, in offsets of this log.
  std::string log;
  std::vector<StreamCursor> begins;
};

RecordId declared_id(std::string_view subscription, std::uint64_t version, std::string_view run);
// How it is delivered: named "fhir-" and its id.
Subscription subscription_of(const SubscriptionDeclared& declared);
// The id in such a name, which no other subscription has; "": it is none.
std::string_view declared_in_name(std::string_view name);

std::string write(const SubscriptionDeclared& declared);
// Errors: corrupt.
Result<SubscriptionDeclared> read_subscription_declared(std::string_view json);

}  // namespace hutong::model
