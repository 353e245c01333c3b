// The check at the point of ordering on the wire: what a doctor is told leaves when its audit record and the record of
// what was told are on disk, and both go there at once.
#include "tests/unit/api/door.h"

namespace hutong::api {
namespace {

namespace fs = std::filesystem;

struct CheckTest : DoorTest {
  CheckTest() {
    const fs::path shipped = fs::path(HUTONG_SOURCE_DIR) / "schemas";
    rules.catalogue = recognition::Catalogue::load_unchecked({shipped / "recognition"});
    rules.terminology = terminology::Terminology::load(shipped / "terminology");
    auto known = std::make_shared<model::FacilityDirectory>();
    known->add({.code = "cc", .name_zh = "社区", .level = "1", .area = "230804"});
    rules.facilities = known;
    clients.add({"ward", {"system/*.rs"}});
    open();
  }
  std::string order() const {
    const std::string body = R"({"patient":{"identifiers":[{"system":"urn:hutong:facility:cc:mrn","value":"B1"}]},)"
                             R"("requester":{"facility":"cc"},"items":["GLU"]})";
    return request("POST /api/v1/recognition/check", "Authorization: Bearer " + token("clinic") + "\r\n", body);
  }
  std::size_t told() { return wait(log.end({port::Topic::operations, 0})).value_or(0); }
  // Lets the door do all that it can do now.
  void settle() {
    for (int i = 0; i < 200; ++i) net::post(io, net::use_future).get();
  }
  template <class Condition>
  static bool until(Condition condition) {
    const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(20);
    while (!condition()) {
      if (std::chrono::steady_clock::now() > end) return false;
      std::this_thread::yield();
    }
    return true;
  }
};

TEST_F(CheckTest, IsAnsweredWhenTheAuditAndWhatWasToldAreOnDisk) {
  audit_disk.hold();
  Wire wire(port);
  wire.send(order());
  EXPECT_TRUE(until([&] { return audit_disk.waiting() && told() == 1; })) << "one waits for the other";
  settle();
  EXPECT_FALSE(wire.has_more()) << "the answer left before its audit record was on disk";
  audit_disk.release();
  const auto reply = wire.reply();
  EXPECT_EQ(reply.status, 200) << reply.body;
  EXPECT_TRUE(reply.has("\"decisionId\""));
}

TEST_F(CheckTest, IsNotAnsweredBeforeWhatWasToldIsOnDisk) {
  log.hold_appends();
  Wire wire(port);
  wire.send(order());
  EXPECT_TRUE(until([&] { return log.held() == 1 && audit.head().sequence == 1; }));
  settle();
  EXPECT_FALSE(wire.has_more()) << "the answer left before the log had what was told";
  log.release_appends();
  EXPECT_EQ(wire.reply().status, 200);
}

TEST_F(CheckTest, SaysNothingWhereEitherFails) {
  log.fail_appends(1, {ErrorCode::unavailable, "the disk is full"});
  Wire first(port);
  first.send(order());
  auto refused = first.reply();
  EXPECT_EQ(refused.status, 503) << refused.body;
  EXPECT_FALSE(refused.has("items"));
  audit_disk.fail();
  Wire second(port);
  second.send(order());
  refused = second.reply();
  EXPECT_EQ(refused.status, 503) << refused.body;
  EXPECT_FALSE(refused.has("items"));
}

TEST_F(CheckTest, TheDayIsThatOfTheAreasZone) {
  for (const int zone : {-720, 840}) {  // it is never the same day in both
    rules.zone_minutes = zone;
    const auto before = recognition::day_of(clock.now(), zone);
    const auto reply = ask_as("operator", "GET /api/v1/recognition/statistics");
    const auto after = recognition::day_of(clock.now(), zone);
    EXPECT_TRUE(reply.has("\"to\":\"" + before + "\"") || reply.has("\"to\":\"" + after + "\"")) << reply.body;
    Wire wire(port);
    wire.send(order());
    const auto checked = wire.reply();
    EXPECT_TRUE(checked.has("\"day\":\"" + before + "\"") || checked.has("\"day\":\"" + after + "\"")) << checked.body;
  }
}

TEST_F(CheckTest, ATimeWithoutZoneIsTheAreas) {
  rules.zone_minutes = -720;
  const std::string body = R"({"patient":{"identifiers":[{"system":"urn:hutong:facility:cc:mrn","value":"B1"}]},)"
                           R"("requester":{"facility":"cc"},"items":["GLU"],"asOf":"2026-01-02T03:00"})";
  const auto reply = ask_as("clinic", "POST /api/v1/recognition/check", body);
  EXPECT_TRUE(reply.has("\"at\":\"2026-01-02T15:00:00.000Z\"")) << reply.body;
}

TEST_F(CheckTest, FeedbackIsTakenFromWhoWasShownTheCard) {
  model::RecognitionDecided decided;
  decided.id = RecordId(sha256("a card"));
  std::string id(decided.id.view());
  id.back() = 0;
  decided.id = *RecordId::from_bytes(id);
  decided.facility = "cc";
  decided.door = "cds-hooks";
  decided.client = "clinic";
  decided.lines.push_back({"GLU", "", "L042", "recognisable", {"national-mark"}, {}, 600});
  decided.lines[0].results.push_back({"L042", std::string(32, 'a'), "o1", 1, "h1", "lab", "HR.CN"});
  port::StoreBatch batch;
  batch.put(port::tables::recognition_decisions, {id, model::write(decided), std::string("[]"),
                                                  std::string("2026-01-02"), std::string("cc"), std::int64_t{1}});
  ASSERT_TRUE(wait(store.write(std::move(batch))));
  id.back() = 1;  // the card of the first line
  const auto hex = to_hex(id);
  const std::string uuid = hex.substr(0, 8) + "-" + hex.substr(8, 4) + "-" + hex.substr(12, 4) + "-" +
                           hex.substr(16, 4) + "-" + hex.substr(20);
  const std::string body = R"({"feedback":[{"card":")" + uuid + R"(","outcome":"accepted"}]})";
  const std::string line = "POST /cds-services/mutual-recognition/feedback";
  EXPECT_EQ(ask_as("ward", line, body).status, 404);
  EXPECT_EQ(told(), 0U);
  EXPECT_EQ(ask_as("clinic", line, body).status, 200);
  EXPECT_EQ(told(), 1U);
}

}  // namespace
}  // namespace hutong::api
