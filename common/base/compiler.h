/* Words that tell the compiler (and the reader) what a function promises. */
#ifndef SPILLWAY_COMPILER_H
#define SPILLWAY_COMPILER_H

#define NODISCARD __attribute__((warn_unused_result))
#define NORETURN __attribute__((noreturn))
#define PRINTF(fmt, args) __attribute__((format(printf, fmt, args)))
#define UNUSED __attribute__((unused))

#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))

#endif
