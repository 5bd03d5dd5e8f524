/* Two threads that never rest, for as long as standard input is open: what a benchmark may have beside it. */
#include <pthread.h>
#include <unistd.h>

static void *spin(void *nothing)
{
    for (volatile unsigned long i = 0;; i++)
        ;
    return nothing;
}

int main(void)
{
    char byte;
    pthread_t thread;
    for (int i = 0; i < 2; i++)
        if (pthread_create(&thread, NULL, spin, NULL) != 0)
            return 1;
    while (read(STDIN_FILENO, &byte, 1) > 0)
        ;
    return 0;
}
