// Where files may be dropped: below one of the folders that the configuration lists, and nowhere else. The listed
// folder is the operator's and may be a symbolic link; below it none is followed, for whoever may write there could
// make one.
// Threads: plain values and functions, any.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "broker/base/error.h"

namespace hutong::file_sink {

struct Folder {
  std::string root;                // as it is listed
  std::vector<std::string> below;  // one name after the other
  std::string path() const;
};

// An absolute path without "." and "..", as one that may be listed. Errors: invalid, what is wrong with it.
Result<Folder> read_folder(std::string_view written);
// The same below the nearest of `listed`. Errors: invalid; forbidden, none of them holds it.
Result<Folder> read_folder(std::string_view written, const std::vector<std::string>& listed);

// Owns a file descriptor.
class File {
 public:
  explicit File(int descriptor) : descriptor_(descriptor) {}
  File(File&& other) noexcept : descriptor_(other.descriptor_) { other.descriptor_ = -1; }
  File& operator=(File&&) = delete;
  ~File();
  int get() const { return descriptor_; }

 private:
  int descriptor_;
};

// Errors: not_found; forbidden, a symbolic link on the way; unavailable.
Result<File> open_folder(const Folder& folder);

}  // namespace hutong::file_sink
