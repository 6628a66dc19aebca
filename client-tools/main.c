#include "client-tools/tool.h"

int main(int count, char **values)
{
    return tool_main(count, values);
}
