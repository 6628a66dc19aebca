/* Kafka's error for one item of a request: a code, and a message for people. */
#ifndef BROKER_REQUEST_API_ERROR_H
#define BROKER_REQUEST_API_ERROR_H

#include "protocol/kafka_error.h"

struct api_error {
    enum kafka_error code;
    const char *message; /* NULL if there is no error; its maker says who owns it */
};

#endif
