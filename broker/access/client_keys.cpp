#include "broker/access/client_keys.h"

#include <openssl/core_names.h>
#include <openssl/ecdsa.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>
#include <rapidjson/document.h>

#include "broker/access/token.h"

namespace hutong::access {
namespace {

constexpr int rsa_least_bits = 2048;
constexpr std::size_t p384_bytes = 48;

template <class T, void (*Free)(T*)>
struct Freed {
  void operator()(T* held) const { Free(held); }
};
using Number = std::unique_ptr<BIGNUM, Freed<BIGNUM, BN_free>>;

const unsigned char* bytes_of(std::string_view text) {
  return reinterpret_cast<const unsigned char*>(text.data());
}

Number number_of(std::string_view bytes) {
  return Number(BN_bin2bn(bytes_of(bytes), static_cast<int>(bytes.size()), nullptr));
}

// nullptr where OpenSSL finds no key in it: not a point of the curve, for example.
std::shared_ptr<void> make_key(const char* type, OSSL_PARAM_BLD* parts) {
  const std::unique_ptr<OSSL_PARAM, Freed<OSSL_PARAM, OSSL_PARAM_free>> parameters(OSSL_PARAM_BLD_to_param(parts));
  const std::unique_ptr<EVP_PKEY_CTX, Freed<EVP_PKEY_CTX, EVP_PKEY_CTX_free>> context(
      EVP_PKEY_CTX_new_from_name(nullptr, type, nullptr));
  EVP_PKEY* key = nullptr;
  if (!parameters || !context || EVP_PKEY_fromdata_init(context.get()) != 1 ||
      EVP_PKEY_fromdata(context.get(), &key, EVP_PKEY_PUBLIC_KEY, parameters.get()) != 1) {
    return nullptr;
  }
  return {key, [](void* held) { EVP_PKEY_free(static_cast<EVP_PKEY*>(held)); }};
}

using Parts = std::unique_ptr<OSSL_PARAM_BLD, Freed<OSSL_PARAM_BLD, OSSL_PARAM_BLD_free>>;

std::shared_ptr<void> rsa_key(const std::string& modulus, const std::string& exponent) {
  const Number n = number_of(modulus), e = number_of(exponent);
  const Parts parts(OSSL_PARAM_BLD_new());
  if (BN_num_bits(n.get()) < rsa_least_bits || !BN_is_odd(e.get()) || BN_is_one(e.get())) return nullptr;
  OSSL_PARAM_BLD_push_BN(parts.get(), OSSL_PKEY_PARAM_RSA_N, n.get());
  OSSL_PARAM_BLD_push_BN(parts.get(), OSSL_PKEY_PARAM_RSA_E, e.get());
  return make_key("RSA", parts.get());
}

std::shared_ptr<void> ec_key(const std::string& x, const std::string& y) {
  if (x.size() != p384_bytes || y.size() != p384_bytes) return nullptr;
  const std::string point = "\x04" + x + y;
  const Parts parts(OSSL_PARAM_BLD_new());
  OSSL_PARAM_BLD_push_utf8_string(parts.get(), OSSL_PKEY_PARAM_GROUP_NAME, "P-384", 0);
  OSSL_PARAM_BLD_push_octet_string(parts.get(), OSSL_PKEY_PARAM_PUB_KEY, point.data(), point.size());
  return make_key("EC", parts.get());
}

std::string der_of(std::string_view signature) {
  if (signature.size() != 2 * p384_bytes) return {};
  const std::unique_ptr<ECDSA_SIG, Freed<ECDSA_SIG, ECDSA_SIG_free>> pair(ECDSA_SIG_new());
  ECDSA_SIG_set0(pair.get(), number_of(signature.substr(0, p384_bytes)).release(),
                 number_of(signature.substr(p384_bytes)).release());
  unsigned char* der = nullptr;
  const int size = i2d_ECDSA_SIG(pair.get(), &der);
  if (size <= 0) return {};
  std::string text(reinterpret_cast<char*>(der), static_cast<std::size_t>(size));
  OPENSSL_free(der);
  return text;
}

std::string_view text(const rapidjson::Value& object, const char* name) {
  const auto member = object.FindMember(name);
  if (member == object.MemberEnd() || !member->value.IsString()) return {};
  return {member->value.GetString(), member->value.GetStringLength()};
}

}  // namespace

bool ClientKey::verify(std::string_view bytes, std::string_view signature) const {
  const std::string der = algorithm == "ES384" ? der_of(signature) : std::string(signature);
  const std::unique_ptr<EVP_MD_CTX, Freed<EVP_MD_CTX, EVP_MD_CTX_free>> context(EVP_MD_CTX_new());
  return !der.empty() &&
         EVP_DigestVerifyInit(context.get(), nullptr, EVP_sha384(), nullptr, static_cast<EVP_PKEY*>(key.get())) == 1 &&
         EVP_DigestVerify(context.get(), bytes_of(der), der.size(), bytes_of(bytes), bytes.size()) == 1;
}

Result<std::vector<ClientKey>> read_jwks(std::string_view json) {
  rapidjson::Document document;
  document.Parse<rapidjson::kParseIterativeFlag | rapidjson::kParseNumbersAsStringsFlag>(json.data(), json.size());
  if (document.HasParseError() || !document.IsObject() || !document.HasMember("keys") || !document["keys"].IsArray()) {
    return fail(ErrorCode::invalid, "not a JWK Set: expected {\"keys\":[{\"kty\":…,\"kid\":…}]}");
  }
  std::vector<ClientKey> keys;
  for (const auto& each : document["keys"].GetArray()) {
    if (!each.IsObject()) return fail(ErrorCode::invalid, "a key in it is not a JSON object");
    if (each.HasMember("d") || each.HasMember("k")) {
      return fail(ErrorCode::invalid,
                  "it holds a private or shared key: give the public half only, and make a new key");
    }
    const auto type = text(each, "kty"), use = text(each, "use"), named = text(each, "alg");
    const std::string_view algorithm = type == "RSA"                                  ? "RS384"
                                       : type == "EC" && text(each, "crv") == "P-384" ? "ES384"
                                                                                      : "";
    if (algorithm.empty() || (!use.empty() && use != "sig") || (!named.empty() && named != algorithm)) continue;
    ClientKey key{std::string(text(each, "kid")), std::string(algorithm), nullptr};
    if (key.id.empty()) return fail(ErrorCode::invalid, "a key in it has no kid, by which an assertion names it");
    const bool rsa = type == "RSA";
    const auto first = from_base64url(text(each, rsa ? "n" : "x")),
               second = from_base64url(text(each, rsa ? "e" : "y"));
    if (first && second) key.key = rsa ? rsa_key(*first, *second) : ec_key(*first, *second);
    if (!key.key) {
      return fail(ErrorCode::invalid,
                  "the key " + key.id + " is none: RSA needs n (2048 bits or more) and e, EC x and y on P-384");
    }
    keys.push_back(std::move(key));
  }
  if (keys.empty())
    return fail(ErrorCode::invalid, "no key in it is for signing with RS384 (RSA) or ES384 (EC, P-384)");
  return keys;
}

}  // namespace hutong::access
