#include "adapters/api/operate.h"

#include <rapidjson/document.h>

#include "broker/model/event_json.h"
#include "tests/unit/api/door.h"

namespace hutong::api {
namespace {

struct OperateTest : DoorTest {
  void put_feed(const std::string& code) {
    port::StoreBatch batch;
    batch.put(
        port::tables::feeds,
        {code,
         std::string(R"({"firstReceived":1767000000000000,"lastReceived":1767000600000000,"records":7,"unmapped":2,)"
                     R"("rejected":3,"rejects":{"missing-field":1,"bad-type":2}})"),
         std::int64_t{1}});
    ASSERT_TRUE(wait(store.write(std::move(batch))));
  }
  std::string put_quarantined(const std::string& facility, const std::string& raw) {
    port::Record record;
    record.raw = raw;
    record.json = "{}";
    const auto digest = sha256(raw);
    record.key = facility + "/" + to_hex(as_view(digest));
    std::vector<port::Record> records;
    records.push_back(std::move(record));
    const auto at = wait(log.append(port::Topic::quarantine, std::move(records)));
    port::StoreBatch batch;
    batch.put(port::tables::quarantine,
              {facility, std::string(as_view(digest)), static_cast<std::int64_t>(at->front().offset),
               std::string("content-rejected"), std::string("missing-field"), std::string("OBX[1]-3"),
               std::string("ORU^R01"), std::string("CTRL-1"), std::int64_t{1'767'000'000'000'000}, std::string()});
    EXPECT_TRUE(wait(store.write(std::move(batch))));
    return to_hex(as_view(digest));
  }
};

TEST_F(OperateTest, HealthReadinessAndVersion) {
  control.view.version = "0.1.0";
  control.view.schema_version = "1";
  control.view.dependencies = {{"log", true, ""}, {"store", true, ""}};
  open();
  EXPECT_EQ(ask("GET /healthz").status, 200);
  EXPECT_EQ(ask("GET /readyz").status, 200);
  EXPECT_EQ(ask("GET /version").body, "{\"version\":\"0.1.0\",\"schemaVersion\":\"1\"}\n");
  {
    const std::lock_guard lock(control.mutex);
    control.view.dependencies[1] = {"store", false, "no space: free the disk"};
  }
  {
    const std::lock_guard lock(control.mutex);
    control.view.dependencies[0].reason = "full in 3 days";
  }
  const auto reply = ask("GET /readyz");
  EXPECT_TRUE(reply.has("{\"name\":\"log\",\"ready\":true,\"reason\":\"full in 3 days\"}")) << "a warning is told, too";
  EXPECT_EQ(reply.status, 503);
  EXPECT_TRUE(reply.has("{\"name\":\"store\",\"ready\":false,\"reason\":\"no space: free the disk\"}"));
}

TEST_F(OperateTest, MetricsAreFreeHereAndNotForThoseWhoArePassedOn) {
  metrics.counter("hutong_events_total", "Events.", {{"kind", "result.reported"}}).add();
  open();
  EXPECT_TRUE(ask("GET /metrics").has("hutong_events_total{kind=\"result.reported\"} 1"));
  EXPECT_EQ(ask("GET /metrics", "X-Forwarded-For: 10.0.0.1\r\n").status, 401);
  EXPECT_EQ(ask("GET /metrics", "Sec-Fetch-Site: cross-site\r\n").status, 401);
  Wire rebound(port);
  rebound.send("GET /metrics HTTP/1.1\r\nHost: evil.example\r\n\r\n");
  EXPECT_EQ(rebound.reply().status, 401);
  EXPECT_EQ(
      ask("GET /metrics", "X-Forwarded-For: 10.0.0.1\r\nAuthorization: Bearer " + token("clinic") + "\r\n").status,
      403);
  EXPECT_EQ(ask_socket("GET /metrics").status, 200);
}

TEST_F(OperateTest, AMessageIsAnsweredAsTheInboxJudges) {
  open();
  const auto accepted = ask("POST /api/v1/messages", "", "MSH|^~\\&|");
  EXPECT_EQ(accepted.status, 200);
  EXPECT_EQ(accepted.headers.at("content-type"), "x-application/hl7-v2+er7");
  EXPECT_TRUE(accepted.has("MSA|AA|1"));
  inbox.answer = model::Answer::content_rejected;
  EXPECT_EQ(ask("POST /api/v1/messages", "", "MSH").status, 422);
  inbox.answer = model::Answer::header_rejected;
  EXPECT_EQ(ask("POST /api/v1/messages", "", "MSH").status, 400);
  inbox.answer = model::Answer::try_again;
  const auto again = ask("POST /api/v1/messages", "", "MSH");
  EXPECT_EQ(again.status, 503);
  EXPECT_EQ(again.headers.at("retry-after"), "5");
  EXPECT_EQ(ask("POST /api/v1/messages").status, 400);
  EXPECT_EQ(inbox.taken, 4U);
}

TEST_F(OperateTest, APageOfAnotherSiteCannotSend) {
  open();
  EXPECT_EQ(ask("POST /api/v1/messages", "Origin: http://evil.example\r\nContent-Type: text/plain\r\n", "MSH").status,
            401);
  EXPECT_EQ(inbox.taken, 0U);
}

TEST_F(OperateTest, EveryOperationNeedsItsScopeAndLeavesARecord) {
  clients.add({"prometheus", {"hutong/metrics"}});
  open();
  for (const auto& route : routes()) {
    if (route.scope.empty() || route.pattern == "/api/v1/session") continue;
    std::string path = route.pattern;
    for (auto at = path.find('{'); at != std::string::npos; at = path.find('{'))
      path.replace(at, path.find('}') - at + 1, "x");
    const std::string line = route.method + " " + path;
    EXPECT_EQ(ask(line).status, 401) << line;
    const auto before = audited().size();
    // What is clinical is none of the operator's business, and the other way about.
    const char* stranger = route.scope.find(' ') != std::string::npos ? "prometheus"  // either of them
                           : route.scope.starts_with("system/")       ? "operator"
                                                                      : "clinic";
    EXPECT_EQ(ask_as(stranger, line).status, 403) << line;
    if (path != "/api/v1/backup")
      EXPECT_NE(audited().find("\"outcome\":\"denied\"", before), std::string::npos) << line;
  }
}

TEST_F(OperateTest, OnlyTheSubscribersOwnClientSaysWhatItHas) {
  clients.add({"ward-app", {"system/DiagnosticReport.r"}});
  open();
  const std::string line = "POST /api/v1/subscriptions/ward-app/acknowledge", body = "{\"events\":[\"e1\",\"e2\"]}";
  EXPECT_EQ(ask_as("clinic", line, body).status, 403);
  EXPECT_EQ(ask_as("ward-app", line, "{\"events\":[]}").status, 400);
  EXPECT_TRUE(streams.taken.empty());
  EXPECT_TRUE(ask_as("ward-app", line, body).has("\"events\":2"));
  EXPECT_EQ(streams.taken, (std::vector<std::string>{"e1", "e2"}));
}

TEST_F(OperateTest, FeedsAreShown) {
  open();
  put_feed("H1");
  metrics.counter("hutong_messages_total", "", {{"facility", "H1"}, {"answer", "duplicate"}}).add(4);
  const auto all = ask_as("operator", "GET /api/v1/feeds");
  EXPECT_TRUE(all.has("\"resends\":4"));
  EXPECT_EQ(all.status, 200);
  EXPECT_TRUE(all.has("\"facility\":\"H1\"")) << all.body;
  EXPECT_TRUE(all.has("\"last\":\"2025-12-29T09:30:00.000Z\"")) << all.body;
  EXPECT_TRUE(all.has("\"rejected\":3"));
  EXPECT_EQ(ask_as("operator", "GET /api/v1/feeds/H1").status, 200);
  EXPECT_EQ(ask_as("operator", "GET /api/v1/feeds/H2").status, 404);
}

TEST_F(OperateTest, UnmappedCodesComeMostFrequentFirst) {
  open();
  port::StoreBatch batch;
  batch.put(port::tables::unmapped, {std::string("H1"), std::string("A"), std::string("甲"), std::int64_t{2},
                                     std::int64_t{1}, std::int64_t{2}});
  batch.put(port::tables::unmapped, {std::string("H2"), std::string("B"), std::string("乙"), std::int64_t{9},
                                     std::int64_t{1}, std::int64_t{2}});
  ASSERT_TRUE(wait(store.write(std::move(batch))));
  const auto all = ask_as("operator", "GET /api/v1/unmapped");
  EXPECT_LT(all.body.find("乙"), all.body.find("甲"));
  EXPECT_FALSE(ask_as("operator", "GET /api/v1/unmapped?facility=H1").has("乙"));
}

TEST_F(OperateTest, QuarantineTellsHowOftenAMessageCameAgain) {
  const auto digest = sha256("MSH|AGAIN");
  repetitions[{"H1", std::string(as_view(digest))}] = {3, Timestamp{1'767'000'000'000'000}};
  open();
  put_quarantined("H1", "MSH|AGAIN");
  put_quarantined("H1", "MSH|ONCE");
  const auto page = ask_as("operator", "GET /api/v1/quarantine");
  EXPECT_TRUE(page.has("\"repeated\":3,\"repeatedLast\":\"2025-12-29T09:20:00.000Z\""));
  EXPECT_TRUE(page.has("\"repeated\":0}"));
}

TEST_F(OperateTest, QuarantineShowsWhyAndBytesOnlyToThoseWhoMay) {
  open();
  const auto hash = put_quarantined("H1", "MSH|SECRET");
  put_quarantined("H2", "MSH|OTHER");
  const auto page = ask_as("operator", "GET /api/v1/quarantine?limit=1");
  EXPECT_TRUE(page.has("\"reason\":\"missing-field\""));
  EXPECT_TRUE(page.has("\"facility\":\"H2\""));
  EXPECT_TRUE(page.has("\"next\":1")) << page.body;
  EXPECT_FALSE(page.has("SECRET"));
  const auto next = ask_as("operator", "GET /api/v1/quarantine?before=1");
  EXPECT_TRUE(next.has("\"facility\":\"H1\""));
  EXPECT_FALSE(next.has("\"facility\":\"H2\""));
  EXPECT_FALSE(next.has("next"));
  EXPECT_FALSE(ask_as("operator", "GET /api/v1/quarantine?facility=H1").has("\"facility\":\"H2\""));
  const std::string item = "/api/v1/quarantine/H1/" + hash;
  EXPECT_EQ(ask_as("operator", "GET " + item).status, 200);
  EXPECT_EQ(ask_as("operator", "GET /api/v1/quarantine/H2/" + hash).status, 404);
  EXPECT_EQ(ask_as("operator", "GET /api/v1/quarantine/H1/zz").status, 400);
  EXPECT_EQ(ask_as("operator", "GET " + item + "/raw").status, 403);
  EXPECT_EQ(ask_socket("GET " + item + "/raw").body, "MSH|SECRET");
  EXPECT_NE(audited().find("quarantine/raw"), std::string::npos);
  EXPECT_EQ(ask_as("operator", "POST " + item + "/retry").status, 200);
  EXPECT_EQ(control.retried, "H1/" + hash);
  for (const char* limit : {"0", "1001", "x", "-1"})
    EXPECT_EQ(ask_as("operator", std::string("GET /api/v1/quarantine?limit=") + limit).status, 400);
}

TEST_F(OperateTest, TraceFindsWhatWasRefusedAndSaysWhereItLooked) {
  open();
  put_quarantined("H1", "MSH|SECRET");
  const auto found = ask_as("operator", "GET /api/v1/trace/H1/CTRL-1");
  EXPECT_EQ(found.status, 200);
  EXPECT_TRUE(found.has("\"path\":\"OBX[1]-3\""));
  EXPECT_EQ(ask_as("operator", "GET /api/v1/trace/H1%2FCTRL-1").status, 200);
  EXPECT_EQ(ask_as("operator", "GET /api/v1/trace/H1/CTRL-2").status, 404);
  EXPECT_EQ(ask_as("operator", "GET /api/v1/trace/nonsense").status, 400);
  EXPECT_EQ(ask_as("operator", "GET /api/v1/trace/00000000000000000000000000000001?before=x").status, 400);
}

TEST_F(OperateTest, QuarantineComesNewestFirstOverAllPagesEachMessageOnce) {
  open();
  for (int i = 0; i < 7; ++i) {
    put_quarantined(i % 2 ? "H1" : "H2", "MSH|" + std::to_string(i));
    std::vector<port::Record> others(2);
    others[0].key = "H1/" + std::string(64, '0');  // refused, and not projected yet
    const auto first = sha256("MSH|0");
    others[1].key = "H2/" + to_hex(as_view(first));  // what a retry made of the first one
    ASSERT_TRUE(wait(log.append(port::Topic::quarantine, std::move(others))));
  }
  std::vector<std::string> hashes;
  std::string before;
  for (int pages = 0; pages < 9; ++pages) {
    rapidjson::Document page;
    page.Parse(ask_as("operator", "GET /api/v1/quarantine?limit=3" + before).body.c_str());
    for (const auto& each : page["messages"].GetArray()) hashes.emplace_back(each["hash"].GetString());
    if (!page.HasMember("next")) break;
    before = "&before=" + std::to_string(page["next"].GetUint64());
  }
  ASSERT_EQ(hashes.size(), 7U);
  for (int i = 0; i < 7; ++i) {
    const auto digest = sha256("MSH|" + std::to_string(6 - i));
    EXPECT_EQ(hashes[static_cast<std::size_t>(i)], to_hex(as_view(digest))) << i;
  }
}

TEST_F(OperateTest, ACallLooksAtABoundedPieceAndSaysWhereToGoOn) {
  open();
  put_quarantined("H1", "MSH|OLD");
  const auto append = [&](port::Topic topic, std::size_t count) {
    for (std::size_t done = 0; done < count; done += 1'000) {
      ASSERT_TRUE(wait(log.append(topic, std::vector<port::Record>(std::min<std::size_t>(1'000, count - done)))));
    }
  };
  append(port::Topic::quarantine, 20'000);
  const auto listed = ask_as("operator", "GET /api/v1/quarantine");
  EXPECT_EQ(listed.body, "{\"messages\":[],\"next\":1}\n");
  EXPECT_TRUE(ask_as("operator", "GET /api/v1/quarantine?before=1").has("\"facility\":\"H1\""));
  append(port::Topic::events, 50'001);
  const std::string url = "GET /api/v1/trace/00000000000000000000000000000001";
  const auto part = ask_as("operator", url);
  EXPECT_EQ(part.status, 200);
  EXPECT_TRUE(part.has("\"records\":[],\"quarantine\":[],\"searchedFrom\":1,\"searchedTo\":50001,\"next\":1}"))
      << part.body;
  EXPECT_EQ(ask_as("operator", url + "?before=1").status, 404);
}

TEST_F(OperateTest, TraceTellsTheLifeOfARecordWithoutItsContent) {
  open();
  std::string id;
  for (int i = 0; i < 5; ++i) {
    model::Draft draft;
    const std::string control = "C-" + std::to_string(i);
    draft.source.facility = "H1";
    draft.source.control_id = control;
    draft.source.type = "ORU^R01";
    draft.source.protocol = "mllp";
    auto& part = draft.parts.push(draft.arena);
    part.subject.facility = "H1";
    part.subject.number = "NUMBER-7";
    part.subject.names.push(draft.arena).text = "SECRET NAME";
    auto& event = part.events.push(draft.arena);
    event.kind = model::EventKind::result_reported;
    event.report = draft.arena.make<model::Report>();
    event.report->status = model::ResultStatus::final;
    draft.issues.add(draft.arena,
                     {model::Severity::warning, "unmapped-code", "OBX[1]-3", "GLU", "a mapped code", "103"});
    port::Record record;
    record.id = model::record_id(draft.source, draft.content_hash, 0);
    record.raw = "MSH|SECRET RAW";
    record.json = model::write_record(draft.arena, record.id, draft, part);
    if (i == 3) id = record.id.hex();
    std::vector<port::Record> records;
    records.push_back(std::move(record));
    ASSERT_TRUE(wait(log.append(port::Topic::events, std::move(records))));
  }
  const auto by_record = ask_as("operator", "GET /api/v1/trace/" + id);
  ASSERT_EQ(by_record.status, 200) << by_record.body;
  EXPECT_TRUE(by_record.has("\"controlId\":\"C-3\"")) << by_record.body;
  EXPECT_TRUE(by_record.has("\"raw\":{\"bytes\":14,")) << by_record.body;
  EXPECT_TRUE(by_record.has("\"kind\":\"result.reported\""));
  EXPECT_TRUE(by_record.has("\"status\":\"final\""));
  EXPECT_TRUE(by_record.has("\"path\":\"OBX[1]-3\""));
  EXPECT_TRUE(by_record.has("\"person\":\"" + model::first_person_id("H1", "NUMBER-7").hex()));
  for (const char* secret : {"SECRET", "NUMBER-7"}) EXPECT_FALSE(by_record.has(secret)) << secret;
  EXPECT_TRUE(ask_as("operator", "GET /api/v1/trace/" + id + ".0").has("C-3"));
  const auto by_control = ask_as("operator", "GET /api/v1/trace/H1/C-3");
  EXPECT_TRUE(by_control.has(id)) << by_control.body;
  EXPECT_EQ(ask_as("operator", "GET /api/v1/trace/H2/C-3").status, 404);
  EXPECT_EQ(ask_as("operator", "GET /api/v1/trace/" + id + "?before=3").status, 404);
}

TEST_F(OperateTest, RenormalizeTakesATimeAndNoUnknownSender) {
  open();
  put_feed("H1");
  std::vector<port::Record> records(3);
  ASSERT_TRUE(wait(log.append(port::Topic::events, std::move(records))));
  const auto since = [&](const char* time) {
    return ask_as("operator", std::string("POST /api/v1/renormalize"), std::string("{\"since\":\"") + time + "\"}")
        .body;
  };
  EXPECT_EQ(since("2000-01-01"),
            "{\"read\":0,\"changed\":1}\n");  // from offset 0: the control of this test reads back its offset
  EXPECT_EQ(since("2999-01-01"), "{\"read\":3,\"changed\":1}\n");
  EXPECT_EQ(ask_as("operator", "POST /api/v1/renormalize", "{\"since\":\"yesterday\"}").status, 400);
  EXPECT_EQ(ask_as("operator", "POST /api/v1/renormalize", "{\"from\":0,\"sender\":\"H9\"}").status, 404);
}

TEST_F(OperateTest, WhatChangesTheBrokerIsToldToIt) {
  open();
  put_feed("H1");
  const auto failed = ask_as("operator", "POST /api/v1/reload");
  EXPECT_EQ(failed.status, 400);
  EXPECT_TRUE(failed.has("a.toml:3"));
  EXPECT_EQ(ask_as("operator", "POST /api/v1/renormalize", "{\"from\":5,\"sender\":\"H1\"}").body,
            "{\"read\":5,\"changed\":1}\n");
  EXPECT_EQ(ask_as("operator", "POST /api/v1/renormalize", "{\"from\":-5}").status, 400);
  EXPECT_EQ(ask_as("operator", "POST /api/v1/renormalize", "nonsense").status, 400);
  EXPECT_EQ(ask_as("operator", "POST /api/v1/backup", "{\"directory\":\"/b\"}").status, 403);
  EXPECT_EQ(ask_socket("POST /api/v1/backup", "{\"directory\":\"b\"}").status, 400);
  EXPECT_EQ(ask_socket("POST /api/v1/backup", "{\"directory\":\"/b\"}").status, 200);
  EXPECT_EQ(control.backed_up, "/b");
}

TEST_F(OperateTest, SignsInOnceWatchesAndSignsOut) {
  control.view.http_address = "127.0.0.1:8080";
  open();
  const auto issued = ask_socket("POST /api/v1/signin");
  ASSERT_EQ(issued.status, 201);
  const auto at = issued.body.find("\"signin\":\"") + 10;
  const std::string secret = issued.body.substr(at, 22), body = "{\"signin\":\"" + secret + "\"}";
  EXPECT_TRUE(issued.has("\"url\":\"http://127.0.0.1:8080/#signin=" + secret + "\""));
  EXPECT_EQ(ask("POST /api/v1/session", "Sec-Fetch-Site: cross-site\r\n", body).status, 403);
  const auto signed_in = ask("POST /api/v1/session", "", body);
  ASSERT_EQ(signed_in.status, 201);
  const std::string set = signed_in.headers.at("set-cookie");
  EXPECT_NE(set.find("; HttpOnly; SameSite=Strict"), std::string::npos);
  const std::string cookie = "Cookie: other=1; " + set.substr(0, set.find(';')) + "\r\n";
  EXPECT_EQ(ask("POST /api/v1/session", "", body).status, 401);  // spent
  EXPECT_EQ(ask("GET /api/v1/feeds", cookie).status, 200);
  EXPECT_EQ(ask("GET /api/v1/feeds", cookie + "Sec-Fetch-Site: cross-site\r\n").status, 401);
  EXPECT_EQ(ask("POST /api/v1/reload", cookie + "Origin: http://evil.example\r\n").status, 401);
  EXPECT_EQ(ask("POST /api/v1/reload", cookie + "Origin: http://127.0.0.1\r\n").status, 400);  // reached reload
  EXPECT_EQ(ask("GET /api/v1/quarantine/H1/aa/raw", cookie).status, 403);
  EXPECT_EQ(ask("DELETE /api/v1/session", cookie).status, 204);
  EXPECT_EQ(ask("GET /api/v1/feeds", cookie).status, 401);
  EXPECT_EQ(audited().find(secret), std::string::npos);
}

TEST_F(OperateTest, TheLiveFeedBeginsWithWhatIsKnownAndGoesOn) {
  open();
  put_feed("H1");
  wait([this]() -> net::awaitable<int> {
    co_await live.sample();
    co_return 0;
  }());
  Wire wire(port);
  wire.send(request("GET /api/v1/live", "Authorization: Bearer " + token("operator") + "\r\n"));
  const auto head = wire.reply();
  EXPECT_EQ(head.status, 200);
  EXPECT_EQ(head.headers.at("content-type"), "text/event-stream; charset=utf-8");
  const auto first = wire.until("}\n\n");
  EXPECT_NE(first.find("\"facility\":\"H1\""), std::string::npos) << first;
  EXPECT_NE(first.find("\"history\":["), std::string::npos);
  EXPECT_NE(wire.until("}\n\n").find("data: {"), std::string::npos);
}

TEST_F(OperateTest, AsManyWatchAsTheLimitAndNotOneMore) {
  std::vector<std::shared_ptr<void>> places;
  for (std::size_t i = 0; i < limits::live_subscribers; ++i) places.push_back(live.subscribe());
  EXPECT_TRUE(places.back());
  EXPECT_FALSE(live.subscribe());
  places.pop_back();
  EXPECT_TRUE(live.subscribe());
}

TEST_F(OperateTest, WithoutItsAuditRecordNothingIsShown) {
  open();
  put_feed("H1");
  audit.close();
  const auto reply = ask_as("operator", "GET /api/v1/feeds");
  EXPECT_EQ(reply.status, 503);
  EXPECT_FALSE(reply.has("H1"));
}

}  // namespace
}  // namespace hutong::api
