#include "client-tools/output/record_printer.h"

#include "client-tools/files.h"

#include <errno.h>

enum { FLUSH_SIZE = 64 << 10, MAX_HELD = 1 << 30 };

bool record_printer_init(struct record_printer *p, struct bytes format, struct failure *f)
{
    struct message why;
    *p = (struct record_printer){.format = format};
    buffer_init(&p->out, MAX_HELD);
    if (bytes_is_null(format) || record_format_check(format, &why))
        return true;
    return fail_usage(f, "-f: %s", why.text);
}

void record_printer_free(struct record_printer *p)
{
    buffer_free(&p->out);
}

bool record_printer_flush(struct record_printer *p)
{
    if (!p->reader_gone && !write_stdout(buffer_view(&p->out))) {
        p->reader_gone = true;
        p->write_error = errno != EPIPE ? errno : 0;
    }
    buffer_clear(&p->out);
    return !p->reader_gone;
}

bool record_printer_end(const struct record_printer *p, struct failure *f)
{
    return p->write_error == 0 || fail_output(f, p->write_error);
}

void record_printer_add(struct record_printer *p, const struct record_place *place,
                        const struct record *record)
{
    if (bytes_is_null(p->format))
        record_json_append(&p->out, place, record);
    else
        record_format_append(&p->out, p->format, place, record, p->count);
    p->count++;
    if (p->out.size >= FLUSH_SIZE)
        record_printer_flush(p);
}
