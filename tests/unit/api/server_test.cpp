#include "adapters/api/server.h"

#include <sys/stat.h>

#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <future>

#include "broker/base/hash.h"
#include "tests/unit/api/door.h"

namespace hutong::api {
namespace {

Handler say(std::string text) {
  return [text](const Request&) -> net::awaitable<Response> {
    Response response;
    response.body = text;
    co_return response;
  };
}

struct ServerTest : DoorTest {};

TEST_F(ServerTest, AnswersManyRequestsOnOneConnection) {
  open();
  Wire wire(port);
  for (int i = 0; i < 3; ++i) {
    wire.send(request("GET /healthz"));
    const auto reply = wire.reply();
    EXPECT_EQ(reply.status, 200);
    EXPECT_TRUE(reply.has("alive"));
  }
}

TEST_F(ServerTest, AnswersPipelinedRequestsInOrderAlsoAfterFaults) {
  open();
  Wire wire(port);
  wire.send(request("GET /healthz") + request("GET /nothing") + request("POST /healthz", "", "x") +
            request("GET /healthz"));
  EXPECT_EQ(wire.reply().status, 200);
  EXPECT_EQ(wire.reply().status, 404);
  // An unread body ends the connection: what follows it is not a request.
  const auto refused = wire.reply();
  EXPECT_EQ(refused.status, 405);
  EXPECT_EQ(refused.headers.at("connection"), "close");
  EXPECT_TRUE(wire.ended());
}

TEST_F(ServerTest, AHeadInPiecesIsOneRequest) {
  open();
  Wire wire(port);
  for (char c : request("GET /healthz")) wire.send({&c, 1});
  EXPECT_EQ(wire.reply().status, 200);
}

TEST_F(ServerTest, SmuggledRequestsAreNotAnswered) {
  open();
  for (const char* framing :
       {"Transfer-Encoding: xchunked\r\n", "Transfer-Encoding: gzip\r\nContent-Length: 3\r\n",
        "Transfer-Encoding: chunked\r\nContent-Length: 3\r\n", "Content-Length: 3\r\nContent-Length: 3\r\n"}) {
    Wire wire(port);
    wire.send("POST /api/v1/messages HTTP/1.1\r\nHost: h\r\n" + std::string(framing) + "\r\nabc" +
              request("GET /healthz"));
    EXPECT_EQ(wire.reply().status, 400) << framing;
    EXPECT_TRUE(wire.ended()) << framing;
  }
  EXPECT_EQ(inbox.taken, 0U);
}

TEST_F(ServerTest, EveryAnswerTellsTheBrowserWhatItMayDo) {
  open();
  for (const char* line : {"GET /", "GET /healthz", "GET /nothing", "GET /api/v1/status", "GET /fhir/Patient"}) {
    const auto reply = ask(line);
    EXPECT_TRUE(reply.headers.at("content-security-policy").starts_with("default-src 'self'")) << line;
    EXPECT_EQ(reply.headers.at("x-content-type-options"), "nosniff");
    EXPECT_EQ(reply.headers.at("referrer-policy"), "no-referrer");
    EXPECT_EQ(reply.headers.at("cache-control"), line == std::string("GET /") ? "no-cache" : "no-store");
  }
}

TEST_F(ServerTest, ErrorsHaveTheFormOfTheirAddress) {
  open();
  const auto api = ask("GET /api/v1/nothing?name=SECRET");
  EXPECT_EQ(api.status, 404);
  EXPECT_TRUE(api.has("{\"error\":{\"code\":\"not-found\""));
  for (const char* line : {"GET /fhir", "GET /fhir/", "GET /fhir?name=%zz", "GET /fhir/Patient/1/nothing", "POST /fhir",
                           "PUT /fhir/a/b"}) {
    const auto answer = ask(line);
    EXPECT_TRUE(answer.has("\"resourceType\":\"OperationOutcome\"")) << line << answer.body;
    EXPECT_TRUE(answer.status == 400 || answer.has("/fhir/metadata")) << line << answer.body;
  }
  const auto fhir = ask("GET /fhir/Nothing?name=SECRET");
  EXPECT_EQ(fhir.headers.at("content-type"), "application/fhir+json; charset=utf-8");
  EXPECT_TRUE(fhir.has("\"resourceType\":\"OperationOutcome\""));
  EXPECT_FALSE(api.has("SECRET"));
  EXPECT_FALSE(fhir.has("SECRET"));
}

TEST_F(ServerTest, HeadOptionsAndWrongMethods) {
  open();
  const auto head = ask("HEAD /healthz"), get = ask("GET /healthz");
  EXPECT_EQ(head.status, 200);
  EXPECT_EQ(head.headers.at("content-length"), get.headers.at("content-length"));
  Wire wire(port);
  wire.send(request("HEAD /healthz") + request("GET /version"));
  EXPECT_EQ(wire.reply(true).status, 200);
  EXPECT_TRUE(wire.reply().has("schemaVersion"));  // no body of the HEAD came between
  const auto options = ask("OPTIONS /healthz");
  EXPECT_EQ(options.status, 204);
  EXPECT_EQ(options.headers.at("allow"), "OPTIONS, GET, HEAD");
  const auto wrong = ask("DELETE /healthz");
  EXPECT_EQ(wrong.status, 405);
  EXPECT_EQ(wrong.headers.at("allow"), "OPTIONS, GET, HEAD");
}

TEST_F(ServerTest, BodiesUpToTheLimitAndNotOneByteMore) {
  extra.push_back({"POST", "/echo", "", [](const Request& r) -> net::awaitable<Response> {
                     Response response;
                     response.body = std::to_string(r.body.size());
                     co_return response;
                   }});
  open();
  EXPECT_EQ(ask("POST /echo", "", std::string(1024 * 1024, 'a')).body, "1048576");
  EXPECT_EQ(ask("POST /echo", "", std::string(1024 * 1024 + 1, 'a')).status, 413);
  Wire wire(port);
  wire.send("POST /echo HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n" +
            request("GET /healthz"));
  EXPECT_EQ(wire.reply().body, "5");
  EXPECT_TRUE(wire.reply().has("alive"));
  Wire endless(port);
  endless.send("POST /echo HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n");
  const std::string chunk = "10000\r\n" + std::string(0x10000, 'a') + "\r\n";
  for (int i = 0; i < 17; ++i) endless.send(chunk);
  EXPECT_EQ(endless.reply().status, 413);
}

TEST_F(ServerTest, AMessageMayBeSixteenMebibytes) {
  open();
  EXPECT_EQ(ask("POST /api/v1/messages", "", std::string(limits::message_bytes, 'a')).status, 200);
  EXPECT_EQ(inbox.bytes, limits::message_bytes);
  EXPECT_EQ(inbox.oversize, 0U);
}

TEST_F(ServerTest, OfALongerMessageTheBeginningTheLengthAndTheHashAreKept) {
  open();
  std::string body(limits::message_bytes + 70'000, 'a');
  body.back() = 'z';
  const auto digest = sha256(body);
  const auto taken = [&](const std::string& bytes) {
    Wire wire(port);
    wire.send(bytes);
    const auto reply = wire.reply();
    EXPECT_EQ(reply.status, 413);
    EXPECT_TRUE(reply.has("MSA|")) << "the answer is an acknowledgement";
    EXPECT_EQ(reply.headers.at("connection"), "close");
    EXPECT_TRUE(wire.ended());
    EXPECT_EQ(inbox.bytes.exchange(0), limits::oversize_kept_bytes);
    EXPECT_EQ(inbox.oversize, body.size());
    EXPECT_EQ(inbox.oversize_sha256, to_hex(as_view(digest)));
  };
  taken(request("POST /api/v1/messages", "", body));
  std::string chunks = "POST /api/v1/messages HTTP/1.1\r\nHost: 127.0.0.1\r\nTransfer-Encoding: chunked\r\n\r\n";
  for (std::size_t at = 0; at < body.size(); at += 10'000'000) {
    const auto part = body.substr(at, 10'000'000);
    char size[20];
    std::snprintf(size, sizeof size, "%zx\r\n", part.size());
    chunks += size + part + "\r\n";
  }
  taken(chunks + "0\r\n\r\n");
  const auto one_more = ask("POST /api/v1/messages", "", std::string(limits::message_bytes + 1, 'a'));
  EXPECT_EQ(one_more.status, 413);
  EXPECT_EQ(inbox.taken, 3U);
}

TEST_F(ServerTest, NothingIsReadOfAStrangersMessage) {
  open();
  Wire wire(port);
  wire.send(
      "POST /api/v1/messages HTTP/1.1\r\nHost: 127.0.0.1\r\nOrigin: http://evil.example\r\nContent-Length: "
      "99999999\r\n\r\n");
  EXPECT_EQ(wire.reply().status, 401);
  EXPECT_EQ(inbox.taken, 0U);
}

TEST_F(ServerTest, ContinuesWhenExpectedAndOnlyForThoseWhoMay) {
  open();
  Wire wire(port);
  wire.send("POST /api/v1/messages HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n");
  EXPECT_TRUE(wire.until("\r\n\r\n").starts_with("HTTP/1.1 100"));
  wire.send("abc");
  EXPECT_EQ(wire.reply().status, 200);
  Wire stranger(port);
  stranger.send("POST /api/v1/reload HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n");
  EXPECT_EQ(stranger.reply().status, 401);
}

TEST_F(ServerTest, NoBodyIsReadBeforeTheAskerIsKnown) {
  std::atomic<bool> reached{false};
  extra.push_back({"POST", "/secret", "system/*.rs", [&](const Request&) -> net::awaitable<Response> {
                     reached = true;
                     co_return Response();
                   }});
  open();
  Wire wire(port);
  wire.send("POST /secret HTTP/1.1\r\nHost: h\r\nContent-Length: 1000000\r\n\r\n");  // and never a byte of it
  const auto reply = wire.reply();
  EXPECT_EQ(reply.status, 401);
  EXPECT_TRUE(reply.headers.at("www-authenticate").starts_with("Bearer"));
  EXPECT_FALSE(reached);
}

TEST_F(ServerTest, ABadTokenIsRefusedAndAudited) {
  open();
  const auto reply = ask("GET /healthz", "Authorization: Bearer abc.def.ghi\r\n");
  EXPECT_EQ(reply.status, 401);
  EXPECT_NE(audited().find("\"resource\":\"token\""), std::string::npos);
  EXPECT_EQ(ask("GET /healthz", "Authorization: Basic YWRtaW46YWRtaW4=\r\n").status, 401);
}

TEST_F(ServerTest, AHandlerThatThrowsIsFiveHundredWithoutItsWords) {
  std::string told;
  extra.push_back({"GET", "/broken", "", [](const Request&) -> net::awaitable<Response> {
                     throw std::runtime_error("SECRET");
                     co_return Response();
                   }});
  options.on_event = [&](std::string_view, std::string message) { told = message; };
  open();
  const auto reply = ask("GET /broken");
  EXPECT_EQ(reply.status, 500);
  EXPECT_FALSE(reply.has("SECRET"));
  EXPECT_EQ(told.find("SECRET"), std::string::npos);
  EXPECT_NE(told.find("/broken"), std::string::npos);
}

TEST_F(ServerTest, AHeaderValueCannotBreakTheLine) {
  extra.push_back({"GET", "/split", "", [](const Request& r) -> net::awaitable<Response> {
                     Response response;
                     response.headers.emplace_back("Location",
                                                   "/a\r\nSet-Cookie: stolen=1" + std::string(r.parameter("x")));
                     co_return response;
                   }});
  open();
  EXPECT_FALSE(ask("GET /split").headers.contains("set-cookie"));
}

TEST_F(ServerTest, FormsOfSearchBecomeParameters) {
  extra.push_back({"POST", "/fhir/Patient/_search", "", [](const Request& r) -> net::awaitable<Response> {
                     Response response;
                     response.body = std::string(r.parameter("name")) + "/" + std::string(r.parameter("a"));
                     co_return response;
                   }});
  open();
  EXPECT_EQ(
      ask("POST /fhir/Patient/_search?a=1", "Content-Type: application/x-www-form-urlencoded\r\n", "name=%E6%9D%8E")
          .body,
      "李/1");
}

TEST_F(ServerTest, TheSocketIsPrivateAndItsPeerOperates) {
  open();
  struct stat status {};
  ASSERT_EQ(::stat(options.socket.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0600U);
  EXPECT_EQ(ask_socket("GET /api/v1/status").status, 200);
  EXPECT_EQ(ask_socket("GET /api/v1/session").body,
            "{\"client\":\"local-operator\",\"scopes\":[\"hutong/operate\",\"hutong/identity\",\"hutong/raw\",\"hutong/"
            "metrics\",\"hutong/send\"]}\n");
  EXPECT_NE(audited().find("local-operator"), std::string::npos);
}

TEST_F(ServerTest, PlacesForConnectionsAreBounded) {
  options.connections_per_peer = 2;
  open();
  Wire first(port), second(port);
  first.send(request("GET /healthz"));
  second.send(request("GET /healthz"));
  EXPECT_EQ(first.reply().status, 200);
  EXPECT_EQ(second.reply().status, 200);
  Wire third(port);
  EXPECT_TRUE(third.ended());
  EXPECT_EQ(metrics.gauge("hutong_connections", "", {{"protocol", "http"}}).value(), 2);
}

TEST_F(ServerTest, ASlowHeadAndAnIdleConnectionAreEnded) {
  options.header_deadline = std::chrono::milliseconds(50);
  options.idle_timeout = std::chrono::milliseconds(50);
  options.body_deadline = std::chrono::milliseconds(50);
  open();
  Wire slow(port), idle(port), body(port);
  slow.send("GET / HT");
  body.send("POST /api/v1/messages HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 10\r\n\r\nabc");
  EXPECT_TRUE(slow.ended());
  EXPECT_TRUE(idle.ended());
  EXPECT_TRUE(body.ended());
  EXPECT_EQ(inbox.taken, 0U);
}

TEST_F(ServerTest, StopEndsIdleConnectionsAndLetsWorkFinish) {
  std::promise<void> entered, go;
  auto gone = go.get_future().share();
  extra.push_back({"GET", "/slow", "", [&](const Request&) -> net::awaitable<Response> {
                     entered.set_value();
                     net::steady_timer timer(co_await net::this_coro::executor);
                     while (gone.wait_for(std::chrono::seconds(0)) != std::future_status::ready) {
                       timer.expires_after(std::chrono::milliseconds(1));
                       co_await timer.async_wait(net::use_awaitable);
                     }
                     Response response;
                     response.body = "done";
                     co_return response;
                   }});
  open();
  Wire idle(port), busy(port);
  idle.send(request("GET /healthz"));
  EXPECT_EQ(idle.reply().status, 200);
  busy.send(request("GET /slow"));
  entered.get_future().wait();
  auto stopped = net::co_spawn(io, server->stop(std::chrono::seconds(10)), net::use_future);
  EXPECT_TRUE(idle.ended());
  go.set_value();
  EXPECT_EQ(busy.reply().body, "done");
  stopped.get();
  EXPECT_EQ(server->active(), 0U);
  EXPECT_FALSE(std::filesystem::exists(options.socket));
}

TEST_F(ServerTest, StreamsPieceByPieceUntilTheEnd) {
  extra.push_back({"GET", "/count", "", [](const Request&) -> net::awaitable<Response> {
                     Response response;
                     response.content_type = "text/event-stream";
                     auto left = std::make_shared<int>(3);
                     response.body = "go\n";
                     response.stream = [left]() -> net::awaitable<std::optional<std::string>> {
                       if (*left == 0) co_return std::nullopt;
                       co_return std::to_string((*left)--) + "\n";
                     };
                     co_return response;
                   }});
  open();
  Wire wire(port);
  wire.send(request("GET /count") + request("GET /healthz"));
  const auto head = wire.reply();
  EXPECT_EQ(head.headers.at("transfer-encoding"), "chunked");
  EXPECT_EQ(wire.until("0\r\n\r\n"), "3\r\ngo\n\r\n2\r\n3\n\r\n2\r\n2\n\r\n2\r\n1\n\r\n0\r\n\r\n");
  EXPECT_TRUE(wire.reply().has("alive"));
}

TEST_F(ServerTest, ShardsShareOnePort) {
  open();
  net::io_context second{1};
  EXPECT_EQ(server->listen(second), port);
  std::thread runs([&] { second.run(); });
  for (int i = 0; i < 20; ++i) EXPECT_EQ(ask("GET /healthz").status, 200);
  shut();
  runs.join();
  server.reset();  // before the shard that it listened on
}

TEST_F(ServerTest, ATakenAddressSaysSo) {
  options.address = "192.0.2.1";  // TEST-NET-1: never ours
  options.port = 1;
  Server elsewhere(options, {{"GET", "/", "", say("x")}}, who, metrics);
  net::io_context other{1};
  EXPECT_THROW(elsewhere.listen(other), std::runtime_error);
}

}  // namespace
}  // namespace hutong::api
