#include "adapters/source/mllp/framer.h"

#include <gtest/gtest.h>

#include <cstring>

namespace hutong::mllp {
namespace {

std::string framed(const std::string& message) { return "\x0B" + message + "\x1C\x0D"; }

class Feed {
 public:
  explicit Feed(std::size_t limit = 1000, std::size_t kept = 10) : framer(limit, kept) {}
  std::vector<std::string> give(const std::string& bytes) {
    auto room = framer.space(bytes.size());
    std::memcpy(room.data(), bytes.data(), bytes.size());
    framer.received(bytes.size());
    std::vector<std::string> messages;
    for (;;) {
      std::vector<Framer::Taken> taken;
      framer.take(taken, 100, 1 << 20);
      if (taken.empty()) break;
      for (const auto& frame : taken) {
        messages.emplace_back(frame.bytes);
        oversize = frame.oversize;
        hash = frame.oversize_sha256;
      }
    }
    framer.forget();
    return messages;
  }
  Framer framer;
  std::size_t oversize = 0;
  std::string hash;
};

TEST(Framer, takes_joined_frames_in_order) {
  Feed feed;
  EXPECT_EQ(feed.give(framed("one") + framed("two") + framed("")), (std::vector<std::string>{"one", "two", ""}));
}

TEST(Framer, joins_a_frame_that_comes_byte_by_byte) {
  Feed feed;
  std::vector<std::string> all;
  for (const char c : framed("MSH|hello") + framed("MSH|again")) {
    for (auto& message : feed.give(std::string(1, c))) all.push_back(message);
  }
  EXPECT_EQ(all, (std::vector<std::string>{"MSH|hello", "MSH|again"}));
  EXPECT_FALSE(feed.framer.within_frame());
}

TEST(Framer, tolerates_blank_bytes_between_frames_and_counts_noise) {
  Feed feed;
  EXPECT_EQ(feed.give("\r\n" + framed("a") + "\r\n \n" + framed("b")), (std::vector<std::string>{"a", "b"}));
  EXPECT_EQ(feed.framer.noise(), 0U);
  feed.give("GET / HTTP/1.1\r\n");
  EXPECT_GT(feed.framer.noise(), 10U);
}

TEST(Framer, a_missing_carriage_return_does_not_join_two_messages) {
  Feed feed;
  EXPECT_EQ(feed.give("\x0B" "a\x1C\x0B" "b\x1C\x0D"), (std::vector<std::string>{"a", "b"}));
}

TEST(Framer, a_message_at_the_limit_is_whole_and_one_byte_more_is_cut_with_length_and_hash) {
  Feed feed(1000, 10);
  const std::string at_limit(1000, 'x');
  EXPECT_EQ(feed.give(framed(at_limit)), std::vector<std::string>{at_limit});
  EXPECT_EQ(feed.oversize, 0U);
  const std::string longer(1001, 'y');
  EXPECT_EQ(feed.give(framed(longer)), std::vector<std::string>{std::string(10, 'y')});
  EXPECT_EQ(feed.oversize, 1001U);
  EXPECT_EQ(feed.hash, to_hex(as_view(sha256(longer))));
}

TEST(Framer, an_endless_message_does_not_grow_the_buffer) {
  Feed feed(1000, 10);
  feed.give("\x0B");
  for (int i = 0; i < 1000; ++i) EXPECT_TRUE(feed.give(std::string(100, 'z')).empty());
  EXPECT_LE(feed.framer.buffered(), 1100U);
  EXPECT_EQ(feed.give("\x1C\x0D" + framed("next")), (std::vector<std::string>{std::string(10, 'z'), "next"}));
}

}  // namespace
}  // namespace hutong::mllp
