// The clients that may hold a token, and the widest scopes each may have. Threads: built at start, then read by any.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "broker/access/client_keys.h"

namespace hutong::access {

struct Client {
  std::string name;
  std::vector<std::string> scopes;
  std::vector<ClientKey> keys{};          // with which it signs for a token; none: only `hutong token` gives it one
  std::vector<std::string> facilities{};  // in whose name it may order; none: in any
};

class ClientRegistry {
 public:
  // `clinic` (system/*.rs: the community centre) and `operator` (hutong/operate: no clinical content).
  ClientRegistry();
  void add(Client client);  // replaces one of the same name
  const Client* find(std::string_view name) const;
  std::vector<std::string> names() const;

 private:
  std::map<std::string, Client, std::less<>> clients_;
};

}  // namespace hutong::access
