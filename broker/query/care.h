// What surrounds a referral, over the store: whom a centre follows up after they were sent down, and what beds and
// slots may be asked for before anybody is sent. Threads: any; no state but references. The permit must live until the
// awaitable resumes.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "broker/access/permit.h"
#include "broker/base/limits.h"
#include "broker/model/care.h"
#include "broker/port/log.h"
#include "broker/port/store.h"

namespace hutong::query {

struct Followups {
  std::vector<model::ChronicFollowup> found;  // newest first
  std::string next;                           // position of the next page; "" nothing further
};

class Care {
 public:
  Care(port::Store& store, port::Log& log, std::function<Timestamp()> now)
      : store_(store), log_(log), now_(std::move(now)) {}

  Timestamp now() const { return now_(); }
  // Errors: invalid (position).
  net::awaitable<Result<Followups>> followups(const access::Permit& permit, std::string facility, std::size_t limit,
                                              std::string position);
  // Of one facility, or of all (""); of one department, or of all. Slots that have begun are left out.
  net::awaitable<Result<std::vector<model::ResourceUpdated>>> resources(const access::Permit& permit,
                                                                        std::string facility, std::string department);
  // Appends what a department has free (`id` and `at` are given here); readable once the projector has met it. Errors:
  // invalid (texts too long, too many slots), the log's.
  net::awaitable<Result<model::ResourceUpdated>> update(const access::Permit& permit, model::ResourceUpdated updated);

 private:
  port::Store& store_;
  port::Log& log_;
  std::function<Timestamp()> now_;
};

}  // namespace hutong::query
