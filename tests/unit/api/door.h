// A whole door on a free port with everything behind it faked or in memory, and a client that speaks raw bytes.
#pragma once

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <atomic>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/use_future.hpp>
#include <condition_variable>
#include <filesystem>
#include <fstream>
#include <map>
#include <mutex>
#include <string>
#include <thread>

#include "adapters/api/care.h"
#include "adapters/api/critical_values.h"
#include "adapters/api/oauth.h"
#include "adapters/api/operate.h"
#include "adapters/api/recognition.h"
#include "adapters/api/referral.h"
#include "adapters/api/server.h"
#include "adapters/api/static_files.h"
#include "adapters/log/memory/memory_log.h"
#include "adapters/metrics/prometheus_metrics.h"
#include "adapters/store/memory/memory_store.h"
#include "broker/access/audit_chain.h"
#include "broker/access/audit_verify.h"
#include "broker/port/tables.h"

namespace hutong::api {

struct FakeControl final : port::Control {
  std::mutex mutex;
  port::StatusView view;
  std::string backed_up, retried;
  port::StatusView status() override {
    const std::lock_guard lock(mutex);
    return view;
  }
  net::awaitable<Result<port::Reply>> retry_quarantined(std::string facility, std::string hash) override {
    retried = facility + "/" + hash;
    port::Reply reply;
    co_return reply;
  }
  net::awaitable<Result<Renormalized>> renormalize(std::uint64_t from, std::string) override {
    co_return Renormalized{from, 1};
  }
  net::awaitable<Result<std::string>> backup(std::string directory) override {
    backed_up = directory;
    co_return std::string("the messages are in Kafka");
  }
  port::IdentityCommand decided;
  net::awaitable<Result<port::IdentityVerdict>> decide_identity(port::IdentityCommand command) override {
    decided = std::move(command);
    co_return port::IdentityVerdict{"00112233445566778899aabbccddeeff", decided.note != "slow"};
  }
  Result<void> reload() override { return fail(ErrorCode::invalid, "schemas/facilities/a.toml:3: unknown key"); }
};

// The one subscriber that connects itself, and its client.
struct FakeStreams final : port::EventStreams {
  std::vector<std::string> taken;
  Result<std::vector<std::string>> resources(const std::string&, const std::string& client) const override {
    if (client != "ward-app") return fail(ErrorCode::forbidden, "this subscription is another client's");
    return std::vector<std::string>{"DiagnosticReport"};
  }
  Result<std::shared_ptr<port::EventStream>> connect(const std::string&, const std::string&,
                                                     const std::string&) override {
    return fail(ErrorCode::unavailable, "it is delivered to by another broker");
  }
  Result<std::size_t> acknowledge(const std::string&, const std::string&,
                                  const std::vector<std::string>& events) override {
    taken.insert(taken.end(), events.begin(), events.end());
    return events.size();
  }
};

struct FakeInbox final : port::Inbox {
  model::Answer answer = model::Answer::accepted;
  std::atomic<std::size_t> taken{0}, bytes{0}, oversize{0};
  std::string oversize_sha256;
  net::awaitable<std::vector<port::Reply>> accept(const port::Peer&, std::span<const port::Frame> frames) override {
    std::vector<port::Reply> replies;
    for (const auto& frame : frames) {
      ++taken;
      bytes += frame.bytes.size();
      oversize = frame.oversize;
      oversize_sha256 = frame.oversize_sha256;
      port::Reply reply;
      reply.answer = frame.oversize ? model::Answer::header_rejected : answer;
      reply.close = frame.oversize > 0;
      reply.messages = {"MSH|^~\\&|H\rMSA|AA|1\r"};
      replies.push_back(std::move(reply));
    }
    co_return replies;
  }
};

struct Reply {
  int status = 0;
  std::map<std::string, std::string> headers;  // names in lower case
  std::string body;
  bool has(const std::string& text) const { return body.find(text) != std::string::npos; }
};

// A blocking socket with a deadline, so that a test that would hang fails instead.
class Wire {
 public:
  explicit Wire(std::uint16_t port) : fd_(::socket(AF_INET, SOCK_STREAM, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    open(reinterpret_cast<sockaddr*>(&address), sizeof address);
  }
  explicit Wire(const std::filesystem::path& path) : fd_(::socket(AF_UNIX, SOCK_STREAM, 0)) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    path.string().copy(address.sun_path, sizeof address.sun_path - 1);
    open(reinterpret_cast<sockaddr*>(&address), sizeof address);
  }
  ~Wire() { ::close(fd_); }
  Wire(const Wire&) = delete;
  Wire& operator=(const Wire&) = delete;

