programs += peerd
peerd_src := $(wildcard peerd/*.c)
peerd_LIBS := -lresolv
