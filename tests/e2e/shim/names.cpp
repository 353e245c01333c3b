// Names that somebody else answers for, for the real broker: LD_PRELOAD=libhutong_names.so. Each line of the file
// HUTONG_NAMES is an answer, "name address address ...": the first time a name is asked for it gets its first line,
// then the next, and so on; the last one for ever. Other names go to the system. What was asked is appended to
// HUTONG_NAMES.asked.
#include <dlfcn.h>
#include <netdb.h>

#include <cstdlib>
#include <fstream>
#include <map>
#include <mutex>
#include <sstream>
#include <string>
#include <vector>

namespace {

using GetAddrInfo = int (*)(const char*, const char*, const addrinfo*, addrinfo**);

GetAddrInfo real() {
  static const auto next = reinterpret_cast<GetAddrInfo>(dlsym(RTLD_NEXT, "getaddrinfo"));
  return next;
}

// The addresses of this turn; none: the file does not answer for the name.
std::vector<std::string> answer_for(const std::string& name) {
  static std::mutex mutex;
  static std::map<std::string, std::size_t> asked;
  const char* path = std::getenv("HUTONG_NAMES");
  if (!path) return {};
  const std::lock_guard lock(mutex);
  std::ifstream file(path);
  std::vector<std::vector<std::string>> answers;
  for (std::string line; std::getline(file, line);) {
    std::istringstream words(line);
    std::string word;
    words >> word;
    if (word != name) continue;
    answers.emplace_back();
    while (words >> word) answers.back().push_back(word);
  }
  if (answers.empty()) return {};
  std::ofstream(std::string(path) + ".asked", std::ios::app) << name << '\n';
  const auto turn = asked[name]++;
  return answers[turn < answers.size() ? turn : answers.size() - 1];
}

}  // namespace

extern "C" int getaddrinfo(const char* name, const char* service, const addrinfo* hints, addrinfo** found) {
  const auto addresses = answer_for(name ? name : "");
  if (addresses.empty()) return real()(name, service, hints, found);
  *found = nullptr;
  addrinfo** end = found;
  for (const auto& address : addresses) {
    addrinfo numeric{};
    if (hints) numeric = *hints;
    numeric.ai_flags = AI_NUMERICHOST;
    numeric.ai_family = AF_UNSPEC;
    if (const int failed = real()(address.c_str(), service, &numeric, end); failed != 0) {
      if (*found) freeaddrinfo(*found);
      return failed;
    }
    while (*end) end = &(*end)->ai_next;
  }
  return 0;
}
