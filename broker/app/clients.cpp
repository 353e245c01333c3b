#include "broker/app/clients.h"

#include <fmt/format.h>

#include <sstream>

#include "broker/access/permit.h"
#include "broker/app/files.h"

namespace hutong::app {

access::ClientRegistry registered_clients(const Config& config) {
  access::ClientRegistry registry;
  for (const auto& client : config.clients) {
    const auto mistake = [&](const std::string& what) -> ConfigError {
      return ConfigError(fmt::format("{}: [clients.{}] {}", config.file.string(), client.name, what));
    };
    if (client.name.size() > 64 ||
        client.name.find_first_not_of("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_") !=
            std::string::npos) {
      throw mistake("a client's name has at most 64 letters, digits, dots, hyphens and underscores");
    }
    access::Client registered{client.name, {}, {}, {}};
    const auto* built_in = registry.find(client.name);
    if (built_in) registered = *built_in;
    if (!built_in && client.jwks.empty()) throw mistake("jwks is missing: the file with the client's public keys");
    std::istringstream facilities(client.facilities);
    registered.facilities.assign(std::istream_iterator<std::string>(facilities), {});
    if (!client.scopes.empty()) {
      std::istringstream words(client.scopes);
      registered.scopes.assign(std::istream_iterator<std::string>(words), {});
    }
    if (registered.scopes.empty())
      throw mistake("scopes is missing, such as \"system/Patient.rs system/Observation.rs\"");
    for (const auto& scope : registered.scopes) {
      if (!access::Principal{client.name, {scope}, ""}.has(scope)) {
        throw mistake(scope +
                      ": expected system/TYPE.LETTERS with the letters of cruds in this order, such as system/*.rs");
      }
    }
    if (!client.jwks.empty()) {
      auto keys = access::read_jwks(read_file(client.jwks.string()));
      if (!keys) throw ConfigError(client.jwks.string() + ": " + keys.error().message);
      registered.keys = std::move(*keys);
    }
    registry.add(std::move(registered));
  }
  return registry;
}

}  // namespace hutong::app
