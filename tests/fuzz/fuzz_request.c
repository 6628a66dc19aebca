/* Gives the input to the decoders as a connection does: a request header with API and version, then
 * the body. A decoded message must encode, and the result must decode and encode to the same bytes
 * again. If the lowest bit of the first byte is set, the target uses the response's tables. */
#include "protocol/messages.h"

enum { MAX_MEMORY = 64 << 20, MAX_OUT = 8 << 20 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static enum error encode(const struct schema *schema, int version, const void *message,
                         struct buffer *out)
{
    struct writer w;
    buffer_init(out, MAX_OUT);
    writer_init(&w, out);
    enum error e = schema_encode(schema, version, message, &w);
    writer_free(&w);
    return e;
}

/* The first encoding may differ from the input, because unknown tags are dropped and varints may be
 * longer than needed. The second encoding must equal the first. */
static void check_round_trip(const struct schema *schema, int version, const void *message,
                             struct arena *arena)
{
    struct buffer first, second;
    ASSERT(encode(schema, version, message, &first) == ERR_OK);
    void *again = arena_alloc(arena, schema_size(schema));
    struct reader r = reader_of(buffer_view(&first));
    if (again != NULL && schema_decode(schema, version, &r, arena, again) == ERR_OK) {
        ASSERT(reader_left(&r) == 0);
        ASSERT(encode(schema, version, again, &second) == ERR_OK);
        ASSERT(bytes_equal(buffer_view(&first), buffer_view(&second)));
        buffer_free(&second);
    } else {
        ASSERT(arena->exhausted);
    }
    buffer_free(&first);
}

static void decode_body(const struct schema *schema, int version, struct reader *r)
{
    struct arena arena;
    arena_init(&arena, MAX_MEMORY);
    void *message = arena_alloc(&arena, schema_size(schema));
    if (schema_decode(schema, version, r, &arena, message) == ERR_OK)
        check_round_trip(schema, version, message, &arena);
    arena_free(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    struct reader r = reader_of(bytes_of(data + 1, size - 1));
    struct request_header header = read_request_header(&r);
    const struct api_messages *api = api_messages(header.api_key);
    if (r.failed || api == NULL || header.api_version < api->min_version ||
        header.api_version > api->max_version)
        return 0;
    decode_body(data[0] & 1 ? api->response : api->request, header.api_version, &r);
    return 0;
}
