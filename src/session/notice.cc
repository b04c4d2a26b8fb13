#include "src/session/notice.h"

#include <chrono>

namespace clustered_session {

std::string WithoutCode(const std::string& message) {
  const size_t code = message.rfind(" [CS-");
  return code != std::string::npos && message.ends_with(']') ? message.substr(0, code) : message;
}

std::string TextOf(const Notice& notice, TimePoint now, std::time_t wall_now) {
  if (notice.at == TimePoint() || now - notice.at < std::chrono::seconds(1)) return notice.text;
  const std::time_t at = wall_now - std::chrono::round<std::chrono::seconds>(now - notice.at).count();
  std::tm parts{};
  char text[sizeof "2000-01-01T00:00:00Z"];
  if (gmtime_r(&at, &parts) == nullptr || std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &parts) == 0) {
    return notice.text;
  }
  return std::string(text) + ": " + notice.text;
}

}  // namespace clustered_session
