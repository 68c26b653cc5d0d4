programs += peerd
peerd_src := $(wildcard peerd/*.c peerd/*/*.c)
peerd_LIBS := $(HTTP_LIBS) -lresolv
