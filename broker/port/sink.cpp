#include "broker/port/sink.h"

namespace hutong::port {

std::string_view to_string(Taken taken) {
  switch (taken) {
    case Taken::delivered: return "delivered";
    case Taken::refused: return "refused";
    case Taken::not_now: return "not-now";
    case Taken::unreachable: return "unreachable";
    case Taken::broken: return "broken";
  }
  return "broken";
}

}  // namespace hutong::port