  void send(std::string_view bytes) {
    while (!bytes.empty()) {
      const ssize_t sent = ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (sent <= 0) return;
      bytes.remove_prefix(static_cast<std::size_t>(sent));
    }
  }
  // Until `count` bytes, `mark`, or the end.
  std::string until(std::string_view mark) {
    while (buffer_.find(mark) == std::string::npos && more()) {
    }
    const auto at = buffer_.find(mark);
    return take(at == std::string::npos ? buffer_.size() : at + mark.size());
  }
  std::string exactly(std::size_t count) {
    while (buffer_.size() < count && more()) {
    }
    return take(std::min(count, buffer_.size()));
  }
  std::string rest() {
    while (more()) {
    }
    return take(buffer_.size());
  }
  bool ended() { return buffer_.empty() && !more(); }
  // Whether bytes are there already.
  bool has_more() const {
    int bytes = 0;
    return !buffer_.empty() || (::ioctl(fd_, FIONREAD, &bytes) == 0 && bytes > 0);
  }

  Reply reply(bool head_only = false) {
    Reply reply;
    std::string head = until("\r\n\r\n");
    if (head.size() < 12) return reply;
    reply.status = std::atoi(head.c_str() + 9);
    for (std::size_t at = head.find("\r\n") + 2; at + 2 < head.size();) {
      const auto end = head.find("\r\n", at), colon = head.find(": ", at);
      std::string name = head.substr(at, colon - at);
      for (char& c : name) c = static_cast<char>(std::tolower(c));
      reply.headers[name] = head.substr(colon + 2, end - colon - 2);
      at = end + 2;
    }
    const auto length = reply.headers.find("content-length");
    if (!head_only && length != reply.headers.end()) reply.body = exactly(std::stoul(length->second));
    return reply;
  }

