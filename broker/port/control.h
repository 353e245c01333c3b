// What an operator can make the running broker do. Implemented by the composition root; asked for by the HTTP
// routes under /api/v1 (the terminal's commands come the same way, over DIR/run/hutong.sock).
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "broker/base/error.h"
#include "broker/port/inbox.h"
#include "broker/port/net.h"

namespace hutong::port {

struct Dependency {
  std::string name;       // "log" or "kafka", "store" or "postgresql", "projector", "audit", "disk"
  bool ready = true;
  std::string reason;     // what is wrong and what to do; where it is ready: an alarm
};

struct StatusView {
  std::string version, schema_version;
  Timestamp started, now;
  std::vector<Dependency> dependencies;
  std::uint64_t log_end = 0, projected = 0;        // events, of all partitions together
  double lag_seconds = 0;
  std::uint64_t log_bytes = 0, store_bytes = 0, disk_free_bytes = 0, disk_total_bytes = 0;
  double disk_days_left = -1;                      // at today's rate; -1: unknown yet
  std::uint64_t connections = 0, inflight_bytes = 0, resident_bytes = 0;
  std::string mllp_address, http_address;
  bool unknown_senders_accepted = false, plain_beyond_loopback = false;
};

// What a steward decides about who is one person. `by`: whose decision it is, a person's name; `client`: who was signed in.
struct IdentityCommand {
  enum class Kind {
    link,      // two patients are one person
    merge,     // the same; the first one's person is the one that stays
    unlink,    // one patient is another person than those it is linked to
    split,     // so are these, together
    separate,  // two patients that may look like one are not: nobody asks again
    undo,      // a decision no longer stands
  };
  Kind kind = Kind::link;
  std::vector<std::pair<std::string, std::string>> patients;  // facility, number
  std::string decision;                                       // undo: its id, hex
  std::string by, client, note;
};
struct IdentityVerdict {
  std::string decision;  // id, hex
  bool applied = false;  // false: appended, the projector has not met it within two seconds
};

class Control {
 public:
  virtual ~Control() = default;
  virtual StatusView status() = 0;
  // Judges a quarantined message anew with today's settings; the outcome is appended like any message.
  virtual net::awaitable<Result<Reply>> retry_quarantined(std::string facility, std::string raw_hash_hex) = 0;
  // Reads stored raw bytes with today's maps; appends message.renormalized where the output differs.
  struct Renormalized {
    std::uint64_t read = 0, changed = 0;
  };
  virtual net::awaitable<Result<Renormalized>> renormalize(std::uint64_t from, std::string sender) = 0;
  // A consistent copy of what the installation keeps on this machine, while running. `directory` must not exist. Tells
  // what is kept elsewhere and how that is copied; "": nothing is.
  virtual net::awaitable<Result<std::string>> backup(std::string directory) = 0;
  // Appends a steward's decision and waits for what the projector makes of it. Errors: invalid, not_found, conflict, and
  // the log's.
  virtual net::awaitable<Result<IdentityVerdict>> decide_identity(IdentityCommand command) = 0;
  virtual Result<void> reload() = 0;
};

}  // namespace hutong::port
