// Systems that take thousands of deliveries a second, for the story of eight subscribers and the benchmark of catching
// up: a program, so that it can be killed, on one thread, and not in Python, which took as much of two processors as
// the broker did.
//
//   many_receivers FOLDER NAME=KIND:PORT[:MOOD]...
//
// KIND is mllp or hook. What was taken stands in FOLDER/NAME.taken before it is answered, a line each and in the page
// cache, which a killed program leaves behind: microseconds of arrival and of the answer, the control id or event id,
// the report's number where the body has it, the answer. Moods: slow answers after two seconds; refusing says AE (422)
// to every tenth report, each time; closing closes after every message. Two show that the story can fail: forgetting
// answers one and leaves no line, swapping writes two of one patient the other way round.
// Prints "ready" once all ports are open; ends with who started it.
#include <fcntl.h>
#include <unistd.h>

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/write.hpp>
#include <charconv>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

namespace {

namespace net = boost::asio;
using net::ip::tcp;
using std::string_view;

constexpr std::chrono::seconds slow{2};
constexpr int faulty_from = 50;  // deliveries: by then there are several of a patient

long long microseconds() {
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  return std::chrono::duration_cast<std::chrono::microseconds>(now).count();
}

// What is between `before` and the next `after`; nothing where either is not there.
string_view between(string_view text, string_view before, char after) {
  const auto at = text.find(before);
  if (at == string_view::npos) return {};
  const auto begin = at + before.size(), end = text.find(after, begin);
  return end == string_view::npos ? string_view() : text.substr(begin, end - begin);
}

string_view field(string_view segment, int number) {
  for (; number > 0; --number) {
    const auto bar = segment.find('|');
    if (bar == string_view::npos) return {};
    segment.remove_prefix(bar + 1);
  }
  return segment.substr(0, segment.find_first_of("|\r"));
}

// Of an event as JSON or of a result as HL7 v2 (OBR-3); of anything else nothing.
string_view report_in(string_view body) {
  if (const auto found = between(body, "\"fillerNumber\":\"", '"'); !found.empty()) return found;
  const auto obr = body.find("\rOBR|");
  return obr == string_view::npos ? string_view() : field(body.substr(obr + 1), 3);
}

struct Line {
  long long arrived = 0, answered = 0;
  std::string key, report, code;
  std::string text() const {
    return std::to_string(arrived) + ' ' + std::to_string(answered) + ' ' + key + ' ' +
           (report.empty() ? "-" : report) + ' ' + code + '\n';
  }
};

struct Receiver {
  std::string mood;
  bool is_mllp = false;
  int file = -1, count = 0;
  std::optional<Line> kept;

  static string_view patient(string_view report) { return report.substr(0, report.rfind('-')); }

  bool refuses(string_view report) const { return mood == "refusing" && report.ends_with('0'); }

  void note(Line line) {
    ++count;
    if (count >= faulty_from && mood == "forgetting") {
      mood.clear();
      return;
    }
    if (count >= faulty_from && mood == "swapping") {
      if (!kept) {
        kept = std::move(line);
        return;
      }
      if (patient(kept->report) == patient(line.report)) {  // each with the other's times
        std::swap(kept->arrived, line.arrived);
        std::swap(kept->answered, line.answered);
        write(*kept);
        mood.clear();
      }
    }
    write(line);
  }

  void write(const Line& line) const {
    const std::string text = line.text();
    if (::write(file, text.data(), text.size()) != static_cast<ssize_t>(text.size())) {
      std::perror("many_receivers: noting what was taken");
      std::exit(1);
    }
  }
};

class Connection : public std::enable_shared_from_this<Connection> {
 public:
  Connection(Receiver& receiver, tcp::socket socket) : receiver_(receiver), socket_(std::move(socket)) {}

  void read() {
    if (held_ == pending_.size()) pending_.resize(std::max<std::size_t>(64 * 1024, 2 * held_));
    socket_.async_read_some(net::buffer(pending_.data() + held_, pending_.size() - held_),
                            [self = shared_from_this()](boost::system::error_code error, std::size_t bytes) {
                              if (error) return;
                              self->held_ += bytes;
                              self->take_all();
                              if (self->socket_.is_open()) self->read();
                            });
  }

 private:
  struct Taken {
    string_view key, report;
    std::size_t bytes = 0;  // of all of it
  };

  void take_all() {
    std::size_t done = 0;
    while (socket_.is_open()) {
      const auto taken = next({pending_.data() + done, held_ - done});
      if (!taken) break;
      Line line{microseconds(), 0, std::string(taken->key), std::string(taken->report), {}};
      done += taken->bytes;
      if (receiver_.mood != "slow") {
        answer(std::move(line));
        continue;
      }
      auto timer = std::make_shared<net::steady_timer>(socket_.get_executor(), slow);
      timer->async_wait([self = shared_from_this(), timer, line = std::move(line)](boost::system::error_code) {
        self->answer(line);
      });
    }
    held_ -= done;
    if (held_ > 0 && done > 0) pending_.replace(0, held_, pending_, done, held_);
  }

