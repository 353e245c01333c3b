#include "broker/access/clients.h"

namespace hutong::access {

ClientRegistry::ClientRegistry() {
  add({"clinic", {"system/*.rs"}});
  add({"operator", {"hutong/operate"}});
}

void ClientRegistry::add(Client client) {
  std::string name = client.name;
  clients_.insert_or_assign(std::move(name), std::move(client));
}

const Client* ClientRegistry::find(std::string_view name) const {
  const auto at = clients_.find(name);
  return at == clients_.end() ? nullptr : &at->second;
}

std::vector<std::string> ClientRegistry::names() const {
  std::vector<std::string> names;
  for (const auto& [name, client] : clients_) names.push_back(name);
  return names;
}

}  // namespace hutong::access
