#include "client-tools/tool.h"

int main(int count, char **values)
{
    return count > 0 ? tool_main(count - 1, values + 1) : EXIT_USAGE;
}
