// A permit: the proof that one read was decided, and that its audit record is on disk before what was read leaves.
// Every function of the query room takes one, and only the Gate can make one: no code path reads a patient's data
// without a decision.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "broker/base/error.h"
#include "broker/base/time.h"
#include "broker/port/net.h"

namespace hutong::access {

// Who asks, as authenticated. Scopes are SMART's ("system/*.rs", "system/Observation.rs") and ours ("hutong/operate",
// "hutong/metrics").
struct Principal {
  std::string client;  // "clinic", "operator", "local-operator" (the unix socket)
  std::vector<std::string> scopes;
  std::string token_id;  // jti; empty for the socket
  bool has(std::string_view scope) const;
};

enum class Action { read, search, create, update, operate };

// What is asked, in terms that may be audited: never a name or a card number in clear.
struct Demand {
  Action action = Action::read;
  std::string resource;    // FHIR type, "Patient", or an operation, "quarantine"
  std::string subject;     // person id or resource id where known, else ""
  std::string parameters;  // names of the search parameters used, sorted: "code,date,patient"
  std::string purpose;     // X-Purpose-Of-Use, "" when not said
  std::string peer;        // address
  // By what a client may read beside its scopes, found to hold just now: "referral/<id>" (query/referrals.h); ""
  // nothing.
  std::string grant = {};
};

class Permit {
 public:
  Permit(Permit&&) = default;
  Permit& operator=(Permit&&) = default;
  Permit(const Permit&) = delete;
  const Principal& principal() const { return principal_; }
  const Demand& demand() const { return demand_; }
  std::uint64_t audit_sequence() const { return audit_sequence_; }  // 0: under Gate::look, not written yet

 private:
  friend class Gate;
  Permit(Principal principal, Demand demand, std::uint64_t sequence)
      : principal_(std::move(principal)), demand_(std::move(demand)), audit_sequence_(sequence) {}
  Principal principal_;
  Demand demand_;
  std::uint64_t audit_sequence_;
};

class AuditChain;

class Gate {
 public:
  Gate(AuditChain& audit, const Clock& clock) : audit_(audit), clock_(clock) {}
  // Checks the scope, writes the audit record (allowed or denied) and waits until it is synced.
  // Errors: forbidden (denied, audited), unavailable (the audit file cannot be written: nothing is read).
  net::awaitable<Result<Permit>> decide(Principal principal, Demand demand);
  // For a read that somebody waits for, and whose subjects only the reading tells: checks the scope, lets `find` read
  // at once and name them, and then writes an audit record for each (one without a subject where there is none) while
  // `keep` makes durable what will be told. What was found is given once both are on disk, and not at all where one of
  // them fails: so it waits for the disk once, and still nothing leaves before its record (product.md §6.10).
  // Errors: as decide(); those of `find`, which are audited as well; those of `keep`.
  template <class Found>
  using Find = std::function<net::awaitable<Result<Found>>(const Permit& permit, std::vector<std::string>& subjects)>;
  template <class Found>
  using Keep = std::function<net::awaitable<Result<void>>(Found& found)>;
  template <class Found>
  net::awaitable<Result<Found>> look(Principal principal, Demand demand, Find<Found> find, Keep<Found> keep) {
    auto permit = co_await begin(std::move(principal), std::move(demand));
    if (!permit) co_return tl::unexpected<Error>(permit.error());
    std::vector<std::string> subjects;
    auto found = co_await find(*permit, subjects);
    auto settled = co_await settle(*permit, std::move(subjects), found ? keep(*found) : nothing());
    if (!settled) co_return tl::unexpected<Error>(settled.error());
    co_return found;
  }
  // An audit record without a decision: a sign-in, a refused token. `outcome`: "allowed", "denied".
  net::awaitable<Result<void>> note(Principal principal, Demand demand, std::string outcome);

 private:
  net::awaitable<Result<Permit>> begin(Principal principal, Demand demand);
  net::awaitable<Result<void>> settle(const Permit& permit, std::vector<std::string> subjects,
                                      net::awaitable<Result<void>> keep);
  static net::awaitable<Result<void>> nothing() { co_return Result<void>(); }

  AuditChain& audit_;
  const Clock& clock_;
};

}  // namespace hutong::access
