programs += diskguard
diskguard_src := $(wildcard diskguard/*.c)
