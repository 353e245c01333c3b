// POST /api/v1/messages: a sender without MLLP. The body is one HL7 v2 message (or a batch) in its own bytes; the
// answer is its acknowledgement. Of one longer than 16 MiB the beginning is kept, as over MLLP. From this machine
// without credentials; from elsewhere with a token that may send.
#include "adapters/api/operate_handlers.h"
#include "adapters/api/session.h"

namespace hutong::api {
namespace {

constexpr const char* er7 = "x-application/hl7-v2+er7";

int status_of(const port::Reply& reply) {
  if (reply.close) return 413;
  switch (reply.answer) {
    case model::Answer::accepted: return 200;
    case model::Answer::content_rejected: return 422;
    case model::Answer::header_rejected: return 400;
    case model::Answer::try_again: return 503;
  }
  return 500;
}

}  // namespace

std::optional<Response> refuse_sender(const Request& request) {
  const bool granted =
      request.principal && (request.principal->has("hutong/send") || request.principal->has("system/*.c"));
  if (granted || free_on_loopback(request)) return std::nullopt;
  return fault(request.path, request.principal ? 403 : 401, "forbidden",
               "sending from another machine needs a token with the scope hutong/send");
}

Answering take_message(const OperateDeps& deps, const Request& request) {
  if (request.body.empty())
    co_return fault(request.path, 400, "invalid", "the body is empty: post the message's own bytes");
  port::Peer peer;
  peer.protocol = "http";
  peer.connection = request.connection;
  peer.trusted_network = request.loopback;
  port::Frame frame;
  frame.bytes = request.body;
  frame.received = deps.clock.now();
  frame.oversize = request.oversize;
  frame.oversize_sha256 = request.oversize_sha256;
  const auto started = deps.clock.ticks();
  auto replies = co_await deps.inbox().accept(peer, std::span<const port::Frame>(&frame, 1));
  if (replies.empty()) co_return fault(request.path, 500, "internal", "the message was not answered");
  const auto& reply = replies.front();
  Response response;
  response.status = status_of(reply);
  response.content_type = er7;
  for (const auto& message : reply.messages) response.body += message;
  if (response.status == 503) response.headers.emplace_back("Retry-After", "5");
  if (!reply.records.empty()) response.headers.emplace_back("X-Hutong-Record", reply.records.front().hex());
  if (reply.duplicate) response.headers.emplace_back("X-Hutong-Duplicate", "true");
  deps.metrics.histogram("hutong_ack_seconds", "From a message's last byte to its acknowledgement written.")
      .observe(std::chrono::duration<double>(deps.clock.ticks() - started).count());
  co_return response;
}

}  // namespace hutong::api
