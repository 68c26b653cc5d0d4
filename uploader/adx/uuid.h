/* UUIDs as text (RFC 9562): random ones, and those that follow from a name. Thread-safe. */
#ifndef UPLOADER_UUID_H
#define UPLOADER_UUID_H

enum { UUID_TEXT_BYTES = 37 };

/* Version 4. */
void uuid_random(char text[static UUID_TEXT_BYTES]);

/* Version 5 in the namespace of URLs: the same name always has the same. */
void uuid_of_name(const char *name, char text[static UUID_TEXT_BYTES]);

#endif
