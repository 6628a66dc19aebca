#include "broker/broker.h"

int main(void)
{
    return 0;
}
