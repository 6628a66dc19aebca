#include "storage/data_meta.h"

#include "base/crc32c.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

enum { META_SIZE_MAX = 4096 };

static enum error parse(const char *text, struct data_meta *out)
{
    const char *check = strstr(text, "crc32c=");
    uint32_t crc;
    if (check == NULL || sscanf(check, "crc32c=%8" SCNx32, &crc) != 1 ||
        crc != crc32c(0, text, (size_t)(check - text)) ||
        sscanf(text, "format=%d\nstarts=%" SCNu64 "\n", &out->format, &out->starts) != 2)
        return ERR_CORRUPT;
    return out->format > DATA_FORMAT ? ERR_UNSUPPORTED : ERR_OK;
}

enum error data_meta_read(struct io *io, const char *data_directory, struct data_meta *out,
                          struct message *message)
{
    char *path = io_path(data_directory, "tidemill.meta");
    struct buffer text;
    buffer_init(&text, META_SIZE_MAX);
    *out = (struct data_meta){.format = 0};
    enum error error = io_read_file(io, path, &text);
    if (error == ERR_OK)
        error = parse(buffer_c_string(&text), out);
    if (error == ERR_UNSUPPORTED)
        message_set(message,
                    "%s: the data has format %d, this version reads formats up to %d: use the "
                    "version that wrote it or a newer one",
                    path, out->format, DATA_FORMAT);
    else if (error != ERR_OK && error != ERR_NOT_FOUND)
        message_set(message, "%s: %s; restore it from a copy of the data directory", path,
                    error_text(error));
    buffer_free(&text);
    free(path);
    return error;
}

enum error data_meta_write(struct io *io, const char *data_directory, const struct data_meta *meta,
                           struct message *message)
{
    struct buffer text;
    buffer_init(&text, META_SIZE_MAX);
    buffer_printf(&text, "format=%d\nstarts=%" PRIu64 "\n", meta->format, meta->starts);
    buffer_printf(&text, "crc32c=%08" PRIx32 "\n", crc32c(0, text.data, text.size));
    char *path = io_path(data_directory, "tidemill.meta");
    enum error error = io_replace_file(io, path, buffer_view(&text));
    if (error != ERR_OK)
        message_set(message, "cannot write %s: %s", path, error_text(error));
    free(path);
    buffer_free(&text);
    return error;
}
