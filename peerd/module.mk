programs += peerd
peerd_src := $(wildcard peerd/*.c)
