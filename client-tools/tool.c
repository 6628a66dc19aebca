#include "client-tools/tool.h"

int tool_main(int count, char **values)
{
    (void)count, (void)values;
    return 2;
}
