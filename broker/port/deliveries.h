// What operators see of deliveries and can do about them. Implementation: pipeline/delivery_desk.h; asked for by the
// HTTP routes under /api/v1. Nothing here names a patient. Threads: any.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "broker/base/error.h"
#include "broker/base/time.h"
#include "broker/model/subscription_declared.h"
#include "broker/port/log.h"
#include "broker/port/net.h"

namespace hutong::port {

struct SubscriptionStatus {
  std::string name, sink, target, payload;
  // "live", "behind" (reads the log to catch up), "waiting" (the receiver does not answer), "paused", "full" (too much
  // is held), "elsewhere" (another broker delivers), "undeclared" (has a cursor and no declaration); of a client's:
  // "requested", "error", "off"
  std::string state;
  std::string trouble;  // what stops it, in the wire's words
  bool paused = false;
  std::uint64_t delivered = 0, refused = 0, broken = 0;  // attempts since it was declared
  std::uint64_t open = 0;                                // read and not settled
  std::uint64_t held = 0;                                // behind a dead letter, or tried again on their own
  std::uint64_t dead = 0;                                // wait for an operator
  std::uint64_t lag_records = 0;                         // of the log, not read yet
  double oldest_seconds = 0;  // age of the oldest event that is not delivered, dead letters and what they hold apart
  double oldest_held_seconds = 0;  // of these
  std::optional<Timestamp> last_delivered, next_attempt;
  std::uint64_t replaying = 0;  // replays that are not done
};

struct DeadLetter {
  std::string subscription, id;  // "0-1234.0": partition, offset, ordinal; with "-r7" behind: of replay 7
  std::string event_id, kind;    // "" where the record cannot be read
  std::string state;             // "dead", "retrying", "behind", "delivered", "discarded"
  std::string answer;            // the last one
  std::uint64_t attempts = 0;
  Timestamp appended, first_failed, last;
  std::string by, reason;  // discarded: by whom and why
};
struct DeadLetters {
  std::vector<DeadLetter> letters;  // oldest first
  std::string next;                 // `after` of the following page; "": this was the last
};

// How one event went to one subscriber.
struct Delivered {
  std::string subscription, state;  // "delivered", "waiting", "dead", "retrying", "behind", "discarded"
  std::string answer;
  std::uint64_t attempts = 0;
  std::optional<Timestamp> at;
  bool replay = false;
};

struct DeliveryCommand {
  enum class Kind { pause, resume, retry, discard, replay };
  Kind kind = Kind::pause;
  std::string subscription;
  std::string letter;  // retry, discard: DeadLetter::id; "" retry: all, oldest first
  std::string reason, by, client;
  // replay: everything in [from, to) of each partition of events, of one patient where one is named
  std::optional<Offset> from, to;
  std::optional<Timestamp> since, until;
  std::string patient;  // "FACILITY/NUMBER"
};

struct ToldEvent {
  std::uint64_t number = 0;
  std::string id;  // as DeadLetter::id
};
struct ToldEvents {
  std::vector<ToldEvent> events;  // by number
  bool more = false;
  std::uint64_t newest = 0;  // number; 0: none yet
  std::string trouble;       // SubscriptionStatus::trouble, as far as this broker knows
};

class Deliveries {
 public:
  virtual ~Deliveries() = default;
  virtual net::awaitable<Result<std::vector<SubscriptionStatus>>> subscriptions() = 0;
  // `state`: only these; "" those that are not ended.
  virtual net::awaitable<Result<DeadLetters>> dead_letters(std::string subscription, std::string state,
                                                           std::string after, std::size_t limit) = 0;
  virtual net::awaitable<Result<DeadLetter>> dead_letter(std::string subscription, std::string id) = 0;
  // The bytes that the receiver would get: clinical content.
  virtual net::awaitable<Result<std::string>> letter(std::string subscription, std::string id) = 0;
  // What became of the events of a record. `position`: where it stands.
  virtual net::awaitable<Result<std::vector<Delivered>>> of_record(Position position, std::uint32_t ordinal) = 0;
  // Appended, then applied by whoever delivers. Errors: not_found, invalid, conflict (what is to be retried is not
  // dead), and the log's. How many dead letters it touched, or the number of the replay.
  virtual net::awaitable<Result<std::uint64_t>> command(DeliveryCommand command) = 0;

  // What a client's subscription is told by number, from `since` on: handed over, or not yet. Of those handed over the
  // store knows the last 90 days. Where `more` follow, `events` are full.
  virtual net::awaitable<Result<ToldEvents>> told(std::string subscription, std::uint64_t since, std::uint64_t until,
                                                  std::size_t limit) = 0;
  // What it gets of one of them. Errors: not_found (the log holds it no more), forbidden (it is sensitive by now).
  virtual net::awaitable<Result<std::string>> said(model::Subscription subscription, ToldEvent event) = 0;

  // What clients have subscribed to over FHIR, each as it stands.
  virtual net::awaitable<Result<std::vector<model::SubscriptionDeclared>>> declared() = 0;
  virtual net::awaitable<Result<std::optional<model::SubscriptionDeclared>>> declared(std::string subscription) = 0;
  // Appended as the version after the one that `declared` changes; what stands then. Errors: conflict (another change
  // was first), and the log's. Deleted, none stands.
  virtual net::awaitable<Result<model::SubscriptionDeclared>> declare(model::SubscriptionDeclared declared) = 0;
};

}  // namespace hutong::port
