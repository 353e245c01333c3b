// A receiver on this machine that speaks raw bytes: each complete request (HTTP with a Content-Length, or an MLLP
// frame) is answered by what a function gives: bytes, "" nothing at all, or "close"; close_after_answer(): the
// connection is closed after bytes, too. Threads of its own; lives as long as it.
#pragma once

#include <arpa/inet.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <functional>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

namespace hutong::tests {

class RawReceiver {
 public:
  using Answer = std::function<std::string(const std::string& request)>;

  explicit RawReceiver(Answer answer) : answer_(std::move(answer)) {
    listener_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    ::bind(listener_, reinterpret_cast<sockaddr*>(&address), sizeof address);
    ::listen(listener_, 16);
    socklen_t size = sizeof address;
    ::getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size);
    port_ = ntohs(address.sin_port);
    thread_ = std::thread([this] { accept(); });
  }
  RawReceiver(const RawReceiver&) = delete;
  RawReceiver& operator=(const RawReceiver&) = delete;
  ~RawReceiver() {
    stopping_ = true;
    ::shutdown(listener_, SHUT_RDWR);
    ::close(listener_);
    thread_.join();
    {
      const std::lock_guard lock(mutex_);
      for (int fd : open_) ::shutdown(fd, SHUT_RDWR);
    }
    for (auto& each : sessions_) each.join();
  }

  std::uint16_t port() const { return port_; }
  std::size_t connections() const { return connections_; }
  std::size_t closed() const { return closed_; }
  void answer(Answer answer) {
    const std::lock_guard lock(mutex_);
    answer_ = std::move(answer);
  }
  void close_after_answer(std::chrono::microseconds later = {}) {
    closes_later_ = later;
    closes_ = true;
  }
  std::vector<std::string> requests() const {
    const std::lock_guard lock(mutex_);
    return requests_;
  }

 private:
  void accept() {
    while (!stopping_) {
      const int fd = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
      if (fd < 0) return;
      ++connections_;
      const std::lock_guard lock(mutex_);
      open_.push_back(fd);
      sessions_.emplace_back([this, fd] { serve(fd); });
    }
  }
  // Bytes of the first whole request in `pending`; 0: there is none yet.
  static std::size_t whole(const std::string& pending) {
    if (!pending.empty() && pending[0] == '\x0B') {
      const auto end = pending.find("\x1C\r");
      return end == std::string::npos ? 0 : end + 2;
    }
    const auto head = pending.find("\r\n\r\n");
    if (head == std::string::npos) return 0;
    const auto length = pending.find("Content-Length: ");
    const std::size_t body = length < head ? std::stoul(pending.substr(length + 16)) : 0;
    return pending.size() >= head + 4 + body ? head + 4 + body : 0;
  }
  void serve(int fd) {
    std::string pending;
    char bytes[4096];
    bool going = true;
    while (going) {
      const auto got = ::recv(fd, bytes, sizeof bytes, 0);
      if (got <= 0) break;
      pending.append(bytes, static_cast<std::size_t>(got));
      while (const auto size = whole(pending)) {
        const std::string request = pending.substr(0, size);
        pending.erase(0, size);
        Answer answer;
        {
          const std::lock_guard lock(mutex_);
          requests_.push_back(request);
          answer = answer_;
        }
        const std::string reply = answer(request);
        if (reply == "close") {
          going = false;
          break;
        }
        if (!reply.empty()) ::send(fd, reply.data(), reply.size(), MSG_NOSIGNAL);
        if (!reply.empty() && closes_) {
          std::this_thread::sleep_for(closes_later_);
          going = false;
          break;
        }
      }
    }
    ::shutdown(fd, SHUT_RDWR);
    ::close(fd);
    ++closed_;
    const std::lock_guard lock(mutex_);
    std::erase(open_, fd);
  }

  int listener_ = -1;
  std::uint16_t port_ = 0;
  std::atomic<bool> stopping_{false}, closes_{false};
  std::chrono::microseconds closes_later_{0};
  std::atomic<std::size_t> connections_{0}, closed_{0};
  mutable std::mutex mutex_;
  Answer answer_;
  std::vector<std::string> requests_;
  std::vector<int> open_;
  std::vector<std::thread> sessions_;
  std::thread thread_;
};

}  // namespace hutong::tests
