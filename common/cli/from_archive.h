/* spillway requeue --from-archive DIR: segments that a drop policy put into an archive (DIR/<db>/FILE,
 * written by peerd's policy "archive") come back into sealed/, each once, whatever is killed meanwhile.
 *
 * Each is copied into state/ under a temporary name, durably; then a line in state/restored.jsonl (the redo
 * log of common/base/journal.h) commits it; then the copy is renamed into sealed/ and the archive's file
 * goes.
 *
 *     {"v":1,"time":…,"db":FOLDER,"table":…,"file":…,"rows":…,"raw_bytes":…,"bytes":…,"archive":DIR,"name":…,
 *      "copy":…,"inode":…,"mtime_ns":…}
 *
 * Under the operator's lock. */
#ifndef SPILLWAY_CLI_FROM_ARCHIVE_H
#define SPILLWAY_CLI_FROM_ARCHIVE_H

#include "common/cli/command.h"

/* The words select DB or DB/TABLE; none: all of it. Returns the exit code. */
int requeue_from_archive(struct cli *cli, const char *dir);

#endif
