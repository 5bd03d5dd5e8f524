/*
 * What the port programs of the benchmark share: frames of {packet, 4} on standard input and output, one read for
 * all that is there, one write for all that is to be said. Between activity and sleep the input is polled for
 * -spin-us microseconds (0: the program sleeps at once), as the helper does.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { BUFFER = 1 << 20, PIPE_SIZE = 1 << 20 };

static uint8_t in[BUFFER], out[BUFFER];
static size_t in_used, out_used;

static void die(const char *what)
{
    fprintf(stderr, "a port program of the benchmark: %s\n", what);
    exit(1);
}

static uint32_t be32(const uint8_t *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static void put_bytes(const void *bytes, size_t size)
{
    memcpy(out + out_used, bytes, size);
    out_used += size;
}

static void put_be32(uint32_t value)
{
    value = htonl(value);
    put_bytes(&value, 4);
}

static void write_all(const uint8_t *bytes, size_t size)
{
    for (size_t done = 0; done < size;) {
        ssize_t n = write(STDOUT_FILENO, bytes + done, size - done);
        if (n > 0)
            done += (size_t)n;
        else if (n < 0 && errno == EAGAIN)
            poll(&(struct pollfd){.fd = STDOUT_FILENO, .events = POLLOUT}, 1, -1);
        else if (n < 0 && errno != EINTR)
            exit(0);
    }
}

static void flush(void)
{
    write_all(out, out_used);
    out_used = 0;
}

static int64_t now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

/* Reads what is there; polls for a while before it sleeps. */
static void fill(int64_t spin)
{
    int64_t deadline = spin > 0 ? now() + spin : 0;
    for (;;) {
        ssize_t n = read(STDIN_FILENO, in + in_used, BUFFER - in_used);
        if (n > 0) {
            in_used += (size_t)n;
            return;
        }
        if (n == 0 || (errno != EAGAIN && errno != EINTR))
            exit(0);
        if (spin == 0 || now() >= deadline)
            poll(&(struct pollfd){.fd = STDIN_FILENO, .events = POLLIN}, 1, -1);
    }
}

/* Nanoseconds of polling, from the arguments. Flags that are not known are the helper's. */
static int64_t begin(int argc, char **argv)
{
    int64_t spin_ns = 0;
    for (int i = 1; i + 1 < argc; i += 2)
        if (strcmp(argv[i], "-spin-us") == 0)
            spin_ns = (int64_t)atoi(argv[i + 1]) * 1000;
    for (int fd = STDIN_FILENO; fd <= STDOUT_FILENO; fd++) {
        fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
        (void)fcntl(fd, F_SETPIPE_SZ, PIPE_SIZE);
    }
    return spin_ns;
}
