/* Ctrl-C and TERM. A streaming command asks whether it should stop, and then finishes its work; a
 * second signal ends it at once. Any other command ends at once with 130 or 143. */
#ifndef CLIENT_TOOLS_STOP_H
#define CLIENT_TOOLS_STOP_H

#include <stdbool.h>

/* Installs the handlers. SIGPIPE is ignored, because a write to a closed pipe gives EPIPE. */
void stop_install(bool streaming);
bool stop_requested(void);
/* The command has seen the stop. Requests work again, so it can finish; a second signal ends it. */
void stop_acknowledge(void);

#endif
