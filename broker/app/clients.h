// The clients of an installation: those that are built in, and [clients] of the configuration with their public keys.
#pragma once

#include "broker/access/clients.h"
#include "broker/app/config.h"

namespace hutong::app {

// Throws ConfigError: a name, scope or JWK Set that is none, with the file at fault.
access::ClientRegistry registered_clients(const Config& config);

}  // namespace hutong::app
