// The keeper's own file: its book of enrolled runtimes (core/enrolment.hpp). It is opened before
// the keeper is confined, and written in place afterwards: the keeper can make and open no file.
//
//   data_dir/runtimes    0600  two slots of slot_bytes each: length(4, little-endian) book
//
// A change goes to the slot that does not hold the newest book, so that a crash in the middle
// leaves that one whole. The room of both is set aside when the file is opened. The api process
// reaches neither the file nor its key.
#pragma once

#include <string>
#include <string_view>

#include "app/descriptor.hpp"
#include "core/enrolment.hpp"

namespace tacit::app {

class runtime_file {
 public:
  // Opens it; makes it, for nobody but us, when it is missing. Before the keeper is confined.
  // Throws startup_error: of another owner, open to others.
  explicit runtime_file(std::string path);

  // Reads the newest book; a new file is given an empty one. Throws startup_error when neither slot
  // holds a book of this root key.
  void load(core::runtime_book_key const& key);
  // After load().
  [[nodiscard]] core::enrolment_book const& book() const noexcept { return book_; }

  // Writes and syncs an encoded book. False when it may not be on disk. No allocation of files, no
  // system call but pwrite and fdatasync.
  [[nodiscard]] bool write(std::string_view book) noexcept;

 private:
  std::string path_;
  descriptor file_;
  core::enrolment_book book_;
  unsigned newest_slot_ = 0;
};

}  // namespace tacit::app
