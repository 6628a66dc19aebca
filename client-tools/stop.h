/* Ctrl-C and TERM. A streaming command asks whether it should stop and ends well; a second signal
 * ends it at once. Any other command ends at once with 130 or 143. */
#ifndef CLIENT_TOOLS_STOP_H
#define CLIENT_TOOLS_STOP_H

#include <stdbool.h>

/* Takes the signals; SIGPIPE is ignored, writing to a closed pipe is seen by the writer. */
void stop_install(bool streaming);
bool stop_requested(void);
/* From now on the command finishes: requests work again, another signal ends it at once. */
void stop_acknowledge(void);

#endif
