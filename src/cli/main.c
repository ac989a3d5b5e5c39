#include <stdio.h>

int main(void)
{
    puts("lathe " LT_VERSION);
    return 0;
}
