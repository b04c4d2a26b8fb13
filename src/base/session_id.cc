// The grammars of what clients send. Layer: base. Pure; thread-safe; every byte of the input is outside input.
#include "src/base/session_id.h"

#include <algorithm>
#include <charconv>

#include "src/base/ascii.h"
#include "src/base/quote.h"
#include "src/base/save_path.h"

namespace clustered_session {
namespace {

bool IsServerIdCharacter(char c) { return IsAlnum(c) || c == '_' || c == '-'; }

template <typename Allowed>
bool Consists(std::string_view text, size_t length_max, Allowed allowed) {
  return !text.empty() && text.size() <= length_max && std::all_of(text.begin(), text.end(), allowed);
}

}  // namespace

bool ValidSessionId(std::string_view session_id) {
  return Consists(session_id, kSessionIdLengthMax, [](char c) { return IsAlnum(c) || c == ',' || c == '-'; });
}

std::string_view NodeNameOf(std::string_view session_id) {
  const size_t dash = session_id.rfind('-');
  if (dash == std::string_view::npos || dash == 0) return {};
  const std::string_view name = session_id.substr(dash + 1);
  return Consists(name, kNodeNameLengthMax, IsAlnum) ? name : std::string_view();
}

std::string RedactSessionId(std::string_view session_id) {
  std::string out;
  AppendEscaped(&out, session_id.substr(0, std::min<size_t>(4, session_id.size() / 4)));
  return out + "...";
}

bool ValidServerId(std::string_view server_id) { return Consists(server_id, kServerIdLengthMax, IsServerIdCharacter); }

std::optional<AffinityCookie> ParseAffinity(std::string_view value) {
  const size_t dot = value.find('.');
  if (dot == std::string_view::npos || !ValidServerId(value.substr(0, dot))) return std::nullopt;
  const std::string_view digits = value.substr(dot + 1);
  // from_chars alone would take leading zeros.
  if (digits.empty() || !IsDigit(digits[0]) || (digits[0] == '0' && digits.size() > 1)) return std::nullopt;
  AffinityCookie cookie;
  const char* end = digits.data() + digits.size();
  const auto [parsed_to, error] = std::from_chars(digits.data(), end, cookie.epoch);
  if (error != std::errc() || parsed_to != end) return std::nullopt;
  cookie.server_id = value.substr(0, dot);
  return cookie;
}

std::string FormatAffinity(const AffinityCookie& cookie) {
  return cookie.server_id + "." + std::to_string(cookie.epoch);
}

std::string SanitizeServerId(std::string_view host_name) {
  const bool numeric = std::all_of(host_name.begin(), host_name.end(), [](char c) { return IsDigit(c) || c == '.'; });
  if (!numeric) host_name = host_name.substr(0, host_name.find('.'));
  std::string out(host_name.substr(0, kServerIdLengthMax));
  std::replace_if(
      out.begin(), out.end(), [](char c) { return !IsServerIdCharacter(c); }, '-');
  if (std::none_of(out.begin(), out.end(), IsAlnum)) return "server";
  return out;
}

}  // namespace clustered_session
