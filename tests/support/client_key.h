// A client's private key, as its program would hold it: signs assertions, shows its public half as a JWK. For the tests
// of the token endpoint.
#pragma once

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ecdsa.h>
#include <openssl/evp.h>
#include <openssl/rsa.h>

#include <memory>
#include <string>

#include "broker/access/token.h"

namespace hutong::tests {

class ClientPrivateKey {
 public:
  explicit ClientPrivateKey(const char* algorithm, unsigned rsa_bits = 2048)
      : algorithm_(algorithm), key_(ec() ? EVP_EC_gen("P-384") : EVP_RSA_gen(rsa_bits), EVP_PKEY_free) {}

  std::string jwk(const std::string& kid, const std::string& more = "") const {
    if (ec()) {
      return R"({"kty":"EC","crv":"P-384","kid":")" + kid + R"(","x":")" + number(OSSL_PKEY_PARAM_EC_PUB_X, 48) +
             R"(","y":")" + number(OSSL_PKEY_PARAM_EC_PUB_Y, 48) + "\"" + more + "}";
    }
    return R"({"kty":"RSA","kid":")" + kid + R"(","n":")" + number(OSSL_PKEY_PARAM_RSA_N) + R"(","e":")" +
           number(OSSL_PKEY_PARAM_RSA_E) + "\"" + more + "}";
  }
  std::string sign(const std::string& header, const std::string& claims) const {
    const std::string text = access::base64url(header) + "." + access::base64url(claims);
    const std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> context(EVP_MD_CTX_new(), EVP_MD_CTX_free);
    std::size_t size = 1024;
    std::string signature(size, '\0');
    auto* out = reinterpret_cast<unsigned char*>(signature.data());
    EVP_DigestSignInit(context.get(), nullptr, EVP_sha384(), nullptr, key_.get());
    EVP_DigestSign(context.get(), out, &size, reinterpret_cast<const unsigned char*>(text.data()), text.size());
    signature.resize(size);
    return text + "." + access::base64url(ec() ? pair_of(signature) : signature);
  }

 private:
  bool ec() const { return algorithm_ == "ES384"; }
  std::string number(const char* name, int padded = 0) const {
    BIGNUM* value = nullptr;
    EVP_PKEY_get_bn_param(key_.get(), name, &value);
    std::string bytes(static_cast<std::size_t>(padded ? padded : BN_num_bytes(value)), '\0');
    BN_bn2binpad(value, reinterpret_cast<unsigned char*>(bytes.data()), static_cast<int>(bytes.size()));
    BN_free(value);
    return access::base64url(bytes);
  }
  static std::string pair_of(const std::string& der) {
    const auto* at = reinterpret_cast<const unsigned char*>(der.data());
    ECDSA_SIG* pair = d2i_ECDSA_SIG(nullptr, &at, static_cast<long>(der.size()));
    std::string bytes(96, '\0');
    auto* out = reinterpret_cast<unsigned char*>(bytes.data());
    BN_bn2binpad(ECDSA_SIG_get0_r(pair), out, 48);
    BN_bn2binpad(ECDSA_SIG_get0_s(pair), out + 48, 48);
    ECDSA_SIG_free(pair);
    return bytes;
  }
  std::string algorithm_;
  std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)> key_;
};

}  // namespace hutong::tests
