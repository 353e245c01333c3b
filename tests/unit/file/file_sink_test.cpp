// Files as a reader of the folder sees them: whole, once each, in order; and a disk that is full, gone or silent.
#include "adapters/sink/file/file_sink.h"

#include <gmock/gmock.h>
#include <sys/stat.h>
#include <unistd.h>
#include <utime.h>

#include <atomic>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <cerrno>
#include <filesystem>
#include <fstream>
#include <future>
#include <mutex>

namespace hutong::file_sink {
namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;
using port::Receipt;
using port::Taken;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

class FileSink : public testing::Test {
 protected:
  FileSink() {
    std::string form = (fs::temp_directory_path() / "hutong-file-sink-XXXXXX").string();
    root = ::mkdtemp(form.data());
    fs::create_directories(root / "out" / "ward");
    options.folder = *read_folder((root / "out" / "ward").string(), {(root / "out").string()});
    options.timeout = 300ms;
  }
  ~FileSink() override {
    sink.reset();
    std::error_code ignored;  // a disk that never answered may still be writing
    fs::remove_all(root, ignored);
  }

  static port::Parcel parcel(std::uint64_t offset = 7, std::string body = "{\"a\":1}") {
    port::Parcel parcel;
    parcel.event_id = "00112233445566778899aabbccddeeff.0";
    parcel.kind = "result.reported";
    parcel.content_type = "application/json; charset=utf-8";
    parcel.appended = {1'767'600'000'123'456};
    parcel.offset = offset;
    parcel.body = std::move(body);
    return parcel;
  }
  Receipt hand_over(port::Parcel one = parcel(), std::function<void()> meanwhile = {}) {
    if (!sink) sink = file_sink(io.get_executor(), options);
    Receipt receipt;
    net::co_spawn(io, sink->hand_over(std::move(one)), [&](std::exception_ptr failed, Receipt got) {
      if (failed) std::rethrow_exception(failed);
      receipt = std::move(got);
    });
    if (meanwhile) net::post(io, meanwhile);
    io.restart();
    io.run();
    return receipt;
  }
  std::vector<std::string> names() const {
    std::vector<std::string> all;
    for (const auto& each : fs::directory_iterator(root / "out" / "ward")) all.push_back(each.path().filename());
    std::sort(all.begin(), all.end());
    return all;
  }
  std::string content(const std::string& of) const {
    std::ifstream in(root / "out" / "ward" / of);
    return {std::istreambuf_iterator<char>(in), {}};
  }

  fs::path root;
  net::io_context io{1};
  FileSinkOptions options;
  std::shared_ptr<port::Sink> sink;
  const std::string name = "20260105T080000.123456Z-000000000007.0000-00112233445566778899aabbccddeeff.0.json";
};

TEST_F(FileSink, one_event_is_one_file_and_nothing_beside_it) {
  const auto receipt = hand_over();
  EXPECT_EQ(receipt.taken, Taken::delivered);
  EXPECT_EQ(receipt.answer, "written");
  EXPECT_THAT(names(), ElementsAre(name));
  EXPECT_EQ(content(name), "{\"a\":1}");
  struct stat found {};
  ASSERT_EQ(::stat((root / "out" / "ward" / name).c_str(), &found), 0);
  EXPECT_EQ(found.st_mode & 07, 0U) << "patients' data are not everybody's to read";
}

TEST_F(FileSink, what_comes_again_takes_its_own_place) {
  EXPECT_EQ(hand_over(parcel(7, "first, and longer")).taken, Taken::delivered);
  auto again = parcel(7, "again");
  again.attempt = 2;
  again.replay = true;
  EXPECT_EQ(hand_over(again).taken, Taken::delivered);
  EXPECT_THAT(names(), ElementsAre(name));
  EXPECT_EQ(content(name), "again");
}

TEST_F(FileSink, names_sort_as_the_events_of_a_patient_came) {
  std::vector<port::Parcel> all;
  for (const std::uint64_t offset : {9, 10, 100, 12'345'678}) all.push_back(parcel(offset));
  for (auto& each : all) each.appended = {1'767'600'000'000'000};  // one batch of the log: one time
  all.push_back(parcel(12'345'678));
  all.back().appended = {1'767'600'000'000'000};
  all.back().event_id = "00112233445566778899aabbccddeeff.10";
  all.push_back(parcel(3));
  all.back().appended = {1'767'600'000'000'001};
  std::vector<std::string> sorted;
  for (const auto& each : all) sorted.push_back(file_name(each));
  EXPECT_TRUE(std::is_sorted(sorted.begin(), sorted.end())) << testing::PrintToString(sorted);
}

TEST_F(FileSink, the_extension_says_what_it_is) {
  auto one = parcel();
  one.content_type = "application/fhir+json; charset=utf-8";
  EXPECT_TRUE(file_name(one).ends_with(".0.fhir.json"));
  one.content_type = "x-application/hl7-v2+er7";
  EXPECT_TRUE(file_name(one).ends_with(".0.hl7"));
  one.event_id = "../../etc/passwd";
  EXPECT_EQ(file_name(one).find('/'), std::string::npos);
}

TEST_F(FileSink, a_reader_never_sees_half_a_file) {
  std::atomic<int> pieces{0}, seen{0};
  const auto look = [&] {
    for (const auto& each : names()) seen += !each.starts_with('.') && content(each) != std::string(100, 'x');
  };
  options.write = [&](int file, const void* bytes, std::size_t size) {
    ++pieces;
    look();
    return ::write(file, bytes, std::min<std::size_t>(size, 7));
  };
  options.sync_data = [&](int file) {
    look();
    return ::fdatasync(file);
  };
  EXPECT_EQ(hand_over(parcel(7, std::string(100, 'x'))).taken, Taken::delivered);
  EXPECT_EQ(hand_over(parcel(7, std::string(100, 'x'))).taken, Taken::delivered) << "and so when it is replaced";
  EXPECT_EQ(pieces, 30);
  EXPECT_EQ(seen, 0);
  EXPECT_EQ(content(name), std::string(100, 'x'));
}

TEST_F(FileSink, it_is_durable_before_it_has_its_name) {
  std::vector<std::string> order;
  options.sync_data = [&](int file) {
    order.emplace_back(fs::exists(root / "out" / "ward" / name) ? "data after the name" : "data");
    return ::fdatasync(file);
  };
  options.sync_folder = [&](int folder) {
    order.emplace_back(fs::exists(root / "out" / "ward" / name) ? "folder" : "folder before the name");
    return ::fsync(folder);
  };
  EXPECT_EQ(hand_over().taken, Taken::delivered);
  EXPECT_THAT(order, ElementsAre("data", "folder"));
}

TEST_F(FileSink, a_full_disk_is_waited_out_and_leaves_nothing_half) {
  int calls = 0;
  options.write = [&](int file, const void* bytes, std::size_t size) -> ssize_t {
    if (++calls == 1) return ::write(file, bytes, std::min<std::size_t>(size, 3));
    if (calls == 2) return errno = ENOSPC, -1;
    return ::write(file, bytes, size);
  };
  const auto receipt = hand_over();
  EXPECT_EQ(receipt.taken, Taken::unreachable) << "never a dead letter";
  EXPECT_EQ(receipt.answer, "the disk is full");
  EXPECT_THAT(names(), IsEmpty());
  EXPECT_EQ(hand_over().taken, Taken::delivered);
  EXPECT_EQ(content(name), "{\"a\":1}");
}

TEST_F(FileSink, what_the_disk_did_not_confirm_is_not_there) {
  int failing = 1;
  options.sync_data = [&](int file) { return failing-- > 0 ? (errno = EIO, -1) : ::fdatasync(file); };
  const auto receipt = hand_over();
  EXPECT_EQ(receipt.taken, Taken::unreachable);
  EXPECT_THAT(receipt.answer, HasSubstr("Input/output error"));
  EXPECT_THAT(names(), IsEmpty());
  EXPECT_EQ(hand_over().taken, Taken::delivered);
}

TEST_F(FileSink, a_name_that_may_not_be_durable_is_perhaps_taken) {
  options.sync_folder = [](int) { return errno = EIO, -1; };
  EXPECT_EQ(hand_over().taken, Taken::broken);
  sink.reset();
  options.sync_folder = [](int) { return errno = EINVAL, -1; };  // a file system without such a call
  EXPECT_EQ(hand_over().taken, Taken::delivered);
}

TEST_F(FileSink, a_folder_that_is_gone_is_waited_for) {
  fs::remove(root / "out" / "ward");
  auto receipt = hand_over();
  EXPECT_EQ(receipt.taken, Taken::unreachable);
  EXPECT_THAT(receipt.answer, HasSubstr("out/ward: No such file or directory"));
  fs::create_directory(root / "out" / "ward");
  EXPECT_EQ(hand_over().taken, Taken::delivered);
}

TEST_F(FileSink, no_link_is_followed_out_of_the_listed_folder) {
  EXPECT_EQ(hand_over().taken, Taken::delivered);
  fs::remove_all(root / "out" / "ward");
  fs::create_directory(root / "elsewhere");
  fs::create_directory_symlink(root / "elsewhere", root / "out" / "ward");
  const auto receipt = hand_over();
  EXPECT_EQ(receipt.taken, Taken::unreachable);
  EXPECT_THAT(receipt.answer, HasSubstr("symbolic link"));
  EXPECT_TRUE(fs::is_empty(root / "elsewhere"));
}

TEST_F(FileSink, the_listed_folder_itself_may_be_a_link) {
  fs::create_directory_symlink(root / "out", root / "listed");
  options.folder = *read_folder((root / "listed" / "ward").string(), {(root / "listed").string()});
  EXPECT_EQ(hand_over().taken, Taken::delivered);
  EXPECT_THAT(names(), ElementsAre(name));
}

TEST_F(FileSink, a_disk_that_never_answers_holds_nobody_else) {
  std::mutex disk;
  std::unique_lock held(disk);
  options.write = [&](int file, const void* bytes, std::size_t size) {
    const std::lock_guard lock(disk);
    return ::write(file, bytes, size);
  };
  const auto began = std::chrono::steady_clock::now();
  auto receipt = hand_over();
  EXPECT_EQ(receipt.taken, Taken::broken);
  EXPECT_EQ(receipt.answer, "timeout");
  receipt = hand_over();
  EXPECT_EQ(receipt.taken, Taken::unreachable);
  EXPECT_THAT(receipt.answer, HasSubstr("does not answer"));
  EXPECT_LT(std::chrono::steady_clock::now() - began, 5s);
  held.unlock();
  while (hand_over().taken != Taken::delivered && std::chrono::steady_clock::now() - began < 10s) {
  }
  EXPECT_THAT(names(), ElementsAre(name));
}

TEST_F(FileSink, closed_it_ends_what_is_under_way_and_takes_nothing_more) {
  std::promise<void> release;
  auto released = release.get_future().share();
  options.timeout = 1h;
  options.write = [released](int file, const void* bytes, std::size_t size) {
    released.wait();
    return ::write(file, bytes, size);
  };
  EXPECT_EQ(hand_over(parcel(), [&] { sink->close(); }).taken, Taken::broken);
  EXPECT_EQ(hand_over().taken, Taken::unreachable);
  release.set_value();
}

TEST_F(FileSink, the_parts_of_a_broker_that_died_are_taken_away_and_nobody_elses) {
  const auto folder = root / "out" / "ward";
  for (const auto* each : {".old.part", ".fresh.part", "old.part", ".old.json"}) std::ofstream(folder / each) << "x";
  const utimbuf yesterday{::time(nullptr) - 86'400, ::time(nullptr) - 86'400};
  for (const auto* each : {".old.part", "old.part", ".old.json"}) ::utime((folder / each).c_str(), &yesterday);
  EXPECT_EQ(hand_over().taken, Taken::delivered);
  EXPECT_THAT(names(), ElementsAre(".fresh.part", ".old.json", name, "old.part"));
}

TEST(Folder, lies_where_the_list_lets_it) {
  const std::vector<std::string> listed{"/srv/out", "/srv/out/lab/"};
  EXPECT_EQ(read_folder("/srv/out", listed)->path(), "/srv/out");
  EXPECT_EQ(read_folder("/srv//out/ward/", listed)->path(), "/srv/out/ward");
  EXPECT_EQ(read_folder("/srv/out/lab/a", listed)->root, "/srv/out/lab") << "the nearest";
  for (const auto* outside : {"/srv/outside", "/srv", "/etc", "/srv/ou"})
    EXPECT_EQ(read_folder(outside, listed).error().code, ErrorCode::forbidden) << outside;
  for (const auto* bad : {"", "out", "/", "/srv/out/../etc", "/srv/out/./x", "/srv/out/.."})
    EXPECT_EQ(read_folder(bad, listed).error().code, ErrorCode::invalid) << bad;
  EXPECT_EQ(read_folder(std::string_view("/srv/out/a\0b", 12), listed).error().code, ErrorCode::invalid);
}

}  // namespace
}  // namespace hutong::file_sink
