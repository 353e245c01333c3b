#include "adapters/api/client_facilities.h"

#include <algorithm>

namespace hutong::api {

std::vector<std::string> facilities_of(const access::ClientRegistry& clients, const Request& request) {
  const auto* client = clients.find(request.principal ? request.principal->client : "");
  return client ? client->facilities : std::vector<std::string>();
}

Result<void> acts_for(const access::ClientRegistry& clients, const Request& request, const std::string& facility) {
  const auto own = facilities_of(clients, request);
  if (own.empty() || std::find(own.begin(), own.end(), facility) != own.end()) return {};
  return fail(ErrorCode::forbidden,
              "this client does not act for this facility: [clients." + request.principal->client + "] facilities");
}

}  // namespace hutong::api
