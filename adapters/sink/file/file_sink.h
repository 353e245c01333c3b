// Drops events into a folder, one file each. A reader never sees half a file: it is written under a name that begins
// with a dot and ends in ".part", made durable, and renamed. The name is the event's own, so that one that comes again
// takes its own place, and sorts as the events of a patient came:
//
//   20260105T080000.123456Z-000000001234.0000-<event id>.json     appended to the log, offset and ordinal there
//
// A folder that is gone, full or not ours to write is "unreachable": everything waits until it is there again.
// Threads: the one of the executor; what waits for the disk is a thread of the sink's own.
#pragma once

#include <sys/types.h>

#include <boost/asio/any_io_executor.hpp>
#include <functional>
#include <memory>

#include "adapters/sink/file/folder.h"
#include "broker/port/sink.h"

namespace hutong::file_sink {

struct FileSinkOptions {
  Folder folder;
  std::chrono::milliseconds timeout{30'000};
  // The calls that a disk can fail. Replaced by tests.
  std::function<ssize_t(int, const void*, std::size_t)> write;
  std::function<int(int)> sync_data, sync_folder;
};

std::string file_name(const port::Parcel& parcel);

std::shared_ptr<port::Sink> file_sink(net::any_io_executor executor, FileSinkOptions options);

}  // namespace hutong::file_sink