 private:
  void open(const sockaddr* address, socklen_t size) {
    timeval patience{20, 0};
    ::setsockopt(fd_, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    ::setsockopt(fd_, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
    EXPECT_EQ(::connect(fd_, address, size), 0);
  }
  bool more() {
    char bytes[4096];
    const ssize_t count = ::recv(fd_, bytes, sizeof bytes, 0);
    if (count <= 0) return false;
    buffer_.append(bytes, static_cast<std::size_t>(count));
    return true;
  }
  std::string take(std::size_t count) {
    std::string taken = buffer_.substr(0, count);
    buffer_.erase(0, count);
    return taken;
  }
  int fd_;
  std::string buffer_;
};

// The audit's disk: can stand still, and fail.
class AuditDisk {
 public:
  int sync(int fd) {
    std::unique_lock lock(mutex_);
    waiting_ = true;
    changed_.wait(lock, [this] { return !held_; });
    waiting_ = false;
    return fails_ ? (errno = EIO, -1) : ::fdatasync(fd);
  }
  void hold() { set(held_, true); }
  void release() { set(held_, false); }
  void fail() { set(fails_, true); }
  bool waiting() {
    const std::lock_guard lock(mutex_);
    return waiting_ && held_;
  }

 private:
  void set(bool& what, bool to) {
    const std::lock_guard lock(mutex_);
    what = to;
    changed_.notify_all();
  }
  std::mutex mutex_;
  std::condition_variable changed_;
  bool held_ = false, fails_ = false, waiting_ = false;
};

struct DoorTest : testing::Test {
  std::filesystem::path folder = [] {
    std::string form = (std::filesystem::temp_directory_path() / "hutong-door-XXXXXX").string();
    return std::filesystem::path(::mkdtemp(form.data()));
  }();
  const Clock& clock = system_clock();
  access::SigningKey key = access::SigningKey::from_seed(std::string(32, 'k'));
  AuditDisk audit_disk;
  access::AuditChain audit{
      {.directory = folder / "audit", .sync = [this](int fd) { return audit_disk.sync(fd); }}, key, clock};
  access::Gate gate{audit, clock};
  access::ClientRegistry clients;
  access::TokenMint mint{key, clients};
  access::TokenVerifier tokens{key, clients};
  access::Sessions sessions{clock};
  access::SignIns sign_ins{folder / "keys" / "sign-ins"};
  Authenticator who{tokens, sessions, gate, clock};
  access::ClientAssertions assertions{clients, folder / "keys" / "assertions"};
  PrometheusMetrics metrics;
  memory::MemoryLog log;
  store::MemoryStore store;
  FakeControl control;
  FakeStreams streams;
  FakeInbox inbox;
  std::map<std::pair<std::string, std::string>, query::Repetition> repetitions;  // by facility and hash
  query::Operations operations{log, store, [] { return std::make_shared<const model::FacilityDirectory>(); },
                               [this](std::string_view facility, std::string_view raw_hash) {
                                 return repetitions[{std::string(facility), std::string(raw_hash)}];
                               }};
  query::Clinical clinical{store, "key", [] { return std::make_shared<const model::FacilityDirectory>(); }};
  query::RecognitionRules rules;
  query::Recognition recognition{store, log, clinical, [this] { return rules; }, clock};
  query::DecisionDesk desk{recognition, gate, clock};
  query::Referrals referrals{store, log, clinical, [] { return query::ReferralRules(); },
                             [this] { return clock.now(); }};
  query::Criticals criticals{store, log, [] { return std::shared_ptr<const critical::Rules>(); },
                             [this] { return clock.now(); }};
  query::Care care{store, log, [this] { return clock.now(); }};
  Live live{control, metrics, operations, gate, clock};
  net::io_context io{1};
  net::executor_work_guard<net::io_context::executor_type> work = net::make_work_guard(io);
  std::unique_ptr<Server> server;
  std::thread thread;
  std::uint16_t port = 0;
  std::vector<Route> extra;
  ServerOptions options;

  std::vector<Route> routes() {
    auto all = operate_routes({control, [this]() -> port::Inbox& { return inbox; }, operations, metrics, gate, sessions,
                               sign_ins, clients, live, clock, false, nullptr, &streams});
    for (auto& route : oauth_routes({assertions, mint, gate, who, clock, options.public_url}))
      all.push_back(std::move(route));
    for (auto& route : recognition_routes({recognition, desk, gate, clients, ""})) all.push_back(std::move(route));
    for (auto& route : care_routes({care, gate, clients, [] { return std::shared_ptr<const referral::Rules>(); }}))
      all.push_back(std::move(route));
    for (auto& route : critical_routes({criticals, gate, clients})) all.push_back(std::move(route));
    for (auto& route : referral_routes({referrals, gate, clients})) all.push_back(std::move(route));
    for (auto& route : static_routes()) all.push_back(std::move(route));
    for (auto& route : extra) all.push_back(std::move(route));
    return all;
  }
  void open() {
    options.port = 0;
    options.socket = folder / "run" / "hutong.sock";
    server = std::make_unique<Server>(options, routes(), who, metrics);
    port = server->listen(io);
    server->listen_socket(io);
    thread = std::thread([this] { io.run(); });
  }
  void shut() {
    if (!thread.joinable()) return;
    net::co_spawn(io, server->stop(std::chrono::seconds(5)), net::use_future).get();
    work.reset();
    io.stop();
    thread.join();
  }
  ~DoorTest() override {
    shut();
    audit.close();
    std::error_code ignored;
    std::filesystem::remove_all(folder, ignored);
  }
  template <class T>
  T wait(net::awaitable<T> awaited) {
    return net::co_spawn(io, std::move(awaited), net::use_future).get();
  }

  std::string token(const char* client) const {
    return mint.mint(client, std::chrono::seconds(300), clock.now())->token;
  }
  static std::string request(const std::string& line, const std::string& headers = "", const std::string& body = "") {
    std::string text = line + " HTTP/1.1\r\nHost: 127.0.0.1\r\n" + headers;
    if (!body.empty()) text += "Content-Length: " + std::to_string(body.size()) + "\r\n";
    return text + "\r\n" + body;
  }
  Reply ask(const std::string& line, const std::string& headers = "", const std::string& body = "") {
    Wire wire(port);
    wire.send(request(line, headers, body));
    return wire.reply(line.starts_with("HEAD"));
  }
  Reply ask_as(const char* client, const std::string& line, const std::string& body = "") {
    return ask(line, "Authorization: Bearer " + token(client) + "\r\n", body);
  }
  Reply ask_socket(const std::string& line, const std::string& body = "") {
    Wire wire(options.socket);
    wire.send(request(line, "", body));
    return wire.reply();
  }
  std::string audited() {
    std::string all;
    for (const auto& file : std::filesystem::directory_iterator(folder / "audit")) {
      std::ifstream in(file.path());
      all.append(std::istreambuf_iterator<char>(in), {});
    }
    return all;
  }
};

}  // namespace hutong::api
