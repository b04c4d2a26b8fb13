// A folder of a test's own, removed with all that is in it. Layer: tests.
#ifndef CLUSTERED_SESSION_TESTS_SUPPORT_TEMP_DIR_H_
#define CLUSTERED_SESSION_TESTS_SUPPORT_TEMP_DIR_H_

#include <string>

namespace clustered_session {

class TempDir {
 public:
  // Open to all users: a memcached that was started by root makes its socket there as another one.
  TempDir();
  ~TempDir();
  TempDir(const TempDir&) = delete;
  TempDir& operator=(const TempDir&) = delete;

  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

}  // namespace clustered_session

#endif  // CLUSTERED_SESSION_TESTS_SUPPORT_TEMP_DIR_H_
