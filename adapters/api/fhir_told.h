// $events of a FHIR Subscription: notifications, each the Bundle that its receiver gets, as one Bundle. Pure; threads:
// any.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "broker/base/error.h"

namespace hutong::api {

struct Notification {
  std::string event;                 // the parameter notification-event
  std::vector<std::string> entries;  // what comes behind the status
};
// Errors: internal, it is not what we write.
Result<Notification> read_notification(std::string_view bundle);

}  // namespace hutong::api
