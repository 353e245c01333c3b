// Where sources hand in what they received. Implemented by pipeline/intake.
// Threads: call from any shard; resumes on the caller's executor.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "broker/base/time.h"
#include "broker/model/facility.h"
#include "broker/model/record.h"
#include "broker/port/net.h"

namespace hutong::port {

struct Peer {
  std::string protocol;                  // "mllp" | "http"
  std::string connection;                // id, for the trace: "mllp-17"
  const model::Facility* authenticated = nullptr;
  bool trusted_network = false;          // loopback
};

struct Frame {
  std::string_view bytes;                // one message (or a batch: FHS/BHS), unframed; valid until accept() resumes
  Timestamp received;
  std::size_t oversize = 0;              // >0: the message was this long, `bytes` is its beginning
  std::string_view oversize_sha256;      // hex, of all of it
};

struct Reply {
  model::Answer answer = model::Answer::accepted;
  std::vector<std::string> messages;  // acknowledgements in order, unframed; may be empty (none asked for, or none due)
  std::vector<RecordId> records;         // of an accepted message
  bool duplicate = false;
  bool acknowledgement = false;          // the message was one itself: judged and kept like any other, never answered
  bool close = false;                    // after sending: the frame was longer than the limit
};

class Inbox {
 public:
  virtual ~Inbox() = default;
  // Takes every frame, in order, in one append; returns as many replies. Resumes only when the accepted ones are
  // durable. Never fails: what is wrong is in each reply.
  virtual net::awaitable<std::vector<Reply>> accept(const Peer& peer, std::span<const Frame> frames) = 0;
};

}  // namespace hutong::port
