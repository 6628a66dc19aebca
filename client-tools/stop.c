#include "client-tools/stop.h"

#include <signal.h>
#include <stddef.h>
#include <unistd.h>

/* Global, because a signal handler cannot reach anything else. */
static volatile sig_atomic_t requested, ends_at_once;

static void on_signal(int number)
{
    if (ends_at_once || requested)
        _exit(128 + number);
    requested = 1;
}

void stop_install(bool streaming)
{
    ends_at_once = !streaming;
    struct sigaction action = {.sa_handler = on_signal}; /* no SA_RESTART: waits are interrupted */
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    struct sigaction ignore = {.sa_handler = SIG_IGN};
    sigaction(SIGPIPE, &ignore, NULL);
}

bool stop_requested(void)
{
    return requested != 0;
}

void stop_acknowledge(void)
{
    ends_at_once = 1;
    requested = 0;
}
