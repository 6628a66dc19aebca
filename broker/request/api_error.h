/* An error as Kafka answers it for one item of a request: a code, and a sentence for people. */
#ifndef BROKER_REQUEST_API_ERROR_H
#define BROKER_REQUEST_API_ERROR_H

#include "protocol/kafka_error.h"

struct api_error {
    enum kafka_error code;
    const char *message; /* NULL when there is no error; owned by whatever the maker says */
};

#endif
