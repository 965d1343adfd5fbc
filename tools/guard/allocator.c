/* A memory handler for NumPy whose buffers each touch an inaccessible page.
 *
 * Each buffer is a mapping of its own:
 *
 *     page with the Header | no access | pages with the buffer | no access
 *
 * The buffer lies at the end of its pages (mode "end") or at their beginning ("start"), so that
 * an access beyond that side crashes at once, and so does one after free. The rest of its pages
 * is filled with CANARY, which is looked through when the buffer is freed.
 * Fresh memory holds NaN, both as float64 and as float32.
 */
#define _GNU_SOURCE
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define CANARY 0xA5
#define MAGIC 0x5EEDFACECAFEBEEFUL

/* PyDataMem_Handler, of version 1, as numpy/ndarraytypes.h declares it. */
typedef struct {
    char name[127];
    uint8_t version;
    void *context;
    void *(*malloc)(void *, size_t);
    void *(*calloc)(void *, size_t, size_t);
    void *(*realloc)(void *, void *, size_t);
    void (*free)(void *, void *, size_t);
} Handler;

typedef struct {
    uint64_t magic;
    size_t size;
    size_t span; /* of the whole mapping */
    unsigned char *buffer;
} Header;

static size_t page;
static int at_end;
static long n_buffers, n_damaged;

/* What an array of so many bytes may need: its elements are no larger than their alignment. */
static size_t alignment(size_t size)
{
    size_t align = 16;
    while (size % align != 0)
        align /= 2;
    return align;
}

static void *allocate(size_t size, int zeroed)
{
    if (size == 0)
        size = 1;
    if (size > SIZE_MAX / 2)
        return NULL;
    size_t room = (size + page - 1) / page * page;
    size_t span = room + 3 * page;
    unsigned char *mapping =
        mmap(NULL, span, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (mapping == MAP_FAILED)
        return NULL;
    unsigned char *first = mapping + 2 * page, *end = first + room;
    unsigned char *buffer = first;
    if (at_end)
        buffer = (unsigned char *)((uintptr_t)(end - size) & ~(alignment(size) - 1));
    *(Header *)mapping = (Header){MAGIC, size, span, buffer};
    memset(first, CANARY, (size_t)(buffer - first));
    memset(buffer + size, CANARY, (size_t)(end - buffer - size));
    if (!zeroed)
        for (size_t i = 0; i < size; i++)
            buffer[i] = i % 4 == 3 ? 0x7F : 0xF7;
    if (mprotect(mapping + page, page, PROT_NONE) || mprotect(end, page, PROT_NONE)) {
        munmap(mapping, span);
        return NULL;
    }
    __sync_fetch_and_add(&n_buffers, 1);
    return buffer;
}

static Header *header_of(void *buffer)
{
    /* The slack is less than a page, so any buffer begins in the first of its pages. */
    Header *header = (Header *)(((uintptr_t)buffer & ~(page - 1)) - 2 * page);
    if (header->magic != MAGIC || header->buffer != buffer) {
        fprintf(stderr, "guard: %p was not allocated here, or its header is damaged\n", buffer);
        abort();
    }
    return header;
}

static void look_through(const unsigned char *from, const unsigned char *to, const Header *header)
{
    for (; from < to; from++)
        if (*from != CANARY) {
            fprintf(stderr, "guard: canary damaged at byte %ld of a buffer of %zu bytes\n",
                    (long)(from - header->buffer), header->size);
            __sync_fetch_and_add(&n_damaged, 1);
            return;
        }
}

static void *guarded_malloc(void *context, size_t size)
{
    return allocate(size, 0);
}

static void *guarded_calloc(void *context, size_t n, size_t size)
{
    size_t total;
    return __builtin_mul_overflow(n, size, &total) ? NULL : allocate(total, 1);
}

static void guarded_free(void *context, void *buffer, size_t size)
{
    if (buffer == NULL)
        return;
    Header *header = header_of(buffer);
    unsigned char *mapping = (unsigned char *)header;
    look_through(mapping + 2 * page, header->buffer, header);
    look_through(header->buffer + header->size, mapping + header->span - page, header);
    munmap(mapping, header->span);
}

static void *guarded_realloc(void *context, void *buffer, size_t size)
{
    void *larger = allocate(size, 0);
    if (buffer == NULL || larger == NULL)
        return larger;
    size_t old = header_of(buffer)->size;
    memcpy(larger, buffer, old < size ? old : size);
    guarded_free(context, buffer, old);
    return larger;
}

static Handler handler = {"sknn_opt_guard", 1,           NULL, guarded_malloc, guarded_calloc,
                          guarded_realloc,  guarded_free};

void *guard_handler(int end)
{
    page = (size_t)sysconf(_SC_PAGESIZE);
    at_end = end;
    return &handler;
}

long guard_buffers(void)
{
    return n_buffers;
}

long guard_damaged(void)
{
    return n_damaged;
}
