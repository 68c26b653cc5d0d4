/* Fresh identifiers and the time of day, as text. Thread-safe. */
#ifndef ADXSIM_IDENT_H
#define ADXSIM_IDENT_H

#define IDENT_GUID_SIZE 37 /* with the NUL */
#define IDENT_TIME_SIZE 32

#define IDENT_ZERO_GUID "00000000-0000-0000-0000-000000000000"

void ident_guid(char guid[IDENT_GUID_SIZE]);
/* UTC, like 2026-11-22T06:34:07.4041230Z */
void ident_now(char text[IDENT_TIME_SIZE]);

#endif
