// A wire format's two directions: bytes → Draft, and what was found → the bytes of an answer.
// Pure: no I/O, no clock, no state between messages beyond immutable tables. Threads: any, concurrently.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "broker/model/event.h"
#include "broker/model/facility.h"
#include "broker/model/record.h"

namespace hutong::port {

struct ReadContext {
  const model::FacilityDirectory* facilities = nullptr;
  bool accept_unknown_senders = false;        // makes a provisional facility
  const model::Facility* authenticated = nullptr;  // bound by certificate; the message must agree
  std::string_view protocol, connection;
  Timestamp received;
};

struct Reading {
  // accepted: the draft is whole. content_rejected / header_rejected: the issue that refuses is the first of
  // severity error in draft.issues; the draft's source holds what could be read of the header.
  model::Answer answer = model::Answer::accepted;
  const model::Facility* facility = nullptr;  // nullptr: unknown or provisional
};

// The verdict that a sender hears.
struct Verdict {
  model::Answer answer = model::Answer::accepted;
  const model::Issues* issues = nullptr;      // warnings of an accepted message, or why not
  std::string_view reason;                    // for try_again: "log unavailable", never data
  Timestamp now;
  std::string_view answer_id;                 // the acknowledgement's own control id
};

class Format {
 public:
  virtual ~Format() = default;
  virtual std::string_view name() const = 0;  // "hl7v2"
  virtual bool recognises(std::string_view bytes) const = 0;
  // The messages in a frame: itself, or several where the frame is a batch (FHS/BHS). In order, as views.
  virtual void split(std::string_view frame, std::vector<std::string_view>& messages) const {
    messages.push_back(frame);
  }
  // `bytes` may be kept as views by `draft` and must outlive it. The draft is cleared first.
  virtual Reading read(std::string_view bytes, const ReadContext& context, model::Draft& draft) const = 0;
  // Appends the acknowledgement to `out`, unframed. Nothing is appended where the sender asked for none
  // (MSH-15 / MSH-16), or where the message is an acknowledgement itself. Enhanced mode: the commit acknowledgement is
  // out[0], the application's out[1].
  virtual void acknowledge(const model::Draft& draft, const Verdict& verdict, std::vector<std::string>& out) const = 0;
};

}  // namespace hutong::port
