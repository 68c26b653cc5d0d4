#include "common/cli/arena.h"

#include <assert.h>
#include <stdalign.h>

enum { CHUNK_BYTES = 64 << 10, PIECE_MAX = 32 << 10 };

struct arena_chunk {
    struct arena_chunk *older;
    alignas(max_align_t) char bytes[CHUNK_BYTES];
};

static void *take(struct arena *arena, size_t bytes, size_t align)
{
    assert(bytes <= PIECE_MAX);
    size_t at = (arena->used + align - 1) / align * align;
    if (!arena->chunk || at + bytes > CHUNK_BYTES) {
        struct arena_chunk *chunk = malloc(sizeof *chunk);
        if (!chunk)
            return NULL;
        chunk->older = arena->chunk;
        arena->chunk = chunk;
        at = 0;
    }
    arena->used = at + bytes;
    return arena->chunk->bytes + at;
}

void *arena_take(struct arena *arena, size_t bytes)
{
    return take(arena, bytes, alignof(max_align_t));
}

const char *arena_text(struct arena *arena, const char *text)
{
    size_t bytes = strlen(text) + 1;
    char *copy = take(arena, bytes, 1);
    return copy ? memcpy(copy, text, bytes) : NULL;
}

void arena_fini(struct arena *arena)
{
    while (arena->chunk) {
        struct arena_chunk *older = arena->chunk->older;
        free(arena->chunk);
        arena->chunk = older;
    }
    arena->used = 0;
}
