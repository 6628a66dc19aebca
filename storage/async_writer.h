/* Writes that the kernel carries out while the caller goes on: the owner of a journal needs no
 * thread to wait for the disk. The owner of the writer's thread starts writes, and the writer calls
 * done() on the same thread. broker/net/ring.c implements it with io_uring. */
#ifndef STORAGE_ASYNC_WRITER_H
#define STORAGE_ASYNC_WRITER_H

#include "base/error.h"

#include <sys/uio.h>

/* The memory of the parts stays as it is until done(). */
struct async_write {
    int descriptor; /* opened with O_DSYNC: what was written is durable in done() */
    const struct iovec *parts;
    int count;
    size_t size; /* of all parts */
    int64_t position;
    /* ERR_OK: everything is written. ERR_UNSUPPORTED: perhaps only a part is written, and no error
     * of the disk is known: write it again in another way. ERR_NO_SPACE. ERR_IO: any other refusal,
     * which is logged. */
    void (*done)(struct async_write *write, enum error result);
};

struct async_writer {
    /* False: nothing was started, write it in another way. */
    bool (*start)(struct async_writer *writer, struct async_write *write);
};

#endif
