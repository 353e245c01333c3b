#include "adapters/api/guard.h"

#include <gtest/gtest.h>

#include "broker/base/limits.h"

namespace hutong::api {
namespace {

struct Case {
  const char* name;
  std::string head;
  int status;  // 0: passes
};

std::string with(const std::string& headers, const std::string& line = "POST /a HTTP/1.1") {
  return line + "\r\nHost: h\r\n" + headers + "\r\n";
}

TEST(Guard, ReadsEveryHeadInExactlyOneWay) {
  const std::string nul("\0", 1);
  const std::vector<Case> cases{
      {"plain", "GET / HTTP/1.1\r\nHost: h\r\n\r\n", 0},
      {"host with port", "GET / HTTP/1.1\r\nHost: h.example:8080\r\n\r\n", 0},
      {"host IPv6", "GET / HTTP/1.1\r\nHost: [::1]:8080\r\n\r\n", 0},
      {"1.0 without host", "GET / HTTP/1.0\r\n\r\n", 0},
      {"length", with("Content-Length: 5\r\n"), 0},
      {"length zero", with("Content-Length: 0\r\n"), 0},
      {"chunked", with("Transfer-Encoding: chunked\r\n"), 0},
      {"chunked in capitals", with("Transfer-Encoding: Chunked\r\n"), 0},
      {"value with bytes above ASCII", with("X-Purpose: \xe6\xb2\xbb\r\n"), 0},
      {"empty value", with("X-A:\r\n"), 0},
      {"tab in value", with("X-A: a\tb\r\n"), 0},
      {"expect", with("Expect: 100-continue\r\nContent-Length: 1\r\n"), 0},
      {"options of the server", "OPTIONS * HTTP/1.1\r\nHost: h\r\n\r\n", 0},
      {"address at the limit", "GET /" + std::string(limits::url_bytes - 1, 'a') + " HTTP/1.1\r\nHost: h\r\n\r\n", 0},

      {"TE gzip", with("Transfer-Encoding: gzip\r\n"), 400},
      {"TE gzip with CL", with("Transfer-Encoding: gzip\r\nContent-Length: 5\r\n"), 400},
      {"CL with TE gzip", with("Content-Length: 5\r\nTransfer-Encoding: gzip\r\n"), 400},
      {"TE xchunked", with("Transfer-Encoding: xchunked\r\n"), 400},
      {"TE chunkedx", with("Transfer-Encoding: chunkedx\r\n"), 400},
      {"TE with a vertical tab",
       with("Transfer-Encoding: \x0b"
            "chunked\r\n"),
       400},
      {"TE gzip, chunked", with("Transfer-Encoding: gzip, chunked\r\n"), 400},
      {"TE chunked, chunked", with("Transfer-Encoding: chunked, chunked\r\n"), 400},
      {"TE chunked, identity", with("Transfer-Encoding: chunked, identity\r\n"), 400},
      {"TE identity", with("Transfer-Encoding: identity\r\n"), 400},
      {"TE empty", with("Transfer-Encoding:\r\n"), 400},
      {"TE quoted", with("Transfer-Encoding: \"chunked\"\r\n"), 400},
      {"TE twice", with("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n"), 400},
      {"TE twice, one identity", with("Transfer-Encoding: identity\r\nTransfer-Encoding: chunked\r\n"), 400},
      {"TE chunked with CL", with("Transfer-Encoding: chunked\r\nContent-Length: 5\r\n"), 400},
      {"CL with TE chunked", with("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n"), 400},
      {"TE on 1.0", "POST /a HTTP/1.0\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n", 400},
      {"TE with a space before the colon", with("Transfer-Encoding : chunked\r\n"), 400},
      {"TE with a tab before the colon", with("Transfer-Encoding\t: chunked\r\n"), 400},
      {"TE folded", with("Transfer-Encoding:\r\n chunked\r\n"), 400},
      {"TE behind a NUL", with("X: a" + nul + "\r\nTransfer-Encoding: chunked\r\n"), 400},
      {"TE behind a lone LF", with("X: a\nTransfer-Encoding: chunked\r\n"), 400},
      {"TE behind a lone CR", with("X: a\rTransfer-Encoding: chunked\r\n"), 400},
      {"CL twice, equal", with("Content-Length: 5\r\nContent-Length: 5\r\n"), 400},
      {"CL twice, different", with("Content-Length: 5\r\nContent-Length: 6\r\n"), 400},
      {"CL a list", with("Content-Length: 5, 5\r\n"), 400},
      {"CL with a sign", with("Content-Length: +5\r\n"), 400},
      {"CL negative", with("Content-Length: -5\r\n"), 400},
      {"CL hexadecimal", with("Content-Length: 0x5\r\n"), 400},
      {"CL with an underscore", with("Content-Length: 5_0\r\n"), 400},
      {"CL a fraction", with("Content-Length: 5.0\r\n"), 400},
      {"CL empty", with("Content-Length:\r\n"), 400},
      {"CL with a space inside", with("Content-Length: 5 5\r\n"), 400},
      {"CL beyond 64 bits", with("Content-Length: 99999999999999999999\r\n"), 400},
      {"no host", "GET / HTTP/1.1\r\nX: a\r\n\r\n", 400},
      {"two hosts", "GET / HTTP/1.1\r\nHost: h\r\nHost: h\r\n\r\n", 400},
      {"two different hosts", "GET / HTTP/1.1\r\nHost: h\r\nHost: g\r\n\r\n", 400},
      {"host empty", "GET / HTTP/1.1\r\nHost:\r\n\r\n", 400},
      {"host with a path", "GET / HTTP/1.1\r\nHost: h/a\r\n\r\n", 400},
      {"host with a quote", "GET / HTTP/1.1\r\nHost: h\"\r\n\r\n", 400},
      {"host with user", "GET / HTTP/1.1\r\nHost: a@h\r\n\r\n", 400},
      {"folded header", with("X: a\r\n b\r\n"), 400},
      {"folded with a tab", with("X: a\r\n\tb\r\n"), 400},
      {"first header folded", "GET / HTTP/1.1\r\n Host: h\r\n\r\n", 400},
      {"header without a colon", with("Hello\r\n"), 400},
      {"header without a name", with(": a\r\n"), 400},
      {"header name with a space", with("X A: a\r\n"), 400},
      {"header name with bytes above ASCII", with("X\xc3\xa9: a\r\n"), 400},
      {"control character in a value",
       with("X: a\x01"
            "b\r\n"),
       400},
      {"DEL in a value", with("X: a\x7f\r\n"), 400},
      {"escape in a value", with("X: a\x1b[31m\r\n"), 400},
      {"two content types", with("Content-Type: a/b\r\nContent-Type: c/d\r\n"), 400},
      {"two authorizations", with("Authorization: Bearer a\r\nAuthorization: Bearer b\r\n"), 400},
      {"another expectation", with("Expect: gold\r\n"), 417},
      {"101 headers", with([] {
         std::string all;
         for (int i = 0; i < 101; ++i) all += "X: a\r\n";
         return all;
       }()),
       431},
      {"longer than 16 KiB", with("X: " + std::string(limits::http_header_bytes, 'a') + "\r\n"), 431},
      {"address beyond the limit", "GET /" + std::string(limits::url_bytes, 'a') + " HTTP/1.1\r\nHost: h\r\n\r\n", 414},
      {"HTTP/1.2", with("", "GET / HTTP/1.2"), 505},
      {"HTTP/2.0", with("", "GET / HTTP/2.0"), 505},
      {"http/1.1", with("", "GET / http/1.1"), 400},
      {"no version", with("", "GET /"), 400},
      {"empty version", with("", "GET / "), 400},
      {"two spaces", with("", "GET  / HTTP/1.1"), 400},
      {"space in the address", with("", "GET /a b HTTP/1.1"), 400},
      {"tab for a space", with("", "GET\t/\tHTTP/1.1"), 400},
      {"space behind the version", with("", "GET / HTTP/1.1 "), 400},
      {"method in lower case", with("", "get / HTTP/1.1"), 501},
      {"unknown method", with("", "BREW / HTTP/1.1"), 501},
      {"CONNECT", with("", "CONNECT h:80 HTTP/1.1"), 501},
      {"TRACE", with("", "TRACE / HTTP/1.1"), 501},
      {"method no word", with("", "G(T / HTTP/1.1"), 400},
      {"absolute address", with("", "GET http://h/ HTTP/1.1"), 400},
      {"address without a slash", with("", "GET a HTTP/1.1"), 400},
      {"star for GET", with("", "GET * HTTP/1.1"), 400},
      {"fragment", with("", "GET /#a HTTP/1.1"), 400},
      {"address above ASCII", with("", "GET /\xe4 HTTP/1.1"), 400},
      {"NUL in the address", with("", "GET /" + nul + " HTTP/1.1"), 400},
      {"empty line first", "\r\n" + with(""), 400},
      {"lone LF at the end", "GET / HTTP/1.1\nHost: h\n\n", 400},
      {"not finished", "GET / HTTP/1.1\r\nHost: h\r\n", 400},
      {"nothing", "\r\n\r\n", 400},
      {"TLS on a plain port", std::string("\x16\x03\x01\x02\x00\x01\x00\r\n\r\n", 11), 400},
  };
  EXPECT_GE(cases.size(), 60U);
  for (const auto& one : cases) {
    const auto head = guard(one.head);
    EXPECT_EQ(head ? 0 : head.error().status, one.status) << one.name << (head ? "" : ": " + head.error().message);
  }
}

TEST(Guard, TellsTheFramingOnce) {
  const auto chunked = guard(with("Transfer-Encoding: chunked\r\n"));
  ASSERT_TRUE(chunked);
  EXPECT_TRUE(chunked->chunked);
  EXPECT_FALSE(chunked->content_length);
  const auto length = guard(with("content-LENGTH:  17 \r\nX-A:  b \r\n"));
  ASSERT_TRUE(length);
  EXPECT_EQ(length->content_length, 17U);
  EXPECT_EQ(length->header("x-a"), "b");
  EXPECT_FALSE(guard(with("Content-Length: 0\r\n"))->has_body());
}

TEST(Guard, KeepsTheConnectionAsBothSidesSay) {
  EXPECT_TRUE(guard(with(""))->keep_alive);
  EXPECT_FALSE(guard(with("Connection: close\r\n"))->keep_alive);
  EXPECT_FALSE(guard(with("Connection: keep-alive, Close\r\n"))->keep_alive);
  EXPECT_FALSE(guard("GET / HTTP/1.0\r\n\r\n")->keep_alive);
  EXPECT_TRUE(guard("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")->keep_alive);
}

TEST(Guard, NoRefusalQuotesThePeer) {
  const auto head = guard("GET / HTTP/1.1\r\nHost: h\r\nSECRETNAME: \x01SECRETVALUE\r\n\r\n");
  ASSERT_FALSE(head);
  EXPECT_EQ(head.error().message.find("SECRET"), std::string::npos);
}

}  // namespace
}  // namespace hutong::api
