// Parses session.save_path, so that every layer sees checked, canonical and unique nodes. Layer: base. Thread-safe.
// Hosts are made lower case and IPv6 addresses canonical: two spellings of one node must give one derived name.
#include "src/base/save_path.h"

#include <arpa/inet.h>
#include <sodium.h>
#include <sys/un.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <optional>

#include "src/base/ascii.h"
#include "src/base/quote.h"

namespace clustered_session {
namespace {

constexpr size_t kHostLengthMax = 253;                                    // bytes, of a DNS name
constexpr size_t kUnixPathLengthMax = sizeof(sockaddr_un::sun_path) - 1;  // bytes; the rest is for the NUL
constexpr size_t kDerivedNameLength = 6;                                  // characters of 5 bits
constexpr char kForms[] = "write host:port, [IPv6]:port, tls://host:port or unix:/path";
constexpr std::string_view kTlsScheme = "tls://";
constexpr char kNoPath[] =
    "a path is no node; write unix:/path for a socket, or leave session.save_path empty for a single server";

char LowerCase(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

Error Invalid(std::string message) { return {ErrorCode::kInvalidArgument, std::move(message)}; }

// Decimal digits only, no leading zero, 1..max.
std::optional<uint32_t> ParseNumber(std::string_view text, uint32_t max) {
  uint32_t number = 0;
  const char* end = text.data() + text.size();
  if (text.empty() || !IsDigit(text[0])) return std::nullopt;
  const auto [parsed_to, error] = std::from_chars(text.data(), end, number);
  if (error != std::errc() || parsed_to != end || text[0] == '0' || number > max) return std::nullopt;
  return number;
}

std::optional<std::string> CanonicalIpv6(std::string_view text) {
  in6_addr address;
  std::array<char, INET6_ADDRSTRLEN> canonical{};
  if (text.size() >= canonical.size()) return std::nullopt;
  if (inet_pton(AF_INET6, std::string(text).c_str(), &address) != 1) return std::nullopt;
  if (inet_ntop(AF_INET6, &address, canonical.data(), canonical.size()) == nullptr) return std::nullopt;
  return std::string(canonical.data());
}

// The same on every server that has this address in its save_path, with TLS or without.
std::string DeriveName(const NodeAddress& node) {
  static constexpr char kBase32[] = "abcdefghijklmnopqrstuvwxyz234567";
  const std::string address = node.Place();
  std::array<unsigned char, crypto_generichash_BYTES_MIN> hash{};
  crypto_generichash(hash.data(), hash.size(), reinterpret_cast<const unsigned char*>(address.data()), address.size(),
                     nullptr, 0);
  std::string name;
  for (size_t i = 0; i < kDerivedNameLength; i++) name.push_back(kBase32[hash[i] & 31]);
  return name;
}

// What the files handler takes: "5;/path", "5;0600;/path".
bool OfFilesHandler(std::string_view text) {
  for (int parts = 0; parts < 2; ++parts) {
    const size_t digits = std::min(text.find_first_not_of("0123456789"), text.size());
    if (digits == 0 || text.substr(digits, 1) != ";") return false;
    text.remove_prefix(digits + 1);
    if (text.starts_with('/')) return true;
  }
  return false;
}

// Whether "host:port" stands behind a name and the wrong sign, as in "m1:host:port".
bool NamedByColon(std::string_view text) {
  const size_t colon = text.find(':');
  const std::string_view name = text.substr(0, colon);
  if (name.empty() || name.size() > kNodeNameLengthMax || !std::all_of(name.begin(), name.end(), IsAlnum)) return false;
  const std::string_view host = text.substr(colon + 1, text.find(':', colon + 1) - colon - 1);
  const bool has_port = colon + 1 + host.size() < text.size();
  return has_port && !host.empty() && host.find_first_not_of("0123456789abcdefABCDEF") != std::string_view::npos;
}

// Parses one node; what it says about a mistake is put behind the node's position by the caller.
class NodeParser {
 public:
  explicit NodeParser(std::string_view part) : rest_(part) {}

  Result<NodeAddress> Parse() {
    for (Status (NodeParser::*step)() : {&NodeParser::CheckBytes, &NodeParser::TakeName, &NodeParser::TakeAddress}) {
      if (Status status = (this->*step)(); !status.ok()) return status.error();
    }
    if (node_.name.empty()) {
      node_.name = DeriveName(node_);
      derived_ = true;
    }
    return std::move(node_);
  }

  bool derived() const { return derived_; }

 private:
  Status CheckBytes() {
    if (rest_.empty()) return Invalid("is empty");
    for (const char c : rest_) {
      const auto byte = static_cast<unsigned char>(c);
      if (byte < 0x20 || byte == 0x7f) return Invalid("control characters are not allowed");
    }
    if (rest_.starts_with("PERSISTENT=")) {
      return Invalid("leave out php-memcached's PERSISTENT=: connections are always kept");
    }
    if (OfFilesHandler(rest_)) return Invalid(kNoPath);
    if (rest_.find_first_of(" ;") != std::string_view::npos) return Invalid("separate nodes by \",\"");
    return {};
  }

  Status TakeName() {
    // A '=' behind the start of an address belongs to the address, such as unix:/run/a=b.
    const size_t equals = rest_.find_first_of("=:/[");
    if (equals == std::string_view::npos || rest_[equals] != '=') return {};
    const std::string_view name = rest_.substr(0, equals);
    rest_.remove_prefix(equals + 1);
    if (name.empty() || name.size() > kNodeNameLengthMax || !std::all_of(name.begin(), name.end(), IsAlnum)) {
      return Invalid("the name must be 1 to " + std::to_string(kNodeNameLengthMax) + " of A-Z a-z 0-9");
    }
    node_.name = name;
    return {};
  }

  Status TakeAddress() {
    if (rest_.empty()) return Invalid(std::string("the address is missing; ") + kForms);
    if (rest_.starts_with(kTlsScheme)) {
      rest_.remove_prefix(kTlsScheme.size());
      node_.tls = true;
      if (rest_.starts_with("unix:") || rest_.starts_with('/')) return Invalid("a unix socket has no TLS");
      if (rest_.empty()) return Invalid("the host is missing behind \"tls://\"");
    }
    if (rest_.starts_with("unix:")) {
      rest_.remove_prefix(5);
      return TakeUnix();
    }
    if (rest_[0] == '/') {
      // A folder of the files handler, such as Debian's default, is no node; php-memcached's sockets end with ":0".
      if (rest_.find(':') == std::string_view::npos) {
        return Invalid(kNoPath);
      }
      return TakeUnix();
    }
    if (Status status = RefuseScheme(); !status.ok()) return status;
    if (rest_[0] == '[') return TakeIpv6();
    return TakeHost();
  }

  Status RefuseScheme() const {
    static constexpr std::string_view kForeign[] = {"tcp",  "udp",   "tls",      "ssl",  "redis", "rediss",
                                                    "http", "https", "memcache", "file", "sasl",  "valkey"};
    const size_t colon = rest_.find(':');
    if (colon == std::string_view::npos) return {};
    const std::string_view scheme = rest_.substr(0, colon);
    const std::string_view behind = rest_.substr(colon + 1);
    // "redis:6379" is a host of that name and its port.
    const bool foreign = std::find(std::begin(kForeign), std::end(kForeign), scheme) != std::end(kForeign) &&
                         !behind.empty() && !IsDigit(behind[0]);
    if (!foreign && !behind.starts_with('/')) return {};
    return Invalid("unknown scheme " + Quote(scheme) + "; " + kForms);
  }

  Status TakeUnix() {
    const size_t colon = rest_.find(':');
    std::string_view path = rest_.substr(0, colon);
    std::string_view behind = colon == std::string_view::npos ? std::string_view() : rest_.substr(colon);
    // Like php-memcached's "/path:0", and the "unix:///path" of URLs.
    if (behind == ":0" || behind.starts_with(":0:")) behind.remove_prefix(2);
    while (path.starts_with("//")) path.remove_prefix(1);
    if (path.size() < 2 || path[0] != '/') return Invalid("a unix socket needs an absolute path");
    if (path.size() > kUnixPathLengthMax) {
      return Invalid("the path of a unix socket must be at most " + std::to_string(kUnixPathLengthMax) + " bytes long");
    }
    node_.unix_path = path;
    if (behind.empty()) return {};
    return TakeWeight(behind.substr(1));
  }

  Status TakeIpv6() {
    const size_t close = rest_.find(']');
    if (close == std::string_view::npos) return Invalid("the ']' of the IPv6 address is missing");
    std::optional<std::string> host = CanonicalIpv6(rest_.substr(1, close - 1));
    if (!host) return Invalid("brackets take an IPv6 address without a zone");
    node_.host = std::move(*host);
    return TakePortAndWeight(rest_.substr(close + 1));
  }

  Status TakeHost() {
    const size_t colon = rest_.find(':');
    const std::string_view host = rest_.substr(0, colon);
    const std::string_view behind = colon == std::string_view::npos ? std::string_view() : rest_.substr(colon);
    if (node_.name.empty() && NamedByColon(rest_)) {
      return Invalid("a name ends with \"=\"; write " + std::string(host) + "=host:port");
    }
    if (std::count(rest_.begin(), rest_.end(), ':') > 2 || CanonicalIpv6(rest_)) {
      return Invalid("an IPv6 address needs brackets, such as [::1]:11211");
    }
    if (host.empty()) return Invalid(std::string("the host is missing; ") + kForms);
    if (host.size() > kHostLengthMax) {
      return Invalid("the host name must be at most " + std::to_string(kHostLengthMax) + " bytes long");
    }
    const auto allowed = [](char c) { return IsAlnum(c) || c == '.' || c == '-' || c == '_'; };
    if (!std::all_of(host.begin(), host.end(), allowed) || host[0] == '-' || host[0] == '.' ||
        host.find("..") != std::string_view::npos) {
      return Invalid("the host must be a name of A-Z a-z 0-9 . - _ or an IP address");
    }
    std::transform(host.begin(), host.end(), std::back_inserter(node_.host), LowerCase);
    // Its address would be written as unix:11211, which is the start of a path.
    if (node_.host == "unix") return Invalid("a unix socket needs an absolute path");
    // Resolvers read "10.1" or "010.0.0.1" each in its own way.
    in_addr address;
    const bool numeric = std::all_of(host.begin(), host.end(), [](char c) { return IsDigit(c) || c == '.'; });
    if (numeric && inet_pton(AF_INET, node_.host.c_str(), &address) != 1) {
      return Invalid("an IPv4 address has four numbers of 0 to 255");
    }
    return TakePortAndWeight(behind);
  }

  // `text` is "" or ":port" or ":port:weight".
  Status TakePortAndWeight(std::string_view text) {
    node_.port = kDefaultPort;
    if (text.empty()) return {};
    if (text[0] != ':') return Invalid("only :port may follow the address");
    const size_t colon = text.find(':', 1);
    const std::optional<uint32_t> port = ParseNumber(text.substr(1, colon - 1), 65535);
    if (!port) return Invalid("port must be 1 to 65535");
    node_.port = static_cast<uint16_t>(*port);
    if (colon == std::string_view::npos) return {};
    return TakeWeight(text.substr(colon + 1));
  }

  Status TakeWeight(std::string_view text) {
    const std::optional<uint32_t> weight = ParseNumber(text, kWeightMax);
    if (!weight) return Invalid("weight must be 1 to " + std::to_string(kWeightMax));
    node_.weight = *weight;
    return {};
  }

  std::string_view rest_;
  NodeAddress node_;
  bool derived_ = false;
};

constexpr std::string_view kPreviously = " previously ";

Status CheckUnique(const std::vector<NodeAddress>& nodes, const std::vector<bool>& derived) {
  const NodeAddress& last = nodes.back();
  for (size_t i = 0; i + 1 < nodes.size(); i++) {
    const std::string other = "node " + std::to_string(i + 1);
    if (nodes[i].Place() == last.Place()) return Invalid(other + " has the same address");
    if (nodes[i].name != last.name) continue;
    if (!derived[i] && !derived.back()) return Invalid(other + " has the same name");
    return Invalid(other + " has the same derived name " + Quote(last.name) + "; name the nodes, such as m1=host:port");
  }
  return {};
}

// A name stands for one node, and a node has one name: IDs and records name nodes.
Status CheckSame(const NodeLists& lists) {
  for (const NodeAddress& before : lists.before) {
    for (const NodeAddress& now : lists.now) {
      const bool same_name = now.name == before.name;
      if (same_name == (now.ToString() == before.ToString())) continue;
      return Invalid("save_path: behind \"previously\", node " + Quote(before.name) + " (" + before.ToString() +
                     ") must have the name and the address that it has before it: there it is " + Quote(now.name) +
                     " (" + now.ToString() + ")");
    }
  }
  return {};
}

}  // namespace

std::string NodeAddress::ToString() const { return (tls ? "tls://" : "") + Place(); }

std::string NodeAddress::Place() const {
  if (is_unix()) return "unix:" + unix_path;
  const bool ipv6 = host.find(':') != std::string::npos;
  return (ipv6 ? "[" + host + "]" : host) + ":" + std::to_string(port);
}

bool MayBeCutAtEquals(std::string_view save_path) {
  const std::string_view text = TrimSpaces(save_path);
  return !text.empty() && text.size() <= kNodeNameLengthMax && std::all_of(text.begin(), text.end(), IsAlnum);
}

Result<NodeLists> ParseSavePath(std::string_view save_path) {
  if (save_path.size() > kSavePathLengthMax) {
    return Invalid("save_path: must be at most " + std::to_string(kSavePathLengthMax) + " bytes long, has " +
                   std::to_string(save_path.size()));
  }
  const size_t word = save_path.find(kPreviously);
  NodeLists lists;
  Result<std::vector<NodeAddress>> now = ParseNodeList(save_path.substr(0, word));
  if (!now.ok()) return now.error();
  lists.now = std::move(*now);
  if (word == std::string_view::npos) return lists;
  Result<std::vector<NodeAddress>> before = ParseNodeList(save_path.substr(word + kPreviously.size()));
  if (!before.ok()) {
    constexpr size_t kPrefix = std::string_view("save_path: ").size();
    return Invalid("save_path: behind \"previously\", " + before.error().message().substr(kPrefix));
  }
  lists.before = std::move(*before);
  if (lists.now.empty() || lists.before.empty()) return Invalid("save_path: no node beside \"previously\"");
  if (Status same = CheckSame(lists); !same.ok()) return same.error();
  return lists;
}

Result<std::vector<NodeAddress>> ParseNodeList(std::string_view list) {
  std::vector<NodeAddress> nodes;
  std::vector<bool> derived;
  if (list.empty()) return nodes;
  for (bool more = true; more;) {
    const size_t comma = list.find(',');
    const std::string_view part = TrimSpaces(list.substr(0, comma));
    more = comma != std::string_view::npos;
    if (more) list.remove_prefix(comma + 1);

    const std::string where = "save_path: node " + std::to_string(nodes.size() + 1) + " (" + Quote(part) + "): ";
    if (nodes.size() == kNodesMax)
      return Invalid(where + "at most " + std::to_string(kNodesMax) + " nodes are allowed");
    NodeParser parser(part);
    Result<NodeAddress> node = parser.Parse();
    if (!node.ok()) return Invalid(where + node.error().message());
    nodes.push_back(std::move(*node));
    derived.push_back(parser.derived());
    if (Status unique = CheckUnique(nodes, derived); !unique.ok()) return Invalid(where + unique.error().message());
  }
  return nodes;
}

}  // namespace clustered_session
