// Where webhooks may go: 150 ways to write a URL that leads inside, each refused as it is written, as it is listed or
// as it resolves (reliability.md F33); and what may be connected to.
#include "adapters/sink/http/target.h"

#include <gmock/gmock.h>

#include <boost/asio/ip/address.hpp>

namespace hutong::http_sink {
namespace {

using ::testing::HasSubstr;

Address address(const char* text) {
  return boost::asio::ip::make_address(text);
}

TEST(Target, is_read_as_it_is_written) {
  const auto target = read_target("https://his.example.cn:8443/fhir/in?for=w3");
  ASSERT_TRUE(target);
  EXPECT_EQ(*target, (Target{true, "his.example.cn", 8443, "/fhir/in?for=w3"}));
  EXPECT_EQ(target->origin(), "https://his.example.cn:8443");
  EXPECT_EQ(read_target("https://his.example.cn")->origin(), "https://his.example.cn");
  EXPECT_EQ(read_target("https://his.example.cn")->path, "/");
  EXPECT_EQ(read_target("http://10.1.2.3/x")->port, 80);
  const auto v6 = read_target("https://[2001:DB8::1]:8443/");
  ASSERT_TRUE(v6);
  EXPECT_EQ(v6->host, "2001:db8::1");
  EXPECT_EQ(v6->authority(), "[2001:db8::1]:8443");
}

// What no reader of URLs may be given to guess about.
constexpr const char* unreadable[] = {
    // schemes
    "", "his.example.cn", "//his.example.cn/", "ftp://his.example.cn/", "file:///etc/passwd",
    "gopher://127.0.0.1:6379/_x", "dict://127.0.0.1:11211/", "ldap://127.0.0.1/", "HTTP://127.0.0.1/",
    "hTTps://127.0.0.1/", "http:/127.0.0.1/", "http:127.0.0.1/", "http:\\\\127.0.0.1\\", "javascript:alert(1)",
    "data:text/plain,x", " http://127.0.0.1/", "\thttp://127.0.0.1/", "http ://127.0.0.1/", "jar:http://127.0.0.1!/",
    "unix:///var/run/docker.sock", "http+unix://%2Fvar%2Frun%2Fdocker.sock/",
    // user information
    "http://his.example.cn@127.0.0.1/", "http://his.example.cn:80@127.0.0.1/", "http://user:pw@his.example.cn/",
    "http://@127.0.0.1/", "http://127.0.0.1@his.example.cn/", "http://his.example.cn%40127.0.0.1/",
    "http://a@b@127.0.0.1/", "http://his.example.cn&@127.0.0.1/", "http://127.0.0.1:80\\@his.example.cn/",
    "http://his.example.cn#@127.0.0.1/",
    // IPv4 in other clothes
    "http://2130706433/", "http://017700000001/", "http://0x7f000001/", "http://0x7f.0.0.1/",
    "http://0x7f.0x0.0x0.0x1/", "http://0177.0.0.1/", "http://0177.0.0.01/", "http://127.1/", "http://127.0.1/",
    "http://127.0.0.1./", "http://127.000.000.001/", "http://00000127.0.0.1/", "http://127.0.0.0x1/",
    "http://127.0.0.1e0/", "http://1.2.3.4.5/", "http://256.0.0.1/", "http://127.0.0.-1/", "http://0/", "http://0x0/",
    "http://00/", "http://0.0.0.00/", "http://3232235777/", "http://2852039166/", "http://0xa9fea9fe/",
    "http://0251.0376.0251.0376/", "http://0xa9.0xfe.0xa9.0xfe/", "http://169.254.43518/", "http://169.16689662/",
    "http://425.510.425.510/", "http://7147006462/", "http://127.0.0.1.5/", "http://.127.0.0.1/", "http://127..0.0.1/",
    "http://127.0.0/", "http://10.1/",
    // percent-encodings and other alphabets
    "http://%31%32%37.0.0.1/", "http://127%2e0%2e0%2e1/", "http://%6c%6f%63%61%6c%68%6f%73%74/", "http://local%68ost/",
    "http://loc\xc3\xa4lhost/", "http://\xe2\x91\xa0\xe2\x91\xa1\xe2\x91\xa6.0.0.1/",
    "http://\xef\xbc\x91\xef\xbc\x92\xef\xbc\x97.0.0.1/", "http://127\343\200\2020.0.1/",
    "http://127\357\274\2160.0.1/", "http://\xe2\x84\xb9ocalhost/", "http://l\320\276calhost/",
    "http://\xf0\x9d\x93\xb5ocalhost/", "http://localhost\xc2\xad/", "http://local\xe2\x80\x8bhost/",
    "http://localhost%00.example.cn/", "http://localhost%0a/", "http://127.0.0.1%20/",
    "http://127.0.0.1%23.example.cn/", "http://127.0.0.1%2f.example.cn/",
    // IPv6 in other clothes
    "http://[::1/", "http://::1/", "http://[::1]x/", "http://[::1]:/", "http://[]/", "http://[:]/",
    "http://[::1%25eth0]/", "http://[fe80::1%eth0]/", "http://[::1%00]/", "http://[0:0:0:0:0:0:0:0:1]/",
    "http://[::127.0.0.1.1]/", "http://[::ffff:0x7f000001]/", "http://[127.0.0.1]/", "http://[v1.fe80::a]/",
    "http://[::1].example.cn/", "http://%5b::1%5d/", "http://[[::1]]/",
    // ports, paths, white space and line ends
    "http://127.0.0.1:/", "http://127.0.0.1:0/", "http://127.0.0.1:65536/", "http://127.0.0.1:080/",
    "http://127.0.0.1:+80/", "http://127.0.0.1:-1/", "http://127.0.0.1:80:80/", "http://127.0.0.1:8o/",
    "http://127.0.0.1:%38%30/", "http://his.example.cn\\.127.0.0.1/", "http://his.example.cn\\@127.0.0.1/",
    "http://127.0.0.1\t/", "http://127.0.0.1\n/", "http://127.0.0.1/\r\nHost: his.example.cn",
    "http://127.0.0.1/ HTTP/1.1", "http://his.example.cn/\\..\\", "http://his.example.cn/#x", "http://his.example.cn?x",
    "http://his.example.cn;127.0.0.1/", "http://his.example.cn,127.0.0.1/", "http://*.example.cn/",
    "http://-a.example.cn/", "http://a-.example.cn/", "http://a_b.example.cn/", "http://HIS.EXAMPLE.CN/",
    "http://his.example.cn./", "http://his..example.cn/", "http:///127.0.0.1/", "http://?127.0.0.1/", "http://#/"};

TEST(Target, is_not_guessed) {
  for (const auto* url : unreadable) {
    const auto target = read_target(url);
    EXPECT_FALSE(target) << url << " was read as " << (target ? target->origin() + target->path : "");
  }
}

// Written properly, and refused for where they lead: with every origin listed and no network.
constexpr const char* inside[] = {"127.0.0.1",
                                  "127.0.0.53",
                                  "127.255.255.254",
                                  "0.0.0.0",
                                  "0.1.2.3",
                                  "10.0.0.1",
                                  "10.255.255.255",
                                  "100.64.0.1",
                                  "100.127.255.254",
                                  "169.254.169.254",
                                  "169.254.0.1",
                                  "172.16.0.1",
                                  "172.31.255.255",
                                  "192.0.0.8",
                                  "192.0.2.1",
                                  "192.88.99.1",
                                  "192.168.0.1",
                                  "192.168.255.255",
                                  "198.18.0.1",
                                  "198.19.255.255",
                                  "198.51.100.7",
                                  "203.0.113.7",
                                  "224.0.0.1",
                                  "239.255.255.250",
                                  "240.0.0.1",
                                  "255.255.255.255",
                                  "::",
                                  "::1",
                                  "::7f00:1",
                                  "::ffff:127.0.0.1",
                                  "::ffff:7f00:1",
                                  "::ffff:169.254.169.254",
                                  "::ffff:8.8.8.8",
                                  "64:ff9b::7f00:1",
                                  "64:ff9b::a9fe:a9fe",
                                  "64:ff9b:1::1",
                                  "2002:7f00:1::",
                                  "2002:a9fe:a9fe::1",
                                  "2002:c0a8:1::1",
                                  "2001::1",
                                  "2001:0:7f00:1::",
                                  "2001:db8::1",
                                  "2001:10::1",
                                  "3fff::1",
                                  "fc00::1",
                                  "fd00:ec2::254",
                                  "fd12:3456:789a::1",
                                  "fe80::1",
                                  "fe80::a9fe:a9fe",
                                  "fec0::1",
                                  "ff02::1",
                                  "ff05::2",
                                  "100::1",
                                  "5f00::1"};

TEST(Guard, knows_every_address_that_is_not_public) {
  for (const auto* text : inside) {
    EXPECT_FALSE(is_public(address(text))) << text;
    const std::vector<Address> one{address(text)};
    EXPECT_FALSE(TargetGuard().check(one)) << text;
  }
  for (const auto* text :
       {"1.1.1.1", "8.8.8.8", "100.63.255.255", "100.128.0.1", "172.15.0.1", "172.32.0.1", "192.167.1.1", "198.17.0.1",
        "223.255.255.254", "2400:3200::1", "2606:4700:4700::1111", "2002:808:808::1", "64:ff9b::808:808"}) {
    EXPECT_TRUE(is_public(address(text))) << text;
  }
}

TEST(Guard, there_are_as_many_cases_as_were_promised) {
  EXPECT_GE(std::size(unreadable) + std::size(inside), 150U);
}

TEST(Guard, takes_only_origins_that_are_listed) {
  const TargetGuard guard({*read_target("https://his.example.cn"), *read_target("http://10.1.2.3:8080")}, {});
  EXPECT_TRUE(guard.check(*read_target("https://his.example.cn/any/path?x=1")));
  EXPECT_TRUE(guard.check(*read_target("https://his.example.cn:443/")));
  for (const auto* url : {"http://his.example.cn/", "https://his.example.cn:8443/", "https://his.example.cn.evil.cn/",
                          "https://evil-his.example.cn/", "https://example.cn/", "http://10.1.2.3/",
                          "http://10.1.2.30:8080/", "https://10.1.2.3:8080/", "https://xn--his-.example.cn/"}) {
    if (const auto target = read_target(url)) {
      const auto checked = guard.check(*target);
      ASSERT_FALSE(checked) << url;
      EXPECT_THAT(checked.error().message, HasSubstr("[delivery] webhooks"));
    }
  }
  EXPECT_FALSE(TargetGuard().check(*read_target("https://his.example.cn/"))) << "nothing is listed, nothing is allowed";
}

TEST(Guard, a_network_that_is_listed_may_be_connected_to_and_its_neighbour_not) {
  const TargetGuard guard({}, {*read_network("10.1.0.0/16"), *read_network("192.168.7.20"),
                               *read_network("fd00:1::/32"), *read_network("127.0.0.1")});
  const auto allowed = [&](const char* text) {
    const std::vector<Address> one{address(text)};
    return guard.check(one).has_value();
  };
  for (const auto* text : {"10.1.0.1", "10.1.255.255", "192.168.7.20", "fd00:1::5", "127.0.0.1", "8.8.8.8"})
    EXPECT_TRUE(allowed(text)) << text;
  for (const auto* text :
       {"10.2.0.1", "192.168.7.21", "fd00:2::5", "127.0.0.2", "::1", "::ffff:10.1.0.1", "169.254.169.254"})
    EXPECT_FALSE(allowed(text)) << text;
}

TEST(Guard, one_address_of_many_that_leads_inside_forbids_the_name) {
  const std::vector<Address> mixed{address("8.8.8.8"), address("2606:4700:4700::1111"), address("127.0.0.1")};
  const auto checked = TargetGuard().check(mixed);
  ASSERT_FALSE(checked);
  EXPECT_THAT(checked.error().message, HasSubstr("127.0.0.1"));
  EXPECT_FALSE(TargetGuard().check(std::vector<Address>()));
}

TEST(Network, is_read_strictly) {
  for (const auto* text : {"10.0.0.0/33", "10.0.0/8", "010.0.0.0/8", "10.0.0.0/", "10.0.0.0/-1", "10.0.0.0/8x",
                           "fd00::/129", "localhost", ""}) {
    EXPECT_FALSE(read_network(text)) << text;
  }
}

}  // namespace
}  // namespace hutong::http_sink
