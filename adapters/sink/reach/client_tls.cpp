#include "adapters/sink/reach/client_tls.h"

#include <openssl/ssl.h>

#include <stdexcept>

namespace hutong::reach {

net::ssl::context client_tls(const TlsFiles& files, const std::string& receiver) {
  net::ssl::context tls(net::ssl::context::tls_client);
  SSL_CTX_set_min_proto_version(tls.native_handle(), TLS1_2_VERSION);
  tls.set_verify_mode(net::ssl::verify_peer);
  try {
    if (files.authority.empty()) {
      tls.set_default_verify_paths();
    } else {
      tls.load_verify_file(files.authority);
    }
    if (!files.certificate.empty()) {
      tls.use_certificate_chain_file(files.certificate);
      tls.use_private_key_file(files.key, net::ssl::context::pem);
    }
  } catch (const boost::system::system_error& e) {
    throw std::runtime_error(receiver + ": its PEM files cannot be used: " + e.code().message());
  }
  return tls;
}

}  // namespace hutong::reach
