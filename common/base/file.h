/* Files, with the care that data deserves. All names are relative to a directory descriptor. Thread-safe. */
#ifndef SPILLWAY_FILE_H
#define SPILLWAY_FILE_H

#include <stddef.h>
#include <sys/types.h>

#include "common/base/buf.h"
#include "common/base/compiler.h"

/* Write all of it, going on after short writes and EINTR. 0 or negative errno; on error an unknown part is
 * written. */
NODISCARD int file_write_all(int fd, const void *data, size_t len);

/* Read exactly `len` bytes at `offset`. -ENODATA when the file ends before. */
NODISCARD int file_read_at(int fd, void *data, size_t len, off_t offset);

/* Replace `name` in `dir` so that after a crash at any point either the old or the new content is there
 * whole: write a temporary file, fsync, rename, fsync the directory. A failed fsync is never repeated: the
 * temporary file is removed and the error returned. */
NODISCARD int file_replace(int dir, const char *name, const void *data, size_t len);

/* The same for what is nobody else's business: mode 0600. */
NODISCARD int file_replace_private(int dir, const char *name, const void *data, size_t len);

/* file_replace() without the two fsyncs: atomic for readers and across kill -9, not across a power cut. */
NODISCARD int file_replace_lazily(int dir, const char *name, const void *data, size_t len);

/* Remove what file_replace() of processes that were killed has left in `dir`. Safe beside any that are at it.
 */
void file_sweep(int dir);

/* Append the content of `name` to `buf`; -EFBIG when it is larger than buf may hold. */
NODISCARD int file_read(int dir, const char *name, struct buf *buf);

/* Make a rename, link or unlink in `dir` durable. */
NODISCARD int file_sync_dir(int dir);

/* Open `name` below `dir`, making it (mode 0755 less umask) when it is absent. The descriptor, or negative
 * errno. */
NODISCARD int file_open_dir(int dir, const char *name);

#endif