  std::optional<Taken> next(string_view bytes) const {
    if (receiver_.is_mllp) {
      const auto end = bytes.find("\x1c\r");
      if (end == string_view::npos) return std::nullopt;
      const auto message = bytes.substr(1, end - 1);
      return Taken{field(message, 9), report_in(message), end + 2};
    }
    const auto head = bytes.find("\r\n\r\n");
    if (head == string_view::npos) return std::nullopt;
    const auto headers = bytes.substr(0, head + 2);
    const auto length = between(headers, "\r\nContent-Length: ", '\r');
    std::size_t body = 0;
    std::from_chars(length.data(), length.data() + length.size(), body);
    if (bytes.size() < head + 4 + body) return std::nullopt;
    return Taken{between(headers, "\r\nX-Hutong-Event-Id: ", '\r'), report_in(bytes.substr(head + 4, body)),
                 head + 4 + body};
  }

  void answer(Line line) {
    const bool refused = receiver_.refuses(line.report);
    line.code = refused ? "refused" : "taken";
    line.answered = microseconds();
    std::string words;
    if (receiver_.is_mllp) {
      words = "\x0bMSH|^~\\&|W|W|HUTONG|R|20260105||ACK|" + line.key + "A|P|2.5\rMSA|" + (refused ? "AE" : "AA") + "|" +
              line.key + "\r\x1c\r";
    } else {
      words = refused ? "HTTP/1.1 422 no\r\nContent-Length: 0\r\n\r\n" : "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
    }
    receiver_.note(std::move(line));
    // At once, and closed at once: what is read behind it would be noted and never answered.
    boost::system::error_code gone;
    net::write(socket_, net::buffer(words), gone);
    if (receiver_.mood == "closing") socket_.close(gone);
  }

  Receiver& receiver_;
  tcp::socket socket_;
  std::string pending_;
  std::size_t held_ = 0;  // bytes of it that were read and not taken
};

class Door {
 public:
  Door(net::io_context& io, std::uint16_t port, Receiver receiver)
      : receiver_(std::move(receiver)), acceptor_(io, tcp::endpoint(net::ip::address_v4::loopback(), port)) {}
  void accept() {
    acceptor_.async_accept([this](boost::system::error_code error, tcp::socket socket) {
      if (!error) {
        socket.set_option(tcp::no_delay(true), error);
        std::make_shared<Connection>(receiver_, std::move(socket))->read();
      }
      accept();
    });
  }

 private:
  Receiver receiver_;
  tcp::acceptor acceptor_;
};

// NAME=KIND:PORT[:MOOD]
std::unique_ptr<Door> door_of(net::io_context& io, const std::string& folder, const std::string& declared) {
  const auto equals = declared.find('='), colon = declared.find(':');
  if (equals == std::string::npos || colon == std::string::npos || colon < equals)
    throw std::runtime_error(declared + ": expected NAME=KIND:PORT[:MOOD]");
  const auto kind = declared.substr(equals + 1, colon - equals - 1);
  if (kind != "mllp" && kind != "hook") throw std::runtime_error(declared + ": KIND is mllp or hook");
  Receiver receiver;
  receiver.is_mllp = kind == "mllp";
  if (const auto mood = declared.find(':', colon + 1); mood != std::string::npos)
    receiver.mood = declared.substr(mood + 1);
  const auto file = folder + "/" + declared.substr(0, equals) + ".taken";
  receiver.file = ::open(file.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
  if (receiver.file < 0) throw std::runtime_error("cannot write " + file);
  return std::make_unique<Door>(io, static_cast<std::uint16_t>(std::atoi(declared.c_str() + colon + 1)),
                                std::move(receiver));
}

void end_with(pid_t story, net::steady_timer& timer) {
  if (::getppid() != story) std::_Exit(0);
  timer.expires_after(std::chrono::seconds(1));
  timer.async_wait([story, &timer](boost::system::error_code) { end_with(story, timer); });
}

}  // namespace

int main(int argc, char** argv) try {
  if (argc < 3) throw std::runtime_error("usage: many_receivers FOLDER NAME=KIND:PORT[:MOOD]...");
  net::io_context io(1);
  net::steady_timer timer(io);
  end_with(::getppid(), timer);
  std::vector<std::unique_ptr<Door>> doors;
  for (int i = 2; i < argc; ++i) {
    doors.push_back(door_of(io, argv[1], argv[i]));
    doors.back()->accept();
  }
  std::puts("ready");
  std::fflush(stdout);
  io.run();
} catch (const std::exception& wrong) {
  std::fprintf(stderr, "%s\n", wrong.what());
  return 2;
}
