programs += walwriter
walwriter_src := $(wildcard walwriter/*.c)
