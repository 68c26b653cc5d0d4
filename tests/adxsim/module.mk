# The ADX stand-in: an HTTP server over SQLite. Tests and the demo only.
programs += adxsim
adxsim_src  := $(wildcard tests/adxsim/*.c)
adxsim_LIBS := -lmicrohttpd -lsqlite3
