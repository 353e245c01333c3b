// A subscription: who is told of what, where, in which form, and what happens when that fails. Declared by the
// installation (schemas/subscriptions, read by broker/app/subscriptions.h). Plain values with an owner; threads: any.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace hutong::model {

// Flags of HL7 table 0078: abnormal is everything but normal, critical is LL, HH, AA and the like.
enum class Flag { any, abnormal, critical };
std::string_view to_string(Flag flag);  // "" any
std::optional<Flag> flag_of(std::string_view text);
// What a laboratory's flag says: any, where it says normal or nothing.
Flag flag_said(std::string_view sent);

// What can be subscribed to: events, what becomes of referrals and critical values (topic operations), and decisions
// about who is one person (topic identity).
const std::vector<std::string_view>& told_kinds();
// Of these, what is told only to who says by `parties` for whom: referrals and critical values.
bool is_for_parties(std::string_view kind);

// As what a party is one: of a referral only, where it says so.
enum class AsParty { any, sender, receiver };
std::string_view to_string(AsParty as);  // "" any
std::optional<AsParty> as_party_of(std::string_view text);

// What is wanted: each list that is not empty must hold what the event says, in one of its values.
struct SubscriptionFilter {
  std::vector<std::string> kinds;  // "result.reported", or a family: "referral.*"
  std::vector<std::string>
      facilities;                    // whose message it is; of a decision about persons: who knows one of its patients
  std::vector<std::string> areas;    // GB/T 2260 of that facility, or its beginning: "2308" is a city with its counties
  std::vector<std::string> items;    // LOINC, of what was measured or ordered
  Flag flag = Flag::any;             // of an item that is wanted
  std::vector<std::string> centres;  // a primary-care facility that the patient is known to
  std::vector<std::string> parties;  // of a referral or critical value, which without are told to nobody
  AsParty as = AsParty::any;         // as which of them
  bool operator==(const SubscriptionFilter&) const = default;
};
// How routing names a party, as which it is meant: "bc-county", "bc-county|sender".
std::string party_named(std::string_view code, AsParty as);

enum class SinkKind { mllp, rest_hook, file, kafka, sse };
std::string_view to_string(SinkKind kind);
std::optional<SinkKind> sink_kind_of(std::string_view text);

enum class PayloadKind {
  event,    // the shared schema, schemas/event/v1
  fhir,     // FHIR R4, a Bundle
  hl7v2,    // ORU^R01, ADT
  id_only,  // what it is and where it can be read
  empty,    // that there is something
};
std::string_view to_string(PayloadKind kind);
std::optional<PayloadKind> payload_kind_of(std::string_view text);

enum class OnRefusal {
  hold,  // the patient's later events wait until an operator has decided
  skip,  // they go on
};

struct Subscription {
  std::string name;  // [A-Za-z0-9._-]{1,64}; its cursor stands under it for ever
  SubscriptionFilter filter;

  SinkKind sink = SinkKind::rest_hook;
  // mllp "host:port", rest_hook a URL, file the folder, kafka "host:port,host:port", sse the client that connects
  std::string target;
  std::size_t connections = 1;                  // as many deliveries are under way at once
  std::chrono::milliseconds timeout{30'000};    // until an answer
  std::string authorization;                    // rest-hook: the header's value, a secret
  bool tls = false;                             // mllp
  std::string authority, certificate, key;      // PEM files: whom to believe, who we are
  std::string topic;                            // kafka
  std::map<std::string, std::string> settings;  // kafka: librdkafka's, by its own names

  PayloadKind payload = PayloadKind::event;
  std::string notification;  // a FHIR Subscription's id: what is sent is wrapped as its notification
  // hl7v2
  std::string version = "2.5.1";
  std::string charset = "UTF-8";                          // or "GB18030"
  std::string receiving_application, receiving_facility;  // MSH-5, MSH-6

  bool from_beginning = false;  // a new one starts with the oldest record, not with what comes from now on
  double rate = 0;              // events a second at most; 0: as they come
  OnRefusal on_refusal = OnRefusal::hold;
  unsigned attempts = 5;  // of an event that is refused, then it is a dead letter
  std::chrono::milliseconds retry_for = std::chrono::hours(168);  // an event that others overtake without an answer
  bool operator==(const Subscription&) const = default;
};

}  // namespace hutong::model
