// Appends identity decisions to the log: `pending` rows that the projector wrote together with their cause (orders that
// wait to be judged stand in that table too, and are the business of query/placed_orders.h). May be asked only once the
// projector has caught up with the log's end as it was at start, so that what the log holds already is never made again.
// The row goes when the projector meets the id in the log. Threads: the projector's.
#pragma once

#include <unordered_set>
#include <utility>
#include <vector>

#include "broker/port/log.h"
#include "broker/port/store.h"

namespace hutong::pipeline {

class Emitter {
 public:
  Emitter(port::Log& log, port::Store& store) : log_(log), store_(store) {}

  // Pending rows may have come; the next emit() looks.
  void wake() { awake_ = true; }
  // Appends what is pending and not under way yet; how many. `projected`: of each partition of events, how far it is in
  // the store; the last decision of all that are pending says it (IdentityDecision::decided). Errors: the log's and the
  // store's; asked again later it goes on, and what was appended after all is recognised by its id.
  net::awaitable<Result<std::size_t>> emit(std::vector<std::pair<std::uint32_t, port::Offset>> projected);
  // Forgets what is under way: who waits for it is perhaps another by now. What was appended is known by its id.
  void start_over() {
    under_way_.clear();
    awake_ = true;
  }
  // The id was met in the log.
  void met(const RecordId& id) { under_way_.erase(id); }

 private:
  port::Log& log_;
  port::Store& store_;
  bool awake_ = true;
  std::unordered_set<RecordId> under_way_;  // appended, not met yet; bounded by what one emit() takes
};

}  // namespace hutong::pipeline
