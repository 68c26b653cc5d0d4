programs += uploader
uploader_src := $(wildcard uploader/*.c uploader/*/*.c)
