// In whose name a client may act: [clients.NAME] facilities. Threads: any (pure).
#pragma once

#include <string>
#include <vector>

#include "adapters/api/route.h"
#include "broker/access/clients.h"
#include "broker/base/error.h"

namespace hutong::api {

// None: for any.
std::vector<std::string> facilities_of(const access::ClientRegistry& clients, const Request& request);
// Errors: forbidden.
Result<void> acts_for(const access::ClientRegistry& clients, const Request& request, const std::string& facility);

}  // namespace hutong::api
