// A setting's text is checked and parsed, see setting_parsers.h. Layer: php.
#include "src/php/setting_parsers.h"

#include <unistd.h>

#include <cctype>
#include <string_view>
#include <utility>

#include "src/base/session_id.h"
#include "src/base/units.h"
#include "src/php/module.h"
#include "src/record/compression.h"

namespace clustered_session {

namespace {

constexpr size_t kPrefixMax = 64;  // bytes; with the hash well under memcached's 250
constexpr size_t kServerNameMax = 256;
constexpr size_t kPathMax = 4096;       // bytes
constexpr size_t kCredentialMax = 100;  // bytes; a line of memcached's file of users has 256
constexpr size_t kTlsTextMax = 250;     // bytes of a path or a name; the pool table keeps them

// A parser returns null, or what is wrong with the value; static text, as it crosses into the second phase.
using Parser = const char* (*)(std::string_view text, SessionSettings* settings);

template <Duration SessionSettings::*kMember, bool kZeroAllowed>
const char* ParseDurationSetting(std::string_view text, SessionSettings* settings) {
  Result<Duration> duration = ParseDuration(text);
  if (!duration.ok()) return "must be a number and a unit, such as 250ms, 10s or 5m";
  if (!kZeroAllowed && *duration < std::chrono::milliseconds(1)) return "must be at least 1ms";
  if (*duration > std::chrono::hours(24)) return "must be at most 24h";
  settings->*kMember = *duration;
  return nullptr;
}

template <typename Mode, size_t kCount>
const char* ParseChoice(std::string_view text, const std::pair<std::string_view, Mode> (&choices)[kCount], Mode* mode,
                        const char* message) {
  for (const auto& [name, value] : choices) {
    if (text == name) {
      *mode = value;
      return nullptr;
    }
  }
  return message;
}

const char* ParseServerId(std::string_view text, SessionSettings* settings) {
  if (text.empty()) {
    char host[kServerNameMax] = {};
    if (gethostname(host, sizeof host - 1) != 0) host[0] = '\0';
    settings->server_id = SanitizeServerId(host);
    return nullptr;
  }
  if (!ValidServerId(text)) return "must be 1 to 64 of A-Z, a-z, 0-9, \"_\" and \"-\"";
  settings->server_id = text;
  return nullptr;
}

bool ParseCount(std::string_view text, uint32_t min, uint32_t max, uint32_t* count) {
  uint64_t value = 0;
  for (const char digit : text) {
    if (digit < '0' || digit > '9' || value > max) return false;
    value = value * 10 + static_cast<uint64_t>(digit - '0');
  }
  if (text.empty() || value < min || value > max) return false;
  *count = static_cast<uint32_t>(value);
  return true;
}

const char* ParseCopies(std::string_view text, SessionSettings* settings) {
  static_assert(kNodesMax == 64);
  return ParseCount(text, 1, kNodesMax, &settings->copies) ? nullptr : "must be 1 to 64";
}

const char* ParseWriteMode(std::string_view text, SessionSettings* settings) {
  static constexpr std::pair<std::string_view, WriteMode> kChoices[] = {{"through", WriteMode::kThrough},
                                                                        {"behind", WriteMode::kBehind}};
  return ParseChoice(text, kChoices, &settings->write, "must be through or behind");
}

const char* ParseBehindMax(std::string_view text, SessionSettings* settings) {
  return ParseCount(text, 0, 1000000000, &settings->behind_max) ? nullptr : "must be 0 to 1000000000";
}

const char* ParseNewsInterval(std::string_view text, SessionSettings* settings) {
  SessionSettings parsed = *settings;
  if (const char* error = ParseDurationSetting<&SessionSettings::news_interval, true>(text, &parsed)) return error;
  const Duration interval = parsed.news_interval;
  if (interval != Duration::zero() && interval < std::chrono::milliseconds(10)) return "must be 0 or at least 10ms";
  settings->news_interval = interval;
  return nullptr;
}

const char* ParseRepairRate(std::string_view text, SessionSettings* settings) {
  return ParseCount(text, 0, 1000000, &settings->repair_rate) ? nullptr : "must be 0 to 1000000";
}

const char* ParseRepairListing(std::string_view text, SessionSettings* settings) {
  static constexpr std::pair<std::string_view, bool> kChoices[] = {
      {"off", false}, {"", false}, {"0", false}, {"on", true}, {"1", true}};
  return ParseChoice(text, kChoices, &settings->repair_listing, "must be 0 or 1");
}

const char* ParseLockWaitersMax(std::string_view text, SessionSettings* settings) {
  return ParseCount(text, 0, 4096, &settings->lock_waiters_max) ? nullptr : "must be 0 to 4096";
}

const char* ParseLocalMemory(std::string_view text, SessionSettings*) {
  Result<size_t> size = ParseSize(text);
  if (!size.ok()) return "must be a number of bytes, or of K, M or G, such as 64M";
  if (*size < LocalStore::kMemoryMin) return "must be at least 1M";
  CSG(local_memory) = *size;
  return nullptr;
}

const char* ParseAffinityMode(std::string_view text, SessionSettings* settings) {
  static constexpr std::pair<std::string_view, AffinityMode> kChoices[] = {{"cookie", AffinityMode::kCookie},
                                                                           {"balancer", AffinityMode::kBalancer}};
  return ParseChoice(text, kChoices, &settings->affinity, "must be cookie or balancer");
}

const char* ParseLock(std::string_view text, SessionSettings* settings) {
  static constexpr std::pair<std::string_view, LockMode> kChoices[] = {{"none", LockMode::kNone},
                                                                       {"", LockMode::kNone},  // php.ini's bare none
                                                                       {"local", LockMode::kLocal},
                                                                       {"cluster", LockMode::kCluster}};
  return ParseChoice(text, kChoices, &settings->lock, "must be none, local or cluster");
}

const char* ParseConflictRule(std::string_view text, SessionSettings* settings) {
  static constexpr std::pair<std::string_view, ConflictRule> kChoices[] = {
      {"merge", ConflictRule::kMerge}, {"mine", ConflictRule::kMine}, {"theirs", ConflictRule::kTheirs}};
  return ParseChoice(text, kChoices, &settings->on_conflict, "must be merge, mine or theirs");
}

const char* ParsePrefix(std::string_view text, SessionSettings* settings) {
  constexpr const char* kMessage = "must be at most 64 printable characters without spaces";
  if (text.size() > kPrefixMax) return kMessage;
  for (const char c : text) {
    if (c <= ' ' || c > '~') return kMessage;
  }
  settings->prefix = text;
  return nullptr;
}

const char* ParseAuthentication(std::string_view text, SessionSettings* settings) {
  static constexpr std::pair<std::string_view, Authentication> kChoices[] = {{"text", Authentication::kText},
                                                                             {"sasl", Authentication::kSasl}};
  return ParseChoice(text, kChoices, &settings->authentication, "must be text or sasl");
}

// What memcached separates by a space and, in its file of users, by a colon.
const char* ParseUsername(std::string_view text, SessionSettings* settings) {
  constexpr const char* kMessage = "must be at most 100 printable characters without spaces and colons";
  if (text.size() > kCredentialMax) return kMessage;
  for (const char c : text) {
    if (c <= ' ' || c > '~' || c == ':') return kMessage;
  }
  settings->username = text;
  return nullptr;
}

const char* ParsePassword(std::string_view text, SessionSettings* settings) {
  constexpr const char* kMessage = "must be at most 100 printable characters without spaces";
  if (text.size() > kCredentialMax) return kMessage;
  for (const char c : text) {
    if (c <= ' ' || c > '~') return kMessage;
  }
  settings->password = text;
  return nullptr;
}

// It is read where it is first needed, and at the next start of PHP.
const char* ParseKeyFile(std::string_view text, SessionSettings* settings) {
  if (text.size() > kPathMax) return "must be a path of at most 4096 bytes";
  if (text.find('\0') != std::string_view::npos) return "must be a path, without zero bytes";
  if (!text.empty() && text.front() != '/') return "must be an absolute path";
  settings->key_file = text;
  return nullptr;
}

const char* ParseEncryption(std::string_view text, SessionSettings* settings) {
  static constexpr std::pair<std::string_view, EncryptionMode> kChoices[] = {
      {"read", EncryptionMode::kRead}, {"write", EncryptionMode::kWrite}, {"require", EncryptionMode::kRequire}};
  return ParseChoice(text, kChoices, &settings->encryption, "must be read, write or require");
}

const char* ParseCipher(std::string_view text, SessionSettings* settings) {
  static constexpr std::pair<std::string_view, CipherChoice> kChoices[] = {{"auto", CipherChoice::kAuto},
                                                                           {"xchacha20", CipherChoice::kXChaCha20}};
  return ParseChoice(text, kChoices, &settings->cipher, "must be auto or xchacha20");
}

const char* ParseSignedIds(std::string_view text, SessionSettings* settings) {
  static constexpr std::pair<std::string_view, SignedIds> kChoices[] = {{"off", SignedIds::kOff},
                                                                        {"", SignedIds::kOff},  // php.ini's bare off
                                                                        {"make", SignedIds::kMake},
                                                                        {"require", SignedIds::kRequire}};
  return ParseChoice(text, kChoices, &settings->signed_ids, "must be off, make or require");
}

const char* ParseCompressionLevel(std::string_view text, SessionSettings* settings) {
  static_assert(kCompressionLevelMax == 19);
  uint32_t level = 0;
  if (!ParseCount(text, 0, kCompressionLevelMax, &level)) return "must be 0 to 19";
  if (level != 0 && !CompressionAvailable()) return "must be 0, as this build has no zstd";
  settings->compression_level = level;
  return nullptr;
}

const char* ParseCompressionThreshold(std::string_view text, SessionSettings* settings) {
  Result<size_t> size = ParseSize(text);
  if (!size.ok() || *size > (1u << 30)) return "must be a number of bytes, or of K, M or G, up to 1G";
  settings->compression_threshold = static_cast<uint32_t>(*size);
  return nullptr;
}

template <std::string NodeTls::*kMember>
const char* ParseTlsFile(std::string_view text, SessionSettings* settings) {
  constexpr const char* kMessage = "must be an absolute path of at most 250 bytes";
  if (text.size() > kTlsTextMax || (!text.empty() && text[0] != '/')) return kMessage;
  for (const char c : text) {
    if (static_cast<unsigned char>(c) < ' ') return kMessage;
  }
  settings->tls.*kMember = text;
  return nullptr;
}

const char* ParseTlsServerName(std::string_view text, SessionSettings* settings) {
  constexpr const char* kMessage = "must be a host name of at most 250 of A-Z a-z 0-9 . - _";
  if (text.size() > kTlsTextMax) return kMessage;
  for (const char c : text) {
    const bool alphanumeric = (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
    if (!alphanumeric && c != '.' && c != '-' && c != '_') return kMessage;
  }
  settings->tls.server_name = text;
  return nullptr;
}

const char* ParseTlsVerify(std::string_view text, SessionSettings* settings) {
  static constexpr std::pair<std::string_view, bool> kChoices[] = {{"full", true}, {"insecure", false}};
  return ParseChoice(text, kChoices, &settings->tls.verifies, "must be full or insecure");
}

template <OldHandlerAddress SessionSettings::*kMember>
const char* ParseMigration(std::string_view text, SessionSettings* settings) {
  return ParseOldHandler(text, &(settings->*kMember));
}

const char* ParseMigrateShared(std::string_view text, SessionSettings* settings) {
  static constexpr std::pair<std::string_view, bool> kChoices[] = {
      {"off", false}, {"", false}, {"0", false}, {"on", true}, {"1", true}};
  return ParseChoice(text, kChoices, &settings->migrate_shared, "must be on or off");
}

const char* ParseMigrateId(std::string_view text, SessionSettings* settings) {
  static constexpr std::pair<std::string_view, bool> kChoices[] = {{"same", false}, {"new", true}};
  return ParseChoice(text, kChoices, &settings->migrate_new_ids, "must be same or new");
}

struct Setting {
  const char* name;
  Parser parse;
};

constexpr Setting kSettings[] = {
    {"clustered_session.server_id", ParseServerId},
    {"clustered_session.copies", ParseCopies},
    {"clustered_session.local_memory", ParseLocalMemory},
    {"clustered_session.local_trust", ParseDurationSetting<&SessionSettings::local_trust, true>},
    {"clustered_session.takeover_grace", ParseDurationSetting<&SessionSettings::takeover_grace, true>},
    {"clustered_session.affinity", ParseAffinityMode},
    {"clustered_session.lock", ParseLock},
    {"clustered_session.lock_wait", ParseDurationSetting<&SessionSettings::lock_wait, true>},
    {"clustered_session.lock_waiters_max", ParseLockWaitersMax},
    {"clustered_session.connect_timeout", ParseDurationSetting<&SessionSettings::connect_timeout, false>},
    {"clustered_session.operation_timeout", ParseDurationSetting<&SessionSettings::operation_timeout, false>},
    {"clustered_session.retry_interval", ParseDurationSetting<&SessionSettings::retry_interval, false>},
    {"clustered_session.write", ParseWriteMode},
    {"clustered_session.behind_max", ParseBehindMax},
    {"clustered_session.flush_timeout", ParseDurationSetting<&SessionSettings::flush_timeout, true>},
    {"clustered_session.repair_rate", ParseRepairRate},
    {"clustered_session.repair_listing", ParseRepairListing},
    {"clustered_session.news_interval", ParseNewsInterval},
    {"clustered_session.on_conflict", ParseConflictRule},
    {"clustered_session.prefix", ParsePrefix},
    {"clustered_session.authentication", ParseAuthentication},
    {"clustered_session.username", ParseUsername},
    {kPasswordName, ParsePassword},
    {"clustered_session.key_file", ParseKeyFile},
    {"clustered_session.encryption", ParseEncryption},
    {"clustered_session.cipher", ParseCipher},
    {"clustered_session.signed_ids", ParseSignedIds},
    {"clustered_session.compression_level", ParseCompressionLevel},
    {"clustered_session.compression_threshold", ParseCompressionThreshold},
    {kMigrateFromName, ParseMigration<&SessionSettings::migrate_from>},
    {kMigrateToName, ParseMigration<&SessionSettings::migrate_to>},
    {"clustered_session.migrate_shared", ParseMigrateShared},
    {"clustered_session.migrate_id", ParseMigrateId},
    {"clustered_session.tls_ca_file", ParseTlsFile<&NodeTls::ca_file>},
    {"clustered_session.tls_certificate", ParseTlsFile<&NodeTls::certificate>},
    {"clustered_session.tls_key", ParseTlsFile<&NodeTls::key>},
    {"clustered_session.tls_server_name", ParseTlsServerName},
    {"clustered_session.tls_verify", ParseTlsVerify},
};

}  // namespace

const char* ParseSetting(std::string_view name, std::string_view text, SessionSettings* settings) {
  for (const Setting& setting : kSettings) {
    if (name == setting.name) return setting.parse(text, settings);
  }
  return "unknown setting";
}

}  // namespace clustered_session
