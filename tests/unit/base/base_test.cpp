// The floor: arena, hashes, ids and time.
#include <gtest/gtest.h>

#include "broker/base/arena.h"
#include "broker/base/hash.h"
#include "broker/base/id.h"
#include "broker/base/time.h"

namespace hutong {
namespace {

TEST(Hex, ReadsBackWhatItWroteAndNothingElse) {
  EXPECT_EQ(from_hex(to_hex(std::string_view("\0\x7f\xff", 3))), std::string("\0\x7f\xff", 3));
  EXPECT_EQ(from_hex(""), "");
  for (const char* other : {"a", "AB", "0g", "0x", " 00"}) EXPECT_FALSE(from_hex(other)) << other;
}

TEST(Arena, KeepsWhatItGaveUntilReset) {
  Arena arena(64);
  std::vector<std::string_view> texts;
  for (int i = 0; i < 1000; ++i) texts.push_back(arena.copy(std::to_string(i)));
  for (int i = 0; i < 1000; ++i) EXPECT_EQ(texts[static_cast<std::size_t>(i)], std::to_string(i));
  EXPECT_EQ(arena.concat({"a", "", "bc"}), "abc");
  EXPECT_EQ(reinterpret_cast<std::uintptr_t>(arena.allocate(8, 16)) % 16, 0u);
}

TEST(Arena, ResetKeepsOneBlockWithinItsBound) {
  Arena arena(64);
  arena.allocate(10'000, 1);
  arena.reset(1024 * 1024);
  EXPECT_GE(arena.bytes_reserved(), 10'000u);
  arena.allocate(8'000'000, 1);
  arena.reset(1024 * 1024);
  EXPECT_LE(arena.bytes_reserved(), 1024u * 1024u);
  EXPECT_EQ(arena.copy("still of use"), "still of use");
}

TEST(List, GrowsInTheArena) {
  Arena arena;
  List<int> list;
  for (int i = 0; i < 100; ++i) list.push(arena, i);
  ASSERT_EQ(list.size(), 100u);
  EXPECT_EQ(list[99], 99);
}

TEST(Hash, KnownVectors) {
  EXPECT_EQ(to_hex(as_view(sha256("abc"))), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  // RFC 4231, case 2
  EXPECT_EQ(to_hex(as_view(hmac_sha256("Jefe", "what do ya want for nothing?"))),
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
  EXPECT_EQ(crc32c("123456789"), 0xE3069283u);  // RFC 3720
  EXPECT_EQ(crc32c("6789", crc32c("12345")), 0xE3069283u);
  // RFC 4231, case 6: a key longer than a block.
  EXPECT_EQ(
      to_hex(as_view(hmac_sha256(std::string(131, '\xAA'), "Test Using Larger Than Block-Size Key - Hash Key First"))),
      "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54");
}

TEST(PartsHash, PartsDoNotRunTogether) {
  PartsHash hash;
  const auto first = hash.add("ab").add("c").finish();
  EXPECT_NE(hash.add("a").add("bc").finish(), first);
  EXPECT_EQ(hash.add("ab").add("c").finish(), first);  // finish starts anew
}

TEST(Id, HexThereAndBack) {
  const RecordId id(sha256("x"));
  EXPECT_EQ(RecordId::from_hex(id.hex()), id);
  EXPECT_EQ(RecordId::from_bytes(id.view()), id);
  EXPECT_FALSE(RecordId::from_hex("00"));
  EXPECT_FALSE(RecordId::from_hex(std::string(32, 'G')));
  EXPECT_TRUE(RecordId().empty());
}

TEST(Time, IsoThereAndBack) {
  const Timestamp t{1'767'323'045'678'000};
  EXPECT_EQ(to_iso(t), "2026-01-02T03:04:05.678Z");
  EXPECT_EQ(to_iso(t, 480), "2026-01-02T11:04:05.678+08:00");
  EXPECT_EQ(parse_iso("2026-01-02T11:04:05.678+08:00")->first, t);
  EXPECT_EQ(to_iso({-1'000'000}), "1969-12-31T23:59:59.000Z");
}

TEST(Time, SpansFollowPrecision) {
  const auto year = parse_iso("2024", 0);
  EXPECT_EQ(year->last - year->first, std::chrono::hours(24 * 366));
  const auto month = parse_iso("2026-12", 0);
  EXPECT_EQ(month->last - month->first, std::chrono::hours(24 * 31));
  for (auto bad :
       {"", "20260102", "2026-13", "2026-02-30", "2026-01-02T25:00", "2026-01-02T03:04:05+0", "2026-1-2", "x"})
    EXPECT_FALSE(parse_iso(bad)) << bad;
}

}  // namespace
}  // namespace hutong
