// Critical values over the store: whose list they stand on, with every step of their loops, and the door of their
// confirmation. A confirmation is a fact: it is looked at against what stands, then appended, and stands once the
// projector has met it. Threads: any; no state but references. The permit must live until the awaitable resumes.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "broker/access/permit.h"
#include "broker/base/limits.h"
#include "broker/critical/critical.h"
#include "broker/port/log.h"
#include "broker/port/store.h"

namespace hutong::query {

struct ShownCritical {
  critical::CriticalValue value;
  std::optional<critical::Deadline> next;  // who is told next
};

struct CriticalSearch {
  std::string facility;  // that ordered it or was told; "": everybody's
  std::optional<bool> open;
  std::size_t limit = limits::page_items_default;
  std::string position;  // CriticalList::next of the page before
};

struct CriticalList {
  std::vector<ShownCritical> found;  // newest first, the open ones before the others
  std::string next;
  port::Offset offset = 0;  // of operations
};

class Criticals {
 public:
  Criticals(port::Store& store, port::Log& log, std::function<std::shared_ptr<const critical::Rules>()> rules,
            std::function<Timestamp()> now)
      : store_(store), log_(log), rules_(std::move(rules)), now_(std::move(now)) {}

  // `facilities`: whom the asker acts for; none: for anybody. Errors: not_found (also: of others).
  net::awaitable<Result<ShownCritical>> read(const access::Permit& permit, CriticalId id,
                                             std::vector<std::string> facilities);
  // Errors: invalid (position).
  net::awaitable<Result<CriticalList>> list(const access::Permit& permit, CriticalSearch search);

  struct Confirmed {
    ShownCritical shown;
    std::optional<critical::Objection> objection;  // nothing was appended then
    bool stands = true;                            // false: appended, not met within two seconds
  };
  // Errors: not_found, invalid (a text too long), those of log and store.
  net::awaitable<Result<Confirmed>> confirm(const access::Permit& permit, model::CriticalStep confirmation,
                                            std::vector<std::string> facilities);

 private:
  net::awaitable<Result<ShownCritical>> find(CriticalId id, const std::vector<std::string>& facilities);
  Result<ShownCritical> shown(const port::Row& row) const;

  port::Store& store_;
  port::Log& log_;
  std::function<std::shared_ptr<const critical::Rules>()> rules_;
  std::function<Timestamp()> now_;
};

}  // namespace hutong::query
