#include "broker/port/log.h"

namespace hutong::port {

std::string_view to_string(Topic topic) {
  switch (topic) {
    case Topic::events: return "events";
    case Topic::quarantine: return "quarantine";
    case Topic::identity: return "identity";
    case Topic::operations: return "operations";
  }
  return "unknown";
}

}  // namespace hutong::port
