#include "storage/leader_epoch_file.h"

#include <stdlib.h>

static const char content[] = "0\n1\n0 0\n";

bool leader_epoch_file_is_right(struct bytes file)
{
    return bytes_equal_string(file, content);
}

enum error leader_epoch_file_write(struct io *io, const char *directory, bool sync)
{
    char *path = io_path(directory, LEADER_EPOCH_FILE);
    struct io_file *file;
    enum error error = io->ops->open(io, path, IO_WRITE | IO_CREATE, &file);
    free(path);
    if (error != ERR_OK)
        return error;
    error = io_write(io, file, content, sizeof content - 1, 0);
    if (error == ERR_OK && sync)
        error = io_sync(io, file);
    io->ops->close(io, file);
    return error;
}
