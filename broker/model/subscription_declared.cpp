#include "broker/model/subscription_declared.h"

#include "broker/base/hash.h"
#include "broker/model/json_document.h"

namespace hutong::model {
namespace {

constexpr std::string_view name_prefix = "fhir-";
constexpr std::size_t id_digits = 32;

void put(Out& out, const char* name, const std::vector<std::string>& values) {
  if (values.empty()) return;
  out.open_list(name);
  for (const auto& each : values) out.element(each);
  out.close_list();
}

std::vector<std::string> texts(const In& in, const char* name) {
  std::vector<std::string> all;
  in.each(name, [&](const rapidjson::Value& each) {
    if (each.IsString()) all.emplace_back(each.GetString(), each.GetStringLength());
  });
  return all;
}

tl::unexpected<Error> broken() {
  return fail(ErrorCode::corrupt, "a record of a subscription does not read");
}

}  // namespace

std::string_view to_string(DeclaredState state) {
  switch (state) {
    case DeclaredState::requested: return "requested";
    case DeclaredState::active: return "active";
    case DeclaredState::error: return "error";
    case DeclaredState::off: return "off";
    case DeclaredState::deleted: return "deleted";
  }
  return "off";
}

std::optional<DeclaredState> declared_state_of(std::string_view text) {
  using enum DeclaredState;
  for (const auto each : {requested, active, error, off, deleted}) {
    if (to_string(each) == text) return each;
  }
  return std::nullopt;
}

RecordId declared_id(std::string_view subscription, std::uint64_t version, std::string_view run) {
  return RecordId(
      PartsHash().add(subscription_declared_kind).add(subscription).add(std::to_string(version)).add(run).finish());
}

Subscription subscription_of(const SubscriptionDeclared& declared) {
  Subscription one;
  one.name = std::string(name_prefix) + declared.subscription;
  one.filter = declared.filter;
  one.sink = SinkKind::rest_hook;
  one.target = declared.endpoint;
  one.payload = declared.payload;
  one.notification = declared.subscription;
  return one;
}

std::string_view declared_in_name(std::string_view name) {
  if (name.size() != name_prefix.size() + id_digits || !name.starts_with(name_prefix)) return {};
  name.remove_prefix(name_prefix.size());
  return name.find_first_not_of("0123456789abcdef") == std::string_view::npos ? name : std::string_view();
}

std::string write(const SubscriptionDeclared& declared) {
  Out out;
  out.open().text("kind", subscription_declared_kind).text("id", declared.id.hex());
  out.text("subscription", declared.subscription).number("version", static_cast<std::int64_t>(declared.version));
  out.time("at", declared.at).text("state", to_string(declared.state)).text("client", declared.client);
  out.text("criteria", declared.criteria).text("reason", declared.reason).text("endpoint", declared.endpoint);
  out.text("payload", to_string(declared.payload));
  const auto& filter = declared.filter;
  out.open("filter");
  put(out, "kinds", filter.kinds);
  put(out, "facilities", filter.facilities);
  put(out, "items", filter.items);
  put(out, "parties", filter.parties);
  out.text("flag", to_string(filter.flag)).text("part", to_string(filter.as)).close();
  out.text("error", declared.error);
  if (declared.end) out.time("end", *declared.end);
  out.text("log", declared.log);
  if (!declared.begins.empty()) {
    out.open_list("begins");
    for (const auto& cursor : declared.begins) {
      out.open().number("topic", cursor.stream.topic).number("partition", cursor.stream.partition);
      out.number("next", static_cast<std::int64_t>(cursor.next)).close();
    }
    out.close_list();
  }
  return out.close().take();
}

Result<SubscriptionDeclared> read_subscription_declared(std::string_view json) {
  rapidjson::Document document;
  if (!read_document(document, json, subscription_declared_kind)) return broken();
  const In in(document);
  const auto id = RecordId::from_hex(in.text("id"));
  const auto at = in.time("at");
  const auto state = declared_state_of(in.text("state"));
  const auto payload = payload_kind_of(in.text("payload"));
  SubscriptionDeclared declared;
  declared.subscription = in.text("subscription");
  if (!id || !at || !state || !payload || declared.subscription.empty()) return broken();
  declared.id = *id;
  declared.at = *at;
  declared.state = *state;
  declared.payload = *payload;
  declared.version = static_cast<std::uint64_t>(in.number("version", 1));
  declared.client = in.text("client");
  declared.criteria = in.text("criteria");
  declared.reason = in.text("reason");
  declared.endpoint = in.text("endpoint");
  in.inside("filter", [&](const In& said) {
    auto& filter = declared.filter;
    filter.kinds = texts(said, "kinds");
    filter.facilities = texts(said, "facilities");
    filter.items = texts(said, "items");
    filter.parties = texts(said, "parties");
    filter.flag = flag_of(said.text("flag")).value_or(Flag::any);
    filter.as = as_party_of(said.text("part")).value_or(AsParty::any);
  });
  if (declared.filter.kinds.empty()) return broken();  // it would be everything
  declared.error = in.text("error");
  declared.end = in.time("end");
  declared.log = in.text("log");
  in.each("begins", [&](const rapidjson::Value& each) {
    if (!each.IsObject()) return;
    const In one(each);
    StreamCursor cursor;
    cursor.stream.topic = static_cast<std::uint8_t>(one.number("topic", 0));
    cursor.stream.partition = static_cast<std::uint32_t>(one.number("partition", 0));
    cursor.next = cursor.read = static_cast<std::uint64_t>(one.number("next", 0));
    declared.begins.push_back(cursor);
  });
  return declared;
}

}  // namespace hutong::model
