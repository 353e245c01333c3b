// One receiver's way in: hands over one delivery and says what the receiver answered. Implementations: adapters/sink.
// A sink keeps its connections, tells failures apart and does not try again by itself: when and whether is the
// deliverer's to decide (pipeline/lanes.h). Except at once and once, where a kept connection ends before a byte of an
// answer: it was about to be closed, whatever was handed over.
// Threads: one executor, which is given when it is made. Lifetime: outlives what it was asked and has not answered.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "broker/base/time.h"
#include "broker/port/net.h"

namespace hutong::port {

struct Parcel {
  std::string body;  // as the receiver reads it
  std::string content_type;
  std::string control_id;  // HL7 v2: MSH-10, the same whenever this event is sent to this receiver
  std::string event_id;    // record id + "." + ordinal
  std::string kind;        // "result.reported"
  std::uint32_t version = 1;
  std::string lane;          // of its patient, "FACILITY/NUMBER": deliveries of one lane come one after the other
  Timestamp appended;        // to the log, with
  std::uint64_t offset = 0;  // there: of one lane both grow
  std::string subscription;
  unsigned attempt = 1;
  bool replay = false;
};

enum class Taken {
  delivered,    // AA, CA, 2xx: it has it
  refused,      // AE, CE, AR, CR, 4xx: the event is at fault
  not_now,      // AR with 207, 429, 5xx: the receiver says later
  unreachable,  // no connection, or an answer that is about the receiver itself (401, 404): nothing was handed over
  broken,       // handed over, and no answer came: it may have it
};
std::string_view to_string(Taken taken);

struct Receipt {
  Taken taken = Taken::unreachable;
  std::string answer;  // in the wire's words: "AA", "AE", "503", "connection refused"; never what the receiver wrote
  std::optional<std::chrono::milliseconds> wait;  // not_now: how long the receiver asks for
};

class Sink {
 public:
  virtual ~Sink() = default;
  // How many deliveries may be under way at once.
  virtual std::size_t parallel() const = 0;
  // Answers within the subscription's timeout and what a connection takes; where it hands over once more, twice that.
  virtual net::awaitable<Receipt> hand_over(Parcel parcel) = 0;
  // Ends what is under way (broken) and all connections. Nothing is handed over afterwards.
  virtual void close() = 0;
};

}  // namespace hutong::port
